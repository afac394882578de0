"""Money and units at the till."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amcash.dialogue.amounts import Choice, cents, choice, money
from amcash.dialogue.answers import APPROVALS, Language, Situation
from dialogue.examples import FIGURE_2, INQUIRE


@pytest.mark.parametrize(
    ("amount", "en", "fr"),
    [
        (1000, "$10.00", "10,00 $"),
        (5, "$0.05", "0,05 $"),
        (75000, "$750.00", "750,00 $"),
    ],
)
def test_money_is_written_as_the_language_writes_it(amount, en, fr):
    assert (money(amount, Language.EN), money(amount, Language.FR)) == (en, fr)


@pytest.mark.parametrize(("dollars", "amount"), [("10", 1000), ("10.00", 1000), ("16.12", 1612), ("16.1", 1610)])
def test_dollars_of_the_api_have_no_two_or_one_decimals(dollars, amount):
    assert cents(dollars) == amount


def test_what_is_no_amount_is_refused():
    with pytest.raises(ValueError, match="invalid literal"):
        cents("ten")


def test_the_default_is_the_basket_in_whole_units():
    """The platform's own example: a basket of $43.35 proposes $40."""
    chosen = choice({**FIGURE_2, "availableOfferUnits": "20"}, "43.35")
    assert chosen == Choice(most=4, day=20, unit_miles=95, unit_cents=1000)
    assert chosen.dollars(chosen.most) == "40.00"


def test_the_default_is_the_collectors_most_where_that_is_less():
    assert choice(FIGURE_2, "99.99").most == 3
    assert choice(FIGURE_2).most == 3


@given(units=st.integers(0, 80), basket=st.integers(0, 10**6), unit=st.integers(1, 10**5))
def test_the_default_never_exceeds_basket_or_offer_and_leaves_no_whole_unit_unused(units, basket, unit):
    answer = {**INQUIRE, "availableOfferUnits": str(units), "unitValueDollars": f"{unit // 100}.{unit % 100:02}"}
    chosen = choice(answer, f"{basket // 100}.{basket % 100:02}")
    most = 0 if chosen is None else chosen.most
    assert most <= units
    assert most * unit <= basket
    assert most == units or (most + 1) * unit > basket


@pytest.mark.parametrize("units", [0, 4, -1])
def test_only_one_unit_to_the_most_can_be_chosen(units):
    with pytest.raises(ValueError, match="1 to 3 can"):
        choice(FIGURE_2).dollars(units)


@pytest.mark.parametrize("met", sorted(set(Situation) - APPROVALS))
def test_a_redemption_is_never_offered_on_anything_but_an_approval(met):
    """0005, 0006: "The POS terminal MUST NOT prompt for an “AM Cash” Redemption"."""
    assert choice({**FIGURE_2, "responseCode": met.value}) is None


def test_a_suppressed_balance_does_not_hide_the_offer():
    assert choice({**FIGURE_2, "responseCode": "0001"}).most == 3


def test_nothing_is_offered_where_the_answer_has_no_offer_or_the_basket_is_below_one_unit():
    without = {name: value for name, value in FIGURE_2.items() if name != "availableOfferUnits"}
    assert choice(without) is None
    assert choice({**FIGURE_2, "availableOfferUnits": "0"}) is None
    assert choice(FIGURE_2, "9.99") is None
