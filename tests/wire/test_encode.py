"""Outcomes as bytes: which elements an answer has, and how they are written (R-WIRE-5 to R-WIRE-9)."""

import json

import msgspec
import pytest

from amcash.domain.codes import TABLE, Code, Endpoint
from amcash.domain.outcomes import Balances, Basis, Fault, Outcome
from amcash.domain.rules import KEY_REUSED
from amcash.domain.vocabulary import Language
from amcash.wire.decode import Rejection
from amcash.wire.encode import encode, encode_no_token, encode_refusal, encode_rejection
from amcash.wire.messages import RESPONSES, EchoResponse, NoTokenResponse
from domain.examples import NOON, NUMBER, echo, inquire, programme, redeem, reverse, terms

BALANCES = Balances(120, 545, 95, 1000)
FRENCH = {"language": Language.FR, "instantMessage": "fr-CA"}

# (what is said, to what) and the very bytes.
PAIRS = {
    "echo": (
        echo(),
        Outcome(Code.APPROVED, NOON),
        200,
        (
            b'{"deviceId":"001","message":"Approved","responseCode":"0000","sponsorCode":"LOY1",'
            b'"storeId":"0001","traceId":"000012345678","transDateTime":"2026-06-15T12:00:00",'
            b'"vendorId":"100087"}'
        ),
    ),
    "inquire 0000": (
        inquire(),
        Outcome(Code.APPROVED, NOON, balances=BALANCES, terms=terms(), available_units=1, daily_limit=75),
        200,
        (
            b'{"acquirerId":"100000","availableCashBalance":"95","availableDollarAmount":"10",'
            b'"availableOfferUnits":"1","cardEntryMode":"SWIPE","cashBalance":"120",'
            b'"collectorNumber":"84095202006","dailyOfferLimit":"75","dateTime":"1972-07-16T13:32:00+0400",'
            b'"deviceId":"001","dreamBalance":"545","message":"Approved",'
            b'"offerDescEn":"95 Cash Miles = $10 off","offerDescFr":"95 milles Argent = 10 $ de rabais",'
            b'"offerId":"1111111111","offerType":"RGL","postTaxBasketAmount":"16.12","responseCode":"0000",'
            b'"sponsorCode":"LOY1","storeId":"0001","traceId":"999999999999",'
            b'"transDateTime":"2026-06-15T12:00:00","unitValueAMCash":"95","unitValueDollars":"10.00",'
            b'"vendorId":"100087"}'
        ),
    ),
    "inquire 0000, zero is neither null nor empty": (
        inquire(basket=0),
        Outcome(
            Code.APPROVED,
            NOON,
            balances=Balances(0, 0, 0, 0),
            terms=terms(),
            available_units=0,
            daily_limit=0,
        ),
        200,
        (
            b'{"acquirerId":"100000","availableCashBalance":"0","availableDollarAmount":"0",'
            b'"availableOfferUnits":"0","cardEntryMode":"SWIPE","cashBalance":"0",'
            b'"collectorNumber":"84095202006","dailyOfferLimit":"0","dateTime":"1972-07-16T13:32:00+0400",'
            b'"deviceId":"001","dreamBalance":"0","message":"Approved",'
            b'"offerDescEn":"95 Cash Miles = $10 off","offerDescFr":"95 milles Argent = 10 $ de rabais",'
            b'"offerId":"1111111111","offerType":"RGL","postTaxBasketAmount":"0.00","responseCode":"0000",'
            b'"sponsorCode":"LOY1","storeId":"0001","traceId":"999999999999",'
            b'"transDateTime":"2026-06-15T12:00:00","unitValueAMCash":"95","unitValueDollars":"10.00",'
            b'"vendorId":"100087"}'
        ),
    ),
    "inquire 0051": (
        inquire(),
        Outcome(Code.TOO_FEW_MILES, NOON, balances=Balances(94, 545, 94, 0)),
        202,
        (
            b'{"acquirerId":"100000","availableCashBalance":"94","availableDollarAmount":"0",'
            b'"cardEntryMode":"SWIPE","cashBalance":"94","collectorNumber":"84095202006",'
            b'"dateTime":"1972-07-16T13:32:00+0400","deviceId":"001","dreamBalance":"545",'
            b'"message":"Insufficient AIR MILES reward Miles","postTaxBasketAmount":"16.12",'
            b'"responseCode":"0051","sponsorCode":"LOY1","storeId":"0001","traceId":"999999999999",'
            b'"transDateTime":"2026-06-15T12:00:00","vendorId":"100087"}'
        ),
    ),
    "inquire 0067, nothing to count in": (
        inquire(),
        Outcome(Code.OFFER_UNAVAILABLE, NOON, balances=Balances(120, 545, None, None)),
        408,
        (
            b'{"acquirerId":"100000","cardEntryMode":"SWIPE","cashBalance":"120",'
            b'"collectorNumber":"84095202006","dateTime":"1972-07-16T13:32:00+0400","deviceId":"001",'
            b'"dreamBalance":"545","message":"Offer is temporarily unavailable","postTaxBasketAmount":"16.12",'
            b'"responseCode":"0067","sponsorCode":"LOY1","storeId":"0001","traceId":"999999999999",'
            b'"transDateTime":"2026-06-15T12:00:00","vendorId":"100087"}'
        ),
    ),
    "redeem 0001": (
        redeem(originalPreTaxAmount="14", originalPostTaxBasketAmount="16.1", instantMessage="EN-ca"),
        Outcome(
            Code.APPROVED_SUPPRESSED,
            NOON,
            terms=terms(unit_cents=1050),
            daily_limit=71,
            confirmation="0123456789012345",
            units=1,
            miles=95,
            basis=Basis(0, 0, NOON.date(), 0, 0, None, None, reduce=False),
        ),
        202,
        (
            b'{"acquirerId":"100000","cardEntryMode":"SWIPE","collectorNumber":"84095202006",'
            b'"dailyOfferLimit":"71","dateTime":"1972-07-16T13:32:00+0400","deviceId":"001",'
            b'"dollarRedeemRequest":"16.12","instantMessage":"EN-ca",'
            b'"message":"Approved - balance suppressed","milesRedeemed":"95",'
            b'"offerDescEn":"95 Cash Miles = $10 off","offerDescFr":"95 milles Argent = 10 $ de rabais",'
            b'"offerId":"1111111111","offerType":"RGL","originalPostTaxBasketAmount":"16.1",'
            b'"originalPreTaxAmount":"14","postTaxBasketAmount":"16.12","responseCode":"0001",'
            b'"sponsorCode":"LOY1","storeId":"0001","traceId":"999999999999",'
            b'"transDateTime":"2026-06-15T12:00:00","txnConfirmationNumber":"0123456789012345",'
            b'"unitValueAMCash":"95","unitValueDollars":"10.50","unitsRedeemed":"1","vendorId":"100087"}'
        ),
    ),
    "redeem 0008 repeats all that was sent": (
        redeem(),
        Outcome(Code.TIMEOUT, NOON),
        408,
        (
            b'{"acquirerId":"100000","cardEntryMode":"SWIPE","collectorNumber":"84095202006",'
            b'"dateTime":"1972-07-16T13:32:00+0400","deviceId":"001","dollarRedeemRequest":"16.12",'
            b'"message":"Transaction timeout","postTaxBasketAmount":"16.12","responseCode":"0008",'
            b'"sponsorCode":"LOY1","storeId":"0001","traceId":"999999999999",'
            b'"transDateTime":"2026-06-15T12:00:00","vendorId":"100087"}'
        ),
    ),
    "redeem 0096 repeats the identifiers": (
        redeem(),
        Outcome(Code.SERVER_ERROR, NOON),
        500,
        (
            b'{"acquirerId":"100000","collectorNumber":"84095202006","deviceId":"001",'
            b'"message":"Server error or no response","responseCode":"0096","sponsorCode":"LOY1",'
            b'"storeId":"0001","traceId":"999999999999","transDateTime":"2026-06-15T12:00:00",'
            b'"vendorId":"100087"}'
        ),
    ),
    "redeem 0035 repeats the identifiers": (
        redeem(),
        Outcome(Code.INVALID_PARAMETER, NOON, fault=KEY_REUSED),
        400,
        (
            b'{"acquirerId":"100000","collectorNumber":"84095202006","deviceId":"001",'
            b'"message":"Invalid request parameter: Idempotency-Key was already used for another request",'
            b'"responseCode":"0035","sponsorCode":"LOY1","storeId":"0001","traceId":"999999999999",'
            b'"transDateTime":"2026-06-15T12:00:00","vendorId":"100087"}'
        ),
    ),
    "reverse 0000, in French": (
        reverse(**FRENCH),
        Outcome(
            Code.APPROVED,
            NOON,
            balances=Balances(120, 545, 95, 750),
            confirmation="4301775582093164",
            units=2,
            miles=140,
            unit_miles=70,
            unit_cents=750,
        ),
        200,
        (
            b'{"acquirerId":"100000","availableCashBalance":"95","availableDollarAmount":"7.50",'
            b'"cardEntryMode":"SWIPE","cashBalance":"120","collectorNumber":"84095202006",'
            b'"dateTime":"1972-07-16T13:32:00+0400","deviceId":"001","dreamBalance":"545",'
            b'"instantMessage":"fr-CA","message":"Approuv\xc3\xa9","milesReversed":"140",'
            b'"redemptionConfirmationNum":"4301775582093164","responseCode":"0000","sponsorCode":"LOY1",'
            b'"storeId":"0001","traceId":"999999999999","transDateTime":"2026-06-15T12:00:00",'
            b'"txnConfirmationNumber":"4301775582093164","unitValueAMCash":"70","unitValueDollars":"7.50",'
            b'"unitsReversed":"2","vendorId":"100087"}'
        ),
    ),
    "reverse 0035, in French": (
        reverse(**FRENCH),
        Outcome(Code.INVALID_PARAMETER, NOON, fault=KEY_REUSED),
        400,
        (
            b'{"acquirerId":"100000","collectorNumber":"84095202006","deviceId":"001",'
            b'"message":"Param\xc3\xa8tre de requ\xc3\xaate invalide: '
            b'Idempotency-Key a d\xc3\xa9j\xc3\xa0 servi \xc3\xa0 une autre requ\xc3\xaate",'
            b'"responseCode":"0035","sponsorCode":"LOY1","storeId":"0001","traceId":"999999999999",'
            b'"transDateTime":"2026-06-15T12:00:00","vendorId":"100087"}'
        ),
    ),
}


@pytest.mark.parametrize(("command", "outcome", "status", "body"), PAIRS.values(), ids=PAIRS)
def test_an_outcome_is_these_bytes_and_these_bytes_are_a_message(command, outcome, status, body):
    answer = encode(command, outcome, programme())
    assert (answer.status, answer.body) == (status, body)
    message = msgspec.json.decode(body, type=RESPONSES[command.endpoint], strict=True)
    assert msgspec.json.encode(message, order="sorted") == body


@pytest.mark.parametrize("code", Code)
@pytest.mark.parametrize("command", [echo(), inquire(), redeem(), reverse()], ids=lambda one: one.endpoint)
def test_only_0035_and_5xx_leave_out_a_parameter_that_was_sent(command, code):
    """R-WIRE-5."""
    answer = encode(command, Outcome(code, NOON), programme())
    values = json.loads(answer.body)
    identifiers = {"acquirerId", "collectorNumber", "deviceId", "sponsorCode", "storeId", "traceId", "vendorId"}
    repeated = {
        name: value
        for name, value in command.sent.items()
        if code not in {"0035", "0092", "0096"} or name in identifiers
    }
    expected = {
        "message": TABLE[code].message(command.endpoint, Language.EN),
        "responseCode": code.value,
        "transDateTime": "2026-06-15T12:00:00",
    }
    assert values == repeated | expected
    assert answer.status == TABLE[code].status
    assert all(isinstance(value, str) for value in values.values())  # R-WIRE-2


def test_an_empty_description_is_left_out():
    """R-WIRE-5."""
    outcome = Outcome(Code.APPROVED, NOON, terms=terms(description_en="", description_fr=""))
    values = json.loads(encode(inquire(), outcome, programme()).body)
    assert not {"offerDescEn", "offerDescFr"} & values.keys()
    assert values["offerId"] == "1111111111"


@pytest.mark.parametrize(
    ("cents", "words"), [(0, "0"), (1000, "10"), (75_000, "750"), (750, "7.50"), (1005, "10.05"), (99, "0.99")]
)
def test_dollars_available_are_whole_when_whole(cents, words):
    """R-WIRE-6."""
    outcome = Outcome(Code.APPROVED, NOON, balances=Balances(1, 1, 1, cents))
    assert json.loads(encode(inquire(), outcome, programme()).body)["availableDollarAmount"] == words


@pytest.mark.parametrize(("cents", "words"), [(1000, "10.00"), (5, "0.05"), (1234, "12.34"), (100_000, "1000.00")])
def test_the_value_of_a_unit_has_two_decimals(cents, words):
    """R-WIRE-6."""
    outcome = Outcome(Code.APPROVED, NOON, terms=terms(unit_cents=cents))
    assert json.loads(encode(inquire(), outcome, programme()).body)["unitValueDollars"] == words


def test_descriptions_come_in_both_languages_whatever_the_language_of_the_message():
    """R-WIRE-9."""
    outcome = Outcome(Code.APPROVED, NOON, terms=terms())
    values = json.loads(encode(inquire(**FRENCH), outcome, programme()).body)
    assert values["message"] == "Approuvé"
    assert values["offerDescEn"] == "95 Cash Miles = $10 off"
    assert values["offerDescFr"] == "95 milles Argent = 10 $ de rabais"


def test_what_the_decision_was_based_on_never_leaves():
    basis = Basis(9, 987_654, NOON.date(), 0, 0, 95, 1000, reduce=False)
    outcome = Outcome(Code.TOO_FEW_MILES, NOON, basis=basis)
    assert b"987654" not in encode(redeem(), outcome, programme()).body


@pytest.mark.parametrize("endpoint", Endpoint)
def test_a_stranger_learns_a_message_and_nothing_else(endpoint):
    """R-ORDER-1."""
    answer = encode_no_token(endpoint)
    assert answer.status == 401
    assert list(json.loads(answer.body)) == ["message"]
    assert "earer token" in msgspec.json.decode(answer.body, type=NoTokenResponse).message


def test_a_rejection_repeats_what_did_parse():
    fault = Fault("storeId", "is required", "est obligatoire")
    sent = {"deviceId": "001", "collectorNumber": NUMBER, "dateTime": "2026-01-01T00:00:00"}
    answer = encode_rejection(Rejection(Endpoint.REDEEM, fault, sent, Language.FR), NOON, programme())
    assert answer.status == 400
    assert json.loads(answer.body) == {
        "collectorNumber": NUMBER,
        "deviceId": "001",
        "message": "Paramètre de requête invalide: storeId est obligatoire",
        "responseCode": "0035",
        "transDateTime": "2026-06-15T12:00:00",
    }
    assert msgspec.json.decode(answer.body, type=EchoResponse, strict=True)


@pytest.mark.parametrize(
    "request_",
    [redeem(), Rejection(Endpoint.REDEEM, Fault("body", "x", "x"), redeem().sent)],
    ids=["command", "rejection"],
)
@pytest.mark.parametrize(
    ("code", "status", "message"),
    [(Code.OUTAGE, 503, "Scheduled outage"), (Code.SERVER_ERROR, 500, "Server error or no response")],
)
def test_a_refusal_without_a_decision_repeats_the_identifiers(request_, code, status, message):
    answer = encode_refusal(request_, code, NOON, programme())
    assert answer.status == status
    values = json.loads(answer.body)
    assert values == {
        "acquirerId": "100000",
        "collectorNumber": NUMBER,
        "deviceId": "001",
        "message": message,
        "responseCode": code.value,
        "sponsorCode": "LOY1",
        "storeId": "0001",
        "traceId": "999999999999",
        "transDateTime": "2026-06-15T12:00:00",
        "vendorId": "100087",
    }
