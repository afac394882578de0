"""Recorded outcomes, read again and decided again: the auditor's own checklist. The only home of both.

An outcome is kept with the request as it was sent and with its basis, which is what the rules saw. So each can be
put where it was decided, between two transfers of its collector: the basis must be what the transfers before it
make it, the checklist must come to the same code and units on it, and an approval's transfer must follow.

The switches of a collector (active, shows balances, allows redemption) have no history. Whether `0002`, `0005` or
`0006` was right cannot be derived, nor whether an approval should have been `0000` or `0001`; that they have the
right basis, and no transfer or the right one, can.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import chain
from typing import Any, Final

from amcash.audit.account import Account
from amcash.audit.days import Days
from amcash.audit.streams import OutcomeRow, TransferRow

APPROVALS: Final = ("0000", "0001")
_RECORDED: Final = {
    "redeem": frozenset({*APPROVALS, "0002", "0005", "0006", "0066", "0051", "0065"}),
    "reverse": frozenset({*APPROVALS, "0002", "0057", "0080"}),
}
"""Of each endpoint, the codes that are kept (R-IDEM-5)."""
_BY_SWITCH: Final = frozenset({"0002", "0005", "0006"})
_SHOWN: Final = {"0000": True, "0006": True, "0001": False, "0002": False, "0005": False}
"""Whether balances stand in the answer (R-AMT-7); under any other code that is the collector's preference."""
_TRANSFER_OF: Final = {"redeem": "redemption", "reverse": "reversal"}
_TILL: Final = ("sponsorCode", "storeId", "deviceId", "traceId", "acquirerId", "vendorId")

_DOLLARS = re.compile(r"[0-9]{1,13}(\.[0-9]{1,2})?")
_JSON = json.JSONDecoder()
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class UnreadableError(Exception):
    """A recorded outcome cannot be read; the message says what is wrong, as the end of a sentence."""


@dataclass(frozen=True, slots=True)
class Basis:
    """What the rules saw when they decided."""

    seq: int
    cash: int
    cap_day: str
    used: int
    cap: int
    unit: tuple[int, int] | None
    """Miles and cents of a unit; None where no offer was in force."""
    reduce: bool


@dataclass(frozen=True, slots=True)
class Case:
    """A recorded outcome, ready to be decided again."""

    row: OutcomeRow
    request: Mapping[str, str]
    answer: Mapping[str, Any]
    basis: Basis

    @property
    def approved(self) -> bool:
        """Whether miles were to move."""
        return self.row.code in APPROVALS

    def found(self, account: Account, rule: str, sentence: str) -> None:
        """Say what does not agree with this outcome; the finding is placed at the transfer it made, if it made one."""
        seq = self.basis.seq + 1 if self.approved else None
        account.found(rule, f"{_name(self.row)}, decided after transfer {self.basis.seq}: {sentence}", seq)


# --- reading -------------------------------------------------------------------------------------------------------


def read(row: OutcomeRow) -> Case:
    """Read a recorded outcome.

    Raises:
        UnreadableError: it is not the JSON that an outcome is.
    """
    request, answer = _object(row.request, "request"), _object(row.answer, "answer")
    if not set(map(type, request.values())) <= {str}:
        raise UnreadableError("the request holds something other than strings")
    missing = [name for name in _required(row.endpoint) if name not in request]
    if missing:
        raise UnreadableError(f"the request lacks {missing[0]}")
    return Case(row, request, answer, _basis(answer.get("basis")))


def unreadable(account: Account, row: OutcomeRow, error: UnreadableError) -> None:
    """Say that a recorded outcome cannot be read."""
    account.found("R-IDEM-6", f"{_name(row)} cannot be decided again: {error}")


def _name(row: OutcomeRow) -> str:
    # Not by its key: that is the client's own text and may hold anything.
    try:
        at = (_EPOCH + row.at * _MICROSECOND).isoformat()
    except OverflowError:
        at = f"the impossible time {row.at}"
    return f"the {row.endpoint} outcome {row.code} of {row.sponsor} at {at}"


def _object(text: str, what: str) -> dict[str, Any]:
    try:
        value = _JSON.decode(text)
    except (ValueError, RecursionError):
        raise UnreadableError(f"the {what} is not JSON") from None
    if not isinstance(value, dict):
        raise UnreadableError(f"the {what} is not a JSON object")
    return value


def _required(endpoint: str) -> tuple[str, ...]:
    ordinary = (*_TILL, "collectorNumber", "cardEntryMode")
    match endpoint:
        case "redeem":
            return (*ordinary, "dollarRedeemRequest", "postTaxBasketAmount")
        case "reverse":
            return (*ordinary, "redemptionConfirmationNum")
        case _:
            raise UnreadableError("the endpoint is none whose outcomes are kept")


def _basis(value: object) -> Basis:
    if not isinstance(value, dict):
        raise UnreadableError("the answer has no basis")
    cap_day, reduce = value.get("cap_day"), value.get("reduce")
    if not isinstance(cap_day, str) or not isinstance(reduce, bool):
        raise UnreadableError("the basis has no cap day, or does not say whether to reduce")
    unit: tuple[int, int] | None = None
    if value.get("unit_miles") is not None or value.get("unit_cents") is not None:
        unit = _whole(value, "unit_miles"), _whole(value, "unit_cents")
        if min(unit) < 1:
            raise UnreadableError("the basis has a unit of nothing")
    seq, cash, used, cap = (_whole(value, name) for name in ("seq", "cash", "used", "cap"))
    return Basis(seq, cash, cap_day, used, cap, unit, reduce)


def _whole(value: Mapping[str, object], name: str) -> int:
    number = value.get(name)
    if not isinstance(number, int) or isinstance(number, bool):
        raise UnreadableError(f"{name} of the basis is not a whole number")
    return number


def _cents(dollars: str) -> int | None:
    """Return an amount in cents, exactly (R-AMT-1); None where it is not an amount."""
    return int(Decimal(dollars).scaleb(2)) if _DOLLARS.fullmatch(dollars) else None


# --- what an outcome says by itself --------------------------------------------------------------------------------


def prove_alone(case: Case, account: Account, days: Days) -> None:
    """Prove all of an outcome that needs no transfer: its digest, key, scope, code and times (R-IDEM)."""
    row, request, answer = case.row, case.request, case.answer
    content = _content_digest(row.endpoint, request)
    if row.digest != content:
        case.found(account, "R-IDEM-2", "its digest is not that of the request")
    if not row.key.startswith("k") and row.key != f"c{row.digest.hex()}":
        case.found(account, "R-IDEM-2", "its key is neither a header's nor its content's")
    if request["collectorNumber"] != account.number or request["sponsorCode"] != row.sponsor:
        case.found(account, "R-IDEM-1", "its request names another collector or sponsor")
    if request["cardEntryMode"].upper() == "MANUAL":
        case.found(account, "R-IDEM-5", "a typed card number is never answered from the account")
    if row.code not in _RECORDED[row.endpoint]:
        case.found(account, "R-IDEM-5", "this endpoint keeps no outcome with this code")
    if (answer.get("code"), answer.get("confirmation")) != (row.code, row.confirmation):
        case.found(account, "R-IDEM-6", "the row and the answer differ in code or confirmation number")
    if _microseconds(answer.get("at")) != row.at:
        case.found(account, "R-IDEM-3", "the row and the answer differ in time")
    cap_day = days.cap_day(row.at)
    if case.basis.cap_day != cap_day:
        case.found(account, "R-TIME-2", f"it was decided in cap day {cap_day}, not in {case.basis.cap_day}")


def _content_digest(endpoint: str, request: Mapping[str, str]) -> bytes | None:
    words = "\x1f".join([endpoint, *chain.from_iterable(sorted(request.items()))])
    try:
        return hashlib.sha256(words.encode()).digest()
    except UnicodeEncodeError:  # a lone surrogate, which no request may hold
        return None


def _microseconds(text: object) -> int | None:
    try:
        return (datetime.fromisoformat(str(text)) - _EPOCH) // _MICROSECOND
    except (ValueError, TypeError):
        return None


# --- between two transfers -----------------------------------------------------------------------------------------


class Docket:
    """The outcomes of one collector, in the order in which they were decided.

    Args:
        account: the collector's, which moves on while the docket is called.
        cases: in any order.
        purged_before: in microseconds; of what was decided before it, the outcome may be absent (R-IDEM-8).
    """

    def __init__(self, account: Account, cases: list[Case], purged_before: int) -> None:
        self._account = account
        self._purged_before = purged_before
        self._cases = sorted(cases, key=lambda case: case.basis.seq, reverse=True)
        self._unanswered: list[TransferRow] = []

    def call(self, row: TransferRow | None) -> None:
        """Decide again what was decided just before `row`, the transfer to come next; None when there is none."""
        account, cases = self._account, self._cases
        claims = 0
        while cases and (row is None or cases[-1].basis.seq < row.seq):
            case = cases.pop()
            if case.basis.seq != account.seq:
                case.found(account, "R-LED-3", "there is no such transfer")
                continue
            claims += _decide_again(case, account, row)
        if row is not None and row.kind in {"redemption", "reversal"}:
            if claims == 0:
                self._unanswered.append(row)
            elif claims > 1:
                account.found("R-IDEM-6", f"the {row.kind} has {claims} recorded outcomes, not one", row.seq)

    def close(self) -> None:
        """Say which redemptions and reversals no outcome tells of, though none of their time has been purged."""
        for row in self._unanswered:
            if row.at >= self._purged_before:
                self._account.found("R-IDEM-6", f"the {row.kind} {row.confirmation} has no recorded outcome", row.seq)


def _decide_again(case: Case, account: Account, row: TransferRow | None) -> bool:
    """Prove one outcome on the account as it stood, and return whether `row` is the transfer it made."""
    basis = case.basis
    if basis.cash != account.balances["cash"]:
        derived = account.balances["cash"]
        case.found(account, "R-LED-3", f"it was decided on {basis.cash} cash miles, by transfers {derived}")
    used = account.used.get(basis.cap_day, 0)
    if basis.used != used:
        case.found(account, "R-LED-3", f"it was decided on a daily use of {basis.used} cents, by transfers {used}")
    units: int | None = None
    if case.row.endpoint == "redeem":
        units = _prove_redeem(case, account)
    else:
        _prove_reverse(case, account)
    if not case.approved:
        _prove_decline(case, account)
        return False
    if row is None or not _is_transfer_of(case, row, account):
        kind = _TRANSFER_OF[case.row.endpoint]
        case.found(account, "R-IDEM-6", f"there is no {kind} {case.row.confirmation} right after it")
        return False
    _prove_approval(case, account, row)
    if units not in {None, row.units}:
        case.found(account, "R-AMT-2", f"the request comes to {units} units, but {row.units} were redeemed")
    return True


def _prove_redeem(case: Case, account: Account) -> int | None:
    """Prove a redeem outcome's code on its basis (R-ORDER-10 to 14) and return the units an approval must have."""
    requested = _cents(case.request["dollarRedeemRequest"])
    basket = _cents(case.request["postTaxBasketAmount"])
    if requested is None or basket is None:
        case.found(account, "R-WIRE-4", "its request has an amount that is not one")
        return None
    unit = case.basis.unit
    if unit is not None and requested < unit[1]:
        case.found(account, "R-AMT-2", "a request below one unit is 0035 and is not kept")
        return None
    if case.row.code in _BY_SWITCH:
        return None
    if unit is None:
        case.found(account, "R-ORDER-9", "without an offer in force it had to be 0067 and is not kept")
        return None
    code, units = _checklist(case.basis, unit, min(requested, basket) // unit[1])
    if code != ("0000" if case.approved else case.row.code):
        case.found(account, "R-AMT-3", f"by its request and basis it had to be {_word(code)}")
        return None
    return units


def _checklist(basis: Basis, unit: tuple[int, int], wanted: int) -> tuple[str, int]:
    """Return the code, `0000` for either approval, and the units."""
    unit_miles, unit_cents = unit
    if wanted < 1:
        return "0066", 0
    by_miles = basis.cash // unit_miles
    by_cap = (basis.cap - basis.used) // unit_cents
    least = 1 if basis.reduce else wanted
    if by_miles < least:
        return "0051", 0
    if by_cap < least:
        return "0065", 0
    return "0000", min(wanted, by_miles, by_cap)


def _prove_reverse(case: Case, account: Account) -> None:
    """Prove a reverse outcome's code by the redemptions made until then (R-ORDER-13)."""
    if case.row.code in _BY_SWITCH:
        return
    made = account.redemptions.get(case.request["redemptionConfirmationNum"])
    if made is None or made.sponsor != case.row.sponsor or made.closed_by is not None:
        code = "0057"
    else:
        closes = account.days.reversal_closes(made.at)
        code = "0080" if closes is None or case.row.at > closes else "0000"
    if code != ("0000" if case.approved else case.row.code):
        case.found(account, "R-ORDER-13", f"by the redemptions before it, it had to be {_word(code)}")


def _word(code: str) -> str:
    return "an approval" if code in APPROVALS else code


# --- the transfer and the answer -----------------------------------------------------------------------------------


def _is_transfer_of(case: Case, row: TransferRow, account: Account) -> bool:
    return (
        row.kind == _TRANSFER_OF[case.row.endpoint]
        and row.confirmation == case.row.confirmation
        and row.seq == account.seq + 1
    )


def _prove_decline(case: Case, account: Account) -> None:
    answer = case.answer
    if case.row.confirmation is not None or answer.get("units") or answer.get("miles"):
        case.found(account, "R-IDEM-6", "a decline tells of units, miles or a confirmation number")
    _prove_balances(case, account, account.balances, case.basis.used, case.basis.unit)


def _prove_approval(case: Case, account: Account, row: TransferRow) -> None:
    request, answer = case.request, case.answer
    till = tuple([request[name] for name in _TILL])
    if till != (row.sponsor, row.store, row.device, row.trace, row.acquirer, row.vendor):
        case.found(account, "R-LED-1", "the transfer names another till than the request")
    if row.at != case.row.at:
        case.found(account, "R-IDEM-6", "the transfer has another time than the outcome")
    if (answer.get("units"), answer.get("miles")) != (row.units, row.miles):
        case.found(account, "R-IDEM-6", "the answer tells of other units or miles than the transfer")
    if case.row.endpoint == "redeem":
        unit = case.basis.unit
        _prove_offer(case, account, row)
    else:
        unit = case.basis.unit or (row.unit_miles or 1, row.unit_cents or 1)
        if request["redemptionConfirmationNum"] != row.confirmation:
            case.found(account, "R-REV-1", "the reversal is of another redemption than the request")
        if (answer.get("unit_miles"), answer.get("unit_cents")) != (row.unit_miles, row.unit_cents):
            case.found(account, "R-REV-2", "the answer tells of another unit than the redemption's")
    change = 0 if row.cap_day is None else row.cents or 0
    used = case.basis.used + (change if row.kind == "redemption" else -change)
    _prove_balances(case, account, {**account.balances, row.wallet: row.balance}, used, unit)


def _prove_offer(case: Case, account: Account, row: TransferRow) -> None:
    unit, terms = (row.unit_miles, row.unit_cents), case.answer.get("terms")
    told = (
        (terms.get("offer_id"), terms.get("unit_miles"), terms.get("unit_cents")) if isinstance(terms, dict) else None
    )
    if case.basis.unit != unit or told != (row.offer_id, *unit):
        case.found(account, "R-AMT-8", "basis, answer and transfer do not name the same offer and unit")
    if case.basis.unit is not None and case.answer.get("daily_limit") != case.basis.cap // case.basis.unit[1]:
        case.found(account, "R-AMT-4", "the daily limit in the answer is not the cap in units")


def _prove_balances(
    case: Case, account: Account, balances: Mapping[str, int], used: int, unit: tuple[int, int] | None
) -> None:
    """Prove the balances in the answer, which are those after the transaction (R-AMT-4, R-AMT-7)."""
    shown = case.answer.get("balances")
    should = _SHOWN.get(case.row.code)
    if should is not None and should != (shown is not None):
        word = "lacks" if should else "shows"
        case.found(account, "R-AMT-7", f"the answer {word} balances, against its code")
    if shown is None:
        return
    available: int | None = None
    available_cents: int | None = None
    if unit is not None:
        unit_miles, unit_cents = unit
        available = min(balances["cash"], max(0, case.basis.cap - used) // unit_cents * unit_miles)
        available_cents = available // unit_miles * unit_cents
    expected = {
        "cash": balances["cash"],
        "dream": balances["dream"],
        "available": available,
        "available_cents": available_cents,
    }
    if shown != expected:
        case.found(account, "R-AMT-4", "the balances in the answer are not those after the transaction")
