"""The only place where the parts meet, and the only one that names a database."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from amcash.access.tokens import Tokens, new_signing_key
from amcash.domain.commands import Command
from amcash.domain.vocabulary import Register
from amcash.edge import server
from amcash.edge.app import Edge, make_app
from amcash.edge.logs import RequestLog, write_to_stdout
from amcash.edge.metrics import Metrics
from amcash.ledger import register as registers
from amcash.ledger.lane import Lane
from amcash.ledger.settle import Settled, Settler
from amcash.ledger.sqlite import ServerLock, SqliteStore
from amcash.ledger.store import Store, StoreUnusableError
from amcash.service import Service
from amcash.settings import Settings


def utc_now() -> datetime:
    """Return the server's clock: the only one that counts (R-TIME-4)."""
    return datetime.now(UTC)


def sqlite_path(url: str) -> Path:
    """Return the file that an `sqlite:///…` URL names.

    Raises:
        StoreUnusableError: the URL names no database that this version can use.
    """
    scheme, separator, rest = url.partition(":///")
    if scheme == "sqlite" and separator and rest and not urlsplit(url).query:
        return Path(rest)
    if url.startswith(("postgresql:", "postgres:")):
        raise StoreUnusableError("this version of amcash keeps its ledger in SQLite only; use sqlite:///FILE")
    raise StoreUnusableError(
        f"{url.split(':', maxsplit=1)[0][:20]!r} begins no database URL; use sqlite:///relative.db or sqlite:////absolute.db"
    )


@contextmanager
def open_ledger(url: str, *, create: bool = False) -> Iterator[Store]:
    """Open a ledger for a command, its schema brought up to date.

    Args:
        url: of the database (surface.md).
        create: make it where there is none.

    Raises:
        StoreUnusableError: with a sentence that says what to do.
    """
    store = SqliteStore(sqlite_path(url), create=create)
    try:
        store.migrate()
        yield store
    finally:
        store.close()


def migrate(url: str) -> list[str]:
    """Make the ledger or bring its schema up to date; return the names of the migrations that ran."""
    store = SqliteStore(sqlite_path(url), create=True)
    try:
        return store.migrate()
    finally:
        store.close()


@dataclass(frozen=True, slots=True)
class _Lanes:
    writes: Lane[Command, Settled]
    reads: Lane[Command, Settled]


def serve(settings: Settings, *, prepare: Callable[[Store], None], announce: Callable[[str], None]) -> None:
    """Serve until told to stop.

    Args:
        settings: the values in force.
        prepare: called with an open ledger before the first request, to load a programme file.
        announce: called with the address once requests are answered.

    Raises:
        StoreUnusableError: the ledger cannot be used, or another server has it.
        ListenError: the address cannot be listened on.
    """
    path = sqlite_path(settings.database)
    if settings.workers > 1:
        raise StoreUnusableError("an SQLite ledger has one writer: --workers above 1 is for PostgreSQL only")
    with open_ledger(settings.database, create=True) as store:
        lock = ServerLock(path)
        try:
            prepare(store)
            register = _first_register(store, sandbox=settings.sandbox)
            listener = server.listen(settings.host, settings.port)
            _serve(settings, path, register, listener, announce)
        finally:
            lock.release()


def _first_register(store: Store, *, sandbox: bool) -> Register:
    with store.write() as session:
        if not registers.read_keys(session):
            registers.add_key(session, new_signing_key(utc_now()))
        register = registers.read(session, sandbox=sandbox)
    if register is None:
        raise StoreUnusableError(
            "no programme has been loaded into this ledger: run `amcash load FILE`, or serve with --programme FILE"
        )
    return register


def _serve(
    settings: Settings,
    path: Path,
    register: Register,
    listener: socket.socket,
    announce: Callable[[str], None],
) -> None:
    watch = registers.Watch(
        SqliteStore(path), register, sandbox=settings.sandbox, poll_s=settings.register_poll_ms / 1000
    )
    metrics = Metrics()
    lanes = _lanes(settings, path, watch, metrics)
    port = listener.getsockname()[1]
    address = settings.address if settings.port else settings.address.removesuffix(":0") + f":{port}"
    request_log = RequestLog(utc_now, write_to_stdout if settings.log_requests else None)
    edge = Edge(
        service=Service(lanes.writes, lanes.reads, utc_now, settings.budget_ms / 1000),
        tokens=Tokens(
            watch,
            issuer=address,
            audience=settings.audience,
            lifetime_s=settings.token_lifetime_s,
            cached_max=settings.tokens_cached_max,
        ),
        register=watch,
        clock=utc_now,
        metrics=metrics,
        address=address,
        request_log=request_log,
        budget_s=settings.budget_ms / 1000,
    )
    parts = (watch, lanes.writes, lanes.reads)
    for part in parts:
        part.start()
    try:
        server.run(
            make_app(edge),
            listener,
            on_ready=lambda: announce(_listening_at(settings, port)),
            tls_cert=Path(settings.tls_cert) if settings.tls_cert else None,
            tls_key=Path(settings.tls_key) if settings.tls_key else None,
            shutdown_grace_s=settings.shutdown_grace_s,
        )
    finally:
        request_log.flush()
        for part in parts:
            part.stop()


def _listening_at(settings: Settings, port: int) -> str:
    return f"{'https' if settings.tls_cert else 'http'}://{settings.host}:{port}"


def _lanes(settings: Settings, path: Path, watch: registers.Watch, metrics: Metrics) -> _Lanes:
    writer = Settler(SqliteStore(path), watch, utc_now, metrics.commit.observe)
    reader = Settler(SqliteStore(path), watch, utc_now)
    limits = {
        "batch_commands_max": settings.batch_commands_max,
        "queue_commands_max": settings.queue_commands_max,
    }
    writes: Lane[Command, Settled] = Lane(
        "writes", writer.settle, **limits, on_batch=metrics.batch.labels("writes").observe
    )
    reads: Lane[Command, Settled] = Lane(
        "reads", reader.consult, **limits, on_batch=metrics.batch.labels("reads").observe
    )
    metrics.watch_queue("writes", lambda: writes.waiting)
    metrics.watch_queue("reads", lambda: reads.waiting)
    return _Lanes(writes, reads)
