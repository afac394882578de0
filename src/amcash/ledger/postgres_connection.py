"""A connection to PostgreSQL: how it is opened and refused, how several statements go in one round trip, its errors.

Two ways lead over one connection. The hot path (`exchange`) sends a list of prepared statements in one flush through
libpq's pipeline mode and waits once. Everything else is psycopg as usual. No driver's error passes this border.
"""

import re
import select
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from psycopg import pq
from psycopg.adapt import Transformer
from psycopg.conninfo import conninfo_to_dict

from amcash.ledger.store import (
    StoreBusyError,
    StoreConflictError,
    StoreError,
    StoreLockedError,
    StoreLostError,
    StoreUnusableError,
)

OLDEST_VERSION: Final = 14

CONNECT_TIMEOUT_S: Final = 2
"""The least that libpq knows: a server that does not answer must not use up a request's time budget (R-TIME-1)."""
LOCK_TIMEOUT_MS: Final = 1_500
"""A counted number of these waits (settle.BUSY_RETRIES_MAX) has to fit into a request's time budget (R-TIME-1)."""
CHANGE_LOCK_TIMEOUT_MS: Final = 60_000
"""Off the hot path one may wait for who changes the ledger at the moment, as a migration or a load does."""
STATEMENT_TIMEOUT_MS: Final = 1_600
"""Of a statement of the hot path: it may wait for several locks, one after another."""
ANSWER_TIMEOUT_MS: Final = 5_000
"""Not a word for so long: the connection counts as lost, for nobody waits any longer (R-TIME-1)."""
IDLE_IN_TRANSACTION_TIMEOUT_MS: Final = 10_000
"""How long a server that stopped in the midst of a batch may keep rows locked from the others."""
KEEPALIVE_IDLE_S: Final = 10
KEEPALIVE_INTERVAL_S: Final = 3
KEEPALIVE_COUNT: Final = 3
TCP_USER_TIMEOUT_MS: Final = 10_000

_HOT_PLANNING: Final = {
    # A plan that is good for a table of any size, whatever the table was when the statement was prepared: the index.
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "jit": "off",
}
_SESSION: Final = {
    **_HOT_PLANNING,
    "application_name": "amcash",
    "array_nulls": "on",
    "client_min_messages": "warning",
    "bytea_output": "hex",
    "cursor_tuple_fraction": "1",
    "lock_timeout": str(LOCK_TIMEOUT_MS),
    "statement_timeout": str(STATEMENT_TIMEOUT_MS),
    "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_TIMEOUT_MS),
    # The other direction: a machine that vanished must not keep its locks for the two hours of TCP's default.
    "tcp_keepalives_idle": str(KEEPALIVE_IDLE_S),
    "tcp_keepalives_interval": str(KEEPALIVE_INTERVAL_S),
    "tcp_keepalives_count": str(KEEPALIVE_COUNT),
}
_FREE_PLANNING: Final = (
    *(f"SET LOCAL {name} = DEFAULT" for name in _HOT_PLANNING if name != "jit"),
    "SET LOCAL statement_timeout = 0",
    f"SET LOCAL lock_timeout = {CHANGE_LOCK_TIMEOUT_MS}",
    "SET LOCAL idle_in_transaction_session_timeout = 0",
)
FREELY: Final = "; ".join(_FREE_PLANNING)
"""For statements off the hot path, until the transaction ends: the planner's own choice, and time."""

_DURABILITY: Final = {
    "fsync": "a crash of the machine can damage the whole database",
    "full_page_writes": "a crash of the machine can damage pages of the database",
    "synchronous_commit": "a crash can lose redemptions that were answered as approved",
}

_BUSY: Final = frozenset({"40P01", "40001"})
"""deadlock_detected, serialization_failure."""
_LOCKED: Final = frozenset({"55P03", "57014"})
"""lock_not_available, query_canceled (by statement_timeout, after waiting for several locks)."""
_STALE: Final = frozenset({"0A000", "26000", "42P05"})
"""feature_not_supported (a prepared plan whose result type has changed), invalid_sql_statement_name,
duplicate_prepared_statement: what was prepared on this connection is no longer so."""
_CONFLICT: Final = ("22", "23")
"""Classes of SQLSTATE: data exceptions and integrity constraint violations: a row's fault."""
_LOST: Final = ("08", "57P")


Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Statement:
    """A prepared statement of the hot path; `name` is what the database knows it by on this connection."""

    name: bytes
    sql: bytes


class Connection:
    """One open connection.

    Raises:
        StoreUnusableError: at opening, with a sentence that says what is wrong and what to do.
    """

    def __init__(self, url: str, *, unsafe_durability: bool) -> None:
        self.server = described(url)
        self.driver = _connect(url, self.server)
        self._pgconn = self.driver.pgconn
        self._transformer = Transformer.from_context(self.driver)
        self._prepared: set[bytes] = set()
        try:
            self._set_up(unsafe_durability=unsafe_durability)
        except BaseException:
            self.close()
            raise

    def _set_up(self, *, unsafe_durability: bool) -> None:
        if self.driver.info.server_version < OLDEST_VERSION * 10_000:
            raise StoreUnusableError(
                f"{self.server} is PostgreSQL {self.driver.info.server_version // 10_000}; "
                f"{OLDEST_VERSION} or newer is needed"
            )
        # What can be switched off for a session is kept as it was found: a reload must not reach a connection in use.
        asked = ", ".join(
            (
                *(f"set_config('{name}', '{value}', false)" for name, value in _SESSION.items()),
                "set_config('synchronous_commit', current_setting('synchronous_commit'), false)",
            )
        )
        found = ", ".join(f"current_setting('{name}')" for name in (*_DURABILITY, "server_encoding"))
        set_up = (Statement(b"set_up", f"SELECT {asked}".encode()), Statement(b"found", f"SELECT {found}".encode()))
        ((*durability, encoding),) = self.rows(self.exchange([(statement, ()) for statement in set_up])[-1])
        if encoding != "UTF8":
            raise StoreUnusableError(
                f"{self.server} keeps texts as {encoding}; create the database WITH ENCODING 'UTF8'"
            )
        for name, value in zip(_DURABILITY, durability, strict=True):
            if value == "off" and not unsafe_durability:
                raise StoreUnusableError(
                    f"{self.server} runs with {name} = off, and so {_DURABILITY[name]}; switch it on, "
                    "or, where nothing is at stake, give --unsafe-durability (AMCASH_UNSAFE_DURABILITY=1)"
                )

    @property
    def lost(self) -> bool:
        """Whether it can no longer be used."""
        return self.driver.closed or self._pgconn.status != pq.ConnStatus.OK

    def close(self) -> None:
        """Give it back; what was not committed is rolled back by the server."""
        self.driver.close()

    def exchange(self, statements: Sequence[tuple[Statement, Sequence[bytes]]]) -> list[pq.abc.PGresult]:
        """Send all `statements` at once, wait once, and return their results.

        The first that fails ends the exchange: those after it are not run.

        Raises:
            StoreLostError: the connection broke; what the statements did is not known.
            StoreError: of the statement that failed.
        """
        unknown = list({item.name: item for item, _ in statements if item.name not in self._prepared}.values())
        if unknown:  # once a connection, in a flush of its own
            prepared = self._flush([(self._pgconn.send_prepare, (item.name, item.sql)) for item in unknown])
            for item, result in zip(unknown, prepared, strict=True):
                if result.status == pq.ExecStatus.COMMAND_OK:  # on the server it stays, even where a later one failed
                    self._prepared.add(item.name)
            self._refuse_failed(prepared)
        send = self._pgconn.send_query_prepared
        results = self._flush([(send, (item.name, values)) for item, values in statements])
        self._refuse_failed(results)
        return results

    def rows(self, result: pq.abc.PGresult) -> list[Row]:
        """Return the rows of a result."""
        self._transformer.set_pgresult(result)
        return self._transformer.load_rows(0, result.ntuples, tuple)

    def _flush(self, commands: Sequence[tuple[Callable[..., None], tuple[Any, ...]]]) -> list[pq.abc.PGresult]:
        pgconn = self._pgconn
        try:
            pgconn.enter_pipeline_mode()
            for send, arguments in commands:
                send(*arguments)
            pgconn.pipeline_sync()
            results = self._receive()
            pgconn.exit_pipeline_mode()
        except psycopg.OperationalError as error:
            raise self._broken() from error
        except BaseException:
            self.close()  # in the midst of an exchange nothing else can be said on it
            raise
        return results

    def _refuse_failed(self, results: Sequence[pq.abc.PGresult]) -> None:
        for result in results:
            if result.status == pq.ExecStatus.FATAL_ERROR:
                raise self._failure(result)

    def _receive(self) -> list[pq.abc.PGresult]:
        pgconn = self._pgconn
        poll = select.poll()
        poll.register(pgconn.socket, select.POLLIN | select.POLLOUT)
        while pgconn.flush():
            self._wait(poll)
            pgconn.consume_input()
        poll.modify(pgconn.socket, select.POLLIN)
        results: list[pq.abc.PGresult] = []
        while True:
            while pgconn.is_busy():
                self._wait(poll)
                pgconn.consume_input()
            result = pgconn.get_result()
            if result is None:
                if pgconn.status != pq.ConnStatus.OK:
                    raise psycopg.OperationalError("the connection is closed")
                continue  # the end of one statement's results
            if result.status == pq.ExecStatus.PIPELINE_SYNC:
                return results
            results.append(result)
            if pgconn.status != pq.ConnStatus.OK:
                raise psycopg.OperationalError("the connection broke")

    def _wait(self, poll: select.poll) -> None:
        if not poll.poll(ANSWER_TIMEOUT_MS):
            raise psycopg.OperationalError("no answer")

    def _broken(self) -> StoreLostError:
        self.close()
        return StoreLostError(f"the connection to {self.server} was lost")

    def _failure(self, result: pq.abc.PGresult) -> StoreError:
        field = pq.DiagnosticField
        state, message, constraint = (
            (result.error_field(name) or b"").decode("utf-8", "replace")
            for name in (field.SQLSTATE, field.MESSAGE_PRIMARY, field.CONSTRAINT_NAME)
        )
        if state in _STALE:
            self.close()  # the next connection prepares anew
            return StoreLostError(f"the connection to {self.server} was lost: {message}")
        return failure(self.server, state, message, constraint)


def failure(server: str, state: str, message: str, constraint: str = "") -> StoreError:
    """Return the error of the port for an SQLSTATE."""
    if state in _LOCKED:
        return StoreLockedError("the ledger is locked by another program")
    if state in _BUSY:
        return StoreBusyError("the ledger is locked by another program")
    if state.startswith(_CONFLICT):
        return StoreConflictError(f"the ledger refused a row: {message}", constraint)
    if state.startswith(_LOST):
        return StoreLostError(f"the connection to {server} was lost: {message}")
    if state.startswith("53"):
        return StoreError(f"{server} has no room: {message}")
    return StoreError(f"the ledger cannot be used: {message}")


@contextmanager
def translated(server: str) -> Iterator[None]:
    """Turn psycopg's errors into the port's."""
    try:
        yield
    except psycopg.Error as error:
        diag = error.diag
        state = error.sqlstate or ("08" if isinstance(error, psycopg.OperationalError) else "")
        message = diag.message_primary or str(error).partition("\n")[0]
        raise failure(server, state, message, diag.constraint_name or "") from error


# --- opening -------------------------------------------------------------------------------------------------------


def described(url: str) -> str:
    """Return which server and database a URL names, for a sentence: never its password.

    Raises:
        StoreUnusableError: the URL cannot be read.
    """
    parts = _parts(url)
    place = parts.get("host") or parts.get("hostaddr") or "the local socket"
    port = f":{parts['port']}" if "port" in parts else ""
    return f"the database {parts.get('dbname', '(default)')!s} at {place}{port}"


def identified(url: str) -> str:
    """Return what a URL names, without its password: the same text for the same URL with another password.

    Raises:
        StoreUnusableError: the URL cannot be read.
    """
    return "\n".join(f"{name}={value}" for name, value in sorted(_parts(url).items()) if name != "password")


def _parts(url: str) -> Mapping[str, Any]:
    try:
        return conninfo_to_dict(url)
    except psycopg.Error:  # its message may hold the password
        raise StoreUnusableError(
            "the database URL cannot be read; it is postgresql://USER:PASSWORD@HOST:PORT/NAME, "
            "with special signs of the password written as %XX"
        ) from None


def _connect(url: str, server: str) -> psycopg.Connection[tuple[Any, ...]]:
    own: dict[str, Any] = {
        "connect_timeout": CONNECT_TIMEOUT_S,
        "keepalives_idle": KEEPALIVE_IDLE_S,
        "keepalives_interval": KEEPALIVE_INTERVAL_S,
        "keepalives_count": KEEPALIVE_COUNT,
        "tcp_user_timeout": TCP_USER_TIMEOUT_MS,
        "target_session_attrs": "read-write",
    }
    given = _parts(url)
    try:
        return psycopg.connect(
            url,
            autocommit=True,
            cursor_factory=psycopg.RawCursor,
            prepare_threshold=None,
            client_encoding="UTF8",
            **{name: value for name, value in own.items() if name not in given},
        )
    except psycopg.Error as error:
        raise _unreachable(server, str(error)) from None


_REASONS: Final = (
    ("password authentication failed", "the password or the user is wrong"),
    ("no password supplied", "a password is needed: postgresql://USER:PASSWORD@…, PGPASSWORD or ~/.pgpass"),
    ("no pg_hba.conf entry", "the server lets nobody in from here under this name (pg_hba.conf)"),
    ('role ".*" does not exist', "the user does not exist there"),
    ('database ".*" does not exist', "there is no such database; create it: createdb NAME"),
    ("Connection refused", "nothing listens there; is PostgreSQL running?"),
    ("No such file or directory", "nothing listens there; is PostgreSQL running?"),
    ("timeout", f"no answer within {CONNECT_TIMEOUT_S} s"),
    ("starting up", "it is starting up"),
    ("shutting down", "it is shutting down"),
    ("too many clients", "all of its connections are in use (max_connections)"),
    ("read-only", "it takes no writes: it is a standby, or default_transaction_read_only is on"),
    ("resolve host", "the host name is not known"),
    ("translate host name", "the host name is not known"),
    ("Name or service not known", "the host name is not known"),
)


class UnreachableError(StoreUnusableError, StoreLostError):
    """There is no way to the server now: at opening nothing can be done, later it is tried again."""


def _unreachable(server: str, message: str) -> UnreachableError:
    """Return the sentence for what libpq says; where it is not known, libpq's own first line."""
    for sign, reason in _REASONS:
        if re.search(sign, message):
            return UnreachableError(f"{server} cannot be used: {reason}")
    return UnreachableError(f"{server} cannot be used: {message.splitlines()[0] if message else 'no reason given'}")
