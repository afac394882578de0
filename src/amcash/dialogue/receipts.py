"""What the collector takes home: the lines of a printed receipt. The only place where balances are shown."""

import textwrap

from amcash.dialogue.amounts import cents, money
from amcash.dialogue.answers import APPROVALS, SUPPRESSED, Answer, Endpoint, Language, situation
from amcash.dialogue.words import RECEIPTS, TITLES, said

RECEIPT_COLUMNS = 40
RECEIPT_COLUMNS_MIN = 32
"""The narrowest paper rolls, and the longest confirmation number (R-FIELD)."""

_RESULTS = {Endpoint.REDEEM: "Redeemed", Endpoint.REVERSE: "Reversed"}


def receipt(
    endpoint: Endpoint, answer: Answer, language: Language, *, columns: int = RECEIPT_COLUMNS
) -> tuple[str, ...]:
    """Return the lines to print for an answer, each at most `columns` wide; none where there is nothing to print.

    An approved redemption or reversal prints its result and confirmation number ("This value should be printed on the
    purchase receipt and is required to process a reversal"). Whatever the answer, balances follow where it has them,
    unless the collector opted out: then "the printed receipt MUST NOT show" them. A decline is printed only for the
    sake of its balances, which no screen tells.

    Args:
        endpoint: what was asked.
        answer: the body.
        language: the collector's.
        columns: of the printer, at least `RECEIPT_COLUMNS_MIN`.

    Raises:
        KeyError: an approval lacks an amount.
        ValueError: an amount is no number, or the paper too narrow.
    """
    if columns < RECEIPT_COLUMNS_MIN:
        raise ValueError(f"a receipt of {columns} columns is too narrow: at least {RECEIPT_COLUMNS_MIN}")
    met = situation(answer)
    approved = met in APPROVALS
    balances = () if met in SUPPRESSED else _balances(answer, language)
    if approved and endpoint in _RESULTS:
        pairs = (*_result(endpoint, answer, language), *balances)
        texts: tuple[str, ...] = (RECEIPTS[language].keep,) if endpoint == Endpoint.REDEEM else ()
    else:
        pairs, texts = balances, ()
    if not pairs:
        return ()
    heading = (TITLES[language][endpoint], *(() if approved else (said(endpoint, met, language),)))
    return (
        *_wrapped(heading, columns),
        *(line for label, value in pairs for line in _beside(label, value, columns)),
        *_wrapped(texts, columns),
    )


def _result(endpoint: Endpoint, answer: Answer, language: Language) -> tuple[tuple[str, str], ...]:
    labels = RECEIPTS[language]
    miles, units = (answer[f"{what}{_RESULTS[endpoint]}"] for what in ("miles", "units"))
    redeems = endpoint == Endpoint.REDEEM
    return (
        (labels.taken if redeems else labels.given_back, miles),
        (
            labels.discount if redeems else labels.discount_back,
            money(int(units) * cents(answer["unitValueDollars"]), language),
        ),
        (labels.number, answer["txnConfirmationNumber"]),
    )


def _balances(answer: Answer, language: Language) -> tuple[tuple[str, str], ...]:
    labels = RECEIPTS[language]
    miles = tuple(
        (label, answer[name])
        for label, name in ((labels.cash, "cashBalance"), (labels.dream, "dreamBalance"))
        if name in answer
    )
    if "availableDollarAmount" not in answer:
        return miles
    return (*miles, (labels.available, money(cents(answer["availableDollarAmount"]), language)))


def _beside(label: str, value: str, columns: int) -> tuple[str, ...]:
    """Return the label at the left and the value at the right: on one line, or where that is too narrow on two."""
    room = columns - len(label)
    if len(value) < room:
        return (f"{label}{value.rjust(room)}",)
    return (label, value.rjust(columns))


def _wrapped(texts: tuple[str, ...], columns: int) -> tuple[str, ...]:
    return tuple(line for text in texts for line in textwrap.wrap(text, columns, break_long_words=False))
