"""Each kind of damage is found and named. Where it is not the chain that is damaged, the chains are forged anew.

So every check has to stand on its own: the forger knows the digest, and only the one thing is wrong.
"""

import json

import pytest

from amcash.audit.verify import verify
from audit.story import ANNE, BOB, CAROL, DAN, EVE

_ALL = "SELECT collector, seq FROM transfer"
_COLUMNS = (
    "collector, seq, kind, wallet, source, target, miles, balance, at, confirmation, sponsor, store, device, trace, "
    "acquirer, vendor, units, cents, unit_miles, unit_cents, offer_id, cap_day, reason, previous"
)


def _of(number: str, seq: int) -> str:
    return f"WHERE collector = '{number}' AND seq = {seq}"


def _set(what: str, number: str, seq: int) -> str:
    return f"UPDATE transfer SET {what} {_of(number, seq)}"


def _copied(number: str, seq: int, new_seq: int, **changes: str) -> str:
    """A copy of a transfer under another number."""
    changes |= {"seq": str(new_seq)}
    columns = ", ".join(changes.get(name, name) for name in _COLUMNS.split(", "))
    return f"INSERT INTO transfer SELECT {columns} FROM transfer {_of(number, seq)}"


def _outcome(number: str, code: str, what: str) -> str:
    key = f"SELECT min(rowid) FROM outcome WHERE collector = '{number}' AND code = '{code}'"
    return f"UPDATE outcome SET {what} WHERE rowid = ({key})"


def _in(column: str, **members: str) -> str:
    pairs = ", ".join(f"'$.{name.replace('__', '.')}', {value}" for name, value in members.items())
    return f"{column} = json_set({column}, {pairs})"


def _flipped(code: str) -> str:
    return f"code = '{code}', " + _in("answer", code=f"'{code}'")


def _opened_again(number: str, closed_by: str) -> str:
    """An open delivery of a redemption that is over."""
    return (
        "INSERT INTO open_delivery SELECT o.collector, o.confirmation, o.sponsor, o.key, o.at + 1 FROM outcome AS o "
        f"JOIN transfer AS t USING (collector, confirmation) WHERE collector = '{number}' "
        f"AND endpoint = 'redeem' AND t.kind = '{closed_by}'"
    )


def _attempt(number: str, code: str, attempt: int) -> str:
    """An outcome once more, as another attempt."""
    return (
        f"INSERT INTO outcome SELECT collector, sponsor, endpoint, key, {attempt}, digest, at, code, confirmation, "
        f"request, answer FROM outcome WHERE collector = '{number}' AND code = '{code}' LIMIT 1"
    )


_NO_INDEX = "DROP INDEX transfer_by_confirmation"

_AGAIN = (
    "INSERT INTO outcome SELECT collector, sponsor, endpoint, 'kagain', 1, digest, at, code, confirmation, request, "
    f"answer FROM outcome WHERE collector = '{DAN}' AND confirmation LIKE '%490'"
)

# What is claimed: the damage; whose; the rule that is named; words of the sentence.
DAMAGE = {
    # numbers
    "a deleted transfer leaves a gap": ([f"DELETE FROM transfer {_of(ANNE, 8)}"], ANNE, "R-LED-3", "8 is missing"),
    "a double number is found": (
        [
            _NO_INDEX,
            "DROP TRIGGER transfer_follows_the_one_before",
            "DROP TRIGGER transfer_is_counted",
            _copied(ANNE, 8, 8),
        ],
        ANNE,
        "R-LED-3",
        "a number stands twice: 8 comes where 9 should",
    ),
    "two deleted transfers leave a gap": (
        [f"DELETE FROM transfer {_of(ANNE, 8)}", f"DELETE FROM transfer {_of(ANNE, 9)}"],
        ANNE,
        "R-LED-3",
        "8 to 9 are missing",
    ),
    "a deleted last transfer is missed by the count": (
        [f"DELETE FROM transfer {_of(ANNE, 11)}"],
        ANNE,
        "R-LED-3",
        "counts 11 transfers, but the last is 10",
    ),
    "a wrong count is found": (
        [f"UPDATE collector SET transfers = 5 WHERE number = '{BOB}'"],
        BOB,
        "R-LED-3",
        "counts 5 transfers, but the last is 4",
    ),
    "a transfer before the first is found": (
        [_set("seq = 0", DAN, 1)],
        DAN,
        "R-LED-3",
        "gap",
    ),
    # balances and accounts
    "altered miles are found": (
        [_set("miles = 96", DAN, 3)],
        DAN,
        "R-LED-3",
        "the cash balance is 854 by its transfers (950 before it, 96 moved), but the row says 855",
    ),
    "an altered balance is found": ([_set("balance = 700", DAN, 4)], DAN, "R-LED-3", "but the row says 700"),
    "a negative balance is found": ([_set("balance = -1", DAN, 4)], DAN, "R-LED-4", "negative"),
    "miles below one are found": ([_set("miles = -95", DAN, 3)], DAN, "R-LED-1", "positive"),
    "an altered cash balance of a collector is found": (
        [f"UPDATE collector SET cash = 761 WHERE number = '{DAN}'"],
        DAN,
        "R-LED-3",
        "the collector has 761 cash, by transfers 760",
    ),
    "an altered dream balance of a collector is found": (
        [f"UPDATE collector SET dream = 0 WHERE number = '{DAN}'"],
        DAN,
        "R-LED-3",
        "the collector has 0 dream, by transfers 1",
    ),
    "miles of a collector without transfers are found": (
        [f"UPDATE collector SET cash = 5 WHERE number = '{EVE}'"],
        EVE,
        "R-LED-3",
        "has 5 cash, by transfers 0",
    ),
    "miles moved into another's wallet are found": (
        [_set(f"target = 'collector:{BOB}:cash'", ANNE, 8)],
        ANNE,
        "R-LED-2",
        "accounts are not those of a credit",
    ),
    "an adjustment that gives is found": (
        [_set("source = 'programme:issued', target = 'collector:84095202006:dream', balance = 590", ANNE, 9)],
        ANNE,
        "R-LED-2",
        "accounts are not those of an adjustment in dream",
    ),
    "a redemption credited to another sponsor's account is found": (
        [_set("target = 'sponsor:LOY2:redeemed'", DAN, 3)],
        DAN,
        "R-LED-2",
        "accounts are not those of a redemption",
    ),
    "a redemption from dream is found": ([_set("wallet = 'dream'", DAN, 3)], DAN, "R-LED-2", "not from dream"),
    "a redemption at no sponsor is found": ([_set("sponsor = 'LOY9'", DAN, 3)], DAN, "R-LED-2", "no sponsor"),
    "an unknown kind is found": ([_set("kind = 'present'", ANNE, 8)], ANNE, "R-LED-1", "no such kind"),
    "an unknown wallet is found": ([_set("wallet = 'purse'", ANNE, 8)], ANNE, "R-LED-2", "no such wallet"),
    "a credit that passes for a redemption is found": (
        [_set("cap_day = '2026-06-16', cents = -500", ANNE, 8)],
        ANNE,
        "R-LED-1",
        "terms of a redemption",
    ),
    "transfers of a collector who is not there are found": (
        [f"DELETE FROM collector WHERE number = '{CAROL}'"],
        CAROL,
        "R-LED-2",
        "does not exist",
    ),
    # redemptions
    "units that do not make the miles are found": (
        [_set("units = 2", DAN, 3)],
        DAN,
        "R-AMT-2",
        "2 units of 95 miles are not the 95 miles",
    ),
    "units that do not make the cents are found": (
        [_set("cents = 999", DAN, 3)],
        DAN,
        "R-AMT-2",
        "1 units of 1000 cents are not the 999 cents",
    ),
    "a redemption of no unit is found": ([_set("units = 0", DAN, 3)], DAN, "R-AMT-2", "at least one unit"),
    "a redemption without terms is found": ([_set("units = NULL", DAN, 3)], DAN, "R-LED-1", "does not tell"),
    "a wrong cap day is found": (
        [_set("cap_day = '2026-06-16'", BOB, 2)],
        BOB,
        "R-TIME-2",
        "made in cap day 2026-06-15, but is entered in 2026-06-16",
    ),
    "an impossible time is found": (
        [_set("at = 9000000000000000000", BOB, 2)],
        BOB,
        "R-TIME-2",
        "made in cap day None",
    ),
    "a confirmation number that is none is found": (
        [_set("confirmation = '12'", DAN, 4)],
        DAN,
        "R-CONF-1",
        "not 16 decimal digits",
    ),
    "one confirmation number for two redemptions is found": (
        [_NO_INDEX, _set(f"confirmation = (SELECT confirmation FROM transfer {_of(DAN, 3)})", DAN, 4)],
        DAN,
        "R-CONF-1",
        "stands at two redemptions",
    ),
    # reversals
    "a second reversal is found": (
        [_NO_INDEX, _copied(ANNE, 11, 12, balance="19625"), "UPDATE collector SET cash = 19625, transfers = 12"],
        ANNE,
        "R-REV-1",
        "a second time",
    ),
    "a reversal of another's redemption is found": (
        [_set(f"confirmation = (SELECT confirmation FROM transfer {_of(DAN, 3)})", ANNE, 11)],
        ANNE,
        "R-REV-1",
        "which this collector had not redeemed",
    ),
    "a reversal before its redemption is found": (
        [_set("seq = 99", ANNE, 3), _set("seq = 3", ANNE, 4), _set("seq = 4", ANNE, 99)],
        ANNE,
        "R-REV-1",
        "which this collector had not redeemed",
    ),
    "a reversal at another sponsor is found": (
        [_set("sponsor = 'LOY2', source = 'sponsor:LOY2:redeemed'", ANNE, 11)],
        ANNE,
        "R-REV-1",
        "the reversal is at LOY2, the redemption was at LOY1",
    ),
    "a reversal of more miles is found": (
        [_set("miles = 380, units = 4", ANNE, 11)],
        ANNE,
        "R-REV-2",
        "the reversal has miles 380, the redemption 285",
    ),
    "a reversal under other terms is found": (
        [_set("unit_miles = 94", ANNE, 11)],
        ANNE,
        "R-REV-2",
        "unit_miles 94",
    ),
    "a reversal after its window is found": (
        [_set("at = at + 1", ANNE, 6)],
        ANNE,
        "R-TIME-2",
        "reversed after its window",
    ),
    "a reversal that wrongly gives the allowance back is found": (
        [_set("cap_day = '2026-06-15'", ANNE, 6)],
        ANNE,
        "R-TIME-3",
        "should give back no allowance, but gives back that of 2026-06-15",
    ),
    "a reversal that wrongly keeps the allowance is found": (
        [_set("cap_day = NULL", ANNE, 4)],
        ANNE,
        "R-TIME-3",
        "should give back the allowance of 2026-06-15, but gives back none",
    ),
    "a cancellation that keeps the allowance is found": (
        [_set("cap_day = NULL", CAROL, 4)],
        CAROL,
        "R-TIME-3",
        "the cancellation should give back",
    ),
    "an allowance given back twice is found": (
        [_NO_INDEX, _copied(ANNE, 11, 12, balance="19625")],
        ANNE,
        "R-TIME-3",
        "more is given back than was used",
    ),
    "a reversal into dream is found": ([_set("wallet = 'dream'", ANNE, 4)], ANNE, "R-LED-2", "not to dream"),
    # daily use
    "a wrong use of the cap is found": (
        [f"UPDATE collector SET cap_used = 1000 WHERE number = '{DAN}'"],
        DAN,
        "R-AMT-5",
        "is 1000 cents, by transfers 2000",
    ),
    "a missing cap day is found": (
        [f"UPDATE collector SET cap_day = NULL, cap_used = 0 WHERE number = '{DAN}'"],
        DAN,
        "R-AMT-5",
        "cap day is None, by transfers 2026-11-01",
    ),
    "an earlier cap day is found": (
        [f"UPDATE collector SET cap_day = '2026-06-15' WHERE number = '{ANNE}'"],
        ANNE,
        "R-AMT-5",
        "cap day is 2026-06-15, by transfers 2026-06-17",
    ),
    "a use of the cap of nothing is found": (
        [f"UPDATE collector SET cap_day = '2026-06-15' WHERE number = '{EVE}'"],
        EVE,
        "R-AMT-5",
        "cap day is 2026-06-15, by transfers None",
    ),
    # outcomes and transfers
    "a redemption without an outcome is found": (
        [f"DELETE FROM outcome WHERE collector = '{DAN}'"],
        DAN,
        "R-IDEM-6",
        "has no recorded outcome",
    ),
    "a reversal without an outcome is found": (
        [f"DELETE FROM outcome WHERE collector = '{ANNE}' AND endpoint = 'reverse' AND code = '0001'"],
        ANNE,
        "R-IDEM-6",
        "the reversal 7919993013999762 has no recorded outcome",
    ),
    "an approval without a transfer is found": (
        [f"DELETE FROM transfer {_of(DAN, 4)}", f"UPDATE collector SET transfers = 3 WHERE number = '{DAN}'"],
        DAN,
        "R-IDEM-6",
        "there is no redemption 7919993030999473 right after it",
    ),
    "an outcome decided after a transfer that is missing is found": (
        [f"DELETE FROM transfer {_of(DAN, 3)}"],
        DAN,
        "R-LED-3",
        "there is no such transfer",
    ),
    "two outcomes of one redemption are found": (
        [
            _AGAIN,
        ],
        DAN,
        "R-IDEM-6",
        "has 2 recorded outcomes, not one",
    ),
    "an outcome of nobody is found": (
        [f"UPDATE outcome SET collector = '777' WHERE collector = '{DAN}'"],
        "777",
        "R-IDEM-1",
        "names another collector",
    ),
    # deciding again
    "a decline that was flipped into an approval is found": (
        [_outcome(ANNE, "0051", _flipped("0001"))],
        ANNE,
        "R-AMT-3",
        "it had to be 0051",
    ),
    "an approval that was flipped into a decline is found": (
        [_outcome(BOB, "0000", _flipped("0051"))],
        BOB,
        "R-AMT-3",
        "it had to be an approval",
    ),
    "a flipped approval's transfer is missed": (
        [_outcome(BOB, "0000", _flipped("0051"))],
        BOB,
        "R-IDEM-6",
        "has no recorded outcome",
    ),
    "a decline by the cap that says too few miles is found": (
        [_outcome(ANNE, "0065", _flipped("0051"))],
        ANNE,
        "R-AMT-3",
        "it had to be 0065",
    ),
    "a decline that tells of units is found": (
        [_outcome(ANNE, "0065", _in("answer", units="1"))],
        ANNE,
        "R-IDEM-6",
        "a decline tells of units",
    ),
    "a basket that was small enough is found": (
        [_outcome(ANNE, "0066", _in("request", postTaxBasketAmount="'50.00'"))],
        ANNE,
        "R-AMT-3",
        "it had to be an approval",
    ),
    "an altered request amount is found by its digest": (
        [_outcome(DAN, "0000", _in("request", dollarRedeemRequest="'19.99'"))],
        DAN,
        "R-IDEM-2",
        "digest is not that of the request",
    ),
    "an altered request amount is found by its units": (
        [_outcome(DAN, "0000", _in("request", dollarRedeemRequest="'20.00'", postTaxBasketAmount="'20.00'"))],
        DAN,
        "R-AMT-2",
        "the request comes to 2 units, but 1 were redeemed",
    ),
    "a request below one unit is found": (
        [_outcome(ANNE, "0002", _in("request", dollarRedeemRequest="'9.99'"))],
        ANNE,
        "R-AMT-2",
        "below one unit",
    ),
    "an amount that is none is found": (
        [_outcome(ANNE, "0066", _in("request", dollarRedeemRequest="'1e3'"))],
        ANNE,
        "R-WIRE-4",
        "an amount that is not one",
    ),
    "an outcome without an offer is found": (
        [_outcome(ANNE, "0065", _in("answer", basis__unit_miles="NULL", basis__unit_cents="NULL"))],
        ANNE,
        "R-ORDER-9",
        "had to be 0067",
    ),
    "a window that was still open is found": (
        [_outcome(ANNE, "0080", "at = at - 1000000")],
        ANNE,
        "R-ORDER-13",
        "it had to be an approval",
    ),
    "a reversal declined for no reason is found": (
        [
            "UPDATE outcome SET sponsor = 'LOY2', "
            + _in("request", sponsorCode="'LOY2'")
            + " WHERE code = '0057' AND request LIKE '%7919993006999881%'"
        ],
        ANNE,
        "R-ORDER-13",
        "it had to be an approval",
    ),
    "a declined reversal that was flipped into an approval is found": (
        [_outcome(ANNE, "0057", _flipped("0000"))],
        ANNE,
        "R-ORDER-13",
        "it had to be 0057",
    ),
    "an approved reversal that was flipped into a decline is found": (
        [f"UPDATE outcome SET {_flipped('0080')} WHERE collector = '{BOB}' AND endpoint = 'reverse'"],
        BOB,
        "R-ORDER-13",
        "it had to be an approval",
    ),
    "a made-up balance in the basis is found": (
        [_outcome(ANNE, "0051", _in("answer", basis__cash="1"))],
        ANNE,
        "R-LED-3",
        "decided on 1 cash miles, by transfers 19055",
    ),
    "a made-up use in the basis is found": (
        [_outcome(ANNE, "0065", _in("answer", basis__used="0"))],
        ANNE,
        "R-LED-3",
        "decided on a daily use of 0 cents, by transfers 75000",
    ),
    "a made-up place in the basis is found": (
        [_outcome(BOB, "0051", _in("answer", basis__seq="99"))],
        BOB,
        "R-LED-3",
        "there is no such transfer",
    ),
    "a made-up cap day in the basis is found": (
        [_outcome(ANNE, "0066", _in("answer", basis__cap_day="'2026-06-17'"))],
        ANNE,
        "R-TIME-2",
        "decided in cap day 2026-06-16, not in 2026-06-17",
    ),
    "a made-up cap is found by the daily limit": (
        [_outcome(DAN, "0000", _in("answer", basis__cap="99000"))],
        DAN,
        "R-AMT-4",
        "daily limit",
    ),
    "a made-up unit in the basis is found": (
        [_outcome(DAN, "0000", _in("answer", basis__unit_miles="94"))],
        DAN,
        "R-AMT-8",
        "same offer and unit",
    ),
    # the answer, the request and their rows
    "another offer in the answer is found": (
        [_outcome(DAN, "0000", _in("answer", terms__offer_id="'2222222222'"))],
        DAN,
        "R-AMT-8",
        "same offer and unit",
    ),
    "a false balance in an approval is found": (
        [_outcome(DAN, "0000", _in("answer", balances__cash="900"))],
        DAN,
        "R-AMT-4",
        "the balances in the answer",
    ),
    "a false balance in a decline is found": (
        [_outcome(ANNE, "0066", _in("answer", balances__available="1"))],
        ANNE,
        "R-AMT-4",
        "the balances in the answer",
    ),
    "a suppressed balance that is shown is found": (
        [_outcome(ANNE, "0001", _in("answer", balances="json('{}')"))],
        ANNE,
        "R-AMT-7",
        "shows balances",
    ),
    "false miles in an answer are found": (
        [_outcome(DAN, "0000", _in("answer", miles="94"))],
        DAN,
        "R-IDEM-6",
        "other units or miles",
    ),
    "a false unit in a reversal's answer is found": (
        ["UPDATE outcome SET " + _in("answer", unit_miles="94") + " WHERE endpoint = 'reverse' AND code = '0001'"],
        ANNE,
        "R-REV-2",
        "another unit",
    ),
    "a reversal answered for another request is found": (
        [
            "UPDATE outcome SET "
            + _in("request", redemptionConfirmationNum="'7919993002999949'")
            + " WHERE endpoint = 'reverse' AND code = '0001'"
        ],
        ANNE,
        "R-REV-1",
        "another redemption than the request",
    ),
    "an altered trace id is found by the request": (
        [_set("trace = '1'", DAN, 3)],
        DAN,
        "R-LED-1",
        "another till than the request",
    ),
    "an altered time of a transfer is found by its outcome": (
        [_set("at = at + 1", DAN, 3)],
        DAN,
        "R-IDEM-6",
        "another time than the outcome",
    ),
    "an altered time of an answer is found": (
        [_outcome(DAN, "0000", _in("answer", at="'2026-01-01T00:00:00Z'"))],
        DAN,
        "R-IDEM-3",
        "differ in time",
    ),
    "a code that differs in row and answer is found": (
        [_outcome(ANNE, "0066", "code = '0051'")],
        ANNE,
        "R-IDEM-6",
        "differ in code",
    ),
    "a code that is never kept is found": (
        [_outcome(ANNE, "0066", "code = '0025'")],
        ANNE,
        "R-IDEM-5",
        "keeps no outcome with this code",
    ),
    "a typed card is found": (
        [_outcome(ANNE, "0066", _in("request", cardEntryMode="'manual'"))],
        ANNE,
        "R-IDEM-5",
        "typed card number",
    ),
    "an altered key is found": (
        [_outcome(ANNE, "0066", "key = 'c00'")],
        ANNE,
        "R-IDEM-2",
        "neither a header's nor its content's",
    ),
    "an altered sponsor of an outcome is found": (
        [_outcome(ANNE, "0066", "sponsor = 'LOY2'")],
        ANNE,
        "R-IDEM-1",
        "another collector or sponsor",
    ),
    # what cannot be read
    "a request that is not JSON is found": (
        [_outcome(ANNE, "0066", "request = '{'")],
        ANNE,
        "R-IDEM-6",
        "the request is not JSON",
    ),
    "a request of absurd depth is found": (
        [_outcome(ANNE, "0066", f"request = '{'[' * 9_999}'")],
        ANNE,
        "R-IDEM-6",
        "the request is not JSON",
    ),
    "an answer that is no object is found": (
        [_outcome(ANNE, "0066", "answer = '[]'")],
        ANNE,
        "R-IDEM-6",
        "the answer is not a JSON object",
    ),
    "a request with a number is found": (
        [_outcome(ANNE, "0066", _in("request", deviceId="1"))],
        ANNE,
        "R-IDEM-6",
        "other than strings",
    ),
    "a request without an amount is found": (
        [_outcome(ANNE, "0066", "request = json_remove(request, '$.dollarRedeemRequest')")],
        ANNE,
        "R-IDEM-6",
        "lacks dollarRedeemRequest",
    ),
    "an answer without a basis is found": (
        [_outcome(ANNE, "0066", "answer = json_remove(answer, '$.basis')")],
        ANNE,
        "R-IDEM-6",
        "no basis",
    ),
    "a basis with a broken number is found": (
        [_outcome(ANNE, "0066", _in("answer", basis__cash="1.5"))],
        ANNE,
        "R-IDEM-6",
        "cash of the basis is not a whole number",
    ),
    "a basis with a worthless unit is found": (
        [_outcome(ANNE, "0066", _in("answer", basis__unit_cents="0"))],
        ANNE,
        "R-IDEM-6",
        "unit of nothing",
    ),
    "a basis that does not say whether to reduce is found": (
        [_outcome(ANNE, "0066", "answer = json_remove(answer, '$.basis.reduce')")],
        ANNE,
        "R-IDEM-6",
        "whether to reduce",
    ),
    "an outcome of another endpoint is found": (
        [_outcome(ANNE, "0066", "endpoint = 'echo'")],
        ANNE,
        "R-IDEM-6",
        "the endpoint is none",
    ),
    "a lone surrogate in a request is found": (
        [_outcome(ANNE, "0066", r"request = replace(request, '1972', '\ud800')")],
        ANNE,
        "R-IDEM-2",
        "digest is not that of the request",
    ),
    "an outcome at an impossible time is found": (
        [_outcome(ANNE, "0066", "at = 9000000000000000000")],
        ANNE,
        "R-IDEM-3",
        "the impossible time",
    ),
    # deliveries
    "an open delivery of nothing is found": (
        [f"INSERT INTO open_delivery VALUES ('{DAN}', '0000000000000000', 'LOY1', 'k', 0)"],
        DAN,
        "R-DLV-1",
        "which is no redemption",
    ),
    "an open delivery of a collector who is not there is found": (
        ["INSERT INTO open_delivery VALUES ('77', '0000000000000000', 'LOY1', 'k', 0)"],
        "77",
        "R-DLV-1",
        "which is no redemption",
    ),
    "an open delivery of a cancelled redemption is found": (
        [_opened_again(CAROL, "cancellation")],
        CAROL,
        "R-DLV-5",
        "a cancellation has closed it",
    ),
    "an open delivery of a reversed redemption is found": (
        [_opened_again(CAROL, "reversal")],
        CAROL,
        "R-DLV-5",
        "a reversal has closed it",
    ),
    "an open delivery under a key that nobody used is found": (
        [f"UPDATE open_delivery SET key = 'knone' WHERE collector = '{DAN}'"],
        DAN,
        "R-DLV-1",
        "names a key whose newest outcome is not its approval",
    ),
    "a cancellation at another till is found": (
        [_set("store = '0815'", CAROL, 4)],
        CAROL,
        "R-DLV-5",
        "names another till",
    ),
    "a cancellation that gives no allowance back is found": (
        [_set("cap_day = NULL", CAROL, 4)],
        CAROL,
        "R-TIME-3",
        "should give back the allowance of",
    ),
    # attempts
    "an attempt after one that was not cancelled is found": (
        [_attempt(DAN, "0000", 2)],
        DAN,
        "R-DLV-6",
        "was not cancelled",
    ),
    "an attempt after a decline is found": ([_attempt(ANNE, "0066", 2)], ANNE, "R-DLV-6", "no approved redemption"),
    "a missing attempt is found": ([_attempt(DAN, "0000", 3)], DAN, "R-DLV-6", "between the attempts 1 and 3"),
    "a missing first attempt is found": (
        [_outcome(ANNE, "0066", "attempt = 2")],
        ANNE,
        "R-DLV-6",
        "there is none before it",
    ),
    "an attempt with another request is found": (
        [
            _attempt(DAN, "0000", 2),
            f"UPDATE outcome SET digest = zeroblob(32) WHERE collector = '{DAN}' AND attempt = 2",
        ],
        DAN,
        "R-IDEM-4",
        "another request than the attempt before it",
    ),
    # the purge
    "an outcome that is missing behind the horizon is found": (
        [
            f"UPDATE purge SET horizon = (SELECT min(at) FROM outcome WHERE collector = '{DAN}')",
            f"DELETE FROM outcome WHERE collector = '{DAN}'",
        ],
        DAN,
        "R-IDEM-6",
        "has no recorded outcome",
    ),
}


@pytest.mark.parametrize("claim", DAMAGE)
def test_damage(snapshot, claim):
    statements, collector, rule, words = DAMAGE[claim]
    snapshot.damage(*statements)
    snapshot.forge_chains()
    report = verify(snapshot)
    assert not report.ok
    named = [(item.collector, item.rule) for item in report.findings if words in item.sentence]
    assert (collector, rule) in named, report.findings


@pytest.mark.parametrize("claim", DAMAGE)
def test_no_sentence_names_a_collector(snapshot, claim):
    snapshot.damage(*DAMAGE[claim][0])
    sentences = " ".join(item.sentence for item in verify(snapshot).findings)
    assert ANNE not in sentences
    assert BOB not in sentences


def test_nothing_but_the_damage_is_named_for_a_balance_that_was_raised(snapshot):
    """One fault, one finding: what comes after it goes on from what the ledger says."""
    snapshot.damage(f"UPDATE collector SET cash = cash + 1 WHERE number = '{DAN}'")
    [finding] = verify(snapshot).findings
    assert (finding.collector, finding.rule, finding.seq) == (DAN, "R-LED-3", None)


# --- the chain -----------------------------------------------------------------------------------------------------


def test_a_row_changed_in_place_is_found_at_the_next_by_the_chain(snapshot):
    snapshot.damage(_set("reason = 'another'", ANNE, 8))
    [finding] = verify(snapshot).findings
    assert (finding.rule, finding.seq) == ("R-LED-3", 9)
    assert "`previous` is not the digest of transfer 8" in finding.sentence


def test_a_last_row_changed_in_place_is_found_by_the_collectors_chain(snapshot):
    snapshot.damage(_set("offer_id = '3'", BOB, 4))
    assert "chain is not the digest" in " ".join(item.sentence for item in verify(snapshot).findings)


def test_an_altered_chain_of_a_collector_is_found(snapshot):
    snapshot.damage(f"UPDATE collector SET chain = zeroblob(32) WHERE number = '{BOB}'")
    [finding] = verify(snapshot).findings
    assert "the collector's chain is not the digest of the last transfer" in finding.sentence


def test_a_chain_that_begins_with_something_else_is_found(snapshot):
    snapshot.damage(_set("previous = randomblob(32)", BOB, 1))
    assert "32 zero bytes" in verify(snapshot).findings[0].sentence


def test_two_swapped_rows_are_found(snapshot):
    snapshot.damage(_set("seq = 99", DAN, 3), _set("seq = 3", DAN, 4), _set("seq = 4", DAN, 99))
    report = verify(snapshot)
    assert {(item.rule, item.seq) for item in report.findings} >= {("R-LED-3", 3), ("R-LED-3", 4)}


def test_a_change_of_any_column_of_any_transfer_is_found(snapshot):
    snapshot.damage("DROP INDEX transfer_by_confirmation")
    for number, seq in list(snapshot.run(_ALL)):
        for column in _COLUMNS.split(", "):
            [(kind,)] = snapshot.run(f"SELECT typeof({column}) FROM transfer {_of(number, seq)}")
            value = {
                "integer": f"{column} + 1000",
                "text": f"{column} || '1'",
                "null": "1",
                "blob": "randomblob(32)",
            }[kind]
            snapshot.damage("SAVEPOINT one", _set(f"{column} = {value}", number, seq))
            assert not verify(snapshot).ok, (number, seq, column)
            snapshot.damage("ROLLBACK TO one", "RELEASE one")


@pytest.mark.parametrize("table", ["transfer", "outcome"])
def test_the_loss_of_any_row_that_moved_miles_is_found(snapshot, table):
    key = {"transfer": "collector, seq", "outcome": "collector, key"}[table]
    moved = "WHERE code IN ('0000', '0001')" if table == "outcome" else ""
    for row in list(snapshot.run(f"SELECT {key} FROM {table} {moved}")):
        snapshot.damage("SAVEPOINT one")
        list(snapshot.run(f"DELETE FROM {table} WHERE ({key}) = (?, ?)", *row))
        if table == "transfer":
            snapshot.forge_chains()
        assert not verify(snapshot).ok, row
        snapshot.damage("ROLLBACK TO one", "RELEASE one")


def test_a_number_or_null_in_any_place_of_an_outcome_never_breaks_verify(snapshot):
    for table in ("transfer", "outcome", "open_delivery"):
        snapshot.damage(f"DELETE FROM {table} WHERE collector <> '{BOB}'")
    snapshot.damage(f"DELETE FROM collector WHERE number <> '{BOB}'")
    assert verify(snapshot).ok
    for rowid, text, column in list(
        snapshot.run(
            "SELECT rowid, answer, 'answer' FROM outcome UNION ALL SELECT rowid, request, 'request' FROM outcome"
        )
    ):
        for path in _paths(json.loads(text)):
            for value in ("NULL", "-7", "'x'", "json('[]')", "json('{}')", "1e300"):
                snapshot.damage("SAVEPOINT one")
                list(
                    snapshot.run(
                        f"UPDATE outcome SET {column} = json_set({column}, ?, {value}) WHERE rowid = ?", path, rowid
                    )
                )
                verify(snapshot)
                snapshot.damage("ROLLBACK TO one", "RELEASE one")


def _paths(value, path="$"):
    if isinstance(value, dict):
        for name, inner in value.items():
            yield f"{path}.{name}"
            yield from _paths(inner, f"{path}.{name}")
