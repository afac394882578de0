"""A batch on its book: each command sees what the ones before it did (invariant 4)."""

from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amcash.domain.book import Ask, Book, Needs
from amcash.domain.codes import Code
from amcash.domain.outcomes import Outcome
from amcash.domain.rules import opening
from amcash.domain.vocabulary import CardEntry, Wallet
from domain.examples import (
    CONFIRMATION,
    NOON,
    NUMBER,
    collector,
    echo,
    inquire,
    offer,
    redeem,
    redemption,
    register,
    reverse,
    special,
    toronto,
)

DAY = date(2026, 6, 15)
OTHER = "80000000001"


def _book(*collectors, **rest):
    return Book(collectors={who.number: who for who in collectors or (collector(),)}, **rest)


def _decide(book, *commands, now=NOON, its_register=None):
    """Decide commands in order; the n-th would get the confirmation number n."""
    its_register = its_register or register()
    return [
        book.decide(Ask(command, now, f"{number:016}"), its_register)
        for number, command in enumerate(commands, start=1)
    ]


def _codes(decisions):
    return [decision.outcome.code.value for decision in decisions]


# --- what has to be read --------------------------------------------------------------------------------------------


def test_an_echo_needs_nothing():
    assert Needs.of([Ask(echo(), NOON, "1")], register()) == Needs()


def test_an_inquiry_needs_the_collector_and_the_use_of_the_day():
    needs = Needs.of([Ask(inquire(), NOON, "1")], register())
    assert needs == Needs(collectors={NUMBER}, cap_days={(NUMBER, DAY)})


def test_a_redemption_needs_its_key_too():
    needs = Needs.of([Ask(redeem(key="k"), NOON, "1")], register())
    assert needs == Needs({NUMBER}, {(NUMBER, DAY)}, {redeem(key="k").key})


def test_a_reversal_needs_the_redemption_too():
    needs = Needs.of([Ask(reverse(), NOON, "1")], register())
    assert needs == Needs({NUMBER}, {(NUMBER, DAY)}, {reverse().key}, {(NUMBER, CONFIRMATION)})


def test_what_several_need_is_read_once():
    asks = [Ask(redeem(), NOON, "1"), Ask(redeem(), NOON, "2"), Ask(redeem(number=OTHER), NOON, "3")]
    needs = Needs.of(asks, register())
    assert needs.collectors == {NUMBER, OTHER}
    assert len(needs.keys) == 2


def test_the_day_needed_is_the_cap_day():
    needs = Needs.of([Ask(redeem(), toronto("2026-06-15 02:00"), "1")], register())
    assert needs.cap_days == {(NUMBER, date(2026, 6, 14))}


# --- one command after the other ------------------------------------------------------------------------------------


def test_what_is_not_in_the_book_does_not_exist():
    assert _codes(_decide(Book(), inquire(), redeem(), reverse())) == ["0025", "0025", "0025"]


def test_an_echo_asks_for_a_probe_and_touches_nothing_else():
    book = Book()
    assert _decide(book, echo())[0].outcome == Outcome(Code.APPROVED, NOON)
    assert book == Book(probed_at=NOON)


def test_an_inquiry_changes_nothing():
    book = _book()
    assert _codes(_decide(book, inquire())) == ["0000"]
    assert book == _book()


def test_an_inquiry_has_no_key_and_is_never_replayed():
    """R-IDEM is for redeem and reverse."""
    book = _book()
    _decide(book, redeem(key="k"))
    later = _decide(book, inquire(), now=NOON + timedelta(hours=1))[0]
    assert (later.replayed, later.outcome.at) == (False, NOON + timedelta(hours=1))


def test_a_redemption_is_entered_for_the_next_command():
    book = _book()
    first, second = _decide(book, redeem(requested=2000), inquire())
    assert book.collectors[NUMBER].cash == 1710
    assert book.entries == [first.entry]
    assert book.changed == {NUMBER}
    assert book.used == {(NUMBER, DAY): 2000}
    assert book.changed_days == {(NUMBER, DAY)}
    assert book.redemptions == {(NUMBER, "0000000000000001"): first.redemption}
    assert [recorded.outcome for recorded in book.outcomes] == [first.outcome]
    assert second.outcome.balances == first.outcome.balances


def test_a_recorded_outcome_keeps_the_request_it_answered():
    """R-IDEM-6."""
    book, command = _book(), redeem(key="k")
    _decide(book, command)
    recorded = book.recorded[command.key]
    assert (recorded.key, recorded.digest, recorded.command) == (command.key, command.digest, command)
    assert book.outcomes == [recorded]


def test_two_redemptions_of_one_batch_cannot_spend_the_same_miles():
    decisions = _decide(_book(collector(cash=95)), redeem(traceId="1"), redeem(traceId="2"))
    assert _codes(decisions) == ["0000", "0051"]


def test_two_redemptions_of_one_batch_cannot_use_the_same_allowance():
    book = _book(used={(NUMBER, DAY): 74_000})
    assert _codes(_decide(book, redeem(traceId="1"), redeem(traceId="2"))) == ["0000", "0065"]
    assert book.used == {(NUMBER, DAY): 75_000}


@pytest.mark.parametrize("key", [None, "k"])
def test_two_identical_requests_of_one_batch_debit_once(key):
    """R-IDEM-7."""
    book = _book()
    first, second = _decide(book, redeem(key=key), redeem(key=key))
    assert (second.outcome, second.replayed) == (first.outcome, True)
    assert len(book.entries) == len(book.outcomes) == 1
    assert book.collectors[NUMBER].cash == 1805


def test_one_key_for_two_requests_of_one_batch_debits_once():
    """R-IDEM-4."""
    book = _book()
    first, second = _decide(book, redeem(key="k"), redeem(key="k", traceId="1"))
    assert _codes([first, second]) == ["0000", "0035"]
    assert len(book.entries) == len(book.outcomes) == 1


def test_a_decline_is_recorded_and_stays_one_when_miles_arrive():
    """R-IDEM-5: never a decline into an approval behind the cashier's back."""
    book = _book(collector(cash=0))
    assert _codes(_decide(book, redeem(key="k"))) == ["0051"]
    assert book.entries == []
    book.enter(opening(book.collectors[NUMBER], Wallet.CASH, 1000, NOON))
    again = _decide(book, redeem(key="k"))[0]
    assert (again.outcome.code, again.replayed) == (Code.TOO_FEW_MILES, True)
    assert _codes(_decide(book, redeem(key="other"))) == ["0000"]


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (redeem(entry=CardEntry.MANUAL), "0009"),
        (redeem(number="1"), "0025"),
        (redeem(requested=1), "0035"),
        (reverse(entry=CardEntry.MANUAL), "0009"),
    ],
)
def test_what_was_not_decided_on_an_account_is_not_recorded(command, code):
    """R-IDEM-5."""
    book = _book()
    assert _codes(_decide(book, command)) == [code]
    assert book == _book()


def test_an_unavailable_offer_is_not_recorded_so_that_a_retry_can_succeed():
    """R-IDEM-5."""
    book = _book()
    assert _codes(_decide(book, redeem(), its_register=register(offers=[]))) == ["0067"]
    assert book == _book()
    assert _codes(_decide(book, redeem())) == ["0000"]


def test_the_offer_in_force_is_the_one_for_the_sponsor_at_that_moment():
    offers = [offer(), offer(special(), sponsor="LOY1", valid_from=NOON)]
    book = _book()
    before = _decide(book, inquire(), now=NOON - timedelta(seconds=1), its_register=register(offers=offers))[0]
    after = _decide(book, inquire(), its_register=register(offers=offers))[0]
    other = _decide(book, inquire(sponsorCode="LOY2"), its_register=register(offers=offers))[0]
    kinds = [decision.outcome.terms.offer_type for decision in (before, after, other)]
    assert kinds == ["RGL", "SPL", "RGL"]


def test_a_redemption_can_be_reversed_in_the_same_batch_and_only_once():
    """R-REV-1."""
    book = _book()
    number = "0000000000000001"
    decisions = _decide(book, redeem(), reverse(confirmation=number, key="a"), reverse(confirmation=number, key="b"))
    assert _codes(decisions) == ["0000", "0000", "0057"]
    assert book.collectors[NUMBER].cash == 1900
    assert book.used == {(NUMBER, DAY): 0}
    assert book.redemptions[NUMBER, number].closed
    assert [entry.seq for entry in book.entries] == [1, 2]


def test_a_reversal_is_replayed_not_repeated():
    """R-DLV-8."""
    book = _book(redemptions={(NUMBER, CONFIRMATION): redemption()}, used={(NUMBER, DAY): 1000})
    first, second = _decide(book, reverse(key="k"), reverse(key="k"))
    assert (second.outcome, second.replayed) == (first.outcome, True)
    assert len(book.entries) == 1


def test_another_collectors_redemption_cannot_be_reversed():
    """R-CONF-1: looked up only together with the collector."""
    book = _book(collector(), collector(number=OTHER), redemptions={(NUMBER, CONFIRMATION): redemption()})
    assert _codes(_decide(book, reverse(number=OTHER))) == ["0057"]


def test_a_reversal_on_another_cap_day_leaves_both_days_as_they_are():
    """R-TIME-3."""
    used = {(NUMBER, DAY): 1000, (NUMBER, DAY + timedelta(days=1)): 2000}
    book = _book(redemptions={(NUMBER, CONFIRMATION): redemption()}, used=dict(used))
    assert _codes(_decide(book, reverse(), now=toronto("2026-06-16 03:00"))) == ["0000"]
    assert book.used == used
    assert book.changed_days == set()
    assert book.collectors[NUMBER].cash == 1995


def test_allowance_is_given_back_to_the_cap_day_even_after_midnight():
    book = _book(redemptions={(NUMBER, CONFIRMATION): redemption()}, used={(NUMBER, DAY): 1000})
    assert _codes(_decide(book, reverse(), now=toronto("2026-06-16 01:00"))) == ["0000"]
    assert book.used == {(NUMBER, DAY): 0}


def test_a_new_cap_day_has_its_whole_cap():
    book = _book(used={(NUMBER, DAY): 75_000})
    assert _codes(_decide(book, redeem(traceId="1"), now=toronto("2026-06-16 02:59:59"))) == ["0065"]
    assert _codes(_decide(book, redeem(traceId="2"), now=toronto("2026-06-16 03:00:00"))) == ["0000"]


def test_the_cap_is_one_across_all_sponsors():
    book = _book(used={(NUMBER, DAY): 74_000})
    decisions = _decide(book, redeem(), redeem(sponsorCode="LOY2"))
    assert _codes(decisions) == ["0000", "0065"]


def test_collectors_of_one_batch_do_not_touch_each_other():
    book = _book(collector(cash=95), collector(number=OTHER, cash=95))
    decisions = _decide(book, redeem(), redeem(number=OTHER), redeem(traceId="1"))
    assert _codes(decisions) == ["0000", "0000", "0051"]
    assert [entry.seq for entry in book.entries] == [1, 1]
    assert book.changed == {NUMBER, OTHER}


STEP = st.one_of(
    st.tuples(st.just("redeem"), st.integers(1, 60), st.integers(0, 3)),
    st.tuples(st.just("reverse"), st.integers(0, 7), st.integers(0, 3)),
    st.tuples(st.just("wait"), st.integers(1, 20), st.just(0)),
)


@given(st.lists(STEP, max_size=25))
@settings(max_examples=150, derandomize=True, database=None, deadline=None)
def test_whatever_is_asked_the_books_balance(steps):
    """No wallet below zero, no day over its cap, every mile accounted for, the chain whole (R-LED-1 to R-LED-4)."""
    book, now, made = _book(collector(cash=9000, dream=0)), NOON, []
    for number, (what, amount, own_key) in enumerate(steps):
        if what == "wait":
            now += timedelta(hours=amount)
            continue
        key = f"{what}{number}" if own_key else what  # some share a key: replays, and keys used twice
        if what == "redeem":
            command = redeem(requested=1000 * amount, key=key)
        else:
            command = reverse(confirmation=made[amount] if amount < len(made) else "none", key=key)
        decision = book.decide(Ask(command, now, f"{number:016}"), register())
        if decision.redemption is not None and what == "redeem":
            made.append(decision.redemption.confirmation)

    who, chain, balance, held = book.collectors[NUMBER], bytes(32), 9000, {}
    for seq, entry in enumerate(book.entries, start=1):
        assert (entry.seq, entry.previous) == (seq, chain)
        sign = 1 if entry.transfer.target == f"collector:{NUMBER}:cash" else -1
        balance += sign * entry.transfer.miles
        assert entry.balance == balance >= 0
        held[entry.context.confirmation] = held.get(entry.context.confirmation, 0) - sign * entry.transfer.miles
        chain = entry.digest()
    assert (who.cash, who.transfers, who.chain) == (balance, len(book.entries), chain)
    assert all(0 <= used <= 75_000 for used in book.used.values())
    for (_, confirmation), one in book.redemptions.items():
        assert held[confirmation] == (0 if one.closed else one.miles)
    assert len({recorded.key for recorded in book.outcomes}) == len(book.outcomes)
    assert all(recorded.outcome.recorded for recorded in book.outcomes)
