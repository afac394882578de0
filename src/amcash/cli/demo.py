"""`amcash demo`: the story a newcomer should see, over real HTTP, on the real service and a temporary ledger."""

import base64
import http.client
import json
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from pathlib import Path
from urllib.parse import urlsplit

import click
from rich import box
from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from amcash import wiring
from amcash.audit.verify import verify
from amcash.cli.failing import Refused
from amcash.dialogue.amounts import choice, money
from amcash.dialogue.answers import Endpoint, Language
from amcash.dialogue.receipts import RECEIPT_COLUMNS, receipt
from amcash.dialogue.screens import COLUMNS, screen

CLIENT = "demo-till"
SECRET = "only-in-the-demonstration"  # noqa: S105 -- it stands in demo-programme.toml and is live nowhere else
START_S = 30
ANSWER_S = 10
COLLECTOR = "84095202006"
QUIET_COLLECTOR = "80000000014"
_TOLD = (
    "cashBalance",
    "availableCashBalance",
    "availableOfferUnits",
    "unitsRedeemed",
    "milesRedeemed",
    "milesReversed",
    "txnConfirmationNumber",
)

_TOLD_A_LINE = 2
"""Values on one line: the longest two fit into 80 columns."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    replayed: bool
    body: dict[str, str]


class Till:
    """A till of sponsor LOY1: just enough HTTP to tell the story."""

    def __init__(self, address: str) -> None:
        split = urlsplit(address)
        self._host, self._port = str(split.hostname), int(split.port or 80)
        self._token = ""
        self._trace = 0

    def fetch_token(self) -> int:
        """Get a bearer token; return how many seconds it is good for."""
        basic = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        headers = {"Authorization": f"Basic {basic}", "Content-Type": "application/x-www-form-urlencoded"}
        answer = self._post("/oauth/token", "grant_type=client_credentials", headers)
        self._token = answer.body["access_token"]
        return int(answer.body["expires_in"])

    def request(self, collector: str, **fields: str) -> dict[str, str]:
        """Return the fields of a new request about `collector`."""
        self._trace += 1
        return {
            "acquirerId": "100000",
            "cardEntryMode": "SWIPE",
            "collectorNumber": collector,
            "dateTime": datetime.now().astimezone().isoformat(timespec="milliseconds"),
            "deviceId": "001",
            "sponsorCode": "LOY1",
            "storeId": "0001",
            "traceId": f"{self._trace:012}",
            "vendorId": "100087",
            **fields,
        }

    def ask(self, endpoint: str, fields: dict[str, str], key: str | None = None) -> Answer:
        """Send a request and wait for its answer."""
        return self._post(f"/checkout/amcash/{endpoint}", json.dumps(fields), self._headers(key))

    def ask_and_hang_up(self, endpoint: str, fields: dict[str, str], key: str) -> None:
        """Send a request whole, and be gone before the answer comes: the cable was pulled."""
        connection = http.client.HTTPConnection(self._host, self._port, timeout=ANSWER_S)
        connection.request("POST", f"/checkout/amcash/{endpoint}", json.dumps(fields), self._headers(key))
        connection.sock.recv(1)  # something is on its way; the till never gets to read it
        connection.close()

    def _headers(self, key: str | None) -> dict[str, str]:
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        return headers if key is None else {**headers, "Idempotency-Key": key}

    def _post(self, path: str, body: str, headers: dict[str, str]) -> Answer:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=ANSWER_S)
        try:
            connection.request("POST", path, body, headers)
            response = connection.getresponse()
            replayed = response.getheader("Idempotency-Replayed") == "true"
            return Answer(response.status, replayed, json.load(response))
        finally:
            connection.close()


@click.command()
def demo() -> None:
    """See the whole story in one terminal, in under a minute.

    Starts a sandbox on a temporary ledger, gets a token, inquires, redeems, loses an answer and retries, reverses,
    prints the receipts and what the ledger says. Everything it makes is gone afterwards.
    """
    console = Console(highlight=False)
    with tempfile.TemporaryDirectory(prefix="amcash-demo-") as folder:
        database = f"sqlite:///{folder}/demo.db"
        with _sandbox(Path(folder), database) as address:
            console.print(f"A sandbox listens on [bold]{address}[/], its ledger in a temporary folder.\n")
            _tell(console, Till(address))
        _show_ledger(console, database)


@contextmanager
def _sandbox(folder: Path, database: str) -> Iterator[str]:
    programme = folder / "programme.toml"
    programme.write_text((resources.files("amcash.cli") / "demo-programme.toml").read_text("utf-8"), "utf-8")
    command = [sys.executable, "-m", "amcash", "serve", "--sandbox", "--port", "0"]
    command += ["--programme", str(programme), "--database", database]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:  # noqa: S603 -- our own program
        assert server.stdout is not None
        try:
            yield _address(server.stdout)
        finally:
            server.terminate()
            server.communicate(timeout=START_S)


def _address(lines: Iterator[str]) -> str:
    prefix = "amcash listening on "
    for line in lines:
        if line.startswith(prefix):
            return line.removeprefix(prefix).strip()
    raise Refused("the demonstration's server did not start")


def _tell(console: Console, till: Till) -> None:
    console.print("[bold]1. A token[/]")
    console.print(f"   The till of LOY1 gets a bearer token, good for {till.fetch_token()} s.\n")

    console.print("[bold]2. An inquiry[/]  basket $43.50, card swiped")
    answer = till.ask("inquire", till.request(COLLECTOR, postTaxBasketAmount="43.50"))
    _show(console, answer)
    chosen = choice(answer.body)
    assert chosen is not None
    console.print("   What the cashier sees, on a terminal of 20 columns by 4 rows:\n")
    _screen(console, Endpoint.INQUIRE, answer.body)

    amount = money(chosen.cents(chosen.most), Language.EN)
    console.print(f"[bold]3. A redemption, and its answer is lost[/]  {amount}")
    dollars = chosen.dollars(chosen.most)
    request = till.request(COLLECTOR, postTaxBasketAmount="43.50", dollarRedeemRequest=dollars)
    key = str(uuid.uuid4())
    till.ask_and_hang_up("redeem", request, key)
    console.print("   The request went out, then the line went dead. Was the collector charged?\n")
    _screen(console, Endpoint.REDEEM, None)

    console.print("[bold]4. The identical retry[/]  same key, same bytes")
    redeemed = till.ask("redeem", request, key)
    _show(console, redeemed)
    console.print("   [green]Replayed[/]: the first outcome again, nothing was taken twice.\n")
    _screen(console, Endpoint.REDEEM, redeemed.body)
    _receipt(console, Endpoint.REDEEM, redeemed.body)

    console.print("[bold]5. A reversal[/]  the groceries come back")
    number = redeemed.body["txnConfirmationNumber"]
    returned = till.ask("reverse", till.request(COLLECTOR, redemptionConfirmationNum=number), str(uuid.uuid4()))
    _show(console, returned)
    console.print()
    _receipt(console, Endpoint.REVERSE, returned.body)

    console.print("[bold]6. A collector who wants no balances shown[/]  in French")
    quiet = till.request(
        QUIET_COLLECTOR, postTaxBasketAmount="21.00", dollarRedeemRequest="20.00", instantMessage="fr-CA"
    )
    answer = till.ask("redeem", quiet, str(uuid.uuid4()))
    _show(console, answer)
    console.print("   HTTP 202, and yet approved: a till branches on responseCode alone.\n")
    _screen(console, Endpoint.REDEEM, answer.body, Language.FR)
    _receipt(console, Endpoint.REDEEM, answer.body, Language.FR)


def _show(console: Console, answer: Answer) -> None:
    body = answer.body
    code = body["responseCode"]
    mark = " · Idempotency-Replayed: true" if answer.replayed else ""
    console.print(f"   HTTP {answer.status} · [bold cyan]{code}[/] {body['message']}{mark}")
    told = [f"{name} {body[name]}" for name in _TOLD if name in body]
    for at in range(0, len(told), _TOLD_A_LINE):
        console.print("   " + "  ".join(told[at : at + _TOLD_A_LINE]), soft_wrap=True)


def _screen(
    console: Console, endpoint: Endpoint, body: dict[str, str] | None, language: Language = Language.EN
) -> None:
    _framed(console, "\n".join(screen(endpoint, body, language).rows), COLUMNS)


def _receipt(console: Console, endpoint: Endpoint, body: dict[str, str], language: Language = Language.EN) -> None:
    _framed(console, "\n".join(receipt(endpoint, body, language)), RECEIPT_COLUMNS)


def _framed(console: Console, text: str, columns: int) -> None:
    console.print(Panel(Text(text), width=columns + 4))
    console.print()


def _show_ledger(console: Console, database: str) -> None:
    console.print("[bold]7. What the ledger says[/]  the server is stopped; these are its books")
    with wiring.open_ledger(database) as store, store.read() as session:
        for number in (COLLECTOR, QUIET_COLLECTOR):
            table = Table(title=f"collector {number}", box=box.SIMPLE, padding=(0, 1, 0, 0), pad_edge=False)
            for name in ("no.", "kind", "from", "to", "miles", "balance"):
                table.add_column(name, no_wrap=True, justify="right" if name in {"no.", "miles", "balance"} else "left")
            for seq, kind, source, target, miles, balance in session.run(
                "SELECT seq, kind, source, target, miles, balance FROM transfer WHERE collector = ? ORDER BY seq",
                number,
            ):
                accounts = [name.removeprefix(f"collector:{number}:") for name in (source, target)]
                table.add_row(str(seq), kind, *accounts, str(miles), str(balance))
            console.print(table)
        report = verify(session)
    if not report.ok:
        raise Refused("the ledger does not agree with itself: this must never be seen")
    console.print(
        f"\n[green]Verified[/]: {report.collectors} collectors, {report.transfers} transfers. Every balance, daily "
        "use,\nchain and outcome was derived again by a second way, and agrees.\n"
        "Next: [bold]make run[/], then README.md."
    )
