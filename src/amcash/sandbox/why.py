"""Why a request was answered as it was: the checklist of its endpoint, with the values that were seen (R-ORDER).

The values are those of the very `Standing` that the rules decided on, and the answer's code says which check decided.
So a checklist cannot tell another story than the decision.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from amcash.domain import calendar
from amcash.domain.codes import Code, Endpoint
from amcash.domain.commands import Command, Inquire, Redeem, Reverse
from amcash.domain.outcomes import Decision, Standing
from amcash.domain.vocabulary import Cents, Terms
from amcash.edge.openapi_words import ADVICE
from amcash.wire.decode import Rejection

Json = dict[str, Any]

PASSED: Final = "passed"
DECIDED: Final = "decided"
NOT_REACHED: Final = "not reached"

_BY_CODE: Mapping[Code, str] = {
    Code.OUTAGE: "outage",
    Code.TIMEOUT: "in time",
    Code.SERVER_ERROR: "in time",
    Code.CARD_NOT_PRESENTED: "card",
    Code.UNKNOWN_COLLECTOR: "known",
    Code.COLLECTOR_INACTIVE: "active",
    Code.UNABLE_TO_REDEEM_SUPPRESSED: "allowed",
    Code.UNABLE_TO_REDEEM: "allowed",
    Code.OFFER_UNAVAILABLE: "offer",
    Code.BASKET_TOO_SMALL: "basket",
    Code.TOO_FEW_MILES: "miles",
    Code.DAILY_LIMIT: "cap",
    Code.INVALID_CONFIRMATION: "confirmation",
    Code.REVERSAL_WINDOW_OVER: "window",
    Code.APPROVED: "approved",
    Code.APPROVED_SUPPRESSED: "approved",
}
_APPROVED: Final = "approved"


@dataclass(frozen=True, slots=True)
class Facts:
    """What a checklist is made of."""

    endpoint: Endpoint
    client: str | None
    request: Command | Rejection | None
    decision: Decision | None
    """None where the request was answered without asking the ledger."""
    code: Code | None
    """Of the answer; None for a stranger's, and where nothing was answered."""
    at: datetime
    """By the client's clock."""
    fault: Json | None = None
    """What struck before anything was decided."""


@dataclass(frozen=True, slots=True)
class Check:
    """One row of a checklist."""

    name: str
    rule: str
    words: str
    saw: Json
    result: str = NOT_REACHED

    def as_json(self) -> Json:
        """Return the row as the journal shows it."""
        saw = {} if self.result == NOT_REACHED else self.saw
        return {"rule": self.rule, "check": self.words, "result": self.result, "saw": saw}


def why(facts: Facts) -> Json:
    """Return the checklist: the rows before the one that decided have passed, those behind it were not reached."""
    rows = list(_rows(facts))
    decider = _decider(facts)
    place = next((place for place, row in enumerate(rows) if row.name == decider), len(rows) - 1)
    marked = [
        replace(row, result=DECIDED if here == place else PASSED if here < place else NOT_REACHED)
        for here, row in enumerate(rows)
    ]
    return {
        "rule": marked[place].rule,
        "sentence": _sentence(facts, decider),
        "checks": [row.as_json() for row in marked],
    }


def _decider(facts: Facts) -> str:
    if facts.fault is not None:
        return "fault"
    if facts.decision is not None and facts.decision.replayed:
        return "new"
    if facts.code is Code.INVALID_PARAMETER:
        if facts.decision is None:
            return "request"
        fault = facts.decision.outcome.fault
        return "new" if fault is not None and fault.parameter == "Idempotency-Key" else "one unit"
    return _BY_CODE[facts.code] if facts.code is not None else "token"


def _sentence(facts: Facts, decider: str) -> str:
    if facts.fault is not None:
        return f"The fault {facts.fault['fault']} struck before anything was decided."
    if facts.decision is not None and facts.decision.replayed:
        return "The same request was answered before: the recorded outcome again."
    if decider == "new":
        return "The idempotency key was used for another request."
    return "No valid bearer token." if facts.code is None else ADVICE[facts.code].meaning


# --- the rows, in the order of the checks ---------------------------------------------------------------------------


def _rows(facts: Facts) -> Iterator[Check]:
    yield Check("token", "R-ORDER-1", "a valid bearer token", {"client": facts.client})
    if facts.fault is not None:
        yield Check("fault", "sandbox", "an ordered fault", facts.fault)
    yield Check("outage", "R-ORDER-2", "no outage", {})
    yield Check("request", "R-ORDER-3", "a request of its sponsor, without mistakes", _mistake(facts.request))
    yield Check("in time", "R-TIME-1", "the ledger answers within the time budget", {})
    match facts.endpoint:
        case Endpoint.ECHO:
            yield Check(_APPROVED, "R-ECHO-1", "the whole path works", {})
        case Endpoint.INQUIRE:
            yield from _account(facts)
            yield from _spending(facts)
        case Endpoint.REDEEM:
            yield _new(facts)
            yield _one_unit(facts)
            yield from _account(facts)
            yield from _spending(facts)
        case Endpoint.REVERSE:
            yield _new(facts)
            yield from _account(facts)
            yield from _reversing(facts)
    if facts.endpoint is not Endpoint.ECHO:
        standing = _standing(facts)
        saw = {"show_balances": standing.account.show_balances} if standing and standing.collector else {}
        yield Check(_APPROVED, "R-ORDER-14", "approved", saw)


def _standing(facts: Facts) -> Standing | None:
    return facts.decision.standing if facts.decision is not None else None


def _mistake(request: Command | Rejection | None) -> Json:
    if not isinstance(request, Rejection):
        return {}
    return {"parameter": request.fault.parameter, "why": request.fault.en}


def _new(facts: Facts) -> Check:
    saw: Json = {}
    if isinstance(facts.request, Redeem | Reverse):
        saw["idempotency_key"] = facts.request.idempotency_key
    standing = _standing(facts)
    recorded = standing.recorded if standing is not None else None
    saw["recorded"] = recorded.outcome.code if recorded is not None else None
    if recorded is not None:
        saw["recorded_at"] = _utc(recorded.outcome.at)
        saw["cancelled"] = recorded.cancelled
    return Check("new", "R-ORDER-4", "a request that was not answered before", saw)


def _one_unit(facts: Facts) -> Check:
    saw: Json = {}
    if isinstance(facts.request, Redeem):
        saw["requested_dollars"] = dollars(facts.request.requested)
    terms = _terms(facts)
    if terms is not None:
        saw["unit_dollars"] = dollars(terms.unit_cents)
    return Check("one unit", "R-AMT-2", "one unit or more asked for", saw)


def _account(facts: Facts) -> Iterator[Check]:
    request, standing = facts.request, _standing(facts)
    entry = request.entry if isinstance(request, Inquire | Redeem | Reverse) else None
    yield Check("card", "R-ORDER-5", "a card that was not typed in", {"entry_mode": entry} if entry else {})
    collector = standing.collector if standing is not None else None
    yield Check("known", "R-ORDER-6", "a known collector", {"known": collector is not None})
    yield Check("active", "R-ORDER-7", "an active account", {"active": collector.active} if collector else {})


def _spending(facts: Facts) -> Iterator[Check]:
    """Yield the checks of who wants to spend (R-ORDER-8 to 12)."""
    standing, terms, request = _standing(facts), _terms(facts), facts.request
    collector = standing.collector if standing is not None else None
    flags = ("allow_redemption", "show_balances")
    saw = {name: getattr(collector, name) for name in flags} if collector else {}
    yield Check("allowed", "R-ORDER-8", "the collector allows redemption", saw)
    offer = {"offer": None} if terms is None else {"offer": terms.offer_id, "type": terms.offer_type, **_unit(terms)}
    yield Check("offer", "R-ORDER-9", "an offer in force", offer)
    units: Json = {}
    if terms is not None and isinstance(request, Redeem):
        wanted = min(request.requested, request.basket) // terms.unit_cents
        units = {"units_wanted": wanted}
        amounts = {"basket_dollars": dollars(request.basket), "requested_dollars": dollars(request.requested)}
        yield Check(
            "basket",
            "R-ORDER-10",
            "a basket of one unit or more",
            {**amounts, "unit_dollars": dollars(terms.unit_cents), **units},
        )
    elif facts.endpoint is Endpoint.REDEEM:
        yield Check("basket", "R-ORDER-10", "a basket of one unit or more", {})
    miles: Json = {}
    if collector is not None and terms is not None:
        affordable = collector.cash // terms.unit_miles
        miles = {"cash_miles": collector.cash, "unit_miles": terms.unit_miles, "units_affordable": affordable}
    yield Check("miles", "R-ORDER-11", "enough miles", {**miles, **units})
    # An inquiry looks at the cap to say what is available, and is not turned away by it.
    if facts.endpoint is Endpoint.REDEEM:
        yield Check("cap", "R-ORDER-12", "within the daily cap", {**_cap(facts), **units})
    else:
        basket = {"basket_dollars": dollars(request.basket)} if isinstance(request, Inquire) else {}
        yield Check("available", "R-AMT-4", "what basket, balance and cap leave", {**_cap(facts), **basket})


def _reversing(facts: Facts) -> Iterator[Check]:
    """Yield the checks of a reversal (R-ORDER-13)."""
    standing, request = _standing(facts), facts.request
    made = standing.redemption if standing is not None else None
    saw: Json = {}
    if isinstance(request, Reverse):
        saw = {"confirmation": request.confirmation, "sponsor": request.sponsor}
    saw["found"] = made is not None
    if made is not None:
        saw |= {"redeemed_at_sponsor": made.sponsor, "closed": made.closed, "redeemed_at": _utc(made.at)}
    yield Check("confirmation", "R-ORDER-13", "a redemption of this sponsor that still stands", saw)
    window: Json = {}
    if made is not None and standing is not None:
        programme, decided = standing.programme, facts.decision
        at = decided.outcome.at if decided is not None else facts.at
        window = {"closes": _utc(calendar.reversal_closes(made.at, programme)), "now": _utc(at)}
        window["same_cap_day"] = calendar.cap_day(at, programme) == made.cap_day
    yield Check("window", "R-ORDER-13", "within the reversal window", window)


def _cap(facts: Facts) -> Json:
    standing, terms = _standing(facts), _terms(facts)
    if standing is None or facts.decision is None:
        return {}
    left = max(0, standing.programme.daily_cap - standing.used)
    saw = {
        "cap_day": calendar.cap_day(facts.decision.outcome.at, standing.programme).isoformat(),
        "cap_dollars": dollars(standing.programme.daily_cap),
        "used_dollars": dollars(standing.used),
        "left_dollars": dollars(Cents(left)),
    }
    return saw if terms is None else saw | {"units_left_today": left // terms.unit_cents}


def _terms(facts: Facts) -> Terms | None:
    standing = _standing(facts)
    return standing.terms if standing is not None else None


def _unit(terms: Terms) -> Json:
    return {"unit_miles": terms.unit_miles, "unit_dollars": dollars(terms.unit_cents)}


def dollars(cents: int) -> str:
    """Return an amount as `750.00`."""
    return f"{cents // 100}.{cents % 100:02}"


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
