"""Collectors put back to a state by real transfers: for a reset, and for the magic ones. The only home of how.

The ledger only grows. A redemption that still stands is reversed by the ordinary rules, as if at the moment when it was
made: its window is then open and its cap day the same, so miles and allowance both come back, and the auditor can prove
it. What is still missing in a wallet is credited, what is too much is adjusted, each with its reason.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple, TypeVar

from amcash.domain import calendar, rules
from amcash.domain.book import Ask, Book, Needs
from amcash.domain.codes import Code
from amcash.domain.commands import Inquire, Redeem, Reverse
from amcash.domain.transfers import from_microseconds
from amcash.domain.vocabulary import (
    CardEntry,
    Cents,
    Collector,
    CollectorNumber,
    ConfirmationNumber,
    Enrolment,
    Language,
    Miles,
    Register,
    SponsorCode,
    Terms,
    Wallet,
)
from amcash.ledger import population
from amcash.ledger.population import Described
from amcash.ledger.settle import Clock, draw_confirmations
from amcash.ledger.store import Session, Store, StoreBusyError
from amcash.sandbox.magic import MAGIC, READY, Magic, enrolments

PAGE_COLLECTORS_MAX: Final = 200
"""In one transaction of a reset."""
BUSY_RETRIES_MAX: Final = 10
AFTER_THE_WINDOW: Final = timedelta(days=2)
"""So long after the client's clock a reversal on `0080`'s number is decided."""
RESET_REASON: Final = "sandbox reset"
MAGIC_REASON: Final = "sandbox: a magic collector as it always is"

Result = TypeVar("Result")

_STANDING = (
    "SELECT collector, confirmation, at, sponsor, cap_day, store, device, acquirer, vendor FROM transfer AS made "
    "WHERE collector BETWEEN ? AND ? AND kind = 'redemption' AND NOT EXISTS (SELECT 1 FROM transfer AS back "
    "WHERE back.collector = made.collector AND back.confirmation = made.confirmation AND back.kind <> 'redemption') "
    "ORDER BY collector, seq"
)
_OPENED = "SELECT collector, wallet, miles FROM transfer WHERE collector BETWEEN ? AND ? AND kind = 'opening'"
_PAGE = "SELECT number FROM collector WHERE number > ? ORDER BY number LIMIT ?"


class _Standing(NamedTuple):
    """A redemption that was neither reversed nor cancelled."""

    collector: CollectorNumber
    confirmation: ConfirmationNumber
    at: int
    sponsor: SponsorCode
    cap_day: str
    store: str
    device: str
    acquirer: str
    vendor: str


@dataclass(slots=True)
class Restored:
    """What a reset did."""

    collectors: int = 0
    """So many were changed."""
    reversed: int = 0
    credited: int = 0
    adjusted: int = 0

    def __add__(self, other: "Restored") -> "Restored":
        return Restored(
            self.collectors + other.collectors,
            self.reversed + other.reversed,
            self.credited + other.credited,
            self.adjusted + other.adjusted,
        )


@dataclass(slots=True)
class _Books:
    """Accounts in hand inside one transaction, and what was done to them."""

    book: Book
    register: Register
    done: Restored = field(default_factory=Restored)

    @classmethod
    def open(
        cls,
        session: Session,
        register: Register,
        needs: Needs,
        standing: Sequence[_Standing] = (),
    ) -> "_Books":
        """Load what is needed, and reverse the redemptions that are to be given back."""
        asks = [_reversal(item) for item in standing]
        wanted = Needs.of(asks, register)
        wanted.collectors |= needs.collectors
        wanted.cap_days |= needs.cap_days
        books = cls(session.load(wanted), register)
        books._reverse(asks)
        return books

    def _reverse(self, asks: Iterable[Ask]) -> None:
        accounts = self.book.collectors
        inactive = [number for number, item in accounts.items() if not item.active]
        for number in inactive:  # who is switched off can reverse nothing; the switch itself is not written
            accounts[number] = replace(accounts[number], active=True)
        for ask in asks:
            decision = self.book.decide(ask, self.register)
            assert decision.entry is not None, decision.outcome
            self.done.reversed += 1
        for number in inactive:
            accounts[number] = replace(accounts[number], active=False)

    def bring(self, number: CollectorNumber, wallet: Wallet, miles: int, reason: str, now: datetime) -> None:
        """Credit or adjust what a wallet has too little or too much."""
        account = self.book.collectors[number]
        difference = miles - (account.cash if wallet is Wallet.CASH else account.dream)
        if not difference:
            return
        entry = rules.credit(account, wallet, difference, reason, now)
        assert entry is not None
        self.book.enter(entry)
        self.done.credited += difference > 0
        self.done.adjusted += difference < 0

    def redeem(
        self, like: Inquire | Redeem | Reverse, units: int, terms: Terms, at: datetime
    ) -> ConfirmationNumber | None:
        """Redeem so many units at the sponsor and till of a request; None where the rules do not allow it."""
        cents = Cents(units * terms.unit_cents)
        dollars = f"{cents // 100}.{cents % 100:02}"
        (number,) = draw_confirmations(1)
        sent = _words(like.sent, at) | {"dollarRedeemRequest": dollars, "postTaxBasketAmount": dollars}
        key = f"sandbox-{number}"
        command = Redeem(sent, like.sponsor, Language.EN, like.collector, CardEntry.PREREGISTERED, cents, cents, key)
        decision = self.book.decide(Ask(command, at, number), self.register)
        return number if decision.entry is not None else None


class Restorer:
    """Puts collectors back, on a connection and a thread of its own.

    Args:
        store: the connection.
        register: gives the register in force.
        clock: gives the server's time.
        described: the programme file; None where the server was started without one.
    """

    def __init__(
        self, store: Store, register: Callable[[], Register], clock: Clock, described: Described | None
    ) -> None:
        self._store = store
        self._register = register
        self._clock = clock
        self._described = described
        self._file = {item.number: item for item in described.enrolments} if described is not None else {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="restorer")

    def start(self) -> None:
        """Enrol the magic collectors."""
        self._patiently(lambda session: population.enrol(session, enrolments(self._register()), self._clock()))

    def stop(self) -> None:
        """Finish what was begun."""
        self._thread.shutdown(cancel_futures=True)

    @property
    def file(self) -> list[Enrolment]:
        """The collectors of the programme file."""
        return list(self._file.values())

    async def make_ready(
        self, one: Magic, command: Inquire | Redeem | Reverse, at: datetime
    ) -> ConfirmationNumber | None:
        """Bring a magic collector to its state for a request that comes at `at`.

        Returns:
            The redemption that `READY` stands for, where the request names that and there can be one.

        Raises:
            StoreError: the ledger did not take it.
        """
        return await self._on_thread(lambda: self._patiently(lambda session: self._ready(session, one, command, at)))

    async def reset(self, numbers: Sequence[str] | None) -> Restored:
        """Put collectors back to the programme file: these or, with None, all, and then flags and offers too.

        Raises:
            StoreError: the ledger did not take all of it; the same call again does the rest.
        """
        return await self._on_thread(lambda: self._reset(numbers))

    async def _on_thread(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _patiently(self, work: Callable[[Session], Result]) -> Result:
        for _ in range(BUSY_RETRIES_MAX):
            try:
                with self._store.write() as session:
                    return work(session)
            except StoreBusyError:
                continue  # the store has waited already
        with self._store.write() as session:
            return work(session)

    # --- a magic collector ---

    def _ready(
        self, session: Session, one: Magic, command: Inquire | Redeem | Reverse, at: datetime
    ) -> ConfirmationNumber | None:
        register, now = self._register(), self._clock()
        wanted = one.enrolment(register)
        population.enrol(session, [wanted], now)
        wants_ready = isinstance(command, Reverse) and command.confirmation == READY and one.makes_ready
        if isinstance(command, Reverse) and not wants_ready and one.code is not Code.INVALID_CONFIRMATION:
            return None  # it reverses a redemption that was made before: where the account stands, it goes on
        books = self._given_back(session, one, wanted, at)
        number, terms = wanted.number, register.terms_in_force(command.sponsor, at)
        if one.code is Code.DAILY_LIMIT and terms is not None:
            used = books.book.used(number, calendar.cap_day(at, register.programme))
            units = max(0, register.programme.daily_cap - used) // terms.unit_cents
            if units:
                books.bring(number, Wallet.CASH, units * terms.unit_miles, MAGIC_REASON, now)
                books.redeem(command, units, terms, at)
        books.bring(number, Wallet.CASH, wanted.cash, MAGIC_REASON, now)
        books.bring(number, Wallet.DREAM, wanted.dream, MAGIC_REASON, now)
        ready = books.redeem(command, 1, terms, at) if wants_ready and terms is not None else None
        session.append(books.book)
        return ready

    def _given_back(self, session: Session, one: Magic, wanted: Enrolment, at: datetime) -> _Books:
        """Load a magic collector, with as much of the day's cap left as its state needs."""
        register, number = self._register(), wanted.number
        day = calendar.cap_day(at, register.programme)
        needs = Needs(collectors={number}, cap_days={(number, day)})
        books = _Books.open(session, register, needs)
        if one.code is Code.INVALID_CONFIRMATION:
            return _Books.open(session, register, needs, list(_standing(session, number, number)))
        used = books.book.used(number, day)
        if one.code is Code.DAILY_LIMIT or not _shows(used, wanted.cash, register):
            return books
        back = [item for item in _standing(session, number, number) if item.cap_day == day.isoformat()]
        return _Books.open(session, register, needs, back) if back else books

    # --- a reset ---

    def _reset(self, numbers: Sequence[str] | None) -> Restored:
        if numbers is not None:
            return sum((self._put_back(page) for page in _pages(sorted(numbers))), Restored())
        described = self._described
        if described is not None:
            self._patiently(lambda session: population.apply_programme(session, described, self._clock()))
        done, last = Restored(), ""
        while page := self._next_page(last):
            done += self._put_back(page)
            last = page[-1]
        return done

    def _next_page(self, after: str) -> list[str]:
        with self._store.read() as session:
            return [number for (number,) in session.run(_PAGE, after, PAGE_COLLECTORS_MAX)]

    def _put_back(self, page: Sequence[str]) -> Restored:
        return self._patiently(lambda session: self._put_back_in(session, page))

    def _put_back_in(self, session: Session, page: Sequence[str]) -> Restored:
        register, now, chosen = self._register(), self._clock(), set(page)
        standing = [item for item in _standing(session, page[0], page[-1]) if item.collector in chosen]
        numbers = {CollectorNumber(number) for number in page}
        books = _Books.open(session, register, Needs(collectors=numbers), standing)
        opened = _opened(session, page[0], page[-1])
        for number, account in sorted(books.book.collectors.items()):
            cash, dream = self._target(account, opened, register)
            books.bring(number, Wallet.CASH, cash, RESET_REASON, now)
            books.bring(number, Wallet.DREAM, dream, RESET_REASON, now)
        session.append(books.book)
        books.done.collectors = len(books.book.changed)
        return books.done

    def _target(
        self, account: Collector, opened: Mapping[tuple[str, str], Miles], register: Register
    ) -> tuple[Miles, Miles]:
        number = account.number
        described = self._file.get(number)
        if described is None and number in MAGIC:
            described = MAGIC[number].enrolment(register)
        if described is not None:
            return described.cash, described.dream
        return opened.get((number, Wallet.CASH), Miles(0)), opened.get((number, Wallet.DREAM), Miles(0))


def _shows(used: Cents, cash: Miles, register: Register) -> bool:
    """Tell whether what of the cap is used shows in what can be redeemed of a wallet, under any offer."""
    left = max(0, register.programme.daily_cap - used)
    return used > 0 and any(
        left // offer.terms.unit_cents < cash // offer.terms.unit_miles for offer in register.offers
    )


def _standing(session: Session, first: str, last: str) -> Iterator[_Standing]:
    return (_Standing._make(row) for row in session.run(_STANDING, first, last))


def _opened(session: Session, first: str, last: str) -> dict[tuple[str, str], Miles]:
    rows: Iterator[tuple[Any, ...]] = session.run(_OPENED, first, last)
    return {(number, wallet): Miles(miles) for number, wallet, miles in rows}


def _pages(numbers: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(numbers), PAGE_COLLECTORS_MAX):
        yield numbers[start : start + PAGE_COLLECTORS_MAX]


def _reversal(item: _Standing) -> Ask:
    """Return the request that gives a redemption back, as if its own till had asked at once."""
    at = from_microseconds(item.at)
    sent = {
        "acquirerId": item.acquirer,
        "collectorNumber": item.collector,
        "deviceId": item.device,
        "sponsorCode": item.sponsor,
        "storeId": item.store,
        "vendorId": item.vendor,
    }
    words = _words(sent, at) | {"redemptionConfirmationNum": item.confirmation}
    key = f"sandbox-{item.confirmation}"
    number, confirmation = item.collector, item.confirmation
    command = Reverse(words, item.sponsor, Language.EN, number, CardEntry.PREREGISTERED, confirmation, key)
    return Ask(command, at, confirmation)


_OF_THE_TILL = ("acquirerId", "collectorNumber", "deviceId", "sponsorCode", "storeId", "vendorId")


def _words(sent: Mapping[str, str], at: datetime) -> dict[str, str]:
    return {name: sent[name] for name in _OF_THE_TILL} | {
        "cardEntryMode": CardEntry.PREREGISTERED,
        "dateTime": at.isoformat(timespec="seconds"),
        "traceId": "sandbox",
    }
