"""The servers under test: started in processes of their own, asked for a token and for their memory, stopped by id.

Each gets the same machine, the same members and the same requests; amcash runs as `amcash serve` runs for anybody,
with its log of requests going to a file.
"""

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import members
from load import Target
from measurement import NotRightError
from memory import Samples, rss_mb
from plain import tables
from postgres import Postgres

HERE = Path(__file__).parent
PATIENCE_S = 60
ASK_S = 10
BARE_BYTES = 200
"""About the size of the answer to an echo."""


@dataclass
class Server:
    """A running server, and what it has to say about itself."""

    target: Target
    process: subprocess.Popen[bytes]
    database: str | None = None
    """The URL of its ledger, where it is amcash."""
    tables: str | None = None
    """The URL of its tables, where it is the plain alternative."""
    redeemed: int = 0
    """Redemptions that wrk counted as answered."""
    memory: Samples = field(default_factory=Samples)
    """Memory by the number of redemptions."""

    @property
    def rss_mb(self) -> float:
        """Memory resident now, in MB: of the process and, where it has them, its workers."""
        return sum(rss_mb(pid) for pid in [self.process.pid, *_children(self.process.pid)])


def amcash(*words: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run an `amcash` command."""
    done = subprocess.run(
        [sys.executable, "-m", "amcash", *words], check=False, capture_output=True, text=True, env=environment()
    )
    if check and done.returncode != 0:
        raise NotRightError(f"amcash {words[0]} failed: {done.stderr.strip() or done.stdout.strip()}")
    return done


def fill(database: str, folder: Path, count: int) -> None:
    """Make a ledger with the programme and `count` members."""
    amcash("migrate", "--database", database)
    for file in members.write(folder, count):
        amcash("load", file, "--database", database)
    add_client(database)


def add_client(database: str) -> None:
    """Add the client that asks for tokens; it gets its secret when the ledger is served."""
    amcash("client", "add", members.CLIENT, "--sponsor", members.SPONSOR, "--database", database)


@contextmanager
def serving_amcash(
    database: str, folder: Path, count: int, *, workers: int = 1, program: str | None = None
) -> Iterator[Server]:
    """Serve the ledger at `database`, with so many workers; by a program of this folder where one is named."""
    run = ["-m", "amcash"] if program is None else [HERE / program]
    words: list[str | Path] = [sys.executable, *run, "serve", "--port", "0", "--database", database]
    words += ["--workers", str(workers)] if workers > 1 else []
    rotated = amcash("client", "rotate", members.CLIENT, "--json", "--database", database)
    with _started(words, folder) as (process, log):
        address = _address(process, log)
        token = _token(address, json.loads(rotated.stdout)["secret"])
        yield Server(Target(address, token, count), process, database=database)


@contextmanager
def serving_plain(postgres: Postgres, folder: Path, count: int) -> Iterator[Server]:
    """Serve the plain alternative on a database of its own, one process."""
    postgres.create("plain")
    url = postgres.url("plain", "postgresql+asyncpg")
    asyncio.run(tables.prepare(url, members.FIRST, count, members.MILES))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [sys.executable, "-m", "uvicorn", "plain.app:app", "--app-dir", HERE, "--port", str(port)]
    words += ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]
    token = "plain-token"  # noqa: S105 -- known to nobody else, for a server of a minute
    with _started(words, folder, PLAIN_DATABASE=url, PLAIN_TOKEN=token) as (process, log):
        _wait_for_port(port, process, log)
        yield Server(Target(f"http://127.0.0.1:{port}", token, count), process, tables=url)


@contextmanager
def serving_bare(folder: Path) -> Iterator[Server]:
    """Serve constant bytes."""
    with _started([sys.executable, HERE / "bare.py", str(BARE_BYTES)], folder) as (process, log):
        yield Server(Target(_address(process, log), "none", 1), process)


def prove(server: Server) -> None:
    """Check that every answer was an approval, and that the ledger agrees with itself.

    Answers that were under way when a load ended are in the ledger and not in wrk's count, so there may be a few more.

    Raises:
        NotRightError: a redemption was answered that is not in the ledger, something was declined, or `amcash verify`
            found something.
    """
    if server.tables is not None:
        found = asyncio.run(tables.redemptions(server.tables))
        if found < server.redeemed:
            raise NotRightError(f"the plain alternative answered {server.redeemed} redemptions and has {found}")
    if server.database is not None:
        declined = _declined(server.target.address)
        if declined:
            raise NotRightError(f"not every answer was an approval: {declined}")
        before = json.loads(amcash("verify", "--json", "--database", server.database, check=False).stdout)
        if not before["ok"]:
            raise NotRightError(f"amcash verify: {before['findings_total']} findings, first {before['findings'][:3]}")
        if before["outcomes"] < server.redeemed:
            raise NotRightError(f"{server.redeemed} redemptions were answered and {before['outcomes']} are recorded")


def look(server: Server, endpoint: str) -> None:
    """Send one request and read its answer, which must be an approval with what an approval says.

    Raises:
        NotRightError: it is something else.
    """
    fields = {"deviceId": "001", "sponsorCode": "LOY1", "storeId": "0001", "traceId": "1", "vendorId": "100087"}
    if endpoint != "echo":
        fields |= {"acquirerId": "100000", "cardEntryMode": "SWIPE", "collectorNumber": str(members.FIRST)}
        fields |= {"dateTime": "2026-07-16T13:32:00+0400", "postTaxBasketAmount": "16.12"}
    if endpoint == "redeem":
        fields["dollarRedeemRequest"] = "16.12"
    headers = {
        "Authorization": f"Bearer {server.target.token}",
        "Content-Type": "application/json",
        "Idempotency-Key": f"look-{time.time_ns()}",
    }
    address = f"{server.target.address}/checkout/amcash/{endpoint}"
    answer = json.loads(_ask(urllib.request.Request(address, json.dumps(fields).encode(), headers)))
    redeemed = endpoint != "redeem" or (answer.get("milesRedeemed") == "95" and "txnConfirmationNumber" in answer)
    if answer.get("responseCode") != "0000" or not redeemed:
        raise NotRightError(f"{endpoint} was answered {answer}")
    server.redeemed += endpoint == "redeem"


@contextmanager
def _started(words: list[str | Path], folder: Path, **more: str) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    log = folder / f"server-{time.monotonic_ns()}.log"
    with log.open("w") as out:
        process = subprocess.Popen(words, stdout=out, stderr=subprocess.STDOUT, env=environment(**more))
    try:
        yield process, log
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def environment(**more: str) -> dict[str, str]:
    """Return what our processes inherit: nothing that would set amcash up differently here than elsewhere."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AMCASH_")}
    return kept | {"PYTHONUNBUFFERED": "1"} | more


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and process.poll() is None:
        for line in log.read_text().splitlines():
            if line.startswith("amcash listening on "):
                return line.split()[-1]
        time.sleep(0.02)
    raise NotRightError(f"a server did not start:\n{log.read_text()}")


def _wait_for_port(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), ASK_S).close()
        except ConnectionRefusedError:
            time.sleep(0.05)
        else:
            return
    raise NotRightError(f"the plain alternative did not start:\n{log.read_text()}")


def _token(address: str, secret: str) -> str:
    form = f"grant_type=client_credentials&client_id={members.CLIENT}&client_secret={secret}"
    return str(json.loads(_ask(urllib.request.Request(f"{address}/oauth/token", form.encode())))["access_token"])


def _declined(address: str) -> list[str]:
    """Return the lines of /metrics that count other answers than `0000`."""
    lines = _ask(urllib.request.Request(f"{address}/metrics")).decode().splitlines()
    counted = [line for line in lines if line.startswith("amcash_requests_total{")]
    return [line for line in counted if 'code="0000"' not in line and float(line.split()[-1]) > 0]


def _ask(request: urllib.request.Request) -> bytes:
    try:
        with urllib.request.urlopen(request, timeout=ASK_S) as answer:
            return bytes(answer.read())
    except (urllib.error.URLError, TimeoutError) as error:
        said = error.read().decode() if isinstance(error, urllib.error.HTTPError) else ""
        raise NotRightError(f"{request.full_url}: {error} {said}") from None


def _children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(word) for word in found.read_text().split()] if found.exists() else []
