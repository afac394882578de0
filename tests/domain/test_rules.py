"""The rules as plain calls: command + standing + now → decision."""

from dataclasses import replace
from datetime import date, timedelta
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amcash.domain import rules
from amcash.domain.codes import APPROVALS, Code
from amcash.domain.commands import Cancel
from amcash.domain.outcomes import Balances, Basis, Decision, Fault, Outcome, Recorded
from amcash.domain.transfers import Context, Kind, Transfer
from amcash.domain.vocabulary import CardEntry, OverRequest
from domain.examples import (
    CONFIRMATION,
    NOON,
    NUMBER,
    TILL,
    collector,
    echo,
    inquire,
    programme,
    redeem,
    redemption,
    reverse,
    special,
    standing,
    terms,
    toronto,
)

REDUCE = programme(over_request=OverRequest.REDUCE)
CASH = f"collector:{NUMBER}:cash"
DAY = date(2026, 6, 15)
GRACE = timedelta(seconds=30)
SPENT = collector(cash=1805, transfers=2, cap_day=DAY, cap_used=1000)
"""Who has redeemed one unit on `DAY`."""


def _redeem(command=None, *, now=NOON, open_until=None, **of_standing):
    return rules.redeem(command or redeem(), standing(**of_standing), now, CONFIRMATION, open_until)


def _reverse(command=None, *, now=NOON, **of_standing):
    its_standing = standing(**{"redemption": redemption(), "used": 1000, **of_standing})
    return rules.reverse(command or reverse(), its_standing, now)


def _cancel(*, now=NOON, **of_standing):
    ordinary = {"redemption": redemption(at=NOON - GRACE), "open_until": NOON, "collector": SPENT}
    return rules.cancel(Cancel(NUMBER, CONFIRMATION), standing(**(ordinary | of_standing)), now)


def _use(decision):
    """What a decision adds to the use of the cap of its day."""
    return 0 if decision.entry is None else rules.allowance_used(decision.entry)


def _inquire(command=None, **of_standing):
    return rules.inquire(command or inquire(), standing(**of_standing), NOON)


# --- R-ORDER: the first check that fails decides --------------------------------------------------------------------

# Each fault: what it changes in the command, in the collector (None: there is none), in the standing.
MANUAL = ("0009", {"entry": CardEntry.MANUAL}, {}, {})
UNKNOWN = ("0025", {}, None, {})
INACTIVE = ("0002", {}, {"active": False}, {})
NO_REDEMPTION = ("0006", {}, {"allow_redemption": False}, {})
NO_OFFER = ("0067", {}, {}, {"terms": None})
TOO_FEW = ("0051", {}, {"cash": 94}, {})
BELOW_ONE_UNIT = ("0035", {"requested": 999, "basket": 1612}, {}, {})
SMALL_BASKET = ("0066", {"basket": 999}, {}, {})
CAP_USED = ("0065", {}, {}, {"used": 75_000})
NO_SUCH_REDEMPTION = ("0057", {}, {}, {"redemption": None})
FOREIGN_REDEMPTION = ("0057", {}, {}, {"redemption": redemption(sponsor="LOY2")})
CLOSED_REDEMPTION = ("0057", {}, {}, {"redemption": redemption(closed=True)})
WINDOW_OVER = ("0080", {}, {}, {"redemption": redemption(at=NOON - timedelta(days=2))})

REDEEM_ORDER = [*(BELOW_ONE_UNIT, MANUAL, UNKNOWN, INACTIVE, NO_REDEMPTION, NO_OFFER, SMALL_BASKET, TOO_FEW, CAP_USED)]
INQUIRE_ORDER = [MANUAL, UNKNOWN, INACTIVE, NO_REDEMPTION, NO_OFFER, TOO_FEW]
REVERSE_ORDER = [MANUAL, UNKNOWN, INACTIVE, NO_SUCH_REDEMPTION, WINDOW_OVER]


def _faulty(*faults):
    """Return what to change in the command and in the standing, so that all `faults` are there at once."""
    of_command, of_collector, of_standing = {}, {}, {}
    # The last fault first, so that what an earlier check needs wins where two faults need the same thing changed.
    for _, command, account, rest in reversed(faults):
        of_command |= command
        of_collector = None if account is None or of_collector is None else of_collector | account
        of_standing |= rest
    account = None if of_collector is None else collector(**of_collector)
    return of_command, {"collector": account} | of_standing


def _pairs(order, *, but=()):
    return [(*pair,) for pair in combinations(order, 2) if pair not in but]


@pytest.mark.parametrize("fault", REDEEM_ORDER, ids=lambda fault: fault[0])
def test_redeem_refuses_for_each_reason_alone(fault):
    of_command, of_standing = _faulty(fault)
    assert _redeem(redeem(**of_command), **of_standing).outcome.code == fault[0]


# Without an offer there is no unit, so nothing can be below one.
@pytest.mark.parametrize(
    ("first", "second"), _pairs(REDEEM_ORDER, but=[(BELOW_ONE_UNIT, NO_OFFER)]), ids=lambda fault: fault[0]
)
def test_redeem_checks_in_the_order_of_the_rules(first, second):
    of_command, of_standing = _faulty(first, second)
    if SMALL_BASKET in (first, second) and BELOW_ONE_UNIT in (first, second):
        of_command["basket"] = 999
    assert _redeem(redeem(**of_command), **of_standing).outcome.code == first[0]


def test_redeem_with_everything_wrong_names_the_parameter_and_without_that_the_card():
    of_command, of_standing = _faulty(*REDEEM_ORDER)
    assert _redeem(redeem(**of_command), **of_standing).outcome.code is Code.CARD_NOT_PRESENTED
    assert _redeem(redeem(**of_command), **of_standing | {"terms": terms()}).outcome.code == "0035"


@pytest.mark.parametrize("fault", INQUIRE_ORDER, ids=lambda fault: fault[0])
def test_inquire_refuses_for_each_reason_alone(fault):
    of_command, of_standing = _faulty(fault)
    assert _inquire(inquire(**of_command), **of_standing).code == fault[0]


@pytest.mark.parametrize(("first", "second"), _pairs(INQUIRE_ORDER), ids=lambda fault: fault[0])
def test_inquire_checks_in_the_order_of_the_rules(first, second):
    of_command, of_standing = _faulty(first, second)
    assert _inquire(inquire(**of_command), **of_standing).code == first[0]


@pytest.mark.parametrize("fault", [*REVERSE_ORDER, FOREIGN_REDEMPTION, CLOSED_REDEMPTION], ids=lambda fault: fault[0])
def test_reverse_refuses_for_each_reason_alone(fault):
    of_command, of_standing = _faulty(fault)
    assert _reverse(reverse(**of_command), **of_standing).outcome.code == fault[0]


@pytest.mark.parametrize(("first", "second"), _pairs(REVERSE_ORDER), ids=lambda fault: fault[0])
def test_reverse_checks_in_the_order_of_the_rules(first, second):
    of_command, of_standing = _faulty(first, second)
    assert _reverse(reverse(**of_command), **of_standing).outcome.code == first[0]


@pytest.mark.parametrize("change", [{"closed": True}, {"sponsor": "LOY2"}])
def test_a_redemption_that_cannot_be_reversed_anyway_is_0057_even_when_its_window_is_over(change):
    old = redemption(at=NOON - timedelta(days=2), **change)
    assert _reverse(redemption=old).outcome.code is Code.INVALID_CONFIRMATION


def test_a_typed_number_reveals_nothing():
    """R-ORDER-5: known or not, active or not, the answer is the same, and holds no balance."""
    answers = [
        _inquire(inquire(entry=CardEntry.MANUAL), collector=who)
        for who in (collector(), None, collector(active=False), collector(cash=0), collector(number="1"))
    ]
    assert answers == [Outcome(Code.CARD_NOT_PRESENTED, NOON)] * 5
    for who in (collector(), None):
        command = redeem(entry=CardEntry.MANUAL)
        assert _redeem(command, collector=who) == Decision(Outcome(Code.CARD_NOT_PRESENTED, NOON))
        command = reverse(entry=CardEntry.MANUAL)
        assert _reverse(command, collector=who) == Decision(Outcome(Code.CARD_NOT_PRESENTED, NOON))


@pytest.mark.parametrize("entry", [CardEntry.SWIPE, CardEntry.SCAN, CardEntry.PREREGISTERED])
def test_any_other_card_entry_may_redeem(entry):
    assert _redeem(redeem(entry=entry)).outcome.code is Code.APPROVED
    assert _inquire(inquire(entry=entry)).code is Code.APPROVED
    assert _reverse(reverse(entry=entry)).outcome.code is Code.APPROVED


@pytest.mark.parametrize("fault", [UNKNOWN, INACTIVE])
def test_a_collector_who_may_not_ask_learns_no_balance(fault):
    _, of_standing = _faulty(fault)
    assert _inquire(**of_standing) == Outcome(Code(fault[0]), NOON)
    assert _redeem(**of_standing).outcome.balances is None
    assert _reverse(**of_standing).outcome.balances is None


# --- Echo -----------------------------------------------------------------------------------------------------------


def test_echo_is_approved():
    assert rules.echo(echo(), NOON) == Outcome(Code.APPROVED, NOON)


# --- Redeem: amounts ------------------------------------------------------------------------------------------------


def test_the_published_sample_asks_16_12_and_gets_one_unit():
    """R-AMT-2."""
    outcome = _redeem(redeem(requested=1612, basket=1612)).outcome
    assert outcome == Outcome(
        Code.APPROVED,
        NOON,
        balances=Balances(cash=1805, dream=545, available=1805, available_cents=19_000),
        terms=terms(),
        daily_limit=75,
        confirmation=CONFIRMATION,
        units=1,
        miles=95,
        basis=Basis(
            seq=0,
            cash=1900,
            cap_day=date(2026, 6, 15),
            used=0,
            cap=75_000,
            unit_miles=95,
            unit_cents=1000,
            reduce=False,
        ),
    )


@pytest.mark.parametrize(
    ("requested", "basket", "units"),
    [
        (1000, 1000, 1),
        (1999, 1999, 1),
        (2000, 2000, 2),
        (2000, 1999, 1),  # at most the basket
        (1999, 5000, 1),  # at most the request
        (5000, 1612, 1),
        (10**15, 10_099, 10),
        (20_000, 20_000, 20),  # the whole balance
    ],
)
def test_units_are_whole_and_at_most_those_of_the_request_and_of_the_basket(requested, basket, units):
    """R-AMT-2."""
    decision = _redeem(redeem(requested=requested, basket=basket))
    assert (decision.outcome.units, decision.outcome.miles) == (units, units * 95)
    assert _use(decision) == units * 1000


@pytest.mark.parametrize("requested", [0, 1, 999])
def test_a_request_below_one_unit_is_0035_naming_the_parameter_and_the_unit(requested):
    """R-AMT-2."""
    decision = _redeem(redeem(requested=requested, basket=5000))
    assert decision == Decision(
        Outcome(
            Code.INVALID_PARAMETER,
            NOON,
            fault=Fault(
                "dollarRedeemRequest",
                "must be at least one unit, 10.00",
                "doit valoir au moins une unité, 10.00",
            ),
        )
    )


def test_the_unit_in_the_message_is_that_of_the_offer_in_force():
    fault = _redeem(redeem(requested=1000), terms=terms(unit_cents=1205)).outcome.fault
    assert fault is not None
    assert fault.en == "must be at least one unit, 12.05"


def test_without_an_offer_a_small_request_is_0067_for_there_is_no_unit_to_be_below():
    assert _redeem(redeem(requested=1, basket=5000), terms=None).outcome.code is Code.OFFER_UNAVAILABLE


def test_a_basket_below_one_unit_is_0066():
    assert _redeem(redeem(requested=1000, basket=999)).outcome.code is Code.BASKET_TOO_SMALL
    assert _redeem(redeem(requested=1000, basket=0)).outcome.code is Code.BASKET_TOO_SMALL
    assert _redeem(redeem(requested=1000, basket=1000)).outcome.code is Code.APPROVED


def test_the_last_mile_can_be_spent():
    decision = _redeem(collector=collector(cash=95))
    assert decision.outcome.balances == Balances(0, 545, 0, 0)
    assert decision.entry is not None
    assert decision.entry.balance == 0


def test_units_beyond_the_balance_decline_with_0051_and_nothing_is_silently_reduced():
    """R-AMT-3."""
    decision = _redeem(redeem(requested=2000), collector=collector(cash=189))
    assert decision.outcome.code is Code.TOO_FEW_MILES
    assert decision.entry is decision.redemption is None
    assert _use(decision) == 0
    assert decision.outcome.balances == Balances(189, 545, 189, 1000)
    assert decision.outcome.units is decision.outcome.confirmation is decision.outcome.terms is None


def test_the_dream_balance_cannot_be_spent():
    assert _redeem(collector=collector(cash=0, dream=10_000)).outcome.code is Code.TOO_FEW_MILES


def test_units_beyond_the_daily_cap_decline_with_0065_and_nothing_is_silently_reduced():
    """R-AMT-3."""
    decision = _redeem(redeem(requested=2000), used=74_000)
    assert decision.outcome.code is Code.DAILY_LIMIT
    assert decision.entry is None
    assert decision.outcome.balances == Balances(1900, 545, 95, 1000)


@pytest.mark.parametrize(("used", "code"), [(73_999, "0000"), (74_000, "0000"), (74_001, "0065"), (75_000, "0065")])
def test_the_cap_is_750_dollars_and_its_last_unit_can_be_used(used, code):
    assert _redeem(used=used).outcome.code == code


def test_a_cap_that_was_lowered_below_what_is_used_is_used_up():
    outcome = _redeem(used=75_000, programme=programme(daily_cap=10_000)).outcome
    assert outcome.code is Code.DAILY_LIMIT
    assert outcome.balances == Balances(1900, 545, 0, 0)


def test_the_cap_can_be_used_up_in_one_redemption():
    rich = collector(cash=10_000)
    decision = _redeem(redeem(requested=75_000), collector=rich)
    assert decision.outcome.units == 75
    assert decision.outcome.miles == 7_125
    assert decision.outcome.balances == Balances(2875, 545, 0, 0)
    assert _redeem(redeem(requested=76_000), collector=rich).outcome.code is Code.DAILY_LIMIT


def test_the_cap_counts_dollars_whatever_the_offer():
    """R-AMT-5."""
    rich = collector(cash=10_000)
    decision = _redeem(redeem(requested=75_000), collector=rich, terms=special())
    assert (decision.outcome.units, decision.outcome.miles, _use(decision)) == (75, 6000, 75_000)
    again = _redeem(redeem(requested=1000), collector=rich, terms=special(), used=74_001)
    assert again.outcome.code is Code.DAILY_LIMIT


def test_the_daily_limit_is_the_cap_in_units_not_what_is_left_of_it():
    """R-AMT-4: static."""
    assert _redeem(used=70_000).outcome.daily_limit == 75
    assert _redeem(terms=terms(unit_cents=1500, unit_miles=140), used=1500).outcome.daily_limit == 50
    assert _redeem(programme=programme(daily_cap=10_999)).outcome.daily_limit == 10


def test_what_is_available_is_the_smaller_of_the_balance_and_the_rest_of_the_cap():
    """R-AMT-4, after the transaction."""
    assert _redeem(used=0).outcome.balances == Balances(1805, 545, 1805, 19_000)
    assert _redeem(used=70_000).outcome.balances == Balances(1805, 545, 4 * 95, 4000)
    assert _redeem(collector=collector(cash=200)).outcome.balances == Balances(105, 545, 105, 1000)


@pytest.mark.parametrize(
    ("cash", "used", "units"),
    [(1900, 0, 20), (250, 0, 2), (95, 0, 1), (1900, 72_000, 3), (1900, 74_000, 1), (1900, 74_001, None)],
)
def test_over_request_reduce_takes_as_many_units_as_balance_and_cap_allow(cash, used, units):
    """R-AMT-3."""
    decision = _redeem(redeem(requested=50_000), collector=collector(cash=cash), used=used, programme=REDUCE)
    assert decision.outcome.units == units
    assert (decision.outcome.code is Code.APPROVED) is (units is not None)


def test_over_request_reduce_declines_only_at_none():
    """R-AMT-3."""
    poor = collector(cash=94)
    assert _redeem(collector=poor, programme=REDUCE).outcome.code is Code.TOO_FEW_MILES
    assert _redeem(used=75_000, programme=REDUCE).outcome.code is Code.DAILY_LIMIT
    assert _redeem(collector=poor, used=75_000, programme=REDUCE).outcome.code is Code.TOO_FEW_MILES
    basis = _redeem(collector=poor, programme=REDUCE).outcome.basis
    assert basis is not None
    assert basis.reduce


def test_over_request_reduce_never_takes_more_than_was_asked_for():
    assert _redeem(redeem(requested=1999, basket=90_000), programme=REDUCE).outcome.units == 1


# --- Redeem: what is written ----------------------------------------------------------------------------------------


def test_an_approval_carries_its_transfer_its_redemption_and_the_use_of_the_cap():
    command = redeem(requested=2000)
    decision = _redeem(command, collector=collector(transfers=7, chain=b"\x07" * 32), now=NOON)
    made = redemption(units=2, miles=190, cents=2000)
    assert decision.redemption == made
    assert _use(decision) == 2000
    assert not decision.replayed
    entry = decision.entry
    assert entry is not None
    assert entry.transfer == Transfer(CASH, "sponsor:LOY1:redeemed", 190)
    assert (entry.kind, entry.seq, entry.balance, entry.at) == (Kind.REDEMPTION, 8, 1710, NOON)
    assert entry.previous == b"\x07" * 32
    assert entry.context == Context(
        confirmation=CONFIRMATION,
        sponsor="LOY1",
        store="0001",
        device="001",
        trace="999999999999",
        acquirer="100000",
        vendor="100087",
        units=2,
        cents=2000,
        unit_miles=95,
        unit_cents=1000,
        offer_id="1111111111",
        cap_day=date(2026, 6, 15),
    )


def test_a_redemption_before_03_00_counts_against_the_day_before():
    made = _redeem(now=toronto("2026-06-16 02:59")).redemption
    assert made is not None
    assert made.cap_day == date(2026, 6, 15)


def test_the_tills_clock_decides_nothing():
    """R-TIME-4."""
    late, early = (_redeem(redeem(dateTime=at)) for at in ("2099-01-01T00:00:00", "1972-01-01T00:00:00"))
    assert late == early


def test_the_same_arguments_give_the_same_decision():
    """Invariant 7."""
    assert _redeem() == _redeem()
    assert _reverse() == _reverse()


@pytest.mark.parametrize("fault", REDEEM_ORDER, ids=lambda fault: fault[0])
def test_a_refusal_writes_nothing(fault):
    of_command, of_standing = _faulty(fault)
    decision = _redeem(redeem(**of_command), **of_standing)
    assert (decision.entry, decision.redemption, _use(decision)) == (None, None, 0)


@pytest.mark.parametrize("fault", REDEEM_ORDER, ids=lambda fault: fault[0])
def test_a_recorded_refusal_carries_what_it_was_decided_on(fault):
    """R-LED-3: an auditor can decide it again."""
    of_command, of_standing = _faulty(fault)
    outcome = _redeem(redeem(**of_command), **of_standing).outcome
    assert (outcome.basis is not None) is outcome.recorded
    assert outcome.recorded is (fault[0] in {"0002", "0006", "0066", "0051", "0065"})


def test_the_basis_without_an_offer_has_no_unit():
    outcome = _redeem(collector=collector(allow_redemption=False), terms=None).outcome
    assert outcome.basis is not None
    assert outcome.basis.unit_miles is outcome.basis.unit_cents is None


# --- Suppressed balances and the no-redemption preference -----------------------------------------------------------

SHY = collector(show_balances=False)


def test_0001_leaves_the_balances_out_and_keeps_the_offer():
    """R-AMT-7."""
    outcome = _redeem(collector=SHY).outcome
    assert (outcome.code, outcome.balances, outcome.terms) == (Code.APPROVED_SUPPRESSED, None, terms())
    assert (outcome.daily_limit, outcome.units) == (75, 1)
    outcome = _inquire(collector=SHY)
    assert (outcome.code, outcome.balances, outcome.terms) == (Code.APPROVED_SUPPRESSED, None, terms())
    assert (outcome.daily_limit, outcome.available_units) == (75, 1)


def test_0005_leaves_out_balances_and_offer():
    """R-AMT-7."""
    who = collector(show_balances=False, allow_redemption=False)
    assert _inquire(collector=who) == Outcome(Code.UNABLE_TO_REDEEM_SUPPRESSED, NOON)
    outcome = _redeem(collector=who).outcome
    assert replace(outcome, basis=None) == Outcome(Code.UNABLE_TO_REDEEM_SUPPRESSED, NOON)


def test_0006_shows_balances_and_no_offer():
    """R-AMT-7."""
    who = collector(allow_redemption=False)
    expected = Outcome(Code.UNABLE_TO_REDEEM, NOON, balances=Balances(1900, 545, 1900, 20_000))
    assert _inquire(collector=who) == expected
    assert replace(_redeem(collector=who).outcome, basis=None) == expected


@pytest.mark.parametrize(
    "decision",
    [
        _redeem(redeem(basket=0), collector=SHY),
        _redeem(redeem(requested=50_000), collector=SHY),
        _redeem(collector=SHY, used=75_000),
        _redeem(collector=SHY, terms=None),
        _reverse(collector=SHY, redemption=None),
        _reverse(collector=SHY, now=NOON + timedelta(days=2)),
    ],
    ids=lambda decision: decision.outcome.code,
)
def test_declines_of_a_collector_who_suppresses_balances_leave_them_out_too(decision):
    """R-AMT-7."""
    assert decision.outcome.code not in APPROVALS
    assert decision.outcome.balances is None


# --- Inquire --------------------------------------------------------------------------------------------------------


def test_inquire_tells_balances_and_offer():
    assert _inquire(inquire(basket=5000)) == Outcome(
        Code.APPROVED,
        NOON,
        balances=Balances(1900, 545, 1900, 20_000),
        terms=terms(),
        available_units=5,
        daily_limit=75,
    )


@pytest.mark.parametrize(
    ("basket", "cash", "used", "units"),
    [
        (0, 1900, 0, 0),
        (999, 1900, 0, 0),
        (1000, 1900, 0, 1),
        (10**15, 1900, 0, 20),
        (5000, 379, 0, 3),
        (5000, 1900, 73_000, 2),
        (5000, 1900, 73_001, 1),
    ],
)
def test_available_units_are_bound_by_basket_balance_and_cap(basket, cash, used, units):
    """R-AMT-4; R-AMT-6: a basket below one unit is 0000 with "0"."""
    outcome = _inquire(inquire(basket=basket), collector=collector(cash=cash), used=used)
    assert (outcome.code, outcome.available_units) == (Code.APPROVED, units)


def test_inquire_with_less_than_one_unit_is_0051_with_balances_without_offer():
    """R-AMT-6."""
    outcome = _inquire(collector=collector(cash=94))
    assert outcome == Outcome(Code.TOO_FEW_MILES, NOON, balances=Balances(94, 545, 94, 0))


@pytest.mark.parametrize("used", [75_000, 74_001])
def test_inquire_with_the_cap_used_up_is_0000_with_nothing_available_and_no_offer(used):
    """R-AMT-6."""
    outcome = _inquire(used=used)
    assert outcome == Outcome(Code.APPROVED, NOON, balances=Balances(1900, 545, 0, 0))


def test_inquire_with_the_cap_used_up_and_too_few_miles_is_0051():
    """R-ORDER 11 before 14."""
    assert _inquire(used=75_000, collector=collector(cash=0)).code is Code.TOO_FEW_MILES


def test_inquire_without_an_offer_counts_nothing_as_available():
    outcome = _inquire(terms=None)
    assert outcome == Outcome(Code.OFFER_UNAVAILABLE, NOON, balances=Balances(1900, 545, None, None))


def test_dollars_available_are_whole_units():
    """Library: rounded down to the nearest $10."""
    assert _inquire(collector=collector(cash=284)).balances == Balances(284, 545, 284, 2000)
    half = terms(unit_cents=750, unit_miles=70)
    assert _inquire(terms=half, collector=collector(cash=75)).balances == Balances(75, 545, 75, 750)


# --- Reverse --------------------------------------------------------------------------------------------------------


def test_a_reversal_gives_the_whole_redemption_back():
    """R-REV-1, R-REV-2."""
    decision = _reverse(collector=collector(cash=1805, transfers=1, chain=b"\x01" * 32))
    assert decision.outcome == Outcome(
        Code.APPROVED,
        NOON,
        balances=Balances(1900, 545, 1900, 20_000),
        confirmation=CONFIRMATION,
        units=1,
        miles=95,
        unit_miles=95,
        unit_cents=1000,
        basis=Basis(
            seq=1,
            cash=1805,
            cap_day=date(2026, 6, 15),
            used=1000,
            cap=75_000,
            unit_miles=95,
            unit_cents=1000,
            reduce=False,
        ),
    )
    assert decision.redemption == redemption(closed=True)
    assert _use(decision) == -1000
    entry = decision.entry
    assert entry is not None
    assert entry.transfer == Transfer("sponsor:LOY1:redeemed", CASH, 95)
    assert (entry.kind, entry.seq, entry.balance) == (Kind.REVERSAL, 2, 1900)
    assert entry.context.cap_day == date(2026, 6, 15)


def test_a_reversal_tells_the_units_of_the_redemption_not_of_todays_offer():
    """R-REV-2."""
    outcome = _reverse(terms=special()).outcome
    assert (outcome.unit_miles, outcome.unit_cents, outcome.miles) == (95, 1000, 95)
    assert outcome.terms is outcome.daily_limit is outcome.available_units is None


def test_after_a_reversal_what_is_available_counts_in_todays_offer():
    """R-AMT-4; only where none is in force does the redemption lend its unit."""
    assert _reverse(terms=special()).outcome.balances == Balances(1995, 545, 1995, 24_000)


def test_a_reversal_by_another_store_or_device_of_the_sponsor_is_fine():
    """R-REV-1."""
    decision = _reverse(reverse(storeId="0002", deviceId="77"))
    assert decision.outcome.code is Code.APPROVED
    assert decision.entry is not None
    assert (decision.entry.context.store, decision.entry.context.device) == ("0002", "77")


def test_another_sponsor_cannot_reverse():
    assert _reverse(reverse(sponsorCode="LOY2")).outcome.code is Code.INVALID_CONFIRMATION


@pytest.mark.parametrize(
    ("redeemed", "reversed_at", "code"),
    [
        ("2026-06-15 12:00", "2026-06-16 02:59:59.999999", "0000"),
        ("2026-06-15 12:00", "2026-06-16 03:00:00", "0000"),
        ("2026-06-15 12:00", "2026-06-16 03:00:00.000001", "0080"),
        ("2026-06-15 00:10", "2026-06-16 03:00:00", "0000"),
        ("2026-06-14 23:50", "2026-06-15 03:00:00.000001", "0080"),
        ("2026-03-07 12:00", "2026-03-08 03:00:00", "0000"),
        ("2026-03-07 12:00", "2026-03-08 03:00:00.000001", "0080"),
        ("2026-10-31 12:00", "2026-11-01 03:00:00", "0000"),
        ("2026-10-31 12:00", "2026-11-01 03:00:00.000001", "0080"),
    ],
)
def test_a_reversal_is_allowed_until_03_00_00_on_the_next_calendar_day(redeemed, reversed_at, code):
    """R-TIME-2; the library turns away what is attempted *after* 3:00 AM."""
    old = redemption(at=toronto(redeemed))
    assert _reverse(redemption=old, now=toronto(reversed_at)).outcome.code == code


@pytest.mark.parametrize(
    ("redeemed", "reversed_at", "given_back"),
    [
        ("2026-06-15 12:00", "2026-06-15 23:59", 1000),
        ("2026-06-15 12:00", "2026-06-16 02:59:59", 1000),
        ("2026-06-15 12:00", "2026-06-16 03:00:00", 0),  # still in the window, but another cap day
        ("2026-06-15 01:00", "2026-06-15 02:59:59", 1000),
        ("2026-06-15 01:00", "2026-06-15 12:00", 0),
    ],
)
def test_the_allowance_comes_back_only_within_the_cap_day_of_the_redemption(redeemed, reversed_at, given_back):
    """R-TIME-3."""
    old = redemption(at=toronto(redeemed))
    decision = _reverse(redemption=old, now=toronto(reversed_at), used=74_000)
    assert _use(decision) == -given_back
    assert decision.outcome.balances is not None
    assert decision.outcome.balances.available == (95 if given_back == 0 else 190)
    assert decision.entry is not None
    assert decision.entry.context.cap_day == (old.cap_day if given_back else None)


def test_a_collector_who_suppresses_balances_reverses_with_0001():
    """R-REV-3."""
    outcome = _reverse(collector=SHY).outcome
    assert (outcome.code, outcome.balances) == (Code.APPROVED_SUPPRESSED, None)
    assert (outcome.units, outcome.miles, outcome.unit_miles, outcome.unit_cents) == (1, 95, 95, 1000)


def test_the_no_redemption_preference_does_not_block_a_reversal():
    """R-REV-3."""
    assert _reverse(collector=collector(allow_redemption=False)).outcome.code is Code.APPROVED


def test_a_reversal_needs_no_offer_and_then_counts_in_the_redemptions_unit():
    outcome = _reverse(terms=None, collector=collector(cash=105)).outcome
    assert outcome.balances == Balances(200, 545, 200, 2000)


def test_a_refused_reversal_without_an_offer_counts_nothing_as_available():
    outcome = _reverse(terms=None, redemption=None).outcome
    assert outcome.balances == Balances(1900, 545, None, None)


@pytest.mark.parametrize("fault", [*REVERSE_ORDER, FOREIGN_REDEMPTION, CLOSED_REDEMPTION])
def test_a_refused_reversal_writes_nothing(fault):
    of_command, of_standing = _faulty(fault)
    decision = _reverse(reverse(**of_command), **of_standing)
    assert (decision.entry, decision.redemption, _use(decision)) == (None, None, 0)
    assert (decision.outcome.basis is not None) is decision.outcome.recorded
    assert decision.outcome.recorded is (fault[0] in {"0002", "0057", "0080"})


# --- Idempotency ----------------------------------------------------------------------------------------------------


def _recorded(command, outcome=None):
    outcome = outcome or Outcome(Code.APPROVED, NOON, confirmation="1", units=1, miles=95)
    return Recorded(command.key, command.digest, None, outcome)


LATER = NOON + timedelta(hours=1)


@pytest.mark.parametrize("code", ["0000", "0001", "0002", "0005", "0006", "0051", "0057", "0065", "0066", "0080"])
def test_the_same_key_and_content_get_the_recorded_outcome_again(code):
    """R-IDEM-3: the same time in it, too; and nothing is written."""
    was = Outcome(Code(code), NOON, balances=Balances(1, 2, 3, 4))
    for key in (None, "key"):
        command = redeem(key=key)
        decision = _redeem(command, now=LATER, recorded=_recorded(command, was))
        assert decision == Decision(was, replayed=True)
        command = reverse(key=key)
        decision = _reverse(command, now=LATER, recorded=_recorded(command, was))
        assert decision == Decision(was, replayed=True)


@pytest.mark.parametrize("fault", REDEEM_ORDER, ids=lambda fault: fault[0])
def test_a_retry_of_a_redemption_gets_its_answer_whatever_has_changed_since(fault):
    """R-ORDER-4 comes before 5: an approval stays one, though now there would be a reason to refuse."""
    of_command, of_standing = _faulty(fault)
    command = redeem(**of_command, key="k")
    decision = _redeem(command, **of_standing, recorded=_recorded(command))
    assert decision == Decision(_recorded(command).outcome, replayed=True)


@pytest.mark.parametrize("fault", REVERSE_ORDER, ids=lambda fault: fault[0])
def test_a_retry_of_a_reversal_gets_its_answer_whatever_has_changed_since(fault):
    of_command, of_standing = _faulty(fault)
    command = reverse(**of_command, key="k")
    decision = _reverse(command, **of_standing, recorded=_recorded(command))
    assert decision == Decision(_recorded(command).outcome, replayed=True)


def test_the_same_key_with_other_content_is_0035_naming_the_header():
    """R-IDEM-4: never a second debit."""
    refused = Decision(
        Outcome(
            Code.INVALID_PARAMETER,
            LATER,
            fault=Fault(
                "Idempotency-Key",
                "was already used for another request",
                "a déjà servi à une autre requête",
            ),
        )
    )
    first = redeem(key="k")
    for other in (redeem(key="k", traceId="1"), redeem(key="k", requested=2000), redeem(key="k", dateTime="1")):
        assert _redeem(other, now=LATER, recorded=_recorded(first)) == refused
    first = reverse(key="k")
    assert _reverse(reverse(key="k", storeId="2"), now=LATER, recorded=_recorded(first)) == refused


# --- For every amount there is --------------------------------------------------------------------------------------

AMOUNTS = st.integers(0, 200_000)


@given(
    requested=AMOUNTS,
    basket=AMOUNTS,
    cash=st.integers(0, 12_000),
    used=AMOUNTS,
    cap=AMOUNTS,
    unit_miles=st.integers(1, 300),
    unit_cents=st.integers(1, 5000),
    over=st.sampled_from(OverRequest),
    shows=st.booleans(),
)
@settings(max_examples=400, derandomize=True, database=None, deadline=None)
def test_no_redemption_takes_more_than_was_asked_for_or_is_there(
    requested, basket, cash, used, cap, unit_miles, unit_cents, over, shows
):
    its_terms = terms(unit_miles=unit_miles, unit_cents=unit_cents)
    its_standing = standing(
        programme=programme(daily_cap=cap, over_request=over),
        terms=its_terms,
        collector=collector(cash=cash, show_balances=shows),
        used=used,
    )
    command = redeem(requested=requested, basket=basket)
    decision = rules.redeem(command, its_standing, NOON, CONFIRMATION)
    outcome, entry = decision.outcome, decision.entry
    assert (outcome.balances is not None) is (shows and outcome.fault is None)
    asked = min(requested, basket) // unit_cents
    there = min(cash // unit_miles, max(0, cap - used) // unit_cents)
    if entry is None:
        assert asked == 0 or requested < unit_cents or there < (1 if over == "reduce" else asked)
        assert _use(decision) == 0
        return
    assert outcome.units == (min(asked, there) if over == "reduce" else asked) > 0
    assert outcome.miles == entry.transfer.miles == outcome.units * unit_miles
    assert entry.balance == cash - outcome.miles >= 0
    assert _use(decision) == outcome.units * unit_cents <= cap - used
    again = replace(
        its_standing,
        collector=rules.after(its_standing.account, entry),
        used=used + _use(decision),
    )
    told = rules.inquire(inquire(basket=basket), again, NOON)
    assert told.balances == outcome.balances
    assert decision.redemption is not None
    back = rules.reverse(
        reverse(), replace(again, redemption=replace(decision.redemption, confirmation=CONFIRMATION)), NOON
    )
    assert back.entry is not None
    assert (back.entry.balance, _use(back)) == (cash, -_use(decision))
    assert back.entry.transfer == entry.transfer.opposite()


# --- the use of the cap ---------------------------------------------------------------------------------------------


def _entry(decision):
    assert decision.entry is not None
    return decision.entry


def test_the_first_redemption_begins_the_use_of_its_day():
    account = _redeem(redeem(requested=2000)).account
    assert (account.cap_day, account.cap_used) == (DAY, 2000)


def test_the_next_redemption_of_the_day_adds_to_its_use():
    account = _redeem(collector=SPENT, used=1000).account
    assert (account.cap_day, account.cap_used) == (DAY, 2000)


def test_a_redemption_of_a_later_day_begins_anew():
    account = _redeem(collector=SPENT, now=toronto("2026-06-16 03:00")).account
    assert (account.cap_day, account.cap_used) == (DAY + timedelta(days=1), 1000)


def test_a_redemption_of_an_earlier_day_leaves_the_use_of_the_latest_alone():
    account = _redeem(collector=SPENT, now=toronto("2026-06-15 02:59")).account
    assert (account.cap_day, account.cap_used) == (DAY, 1000)


def test_a_reversal_of_the_day_gives_its_use_back():
    account = _reverse(collector=SPENT).account
    assert (account.cap_day, account.cap_used) == (DAY, 0)


# --- delivery (R-DLV) -----------------------------------------------------------------------------------------------


def test_a_fresh_approval_awaits_its_delivery():
    """R-DLV-1."""
    decision = _redeem(open_until=NOON + GRACE)
    assert (decision.awaits_delivery, decision.open_until) == (True, NOON + GRACE)


@pytest.mark.parametrize("fault", REDEEM_ORDER, ids=lambda fault: fault[0])
def test_a_refusal_awaits_no_delivery(fault):
    of_command, of_standing = _faulty(fault)
    assert not _redeem(redeem(**of_command), open_until=NOON + GRACE, **of_standing).awaits_delivery


def test_a_reversal_awaits_no_delivery():
    """R-DLV-8."""
    assert not _reverse().awaits_delivery


def _approved(command=None, **state):
    command = command or redeem(key="k")
    return Recorded(command.key, command.digest, None, _redeem(command).outcome, **state)


def test_an_identical_retry_while_the_delivery_is_open_claims_it():
    """R-DLV-4."""
    recorded = _approved(open=True)
    decision = _redeem(redeem(key="k"), recorded=recorded, open_until=NOON + GRACE)
    assert decision == Decision(recorded.outcome, replayed=True, open_until=NOON + GRACE)


def test_a_retry_after_the_delivery_is_over_awaits_nothing():
    decision = _redeem(redeem(key="k"), recorded=_approved(), open_until=NOON + GRACE)
    assert (decision.replayed, decision.awaits_delivery) == (True, False)


def test_another_request_under_the_key_of_an_open_delivery_claims_nothing():
    """R-IDEM-4."""
    decision = _redeem(redeem(key="k", traceId="7"), recorded=_approved(open=True), open_until=NOON + GRACE)
    assert (decision.outcome.code, decision.awaits_delivery) == (Code.INVALID_PARAMETER, False)


def test_an_identical_retry_after_the_cancellation_is_a_fresh_authorisation():
    """R-DLV-6."""
    later = NOON + timedelta(minutes=5)
    decision = _redeem(redeem(key="k"), recorded=_approved(cancelled=True), now=later, open_until=later + GRACE)
    assert (decision.replayed, decision.outcome.at, decision.open_until) == (False, later, later + GRACE)
    assert _entry(decision).kind is Kind.REDEMPTION


def test_a_retry_after_the_cancellation_can_be_declined():
    decision = _redeem(redeem(key="k"), recorded=_approved(cancelled=True), collector=collector(cash=0))
    assert decision.outcome.code is Code.TOO_FEW_MILES


def test_another_request_under_the_key_of_a_cancelled_redemption_is_refused():
    """R-IDEM-4: a key names one request for ever."""
    decision = _redeem(redeem(key="k", traceId="7"), recorded=_approved(cancelled=True))
    assert (decision.outcome.code, decision.entry) == (Code.INVALID_PARAMETER, None)


def test_a_cancellation_is_the_opposite_transfer_in_the_redemptions_own_words():
    """R-DLV-5."""
    decision = _cancel()
    entry = _entry(decision)
    assert (entry.kind, entry.seq, entry.balance, entry.at) == (Kind.CANCELLATION, 3, 1900, NOON)
    assert entry.transfer == Transfer("sponsor:LOY1:redeemed", CASH, 95)
    assert entry.context == Context(
        confirmation=CONFIRMATION,
        sponsor="LOY1",
        store=TILL.store,
        device=TILL.device,
        trace=TILL.trace,
        acquirer=TILL.acquirer,
        vendor=TILL.vendor,
        units=1,
        cents=1000,
        unit_miles=95,
        unit_cents=1000,
        offer_id="1111111111",
        cap_day=DAY,
    )
    assert decision.redemption.closed
    assert not decision.awaits_delivery
    assert (decision.account.cap_day, decision.account.cap_used) == (DAY, 0)


def test_a_cancellation_on_another_cap_day_gives_the_allowance_back_to_the_day_of_the_redemption():
    """R-DLV-5: to the customer it never happened."""
    tomorrow = DAY + timedelta(days=1)
    night = toronto("2026-06-16 03:00:10")
    went_on = collector(cash=1710, transfers=3, cap_day=tomorrow, cap_used=500)
    decision = _cancel(now=night, open_until=night, collector=went_on)
    assert _entry(decision).context.cap_day == DAY
    assert (decision.account.cap_day, decision.account.cap_used) == (tomorrow, 500)


@pytest.mark.parametrize("flags", [{"active": False}, {"allow_redemption": False}, {"show_balances": False}])
def test_a_cancellation_asks_for_no_preference_of_the_collector(flags):
    assert _entry(_cancel(collector=replace(SPENT, **flags))).balance == 1900


@pytest.mark.parametrize(
    "lost",
    [
        {"collector": None},
        {"redemption": None},
        {"redemption": redemption(closed=True)},
        {"open_until": None},
        {"open_until": NOON + timedelta(microseconds=1)},
    ],
)
def test_what_is_not_open_or_open_for_longer_is_not_cancelled(lost):
    """R-DLV-4: whoever closed or claimed it has won."""
    assert _cancel(**lost) == Decision(Outcome(Code.INVALID_CONFIRMATION, NOON))
