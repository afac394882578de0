"""What the cashier sees: one screen for every answer, as a pop-up and as a terminal of 20 columns by 4 rows.

The two sizes and the four values of an inquiry are the platform's own (its page "Point-of-Sale Terminal Workflows",
figure 2): miles a unit, dollars a unit, units for this sale, units for the day. Balances never stand on a screen:
they are the collector's, and go on the receipt.
"""

import textwrap
from dataclasses import dataclass
from enum import StrEnum

from amcash.dialogue.amounts import Choice, cents, choice, money
from amcash.dialogue.answers import APPROVALS, Advice, Answer, Endpoint, Language, Situation, advise, situation
from amcash.dialogue.words import CALLING, PHRASES, RESENDING, SITUATIONS, TITLES, Phrases, Words, said

COLUMNS = 20
ROWS = 4


class Action(StrEnum):
    """What a key does."""

    OK = "ok"
    """Leave the screen."""
    REDEEM = "redeem"
    """Redeem what the screen proposes: `Choice.most` units."""
    OTHER_AMOUNT = "other amount"
    """Ask for the units: `amount_screen`."""
    ADD_ITEMS = "add items"
    """Back to the sale, then inquire again."""
    NO = "no"
    """Go on with the sale without a redemption."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key of the terminal, or a button of the pop-up."""

    press: str
    """A digit, or `ENTER`."""
    action: Action
    label: str
    """What a button says."""


@dataclass(frozen=True, slots=True)
class Screen:
    """What a cashier sees. The pop-up and the terminal say the same, as far as there is room."""

    title: str
    """Of the pop-up."""
    lines: tuple[str, ...]
    """Of the pop-up: sentences of any length."""
    keys: tuple[Key, ...]
    """None while the till acts by itself."""
    rows: tuple[str, ...]
    """Of the terminal: at most `ROWS`, none wider than `COLUMNS`."""
    advice: Advice


_OK = Key("ENTER", Action.OK, "OK")
_GO = Advice.PROCEED


def screen(
    endpoint: Endpoint, answer: Answer | None, language: Language, *, basket: str | None = None, retried: bool = False
) -> Screen:
    """Return what the cashier sees when an answer, or none, has come.

    Args:
        endpoint: what was asked.
        answer: the body; None when nothing came back, or nothing that the API could have sent.
        language: the cashier's.
        basket: what the sale costs now, such as `43.50`, where that may differ from what was inquired about.
        retried: whether this very request was already sent again.

    Raises:
        KeyError: an approval lacks an amount.
        ValueError: an amount is no number.
    """
    met = situation(answer)
    message = said(endpoint, met, language)
    if answer is None or met not in APPROVALS:
        lines = (message, *_detail(answer, message))
        return _refusal(endpoint, met, lines, language, advise(met, retried=retried))
    phrases = PHRASES[language]
    if endpoint == Endpoint.ECHO:
        return Screen(TITLES[language][endpoint], (message, phrases.ready), (_OK,), _rows(message, phrases.ready), _GO)
    if endpoint == Endpoint.INQUIRE:
        chosen = choice(answer, basket)
        if chosen is None:
            lines, rows = (message, phrases.nothing), _rows(message, *phrases.nothing_rows)
            return Screen(TITLES[language][endpoint], lines, (_OK,), rows, Advice.DO_NOT_PROMPT)
        return _offer(answer, chosen, message, language)
    return _done(endpoint, answer, message, language)


def amount_screen(chosen: Choice, language: Language) -> Screen:
    """Return the question for another amount. The cashier types units; `ENTER` alone takes the most."""
    phrases = PHRASES[language]
    figures = {"most": str(chosen.most), "dollars": money(chosen.cents(chosen.most), language)}
    lines = (phrases.how_many.format(**figures), _rate(chosen, language))
    keys = (
        Key("ENTER", Action.REDEEM, phrases.redeem.format(**figures)),
        Key("0", Action.NO, phrases.no),
    )
    rows = _rows(
        phrases.how_many_row, _fit(phrases.most_rows, figures), _fit(phrases.enter_rows, figures), phrases.no_key
    )
    return Screen(TITLES[language][Endpoint.REDEEM], lines, keys, rows, _GO)


def _detail(answer: Answer | None, message: str) -> tuple[str, ...]:
    """Return the sentence of a `0035` that names the parameter (R-WIRE-4): whoever mends the till asks for it."""
    if answer is None or answer.get("responseCode") != Situation.INVALID_PARAMETER:
        return ()
    told = answer.get("message", message)
    return () if told == message else (told,)


def _refusal(
    endpoint: Endpoint, met: Situation, said_lines: tuple[str, ...], language: Language, advice: Advice
) -> Screen:
    words = SITUATIONS[language][met]
    act = Words(rows=words.rows)
    keys: tuple[Key, ...] = (_OK,)
    if advice.resend:
        act, keys = RESENDING[language][advice], ()
    elif advice is Advice.CALL:
        act = CALLING[language][endpoint]
    elif advice is Advice.ADD_ITEMS:
        phrases = PHRASES[language]
        keys = (Key("1", Action.ADD_ITEMS, phrases.add_items), Key("0", Action.NO, phrases.no))
    lines = (*said_lines, *words.why, *act.why)
    return Screen(TITLES[language][endpoint], lines, keys, _rows(said_lines[0], *act.rows), advice)


def _offer(inquired: Answer, chosen: Choice, message: str, language: Language) -> Screen:
    phrases = PHRASES[language]
    most, day = _units(chosen.most, phrases), _units(chosen.day, phrases)
    figures = {
        "miles": str(chosen.unit_miles),
        "units": most,
        "most": str(chosen.most),
        "day": str(chosen.day),
    }
    unit = money(chosen.unit_cents, language)
    dollars = money(chosen.cents(chosen.most), language)
    description = inquired.get("offerDescFr" if language == Language.FR else "offerDescEn")
    lines = (
        message,
        *(() if description is None else (description,)),
        _rate(chosen, language),
        phrases.sale.format(units=most, dollars=dollars),
        phrases.day.format(units=day, dollars=money(chosen.cents(chosen.day), language)),
    )
    keys = (
        Key("1", Action.REDEEM, phrases.redeem.format(dollars=dollars)),
        Key("2", Action.OTHER_AMOUNT, phrases.other_amount),
        Key("0", Action.NO, phrases.no),
    )
    rows = _rows(
        _fit(phrases.rate_rows, {**figures, "dollars": unit}),
        _fit(phrases.units_rows, figures),
        _fit(phrases.question_rows, {"dollars": dollars}),
        phrases.question_keys,
    )
    return Screen(TITLES[language][Endpoint.INQUIRE], lines, keys, rows, _GO)


def _done(endpoint: Endpoint, answer: Answer, message: str, language: Language) -> Screen:
    phrases = PHRASES[language]
    redeems = endpoint == Endpoint.REDEEM
    miles, units = (answer[f"{what}{'Redeemed' if redeems else 'Reversed'}"] for what in ("miles", "units"))
    figures = {
        "miles": miles,
        "dollars": money(int(units) * cents(answer["unitValueDollars"]), language),
        "number": answer["txnConfirmationNumber"],
    }
    told = (phrases.discount, phrases.taken) if redeems else (phrases.refund, phrases.discount_back, phrases.given_back)
    rows = _rows(message, _fit(phrases.amount_rows, figures), _fit(phrases.number_rows, figures))
    lines = (message, *(text.format(**figures) for text in (*told, phrases.number)))
    return Screen(TITLES[language][endpoint], lines, (_OK,), rows, _GO)


def _rate(chosen: Choice, language: Language) -> str:
    return PHRASES[language].rate.format(miles=chosen.unit_miles, dollars=money(chosen.unit_cents, language))


def _units(count: int, phrases: Phrases) -> str:
    return phrases.one_unit if count == 1 else phrases.units.format(units=count)


def _fit(ways: tuple[str, ...], figures: dict[str, str]) -> str:
    """Return the first way of saying it that fits a row.

    A figure too wide for any row shows as a row of `#`, as in a spreadsheet: never cut, so never another figure. The
    pop-up has it whole.
    """
    said_ways = (way.format(**figures) for way in ways)
    return next((row for row in said_ways if len(row) <= COLUMNS), "#" * COLUMNS)


def _rows(*texts: str) -> tuple[str, ...]:
    wrapped = (textwrap.wrap(text, COLUMNS, break_long_words=False, break_on_hyphens=False) for text in texts)
    rows = tuple(row for lines in wrapped for row in lines)
    assert len(rows) <= ROWS, rows
    assert all(len(row) <= COLUMNS for row in rows), rows
    return rows
