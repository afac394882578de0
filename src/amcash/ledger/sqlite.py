"""The ledger in one SQLite file, through apsw: WAL, `synchronous=FULL`, one writer and readers beside it."""

import fcntl
import functools
import itertools
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import apsw
import msgspec

from amcash.domain.book import Book, Needs, OneRedemption
from amcash.domain.codes import Endpoint
from amcash.domain.commands import OutcomeKey
from amcash.domain.outcomes import Recorded
from amcash.domain.transfers import Entry, from_microseconds, microseconds
from amcash.domain.vocabulary import (
    Cents,
    Collector,
    OpenDelivery,
)
from amcash.ledger import migrations
from amcash.ledger.records import REDEMPTION_COLUMNS, outcome_from, outcome_text, redemptions_from, request_text
from amcash.ledger.sqlite_checkpoints import Checkpoints
from amcash.ledger.store import (
    Purged,
    StoreBusyError,
    StoreConflictError,
    StoreError,
    StoreUnusableError,
    Value,
)

SQLITE_OLDEST = (3, 51, 3)
"""Older ones can corrupt a database in WAL mode that has two connections (the WAL-reset bug, since 3.7.0)."""

APPLICATION_ID = 0x616D6373
"""'amcs' in the file's header: this SQLite file is an amcash ledger."""

BUSY_TIMEOUT_MS = 1_500
"""A counted number of these waits (settle.BUSY_RETRIES_MAX) has to fit into a request's time budget (R-TIME-1)."""
WAL_PAGES_BEFORE_CHECKPOINT = 64_000
"""256 MB. Of commands' connections: more than where a server's writer begins, so that it comes before them."""
PURGE_ROWS = 500
"""Outcomes in one piece of a purge: the ledger is then held for a few milliseconds."""

_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder()
_COLLECTOR = "number, active, show_balances, allow_redemption, cash, dream, transfers, cap_day, cap_used, chain"
_TRANSFER = (
    "collector, seq, kind, wallet, source, target, miles, balance, at, confirmation, sponsor, store, device, trace, "
    "acquirer, vendor, units, cents, unit_miles, unit_cents, offer_id, cap_day, reason, previous"
)
# The library gives Python's interpreter lock up at every step of a statement and then has to win it back from the
# event loop. So what a batch needs comes as one row of JSON, and what it wrote goes in many rows a statement.
_LOAD_COLLECTORS = (
    "SELECT json_group_array(json_array(number, active, show_balances, allow_redemption, cash, dream, transfers, "
    "cap_day, cap_used, hex(chain))) FROM json_each(?) CROSS JOIN collector ON number = value"
)
_LOAD_EARLIER_USE = (
    "SELECT json_group_array(json_array(value ->> 0, value ->> 1, (SELECT coalesce(sum("
    "CASE kind WHEN 'redemption' THEN cents WHEN 'reversal' THEN -cents WHEN 'cancellation' THEN -cents END), 0) "
    "FROM transfer WHERE collector = value ->> 0 AND cap_day = value ->> 1))) FROM json_each(?)"
)
# Of each key the newest attempt. What became of its redemption is looked up only where there is one.
_LOAD_OUTCOMES = (
    "SELECT json_group_array(json_array(made.collector, sponsor, endpoint, made.key, hex(digest), answer, attempt, "
    "EXISTS (SELECT 1 FROM open_delivery AS open "
    "WHERE open.collector = made.collector AND open.confirmation = made.confirmation), "
    "EXISTS (SELECT 1 FROM transfer AS moved "
    "WHERE moved.collector = made.collector "
    "AND moved.confirmation = made.confirmation AND kind = 'cancellation'))) "
    "FROM json_each(?) AS wanted CROSS JOIN outcome AS made ON made.collector = value ->> 0 AND sponsor = value ->> 1 "
    "AND endpoint = value ->> 2 AND made.key = value ->> 3 WHERE attempt = (SELECT max(attempt) FROM outcome AS newest "
    "WHERE newest.collector = made.collector AND newest.sponsor = made.sponsor "
    "AND newest.endpoint = made.endpoint AND newest.key = made.key)"
)
_LOAD_DELIVERIES = (
    "SELECT json_group_array(json_array(collector, confirmation, sponsor, open.key, open_until)) FROM json_each(?) "
    "CROSS JOIN open_delivery AS open ON collector = value ->> 0 AND confirmation = value ->> 1"
)
_SELECT_REDEMPTION = (
    f"SELECT collector, confirmation, {REDEMPTION_COLUMNS} FROM transfer WHERE collector = ? AND confirmation = ?"
)
_INSERT_TRANSFER = f"INSERT INTO transfer ({_TRANSFER}) VALUES"
_INSERT_OUTCOME = "INSERT INTO outcome VALUES"
_UPSERT_COLLECTOR = f"INSERT INTO collector ({_COLLECTOR}) VALUES"
_UPSERT_COLLECTOR_SET = (  # not `transfers`: each transfer is counted as it is inserted
    "ON CONFLICT (number) DO UPDATE SET cash = excluded.cash, dream = excluded.dream, chain = excluded.chain, "
    "cap_day = excluded.cap_day, cap_used = excluded.cap_used"
)
_OPEN_DELIVERY = "INSERT INTO open_delivery VALUES"
_PROLONG_DELIVERY = "UPDATE open_delivery SET open_until = max(open_until, ?) WHERE collector = ? AND confirmation = ?"
_CLOSE_DELIVERIES = (
    "DELETE FROM open_delivery WHERE (collector, confirmation) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?))"
)
_OLDEST_OUTCOMES = "SELECT rowid, at FROM outcome WHERE rowid > ? ORDER BY rowid LIMIT ?"
_PURGE_OUTCOMES = (
    "DELETE FROM outcome WHERE rowid > ? AND rowid <= ? AND at < ? AND NOT EXISTS (SELECT 1 FROM open_delivery AS open "
    "WHERE open.collector = outcome.collector AND open.confirmation = outcome.confirmation)"
)
_ROWS_A_STATEMENT_MAX = 32
_STATEMENTS_KEPT = 256
"""One for each number of rows and each table, so that every statement stays prepared."""
_PAGE_CACHE_KIB = 16 * 1024
"""Of each connection; what is not in it is in the system's."""


@functools.cache
def _many_rows(insert: str, width: int, rows: int, end: str) -> str:
    row = f"({', '.join('?' * width)})"
    return f"{insert} {', '.join([row] * rows)} {end}"


class SqliteStore:
    """One connection to a ledger file.

    Args:
        path: of the file.
        create: make it where there is none.
        unchanging: the file is a copy that nobody writes, and is only looked at (see `may_be_written`).

    Raises:
        StoreUnusableError: at opening, with a sentence that says what is wrong and what to do.
    """

    def __init__(self, path: Path, *, create: bool = False, unchanging: bool = False) -> None:
        _refuse_old_sqlite()
        self._path = path
        self._connection = _open(path, _connect_unchanging if unchanging else _connect, create=create)
        self._checkpoints: Checkpoints | None = None

    def pending(self) -> list[str]:
        """Return the names of the migrations that have not run, and change nothing.

        Raises:
            StoreUnusableError: the schema is a newer program's.
        """
        with self.read() as session:
            there = any(session.run("SELECT 1 FROM sqlite_schema WHERE name = 'migration'"))
            return [item.name for item in migrations.pending(session, "sqlite", any_ran=there)]

    def migrate(self) -> list[str]:
        """Bring the schema up to date and return the names of the migrations that ran, each in its own transaction.

        Where nothing is to run it takes no writer's lock, and only looks at the checksums.

        Raises:
            StoreUnusableError: the schema is a newer program's.
        """
        names: list[str] = []
        while self.pending():
            with self.write() as session:
                names += migrations.apply_next(session, "sqlite")
        return names

    @contextmanager
    def write(self, *, patient: bool = True) -> Iterator["_SqliteSession"]:  # noqa: ARG002 -- the port's
        """Open a write transaction: SQLite's one writer's lock from the first moment to the commit.

        It knows no rows that are locked, so there is nothing to be impatient about.
        """
        with _translated(), _transaction(self._connection, "BEGIN IMMEDIATE"):
            yield _SqliteSession(self._connection)

    @contextmanager
    def read(self) -> Iterator["_SqliteSession"]:
        """Open a read transaction on one snapshot; SQLite itself refuses a write in it."""
        with _translated():
            self._connection.execute("PRAGMA query_only = ON")
            try:
                with _transaction(self._connection, "BEGIN"):
                    yield _SqliteSession(self._connection)
            finally:
                self._connection.execute("PRAGMA query_only = OFF")

    def checkpoint_beside(self, on_failure: Callable[[], None]) -> None:
        """Copy the log into the file on a thread, for a connection that many wait for.

        Args:
            on_failure: called when the disk failed; it has to end this process and whoever else serves this ledger.
        """
        beside = _open(self._path, _connect, create=False)
        self._checkpoints = Checkpoints(self._connection, beside, self._path, on_failure)

    def close(self) -> None:
        """Close the file."""
        if self._checkpoints is not None:
            self._checkpoints.close()
        else:
            self._connection.close()


class _SqliteSession:
    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._execute = connection.execute
        self._executemany = connection.executemany

    def run(self, sql: str, *values: Value) -> Iterator[tuple[Any, ...]]:
        return self._execute(sql, values)

    def run_many(self, sql: str, rows: list[tuple[Value, ...]]) -> None:
        self._executemany(sql, rows)

    def load(self, needs: Needs) -> Book:
        book = Book()
        for number, *flags_and_sums, chain in self._json(_LOAD_COLLECTORS, list(needs.collectors)):
            book.collectors[number] = _collector((number, *flags_and_sums, bytes.fromhex(chain)))
        days = [(number, day.isoformat()) for number, day in needs.cap_days_before(book)]
        for number, day, cents in self._json(_LOAD_EARLIER_USE, days):
            book.earlier_use[number, date.fromisoformat(day)] = Cents(cents)
        for number, sponsor, endpoint, key, digest, answer, *what_became in self._json(
            _LOAD_OUTCOMES, list(needs.keys)
        ):
            found = OutcomeKey(number, sponsor, Endpoint(endpoint), key)
            attempt, is_open, cancelled = what_became
            book.recorded[found] = Recorded(
                found, bytes.fromhex(digest), None, outcome_from(answer), attempt, bool(is_open), bool(cancelled)
            )
        for number, confirmation, sponsor, key, until in self._json(_LOAD_DELIVERIES, list(needs.deliveries)):
            row = OpenDelivery(number, confirmation, sponsor, key, from_microseconds(until))
            book.deliveries[number, confirmation] = row
        for one in needs.redemptions:
            book.redemptions |= redemptions_from(self._execute(_SELECT_REDEMPTION, one))
        return book

    def append(self, book: Book) -> None:
        if book.probed_at is not None:
            self._execute("UPDATE heartbeat SET at = ?", (microseconds(book.probed_at),))
        changed = [_collector_row(book.collectors[number]) for number in book.changed]
        self._insert(_UPSERT_COLLECTOR, changed, _UPSERT_COLLECTOR_SET)  # first: a transfer is counted in its row
        self._insert(_INSERT_TRANSFER, [_transfer_row(entry) for entry in book.entries])
        self._insert(_INSERT_OUTCOME, [_outcome_row(item) for item in book.outcomes])
        self._insert(_OPEN_DELIVERY, [_delivery_row(book.deliveries[one]) for one in book.opened - book.closed])
        for one, until in book.prolonged.items():
            self._execute(_PROLONG_DELIVERY, (microseconds(until), *one))
        self._close_deliveries(book.closed)

    def _close_deliveries(self, closed: Collection[OneRedemption]) -> None:
        if closed:
            self._execute(_CLOSE_DELIVERIES, (_ENCODER.encode(list(closed)).decode(),))

    def purge(self, older_than: datetime, place: int) -> Purged:
        rows = list(self._execute(_OLDEST_OUTCOMES, (place, PURGE_ROWS)))
        if not rows:
            return Purged(0, None)
        last, before = rows[-1][0], microseconds(older_than)
        old = sum(at < before for _, at in rows)
        if old:
            self._execute(_PURGE_OUTCOMES, (place, last, before))
        done = self._connection.changes() if old else 0
        if done:
            self._execute("UPDATE purge SET horizon = ? WHERE horizon < ?", (before, before))
        # A row's place is its age: behind a piece with nothing old there is nothing old.
        return Purged(done, last if old else None)

    def _json(self, sql: str, wanted: Sequence[object]) -> list[list[Any]]:
        if not wanted:
            return []
        (text,) = next(iter(self._execute(sql, (_ENCODER.encode(wanted).decode(),))))
        rows: list[list[Any]] = _DECODER.decode(text)
        return rows

    def _insert(self, insert: str, rows: Sequence[tuple[Value, ...]], end: str = "") -> None:
        for begun in range(0, len(rows), _ROWS_A_STATEMENT_MAX):
            chunk = rows[begun : begun + _ROWS_A_STATEMENT_MAX]
            sql = _many_rows(insert, len(chunk[0]), len(chunk), end)
            self._execute(sql, tuple(itertools.chain.from_iterable(chunk)))


def _collector(row: tuple[Any, ...]) -> Collector:
    number, active, shows, allows, cash, dream, transfers, cap_day, cap_used, chain = row
    day = None if cap_day is None else date.fromisoformat(cap_day)
    return Collector(number, bool(active), bool(shows), bool(allows), cash, dream, transfers, chain, day, cap_used)


def _collector_row(item: Collector) -> tuple[Value, ...]:
    return (
        item.number,
        int(item.active),
        int(item.show_balances),
        int(item.allow_redemption),
        item.cash,
        item.dream,
        0,  # of a new one; those of any other are counted already
        None if item.cap_day is None else item.cap_day.isoformat(),
        item.cap_used,
        item.chain,
    )


def _delivery_row(item: OpenDelivery) -> tuple[Value, ...]:
    return item.collector, item.confirmation, item.sponsor, item.key, microseconds(item.open_until)


def _transfer_row(entry: Entry) -> tuple[Value, ...]:
    context = entry.context
    return (
        entry.collector,
        entry.seq,
        entry.kind,
        entry.wallet,
        entry.transfer.source,
        entry.transfer.target,
        entry.transfer.miles,
        entry.balance,
        microseconds(entry.at),
        context.confirmation,
        context.sponsor,
        context.store,
        context.device,
        context.trace,
        context.acquirer,
        context.vendor,
        context.units,
        context.cents,
        context.unit_miles,
        context.unit_cents,
        context.offer_id,
        None if context.cap_day is None else context.cap_day.isoformat(),
        context.reason,
        entry.previous,
    )


def _outcome_row(item: Recorded) -> tuple[Value, ...]:
    outcome = item.outcome
    assert item.command is not None
    return (
        *item.key,
        item.attempt,
        item.digest,
        microseconds(outcome.at),
        outcome.code,
        outcome.confirmation,
        request_text(item.command),
        outcome_text(outcome),
    )


# --- opening -------------------------------------------------------------------------------------------------------


def _refuse_old_sqlite() -> None:
    have = tuple(int(part) for part in apsw.sqlite_lib_version().split("."))
    if have < SQLITE_OLDEST:
        raise StoreUnusableError(
            f"SQLite {'.'.join(map(str, have))} can corrupt a ledger (the WAL-reset bug); "
            f"{'.'.join(map(str, SQLITE_OLDEST))} or newer is needed: pip install --upgrade apsw"
        )


def may_be_written(path: Path) -> bool:
    """Tell whether a ledger can be opened for writing: SQLite then makes files beside it, even to read."""
    return os.access(path, os.W_OK) and os.access(path.resolve().parent, os.W_OK)


def _open(path: Path, connect: Callable[..., apsw.Connection], *, create: bool) -> apsw.Connection:
    try:
        _check_file(path, create=create)
        return connect(path, create=create)
    except apsw.NotADBError:
        raise StoreUnusableError(_not_a_database(path)) from None
    except (apsw.ReadOnlyError, apsw.CantOpenError, apsw.PermissionsError, PermissionError):
        raise StoreUnusableError(
            f"{path} cannot be opened for writing; check the permissions of the file and of its folder"
        ) from None
    except apsw.FullError:
        raise StoreUnusableError(f"no space is left on the disk that holds {path}") from None
    except apsw.BusyError:
        raise StoreUnusableError(f"{path} is locked by another program; stop it, or wait, and try again") from None
    except apsw.Error as error:
        raise StoreUnusableError(f"{path} cannot be used: {error}") from None
    except OSError as error:
        raise StoreUnusableError(
            f"{_short(path)} cannot be used: {error.strerror or error}; name another file with --database"
        ) from None


def _short(path: Path) -> str:
    text = str(path)
    return text if len(text) <= _PATH_SHOWN_CHARACTERS_MAX else f"{text[:_PATH_SHOWN_CHARACTERS_MAX]}..."


_PATH_SHOWN_CHARACTERS_MAX = 200
_HEADER_BYTES = 100


def _not_a_database(path: Path) -> str:
    return f"{path} is not an SQLite database; nothing in it was changed. Name another file with --database"


def _check_file(path: Path, *, create: bool) -> None:
    if not path.exists():
        if not create:
            raise StoreUnusableError(
                f"there is no ledger at {path}; `amcash migrate --database sqlite:///{path}` makes one"
            )
        if not path.parent.is_dir():
            raise StoreUnusableError(f"the folder {path.parent} does not exist, so no ledger can be made there")
    elif not path.is_file():
        raise StoreUnusableError(f"{path} is not a file, so it cannot be a ledger")
    elif path.stat().st_nlink > 1:
        raise StoreUnusableError(
            f"{path} has another name (a hard link), and SQLite cannot keep a database safe under two; remove one"
        )
    elif 0 < path.stat().st_size < _HEADER_BYTES:  # SQLite takes a file of one byte for an empty one, and fills it
        raise StoreUnusableError(_not_a_database(path))


def _connect_unchanging(path: Path, *, create: bool) -> apsw.Connection:
    assert not create
    path = path.resolve()
    if path.with_name(path.name + "-wal").exists():
        raise StoreUnusableError(
            f"{path} may not be written, and its newest transfers are in {path.name}-wal beside it; "
            "copy both files into a folder that you may write to, and name the copy"
        )
    # `immutable`: SQLite makes no file beside it, takes no lock, and trusts us that nobody writes.
    connection = apsw.Connection(
        f"file:{quote(str(path.absolute()))}?immutable=1",
        flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI,
    )
    if connection.pragma("application_id") != APPLICATION_ID:
        raise StoreUnusableError(f"{path} is not an amcash ledger")
    connection.pragma("trusted_schema", False)  # noqa: FBT003 -- apsw's signature
    return connection


def _connect(path: Path, *, create: bool) -> apsw.Connection:
    if create and not path.exists():
        # The ledger holds signing keys: for its owner's eyes only. SQLite gives -wal and -shm the same mode.
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    if not os.access(path, os.W_OK):
        raise PermissionError(path)
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE, statementcachesize=_STATEMENTS_KEPT)
    connection.set_busy_timeout(BUSY_TIMEOUT_MS)
    _refuse_strangers_database(connection, path)
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
        "trusted_schema = OFF",
        "temp_store = MEMORY",  # where a statement of many rows keeps what it would need to undo itself
        "recursive_triggers = ON",  # so that REPLACE, too, meets the triggers that keep the ledger append-only
        f"cache_size = -{_PAGE_CACHE_KIB}",
        f"wal_autocheckpoint = {WAL_PAGES_BEFORE_CHECKPOINT}",
    ):
        for _ in connection.execute(f"PRAGMA {pragma}"):
            pass
    return connection


def _refuse_strangers_database(connection: apsw.Connection, path: Path) -> None:
    application_id = connection.pragma("application_id")
    if application_id == APPLICATION_ID:
        return
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").get
    if application_id != 0 or tables:
        raise StoreUnusableError(
            f"{path} is an SQLite database of another program, not an amcash ledger; nothing in it was changed"
        )
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")


class ServerLock:
    """Held by the one server of a ledger file: a second one must not start.

    Raises:
        StoreUnusableError: another server holds it.
    """

    def __init__(self, path: Path) -> None:
        path = path.resolve()  # a link is another name of the same ledger
        lock_path = path.with_name(path.name + ".lock")
        try:
            self._descriptor = os.open(lock_path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreUnusableError(f"{lock_path} cannot be made: {error.strerror}") from None
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._descriptor)
            raise StoreUnusableError(
                f"{path} is already served by another `amcash serve`; one SQLite ledger has one server. "
                "Stop it first, or give this one another --database"
            ) from None

    def release(self) -> None:
        """Let another server start; the kernel does so too when the process dies."""
        os.close(self._descriptor)


# --- transactions and errors ---------------------------------------------------------------------------------------


@contextmanager
def _transaction(connection: apsw.Connection, begin: str) -> Iterator[None]:
    connection.execute(begin)
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except apsw.BusyError as error:
        raise StoreBusyError("the ledger is locked by another program") from error
    except apsw.ConstraintError as error:
        raise StoreConflictError(f"the ledger refused a row: {error}") from error
    except apsw.ReadOnlyError as error:
        raise StoreError("the ledger file is read-only") from error
    except apsw.FullError as error:
        raise StoreError("no space is left on the ledger's disk") from error
    except apsw.Error as error:
        raise StoreError(f"the ledger cannot be used: {error}") from error
