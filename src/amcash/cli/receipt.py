"""What the collector takes home: the lines of a printed receipt, as a pure function of an answer."""

from collections.abc import Mapping

RECEIPT_COLUMNS = 40

_WORDS = {
    "en": {
        "redeemed": "Cash Miles redeemed",
        "reversed": "Cash Miles returned",
        "discount": "Discount",
        "refund": "Discount taken back",
        "confirmation": "Confirmation",
        "cash": "Cash balance",
        "dream": "Dream balance",
        "available": "Still usable today",
    },
    "fr": {
        "redeemed": "Milles Argent échangés",
        "reversed": "Milles Argent remis",
        "discount": "Rabais",
        "refund": "Rabais repris",
        "confirmation": "Confirmation",
        "cash": "Solde Argent",
        "dream": "Solde Rêve",
        "available": "Utilisable aujourd'hui",
    },
}


def receipt_lines(answer: Mapping[str, str], language: str = "en") -> list[str]:
    """Return the receipt of an approved redemption or reversal, 40 columns wide.

    Balances are printed only where the answer has them: a collector may have chosen not to see them (`0001`).

    Args:
        answer: the answer's body.
        language: `en` or `fr`.
    """
    words = _WORDS[language]
    redeems = "milesRedeemed" in answer
    units = int(answer["unitsRedeemed" if redeems else "unitsReversed"])
    dollars = _times(units, answer["unitValueDollars"])
    lines = [
        _line(words["redeemed" if redeems else "reversed"], answer["milesRedeemed" if redeems else "milesReversed"]),
        _line(words["discount" if redeems else "refund"], _money(dollars, language)),
        _line(words["confirmation"], answer["txnConfirmationNumber"]),
    ]
    if "cashBalance" in answer:
        lines += [
            _line(words["cash"], answer["cashBalance"]),
            _line(words["dream"], answer["dreamBalance"]),
        ]
    if "availableDollarAmount" in answer:
        lines.append(_line(words["available"], _money(answer["availableDollarAmount"], language)))
    return lines


def _line(label: str, value: str) -> str:
    return f"{label}{value.rjust(RECEIPT_COLUMNS - len(label))}"


def _times(units: int, dollars: str) -> str:
    whole, _, part = dollars.partition(".")
    cents = units * (int(whole) * 100 + int(part.ljust(2, "0")))
    return f"{cents // 100}.{cents % 100:02}"


def _money(dollars: str, language: str) -> str:
    return f"{dollars.replace('.', ',')} $" if language == "fr" else f"${dollars}"
