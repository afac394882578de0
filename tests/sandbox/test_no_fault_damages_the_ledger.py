"""Whatever faults strike whatever requests at whatever time: the ledger is provable, and holds what tills were told."""

import json
import random
import re

import pytest

from sandbox.trying import new_key

FAULTS = [
    {"fault": "lost_before_commit"},
    {"fault": "lost_after_commit"},
    {"fault": "cut", "bytes": 150},
    {"fault": "delay", "delay_ms": 5},
    {"fault": "late"},
    {"fault": "late", "delay_ms": 5},
    {"fault": "duplicate"},
    {"fault": "0096"},
    {"fault": "0092"},
    {"fault": "0067"},
    {"fault": "token_expired"},
]
STEPS = 60
RETRIES_MAX = 20
UNKNOWN = {"0008", "0096", "0092", "0067", None}


def whole_answer(raw):
    """Return the body of an answer that came whole; None where the connection broke first."""
    head, _, body = raw.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: ([0-9]+)", head)
    return json.loads(body) if length and len(body) == int(length[1]) else None


def once_for_sure(partner, endpoint, fields):
    """Send the identical request until it is known what became of it, as a till does in the end."""
    key = new_key()
    for _ in range(RETRIES_MAX):
        body = whole_answer(partner.raw(endpoint, fields, key))
        if body is not None and body.get("responseCode") not in UNKNOWN:
            return body
    raise AssertionError("never known")


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_random_faults_and_requests_leave_what_the_tills_were_told(partner, collector, seed):
    """The shared sandbox is audited whole when the tests are over; here the balances are compared."""
    chance = random.Random(seed)
    cash, standing, seen = 9500, [], set()
    for _ in range(STEPS):
        if chance.random() < 0.5:
            parts = dict(chance.choice(FAULTS))
            partner.order(parts.pop("fault"), chance.choice((1, 1, 2)), match={"collector": collector}, **parts)
        if chance.random() < 0.3:
            partner.done("POST", "clock/step", {"hours": chance.choice((-30, -5, 5, 30))})
        if standing and chance.random() < 0.4:
            made = standing.pop(chance.randrange(len(standing)))
            fields = partner.till.fields(collector, redemptionConfirmationNum=made["txnConfirmationNumber"])
            body = once_for_sure(partner, "reverse", fields)
            cash += int(body.get("milesReversed", 0))
        else:
            fields = partner.redeem_fields(collector, dollars=f"{chance.choice((1, 2, 7))}0.00")
            body = once_for_sure(partner, "redeem", fields)
            cash -= int(body.get("milesRedeemed", 0))
            if "milesRedeemed" in body:
                standing.append(body)
        if "cashBalance" in body:
            assert int(body["cashBalance"]) == cash
        seen |= {item["fault"] for item in partner.done("GET", "faults")["faults"] if item["fired"]}
        if chance.random() < 0.2:
            partner.done("DELETE", "faults")
    assert partner.account(collector).cash == cash
    assert seen == {item["fault"] for item in FAULTS}
