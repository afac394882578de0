"""`/till/words`: what cashier and collector read, for the page. Every word comes from `dialogue`, or from `menus`.

`GET` tells the till's own screens, in both languages. `POST` tells everything about one answer:

    {"endpoint": "inquire", "answer": {…} or null, "language": "en", "basket": "43.50", "retried": false, "columns": 40}

    {"screen": {"title": …, "lines": […], "keys": [{"press", "action", "label"}], "rows": […], "advice": …},
     "resend": false, "choice": {"screen": {…}, "amounts": [{"units", "dollars", "label", "row"}]} or null,
     "discount": "40.00" or null, "receipt": […]}

What is not understood is answered 400 with the name of the member (RFC 9457).
"""

import re
from dataclasses import dataclass, replace
from http import HTTPStatus
from types import MappingProxyType
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from amcash.dialogue.amounts import cents, choice, money
from amcash.dialogue.answers import APPROVALS, Answer, Endpoint, Language, situation
from amcash.dialogue.receipts import RECEIPT_COLUMNS, RECEIPT_COLUMNS_MIN, receipt
from amcash.dialogue.screens import ROWS, Action, Screen, amount_screen, screen
from amcash.dialogue.words import PHRASES
from amcash.till.menus import MENUS, OK_ROWS

BODY_BYTES_MAX = 16 * 1024
RECEIPT_COLUMNS_MAX = 80
AMOUNTS_MAX = 500
"""How many amounts are listed for a choice; a sale for more is asked for in dollars."""

_DOLLARS = r"[0-9]{1,13}(\.[0-9]{1,2})?"
_COUNT = r"[0-9]{1,13}"
_AMOUNTS = MappingProxyType(
    {
        "availableDollarAmount": _DOLLARS,
        "availableOfferUnits": _COUNT,
        "dailyOfferLimit": _COUNT,
        "unitValueAMCash": _COUNT,
        "unitValueDollars": _DOLLARS,
        "unitsRedeemed": _COUNT,
        "unitsReversed": _COUNT,
    }
)
"""What an answer is reckoned with."""


_ENTER_ROW = -2
"""Of `amount_screen`: what `ENTER` takes."""


class Question(Struct, forbid_unknown_fields=True):
    """What the page asks."""

    endpoint: Endpoint
    answer: dict[str, str] | None
    language: Language
    basket: Annotated[str, Meta(pattern=f"^{_DOLLARS}$")] | None = None
    retried: bool = False
    columns: Annotated[int, Meta(ge=RECEIPT_COLUMNS_MIN, le=RECEIPT_COLUMNS_MAX)] = RECEIPT_COLUMNS


@dataclass(frozen=True, slots=True)
class Amount:
    """One of the amounts that a cashier may choose: what to send, and what says so on a button and on a terminal."""

    units: int
    dollars: str
    label: str
    row: str


@dataclass(frozen=True, slots=True)
class Choosing:
    """The question for another amount, and its answers from one unit up."""

    screen: Screen
    amounts: tuple[Amount, ...]


@dataclass(frozen=True, slots=True)
class Words:
    """What to show, to print and to do next."""

    screen: Screen
    resend: bool
    choice: Choosing | None
    discount: str | None
    """What an approved redemption takes off the price, in dollars."""
    receipt: tuple[str, ...]


class QuestionError(ValueError):
    """A question that cannot be answered: which member, and why."""

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(detail)
        self.field = field
        self.detail = detail


class Problem(Struct, omit_defaults=True):
    """RFC 9457, with the name of the member."""

    title: str
    status: int
    field: str
    detail: str


def menus() -> bytes:
    """Return the till's own screens, by language and name."""
    return msgspec.json.encode({language: dict(screens) for language, screens in MENUS.items()})


def words(body: bytes) -> tuple[HTTPStatus, bytes]:
    """Return the status and body for a question."""
    try:
        return HTTPStatus.OK, msgspec.json.encode(_words(_question(body)))
    except QuestionError as error:
        status = HTTPStatus.BAD_REQUEST
        return status, msgspec.json.encode(Problem(status.phrase, int(status), error.field, error.detail))


def _question(body: bytes) -> Question:
    try:
        question = msgspec.json.decode(body, type=Question)
    except msgspec.ValidationError as error:
        raise _named(str(error)) from None
    except msgspec.DecodeError as error:
        raise QuestionError("", f"the body must be a JSON object: {error}") from None
    for name, form in _AMOUNTS.items():
        value = (question.answer or {}).get(name)
        if value is not None and not re.fullmatch(form, value):
            raise QuestionError(f"answer.{name}", f"answer.{name} must be an amount as the API writes it")
    if cents((question.answer or {}).get("unitValueDollars", "1")) == 0:
        raise QuestionError("answer.unitValueDollars", "answer.unitValueDollars must not be zero")
    return question


def _named(told: str) -> QuestionError:
    """Return the decoder's sentence with the member that it is about: `…field `x`` or `… - at `$.x``."""
    sentence, _, place = told.partition(" - at `$")
    where = place.rstrip("`").lstrip(".").replace("[...]", "")
    member = re.search(r"field `([^`]+)`$", sentence)
    field = ".".join(part for part in (where, member[1] if member else "") if part)
    return QuestionError(field, f"{field}: {sentence}" if field else sentence)


def _words(question: Question) -> Words:
    answer, language = question.answer, question.language
    try:
        shown = screen(question.endpoint, answer, language, basket=question.basket, retried=question.retried)
        offers = question.endpoint is Endpoint.INQUIRE and answer is not None
        return Words(
            screen=_with_ok(shown, language),
            resend=shown.advice.resend,
            choice=_choosing(answer, question.basket, language) if offers and answer is not None else None,
            discount=_discount(question.endpoint, answer),
            receipt=() if answer is None else receipt(question.endpoint, answer, language, columns=question.columns),
        )
    except KeyError as error:
        (name,) = error.args
        raise QuestionError(f"answer.{name}", f"answer.{name} is missing: an approval has it") from None


def _with_ok(shown: Screen, language: Language) -> Screen:
    only_ok = [key.action for key in shown.keys] == [Action.OK]
    return replace(shown, rows=(*shown.rows, OK_ROWS[language])) if only_ok and len(shown.rows) < ROWS else shown


def _choosing(inquired: Answer, basket: str | None, language: Language) -> Choosing | None:
    chosen = choice(inquired, basket)
    if chosen is None:
        return None
    label = PHRASES[language].redeem
    amounts = tuple(
        Amount(
            units,
            chosen.dollars(units),
            label.format(dollars=money(chosen.cents(units), language)),
            amount_screen(replace(chosen, most=units), language).rows[_ENTER_ROW],
        )
        for units in range(1, min(chosen.most, AMOUNTS_MAX) + 1)
    )
    return Choosing(amount_screen(chosen, language), amounts)


def _discount(endpoint: Endpoint, answer: Answer | None) -> str | None:
    if endpoint is not Endpoint.REDEEM or answer is None or situation(answer) not in APPROVALS:
        return None
    taken = int(answer["unitsRedeemed"]) * cents(answer["unitValueDollars"])
    return f"{taken // 100}.{taken % 100:02}"
