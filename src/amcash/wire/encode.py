"""From an outcome to status and body (R-WIRE-5 to R-WIRE-7, R-WIRE-9): what `messages` describes, and tests hold to."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from http import HTTPStatus

import msgspec

from amcash.domain import calendar
from amcash.domain.codes import TABLE, Code, Endpoint, no_token_message
from amcash.domain.commands import Command
from amcash.domain.outcomes import Balances, Fault, Outcome
from amcash.domain.vocabulary import Cents, Language, Programme, Terms
from amcash.wire.decode import Rejection
from amcash.wire.messages import IDENTIFIERS, NoTokenResponse

_ENCODER = msgspec.json.Encoder(order="sorted")
_WORDS = {
    (row.code, endpoint, language): row.message(endpoint, language)
    for row in TABLE.values()
    for endpoint in Endpoint
    for language in Language
}
_REPEATS_IDENTIFIERS_ONLY = frozenset(
    row.code
    for row in TABLE.values()
    if row.code is Code.INVALID_PARAMETER or row.status >= HTTPStatus.INTERNAL_SERVER_ERROR
)
_COUNTED = {
    Endpoint.REDEEM: ("unitsRedeemed", "milesRedeemed"),
    Endpoint.REVERSE: ("unitsReversed", "milesReversed"),
}
_OFFERS_REMEMBERED = 64


@dataclass(slots=True)
class Answer:
    """An HTTP status and a JSON body."""

    status: HTTPStatus
    body: bytes


def encode(command: Command, outcome: Outcome, programme: Programme) -> Answer:
    """Write the answer to a command.

    A `0035` and a 5xx repeat only the identifiers; every other answer repeats all that was sent (R-WIRE-5).
    """
    code = outcome.code
    message = _message(command, code, outcome.fault)
    if code in _REPEATS_IDENTIFIERS_ONLY:
        return _refusal(code, message, command.sent, outcome.at, programme)
    said = {
        **command.sent,
        "message": message,
        "responseCode": code,
        "transDateTime": calendar.wall_clock(outcome.at, programme),
    }
    if outcome.balances is not None:
        _say_balances(said, outcome.balances)
    if outcome.terms is not None:
        said.update(_offer(outcome.terms))
    _say_results(said, command.endpoint, outcome)
    return Answer(TABLE[code].status, _ENCODER.encode(said))


def encode_rejection(rejection: Rejection, at: datetime, programme: Programme) -> Answer:
    """Write the `0035` for a request that is not one."""
    return encode_refusal(rejection, Code.INVALID_PARAMETER, at, programme, fault=rejection.fault)


def encode_refusal(
    request: Command | Rejection, code: Code, at: datetime, programme: Programme, fault: Fault | None = None
) -> Answer:
    """Write an answer that was given without deciding anything: what did parse, and the code (R-WIRE-5)."""
    return _refusal(code, _message(request, code, fault), request.sent, at, programme)


def encode_no_token(endpoint: Endpoint) -> Answer:
    """Write the answer to a stranger: a message, and nothing about the body (R-ORDER-1)."""
    body = _ENCODER.encode(NoTokenResponse(no_token_message(endpoint)))
    return Answer(HTTPStatus.UNAUTHORIZED, body)


def _refusal(code: Code, message: str, sent: Mapping[str, str], at: datetime, programme: Programme) -> Answer:
    said = {
        **{name: value for name, value in sent.items() if name in IDENTIFIERS},
        "message": message,
        "responseCode": code,
        "transDateTime": calendar.wall_clock(at, programme),
    }
    return Answer(TABLE[code].status, _ENCODER.encode(said))


def _message(request: Command | Rejection, code: Code, fault: Fault | None) -> str:
    words = _WORDS[code, request.endpoint, request.language]
    if fault is None:
        return words
    why = fault.fr if request.language is Language.FR else fault.en
    return f"{words}: {fault.parameter} {why}"


def _two_decimals(amount: Cents) -> str:
    return f"{amount // 100}.{amount % 100:02}"


def _dollars(amount: Cents) -> str:
    return str(amount // 100) if amount % 100 == 0 else _two_decimals(amount)


def _say_balances(said: dict[str, str], balances: Balances) -> None:
    said["cashBalance"] = str(balances.cash)
    said["dreamBalance"] = str(balances.dream)
    if balances.available is not None and balances.available_cents is not None:
        said["availableCashBalance"] = str(balances.available)
        said["availableDollarAmount"] = _dollars(balances.available_cents)


@lru_cache(maxsize=_OFFERS_REMEMBERED)
def _offer(terms: Terms) -> Mapping[str, str]:
    fields = {
        "offerDescEn": terms.description_en,
        "offerDescFr": terms.description_fr,
        "offerId": terms.offer_id,
        "offerType": terms.offer_type,
        "unitValueAMCash": str(terms.unit_miles),
        "unitValueDollars": _two_decimals(terms.unit_cents),
    }
    return {name: value for name, value in fields.items() if value}  # an empty element is left out (R-WIRE-5)


def _say_results(said: dict[str, str], endpoint: Endpoint, outcome: Outcome) -> None:
    if outcome.available_units is not None:
        said["availableOfferUnits"] = str(outcome.available_units)
    if outcome.daily_limit is not None:
        said["dailyOfferLimit"] = str(outcome.daily_limit)
    if outcome.confirmation is not None:
        units, miles = _COUNTED[endpoint]
        said["txnConfirmationNumber"] = outcome.confirmation
        said[units] = str(outcome.units)
        said[miles] = str(outcome.miles)
    if outcome.unit_miles is not None and outcome.unit_cents is not None:
        said["unitValueAMCash"] = str(outcome.unit_miles)
        said["unitValueDollars"] = _two_decimals(outcome.unit_cents)
