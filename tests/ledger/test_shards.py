"""Several shards: no transaction touches collectors of two, and nobody can tell by the answers (invariant 5)."""

import random
from contextlib import closing, contextmanager

import pytest

from amcash.domain.commands import Cancel, Echo
from amcash.domain.vocabulary import CollectorNumber
from amcash.ledger import settle as settling
from amcash.ledger.handover import Journal, Journals, Marks
from amcash.ledger.settle import Settler
from amcash.ledger.shards import shard_of
from amcash.ledger.sqlite import SqliteStore
from amcash.ledger.store import StoreBusyError, StoreConflictError, StoreError, StoreLockedError, StoreLostError
from ledger.examples import LOY1, NOW, REGISTER, balances, enrol, inquire, redeem, reverse
from ledger.store_contract import GRACE, open_rows

SHARDS = 4
COLLECTORS = [CollectorNumber(f"{80000000000 + n}") for n in range(12)]
HOME = {number: shard_of(number, SHARDS) for number in COLLECTORS}
ONE_OF_EACH = [next(number for number in COLLECTORS if HOME[number] == shard) for shard in range(SHARDS)]
ECHO = Echo({"sponsorCode": "LOY1"}, REGISTER.sponsors[LOY1].code)


class WatchedStore:
    """A real store that keeps which collectors each transaction touched, and can refuse those of one shard."""

    def __init__(self, store):
        self.store = store
        self.touched = []
        self.dead, self.error = None, None

    @contextmanager
    def write(self, **how):
        with self.store.write(**how) as session:
            yield WatchedSession(session, self)

    @contextmanager
    def read(self):
        with self.store.read() as session:
            yield WatchedSession(session, self)

    @property
    def shards_touched(self):
        """Of each transaction."""
        return [{HOME[number] for number in numbers} for numbers in self.touched]


class WatchedSession:
    def __init__(self, session, watch):
        self.session, self.watch = session, watch
        self.numbers = set()
        watch.touched.append(self.numbers)

    def load(self, needs):
        self._touch(needs.collectors)
        for pairs in (needs.cap_days, needs.keys, needs.redemptions, needs.deliveries):
            self._touch(item[0] for item in pairs)
        return self.session.load(needs)

    def append(self, book):
        self._touch(book.changed)
        for pairs in (book.opened, book.prolonged, book.closed):
            self._touch(item[0] for item in pairs)
        self._touch(entry.collector for entry in book.entries)
        self._touch(recorded.key.collector for recorded in book.outcomes)
        self.session.append(book)

    def _touch(self, numbers):
        self.numbers.update(numbers)
        if self.watch.dead in {HOME[number] for number in self.numbers}:
            raise self.watch.error


@pytest.fixture
def store(new_store):
    enrol(new_store, *((number, 1900, 545) for number in COLLECTORS))
    return new_store


@pytest.fixture
def watched(store):
    return WatchedStore(store)


@pytest.fixture
def never_due(monkeypatch):
    """No batch writes marks of shards that are not its own."""
    monkeypatch.setattr(settling, "MARKS_WAIT_S", 1e9)


def settler(store, marks=None, *, shards=SHARDS):
    return Settler(store, lambda: REGISTER, lambda: NOW, grace=GRACE, marks=marks, shards=shards)


def code(settled):
    return type(settled).__name__ if isinstance(settled, StoreError) else str(settled.outcome.code)


def approved(store, number, trace="1"):
    """Make a redemption whose delivery is open; return its name."""
    (made,) = settler(store).settle([redeem(number, trace=trace)])
    return number, made.outcome.confirmation


# --- where a collector lives ---


def test_every_process_finds_a_collector_in_the_same_shard_today_and_tomorrow():
    assert [shard_of(CollectorNumber("84095202006"), shards) for shards in (1, 2, 4, 32, 1024)] == [0, 0, 2, 22, 886]


def test_collectors_are_spread_evenly():
    homes = [shard_of(CollectorNumber(f"{80000000000 + n}"), 8) for n in range(8_000)]
    assert set(homes) == set(range(8))
    assert all(800 < homes.count(shard) < 1200 for shard in range(8))


# --- random batches ---


class Ledger:
    """One story of random batches, marks and flushes; the same for the same seed, whatever the shards."""

    def __init__(self, store, shards):
        self.marks = Marks(shards=shards)
        self.now = NOW
        self.settler = Settler(store, lambda: REGISTER, lambda: self.now, grace=GRACE, marks=self.marks, shards=shards)
        self.approved = []

    def play(self, seed):
        """Return what was answered, in order."""
        chance = random.Random(seed)
        answers = []
        for batch in range(16):
            self.now += GRACE / 2
            jobs = [self._job(chance, f"{batch}-{place}") for place in range(chance.randrange(1, 16))]
            settled = self.settler.settle(jobs)
            answers += [self._told(job, item) for job, item in zip(jobs, settled, strict=True)]
            made = [item for item in settled if item.awaits_delivery and not item.replayed]
            for decision in made:
                one = (decision.redemption.collector, decision.outcome.confirmation)
                self.approved.append(one)
                if chance.random() < 0.5:
                    self.marks.add(*one)
            if chance.random() < 0.2:
                self.settler.flush()
            inquiries = [inquire(chance.choice(COLLECTORS)) for _ in range(5)]
            answers += [
                self._told(job, item) for job, item in zip(inquiries, self.settler.consult(inquiries), strict=True)
            ]
        self.settler.flush()
        return answers

    def _job(self, chance, trace):
        kind, number = chance.random(), chance.choice(COLLECTORS)
        dollars, which = chance.choice((10, 20, 30)), chance.random()
        if kind < 0.1:
            return ECHO
        if kind < 0.5 and self.approved:
            number, confirmation = self.approved[int(which * len(self.approved))]
            return reverse(confirmation, number, key=trace) if kind < 0.3 else Cancel(number, confirmation)
        if kind < 0.55:
            return inquire(number)
        return redeem(number, dollars=dollars, trace=trace, key="once" if which < 0.2 else None)

    def _told(self, job, settled):
        made = settled.entry is not None
        return type(job).__name__, getattr(job, "collector", None), code(settled), settled.outcome.balances, made


@pytest.mark.parametrize("seed", range(8))
def test_a_transaction_of_a_random_batch_touches_one_shard_and_the_answers_are_as_with_one(
    watched, tmp_path, seed, monkeypatch
):
    if seed % 2:
        monkeypatch.setattr(settling, "MARKS_WAIT_S", 0.0)
    with closing(SqliteStore(tmp_path / "whole.db", create=True)) as whole:
        whole.migrate()
        enrol(whole, *((number, 1900, 545) for number in COLLECTORS))
        told = Ledger(watched, SHARDS).play(seed)
        assert told == Ledger(whole, 1).play(seed)
        assert [balances(watched.store, number) for number in COLLECTORS] == [balances(whole, n) for n in COLLECTORS]
        assert [row[0] for row in open_rows(watched.store)] == [row[0] for row in open_rows(whole)]
    assert all(len(shards) <= 1 for shards in watched.shards_touched)
    assert {shard for shards in watched.shards_touched for shard in shards} == set(range(SHARDS))
    assert {kind for kind, *_, made in told if made} == {"Redeem", "Reverse", "Cancel"}


def test_with_one_shard_a_batch_is_one_transaction(watched):
    marks = Marks()
    marks.add(*approved(watched.store, COLLECTORS[0]))
    commands = [ECHO, *(redeem(number) for number in COLLECTORS[1:]), inquire(COLLECTORS[0])]
    settled = settler(watched, marks, shards=1).settle(commands)
    assert {code(item) for item in settled} == {"0000"}
    assert [len(numbers) for numbers in watched.touched] == [len(COLLECTORS)]
    settler(watched, shards=1).consult([inquire(number) for number in COLLECTORS])
    assert len(watched.touched) == 2


def test_with_several_shards_a_batch_is_one_transaction_a_shard_and_its_answers_come_in_order(watched):
    settled = settler(watched).settle([redeem(number, trace=trace) for trace in "12" for number in COLLECTORS])
    assert [item.redemption.collector for item in settled] == COLLECTORS * 2
    assert [item.outcome.balances.cash for item in settled] == [1805] * 12 + [1710] * 12
    assert sorted(watched.shards_touched, key=min) == [{shard} for shard in range(SHARDS)]


def test_an_echo_goes_with_the_command_before_it(watched):
    settled = settler(watched).settle([redeem(ONE_OF_EACH[3]), ECHO, redeem(ONE_OF_EACH[3], trace="2")])
    assert [item.outcome.code for item in settled] == ["0000"] * 3
    assert watched.shards_touched == [{3}]
    assert [code(item) for item in settler(watched).settle([ECHO, ECHO])] == ["0000"] * 2


# --- failures ---


@pytest.mark.parametrize("dead", range(SHARDS))
@pytest.mark.parametrize(
    "error",
    [
        *(kind("dead") for kind in (StoreError, StoreBusyError, StoreLockedError, StoreLostError, StoreConflictError)),
        AssertionError("dead"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_shard_that_fails_fails_its_own_commands_alone(watched, error, dead):
    watched.dead, watched.error = dead, error
    expected = type(error).__name__ if isinstance(error, StoreError) else "StoreError"
    settled = settler(watched).settle([redeem(number) for number in COLLECTORS])
    assert [code(item) for item in settled] == [expected if HOME[n] == dead else "0000" for n in COLLECTORS]
    left = [balances(watched.store, number)[0] for number in COLLECTORS]
    assert left == [1900 if HOME[number] == dead else 1805 for number in COLLECTORS]
    asked = settler(watched).consult([inquire(number) for number in COLLECTORS])
    assert [code(item) for item in asked] == [expected if HOME[n] == dead else "0000" for n in COLLECTORS]


# --- marks ---


def waiting_marks(store):
    """Marks of one collector in each shard, and what they were told to be committed."""
    committed = []
    marks = Marks(committed.extend, shards=SHARDS)
    rows = [approved(store, number) for number in ONE_OF_EACH]
    for one in rows:
        marks.add(*one)
    return marks, rows, committed


@pytest.mark.usefixtures("never_due")
def test_a_mark_rides_with_its_own_shard_alone(watched):
    marks, rows, committed = waiting_marks(watched.store)
    mine = settler(watched, marks)
    mine.flush()  # from here on nothing is due
    for one in rows:
        marks.add(*one)
    committed.clear()
    mine.settle([redeem(ONE_OF_EACH[2], trace="2"), ECHO])
    assert (committed, marks.shards_waiting, marks.waiting) == ([rows[2]], [0, 1, 3], 3)


def test_flushing_is_one_transaction_a_shard(watched):
    marks, rows, committed = waiting_marks(watched.store)
    settler(watched, marks).flush()
    assert (committed, marks.waiting, open_rows(watched.store)) == (rows, 0, [])
    assert watched.touched == [{number} for number in ONE_OF_EACH]


@pytest.mark.parametrize("error", [StoreError("dead"), RuntimeError("dead")])
def test_marks_of_a_shard_that_fails_wait_and_the_others_do_not(watched, error):
    marks, rows, committed = waiting_marks(watched.store)
    watched.dead, watched.error = 1, error
    settler(watched, marks).flush()
    assert (committed, marks.shards_waiting) == ([rows[0], *rows[2:]], [1])
    watched.dead = None
    settler(watched, marks).flush()
    assert (marks.waiting, open_rows(watched.store)) == (0, [])


def test_marks_of_a_shard_without_traffic_do_not_wait_for_the_others_to_be_idle(watched, monkeypatch):
    """R-DLV-2: another machine would take them for never handed over, and cancel."""
    monkeypatch.setattr(settling, "MARKS_WAIT_S", 0.0)
    marks, *_ = waiting_marks(watched.store)
    settler(watched, marks).settle([redeem(ONE_OF_EACH[2], trace="2")])
    assert marks.waiting == 0
    assert all(len(shards) == 1 for shards in watched.shards_touched)


def test_a_settler_and_its_marks_have_the_same_shards(store):
    with pytest.raises(AssertionError):
        settler(store, Marks())


# --- journals ---


@pytest.fixture
def left_behind(store, tmp_path):
    """A folder with the journal of a process that is gone: one hand-over in each shard."""
    journal = Journal(tmp_path / "handover")
    for number in ONE_OF_EACH:
        journal.append(*approved(store, number))
    journal.close()
    return tmp_path / "handover"


def test_a_journal_is_taken_in_by_one_transaction_a_shard(watched, left_behind):
    assert Journals(left_behind, shards=SHARDS).take_in(watched) == 1
    assert sorted(watched.touched, key=min) == [{number} for number in sorted(ONE_OF_EACH)]
    assert (open_rows(watched.store), list(left_behind.iterdir())) == ([], [])


@pytest.mark.parametrize("dead", range(SHARDS))
def test_where_a_shard_fails_the_marks_of_the_others_are_taken_in_and_the_journal_stays(watched, left_behind, dead):
    watched.dead, watched.error = dead, StoreError("dead")
    with pytest.raises(StoreError, match="dead"):
        Journals(left_behind, shards=SHARDS).take_in(watched)
    assert [row[0] for row in open_rows(watched.store)] == [ONE_OF_EACH[dead]]
    watched.dead = None
    assert Journals(left_behind, shards=SHARDS).take_in(watched) == 1
    assert (open_rows(watched.store), list(left_behind.iterdir())) == ([], [])
