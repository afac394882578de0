"""Worked examples for the OpenAPI document: one answer for every response code that each endpoint can give.

None of the bodies is written by hand. Each is what the rules decide in some situation, written by the encoder that
answers tills, so the document cannot promise what the service does not do. Requests, and what the ledger holds, are
the library's own samples; the answers it prints stand beside ours, letter for letter.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

import msgspec

from amcash.domain import calendar, rules
from amcash.domain.codes import Code, Endpoint
from amcash.domain.commands import Command, Echo, Inquire, OutcomeKey, Redeem
from amcash.domain.outcomes import Outcome, Recorded, Standing
from amcash.domain.vocabulary import (
    Cents,
    Collector,
    CollectorNumber,
    ConfirmationNumber,
    Miles,
    OverRequest,
    Programme,
    Redemption,
    Sponsor,
    SponsorCode,
    Terms,
    Units,
)
from amcash.wire import decode as wire
from amcash.wire.encode import Answer, encode, encode_no_token, encode_rejection

Body: TypeAlias = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Example:
    """One answer, as it goes over the wire; `code` is None for a stranger's, which has none."""

    name: str
    summary: str
    status: HTTPStatus
    code: Code | None
    body: Body


# --- the library's samples ----------------------------------------------------------------------------------------

_ECHO = {"deviceId": "001", "sponsorCode": "LOY1", "storeId": "0001", "traceId": "000012345678", "vendorId": "100087"}
_COLLECTOR = {
    "acquirerId": "100000",
    "cardEntryMode": "SWIPE",
    "collectorNumber": "84095202006",
    "dateTime": "1972-07-16T13:32:00+0400",
    **_ECHO,
    "traceId": "999999999999",
}
REQUESTS: Mapping[Endpoint, Body] = MappingProxyType(
    {
        Endpoint.ECHO: _ECHO,
        Endpoint.INQUIRE: {**_COLLECTOR, "instantMessage": "en-CA", "postTaxBasketAmount": "16.12"},
        Endpoint.REDEEM: {
            **_COLLECTOR,
            "dollarRedeemRequest": "16.12",
            "instantMessage": "en-CA",
            "originalPostTaxBasketAmount": "16.12",
            "originalPreTaxAmount": "16.12",
            "postTaxBasketAmount": "16.12",
        },
        Endpoint.REVERSE: {**_COLLECTOR, "redemptionConfirmationNum": "10000000000"},
    }
)

_PUBLISHED_OFFER = {
    "offerDescEn": "Sample offer description in English.",
    "offerDescFr": "Exemple de description de l'offre en français.",
    "offerId": "1111111111",
    "offerType": "RGL",
}
_PUBLISHED = {
    "deviceId": "001",
    "message": "Approved",
    "responseCode": "0000",
    "sponsorCode": "1234",
    "storeId": "0001",
    "traceId": "000012345678",
}
_PUBLISHED_COLLECTOR = {
    **_PUBLISHED,
    "acquirerId": "100000",
    "availableCashBalance": "95",
    "availableDollarAmount": "10",
    "cashBalance": "120",
    "collectorNumber": "80000000001",
    "dateTime": "2019-01-30T04:39:59.503-0400",
    "dreamBalance": "550",
    "unitValueAMCash": "95",
    "unitValueDollars": "10.00",
}
PUBLISHED_ANSWERS: Mapping[Endpoint, Body] = MappingProxyType(
    {
        Endpoint.ECHO: {**_PUBLISHED, "transDateTime": "2019-01-30T03:59:03", "vendorId": "1234567890"},
        Endpoint.INQUIRE: {
            **_PUBLISHED_COLLECTOR,
            **_PUBLISHED_OFFER,
            "availableOfferUnits": "1",
            "collectorNumber": "1234567890123456789",
            "dailyOfferLimit": "10",
            "dreamBalance": "545",
            "transDateTime": "2019-01-30T11:41:55",
            "vendorId": "555555",
        },
        Endpoint.REDEEM: {
            **_PUBLISHED_COLLECTOR,
            **_PUBLISHED_OFFER,
            "dailyOfferLimit": "10",
            "milesRedeemed": "95",
            "transDateTime": "2018-10-27T02:25:10",
            "txnConfirmationNumber": "0000",
            "unitsRedeemed": "1",
            "vendorId": "555555",
        },
        Endpoint.REVERSE: {
            **_PUBLISHED_COLLECTOR,
            "milesReversed": "95",
            "transDateTime": "2019-01-30T04:39:59",
            "txnConfirmationNumber": "0000",
            "unitsReversed": "1",
            "unitValueDollars": "10",
            "vendorId": "1234567890",
        },
    }
)

# --- what the ledger holds: chosen so that the samples' own numbers come out ----------------------------------------

_ZONE = ZoneInfo("America/Toronto")
_NOW = datetime(2019, 1, 30, 11, 41, 55, tzinfo=_ZONE).astimezone(UTC)
_SPONSOR = SponsorCode("LOY1")
_NUMBER = CollectorNumber("84095202006")
_SCOPE = wire.Scope({_SPONSOR: Sponsor(_SPONSOR, "Loyal Grocer", frozenset({"100087"}), frozenset({"100000"}))})
_CONFIRMATION = ConfirmationNumber("4301775582093164")
_UNIT_MILES, _UNIT_CENTS = Miles(95), Cents(10_00)
_CAP = Cents(100_00)
_PROGRAMME = Programme(
    name="AM Cash",
    zone=_ZONE,
    currency="CAD",
    cap_day_starts=time(3),
    file_day_starts=time(0),
    reversal_until=time(3),
    daily_cap=_CAP,
    over_request=OverRequest.DECLINE,
    check_digit=False,
)
_TERMS = Terms(
    offer_id=_PUBLISHED_OFFER["offerId"],
    offer_type=_PUBLISHED_OFFER["offerType"],
    unit_miles=_UNIT_MILES,
    unit_cents=_UNIT_CENTS,
    description_en=_PUBLISHED_OFFER["offerDescEn"],
    description_fr=_PUBLISHED_OFFER["offerDescFr"],
)


def _redemption(at: datetime) -> Redemption:
    return Redemption(
        collector=_NUMBER,
        confirmation=ConfirmationNumber(REQUESTS[Endpoint.REVERSE]["redemptionConfirmationNum"]),
        sponsor=_SPONSOR,
        at=at,
        cap_day=calendar.cap_day(at, _PROGRAMME),
        units=Units(1),
        miles=_UNIT_MILES,
        cents=_UNIT_CENTS,
        unit_miles=_UNIT_MILES,
        unit_cents=_UNIT_CENTS,
        offer_id=_TERMS.offer_id,
    )


def _standing(endpoint: Endpoint) -> Standing:
    """Return the ledger before the sample's request: after it, 120 miles, and 10 of the day's 100 dollars left."""
    cash, used, dream = {
        Endpoint.INQUIRE: (120, 90_00, 545),
        Endpoint.REDEEM: (120 + _UNIT_MILES, 80_00, 550),
        Endpoint.REVERSE: (120 - _UNIT_MILES, 100_00, 550),
    }[endpoint]
    collector = Collector(
        _NUMBER,
        active=True,
        show_balances=True,
        allow_redemption=True,
        cash=Miles(cash),
        dream=Miles(dream),
        transfers=2,
        chain=bytes(32),
    )
    redemption = _redemption(_NOW - timedelta(hours=1)) if endpoint is Endpoint.REVERSE else None
    return Standing(_PROGRAMME, _TERMS, collector, Cents(used), redemption=redemption)


# --- the situations -------------------------------------------------------------------------------------------------

_ANY = frozenset({Endpoint.INQUIRE, Endpoint.REDEEM, Endpoint.REVERSE})
_OFFERED = frozenset({Endpoint.INQUIRE, Endpoint.REDEEM})
_KEYED = frozenset({Endpoint.REDEEM, Endpoint.REVERSE})
_INQUIRE = frozenset({Endpoint.INQUIRE})
_REDEEM = frozenset({Endpoint.REDEEM})
_REVERSE = frozenset({Endpoint.REVERSE})


@dataclass(frozen=True, slots=True)
class _Situation:
    """What differs from the sample: of the request, of the collector's account, of all else the rules look at."""

    endpoints: frozenset[Endpoint]
    summary: str
    variant: str = ""
    sent: Body = field(default_factory=dict)
    account: Mapping[str, Any] = field(default_factory=dict)
    standing: Mapping[str, Any] = field(default_factory=dict)


_EARLIER = Recorded(
    key=OutcomeKey(_NUMBER, _SPONSOR, Endpoint.REDEEM, "ka-key"),
    digest=b"of another request",
    command=None,
    outcome=Outcome(Code.APPROVED, _NOW),
)
_SITUATIONS = (
    _Situation(_ANY, "approved"),
    _Situation(_INQUIRE, "the day's cap is used up: no offer", "-cap-used", standing={"used": _CAP}),
    _Situation(_INQUIRE, "the basket is smaller than one unit", "-small-basket", sent={"postTaxBasketAmount": "6.12"}),
    _Situation(_ANY, "approved, but no balance may be shown", account={"show_balances": False}),
    _Situation(_ANY, "the account is not active", account={"active": False}),
    _Situation(_ANY, "the card number was typed in", sent={"cardEntryMode": "MANUAL"}),
    _Situation(_ANY, "there is no such collector", standing={"collector": None}),
    _Situation(
        _OFFERED,
        "no redemption, and no balance may be shown",
        account={"allow_redemption": False, "show_balances": False},
    ),
    _Situation(_OFFERED, "the collector allows no redemption", account={"allow_redemption": False}),
    _Situation(_OFFERED, "no offer is in force", standing={"terms": None}),
    _Situation(_REDEEM, "the basket is smaller than one unit", sent={"postTaxBasketAmount": "6.12"}),
    _Situation(_OFFERED, "too few miles", account={"cash": Miles(20)}),
    _Situation(
        _OFFERED,
        "the same for a display in French",
        "-fr",
        sent={"instantMessage": "fr-CA"},
        account={"cash": Miles(20)},
    ),
    _Situation(_REDEEM, "the day's cap is used up", standing={"used": _CAP}),
    _Situation(_REVERSE, "unknown, another's, or already reversed or cancelled", standing={"redemption": None}),
    _Situation(_REVERSE, "after the window", standing={"redemption": _redemption(_NOW - timedelta(days=2))}),
    _Situation(_REDEEM, "less than one unit was asked for", "-below-one-unit", sent={"dollarRedeemRequest": "6.12"}),
    _Situation(_KEYED, "the key was used for another request", "-key-reused", standing={"recorded": _EARLIER}),
)


def answers(endpoint: Endpoint) -> tuple[Example, ...]:
    """Return an answer for everything that can happen to a request at `endpoint`; names are unique within a status."""
    found = [*_machinery(endpoint), *_decided(endpoint)]
    published = "as the library prints it; a till copes with both"
    found.append(
        Example("0000-published", f"0000: {published}", HTTPStatus.OK, Code.APPROVED, PUBLISHED_ANSWERS[endpoint])
    )
    return tuple(sorted(found, key=lambda example: (example.status, example.code or "", example.name)))


def _decided(endpoint: Endpoint) -> Iterator[Example]:
    if endpoint is Endpoint.ECHO:
        command = _command(endpoint, {})
        assert isinstance(command, Echo)
        yield _example("", "ready", encode(command, rules.echo(command, _NOW), _PROGRAMME))
        return
    for situation in _SITUATIONS:
        if endpoint not in situation.endpoints:
            continue
        command = _command(endpoint, situation.sent)
        standing = _standing(endpoint)
        if situation.account:
            standing = replace(standing, collector=replace(standing.account, **situation.account))
        outcome = _decide(command, replace(standing, **situation.standing))
        yield _example(situation.variant, situation.summary, encode(command, outcome, _PROGRAMME))


def _decide(command: Command, standing: Standing) -> Outcome:
    if isinstance(command, Echo):
        return rules.echo(command, _NOW)
    if isinstance(command, Inquire):
        return rules.inquire(command, standing, _NOW)
    if isinstance(command, Redeem):
        return rules.redeem(command, standing, _NOW, _CONFIRMATION).outcome
    return rules.reverse(command, standing, _NOW).outcome


def _machinery(endpoint: Endpoint) -> Iterator[Example]:
    """Yield what is answered without deciding anything (R-ORDER 1 to 3, R-TIME-1)."""
    command = _command(endpoint, {})
    yield _example("no-token", "no valid bearer token: no response code", encode_no_token(endpoint))
    for code, summary in (
        (Code.OUTAGE, "closed for maintenance"),
        (Code.TIMEOUT, "no answer in time"),
        (Code.SERVER_ERROR, "something broke"),
    ):
        yield _example("", summary, encode(command, Outcome(code, _NOW), _PROGRAMME))
    malformed = wire.decode(endpoint, msgspec.json.encode({**REQUESTS[endpoint], "storeId": ""}), scope=_SCOPE)
    assert isinstance(malformed, wire.Rejection)
    yield _example("", "a parameter is wrong", encode_rejection(malformed, _NOW, _PROGRAMME))
    too_large = encode_rejection(wire.Rejection(endpoint, wire.BODY_TOO_LARGE, {}), _NOW, _PROGRAMME)
    yield _example("-too-large", "the body is too large", Answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, too_large.body))


def _command(endpoint: Endpoint, change: Body) -> Command:
    command = wire.decode(endpoint, msgspec.json.encode({**REQUESTS[endpoint], **change}), scope=_SCOPE)
    assert not isinstance(command, wire.Rejection)
    return command


def _example(variant: str, summary: str, answer: Answer) -> Example:
    body: dict[str, str] = msgspec.json.decode(answer.body)
    code = Code(body["responseCode"]) if "responseCode" in body else None
    name = f"{code or ''}{variant}"
    return Example(name, f"{code}: {summary}" if code else summary, answer.status, code, body)
