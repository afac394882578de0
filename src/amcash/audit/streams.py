"""How the auditor reads a ledger: five ordered streams, one collector at a time. The only home of its SQL.

Whatever the size of the ledger, one collector's rows are in hand at a time. The streams are joined by the `SPINE`:
the database itself lists, in its own order, every collector that any table names, and each stream is asked whether
the next of its rows is that collector's. So nothing here compares two texts for order: a database may collate as it
likes, as long as it collates every stream alike.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

PROGRAMME = "SELECT timezone, cap_day_starts, reversal_until FROM programme"
SPONSORS = "SELECT code FROM sponsor"
PURGE = "SELECT horizon FROM purge"
SPINE = (
    "SELECT number AS collector FROM collector UNION SELECT collector FROM transfer "
    "UNION SELECT collector FROM outcome UNION SELECT collector FROM open_delivery ORDER BY collector"
)
COLLECTORS = (
    "SELECT number AS collector, cash, dream, transfers, chain, cap_day, cap_used FROM collector ORDER BY collector"
)
TRANSFERS = (
    "SELECT collector, seq, kind, wallet, source, target, miles, balance, at, confirmation, sponsor, store, device, "
    "trace, acquirer, vendor, units, cents, unit_miles, unit_cents, offer_id, cap_day, reason, previous "
    "FROM transfer ORDER BY collector, seq"
)
OUTCOMES = (
    "SELECT collector, sponsor, endpoint, key, attempt, digest, at, code, confirmation, request, answer "
    "FROM outcome ORDER BY collector, sponsor, endpoint, key, attempt"
)
DELIVERIES = (
    "SELECT collector, confirmation, sponsor, key, open_until FROM open_delivery ORDER BY collector, confirmation"
)


class Rows(Protocol):
    """A ledger, as the auditor needs it: one snapshot, on which several statements may be streaming at a time."""

    def run(self, sql: str, *values: str | int | bytes | None) -> Iterator[tuple[Any, ...]]:
        """Run one statement and stream its rows."""


class OrderError(Exception):
    """The database gave its tables in different orders, so the audit did not see every row and proves nothing."""


class CollectorRow(NamedTuple):
    """An account as the ledger states it."""

    collector: str
    cash: int
    dream: int
    transfers: int
    chain: bytes
    cap_day: str | None
    cap_used: int


class TransferRow(NamedTuple):
    """A transfer; its fields stand in the order of the chain's digest."""

    collector: str
    seq: int
    kind: str
    wallet: str
    source: str
    target: str
    miles: int
    balance: int
    at: int
    confirmation: str | None
    sponsor: str | None
    store: str | None
    device: str | None
    trace: str | None
    acquirer: str | None
    vendor: str | None
    units: int | None
    cents: int | None
    unit_miles: int | None
    unit_cents: int | None
    offer_id: str | None
    cap_day: str | None
    reason: str | None
    previous: bytes


class OutcomeRow(NamedTuple):
    """A recorded outcome, its request and answer still as text."""

    collector: str
    sponsor: str
    endpoint: str
    key: str
    attempt: int
    digest: bytes
    at: int
    code: str
    confirmation: str | None
    request: str
    answer: str


class DeliveryRow(NamedTuple):
    """An approval whose hand-over is not known."""

    collector: str
    confirmation: str
    sponsor: str
    key: str
    open_until: int


class ByCollector:
    """One table in collector order, handed out a collector at a time."""

    def __init__(self, ledger: Rows, sql: str) -> None:
        self._rows = ledger.run(sql)
        self._head = next(self._rows, None)

    def of(self, collector: str) -> Iterator[tuple[Any, ...]]:
        """Stream the rows of `collector`, which must be the next in the order."""
        head, rows = self._head, self._rows
        while head is not None and head[0] == collector:
            yield head
            head = self._head = next(rows, None)

    def all_read(self) -> bool:
        """Tell whether every row was handed out."""
        return self._head is None
