"""What can be killed and started again: the service, and a PostgreSQL of its own."""

import asyncio
import base64
import http.client
import json
import os
import signal
import subprocess
import sys
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlencode

import psycopg

from amcash.ledger.postgres import PostgresStore
from api.serving import by_hand, clean_environment
from postgres import server as postgres

TESTS = Path(__file__).parents[1]
START_S = 60
CLIENT = "torture"
LISTENING = "amcash listening on"

PROGRAMME = """
[programme]
name = "Torture"
timezone = "America/Toronto"
currency = "CAD"
cap_day_starts = "03:00"
file_day_starts = "00:00"
daily_cap_dollars = "{cap}"
over_request = "decline"
check_digit = false

[[offers]]
id = "1111111111"
type = "RGL"
unit_miles = 95
unit_dollars = "10.00"
description_en = "95 Cash Miles = $10 off"
description_fr = "95 milles Argent = 10 $ de rabais"

[[sponsors]]
code = "LOY1"
name = "Loyal Grocer"
vendor_ids = ["100087"]
acquirer_ids = ["100000"]
"""


class Service:
    """`amcash serve` on a port that stays the same, on a ledger of its own.

    Args:
        folder: for the programme, the log and the journals.
        database: its URL.
        collectors: number -> (cash, dream).
        cap: of a day, in dollars.
        workers: processes.
        grace_s: of a delivery.
        planted: the name of a bug to run with (planted.py).
        through: the URL that it is given, where a wire lies between.
    """

    def __init__(self, folder, database, collectors, *, cap, workers=1, grace_s=1, planted=None, through=None):
        self.folder = Path(folder)
        self.database = database
        self.through = through or database
        self.collectors = collectors
        self.cap = cap
        self.workers = workers
        self.grace_s = grace_s
        self.planted = planted
        self.process = None
        self.port = postgres._free_port()
        self.address = ("127.0.0.1", self.port)
        self._log = self.folder / "server.log"
        self._secret = ""
        self.last_lines = set()
        """Of the journals of killed processes: `COLLECTOR CONFIRMATION`."""

    def load(self):
        """Put the programme, its collectors and a client into the ledger."""
        programme = self.folder / "programme.toml"
        accounts = "".join(_collector(*item) for item in self.collectors.items())
        programme.write_text(PROGRAMME.format(cap=self.cap) + accounts)
        self._amcash("load", str(programme), "--database", self.database)
        made = self._amcash("client", "add", CLIENT, "--sponsor", "LOY1", "--json", "--database", self.database)
        self._secret = json.loads(made)["secret"]

    def _amcash(self, *words, check=True):
        done = subprocess.run(
            [sys.executable, "-m", "amcash", *words],
            check=False,
            capture_output=True,
            text=True,
            env=clean_environment(),
            timeout=600,
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done.stdout or done.stderr

    def start(self):
        words = ["-m", "torture.planted", self.planted] if self.planted else ["-m", "amcash"]
        command = [sys.executable, *words, "serve", "--port", str(self.port), "--database", self.through]
        command += ["--workers", str(self.workers)]
        environment = clean_environment(
            AMCASH_DELIVERY_GRACE_S=str(self.grace_s),
            AMCASH_LOG_REQUESTS="false",
            AMCASH_PUBLIC_URL="http://amcash.test",
            AMCASH_STATE_DIR=str(self.folder / "state"),
            PYTHONPATH=os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")]).strip(os.pathsep),
            TMPDIR=str(self.folder),
        )
        with self._log.open("ab") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=environment)

    async def ready(self):
        """Start it, and wait until it says that it listens: until all of its processes do."""
        before = self.said().count(LISTENING) if self._log.exists() else 0
        await self.started()
        while self.said().count(LISTENING) == before:
            assert self.process.poll() is None, self.said()[-3000:]
            await asyncio.sleep(0.02)

    def watch(self):
        """Start it again where it has ended by itself, as whoever watches a service does; tell whether it had."""
        ended = self.process.poll() is not None
        if ended:
            self.start()
        return ended

    async def started(self):
        """Start it, and wait until it listens; start it again where it could not."""
        deadline = asyncio.get_running_loop().time() + START_S
        self.start()
        while True:
            with suppress(OSError):
                _, writer = await asyncio.open_connection(*self.address)
                writer.close()
                return
            self.watch()  # what it needs may be away
            assert asyncio.get_running_loop().time() < deadline, self.said()[-3000:]
            await asyncio.sleep(0.01)

    def said(self):
        return self._log.read_text(errors="replace")

    def token(self):
        basic = base64.b64encode(f"{CLIENT}:{self._secret}".encode()).decode()
        headers = {"Authorization": f"Basic {basic}", "Content-Type": "application/x-www-form-urlencoded"}
        with closing(http.client.HTTPConnection(*self.address, timeout=30)) as connection:
            connection.request("POST", "/oauth/token", urlencode({"grant_type": "client_credentials"}), headers)
            return json.loads(connection.getresponse().read())["access_token"]

    def children(self):
        pid = self.process.pid
        with suppress(OSError):
            return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        return []

    def pids(self):
        """Return the processes that answer."""
        return [self.process.pid] if self.workers == 1 else self.children()

    def all_pids(self):
        """Return every process of the service: the one that was started, and those it has."""
        return [self.process.pid, *self.children()]

    async def kill(self, *pids):
        """Kill processes, and keep the last line of each one's journal."""
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self.process.pid in pids:
            self.process.wait(START_S)
        await self.children_gone(pids)
        for pid in pids:
            for path in self.folder.glob(f"*/**/{pid}-*.journal"):
                with suppress(FileNotFoundError):  # a sibling has taken it in already
                    self.last_lines |= {line[1:] for line in path.read_text().splitlines()[-1:] if line[0] == "+"}

    async def kill_all(self):
        await self.kill(self.process.pid, *(self.children() if self.workers > 1 else []))

    async def children_gone(self, pids):
        """Wait until processes have ended, be it that they drain first."""
        while any(_state(pid) not in "ZX" for pid in pids):  # noqa: ASYNC110 -- nobody tells us
            await asyncio.sleep(0.01)

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            children = self.children()
            self.process.terminate()
            try:
                self.process.wait(START_S)
            except subprocess.TimeoutExpired:
                for pid in [self.process.pid, *children]:
                    os.kill(pid, signal.SIGKILL)
                raise

    def verify(self):
        """Return what `amcash verify --json` says."""
        said = self._amcash("verify", "--json", "--database", self.database, check=False)
        try:
            return json.loads(said)
        except ValueError:
            return {"ok": False, "findings": [said]}


def _state(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "X"


def _collector(number, wallets):
    cash, dream = wallets
    return f'\n[[collectors]]\nnumber = "{number}"\ncash_miles = {cash}\ndream_miles = {dream}\n'


@contextmanager
def serving(service):
    """Give a service that ends with the block; it is started inside."""
    try:
        yield service
    finally:
        service.stop()


BACKENDS = (
    "SELECT pid FROM pg_stat_activity WHERE datname = %s AND backend_type = 'client backend' "
    "AND pid <> pg_backend_pid() ORDER BY pid"
)


class Postmaster:
    """A PostgreSQL on a port that stays the same; it can be killed and started again."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.port = postgres._free_port()
        self.url = f"postgresql://{postgres.OWNER}@127.0.0.1:{self.port}/postgres"
        self._become = postgres._become_nobody() if os.geteuid() == 0 else None
        if self._become is not None:
            os.chown(self.folder, self._become.uid, self._become.gid)
        self._binaries = postgres._binaries(self.folder)
        self.process = None

    def start(self):
        data, log = self.folder / "data", self.folder / "log"
        started = {
            "env": {"LC_ALL": "C.UTF-8", "PATH": os.environ.get("PATH", ""), "TZ": "UTC"},
            "cwd": "/",
            "preexec_fn": self._become,
            "stderr": subprocess.STDOUT,
        }
        words = ["--username", postgres.OWNER, "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]
        settings = {**postgres.SETTINGS, "port": self.port, "unix_socket_directories": ""}
        flags = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with log.open("ab") as out:
            if not data.exists():
                initdb = [self._binaries / "initdb", "-D", data, *words]
                subprocess.run(initdb, check=True, stdout=out, timeout=60, **started)
            self.process = subprocess.Popen([self._binaries / "postgres", "-D", data, *flags], stdout=out, **started)

    @property
    def runs(self):
        return self.process is not None and self.process.poll() is None

    async def started(self):
        """Start it, and wait until it takes connections."""
        self.start()
        await self.answers()

    async def answers(self):
        """Wait until it takes connections; start it again while what a killed one left is in the way."""
        while True:
            if not self.runs:
                self.start()
            try:
                psycopg.connect(self.url, connect_timeout=2).close()
            except psycopg.OperationalError:
                await asyncio.sleep(0.05)
            else:
                return

    def panics(self):
        """Return how often it has given itself up, as it does when its log cannot be flushed."""
        return (self.folder / "log").read_text(errors="replace").count("PANIC:")

    def kill(self):
        self.process.kill()
        self.process.wait(START_S)

    def backend(self, database, chance):
        """Return the id of a process of the server that works for somebody, None where none does."""
        try:
            with psycopg.connect(self.url, autocommit=True) as admin:
                found = admin.execute(BACKENDS, [database.rpartition("/")[2]]).fetchall()
        except psycopg.OperationalError:
            return None  # it is still recovering from the last one
        return chance.choice(found)[0] if found else None

    def new_ledger(self, name):
        """Make a migrated database and return its URL."""
        with psycopg.connect(self.url, autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'")
        url = self.url.rpartition("/")[0] + f"/{name}"
        with closing(PostgresStore(url)) as store:
            store.migrate()
        return url

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(START_S)


def read(database, sql):
    """Return all rows, read by hand."""
    with ExitStack() as stack:
        return list(stack.enter_context(by_hand(database)).execute(sql))
