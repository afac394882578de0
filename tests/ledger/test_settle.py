"""Batches: nobody's failure is another's, and later commands see what earlier ones did."""

import datetime as dt
import itertools
from contextlib import contextmanager
from dataclasses import replace

import pytest

from amcash.domain import rules
from amcash.domain.commands import Echo
from amcash.domain.vocabulary import ConfirmationNumber
from amcash.ledger import settle as settling
from amcash.ledger.settle import BUSY_RETRIES_MAX, READ_TRIES_MAX, Settler, draw_confirmations
from amcash.ledger.store import StoreBusyError, StoreConflictError, StoreError, StoreLostError
from ledger.examples import (
    ANNA,
    BERT,
    LOY2,
    NOW,
    REGISTER,
    balances,
    count,
    enrol,
    inquire,
    redeem,
    reverse,
)

POISON = "poison"


class WrappedStore:
    """A real store whose transactions run into what a test wants; it counts what was begun and committed."""

    def __init__(self, store, *, on_begin=lambda: None, on_append=lambda _book: None):
        self.store = store
        self.on_begin = on_begin
        self.on_append = on_append
        self.begun = 0
        self.committed = 0

    @contextmanager
    def write(self, **how):
        self.begun += 1
        self.on_begin()
        with self.store.write(**how) as session:
            yield WrappedSession(session, self.on_append)
        self.committed += 1

    def read(self):
        self.begun += 1
        self.on_begin()
        return self.store.read()


class WrappedSession:
    def __init__(self, session, on_append):
        self.load = session.load
        self.session = session
        self.on_append = on_append

    def append(self, book):
        self.on_append(book)
        self.session.append(book)


@pytest.fixture
def store(new_store):
    enrol(new_store, (ANNA, 1900, 545), (BERT, 1900, 0))
    return new_store


def settler(store, *, now=lambda: NOW, **how):
    return Settler(store, lambda: REGISTER, now, **how)


def codes(settled):
    return [type(item).__name__ if isinstance(item, StoreError) else str(item.outcome.code) for item in settled]


def refuse_the_poisoned(book):
    if any(item.command.sent["traceId"] == POISON for item in book.outcomes):
        raise StoreConflictError("the ledger refused a row")


def break_on_the_poisoned(monkeypatch, rule, error=AssertionError):
    sound = getattr(rules, rule)

    def broken(command, *rest):
        if command.sent["traceId"] == POISON:
            raise error("a rule was broken")
        return sound(command, *rest)

    monkeypatch.setattr(rules, rule, broken)


def batch_with_poison_at(place):
    traces = ["a", "b", "c", "d"]
    traces[place] = POISON
    return [redeem(ANNA, trace=trace) for trace in traces]


# --- batchmates ---


@pytest.mark.parametrize("place", range(4))
def test_a_refused_row_fails_its_own_command_alone(store, place):
    settled = settler(WrappedStore(store, on_append=refuse_the_poisoned)).settle(batch_with_poison_at(place))
    assert [code == "StoreConflictError" for code in codes(settled)] == [i == place for i in range(4)]
    assert balances(store) == (1900 - 3 * 95, 545)
    assert count(store, "outcome") == 3


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("error", [AssertionError, KeyError, ValueError, ZeroDivisionError])
def test_a_broken_rule_fails_its_own_command_alone(store, monkeypatch, place, error):
    break_on_the_poisoned(monkeypatch, "redeem", error)
    settled = settler(store).settle(batch_with_poison_at(place))
    assert [code == "StoreError" for code in codes(settled)] == [i == place for i in range(4)]
    assert balances(store) == (1900 - 3 * 95, 545)


def test_the_database_itself_refusing_a_row_fails_that_command_alone(store, monkeypatch):
    monkeypatch.setattr(settling, "draw_confirmations", lambda count: [ConfirmationNumber("4711471147114711")] * count)
    settled = settler(store).settle([redeem(ANNA, trace="1"), redeem(ANNA, trace="2"), redeem(BERT)])
    assert codes(settled) == ["0000", "StoreConflictError", "0000"]
    assert (balances(store, ANNA), balances(store, BERT)) == ((1805, 545), (1805, 0))


def test_two_poisoned_commands_fail_both_and_nobody_else(store, monkeypatch):
    break_on_the_poisoned(monkeypatch, "reverse")
    commands = [redeem(), replace_trace(reverse("1"), POISON), redeem(trace=POISON), redeem(BERT)]
    settled = settler(WrappedStore(store, on_append=refuse_the_poisoned)).settle(commands)
    assert codes(settled) == ["0000", "StoreError", "StoreConflictError", "0000"]


def replace_trace(command, trace):
    return replace(command, sent={**command.sent, "traceId": trace})


def test_after_a_failed_batch_its_commands_still_see_each_other_in_order(store):
    commands = [redeem(key="k"), redeem(trace=POISON), redeem(key="k"), redeem(key="k", trace="changed")]
    settled = settler(WrappedStore(store, on_append=refuse_the_poisoned)).settle(commands)
    assert codes(settled) == ["0000", "StoreConflictError", "0000", "0035"]
    assert settled[2].replayed
    assert balances(store) == (1805, 545)


def test_a_poisoned_command_is_not_recorded_so_a_retry_is_decided(store, monkeypatch):
    with monkeypatch.context() as broken:
        break_on_the_poisoned(broken, "redeem")
        assert codes(settler(store).settle([redeem(trace=POISON)])) == ["StoreError"]
    (decision,) = settler(store).settle([redeem(trace=POISON)])
    assert (str(decision.outcome.code), decision.replayed) == ("0000", False)


@pytest.mark.parametrize("error", [AssertionError, KeyError])
def test_an_inquiry_that_breaks_a_rule_fails_alone(store, monkeypatch, error):
    break_on_the_poisoned(monkeypatch, "inquire", error)
    commands = [inquire(ANNA), replace_trace(inquire(ANNA), POISON), inquire(BERT)]
    assert codes(settler(store).consult(commands)) == ["0000", "StoreError", "0000"]


# --- broken machinery ---


def failing(times, error):
    left = itertools.count(1)

    def on_begin():
        if next(left) <= times:
            raise error

    return on_begin


def test_a_busy_store_is_tried_a_counted_number_of_times(store):
    busy = WrappedStore(store, on_begin=failing(1000, StoreBusyError("locked")))
    assert codes(settler(busy).settle([redeem(ANNA), redeem(BERT)])) == ["StoreBusyError"] * 2
    assert busy.begun == 1 + BUSY_RETRIES_MAX
    assert count(store, "outcome") == 0


@pytest.mark.parametrize("times", range(1, 1 + BUSY_RETRIES_MAX))
def test_a_store_that_is_busy_for_a_while_takes_the_whole_batch_after_all(store, times):
    busy = WrappedStore(store, on_begin=failing(times, StoreBusyError("locked")))
    assert codes(settler(busy).settle([redeem(ANNA), redeem(BERT)])) == ["0000", "0000"]
    assert (busy.begun, busy.committed) == (times + 1, 1)


def test_a_lock_that_was_lost_at_the_end_of_a_batch_is_tried_again_from_its_beginning(store):
    lost = itertools.count()

    def on_append(_book):
        if next(lost) == 0:
            raise StoreBusyError("locked")

    assert codes(settler(WrappedStore(store, on_append=on_append)).settle([redeem()])) == ["0000"]
    assert balances(store) == (1805, 545)


def test_a_connection_that_is_lost_again_and_again_is_tried_a_counted_number_of_times(store):
    lost = WrappedStore(store, on_begin=failing(1000, StoreLostError("lost")))
    assert codes(settler(lost).settle([redeem()])) == ["StoreLostError"]
    assert lost.begun == 1 + BUSY_RETRIES_MAX


def test_an_inquiry_whose_connection_was_lost_is_read_once_more(store):
    lost = WrappedStore(store, on_begin=failing(1, StoreLostError("lost")))
    assert codes(settler(lost).consult([inquire()])) == ["0000"]
    lost = WrappedStore(store, on_begin=failing(1000, StoreLostError("lost")))
    assert codes(settler(lost).consult([inquire()])) == ["StoreLostError"]
    assert lost.begun == READ_TRIES_MAX


def test_any_other_failure_of_the_store_is_not_tried_again_and_fails_the_batch(store):
    broken = WrappedStore(store, on_begin=failing(1000, StoreError("no space is left")))
    assert codes(settler(broken).settle([redeem(ANNA), redeem(BERT)])) == ["StoreError"] * 2
    assert broken.begun == 1


def test_the_settler_works_on_after_a_failure(store):
    broken = WrappedStore(store, on_begin=failing(1, StoreError("no space is left")))
    mine = settler(broken)
    assert codes(mine.settle([redeem()])) == ["StoreError"]
    assert codes(mine.settle([redeem()])) == ["0000"]


def test_a_failing_store_fails_inquiries_as_values(store):
    broken = WrappedStore(store, on_begin=failing(1, StoreError("gone")))
    assert codes(settler(broken).consult([inquire(), inquire(BERT)])) == ["StoreError"] * 2


def test_the_time_is_asked_once_the_lock_is_held_and_anew_for_each_try(store):
    happened = []
    busy = failing(1, StoreBusyError("locked"))

    def on_begin():
        happened.append("begin")
        busy()

    def now():
        happened.append("clock")
        return NOW

    settler(WrappedStore(store, on_begin=on_begin), now=now).settle([redeem()])
    assert happened == ["begin", "begin", "clock"]


# --- one batch ---


def test_two_redemptions_of_one_batch_share_one_balance(store):
    settled = settler(store).settle([redeem(trace="1", dollars=150), redeem(trace="2", dollars=100)])
    assert codes(settled) == ["0000", "0051"]
    assert [item.outcome.balances.cash for item in settled] == [1900 - 15 * 95] * 2


def test_two_redemptions_of_one_batch_share_one_days_cap(store):
    enrol(store, ("80000000002", 20_000, 0))
    commands = [redeem("80000000002", trace=str(i), dollars=400) for i in range(2)]
    assert codes(settler(store).settle(commands)) == ["0000", "0065"]


@pytest.mark.parametrize("key", ["k", None])
def test_two_of_one_batch_with_one_key_are_one_redemption_in_one_commit(store, key):
    counted = WrappedStore(store)
    first, second = settler(counted).settle([redeem(key=key), redeem(key=key)])
    assert (first.replayed, second.replayed) == (False, True)
    assert second.outcome == first.outcome
    assert balances(store) == (1805, 545)
    assert (counted.begun, counted.committed) == (1, 1)


def test_two_of_one_batch_with_one_key_and_other_content_are_one_redemption_and_a_refusal(store):
    counted = WrappedStore(store)
    settled = settler(counted).settle([redeem(key="k"), redeem(key="k", dollars=20)])
    assert codes(settled) == ["0000", "0035"]
    assert settled[1].outcome.fault.parameter == "Idempotency-Key"
    assert balances(store) == (1805, 545)
    assert counted.begun == 1


def test_two_reversals_of_one_batch_give_back_once(store):
    (made,) = settler(store).settle([redeem(dollars=20)])
    number = made.outcome.confirmation
    settled = settler(store).settle([reverse(number, key="1"), reverse(number, key="2"), reverse(number, key="1")])
    assert codes(settled) == ["0000", "0057", "0000"]
    assert [item.replayed for item in settled] == [False, False, True]
    assert balances(store) == (1900, 545)


def test_a_redemption_behind_a_reversal_in_one_batch_can_use_what_came_back(store):
    (made,) = settler(store).settle([redeem(dollars=200)])
    assert codes(settler(store).settle([redeem(trace="2"), reverse(made.outcome.confirmation), redeem(trace="3")])) == [
        "0051",
        "0000",
        "0000",
    ]


def test_an_inquiry_in_a_batch_sees_the_redemption_before_it(store):
    settled = settler(store).settle([inquire(), redeem(), inquire()])
    assert [item.outcome.balances.cash for item in settled] == [1900, 1805, 1805]


def test_the_sponsors_of_one_batch_have_their_keys_for_themselves(store):
    settled = settler(store).settle([redeem(key="k"), redeem(key="k", sponsor=LOY2)])
    assert [item.replayed for item in settled] == [False, False]
    assert balances(store) == (1710, 545)


def test_a_batch_is_one_commit_and_its_answers_come_in_order(store):
    told = []
    commands = [redeem(number, trace=str(i)) for i in range(8) for number in (ANNA, BERT)]
    settled = settler(store, on_commit=told.append).settle(commands)
    assert [item.redemption.collector for item in settled] == [ANNA, BERT] * 8
    assert [item.outcome.balances.cash for item in settled] == [1900 - 95 * (i + 1) for i in range(8) for _ in "ab"]
    assert len(told) == 1


def test_a_transaction_that_failed_is_not_told_as_a_commit(store):
    told = []
    mine = settler(WrappedStore(store, on_append=refuse_the_poisoned), on_commit=told.append)
    mine.settle([redeem(trace=POISON)])
    assert told == []


def test_no_commands_are_no_decisions(store):
    assert settler(store).settle([]) == []
    assert settler(store).consult([]) == []


def test_an_echo_proves_that_the_ledger_can_be_written(store):
    (decision,) = settler(store).settle([Echo({"sponsorCode": "LOY1"}, REGISTER.sponsors["LOY1"].code)])
    assert str(decision.outcome.code) == "0000"
    with store.read() as session:
        ((at,),) = session.run("SELECT at FROM heartbeat")
    assert dt.datetime.fromtimestamp(at // 10**6, dt.UTC) == NOW.replace(microsecond=0)


def test_consulting_writes_nothing(store):
    reader = WrappedStore(store)
    assert codes(settler(reader).consult([inquire(), inquire(BERT)])) == ["0000", "0000"]
    assert reader.committed == 0
    assert [count(store, table) for table in ("transfer", "outcome", "open_delivery")] == [3, 0, 0]


def test_a_change_of_the_register_holds_from_the_next_batch_on(store):
    registers = iter([REGISTER, replace(REGISTER, offers=())])
    mine = Settler(store, lambda: next(registers), lambda: NOW)
    assert codes(mine.settle([redeem(trace="1"), redeem(trace="2")])) == ["0000", "0000"]
    assert codes(mine.settle([redeem(trace="3")])) == ["0067"]


def test_a_confirmation_number_is_16_decimal_digits_leading_noughts_kept(monkeypatch):
    drawn = draw_confirmations(1000)
    assert all(len(number) == 16 and number.isdigit() for number in drawn)
    assert len(set(drawn)) == 1000
    monkeypatch.setattr(settling.os, "urandom", lambda size: b"\0" * (size - 1) + b"\7")
    assert draw_confirmations(1) == ["0000000000000007"]
