"""A ledger in memory with a bit of everything in it, written by the writer's own rules."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import apsw

from amcash.domain import rules
from amcash.domain.book import Ask, Book
from amcash.domain.commands import Cancel, Redeem, Reverse
from amcash.domain.transfers import NO_CHAIN
from amcash.domain.vocabulary import (
    CardEntry,
    Cents,
    Collector,
    Language,
    Offer,
    OverRequest,
    Programme,
    Register,
    Sponsor,
    Terms,
    Wallet,
)
from amcash.ledger import register as registers
from amcash.ledger.sqlite import SqliteStore

TORONTO = ZoneInfo("America/Toronto")
GRACE = timedelta(seconds=30)
ANNE, BOB, CAROL, DAN, EVE = "84095202006", "84095202014", "9", "10", "84095202022"
"""EVE has no transfer. CAROL and DAN sort one way as text and the other as numbers."""

PROGRAMME = Programme(
    "AM", TORONTO, "CAD", time(3), time(0), time(3), Cents(75_000), OverRequest.DECLINE, check_digit=False
)
REGULAR = Offer(Terms("1111111111", "RGL", 95, 1_000, "e", "f"), True, None, None, None)
SPECIAL = Offer(Terms("2222222222", "SPL", 80, 1_000, "e", "f"), True, "LOY2", None, None)
SPONSORS = [
    Sponsor("LOY1", "One", frozenset({"100087"}), frozenset({"100000"})),
    Sponsor("LOY2", "Two", frozenset({"100088"}), frozenset({"100001"})),
]
TILLS = {
    "LOY1": {"storeId": "0001", "vendorId": "100087", "acquirerId": "100000", "sponsorCode": "LOY1"},
    "LOY2": {"storeId": "0777", "vendorId": "100088", "acquirerId": "100001", "sponsorCode": "LOY2"},
}


def toronto(text: str, *, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=TORONTO, fold=fold).astimezone(UTC)


class Story:
    """Tells what happens, one sentence a call, and writes each down at once, so that a mistake shows where it is."""

    def __init__(self, path: Path, programme: Programme = PROGRAMME) -> None:
        self.store = SqliteStore(path, create=True)
        self.store.migrate()
        with self.store.write() as session:
            registers.put_programme(session, programme)
            registers.put_offers(session, [REGULAR, SPECIAL])
            registers.put_sponsors(session, SPONSORS)
            self.register: Register = registers.read(session)
        self.book = Book()
        self.now = toronto("2026-06-15 12:00")
        self.codes: list[str] = []
        self.commands: dict[str, Redeem] = {}
        self._traces = self._numbers = 0

    def joins(self, number: str, cash: int = 0, dream: int = 0) -> None:
        collector = Collector(number, True, True, True, 0, 0, 0, NO_CHAIN)
        self.book.collectors[number] = collector
        self.book.changed.add(number)
        for wallet, miles in ((Wallet.CASH, cash), (Wallet.DREAM, dream)):
            if miles:
                self.book.enter(rules.opening(self.book.collectors[number], wallet, miles, self.now))
        self._write()

    def is_given(self, number: str, miles: int, wallet: Wallet = Wallet.CASH) -> None:
        entry = rules.credit(self.book.collectors[number], wallet, miles, "because", self.now)
        assert entry is not None
        self.book.enter(entry)
        self._write()

    def is_now(self, number: str, **switches: bool) -> None:
        self.book.collectors[number] = replace(self.book.collectors[number], **switches)

    def programme_is(self, **changes) -> None:
        self.register = replace(self.register, programme=replace(self.register.programme, **changes))

    def redeems(
        self, number: str, dollars: str, *, at: str = "LOY1", basket: str | None = None, key: str | None = None
    ) -> str:
        """Return the confirmation number that an approval has."""
        sent = self._sent(number, at) | {
            "dollarRedeemRequest": dollars,
            "postTaxBasketAmount": basket or dollars,
        }
        command = Redeem(
            sent, at, Language.EN, number, CardEntry.SWIPE, _cents(basket or dollars), _cents(dollars), key
        )
        return self._decide(command)

    def reverses(self, number: str, confirmation: str, *, at: str = "LOY1", key: str | None = None) -> str:
        sent = self._sent(number, at) | {"redemptionConfirmationNum": confirmation}
        return self._decide(Reverse(sent, at, Language.EN, number, CardEntry.SWIPE, confirmation, key))

    def is_delivered(self, number: str, confirmation: str) -> None:
        self.book.hand_over([(number, confirmation)])
        self._write()
        del self.book.deliveries[number, confirmation]

    def is_cancelled(self, number: str, confirmation: str) -> bool:
        """When its grace has run out; tell whether it was, for it may have been over before."""
        self.now += GRACE
        decision = self.book.decide(Ask(Cancel(number, confirmation), self.now, "1"), self.register)
        self._write()
        return decision.entry is not None

    def retries(self, number: str) -> str:
        """The last redemption that was asked for, once more, letter for letter."""
        return self._decide(self.commands[number]) if number in self.commands else ""

    def purges(self, older_than: datetime) -> None:
        with self.store.write() as session:
            session.purge(older_than, 0)

    def _sent(self, number: str, sponsor: str) -> dict[str, str]:
        self._traces += 1
        return TILLS[sponsor] | {
            "cardEntryMode": "swipe",
            "collectorNumber": number,
            "dateTime": "1972-07-16T13:32:00+0400",
            "deviceId": "001",
            "traceId": f"{self._traces:012}",
        }

    def _decide(self, command: Redeem | Reverse) -> str:
        self._numbers += 1
        if isinstance(command, Redeem):
            self.commands[command.collector] = command
        number = f"{7_919_993_000_000_000 + self._numbers * 999_983:016}"
        decision = self.book.decide(Ask(command, self.now, number, self.now + GRACE), self.register)
        self.codes.append(decision.outcome.code)
        self._write()
        return decision.outcome.confirmation or ""

    def _write(self) -> None:
        with self.store.write() as session:
            session.append(self.book)
        book = self.book
        self.book = Book(book.collectors, book.earlier_use, book.recorded, book.redemptions, book.deliveries)


def _cents(dollars: str) -> int:
    return round(float(dollars) * 100)


def tell(path: Path) -> list[str]:  # noqa: PLR0915 -- one story, told in order
    """Tell a story with every kind of transfer and every recorded code; return the codes in order."""
    story = Story(path)
    story.joins(ANNE, cash=19_000, dream=545)
    story.joins(BOB, cash=300)
    story.joins(CAROL, cash=1_900)
    story.joins(DAN, cash=950, dream=1)
    story.joins(EVE)

    first = story.redeems(ANNE, "16.12", key="till-7/1")
    story.reverses(ANNE, first)  # the same day: the allowance comes back
    whole_cap = story.redeems(ANNE, "750.00")
    story.redeems(ANNE, "10.00")  # 0065
    story.now = toronto("2026-06-16 03:00")
    story.reverses(ANNE, whole_cap, key="till-7/2")  # the last moment, and already the next cap day
    story.reverses(ANNE, whole_cap)  # 0057: once
    elsewhere = story.redeems(ANNE, "20.99", at="LOY2", basket="500")
    story.reverses(ANNE, elsewhere)  # 0057: another sponsor's
    story.reverses(ANNE, "no-such-one")  # 0057
    story.is_given(ANNE, 500)
    story.is_given(ANNE, -45, Wallet.DREAM)
    story.redeems(ANNE, "50.00", basket="9.99")  # 0066
    story.now = toronto("2026-06-17 03:00:01")
    story.reverses(ANNE, elsewhere, at="LOY2")  # 0080
    story.is_now(ANNE, allow_redemption=False)
    story.redeems(ANNE, "10.00")  # 0006
    story.is_now(ANNE, show_balances=False)
    story.redeems(ANNE, "10.00")  # 0005
    story.is_now(ANNE, allow_redemption=True)
    quiet = story.redeems(ANNE, "30.00")  # 0001
    story.redeems(ANNE, "9000000000000.00")  # 0051, no balances shown
    story.reverses(ANNE, quiet)  # 0001
    story.is_now(ANNE, active=False)
    story.redeems(ANNE, "10.00")  # 0002
    story.reverses(ANNE, quiet)  # 0002

    story.now = toronto("2026-06-16 01:00")  # back, as in a sandbox; the calendar has turned, the cap day has not
    at_night = story.redeems(BOB, "10.00")
    story.now = toronto("2026-06-16 12:00")
    story.reverses(BOB, at_night)  # no allowance back
    story.redeems(BOB, "50.00")  # 0051
    story.programme_is(over_request=OverRequest.REDUCE)
    story.redeems(BOB, "50.00")  # 3 units
    story.redeems(BOB, "50.00")  # 0051: none
    story.programme_is(over_request=OverRequest.DECLINE, daily_cap=Cents(1_000))
    story.redeems(BOB, "10.00")  # 0051 comes before 0065

    story.now = toronto("2026-11-01 01:30", fold=1)
    lost = story.redeems(CAROL, "20.00", at="LOY2")  # 0065: the cap is one unit now
    story.programme_is(daily_cap=Cents(75_000))
    lost = story.redeems(CAROL, "20.00", at="LOY2", key="lost")
    story.is_delivered(CAROL, kept := story.redeems(CAROL, "10.00"))
    story.is_cancelled(CAROL, lost)
    story.reverses(CAROL, lost, at="LOY2")  # 0057: cancelled
    story.now = toronto("2026-11-02 02:59:59")
    story.reverses(CAROL, kept)  # redeemed on Sunday, before 3:00: the window is open, its cap day is Saturday

    story.redeems(DAN, "10.00")
    story.redeems(DAN, "10.00")
    story.store.close()
    return story.codes


class Snapshot:
    """A ledger in memory whose rows can be damaged; verify reads it like any other."""

    def __init__(self, path: Path) -> None:
        self.connection = apsw.Connection(":memory:")
        with self.connection.backup("main", apsw.Connection(str(path)), "main") as backup:
            backup.step()
        self.damage(
            "DROP TRIGGER transfer_is_never_updated",
            "DROP TRIGGER transfer_is_never_deleted",
            "DROP TRIGGER transfer_is_never_replaced",
            "DROP TRIGGER collector_counts_what_was_inserted",
            "DROP TRIGGER collector_with_transfers_stays",
            "PRAGMA ignore_check_constraints = ON",
        )

    def run(self, sql: str, *values):
        return self.connection.execute(sql, values)

    def damage(self, *statements: str) -> None:
        for sql in statements:
            for _ in self.connection.execute(sql):
                pass

    def forge_chains(self) -> None:
        """Chain every account anew, as someone would who can write to the database and knows the digest."""
        chains: dict[str, bytes] = {}
        rows = list(self.run("SELECT * FROM transfer ORDER BY collector, seq"))
        for row in rows:
            previous = chains.get(row[0], NO_CHAIN)
            words = ["" if word is None else str(word) for word in row[:-1]]
            chains[row[0]] = hashlib.sha256(previous + "\x1f".join(words).encode()).digest()
            self.run("UPDATE transfer SET previous = ? WHERE collector = ? AND seq = ?", previous, *row[:2])
        for number, chain in chains.items():
            self.run("UPDATE collector SET chain = ? WHERE number = ?", chain, number)
