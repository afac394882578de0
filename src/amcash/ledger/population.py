"""What a programme file or a collector file describes, put into the ledger. The only home of enrolling collectors.

A collector is enrolled once, with an `opening` transfer for each wallet that is not empty; loading again changes
flags, never a balance (programme.md). So every load can be repeated, and one that was cut short finishes.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from types import MappingProxyType
from typing import Protocol

from amcash.domain import rules
from amcash.domain.book import Needs
from amcash.domain.transfers import NO_CHAIN, Entry
from amcash.domain.vocabulary import (
    Collector,
    CollectorNumber,
    Enrolment,
    Miles,
    Offer,
    Programme,
    Sponsor,
    SponsorCode,
    Wallet,
    secret_digest,
)
from amcash.ledger import register
from amcash.ledger.store import Session, Store, StoreBusyError

BATCH_COLLECTORS_MAX = 1_000
"""Collectors in one transaction of a stream: the ledger is then held for some 15 ms, and the memory stays flat."""

BUSY_RETRIES_MAX = 5

Opened = tuple[Collector, list[Entry]]
"""A new collector with the opening transfers behind the balances."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of a number of enrolments."""

    new: int = 0
    changed: int = 0
    same: int = 0
    balances_left: int = 0
    """Of those who were there, how many have other balances than the file says."""

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.new + other.new,
            self.changed + other.changed,
            self.same + other.same,
            self.balances_left + other.balances_left,
        )

    @property
    def total(self) -> int:
        """How many enrolments there were."""
        return self.new + self.changed + self.same


class Described(Protocol):
    """What a programme file says, in the domain's words; `clients` are (id, sponsors, secret for a sandbox)."""

    @property
    def programme(self) -> Programme: ...  # noqa: D102 -- the names say it
    @property
    def offers(self) -> Sequence[Offer]: ...  # noqa: D102
    @property
    def sponsors(self) -> Sequence[Sponsor]: ...  # noqa: D102
    @property
    def clients(self) -> Sequence[tuple[str, tuple[SponsorCode, ...], str | None]]: ...  # noqa: D102
    @property
    def enrolments(self) -> Sequence[Enrolment]: ...  # noqa: D102


def apply_programme(session: Session, described: Described, now: datetime) -> Counts:
    """Apply a programme file inside the caller's transaction, so that all of it counts or nothing (programme.md).

    The programme and its offers become exactly these; sponsors and clients are added or changed, never removed, and a
    client that was disabled stays so. Of a secret only the digest is kept, live in a sandbox alone.

    Args:
        session: an open write transaction.
        described: the file.
        now: the moment of the opening transfers, UTC.
    """
    register.put_programme(session, described.programme)
    register.put_offers(session, described.offers)
    register.put_sponsors(session, described.sponsors)
    live = {item.client_id: item.secret_digests for item in register.read_clients(session, sandbox=True)}
    for client_id, sponsors, secret in described.clients:
        register.put_client(session, client_id, sponsors)
        if secret is None:
            continue
        digest = secret_digest(secret)
        if digest not in live.get(client_id, ()):
            register.put_sandbox_secret(session, client_id, digest, now)
    return enrol(session, described.enrolments, now)


def enrol(
    session: Session,
    enrolments: Iterable[Enrolment],
    now: datetime,
    opened: Mapping[CollectorNumber, Opened] = MappingProxyType({}),
) -> Counts:
    """Enrol a batch inside the caller's transaction; of a collector who is there already only the flags change.

    Args:
        session: an open write transaction.
        enrolments: as many as a transaction and the memory may hold.
        now: the moment of the opening transfers, UTC.
        opened: of those who may be new, what was worked out before the transaction held anyone up.
    """
    batch = list(enrolments)
    book = session.load(Needs(collectors={item.number for item in batch}))
    flags: dict[CollectorNumber, tuple[int, int, int]] = {}
    new = changed = balances_left = 0
    for item in batch:
        number = item.number
        collector = book.collectors.get(number)
        if collector is None:
            book.collectors[number], entries = opened.get(number) or _open(item, now)
            book.entries += entries
            book.changed.add(number)
            new += 1
            continue
        balances_left += (item.cash, item.dream) != (collector.cash, collector.dream)
        if _flags(item) != flags.get(number, _flags(collector)):
            flags[number] = _flags(item)
            changed += 1
    session.append(book)
    if flags:
        session.run_many(_UPDATE_FLAGS, [(*values, number) for number, values in sorted(flags.items())])
    return Counts(new, changed, len(batch) - new - changed, balances_left)


_UPDATE_FLAGS = "UPDATE collector SET active = ?, show_balances = ?, allow_redemption = ? WHERE number = ?"


def _flags(item: Enrolment | Collector) -> tuple[int, int, int]:
    return int(item.active), int(item.show_balances), int(item.allow_redemption)


def _open(item: Enrolment, now: datetime) -> Opened:
    collector = Collector(
        item.number, item.active, item.show_balances, item.allow_redemption, Miles(0), Miles(0), 0, NO_CHAIN
    )
    entries = []
    for wallet, miles in ((Wallet.CASH, item.cash), (Wallet.DREAM, item.dream)):
        if miles:
            entry = rules.opening(collector, wallet, miles, now)
            collector = rules.after(collector, entry)
            entries.append(entry)
    return collector, entries


def enrol_stream(
    store: Store,
    enrolments: Iterable[Enrolment],
    now: datetime,
    *,
    batch_collectors_max: int = BATCH_COLLECTORS_MAX,
    progress: Callable[[Counts], None] = lambda _counts: None,
) -> Counts:
    """Enrol any number of collectors, a bounded batch a transaction, beside a running server.

    A batch that is in stays in: should the stream or the machine break, the same call again does the rest. The
    caller has read the whole file once before, so that a mistake in it applies nothing.

    Args:
        store: a connection of the caller's own.
        enrolments: read lazily; an exception of theirs passes through, between two transactions.
        now: the moment of the opening transfers, UTC.
        batch_collectors_max: collectors in one transaction.
        progress: told the counts so far, after each batch.

    Raises:
        StoreError: a batch could not be written; those before it are in.
    """
    done = Counts()
    for batch in _batches(enrolments, batch_collectors_max):
        done += _enrol_patiently(store, batch, now)
        progress(done)
    return done


def _batches(enrolments: Iterable[Enrolment], batch_collectors_max: int) -> Iterator[list[Enrolment]]:
    remaining = iter(enrolments)
    while batch := list(islice(remaining, batch_collectors_max)):
        yield batch


def _enrol_patiently(store: Store, batch: list[Enrolment], now: datetime) -> Counts:
    # The digests are most of the work. Done here, they hold nobody up, and they give a running server its turn between
    # two of our transactions: SQLite's lock has no queue, so whoever came back at once would starve it for seconds.
    with store.read() as session:
        known = session.load(Needs(collectors={item.number for item in batch})).collectors
    opened = {item.number: _open(item, now) for item in batch if item.number not in known}
    for _ in range(BUSY_RETRIES_MAX):
        try:
            return _enrol_at_once(store, batch, now, opened)
        except StoreBusyError:
            continue  # the store has waited already
    return _enrol_at_once(store, batch, now, opened)


def _enrol_at_once(
    store: Store, batch: list[Enrolment], now: datetime, opened: Mapping[CollectorNumber, Opened]
) -> Counts:
    with store.write() as session:
        return enrol(session, batch, now, opened)
