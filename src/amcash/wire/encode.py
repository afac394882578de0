"""From an outcome to status and body (R-WIRE-5 to R-WIRE-7, R-WIRE-9): what `messages` describes, and tests hold to."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
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
_SECONDS_REMEMBERED = 64
"""All answers of a second carry the same local time; a retry's is an older one."""


@dataclass(slots=True)
class Answer:
    """An HTTP status and a JSON body."""

    status: HTTPStatus
    body: bytes


def encode(command: Command, outcome: Outcome, programme: Programme) -> Answer:
    """Write the answer to a command.

    A `0035` and a 5xx repeat only the identifiers; every other answer repeats all that was sent (R-WIRE-5).
    """
    row = TABLE[outcome.code]
    message = _message(row.message(command.endpoint, command.language), outcome.fault, command.language)
    if outcome.code is Code.INVALID_PARAMETER or row.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return _refusal(outcome.code, message, command.sent, outcome.at, programme)
    said = {
        **command.sent,
        "message": message,
        "responseCode": outcome.code,
        "transDateTime": _local_time(outcome.at, programme),
        **_balances(outcome.balances),
        **_offer(outcome.terms),
        **_results(command.endpoint, outcome),
    }
    return Answer(row.status, _ENCODER.encode(said))


def encode_rejection(rejection: Rejection, at: datetime, programme: Programme) -> Answer:
    """Write the `0035` for a request that is not one."""
    return encode_refusal(rejection, Code.INVALID_PARAMETER, at, programme, fault=rejection.fault)


def encode_refusal(
    request: Command | Rejection, code: Code, at: datetime, programme: Programme, fault: Fault | None = None
) -> Answer:
    """Write an answer that was given without deciding anything: what did parse, and the code (R-WIRE-5)."""
    words = TABLE[code].message(request.endpoint, request.language)
    return _refusal(code, _message(words, fault, request.language), request.sent, at, programme)


def encode_no_token(endpoint: Endpoint) -> Answer:
    """Write the answer to a stranger: a message, and nothing about the body (R-ORDER-1)."""
    body = _ENCODER.encode(NoTokenResponse(no_token_message(endpoint)))
    return Answer(HTTPStatus.UNAUTHORIZED, body)


def _refusal(code: Code, message: str, sent: Mapping[str, str], at: datetime, programme: Programme) -> Answer:
    said = {
        **{name: value for name, value in sent.items() if name in IDENTIFIERS},
        "message": message,
        "responseCode": code,
        "transDateTime": _local_time(at, programme),
    }
    return Answer(TABLE[code].status, _ENCODER.encode(said))


def _message(words: str, fault: Fault | None, language: Language) -> str:
    if fault is None:
        return words
    why = fault.fr if language is Language.FR else fault.en
    return f"{words}: {fault.parameter} {why}"


def _local_time(at: datetime, programme: Programme) -> str:
    return _local_second(int(at.timestamp()), programme)


@lru_cache(maxsize=_SECONDS_REMEMBERED)
def _local_second(second: int, programme: Programme) -> str:
    at = datetime.fromtimestamp(second, UTC)
    return calendar.local(at, programme).replace(tzinfo=None).isoformat(timespec="seconds")


def _two_decimals(amount: Cents) -> str:
    return f"{amount // 100}.{amount % 100:02}"


def _dollars(amount: Cents) -> str:
    return str(amount // 100) if amount % 100 == 0 else _two_decimals(amount)


def _balances(balances: Balances | None) -> dict[str, str]:
    if balances is None:
        return {}
    fields = {"cashBalance": str(balances.cash), "dreamBalance": str(balances.dream)}
    if balances.available is not None and balances.available_cents is not None:
        fields["availableCashBalance"] = str(balances.available)
        fields["availableDollarAmount"] = _dollars(balances.available_cents)
    return fields


def _offer(terms: Terms | None) -> dict[str, str]:
    if terms is None:
        return {}
    fields = {
        "offerDescEn": terms.description_en,
        "offerDescFr": terms.description_fr,
        "offerId": terms.offer_id,
        "offerType": terms.offer_type,
        "unitValueAMCash": str(terms.unit_miles),
        "unitValueDollars": _two_decimals(terms.unit_cents),
    }
    return {name: value for name, value in fields.items() if value}  # an empty element is left out (R-WIRE-5)


def _results(endpoint: Endpoint, outcome: Outcome) -> dict[str, str]:
    fields: dict[str, str] = {}
    if outcome.available_units is not None:
        fields["availableOfferUnits"] = str(outcome.available_units)
    if outcome.daily_limit is not None:
        fields["dailyOfferLimit"] = str(outcome.daily_limit)
    if outcome.confirmation is not None:
        verb = "Redeemed" if endpoint is Endpoint.REDEEM else "Reversed"
        fields["txnConfirmationNumber"] = outcome.confirmation
        fields[f"units{verb}"] = str(outcome.units)
        fields[f"miles{verb}"] = str(outcome.miles)
    if outcome.unit_miles is not None and outcome.unit_cents is not None:
        fields["unitValueAMCash"] = str(outcome.unit_miles)
        fields["unitValueDollars"] = _two_decimals(outcome.unit_cents)
    return fields
