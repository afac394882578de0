"""The ledger in PostgreSQL, through psycopg and libpq: rows locked in sorted order, a batch in two round trips.

The first flush begins, locks the accounts and reads what the batch needs; the second writes it and commits. Every
statement of the hot path binds the collector number (invariant 5) and takes arrays, so that its plan and its cost are
the same for one command and for many. READ COMMITTED is enough, for each statement after the lock sees what was
committed before the lock was granted; and all that a batch decides on lies under the lock of its collectors' rows.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import date, datetime
from functools import lru_cache
from typing import Any, Final

import msgspec
from psycopg import pq

from amcash.domain.book import Book, Needs
from amcash.domain.codes import Endpoint
from amcash.domain.commands import OutcomeKey
from amcash.domain.outcomes import Recorded
from amcash.domain.transfers import Entry, from_microseconds, microseconds
from amcash.domain.vocabulary import (
    Cents,
    Collector,
    CollectorNumber,
    OpenDelivery,
)
from amcash.ledger import migrations
from amcash.ledger.postgres_connection import (
    FREELY,
    Connection,
    Row,
    Statement,
    described,
    translated,
)
from amcash.ledger.records import REDEMPTION_COLUMNS, outcome_from, outcome_text, redemptions_from, request_text
from amcash.ledger.store import Purged, StoreBusyError, StoreConflictError, StoreError, StoreLostError, Value

RECONNECT_FIRST_S: Final = 0.05
RECONNECT_MAX_S: Final = 1.0
"""After a connect that failed the next one waits, twice as long each time, at most so long; meanwhile uses fail."""
FETCH_ROWS: Final = 2_000
"""How many rows a stream has in hand."""
CHANGES_LOCK: Final = 0x616D6373
"""Of the advisory lock that makes changes off the hot path follow one another, as SQLite's one writer does."""

IMPATIENT_LOCK_TIMEOUT_MS: Final = 50
"""Somebody else's batch ends within it; whoever holds a row for longer is not waited for a second time."""
PURGE_PAGES: Final = 64
"""Of the table of outcomes, in one piece of a purge: half a megabyte, some 500 outcomes."""

_COLLECTOR = "number, active, show_balances, allow_redemption, cash, dream, transfers, cap_day, cap_used, chain"
_TRANSFER = (
    "collector, seq, kind, wallet, source, target, miles, balance, at, confirmation, sponsor, store, device, trace, "
    "acquirer, vendor, units, cents, unit_miles, unit_cents, offer_id, cap_day, reason, previous"
)


def _unnest(*types: str) -> str:
    return f"unnest({', '.join(f'${place}::{name}[]' for place, name in enumerate(types, 1))})"


def _hot(name: str, sql: str) -> Statement:
    return Statement(name.encode(), sql.encode())


BEGIN = _hot("begin", "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")
BEGIN_READING = _hot("begin_reading", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
BE_IMPATIENT = _hot("be_impatient", f"SET LOCAL lock_timeout = {IMPATIENT_LOCK_TIMEOUT_MS}")
COMMIT = _hot("commit", "COMMIT")
ROLLBACK = _hot("rollback", "ROLLBACK")
READ_COLLECTORS = _hot(
    "read_collectors", f"SELECT {_COLLECTOR} FROM collector WHERE number = ANY($1::text[]) ORDER BY number"
)
LOCK_COLLECTORS = _hot("lock_collectors", f"{READ_COLLECTORS.sql.decode()} FOR UPDATE")
# LATERAL with OFFSET 0 is a fence: each wanted row is looked up by the index. A plain join lets the planner, of a table
# that was empty when it was last analysed, walk the whole table and look each row up among the wanted ones.
# Of each key the newest attempt, and what became of its redemption; LIMIT is a fence, too.
READ_OUTCOMES = _hot(
    "read_outcomes",
    "SELECT wanted.collector, wanted.sponsor, wanted.endpoint, wanted.key, digest, answer, attempt, "
    "still.open IS NOT NULL, gone.cancelled IS NOT NULL "
    f"FROM {_unnest('text', 'text', 'text', 'text')} AS wanted (collector, sponsor, endpoint, key) "
    "CROSS JOIN LATERAL (SELECT attempt, digest, answer, confirmation FROM outcome "
    "WHERE outcome.collector = wanted.collector AND outcome.sponsor = wanted.sponsor "
    "AND outcome.endpoint = wanted.endpoint AND outcome.key = wanted.key ORDER BY attempt DESC LIMIT 1) AS found "
    "LEFT JOIN LATERAL (SELECT true AS open FROM open_delivery WHERE open_delivery.collector = wanted.collector "
    "AND open_delivery.confirmation = found.confirmation OFFSET 0) AS still ON true "
    "LEFT JOIN LATERAL (SELECT true AS cancelled FROM transfer WHERE transfer.collector = wanted.collector "
    "AND transfer.confirmation = found.confirmation AND kind = 'cancellation' OFFSET 0) AS gone ON true",
)
READ_EARLIER_USE = _hot(
    "read_earlier_use",
    f"SELECT wanted.collector, wanted.cap_day, used FROM {_unnest('text', 'text')} AS wanted (collector, cap_day) "
    "CROSS JOIN LATERAL (SELECT coalesce(sum(CASE kind WHEN 'redemption' THEN cents WHEN 'reversal' THEN -cents "
    "WHEN 'cancellation' THEN -cents END), 0) AS used FROM transfer WHERE transfer.collector = wanted.collector "
    "AND transfer.cap_day = wanted.cap_day OFFSET 0) AS found",
)
READ_REDEMPTIONS = _hot(
    "read_redemptions",
    f"SELECT wanted.collector, wanted.confirmation, {REDEMPTION_COLUMNS} "
    f"FROM {_unnest('text', 'text')} AS wanted (collector, confirmation) "
    "CROSS JOIN LATERAL (SELECT * FROM transfer WHERE transfer.collector = wanted.collector "
    "AND transfer.confirmation = wanted.confirmation OFFSET 0) AS found",
)
_DELIVERIES = (
    "SELECT wanted.collector, wanted.confirmation, sponsor, key, open_until "
    f"FROM {_unnest('text', 'text')} AS wanted (collector, confirmation) "
    "CROSS JOIN LATERAL (SELECT sponsor, key, open_until FROM open_delivery "
    "WHERE open_delivery.collector = wanted.collector AND open_delivery.confirmation = wanted.confirmation OFFSET 0"
)
READ_DELIVERIES = _hot("read_deliveries", f"{_DELIVERIES}) AS found")
# Locked, so that of who cancels one and who marks it as handed over one waits, and then sees what the other did.
LOCK_DELIVERIES = _hot("lock_deliveries", f"{_DELIVERIES} FOR UPDATE) AS found")
_TRANSFER_TYPES = ("text", "bigint", *["text"] * 4, *["bigint"] * 3, *["text"] * 7, *["bigint"] * 4, *["text"] * 3)
INSERT_TRANSFERS = _hot(
    "insert_transfers",
    f"INSERT INTO transfer ({_TRANSFER}) SELECT * FROM {_unnest(*_TRANSFER_TYPES, 'bytea')}",
)
INSERT_OUTCOMES = _hot(
    "insert_outcomes",
    "INSERT INTO outcome "
    "(collector, sponsor, endpoint, key, attempt, digest, at, code, confirmation, request, answer) "
    f"SELECT * FROM {_unnest(*['text'] * 4, 'bigint', 'bytea', 'bigint', *['text'] * 4)}",
)
INSERT_COLLECTORS = _hot(
    "insert_collectors",
    f"INSERT INTO collector ({_COLLECTOR}) SELECT * FROM "
    f"{_unnest('text', *['smallint'] * 3, *['bigint'] * 3, 'text', 'bigint', 'bytea')}",
)
UPDATE_COLLECTORS = _hot(
    "update_collectors",
    "UPDATE collector SET cash = new.cash, dream = new.dream, transfers = new.transfers, cap_day = new.cap_day, "
    "cap_used = new.cap_used, chain = new.chain "
    f"FROM {_unnest('text', *['bigint'] * 3, 'text', 'bigint', 'bytea')} "
    "AS new (number, cash, dream, transfers, cap_day, cap_used, chain) WHERE collector.number = new.number",
)
OPEN_DELIVERIES = _hot(
    "open_deliveries",
    "INSERT INTO open_delivery (collector, confirmation, sponsor, key, open_until) "
    f"SELECT * FROM {_unnest(*['text'] * 4, 'bigint')}",
)
PROLONG_DELIVERIES = _hot(
    "prolong_deliveries",
    "UPDATE open_delivery SET open_until = greatest(open_delivery.open_until, new.open_until) "
    f"FROM {_unnest('text', 'text', 'bigint')} "
    "AS new (number, confirmation, open_until) WHERE open_delivery.collector = ANY ($1) "
    "AND open_delivery.collector = new.number AND open_delivery.confirmation = new.confirmation",
)
# By the index, whose order is everybody's: two that close the same deliveries wait for each other one way only.
# IS TRUE keeps the pairs out of the planner's joins: an empty table's statistics would let it compare all with all.
CLOSE_DELIVERIES = _hot(
    "close_deliveries",
    "DELETE FROM open_delivery WHERE open_delivery.collector = ANY ($1::text[]) "
    "AND ((collector, confirmation) IN (SELECT * FROM unnest($1, $2::text[]))) IS TRUE",
)
PROBE = _hot("probe", "UPDATE heartbeat SET at = $1::bigint")

HOT_STATEMENTS: Final = (
    READ_COLLECTORS,
    LOCK_COLLECTORS,
    READ_OUTCOMES,
    READ_EARLIER_USE,
    READ_REDEMPTIONS,
    READ_DELIVERIES,
    LOCK_DELIVERIES,
    INSERT_TRANSFERS,
    INSERT_OUTCOMES,
    INSERT_COLLECTORS,
    UPDATE_COLLECTORS,
    OPEN_DELIVERIES,
    PROLONG_DELIVERIES,
    CLOSE_DELIVERIES,
)
"""All that touches a collector: each binds the collector number in its first array."""


_Queued = tuple[Statement, Sequence[bytes]]


class PostgresStore:
    """One connection to a ledger in PostgreSQL; it connects again by itself when it was lost.

    Args:
        url: `postgresql://user@host:port/name`, or with whatever else libpq understands.
        unsafe_durability: accept a server that can lose or damage what it has committed.

    Raises:
        StoreUnusableError: at opening, with a sentence that says what is wrong and what to do.
    """

    def __init__(self, url: str, *, unsafe_durability: bool = False) -> None:
        self._url = url
        self._unsafe_durability = unsafe_durability
        self._server = described(url)
        self._in_transaction = False
        self._reconnect_wait_s = 0.0
        self._reconnect_at = 0.0
        self._connection = self._connect()

    def _connect(self) -> Connection:
        return Connection(self._url, unsafe_durability=self._unsafe_durability)

    def _connected(self) -> Connection:
        """Return the connection, made anew where it was lost.

        Raises:
            StoreLostError: there is no way to the server, or it is too early to try again.
        """
        if not self._connection.lost:
            return self._connection
        self._connection.close()
        if time.monotonic() < self._reconnect_at:
            raise StoreLostError(f"the connection to {self._server} was lost, and it cannot be reached")
        try:
            self._connection = self._connect()
        except StoreError:
            self._reconnect_wait_s = min(max(RECONNECT_FIRST_S, 2 * self._reconnect_wait_s), RECONNECT_MAX_S)
            self._reconnect_at = time.monotonic() + self._reconnect_wait_s
            raise
        self._reconnect_wait_s = 0.0
        return self._connection

    def write(self, *, patient: bool = True) -> AbstractContextManager["_PostgresSession"]:
        """Open a transaction that may write; the rows that `load` reads are locked until its end.

        Args:
            patient: wait `LOCK_TIMEOUT_MS` for a row that somebody else holds; where not, `IMPATIENT_LOCK_TIMEOUT_MS`.
        """
        return self._transaction(BEGIN, [] if patient else [(BE_IMPATIENT, ())])

    def read(self) -> AbstractContextManager["_PostgresSession"]:
        """Open a read transaction on one snapshot; PostgreSQL itself refuses a write in it."""
        return self._transaction(BEGIN_READING)

    @contextmanager
    def _transaction(self, begin: Statement, first: Sequence[_Queued] = ()) -> Iterator["_PostgresSession"]:
        if self._in_transaction:
            raise StoreError("the connection is in a transaction already")
        session = _PostgresSession(self._connected(), begin, first)
        self._in_transaction = True
        try:
            with translated(self._server):
                try:
                    yield session
                    session.commit()
                except BaseException:
                    session.roll_back()
                    raise
        finally:
            self._in_transaction = False

    def pending(self) -> list[str]:
        """Return the names of the migrations that have not run, and change nothing.

        Raises:
            StoreUnusableError: the schema is a newer program's.
        """
        with self.read() as session:
            ((there,),) = session.run("SELECT to_regclass('migration') IS NOT NULL")
            return [item.name for item in migrations.pending(session, "postgres", any_ran=there)]

    def migrate(self) -> list[str]:
        """Bring the schema up to date and return the names of the migrations that ran, each in its own transaction.

        Two at once follow one another, for every statement of a migration is behind the lock of changes.

        Raises:
            StoreUnusableError: the schema is a newer program's.
        """
        names: list[str] = []
        while self.pending():
            with self.write() as session:
                names += migrations.apply_next(session, "postgres")
        return names

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()


class _PostgresSession:
    """One transaction. It begins with its first statement, and what is appended waits for the flush that commits."""

    def __init__(self, connection: Connection, begin: Statement, first: Sequence[_Queued] = ()) -> None:
        self._connection = connection
        self._first = first
        self._begin = begin
        self._begun = False
        self._freely = False
        self._queue: list[_Queued] = []
        self._found: set[CollectorNumber] = set()
        self._missed: set[CollectorNumber] = set()
        self._streams = 0

    # --- the hot path ---

    def load(self, needs: Needs) -> Book:
        reading = self._begin is BEGIN_READING
        takers: list[Callable[[Book, Sequence[Row]], None]] = []
        book = Book()

        def ask(statement: Statement, columns: Sequence[bytes], take: Callable[[Book, Sequence[Row]], None]) -> None:
            self._queue.append((statement, columns))
            takers.append(take)

        if needs.collectors:
            ask(READ_COLLECTORS if reading else LOCK_COLLECTORS, (_texts(sorted(needs.collectors)),), _take_collectors)
        if needs.keys:
            ask(READ_OUTCOMES, [_texts(column) for column in zip(*list(needs.keys), strict=True)], _take_outcomes)
        if needs.redemptions:
            pairs = zip(*list(needs.redemptions), strict=True)
            ask(READ_REDEMPTIONS, [_texts(column) for column in pairs], _take_redemptions)
        if needs.deliveries:
            pairs = zip(*sorted(needs.deliveries), strict=True)
            statement = READ_DELIVERIES if reading else LOCK_DELIVERIES
            ask(statement, [_texts(column) for column in pairs], _take_deliveries)
        results = self._flush()
        for take, result in zip(takers, results[len(results) - len(takers) :], strict=True):
            take(book, self._connection.rows(result))
        earlier = needs.cap_days_before(book)
        if earlier:
            numbers = _texts([number for number, _ in earlier])
            self._queue.append((READ_EARLIER_USE, (numbers, _array([day for _, day in earlier]))))
            _take_earlier_use(book, self._connection.rows(self._flush()[-1]))
        self._found |= book.collectors.keys()
        self._missed |= needs.collectors - book.collectors.keys()
        return book

    def append(self, book: Book) -> None:
        changed = sorted(book.changed)
        new = [book.collectors[number] for number in changed if number not in self._found]
        known = [book.collectors[number] for number in changed if number in self._found]
        if new:  # first: whoever enrols the same collector at the same time waits here, and is then told
            self._queue.append((INSERT_COLLECTORS, _new_collector_columns(new)))
        if book.entries:
            self._queue.append((INSERT_TRANSFERS, _transfer_columns(book.entries)))
        if book.outcomes:
            self._queue.append((INSERT_OUTCOMES, _outcome_columns(book.outcomes)))
        if known:
            self._queue.append((UPDATE_COLLECTORS, _collector_columns(known)))
        opened = [book.deliveries[one] for one in sorted(book.opened - book.closed)]
        if opened:
            self._queue.append((OPEN_DELIVERIES, _delivery_columns(opened)))
        if book.prolonged:
            self._queue.append((PROLONG_DELIVERIES, _prolonged_columns(book)))
        if book.closed:
            pairs = zip(*sorted(book.closed), strict=True)
            self._queue.append((CLOSE_DELIVERIES, [_texts(column) for column in pairs]))
        if book.probed_at is not None:
            self._queue.append((PROBE, (b"%d" % microseconds(book.probed_at),)))

    def commit(self) -> None:
        """End the transaction; with what is still to be written in one flush."""
        if not self._begun and not self._queue:
            return
        self._queue.append((COMMIT, ()))
        results = self._flush()
        assert results[-1].command_status == b"COMMIT", results[-1].command_status
        self._begun = False

    def roll_back(self) -> None:
        """End the transaction with nothing done; where that cannot be said, the server sees the connection end."""
        if not self._begun:
            return
        try:
            self._connection.exchange([(ROLLBACK, ())])
        except StoreError:
            self._connection.close()

    def _flush(self) -> list[pq.abc.PGresult]:
        queue, self._queue = self._queue, []
        if not self._begun:
            queue = [(self._begin, ()), *self._first, *queue]
            self._begun = True
        try:
            return self._connection.exchange(queue)
        except StoreConflictError as error:
            if error.constraint == "collector_pkey" and self._missed:
                raise StoreBusyError("someone else enrolled the same collector at the same moment") from error
            raise

    # --- everything else ---

    def purge(self, older_than: datetime, place: int) -> Purged:
        before, end = microseconds(older_than), place + PURGE_PAGES
        gone = sum(
            1
            for _ in self.run(
                f"DELETE FROM outcome WHERE ctid >= '({place},0)' AND ctid < '({end},0)' AND at < ? AND NOT EXISTS "
                "(SELECT FROM open_delivery AS open WHERE open.collector = outcome.collector "
                "AND open.confirmation = outcome.confirmation) RETURNING 1",
                before,
            )
        )
        if gone:
            self.run("UPDATE purge SET horizon = ? WHERE horizon < ?", before, before)
        ((bytes_used, page_bytes),) = self.run(
            "SELECT pg_relation_size('outcome'), current_setting('block_size')::bigint"
        )
        return Purged(gone, end if end * page_bytes < bytes_used else None)

    def run(self, sql: str, *values: Value) -> Iterator[tuple[Any, ...]]:
        self._free()
        plain = [_plain(value) for value in values]
        with translated(self._connection.server):
            if self._begin is BEGIN_READING and sql.lstrip()[:6].upper() == "SELECT":
                return self._stream(_numbered(sql), plain)
            cursor = self._connection.driver.execute(_numbered(sql), plain or None)
            return iter(cursor.fetchall() if cursor.description else ())

    def _stream(self, sql: str, values: list[Value]) -> Iterator[tuple[Any, ...]]:
        self._streams += 1
        name = f"stream_{self._streams}"
        self._connection.driver.execute(f"DECLARE {name} NO SCROLL CURSOR FOR {sql}", values or None)
        fetch = f"FETCH {FETCH_ROWS} FROM {name}"
        first = self._connection.driver.execute(fetch).fetchall()
        return self._rest(fetch, first)

    def _rest(self, fetch: str, rows: list[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
        yield from rows
        while len(rows) == FETCH_ROWS:
            with translated(self._connection.server):
                rows = self._connection.driver.execute(fetch).fetchall()
            yield from rows

    def run_many(self, sql: str, rows: list[tuple[Value, ...]]) -> None:
        self._free()
        if rows:
            with translated(self._connection.server):
                self._connection.driver.cursor().executemany(_numbered(sql), [list(map(_plain, row)) for row in rows])

    def _free(self) -> None:
        """Send what waits; then, once a transaction, leave the hot path's settings and take the lock of changes."""
        if self._queue or not self._begun:
            self._flush()
        if self._freely:
            return
        self._freely = True
        lock = "" if self._begin is BEGIN_READING else f"; SELECT pg_advisory_xact_lock({CHANGES_LOCK})"
        with translated(self._connection.server):
            self._connection.driver.execute(FREELY + lock)


# --- values to arrays ----------------------------------------------------------------------------------------------

_encoded = msgspec.json.Encoder().encode
# Where columns are made by zip(*rows), `rows` is a list. Of a set or a generator Python grows the tuple of arguments,
# then cuts it: it goes to the free list of a length that it was not taken from, and these fill up, 2,000 a length.


def _array(column: Sequence[object]) -> bytes:
    """Return numbers, days, or texts that hold no control character as an array literal.

    PostgreSQL writes an array as JSON does, but for the brackets, and for JSON's way to escape a control character.
    """
    return b"{%b}" % _encoded(column)[1:-1]


def _texts(column: Sequence[str | None]) -> bytes:
    """Return texts, whatever is in them, as an array literal."""
    literal = _array(column)
    if b"\\" not in literal:  # the ordinary case: nothing was to be escaped
        return literal
    return ("{" + ",".join(["NULL" if value is None else _quoted(value) for value in column]) + "}").encode()


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _byteas(column: Sequence[bytes]) -> bytes:
    return ("{" + ",".join([f'"\\\\x{value.hex()}"' for value in column]) + "}").encode()


def _new_collector_columns(items: Sequence[Collector]) -> list[bytes]:
    return [
        _texts([item.number for item in items]),
        _array([int(item.active) for item in items]),
        _array([int(item.show_balances) for item in items]),
        _array([int(item.allow_redemption) for item in items]),
        *_collector_columns(items)[1:],
    ]


def _collector_columns(items: Sequence[Collector]) -> list[bytes]:
    return [
        _texts([item.number for item in items]),
        _array([item.cash for item in items]),
        _array([item.dream for item in items]),
        _array([item.transfers for item in items]),
        _array([item.cap_day for item in items]),
        _array([item.cap_used for item in items]),
        _byteas([item.chain for item in items]),
    ]


def _transfer_columns(entries: Sequence[Entry]) -> list[bytes]:
    contexts = [entry.context for entry in entries]
    transfers = [entry.transfer for entry in entries]
    return [
        _texts([entry.collector for entry in entries]),
        _array([entry.seq for entry in entries]),
        _array([entry.kind for entry in entries]),
        _array([entry.wallet for entry in entries]),
        _texts([transfer.source for transfer in transfers]),
        _texts([transfer.target for transfer in transfers]),
        _array([transfer.miles for transfer in transfers]),
        _array([entry.balance for entry in entries]),
        _array([microseconds(entry.at) for entry in entries]),
        _texts([context.confirmation for context in contexts]),
        _texts([context.sponsor for context in contexts]),
        _texts([context.store for context in contexts]),
        _texts([context.device for context in contexts]),
        _texts([context.trace for context in contexts]),
        _texts([context.acquirer for context in contexts]),
        _texts([context.vendor for context in contexts]),
        _array([context.units for context in contexts]),
        _array([context.cents for context in contexts]),
        _array([context.unit_miles for context in contexts]),
        _array([context.unit_cents for context in contexts]),
        _texts([context.offer_id for context in contexts]),
        _array([context.cap_day for context in contexts]),
        _texts([context.reason for context in contexts]),
        _byteas([entry.previous for entry in entries]),
    ]


def _outcome_columns(items: Sequence[Recorded]) -> list[bytes]:
    outcomes = [item.outcome for item in items]
    return [
        *(_texts(column) for column in zip(*[item.key for item in items], strict=True)),
        _array([item.attempt for item in items]),
        _byteas([item.digest for item in items]),
        _array([microseconds(outcome.at) for outcome in outcomes]),
        _array([outcome.code for outcome in outcomes]),
        _texts([outcome.confirmation for outcome in outcomes]),
        _array([request_text(item.command) for item in items if item.command is not None]),  # JSON: all is escaped
        _array([outcome_text(outcome) for outcome in outcomes]),
    ]


def _delivery_columns(items: Sequence[OpenDelivery]) -> list[bytes]:
    return [
        _texts([item.collector for item in items]),
        _texts([item.confirmation for item in items]),
        _texts([item.sponsor for item in items]),
        _texts([item.key for item in items]),
        _array([microseconds(item.open_until) for item in items]),
    ]


def _prolonged_columns(book: Book) -> list[bytes]:
    claimed = sorted(book.prolonged)
    return [
        _texts([number for number, _ in claimed]),
        _texts([confirmation for _, confirmation in claimed]),
        _array([microseconds(book.prolonged[one]) for one in claimed]),
    ]


# --- results to values ---------------------------------------------------------------------------------------------


def _take_collectors(book: Book, rows: Sequence[Row]) -> None:
    for number, active, shows, allows, cash, dream, transfers, cap_day, cap_used, chain in rows:
        book.collectors[number] = Collector(
            number,
            active == 1,
            shows == 1,
            allows == 1,
            cash,
            dream,
            transfers,
            chain,
            None if cap_day is None else date.fromisoformat(cap_day),
            cap_used,
        )


def _take_outcomes(book: Book, rows: Sequence[Row]) -> None:
    for collector, sponsor, endpoint, key, digest, answer, attempt, is_open, cancelled in rows:
        found = OutcomeKey(collector, sponsor, Endpoint(endpoint), key)
        book.recorded[found] = Recorded(found, digest, None, outcome_from(answer), attempt, is_open, cancelled)


def _take_earlier_use(book: Book, rows: Sequence[Row]) -> None:
    for number, day, cents in rows:
        book.earlier_use[number, date.fromisoformat(day)] = Cents(int(cents))


def _take_deliveries(book: Book, rows: Sequence[Row]) -> None:
    for number, confirmation, sponsor, key, until in rows:
        row = OpenDelivery(number, confirmation, sponsor, key, from_microseconds(until))
        book.deliveries[number, confirmation] = row


def _take_redemptions(book: Book, rows: Sequence[Row]) -> None:
    book.redemptions |= redemptions_from(rows)


# --- statements off the hot path -----------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def _numbered(sql: str) -> str:
    """Return a statement with `$1`, `$2` … for each `?` that does not stand in quotes."""
    parts = sql.split("'")
    place = 0
    for number in range(0, len(parts), 2):
        words = parts[number].split("?")
        parts[number] = words[0]
        for word in words[1:]:
            place += 1
            parts[number] += f"${place}{word}"
    return "'".join(parts)


def _plain(value: Value) -> Value:
    """Return a value without the name that an enumeration gives it, by which the driver would send it."""
    if isinstance(value, str):
        return str(value)
    return int(value) if isinstance(value, int) else value
