"""Money and units at the till: how amounts are written in each language, and what a cashier may choose.

Money is whole cents (R-AMT-1).
"""

from dataclasses import dataclass

from amcash.dialogue.answers import APPROVALS, Answer, Language, situation


@dataclass(frozen=True, slots=True)
class Choice:
    """What can be redeemed for a sale: 1 unit to `most`."""

    most: int
    """Units. Also the amount to propose: the basket in whole units, or the collector's most where that is less."""
    day: int
    """The day's limit in units, as the answer has it (R-AMT-4)."""
    unit_miles: int
    unit_cents: int

    def cents(self, units: int) -> int:
        """Return what `units` bring, in cents."""
        return units * self.unit_cents

    def dollars(self, units: int) -> str:
        """Return the `dollarRedeemRequest` for a choice of `units`, such as `30.00`.

        Raises:
            ValueError: the units are not 1 to `most`.
        """
        if not 1 <= units <= self.most:
            raise ValueError(f"{units} units cannot be chosen: 1 to {self.most} can")
        return _decimal(self.cents(units))


def choice(inquired: Answer, basket: str | None = None) -> Choice | None:
    """Return what the cashier may choose after an inquiry; None where a redemption must not be offered.

    Args:
        inquired: the answer to the inquiry.
        basket: what the sale costs now, such as `43.50`, where that may differ from what was inquired about.
    """
    if situation(inquired) not in APPROVALS or "availableOfferUnits" not in inquired:
        return None
    unit_cents = cents(inquired["unitValueDollars"])
    most = int(inquired["availableOfferUnits"])
    if basket is not None:
        most = min(most, cents(basket) // unit_cents)
    if most < 1:
        return None
    return Choice(most, int(inquired["dailyOfferLimit"]), int(inquired["unitValueAMCash"]), unit_cents)


def cents(dollars: str) -> int:
    """Return dollars of the API, `10`, `10.5` or `10.00`, in cents.

    Raises:
        ValueError: it is no such amount.
    """
    whole, _, part = dollars.partition(".")
    return int(whole) * 100 + int(part.ljust(2, "0"))


def money(amount: int, language: Language) -> str:
    """Return cents as the language writes them: `$10.00`, `10,00 $`."""
    decimal = _decimal(amount)
    return f"{decimal.replace('.', ',')} $" if language == Language.FR else f"${decimal}"


def _decimal(amount: int) -> str:
    return f"{amount // 100}.{amount % 100:02}"
