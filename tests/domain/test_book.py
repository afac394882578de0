"""A batch on its book: each command sees what the ones before it did (invariant 4)."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amcash.domain.book import Ask, Book, Needs
from amcash.domain.codes import Code
from amcash.domain.commands import Cancel
from amcash.domain.outcomes import Outcome
from amcash.domain.rules import opening
from amcash.domain.vocabulary import CardEntry, OpenDelivery, Wallet
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
GRACE = timedelta(seconds=30)
FIRST = "0000000000000001"
OTHER = "80000000001"


def _book(*collectors, used=None, **rest):
    """A book of collectors; `used` cents of the ordinary one's cap are used on `DAY`."""
    ordinary = collector() if used is None else collector(cap_day=DAY, cap_used=used)
    return Book(collectors={who.number: who for who in collectors or (ordinary,)}, **rest)


def _decide(book, *commands, now=NOON, its_register=None):
    """Decide commands in order; the n-th would get the confirmation number n."""
    its_register = its_register or register()
    return [
        book.decide(Ask(command, now, f"{number:016}", now + GRACE), its_register)
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
    assert book.used(NUMBER, DAY) == 2000
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
    book = _book(used=74_000)
    assert _codes(_decide(book, redeem(traceId="1"), redeem(traceId="2"))) == ["0000", "0065"]
    assert book.used(NUMBER, DAY) == 75_000


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
    assert book.used(NUMBER, DAY) == 0
    assert book.redemptions[NUMBER, number].closed
    assert [entry.seq for entry in book.entries] == [1, 2]


def test_a_reversal_is_replayed_not_repeated():
    """R-DLV-8."""
    book = _book(redemptions={(NUMBER, CONFIRMATION): redemption()}, used=1000)
    first, second = _decide(book, reverse(key="k"), reverse(key="k"))
    assert (second.outcome, second.replayed) == (first.outcome, True)
    assert len(book.entries) == 1


def test_another_collectors_redemption_cannot_be_reversed():
    """R-CONF-1: looked up only together with the collector."""
    book = _book(collector(), collector(number=OTHER), redemptions={(NUMBER, CONFIRMATION): redemption()})
    assert _codes(_decide(book, reverse(number=OTHER))) == ["0057"]


def test_a_reversal_on_another_cap_day_leaves_both_days_as_they_are():
    """R-TIME-3."""
    tomorrow = DAY + timedelta(days=1)
    book = _book(
        collector(cap_day=tomorrow, cap_used=2000),
        redemptions={(NUMBER, CONFIRMATION): redemption()},
        earlier_use={(NUMBER, DAY): 1000},
    )
    assert _codes(_decide(book, reverse(), now=toronto("2026-06-16 03:00"))) == ["0000"]
    assert (book.used(NUMBER, DAY), book.used(NUMBER, tomorrow)) == (1000, 2000)
    assert book.collectors[NUMBER].cash == 1995


def test_allowance_is_given_back_to_the_cap_day_even_after_midnight():
    book = _book(redemptions={(NUMBER, CONFIRMATION): redemption()}, used=1000)
    assert _codes(_decide(book, reverse(), now=toronto("2026-06-16 01:00"))) == ["0000"]
    assert book.used(NUMBER, DAY) == 0


def test_a_new_cap_day_has_its_whole_cap():
    book = _book(used=75_000)
    assert _codes(_decide(book, redeem(traceId="1"), now=toronto("2026-06-16 02:59:59"))) == ["0065"]
    assert _codes(_decide(book, redeem(traceId="2"), now=toronto("2026-06-16 03:00:00"))) == ["0000"]


def test_the_cap_is_one_across_all_sponsors():
    book = _book(used=74_000)
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
    assert 0 <= who.cap_used <= 75_000
    assert all(0 <= used <= 75_000 for used in book.earlier_use.values())
    for (_, confirmation), one in book.redemptions.items():
        assert held[confirmation] == (0 if one.closed else one.miles)
    assert len({recorded.key for recorded in book.outcomes}) == len(book.outcomes)
    assert all(recorded.outcome.recorded for recorded in book.outcomes)


# --- the use of the cap when the clock goes back --------------------------------------------------------------------


def test_the_use_of_an_earlier_day_goes_on_where_it_was_left():
    """R-AMT-5, in one book: the next day's redemption does not make the day before forget."""
    book = _book()
    next_day = toronto("2026-06-16 03:00")
    _decide(book, redeem(requested=2000))
    _decide(book, redeem(requested=3000, key="b"), now=next_day)
    _decide(book, redeem(requested=4000, key="c"))
    assert book.used(NUMBER, DAY) == 6000
    assert book.used(NUMBER, DAY + timedelta(days=1)) == 3000
    assert (book.collectors[NUMBER].cap_day, book.collectors[NUMBER].cap_used) == (DAY + timedelta(days=1), 3000)


def test_a_days_use_that_was_read_bounds_it():
    book = _book(collector(cap_day=DAY, cap_used=0), earlier_use={(NUMBER, DAY - timedelta(days=1)): 75_000})
    assert _codes(_decide(book, redeem(), now=toronto("2026-06-15 02:59"))) == ["0065"]


def test_only_days_before_the_latest_have_to_be_read():
    days = {(NUMBER, DAY + timedelta(days=n)) for n in (-1, 0, 1)} | {(OTHER, DAY)}
    book = _book(collector(cap_day=DAY), collector(number=OTHER))
    assert Needs(cap_days=days).cap_days_before(book) == [(NUMBER, DAY - timedelta(days=1))]
    assert Needs(cap_days=days).cap_days_before(Book()) == []


# --- delivery -------------------------------------------------------------------------------------------------------


def _expired(**rest):
    """A book with one redemption whose delivery was open until `NOON`, made by `redeem(key="k")`."""
    command, before = redeem(key="k"), _book()
    _decide(before, command, now=NOON - GRACE)
    one = (NUMBER, FIRST)
    recorded = replace(before.recorded[command.key], command=None)
    return Book(
        collectors=dict(before.collectors),
        redemptions=dict(before.redemptions),
        deliveries=dict(before.deliveries),
        recorded={command.key: recorded},
        **rest,
    ), one


def _cancelled(book, now=NOON):
    return _decide(book, Cancel(NUMBER, FIRST), now=now)[0].entry is not None


def test_a_cancellation_needs_the_redemption_and_its_delivery():
    assert Needs.of([Ask(Cancel(NUMBER, FIRST), NOON, "1")], register()) == Needs(
        collectors={NUMBER}, redemptions={(NUMBER, FIRST)}, deliveries={(NUMBER, FIRST)}
    )


def test_an_approval_opens_its_delivery():
    """R-DLV-1."""
    book = _book()
    _decide(book, redeem(key="k"))
    assert book.opened == {(NUMBER, FIRST)}
    assert book.deliveries == {(NUMBER, FIRST): OpenDelivery(NUMBER, FIRST, "LOY1", "kk", NOON + GRACE)}
    assert book.recorded[redeem(key="k").key].open


def test_where_nobody_follows_the_delivery_none_is_opened():
    book = _book()
    assert not book.decide(Ask(redeem(), NOON, FIRST), register()).awaits_delivery
    assert (book.opened, book.deliveries) == (set(), {})


def test_a_decline_opens_no_delivery():
    book = _book(collector(cash=0))
    _decide(book, redeem())
    assert (book.opened, book.deliveries, book.closed) == (set(), {}, set())


def test_a_retry_in_the_same_batch_claims_what_was_just_opened():
    book = _book()
    first, second = _decide(book, redeem(), redeem())
    assert (second.replayed, second.awaits_delivery) == (True, True)
    assert (book.opened, book.prolonged) == ({(NUMBER, FIRST)}, {})
    assert first.outcome == second.outcome


def test_a_claim_prolongs_the_delivery():
    """R-DLV-4."""
    book, one = _expired()
    decision = _decide(book, redeem(key="k"))[0]
    assert (decision.replayed, decision.open_until) == (True, NOON + GRACE)
    assert book.prolonged == {one: NOON + GRACE}
    assert (book.entries, book.outcomes, book.opened) == ([], [], set())


def test_a_claim_before_the_cancellation_wins():
    book, _ = _expired()
    _decide(book, redeem(key="k"))
    assert not _cancelled(book)
    assert book.collectors[NUMBER].cash == 1805


def test_a_cancellation_before_the_claim_wins_and_the_retry_is_decided_afresh():
    """R-DLV-4, R-DLV-6."""
    book, one = _expired()
    assert _cancelled(book)
    assert book.collectors[NUMBER].cash == 1900
    again = book.decide(Ask(redeem(key="k"), NOON, "2" * 16, NOON + GRACE), register())
    assert (again.replayed, again.outcome.confirmation) == (False, "2" * 16)
    assert [item.attempt for item in book.outcomes] == [2]
    assert book.closed == {one}
    assert book.opened == {(NUMBER, "2" * 16)}


def test_a_cancellation_whose_key_nobody_asks_for_needs_no_outcome():
    book, _ = _expired()
    book.recorded.clear()
    assert _cancelled(book)
    assert book.recorded == {}


def test_a_redemption_is_cancelled_once():
    book, _ = _expired()
    assert [_cancelled(book), _cancelled(book)] == [True, False]
    assert len(book.entries) == 1


def test_nothing_is_cancelled_before_its_time():
    book, _ = _expired()
    assert not _cancelled(book, now=NOON - timedelta(microseconds=1))


def test_what_was_handed_over_is_neither_cancelled_nor_claimed():
    """R-DLV-2: the mark rides on the same transaction, and comes first."""
    book, one = _expired()
    book.hand_over([one])
    assert not _cancelled(book)
    retry = _decide(book, redeem(key="k"))[0]
    assert (retry.replayed, retry.awaits_delivery) == (True, False)
    assert (book.closed, book.prolonged) == ({one}, {})


def test_a_reversal_closes_the_delivery_and_a_cancellation_comes_too_late():
    """The till has the number, so it was delivered."""
    book, one = _expired()
    assert _codes(_decide(book, reverse(confirmation=FIRST))) == ["0000"]
    assert book.closed == {one}
    assert not _cancelled(book)


def test_a_refused_reversal_closes_nothing():
    book, _ = _expired()
    assert _codes(_decide(book, reverse(confirmation=FIRST, sponsorCode="LOY2"))) == ["0057"]
    assert book.closed == set()


def test_a_reversal_of_a_cancelled_redemption_is_0057():
    """R-DLV-6."""
    book, _ = _expired()
    _cancelled(book)
    assert _codes(_decide(book, reverse(confirmation=FIRST))) == ["0057"]


def test_what_was_not_read_cannot_be_cancelled():
    assert not _cancelled(Book())
