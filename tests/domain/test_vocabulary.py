"""The nouns: which offer is in force, and until when (R-AMT-8)."""

from dataclasses import FrozenInstanceError
from datetime import timedelta
from itertools import permutations

import pytest

from amcash.domain.vocabulary import Outage, SigningKey, masked, secret_digest
from domain.examples import NOON, offer, programme, redemption, register, special, terms

MOMENT = timedelta(microseconds=1)


def test_an_offer_without_a_period_is_always_in_force():
    assert offer().in_force("LOY1", NOON)


@pytest.mark.parametrize(("at", "holds"), [(NOON - MOMENT, False), (NOON, True), (NOON + MOMENT, True)])
def test_an_offer_is_valid_from_the_very_moment_it_names(at, holds):
    assert offer(valid_from=NOON).in_force("LOY1", at) is holds


@pytest.mark.parametrize(("at", "holds"), [(NOON - MOMENT, True), (NOON, True), (NOON + MOMENT, False)])
def test_an_offer_is_valid_until_the_very_moment_it_names(at, holds):
    assert offer(valid_until=NOON).in_force("LOY1", at) is holds


def test_an_offer_that_is_switched_off_is_not_in_force():
    assert not offer(available=False).in_force("LOY1", NOON)


def test_a_sponsors_offer_is_for_that_sponsor_only():
    own = offer(sponsor="LOY1")
    assert own.in_force("LOY1", NOON)
    assert not own.in_force("LOY2", NOON)


def test_in_force_is_the_offer_with_the_fewest_miles_a_dollar():
    dear, cheap, middling = terms(), special(), terms(offer_id="3", unit_miles=90)
    for offers in permutations([offer(dear), offer(cheap), offer(middling)]):
        assert register(offers=offers).terms_in_force("LOY1", NOON) == cheap


def test_miles_a_dollar_counts_not_miles_a_unit():
    small = terms(offer_id="1", unit_miles=50, unit_cents=500)  # 10 miles a dollar
    large = terms(offer_id="2", unit_miles=190, unit_cents=2000)  # 9.5 miles a dollar
    assert register(offers=[offer(small), offer(large)]).terms_in_force("LOY1", NOON) == large


def test_miles_a_dollar_are_compared_exactly():
    """R-AMT-1: as binary floats these two ratios are equal."""
    big = 10**17
    less = terms(offer_id="2", unit_miles=big, unit_cents=3 * big)
    more = terms(offer_id="1", unit_miles=big + 1, unit_cents=3 * big)
    assert big / (3 * big) == (big + 1) / (3 * big)
    assert register(offers=[offer(more), offer(less)]).terms_in_force("LOY1", NOON) == less


def test_ties_go_by_offer_id():
    first, second = terms(offer_id="1000000000"), terms(offer_id="999", unit_miles=190, unit_cents=2000)
    for offers in permutations([offer(first), offer(second)]):
        assert register(offers=offers).terms_in_force("LOY1", NOON) == first


def test_a_sponsors_own_offer_wins_only_by_its_miles():
    own = offer(terms(offer_id="0", unit_miles=96), sponsor="LOY1")
    assert register(offers=[own, offer()]).terms_in_force("LOY1", NOON) == terms()
    assert register(offers=[own]).terms_in_force("LOY2", NOON) is None


@pytest.mark.parametrize(
    "gone",
    [
        [],
        [offer(available=False)],
        [offer(valid_until=NOON - MOMENT), offer(valid_from=NOON + MOMENT), offer(sponsor="LOY2")],
    ],
)
def test_no_offer_may_be_in_force(gone):
    assert register(offers=gone).terms_in_force("LOY1", NOON) is None


def test_a_cheaper_offer_that_is_not_in_force_does_not_count():
    offers = [offer(special(), available=False), offer(special(), valid_from=NOON + MOMENT), offer()]
    assert register(offers=offers).terms_in_force("LOY1", NOON) == terms()


def test_an_outage_without_an_end_lasts_until_it_is_switched_off():
    assert Outage(until=None).in_force(NOON)


@pytest.mark.parametrize(("at", "holds"), [(NOON - MOMENT, True), (NOON, False)])
def test_an_outage_is_over_at_the_moment_it_names(at, holds):
    assert Outage(until=NOON).in_force(at) is holds


def test_a_closed_redemption_is_the_same_one_otherwise():
    assert redemption().close() == redemption(closed=True)
    assert not redemption().closed


def test_what_operators_configure_cannot_be_changed_in_place():
    with pytest.raises(FrozenInstanceError):
        programme().daily_cap = 0


def test_a_private_key_is_not_printed():
    key = SigningKey("kid", "the private part", NOON, None)
    assert "private" not in repr(key)


@pytest.mark.parametrize(
    ("number", "shown"),
    [("84095202006", "84*******06"), ("1234567", "12***67"), ("123456", "******"), ("1", "*"), ("", "")],
)
def test_a_collector_number_is_masked_and_a_short_one_not_shown_at_all(number, shown):
    """R-AUTH-4."""
    assert masked(number) == shown


def test_of_a_clients_secret_only_its_sha_256_is_kept():
    assert secret_digest("abc").hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
