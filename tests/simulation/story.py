"""One seed, one story: a programme opens, tills and servers and faults meet, the faults end, and the judge closes."""

import datetime as dt
import itertools
import logging
import os
import random
import shutil
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from unittest import mock
from uuid import UUID
from zoneinfo import ZoneInfo

from amcash.audit.verify import verify
from amcash.domain import rules
from amcash.domain.book import Book
from amcash.domain.transfers import NO_CHAIN
from amcash.domain.vocabulary import (
    Cents,
    Collector,
    CollectorNumber,
    Miles,
    Offer,
    Outage,
    OverRequest,
    Programme,
    Sponsor,
    SponsorCode,
    Terms,
    Wallet,
)
from amcash.ledger import handover, register, settle
from amcash.ledger.sqlite import SqliteStore
from simulation.faults import Rates
from simulation.judge import Judge, JudgedError, NaiveLedger
from simulation.network import Network
from simulation.process import Process
from simulation.tills import SPONSORS, Till
from simulation.world import MILLISECOND, SECOND, World

TORONTO = ZoneInfo("America/Toronto")
CARDS = ("84095202006", "80000000001", "80000000002", "80000000003")
LONGEST = 1_000 * SECOND
"""After so long a story is over, however few calls were made."""
BEGINNINGS = (  # local; both nights in which the clock is set, a summer's day, the hours before every boundary
    dt.datetime(2026, 6, 15, 12, tzinfo=TORONTO),
    dt.datetime(2026, 6, 15, 23, 59, 30, tzinfo=TORONTO),
    dt.datetime(2026, 6, 15, 2, 59, 30, tzinfo=TORONTO),
    dt.datetime(2026, 3, 8, 1, 59, 30, tzinfo=TORONTO),
    dt.datetime(2026, 3, 7, 22, tzinfo=TORONTO),
    dt.datetime(2026, 11, 1, 0, 59, 30, tzinfo=TORONTO),
    dt.datetime(2026, 11, 1, 2, 59, 30, tzinfo=TORONTO),
)


@dataclass
class Shape:
    """What kind of story it is, apart from what goes wrong in it."""

    begins: dt.datetime
    processes: int
    tills: int
    calls: int
    cap: Decimal
    over_request: str
    grace_s: int
    budget_s: float
    batch_max: int
    queue_max: int
    patience_s: int
    pause_ms: int
    stubborn: float
    parallel: float

    @classmethod
    def drawn(cls, chance):
        return cls(
            begins=chance.choice(BEGINNINGS).astimezone(dt.UTC),
            processes=chance.choice((1, 2)),
            tills=chance.randrange(2, 7),
            calls=chance.randrange(60, 181),
            cap=chance.choice((Decimal(40), Decimal(100), Decimal(750), Decimal(750))),
            over_request=chance.choice(("decline", "decline", "reduce")),
            grace_s=chance.choice((3, 10, 30)),
            budget_s=chance.choice((0.5, 2, 5)),
            batch_max=chance.choice((1, 3, 256)),
            queue_max=chance.choice((2, 5, 100, 100)),
            patience_s=chance.choice((1, 7, 7)),
            pause_ms=chance.choice((20, 500, 3_000)),
            stubborn=chance.choice((0, 0.6, 0.95)),
            parallel=chance.choice((0, 0.05, 0.3)),
        )


def offers(*, regular, special):
    """As the naive programme takes them: the programme's own, and one of LOY1's with fewer miles a dollar."""
    return [
        _offer("1111111111", "RGL", 95, "10", "Ten dollars", "Dix dollars", sponsor=None, available=regular),
        _offer("2222222222", "SPL", 60, "8.20", "Eight twenty", "Huit vingt", sponsor="LOY1", available=special),
    ]


def _offer(number, kind, miles, dollars, english, french, **more):
    names = {"id": number, "type": kind, "miles": miles, "dollars": Decimal(dollars), "en": english, "fr": french}
    return {**names, "from": None, "until": None, **more}


def _real_offer(item):
    miles, cents = Miles(item["miles"]), Cents(int(item["dollars"] * 100))
    terms = Terms(item["id"], item["type"], miles, cents, item["en"], item["fr"])
    return Offer(terms, item["available"], item["sponsor"], item["from"], item["until"])


class Place:
    """Where the ledgers of stories are: a folder in memory, with an empty ledger to begin with."""

    def __init__(self):
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 -- a folder of our own in it
        self._made = tempfile.TemporaryDirectory(prefix="amcash-simulation-", dir=memory)
        self.folder = Path(self._made.name)
        self._stories = itertools.count()
        self._template = self.folder / "template.db"
        store = SqliteStore(self._template, create=True)
        store.migrate()
        with store.write() as session:
            register.put_sponsors(
                session,
                [
                    Sponsor(SponsorCode(code), code, frozenset(item["vendors"]), frozenset(item["acquirers"]))
                    for code, item in SPONSORS.items()
                ],
            )
        store.close()

    @contextmanager
    def ledger(self):
        """A folder with a fresh ledger."""
        folder = self.folder / str(next(self._stories))
        folder.mkdir()
        shutil.copyfile(self._template, folder / "ledger.db")
        try:
            yield folder
        finally:
            shutil.rmtree(folder)

    def close(self):
        self._made.cleanup()


class Story:
    """
    Args:
        seed: decides everything.
        folder: with an empty ledger.
        tell: takes each line of the trace.
    """

    def __init__(self, seed, folder, tell=None):
        chance = random.Random(f"{seed}/shape")
        self.shape = shape = Shape.drawn(chance)
        self.rates = Rates.drawn(chance)
        self.world = World(seed, shape.begins, tell)
        self.chance = self.world.chance("story")
        self._drawing = self.world.chance("confirmations")
        self.drawn = []
        self._path = folder / "ledger.db"
        self.journals = folder / "handover"
        self._stores = []
        self._over = False
        self.known = []
        """Redemptions whose numbers tills know: (collector, sponsor, confirmation)."""
        self._regular = self._special = True
        self._outage = False
        naive = NaiveLedger(SPONSORS, offers(regular=True, special=True), shape.cap, shape.over_request)
        naive.grace = dt.timedelta(seconds=shape.grace_s)
        self.judge = Judge(self.world, shape, naive)
        self.operator = self._store()
        self._open_programme(naive, chance)
        self.cards = [*CARDS[: chance.randrange(1, len(CARDS))], *CARDS[:1]]
        if chance.random() < 0.1:
            self.cards.append("80000000009")  # nobody's
        self.network = Network(self)
        self.processes = []
        self._names = itertools.count(1)
        self._till_sponsors = [chance.choice(tuple(SPONSORS)) for _ in range(shape.tills)]

    def _store(self):
        store = SqliteStore(self._path)
        store._connection.set_busy_timeout(0)  # to wait would be to sleep
        store._connection.execute("PRAGMA synchronous = OFF")
        self._stores.append(store)
        return store

    def _open_programme(self, naive, chance):
        shape = self.shape
        with self.operator.write() as session:
            programme = Programme(
                name="AM",
                zone=TORONTO,
                currency="CAD",
                cap_day_starts=dt.time(3),
                file_day_starts=dt.time(0),
                reversal_until=dt.time(3),
                daily_cap=Cents(int(shape.cap * 100)),
                over_request=OverRequest(shape.over_request),
                check_digit=False,
            )
            register.put_programme(session, programme)
            book = Book()
            for number in CARDS:
                flags = [chance.random() < 0.95, chance.random() < 0.8, chance.random() < 0.95]
                cash = chance.choice((400, 2_000, 20_000, 20_000))
                naive.enrol(number, cash, 545)
                naive.collectors[number].update(zip(("active", "shows", "allows"), flags, strict=True))
                fresh = Collector(CollectorNumber(number), *flags, Miles(0), Miles(0), 0, NO_CHAIN)
                book.collectors[fresh.number] = fresh
                for wallet, miles in ((Wallet.CASH, cash), (Wallet.DREAM, 545)):
                    entry = rules.opening(book.collectors[fresh.number], wallet, Miles(miles), shape.begins)
                    book.enter(entry)
            session.append(book)
            self._configure(session)

    def _configure(self, session):
        """Write offers and outage, and tell the judge which version of the register they are."""
        mine = offers(regular=self._regular, special=self._special)
        register.put_offers(session, map(_real_offer, mine))
        register.put_outage(session, Outage(None) if self._outage else None)
        version = register.version(session)
        self.judge.offers[version], self.judge.outages[version] = mine, self._outage

    # --- what chance and operators do ---

    def draw_confirmations(self, count):
        self.drawn = [f"{self._drawing.randrange(10**16):016}" for _ in range(count)]
        return self.drawn

    def uuid(self):
        return UUID(int=self._drawing.getrandbits(128))

    def ledger_is_locked(self):
        return any(process.store.in_transaction or process.other.in_transaction for process in self.processes)

    def is_over(self):
        return self._over or self.network.calls >= self.shape.calls

    def _start(self):
        process = Process(self, f"p{next(self._names)}", (self._store(), self._store()))
        self.processes.append(process)

    def gone(self, process):
        """A process has died or stopped; another takes its place after a while."""
        self.processes.remove(process)
        self.network.lost_with(process)
        missing = self.chance.choice((SECOND // 10, SECOND, SECOND, 5 * SECOND, 40 * SECOND))
        self.world.after(missing, self._start_if_missing)

    def _start_if_missing(self):
        if len(self.processes) < self.shape.processes:
            self._start()

    def _disturb(self):
        """Once a second, what befalls the world at any moment."""
        if self._over:
            return
        if self.processes:
            self._disturb_one(self.chance.choice(self.processes))
        hits = self.network.hits
        if hits("clock_steps"):
            self.step_clock()
        if hits("days_pass"):
            self.days_pass()
        if not self.ledger_is_locked():
            if hits("outages"):
                self._outage = not self._outage
                self._operate(self._configure)
            if hits("operators"):
                self._operate(self._change_something)
        self.world.after(SECOND + self.chance.randrange(SECOND), self._disturb)

    def _disturb_one(self, process):
        hits = self.network.hits
        if hits("dies_anywhere"):
            process.die()
        elif hits("freezes"):
            process.freeze(self.chance.choice((SECOND, 8 * SECOND, (self.shape.grace_s + 8) * SECOND)))
        elif hits("stops") and process.accepts:
            process.stop()
        elif hits("journal_full"):
            process.full_journal()

    def _operate(self, change):
        with self.operator.write() as session:
            change(session)
        self.world.note("operator", change.__name__, self._outage, self._regular, self._special)
        for process in self.processes:
            self.world.after(self.chance.randrange(SECOND // 4), process.look_at_register)

    def _change_something(self, session):
        kind, number = self.chance.random(), self.chance.choice(CARDS)
        if kind < 0.6:
            self._regular, self._special = self.chance.random() < 0.8, self.chance.random() < 0.6
            self._configure(session)
            return
        flags = [self.chance.random() < 0.9 for _ in range(3)]
        self.judge.naive.collectors[number].update(zip(("active", "shows", "allows"), flags, strict=True))
        session.run(
            "UPDATE collector SET active = ?, show_balances = ?, allow_redemption = ? WHERE number = ?",
            *map(int, flags),
            number,
        )

    def step_clock(self):
        now, kind = self.world.clock(), self.chance.random()
        if kind < 0.5:  # to an hour of the night, or just beside it
            here = now.astimezone(TORONTO)
            hour = self.chance.choice((0, 3, 3, 2, 1))
            night = dt.datetime.combine(here.date() + dt.timedelta(days=1), dt.time(hour), TORONTO)
            beside = dt.timedelta(seconds=self.chance.choice((-20, -1, 0, 1)))
            self.world.set_clock(night.astimezone(dt.UTC) + beside)
            return
        hours = self.chance.choice((-24, -24, -4, -0.003, 0.003, 0.009, 1, 24))
        self.world.set_clock(now + dt.timedelta(hours=hours))

    def days_pass(self):
        """So many that outcomes are old, and the next thing that happens may be a purge."""
        self.world.set_clock(self.world.clock() + dt.timedelta(hours=self.chance.choice((73, 80))))
        for process in self.processes:
            self.world.after(self.chance.randrange(SECOND), process.purges)

    # --- from beginning to end ---

    def run(self):
        """Play the story.

        Raises:
            JudgedError: a promise was broken.
        """
        for _ in range(self.shape.processes):
            self._start()
        for number, sponsor in enumerate(self._till_sponsors):
            Till(self, f"t{number}", sponsor)
        self._disturb()
        self.world.pump(LONGEST, self._all_said)
        self._quiet()
        self._end()

    def _all_said(self):
        return self.network.calls >= self.shape.calls

    def _quiet(self):
        """The faults end; what was begun is given its time, and the grace and the sweepers theirs (R-DLV-5)."""
        world, shape = self.world, self.shape
        self._over = True
        for name in vars(self.rates):
            setattr(self.rates, name, 0)
        world.note("quiet")
        if self.chance.random() < 0.3:
            for process in list(self.processes):
                process.die()
        if world.clock() < world.latest_shown:
            world.set_clock(world.latest_shown)
        world.pump(world.now + 120 * SECOND)  # tills end their calls, processes come back, sweepers' pauses end
        world.pump(world.now + (shape.grace_s + 5) * SECOND + 10 * MILLISECOND)

    def _end(self):
        judge = self.judge
        for process in self.processes:
            if process.unanswered():
                judge.blame("a request was taken and never answered, by", process.name)
            process.writer.flush()
        with self.operator.read() as session:
            judge.closes(lambda sql: list(session.run(sql)))
            report = verify(session)
        if report.findings:
            judge.blame("`amcash verify` finds:", *report.findings[:3])
        self.world.note("end", self.network.calls)

    def close(self):
        for process in self.processes:
            process.forget()
            process.journal.close()
        for store in self._stores:
            store.close()


@dataclass
class Result:
    """What became of one seed."""

    seed: int
    calls: int
    trace: str
    failure: str | None
    seen: dict


def tell_story(seed, place, tell=None):
    """Play one seed and say what came of it."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    failure = None
    with place.ledger() as folder, ExitStack() as stack:
        stack.callback(logging.disable, before)
        story = Story(seed, folder, tell)
        stack.callback(story.close)
        stack.enter_context(mock.patch.object(settle, "draw_confirmations", story.draw_confirmations))
        stack.enter_context(mock.patch.object(handover, "uuid", SimpleNamespace(uuid4=story.uuid)))
        try:
            story.run()
        except JudgedError as error:
            failure = str(error)
        except Exception as error:
            if tell is not None:
                raise
            failure = f"{type(error).__name__}: {error}"
        return Result(seed, story.network.calls, story.world.trace_hash(), failure, dict(story.judge.seen))
