"""What can be measured, by name: each system is prepared and started when it is first asked for, and runs to the end.

One PostgreSQL serves all that need one: pgbench, amcash and the plain alternative.
"""

import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path

import load
import postgres
import servers
import tpcb
from figures import Run
from measurement import Measurement, NotRightError
from postgres import Postgres, PostgresError
from servers import Server

HERE = Path(__file__).parent
MEMBERS = 100_000
MEMBERS_BIG = 1_000_000
VARIANTS = {"-undelivered": "undelivered.py", "-process": "one_process.py"}
"""By the end of a system's name: the program that is amcash but for one thing."""
WORKERS = 2
"""Processes of the system that has several."""
REDEMPTIONS_PER_MEMBER_BIG = 2
"""With the opening transfer of each member: 3 million transfers."""


class Systems:
    """Everything under test, in `folder`; `broken` says what could not be measured, and why."""

    def __init__(self, folder: Path, seconds: int, stack: ExitStack, tell: Callable[[str], None]) -> None:
        self.broken: dict[str, str] = {}
        self._folder = folder
        self._seconds = seconds
        self._stack = stack
        self._tell = tell
        self._running: dict[str, Server] = {}
        self._prepared = False

    @cached_property
    def postgres(self) -> Postgres:
        """The PostgreSQL server, started now."""
        return self._stack.enter_context(postgres.running(self._folder / "postgres"))

    def amcash(self) -> dict[str, Server]:
        """Return the servers of amcash that run."""
        return {name: server for name, server in self._running.items() if server.database}

    def measure(self, run: Run, seconds: int | None = None) -> Measurement | None:
        """Measure once; None where the system is broken, or breaks now."""
        if run.system in self.broken:
            return None
        seconds = seconds or self._seconds
        try:
            if run.system == "pgbench":
                return self._measure_pgbench(run.connections, seconds)
            server = self.server(run.system)
            if run.system != "bare":
                servers.look(server, run.endpoint)
            measured = load.measure(server.target, run.endpoint, run.connections, seconds, self._folder)
            if run.system != "bare":
                servers.look(server, run.endpoint)
            if run.endpoint == "redeem":
                server.redeemed += measured.requests
            server.memory.add(server.redeemed, server.rss_mb)
        except (NotRightError, PostgresError) as error:
            self._break(run.system, error)
            return None
        return measured

    def server(self, system: str) -> Server:
        """Return the server of a system, started and warm."""
        if system not in self._running:
            self._tell(f"preparing {system}")
            self._running[system] = server = self._started(system)
            if system != "bare":
                warm = load.measure(server.target, "redeem", 32, 1, self._folder)
                server.redeemed += warm.requests
        return self._running[system]

    def prove(self) -> None:
        """Check what was answered against what is recorded, and every ledger by `amcash verify`."""
        for name, server in self._running.items():
            if name in self.broken or name == "bare":
                continue
            self._tell(f"proving {name}: {server.redeemed:,} redemptions")
            try:
                servers.prove(server)
            except NotRightError as error:
                self._break(name, error)

    def new_database(self, name: str) -> str:
        """Return the URL of an empty ledger: `sqlite…` in the folder, `postgresql…` on the server."""
        if name.startswith("sqlite"):
            return f"sqlite:///{self._folder}/{name}.db"
        self.postgres.create(f'"{name}"')
        return self.postgres.url(name)

    def grow(self, database: str) -> None:
        """Give the million members of `database` the history of a programme in use."""
        words = [sys.executable, HERE / "big.py", database, str(MEMBERS_BIG), str(REDEMPTIONS_PER_MEMBER_BIG)]
        done = subprocess.run(words, check=False, capture_output=True, text=True, env=servers.environment())
        if done.returncode != 0:
            raise NotRightError(f"the big ledger could not be written: {done.stderr.strip()}")
        self.settle_down(database)

    def settle_down(self, database: str) -> None:
        """Let PostgreSQL do now what its autovacuum would do in the middle of a run, as pgbench does after filling."""
        if database.startswith("postgresql"):
            self.postgres.ask(database.rsplit("/", 1)[1], "VACUUM (ANALYZE)")

    def serve(self, system: str, database: str, members: int) -> None:
        """Serve a ledger that is there already under the name of a system."""
        self._running[system] = self._stack.enter_context(servers.serving_amcash(database, self._folder, members))

    def _started(self, system: str) -> Server:
        if system == "bare":
            return self._stack.enter_context(servers.serving_bare(self._folder))
        if system == "plain":
            return self._stack.enter_context(servers.serving_plain(self.postgres, self._folder, MEMBERS))
        database = self.new_database(system)
        servers.fill(database, self._folder, MEMBERS)
        self.settle_down(database)
        workers = WORKERS if system.endswith("-workers") else 1
        program = next((name for end, name in VARIANTS.items() if system.endswith(end)), None)
        return self._stack.enter_context(
            servers.serving_amcash(database, self._folder, MEMBERS, workers=workers, program=program)
        )

    def _measure_pgbench(self, connections: int, seconds: int) -> Measurement:
        if not self._prepared:
            self._tell(f"preparing pgbench, scale {tpcb.SCALE}")
            tpcb.prepare(self.postgres)
            tpcb.measure(self.postgres, connections, 1)
            self._prepared = True
        return tpcb.measure(self.postgres, connections, seconds)

    def _break(self, system: str, error: Exception) -> None:
        self.broken[system] = str(error)
        self._tell(f"{system} does not count: {error}")
