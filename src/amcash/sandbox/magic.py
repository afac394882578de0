"""The magic collectors: a number for every response code of every endpoint. The only home of the table.

Where a state of a collector gives a code under the real rules, the number is such a collector, and `restoring` keeps it
in that state. Where none can, the pipeline answers the code itself, as it does for a fault that was ordered.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from amcash.domain.codes import Code, Endpoint
from amcash.domain.vocabulary import CollectorNumber, Enrolment, Miles, Register, has_check_digit

READY: Final = "0000"
"""As `redemptionConfirmationNum` on a magic collector: a redemption that the sandbox makes ready just before."""
UNITS_TO_SPEND: Final = 20
DREAM_MILES: Final = Miles(545)
_UNIT_MILES = 95
"""Where the programme has no offer at all."""

_ALL = tuple(Endpoint)
_CARD = (Endpoint.INQUIRE, Endpoint.REDEEM, Endpoint.REVERSE)
_SPEND = (Endpoint.INQUIRE, Endpoint.REDEEM)


@dataclass(frozen=True, slots=True)
class Magic:
    """One number, and the code that it gives."""

    code: Code | None
    """None: 401, the answer that has none."""
    endpoints: tuple[Endpoint, ...]
    about: str
    bound: bool = False
    """No state gives the code: the sandbox answers it, and nothing is done."""
    enrolled: bool = True
    active: bool = True
    show_balances: bool = True
    allow_redemption: bool = True

    @property
    def number(self) -> CollectorNumber:
        """`899000`, the code, the check digit."""
        return number_of(self.code)

    @property
    def makes_ready(self) -> bool:
        """Whether `READY` stands for a redemption that can be reversed, or could have been."""
        return self.code in {Code.APPROVED, Code.APPROVED_SUPPRESSED, Code.REVERSAL_WINDOW_OVER}

    def enrolment(self, register: Register) -> Enrolment:
        """Return the collector as it always is, in the units of the programme's offers."""
        return Enrolment(
            self.number, self._cash(register), DREAM_MILES, self.active, self.show_balances, self.allow_redemption
        )

    def _cash(self, register: Register) -> Miles:
        if self.code is Code.TOO_FEW_MILES:
            return Miles(0)
        terms = [offer.terms for offer in register.offers]
        unit_miles = max((item.unit_miles for item in terms), default=_UNIT_MILES)
        if self.code is Code.DAILY_LIMIT:  # miles must not run out before the cap does
            caps = [register.programme.daily_cap // item.unit_cents for item in terms]
            return Miles(2 * unit_miles * max(caps, default=UNITS_TO_SPEND))
        return Miles(UNITS_TO_SPEND * unit_miles)


def number_of(code: Code | None) -> CollectorNumber:
    """Return the magic number of a code."""
    ten = f"899000{code or '0401'}"
    return next(CollectorNumber(f"{ten}{digit}") for digit in range(10) if has_check_digit(f"{ten}{digit}"))


_TABLE = (
    Magic(Code.APPROVED, _ALL, f"Approved: {UNITS_TO_SPEND} units to spend, the whole day's cap left."),
    Magic(Code.APPROVED_SUPPRESSED, _CARD, "Approved, and no balance may be shown.", show_balances=False),
    Magic(Code.COLLECTOR_INACTIVE, _CARD, "The account is not active.", active=False),
    Magic(
        Code.UNABLE_TO_REDEEM_SUPPRESSED,
        _SPEND,
        "No redemption, and no balance may be shown.",
        show_balances=False,
        allow_redemption=False,
    ),
    Magic(Code.UNABLE_TO_REDEEM, _SPEND, "The collector allows no redemption.", allow_redemption=False),
    Magic(Code.TIMEOUT, _ALL, "No answer in time; nothing was done.", bound=True),
    Magic(Code.CARD_NOT_PRESENTED, _CARD, "As if the number had been typed in.", bound=True),
    Magic(Code.UNKNOWN_COLLECTOR, _CARD, "No such collector.", enrolled=False),
    Magic(Code.INVALID_PARAMETER, _ALL, "A wrong parameter, this number.", bound=True),
    Magic(Code.TOO_FEW_MILES, _SPEND, "Too few miles: an empty cash wallet."),
    Magic(Code.INVALID_CONFIRMATION, (Endpoint.REVERSE,), "Every redemption of it is reversed already."),
    Magic(Code.DAILY_LIMIT, (Endpoint.REDEEM,), "Miles enough, but the day's cap is used up."),
    Magic(Code.BASKET_TOO_SMALL, (Endpoint.REDEEM,), "As if the basket were below one unit.", bound=True),
    Magic(Code.OFFER_UNAVAILABLE, _SPEND, "As if no offer were in force.", bound=True),
    Magic(
        Code.REVERSAL_WINDOW_OVER,
        (Endpoint.REVERSE,),
        "Its reversals are decided two days after your clock, so the window is over.",
    ),
    Magic(Code.OUTAGE, _ALL, "A scheduled outage.", bound=True),
    Magic(Code.SERVER_ERROR, _ALL, "Something broke; nothing was done.", bound=True),
    Magic(None, _ALL, "The token has expired: HTTP 401 without a code.", bound=True),
)

MAGIC: Mapping[str, Magic] = MappingProxyType({item.number: item for item in _TABLE})
"""By number."""


def enrolments(register: Register) -> list[Enrolment]:
    """Return the collectors that a sandbox has beside those of its programme file."""
    return [item.enrolment(register) for item in _TABLE if item.enrolled]
