"""The only place where the parts meet, and the only one that names a database."""

import hashlib
import logging
import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from amcash.access.tokens import Tokens, new_signing_key
from amcash.domain.vocabulary import Register
from amcash.edge import server
from amcash.edge.app import Edge, make_app
from amcash.edge.logs import RequestLog, let_stdout_go, write_to_shared_stdout
from amcash.edge.metrics import Metrics, Shared
from amcash.edge.turns import Board
from amcash.edge.workers import Workers, WorkersError
from amcash.ledger import migrations
from amcash.ledger import register as registers
from amcash.ledger import writer as writing
from amcash.ledger.handover import Journal, Journals, Marks
from amcash.ledger.lane import ThreadLane
from amcash.ledger.population import Described
from amcash.ledger.settle import Job, Settled, Settler
from amcash.ledger.sqlite import ServerLock, SqliteStore, may_be_written
from amcash.ledger.store import Store, StoreLostError, StoreUnusableError
from amcash.ledger.sweeper import Sweeper
from amcash.ledger.writer import Line, Told, WriterLane
from amcash.service import CommandLane, Service
from amcash.settings import Settings

log = logging.getLogger(__name__)

if TYPE_CHECKING:
    from amcash.sandbox.restoring import Restorer


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
    if url.startswith("sqlite:"):
        name = url.removeprefix("sqlite:").partition("?")[0].split("/")[-1] or "amcash.db"
        raise StoreUnusableError(
            f"a ledger in a file is named sqlite:///{name} in this folder or sqlite:////folder/{name}, without a ?query"
        )
    raise StoreUnusableError(
        f"{url.split(':', maxsplit=1)[0][:20]!r} begins no database URL; use sqlite:///relative.db, "
        "sqlite:////absolute.db or postgresql://user@host:port/name"
    )


def is_postgres(url: str) -> bool:
    """Tell whether a URL names a database in PostgreSQL."""
    return url.startswith(("postgresql://", "postgres://"))


class _Ledger(Store, Protocol):
    def pending(self) -> list[str]: ...
    def migrate(self) -> list[str]: ...


def connect(url: str, *, create: bool = False, unsafe_durability: bool = False) -> _Ledger:
    """Return a new connection to the ledger that a URL names, whatever its schema.

    Args:
        url: of the database (surface.md).
        create: make the file where there is none. A database in PostgreSQL is made by who runs the server.
        unsafe_durability: accept a PostgreSQL that can lose what it has committed.

    Raises:
        StoreUnusableError: with a sentence that says what to do.
    """
    if is_postgres(url):
        from amcash.ledger.postgres import PostgresStore  # noqa: PLC0415 -- SQLite's users need not wait for its driver

        return PostgresStore(url, unsafe_durability=unsafe_durability)
    return SqliteStore(sqlite_path(url), create=create)


def check_url(url: str) -> None:
    """Refuse a URL that names no database, and open nothing.

    Raises:
        StoreUnusableError: with the forms that do.
    """
    if not is_postgres(url):
        sqlite_path(url)


def is_there(url: str) -> bool:
    """Tell whether there is a ledger to open, without making one. A database in PostgreSQL is taken to be there.

    Raises:
        StoreUnusableError: the URL or the path cannot be used.
    """
    if is_postgres(url):
        return True
    try:
        return sqlite_path(url).exists()
    except OSError as error:
        raise StoreUnusableError(f"the ledger cannot be looked for: {error.strerror}") from None


@contextmanager
def look_at_ledger(url: str, *, unsafe_durability: bool = False) -> Iterator[Store]:
    """Open a ledger only to read it: a file or folder that may not be written is an auditor's copy, and left alone.

    Raises:
        StoreUnusableError: with a sentence that says what to do.
    """
    if is_postgres(url) or not is_there(url) or may_be_written(sqlite_path(url)):
        with open_ledger(url, unsafe_durability=unsafe_durability) as store:
            yield store
        return
    with closing(SqliteStore(sqlite_path(url), unchanging=True)) as copy:
        if pending := copy.pending():
            raise StoreUnusableError(
                f"the schema of this ledger is not up to date ({', '.join(pending)} has not run), and the file may not "
                "be written; copy it into a folder that you may write to, and name the copy"
            )
        yield copy


@contextmanager
def open_ledger(url: str, *, create: bool = False, unsafe_durability: bool = False) -> Iterator[Store]:
    """Open a ledger for a command: a file's schema is brought up to date, PostgreSQL's must be so already.

    Several servers may run on one PostgreSQL, so there it is for a person to say when its schema changes.

    Args:
        url: of the database (surface.md).
        create: make the file where there is none.
        unsafe_durability: accept a PostgreSQL that can lose what it has committed.

    Raises:
        StoreUnusableError: with a sentence that says what to do.
    """
    with closing(connect(url, create=create, unsafe_durability=unsafe_durability)) as store:
        if not is_postgres(url):
            store.migrate()
        elif pending := store.pending():
            raise StoreUnusableError(
                f"the schema of this ledger is not up to date ({', '.join(pending)} has not run); "
                "run `amcash migrate` first, with the same --database"
            )
        yield store


def migrate(url: str, *, unsafe_durability: bool = False) -> list[str]:
    """Make the ledger or bring its schema up to date; return the names of the migrations that ran."""
    with closing(connect(url, create=True, unsafe_durability=unsafe_durability)) as store:
        return store.migrate()


def pending_migrations(url: str, *, unsafe_durability: bool = False) -> list[str]:
    """Return the names of the migrations that `migrate` would run, and change nothing."""
    if not is_there(url):
        return [item.name for item in migrations.known("sqlite")]
    with closing(connect(url, unsafe_durability=unsafe_durability)) as store:
        return store.pending()


KEPT_FOR_EVER = timedelta(days=365_000)


class _Part(Protocol):
    def start(self) -> None: ...
    def stop(self) -> None: ...


@dataclass(frozen=True, slots=True)
class _Lanes:
    writes: CommandLane
    reads: CommandLane


def serve(
    settings: Settings,
    *,
    prepare: Callable[[Store], None],
    announce: Callable[[str], None],
    described: Described | None = None,
) -> None:
    """Serve until told to stop.

    Args:
        settings: the values in force.
        prepare: called with an open ledger before the first request, to load a programme file.
        announce: called with the address once requests are answered.
        described: the programme file, to which a sandbox goes back.

    Raises:
        StoreUnusableError: the ledger cannot be used, or another server has it.
        ListenError: the address cannot be listened on.
        WorkersError: of several processes, some could not be started, or did not end.
    """
    in_file = not is_postgres(settings.database)
    if settings.workers > 1 and in_file:
        raise StoreUnusableError("an SQLite ledger has one writer, so one server: --workers above 1 is refused")
    if settings.ledger_shards > 1 and in_file:
        raise StoreUnusableError("an SQLite ledger is one shard: AMCASH_LEDGER_SHARDS above 1 is refused")
    with ExitStack() as stack:
        lock = None
        with open_ledger(settings.database, create=True, unsafe_durability=settings.unsafe_durability) as store:
            if in_file:
                lock = ServerLock(sqlite_path(settings.database))
                stack.callback(lock.release)
            prepare(store)
            register = _first_register(store, sandbox=settings.sandbox)
        writer = stack.enter_context(_writer(settings, register, lock)) if settings.workers == 1 else None
        listener = server.listen(settings.host, settings.port)
        address = settings.listening_at(listener.getsockname()[1])
        if settings.workers == 1:
            ready = partial(announce, address)
            _serve(_Place(settings, register, listener, ready, writer=writer, described=described))
        else:
            _serve_in_processes(settings, register, listener, lambda: announce(address))


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


@dataclass(frozen=True, slots=True)
class _Siblings:
    """What one of several processes shares with the others."""

    shared: Shared
    seat: server.Seat


@dataclass(frozen=True, slots=True)
class _Place:
    """What a process that serves is given."""

    settings: Settings
    register: Register
    listener: socket.socket
    on_ready: Callable[[], None]
    siblings: _Siblings | None = None
    writer: Line | None = None
    """To the process that writes, where one process serves; several write themselves."""
    described: Described | None = None
    """The programme file, to which a sandbox goes back."""


def _serve_in_processes(
    settings: Settings, register: Register, listener: socket.socket, on_ready: Callable[[], None]
) -> None:
    try:
        made = tempfile.TemporaryDirectory(prefix="amcash-metrics-")
    except OSError as error:
        raise WorkersError(
            f"there is no folder for what the processes count: {error.strerror}; name one with TMPDIR"
        ) from None
    parent = os.getpid()
    with made as name:
        folder = Path(name)
        board = Board(settings.workers)

        def work(place: int, ready: Callable[[], None]) -> None:
            siblings = _Siblings(Shared(folder, place), (board, place))
            _serve(_Place(settings, register, listener, ready, siblings))
            if os.getppid() != parent:  # it was killed, so nobody else is left to remove its folder
                shutil.rmtree(folder, ignore_errors=True)

        def forget(place: int) -> None:
            Shared(folder, place).forget_queues()
            board.vacate(place)

        Workers(
            settings.workers,
            work,
            on_ready=on_ready,
            on_gone=forget,
            grace_s=settings.shutdown_grace_s,
        ).run(listener)


def _serve(place: _Place) -> None:
    with ExitStack() as connections:  # closed when all has ended: SQLite then leaves its file whole, without a -wal

        def connected() -> Store:
            return connections.enter_context(closing(_connect(place.settings)))

        _serve_with(connected, place)


def _serve_with(connected: Callable[[], Store], place: _Place) -> None:
    settings, siblings, writer = place.settings, place.siblings, place.writer
    watch = registers.Watch(
        connected(), place.register, sandbox=settings.sandbox, poll_s=settings.register_poll_ms / 1000
    )
    plays = settings.sandbox and siblings is None  # clocks and faults are one process's: of several, each has its own
    watch.look()  # a process that takes another's place comes long after the register was first read
    metrics = Metrics(siblings.shared if siblings is not None else None)
    folder = _journal_folder(settings)
    journal = Journal(folder)
    journals = Journals(folder, journal, shards=settings.ledger_shards)
    journals.standing()  # refused now, and not in every round of the sweeper, where one cannot be read
    # Of a ledger with shards whoever writes divides them.
    marks = Marks(on_committed=journal.committed, shards=settings.ledger_shards if writer is None else 1)
    without_writer = _EndsWithTheWriter()
    lanes = _lanes(connected, place, watch, metrics, marks, without_writer)
    sweeper = Sweeper(
        connected(),
        lanes.writes.hand_in,
        journals,
        utc_now,
        grace=timedelta(seconds=settings.delivery_grace_s),
        # Where clients set the time, the age of an outcome means nothing: a sandbox keeps them all.
        retention=KEPT_FOR_EVER if plays else timedelta(hours=settings.outcome_retention_h),
        on_cancelled=metrics.cancellations.inc,
    )
    port = place.listener.getsockname()[1]
    address = settings.address if settings.port else settings.address.removesuffix(":0") + f":{port}"
    request_log = RequestLog(write_to_shared_stdout if settings.log_requests else None)
    edge = Edge(
        service=Service(
            lanes.writes,
            lanes.reads,
            utc_now,
            grace=timedelta(seconds=settings.delivery_grace_s),
            journal=journal,
            marks=marks,
        ),
        tokens=Tokens(
            watch,
            issuer=address,
            # A sandbox's token is nobody's key to production, though both may run on one ledger.
            audience=f"{settings.audience}-sandbox" if settings.sandbox else settings.audience,
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
    app, *beside = _sandbox(edge, connected(), watch, place.described) if plays else (make_app(edge),)
    # The sweeper stops first: it hands in to the lane that writes.
    parts: tuple[_Part, ...] = (sweeper, *beside, watch, lanes.writes, lanes.reads)
    for part in reversed(parts):
        part.start()

    def listening() -> None:
        if siblings is not None:
            metrics.keep_noting_queues()
        place.on_ready()
        without_writer.serving()

    try:
        server.run(
            app,
            place.listener,
            on_ready=listening,
            tls_cert=Path(settings.tls_cert) if settings.tls_cert else None,
            tls_key=Path(settings.tls_key) if settings.tls_key else None,
            shutdown_grace_s=settings.shutdown_grace_s,
            seat=siblings.seat if siblings is not None else None,
        )
    finally:
        without_writer.over()
        for part in parts:
            part.stop()
        journal.close()
        request_log.flush()
        let_stdout_go()
    if isinstance(lanes.writes, WriterLane) and lanes.writes.lost:
        raise StoreLostError("the process that writes to the ledger ended, so the server did, too; start it again")


@contextmanager
def _writer(settings: Settings, register: Register, lock: ServerLock | None) -> Iterator[Line]:
    """Have a process that writes to the ledger, and give the line to it; at the end wait for its own.

    Args:
        settings: the values in force.
        register: in force until the line brings another.
        lock: on a ledger in a file.
    """

    def write(line: Line) -> None:
        if lock is not None:
            lock.release()  # our copy: a server that is killed must not leave its lock with us
        server.collect_rarely()
        with closing(_connect(settings)) as store:
            awake_s = 0.0
            if isinstance(store, SqliteStore):
                store.checkpoint_beside(on_failure=writing.end_at_once)
                if len(os.sched_getaffinity(0)) > 1:  # of one core the server needs all
                    awake_s = writing.AWAKE_S
            told = Told(register)
            marks = Marks(on_committed=told.marked.extend, shards=settings.ledger_shards)
            settler = Settler(
                store,
                lambda: told.register,
                utc_now,
                told.commits_s.append,
                grace=timedelta(seconds=settings.delivery_grace_s),
                marks=marks,
                shards=settings.ledger_shards,
            )
            line.send(writing.READY)
            writing.write(line, settler.settle, settler.flush, marks, told, awake_s=awake_s)

    try:
        pid, line = writing.start(write)
    except OSError as error:
        raise StoreUnusableError(f"the process that writes to the ledger cannot be started: {error.strerror}") from None
    try:
        if line.receive() != writing.READY:
            raise StoreUnusableError("the process that writes to the ledger could not open it; why stands above")
        yield line
    finally:
        line.close()
        with suppress(ChildProcessError):  # where whoever started us leaves children to the kernel
            os.waitpid(pid, 0)


def _sandbox(
    edge: Edge, store: Store, watch: registers.Watch, described: Described | None
) -> "tuple[server.App, Restorer]":
    from amcash.sandbox.app import make_sandbox  # noqa: PLC0415 -- a production run does not even import it
    from amcash.sandbox.restoring import Restorer  # noqa: PLC0415
    from amcash.till.app import with_till  # noqa: PLC0415

    restorer = Restorer(store, watch, utc_now, described)
    return with_till(make_sandbox(edge, restorer)), restorer


def _connect(settings: Settings) -> Store:
    return connect(settings.database, unsafe_durability=settings.unsafe_durability)


def _journal_folder(settings: Settings) -> Path:
    """Return where the journals of hand-overs are: beside the file, or in a folder of this database's own."""
    if not is_postgres(settings.database):
        path = sqlite_path(settings.database).resolve()
        return path.with_name(path.name + "-handover")
    from amcash.ledger.postgres_connection import identified  # noqa: PLC0415 -- as in `connect`

    state = Path(settings.state_dir) if settings.state_dir else _state_home() / "amcash"
    return state / hashlib.sha256(identified(settings.database).encode()).hexdigest()[:_FOLDER_DIGITS]


def _state_home() -> Path:
    named = os.environ.get("XDG_STATE_HOME", "")
    return Path(named) if Path(named).is_absolute() else Path.home() / ".local" / "state"


_FOLDER_DIGITS = 32


def _lanes(
    connected: Callable[[], Store],
    place: _Place,
    watch: registers.Watch,
    metrics: Metrics,
    marks: Marks,
    without_writer: "_EndsWithTheWriter",
) -> _Lanes:
    settings = place.settings
    writes: CommandLane = (
        _lane_in_thread(connected(), place, watch, metrics, marks)
        if place.writer is None
        else WriterLane(
            place.writer,
            watch,
            marks,
            batch_commands_max=settings.batch_commands_max,
            queue_commands_max=settings.queue_commands_max,
            budget_s=settings.budget_ms / 1000,
            on_batch=metrics.batch.labels("writes").observe,
            on_commit=metrics.commit.observe,
            on_end=without_writer,
            # Marks are the writer's alone.
            alone=_lane_in_thread(connected(), place, watch, metrics, Marks(shards=settings.ledger_shards))
            if is_postgres(settings.database)
            else None,
        )
    )
    reader = Settler(connected(), watch, utc_now, shards=settings.ledger_shards)
    reads: CommandLane = ThreadLane(
        "reads",
        reader.consult,
        batch_commands_max=settings.batch_commands_max,
        queue_commands_max=settings.queue_commands_max,
        budget_s=settings.budget_ms / 1000,
        on_batch=metrics.batch.labels("reads").observe,
    )
    metrics.watch_queue("writes", lambda: writes.waiting)
    metrics.watch_queue("reads", lambda: reads.waiting)
    return _Lanes(writes, reads)


def _lane_in_thread(
    store: Store, place: _Place, watch: registers.Watch, metrics: Metrics, marks: Marks
) -> ThreadLane[Job, Settled]:
    """Return a lane that settles on a thread of this process: where several serve, they use all cores already."""
    settings = place.settings
    settler = Settler(
        store,
        watch,
        utc_now,
        metrics.commit.observe,
        grace=timedelta(seconds=settings.delivery_grace_s),
        marks=marks,
        shards=settings.ledger_shards,
    )
    return ThreadLane(
        "writes",
        settler.settle,
        batch_commands_max=settings.batch_commands_max,
        queue_commands_max=settings.queue_commands_max,
        budget_s=settings.budget_ms / 1000,
        gather_s=settings.batch_wait_us / 1_000_000,
        on_batch=metrics.batch.labels("writes").observe,
        when_idle=settler.flush,
    )


class _EndsWithTheWriter:
    """Ends the server when its writer has ended: by the signal that drains it, once it serves and as long as it does.

    Before and after, the signal would kill it where it stands.
    """

    def __init__(self) -> None:
        self._serving = False
        self._ended = False

    def __call__(self) -> None:
        """The writer has ended."""
        log.critical("the process that writes to the ledger has ended; the server ends, too")
        self._ended = True
        self._drain()

    def serving(self) -> None:
        """The server hears signals from now on."""
        self._serving = True
        self._drain()

    def over(self) -> None:
        """The server has drained."""
        self._serving = False

    def _drain(self) -> None:
        if self._serving and self._ended:
            os.kill(os.getpid(), signal.SIGTERM)
