"""What an answer means to the till: the situation it puts the till in, and the one table of what to do next.

An answer is the body of the API, a mapping of strings. Words for it are in `words.py`, never in a condition.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import TypeAlias

Answer: TypeAlias = Mapping[str, str]


class Endpoint(StrEnum):
    """The four calls of the API."""

    ECHO = "echo"
    INQUIRE = "inquire"
    REDEEM = "redeem"
    REVERSE = "reverse"


class Language(StrEnum):
    """The languages of screens and receipts."""

    EN = "en"
    FR = "fr"


class Situation(StrEnum):
    """A row of the library's table "Status/response codes"; the last one has no code there ("none none")."""

    APPROVED = "0000"
    APPROVED_SUPPRESSED = "0001"
    COLLECTOR_INACTIVE = "0002"
    UNABLE_TO_REDEEM_SUPPRESSED = "0005"
    UNABLE_TO_REDEEM = "0006"
    TIMEOUT = "0008"
    CARD_NOT_PRESENTED = "0009"
    UNKNOWN_COLLECTOR = "0025"
    INVALID_PARAMETER = "0035"
    TOO_FEW_MILES = "0051"
    INVALID_CONFIRMATION = "0057"
    DAILY_LIMIT = "0065"
    BASKET_TOO_SMALL = "0066"
    OFFER_UNAVAILABLE = "0067"
    REVERSAL_WINDOW_OVER = "0080"
    OUTAGE = "0092"
    SERVER_ERROR = "0096"
    NO_TOKEN = "none"  # noqa: S105 -- the name of a row, no token


class Advice(StrEnum):
    """What the till does next. Only where `resend` is true may the same request go out again, with the same key.

    Whatever else follows is a new request under a new `Idempotency-Key`: a decline is kept under the old one, and
    other content under it is refused (R-IDEM-4, R-IDEM-5).
    """

    PROCEED = "proceed"
    """Show and print (library: "The POS terminal AND receipt should display the appropriate information")."""
    DO_NOT_PROMPT = "do not prompt"
    """Do not retry; go on with the sale (library: "MUST NOT prompt for an “AM Cash” Redemption")."""
    RETRY_IDENTICAL = "retry identical"
    """At once, by itself, one time, byte for byte (library: "retry the request one (1) time")."""
    RENEW_TOKEN = "renew token"  # noqa: S105 -- what to do, no token
    """By itself: get a bearer token, then send the same request (library: "generate a valid “Bearer” Token")."""
    CALL = "call"
    """Do not retry, the one retry was used: someone has to be told (library: "escalate the issue as indicated")."""
    CORRECT = "correct"
    """Do not retry as it is: the request is wrong (library: "correct the error and try again")."""
    PRESENT_CARD = "present card"
    """Do not retry as it is: swipe or scan the card first."""
    REFER_COLLECTOR = "refer collector"
    """Do not retry; the collector sees to the account (library: "self-serve page, online chat support …")."""
    ADD_ITEMS = "add items"
    """Do not retry with this basket (library: "Ask the customer if they wish to add more items")."""
    TRY_LATER = "try later"
    """Do not retry now: an outage, an offer or the day's limit has to pass."""
    STORE_CREDIT = "store credit"
    """Do not retry: refund by credit or gift card (library: "DO NOT RETURN CASH to the customer")."""

    @property
    def resend(self) -> bool:
        """Whether the till sends the same request again, by itself, without asking the cashier."""
        return self in {Advice.RETRY_IDENTICAL, Advice.RENEW_TOKEN}


APPROVALS = frozenset({Situation.APPROVED, Situation.APPROVED_SUPPRESSED})
SUPPRESSED = frozenset({Situation.APPROVED_SUPPRESSED, Situation.UNABLE_TO_REDEEM_SUPPRESSED})
"""The collector opted not to see balances: whatever an answer holds, none is printed (R-AMT-7)."""

_SITUATIONS: Mapping[str, Situation] = MappingProxyType({str(situation): situation for situation in Situation})

_ADVICE: Mapping[Situation, Advice] = MappingProxyType(
    {
        Situation.APPROVED: Advice.PROCEED,
        Situation.APPROVED_SUPPRESSED: Advice.PROCEED,
        Situation.COLLECTOR_INACTIVE: Advice.REFER_COLLECTOR,
        Situation.UNABLE_TO_REDEEM_SUPPRESSED: Advice.DO_NOT_PROMPT,
        Situation.UNABLE_TO_REDEEM: Advice.DO_NOT_PROMPT,
        Situation.TIMEOUT: Advice.RETRY_IDENTICAL,
        Situation.CARD_NOT_PRESENTED: Advice.PRESENT_CARD,
        Situation.UNKNOWN_COLLECTOR: Advice.REFER_COLLECTOR,
        Situation.INVALID_PARAMETER: Advice.CORRECT,
        Situation.TOO_FEW_MILES: Advice.REFER_COLLECTOR,
        Situation.INVALID_CONFIRMATION: Advice.CORRECT,
        Situation.DAILY_LIMIT: Advice.TRY_LATER,
        Situation.BASKET_TOO_SMALL: Advice.ADD_ITEMS,
        Situation.OFFER_UNAVAILABLE: Advice.TRY_LATER,
        Situation.REVERSAL_WINDOW_OVER: Advice.STORE_CREDIT,
        Situation.OUTAGE: Advice.TRY_LATER,
        Situation.SERVER_ERROR: Advice.RETRY_IDENTICAL,
        Situation.NO_TOKEN: Advice.RENEW_TOKEN,
    }
)


def situation(answer: Answer | None) -> Situation:
    """Return what an answer says. The HTTP status does not matter.

    Args:
        answer: the body; without a `responseCode` it is the 401 of a stranger. None: nothing came back, or nothing
            that the API could have sent, such as a proxy's page. The library counts that as a timeout ("You didn't
            receive any response at all").

    A code that the library does not have is `SERVER_ERROR`: the one retry is safe, and then someone is told.
    """
    if answer is None:
        return Situation.TIMEOUT
    return _SITUATIONS.get(answer.get("responseCode", Situation.NO_TOKEN), Situation.SERVER_ERROR)


def advise(met: Situation, *, retried: bool = False) -> Advice:
    """Return what the till does next.

    Args:
        met: what the answer said.
        retried: whether this very request was already sent again.
    """
    advice = _ADVICE[met]
    return Advice.CALL if advice.resend and retried else advice
