"""The sweeper: what was not handed over is cancelled in time, whoever else sweeps; old outcomes go."""

import datetime as dt
import logging
from concurrent.futures import Future
from contextlib import suppress

import pytest

from amcash.domain.vocabulary import masked
from amcash.ledger import sweeper as sweeping
from amcash.ledger.handover import Journal, Journals, Marks
from amcash.ledger.lane import ThreadLane
from amcash.ledger.settle import Settler
from amcash.ledger.store import StoreBusyError, StoreError, StoreLostError
from amcash.ledger.sweeper import Sweeper
from ledger.examples import ANNA, NOW, REGISTER, balances, count, enrol, redeem, settle
from ledger.store_contract import GRACE, open_rows

GRACE_S = int(GRACE.total_seconds())
RETENTION = dt.timedelta(hours=72)
NUMBERS = [f"{n:016}" for n in range(1, 9)]


@pytest.fixture
def store(new_store):
    enrol(new_store, (ANNA, 1900, 0))
    return new_store


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "handover"


class Moment:
    now = NOW

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Moment()


@pytest.fixture
def make(store, folder, clock):
    """Return a sweeper whose cancellations are settled at once, on the same connection."""

    def make(**how):
        settler = Settler(store, lambda: REGISTER, clock, grace=GRACE)

        def hand_in(command):
            future = Future()
            future.set_result(settler.settle([command])[0])
            return future

        how = {"retention": RETENTION, "grace": GRACE, "ticks": lambda: clock().timestamp(), **how}
        return Sweeper(how.pop("store", store), how.pop("hand_in", hand_in), Journals(folder), clock, **how)

    return make


def approved(store, *numbers, now=NOW):
    for number in numbers:
        settle(store, redeem(trace=number), numbers=[number], now=now, grace=GRACE)


def test_after_a_jump_of_the_clock_nothing_is_cancelled_for_a_grace(store, make, clock):
    """An answer may be on its way, and only the clock says that its time is over."""
    approved(store, NUMBERS[0])
    passed = 0.0
    sweeper = make(ticks=lambda: passed)
    clock.now = NOW + GRACE + dt.timedelta(hours=1)
    assert sweeper.sweep() == 0
    passed += GRACE.total_seconds() - 1
    clock.now += GRACE - dt.timedelta(seconds=1)
    assert sweeper.sweep() == 0
    passed += 1
    clock.now += dt.timedelta(seconds=1)
    assert sweeper.sweep() == 1


def test_what_has_expired_is_cancelled_logged_and_counted(store, make, clock, caplog):
    """R-DLV-5, R-DLV-7."""
    approved(store, NUMBERS[0])
    approved(store, NUMBERS[1], now=NOW + dt.timedelta(seconds=1))
    clock.now = NOW + GRACE
    told = []
    with caplog.at_level(logging.WARNING):
        assert make(on_cancelled=lambda: told.append(1)).sweep() == 1
    (line,) = caplog.records
    assert (line.collector, line.confirmation, line.miles) == (masked(ANNA), NUMBERS[0], 95)
    assert ANNA not in caplog.text
    assert told == [1]
    assert balances(store) == (1805, 0)
    assert [row[1] for row in open_rows(store)] == [NUMBERS[1]]


def test_nothing_is_cancelled_before_its_time(store, make, clock):
    approved(store, NUMBERS[0])
    clock.now = NOW + GRACE - dt.timedelta(microseconds=1)
    assert make().sweep() == 0
    assert balances(store) == (1805, 0)


def test_the_journals_of_the_dead_are_taken_in_before_anything_is_cancelled(store, make, folder, clock):
    """R-DLV-3a."""
    approved(store, *NUMBERS[:2])
    journal = Journal(folder)
    journal.append(ANNA, NUMBERS[0])
    journal.close()
    clock.now = NOW + GRACE
    assert make().sweep() == 1
    assert balances(store) == (1805, 0)
    assert (open_rows(store), list(folder.iterdir())) == ([], [])


def test_what_a_living_process_has_handed_over_is_not_cancelled_however_late_its_mark(store, make, folder, clock):
    approved(store, *NUMBERS[:2])
    journal = Journal(folder)
    journal.append(ANNA, NUMBERS[0])
    clock.now = NOW + 100 * GRACE
    assert make().sweep() == 1
    assert [row[1] for row in open_rows(store)] == [NUMBERS[0]]
    journal.withdraw(ANNA, NUMBERS[0])
    assert make().sweep() == 1
    journal.close()


def test_a_round_cancels_a_bounded_number_at_once_and_leaves_no_backlog(store, make, clock, monkeypatch):
    monkeypatch.setattr(sweeping, "CANCEL_COMMANDS_MAX", 3)
    approved(store, *NUMBERS)
    clock.now = NOW + GRACE
    sweeper, sizes = make(), []
    cancel = sweeper._cancel
    monkeypatch.setattr(sweeper, "_cancel", lambda expired: sizes.append(len(expired)) or cancel(expired))
    assert sweeper.sweep() == len(NUMBERS)
    assert sizes == [3, 3, 2]


def test_what_others_have_handed_over_and_not_marked_does_not_stand_before_what_expired_after_it(
    store, make, folder, clock, monkeypatch
):
    """A process that hangs may have more of them than a round takes (R-DLV-5)."""
    monkeypatch.setattr(sweeping, "CANCEL_COMMANDS_MAX", 2)
    approved(store, *NUMBERS)
    journal = Journal(folder)
    for number in NUMBERS[:5]:
        journal.append(ANNA, number)
    clock.now = NOW + GRACE
    assert make().sweep() == len(NUMBERS) - 5
    assert sorted(row[1] for row in open_rows(store)) == sorted(NUMBERS[:5])
    journal.close()


def test_a_cancellation_that_the_sweeper_no_longer_waits_for_is_told_of_all_the_same(store, make, clock, monkeypatch):
    """R-DLV-7."""
    monkeypatch.setattr(sweeping, "CANCEL_WAIT_S", 0)
    approved(store, NUMBERS[0])
    clock.now = NOW + GRACE
    handed_in, told = [], []

    def hand_in(command):
        handed_in.append((command, Future()))
        return handed_in[-1][1]

    with pytest.raises(TimeoutError):
        make(hand_in=hand_in, on_cancelled=lambda: told.append(1)).sweep()
    ((command, future),) = handed_in
    future.set_result(Settler(store, lambda: REGISTER, clock, grace=GRACE).settle([command])[0])
    assert told == [1]


class Weather:
    """Seconds go by, on the clock and the ticks alike, and the database is there or away."""

    def __init__(self, store, make, clock, monkeypatch):
        self.clock, self.away, self.there_s, read = clock, False, 0, store.read

        def perhaps():
            if self.away:
                raise StoreLostError("away")
            return read()

        monkeypatch.setattr(store, "read", perhaps)
        self.sweeper = make()

    def go_on(self, seconds, *, away=False):
        """Sweep each second; return how many were cancelled."""
        gone, self.away = 0, away
        for _ in range(seconds):
            self.clock.now += dt.timedelta(seconds=1)
            self.there_s += not away
            with suppress(StoreLostError):
                gone += self.sweeper.sweep()
        return gone


@pytest.fixture
def weather(store, make, clock, monkeypatch):
    return Weather(store, make, clock, monkeypatch)


def test_after_the_database_was_away_the_marks_of_others_come_before_cancellations(store, weather):
    """Another machine's journal cannot be read here, and its marks waited for the database, too."""
    approved(store, NUMBERS[0])
    weather.go_on(2 * GRACE_S, away=True)
    assert weather.go_on(int(sweeping.MARKABLE_S) - 1) == 0
    assert weather.go_on(2) == 1


def test_an_absence_that_left_the_others_time_enough_to_mark_puts_nothing_off(store, weather):
    approved(store, NUMBERS[0])
    weather.go_on(int(sweeping.MARKABLE_S))
    weather.go_on(GRACE_S, away=True)
    assert weather.go_on(1) == 1


@pytest.mark.parametrize("there", [1, 2, 4])
@pytest.mark.parametrize("away", [1, 2, 7])
@pytest.mark.parametrize("first", ["there", "away"])
def test_a_database_that_comes_and_goes_puts_cancellations_off_by_its_absences_alone(
    store, weather, there, away, first
):
    """R-DLV-5: within the grace and 5 s in which it was there, however often it goes."""
    approved(store, NUMBERS[0])
    gone = weather.go_on(GRACE_S - 4, away=True) if first == "away" else 0
    while not gone:
        gone = weather.go_on(there) or weather.go_on(away, away=True)
        assert weather.there_s <= GRACE_S + 5
    assert weather.clock.now >= NOW + GRACE


def test_one_line_that_was_cut_is_no_absence(store, make, clock, monkeypatch):
    approved(store, NUMBERS[0])
    sweeper, read, cut = make(), store.read, [StoreLostError("cut")]

    def once():
        if cut:
            raise cut.pop()
        return read()

    monkeypatch.setattr(store, "read", once)
    clock.now = NOW + GRACE
    assert sweeper.sweep() == 1


def test_a_failure_of_one_cancellation_is_raised_behind_those_that_succeeded(store, make, clock):
    approved(store, *NUMBERS[:2])
    clock.now = NOW + GRACE
    settler = Settler(store, lambda: REGISTER, clock)
    told = []

    def hand_in(command):
        future = Future()
        lost = command.confirmation == NUMBERS[0]
        future.set_result(StoreError("lost") if lost else settler.settle([command])[0])
        return future

    sweeper = make(hand_in=hand_in, on_cancelled=lambda: told.append(1))
    with pytest.raises(StoreError, match="lost"):
        sweeper.sweep()
    assert told == [1]


@pytest.mark.parametrize("error", [StoreBusyError("busy"), StoreError("gone"), RuntimeError("a bug")])
def test_no_failure_ends_the_thread_and_the_next_round_does_the_work(store, make, clock, monkeypatch, error):
    monkeypatch.setattr(sweeping, "SWEEP_EVERY_S", 0.01)
    approved(store, NUMBERS[0])
    clock.now = NOW + GRACE
    failures = [error, error]
    settler = Settler(store, lambda: REGISTER, clock)
    done = Future()

    def hand_in(command):
        if failures:
            raise failures.pop()
        future = Future()
        future.set_result(settler.settle([command])[0])
        return future

    sweeper = make(hand_in=hand_in, on_cancelled=lambda: done.set_result(True))
    sweeper.start()
    assert done.result(60)
    sweeper.stop()
    assert balances(store) == (1900, 0)


def test_old_outcomes_are_purged_piece_by_piece_and_the_ledger_stays(store, make, clock):
    """R-IDEM-8."""
    for number in NUMBERS[:3]:
        settle(store, redeem(trace=number), numbers=[number])
    clock.now = NOW + RETENTION
    assert make().purge() == 0
    clock.now += dt.timedelta(microseconds=1)
    assert make().purge() == 3
    assert (count(store, "outcome"), count(store, "transfer")) == (0, 4)


def test_a_purge_goes_on_where_it_was_and_then_rests(store, make, clock, monkeypatch):
    monkeypatch.setattr(sweeping, "PURGE_PIECES_MAX", 1)
    for batch in range(6):
        settle(store, *(redeem(trace=f"{batch}-{i}", dollars=5000) for i in range(200)))
    clock.now = NOW + 2 * RETENTION
    sweeper = make()
    pieces = [sweeper.purge()]
    while sweeper._purge_place is not None:
        pieces.append(sweeper.purge())
    assert len(pieces) > 1
    assert (sum(pieces), count(store, "outcome")) == (1200, 0)
    assert sweeper.purge() == 0


def test_nothing_is_purged_by_a_clock_that_was_just_set_nor_by_a_process_that_just_began(store, make, clock):
    """A clock that is days ahead for a moment would delete outcomes that a retry still needs (R-IDEM-3, R-IDEM-8)."""
    settle(store, redeem())
    rounds = int(sweeping.PURGE_EVERY_S / sweeping.SWEEP_EVERY_S)
    sweeper = make(ticks=lambda: 0.0)

    def goes_on(times):
        for _ in range(times):
            sweeper.sweep()
            sweeper._purge_in_turn()

    clock.now = NOW + 2 * RETENTION
    goes_on(rounds - 1)
    clock.now = NOW
    goes_on(rounds - 1)
    assert count(store, "outcome") == 1
    clock.now = NOW + 2 * RETENTION
    goes_on(rounds + 1)
    assert count(store, "outcome") == 0


def test_cancellations_and_marks_go_through_the_lane_that_writes(store, clock):
    """One way through: a mark that is flushed by the idle lane, and a cancellation that is handed in."""
    approved(store, *NUMBERS[:2])
    marks = Marks()
    writer = Settler(store, lambda: REGISTER, clock, grace=GRACE, marks=marks)
    lane = ThreadLane(
        "writes",
        writer.settle,
        batch_commands_max=10,
        queue_commands_max=10,
        budget_s=60,
        when_idle=writer.flush,
    )
    marks.add(ANNA, NUMBERS[0])
    clock.now = NOW + GRACE
    lane.start()
    try:
        settled = lane.hand_in(sweeping.Cancel(ANNA, NUMBERS[1])).result(60)
        assert settled.entry is not None
        marks.add(ANNA, NUMBERS[0])
    finally:
        lane.stop()
    assert marks.waiting == 0
    assert open_rows(store) == []
    assert balances(store) == (1805, 0)
