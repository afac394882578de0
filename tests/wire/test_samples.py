"""The library's samples: they decode, and in their situation we answer with them."""

import json
from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest

from amcash.domain.book import Ask, Book
from amcash.domain.codes import Endpoint
from amcash.domain.commands import Echo, Inquire, Redeem, Reverse
from amcash.domain.vocabulary import CardEntry, Language, Offer, Terms
from amcash.wire import messages
from amcash.wire.decode import Scope, decode
from amcash.wire.encode import encode
from domain.examples import collector, programme, redemption, register, sponsor, terms, toronto, utc
from wire.samples import REQUESTS, RESPONSES, SCOPE

COMMANDS = {
    Endpoint.ECHO: lambda sent: Echo(sent, "LOY1"),
    Endpoint.INQUIRE: lambda sent: Inquire(sent, "LOY1", Language.EN, "84095202006", CardEntry.SWIPE, 1612),
    Endpoint.REDEEM: lambda sent: Redeem(sent, "LOY1", Language.EN, "84095202006", CardEntry.SWIPE, 1612, 1612, None),
    Endpoint.REVERSE: lambda sent: Reverse(
        sent, "LOY1", Language.EN, "84095202006", CardEntry.SWIPE, "10000000000", None
    ),
}


@pytest.mark.parametrize("endpoint", Endpoint)
def test_a_sample_request_decodes_and_keeps_every_parameter_as_it_was_sent(endpoint):
    assert decode(endpoint, REQUESTS[endpoint], scope=SCOPE) == COMMANDS[endpoint](json.loads(REQUESTS[endpoint]))


@pytest.mark.parametrize("endpoint", Endpoint)
def test_a_sample_request_has_the_type_of_its_message(endpoint):
    message = msgspec.json.decode(REQUESTS[endpoint], type=messages.REQUESTS[endpoint], strict=True)
    values = msgspec.to_builtins(message).items()
    assert {name: value for name, value in values if value is not None} == json.loads(REQUESTS[endpoint])


@pytest.mark.parametrize("endpoint", Endpoint)
def test_a_sample_response_has_the_type_of_its_message_and_no_element_is_lost(endpoint):
    values = json.loads(RESPONSES[endpoint])
    message = msgspec.convert(values, type=messages.RESPONSES[endpoint], strict=True)
    assert msgspec.to_builtins(message) == values


# What the sample responses repeat, in a request; what else was asked is an ordinary request's.
ASKED = {
    Endpoint.ECHO: {},
    Endpoint.INQUIRE: {"cardEntryMode": "SCAN", "instantMessage": "en-CA", "postTaxBasketAmount": "10.00"},
    Endpoint.REDEEM: {
        "cardEntryMode": "SCAN",
        "dollarRedeemRequest": "16.12",
        "instantMessage": "en-CA",
        "originalPostTaxBasketAmount": "16.12",
        "originalPreTaxAmount": "14.27",
        "postTaxBasketAmount": "16.12",
    },
    Endpoint.REVERSE: {"cardEntryMode": "SCAN", "instantMessage": "en-CA", "redemptionConfirmationNum": "0000"},
}
# What the collector had, and had used of the cap, before the sample was answered.
BEFORE = {
    Endpoint.INQUIRE: {"cash": 120, "used": 9000},
    Endpoint.REDEEM: {"cash": 120 + 95, "used": 8000},
    Endpoint.REVERSE: {"cash": 120 - 95, "used": 10_000},
}


@pytest.mark.parametrize("endpoint", Endpoint)
def test_in_the_situation_of_a_sample_the_answer_is_the_sample_and_what_was_asked(endpoint):
    """R-WIRE-5 to R-WIRE-7: every element, every format."""
    sample = json.loads(RESPONSES[endpoint])
    listed = messages.REQUESTS[endpoint].__struct_fields__
    asked = {name: value for name, value in sample.items() if name in listed} | ASKED[endpoint]
    scope = Scope({"1234": sponsor("1234", vendor_ids=[sample["vendorId"]])})
    command = decode(endpoint, json.dumps(asked).encode(), scope=scope)

    its_programme = programme(daily_cap=10_000)
    its_register = register(its_programme=its_programme, offers=[_sample_offer()])
    now = toronto(sample["transDateTime"])
    decision = _book(endpoint, sample, now).decide(Ask(command, now, "0000"), its_register)
    answer = encode(command, decision.outcome, its_programme)

    expected = sample | ASKED[endpoint]
    if endpoint is Endpoint.REVERSE:
        expected |= {"unitValueDollars": "10.00"}  # R-WIRE-6; this one sample has "10"
    assert answer.status == 200
    assert json.loads(answer.body) == expected
    assert list(json.loads(answer.body)) == sorted(expected)
    assert msgspec.json.decode(answer.body, type=messages.RESPONSES[endpoint], strict=True)


def _sample_offer():
    sample = json.loads(RESPONSES[Endpoint.INQUIRE])
    its_terms = Terms("1111111111", "RGL", 95, 1000, sample["offerDescEn"], sample["offerDescFr"])
    assert replace(terms(), description_en="", description_fr="") == replace(
        its_terms, description_en="", description_fr=""
    )
    return Offer(its_terms, available=True, sponsor=None, valid_from=None, valid_until=None)


def _book(endpoint, sample, now):
    if endpoint is Endpoint.ECHO:
        return Book()
    number = sample["collectorNumber"]
    made = redemption(collector=number, confirmation="0000", sponsor="1234", at=now - timedelta(minutes=5))
    who = collector(
        number=number,
        cash=BEFORE[endpoint]["cash"],
        dream=int(sample["dreamBalance"]),
        cap_day=made.cap_day,
        cap_used=BEFORE[endpoint]["used"],
    )
    return Book(
        collectors={number: who},
        redemptions={(number, "0000"): made},
    )


def test_the_time_in_an_answer_is_the_programmes_local_time_in_seconds_without_an_offset():
    """R-WIRE-7, in winter and in summer, and what is smaller than a second is cut off."""
    command = decode(Endpoint.ECHO, REQUESTS[Endpoint.ECHO], scope=SCOPE)
    for at, text in [
        ("2019-01-30T08:59:03.999999", "2019-01-30T03:59:03"),
        ("2019-07-30T08:59:03", "2019-07-30T04:59:03"),
    ]:
        decision = Book().decide(Ask(command, utc(at), "1"), register())
        assert json.loads(encode(command, decision.outcome, programme()).body)["transDateTime"] == text
