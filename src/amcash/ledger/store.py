"""The port: what a store must do for the service, and the errors it may raise. No driver's error passes this border."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from amcash.domain.book import Book, Needs

Value = str | int | bytes | None


class StoreError(Exception):
    """Broken machinery: the transaction did not happen, or was lost. The message is a sentence for an operator.

    StoreError
     ├─ StoreBusyError       someone else holds the lock: worth another try
     │   └─ StoreLockedError  of one collector's row: others need not wait for it
     ├─ StoreLostError       the connection broke: whether a commit happened is not known; look it up
     ├─ StoreConflictError   a constraint of the schema refused a row: this command's fault, not its batchmates'
     └─ StoreUnusableError   at opening: not a ledger, of a newer version, locked by a server, not writable
    """


class StoreBusyError(StoreError):
    """Someone else held the lock for too long; nothing was done."""


class StoreLockedError(StoreBusyError):
    """Someone else held a collector's row for too long; nothing was done, and other collectors are not concerned."""


class StoreLostError(StoreError):
    """The connection broke. Where a commit was under way, whether it happened is not known.

    The store connects again at its next use. Settling the same commands again is then the way to know: what was
    committed is found under its idempotency key (R-IDEM-3), what was not is decided.
    """


class StoreConflictError(StoreError):
    """The database refused a row: a negative wallet, a double number, a second reversal (R-LED-4).

    Args:
        sentence: for an operator.
        constraint: the name of what refused it, where the database says so.
    """

    def __init__(self, sentence: str, constraint: str = "") -> None:
        super().__init__(sentence)
        self.constraint = constraint


class StoreUnusableError(StoreError):
    """The database cannot be used at all; the message says what to do."""


class Purged(NamedTuple):
    """What one piece of a purge did."""

    outcomes: int
    """How many are gone."""
    place: int | None
    """Where the next piece begins; None when all old ones were seen."""


class Session(Protocol):
    """What can be done inside one transaction."""

    def load(self, needs: Needs) -> Book:
        """Read the accounts that a batch needs; in a write transaction their rows are locked until its end."""

    def append(self, book: Book) -> None:
        """Write what the batch decided: transfers, outcomes, deliveries, accounts."""

    def purge(self, older_than: datetime, place: int) -> Purged:
        """Delete the outcomes before a time that stand in one bounded piece of their table, from `place` on (R-IDEM-8).

        Never one whose delivery is open. The first piece begins at 0. The ledger keeps the time, as its horizon:
        before it, an outcome may be absent.
        """

    def run(self, sql: str, *values: Value) -> Iterator[tuple[Any, ...]]:
        """Run one statement, `?` for each value, and stream its rows: for everything off the hot path."""

    def run_many(self, sql: str, rows: list[tuple[Value, ...]]) -> None:
        """Run one statement for each row of values."""


class Store(Protocol):
    """One connection to a ledger, used by one thread at a time."""

    def write(self, *, patient: bool = True) -> AbstractContextManager[Session]:
        """Open a transaction that may write; leaving it commits, durably; an exception rolls it back.

        Args:
            patient: wait for a row that somebody else holds; where not, only for a moment.
        """

    def read(self) -> AbstractContextManager[Session]:
        """Open a transaction that sees one state of the ledger and changes nothing."""

    def close(self) -> None:
        """Give the connection back."""
