"""The judge: the tills' own journal against the ledger, when every delivery is over.

What is allowed for a redemption, by what its till and the wire know of its approvals:

| known | the redemption |
|---|---|
| an approval came whole to the till | stands, unless the till reversed it; never cancelled |
| one was handed to the wire whole, and was lost behind it | the same: HTTP proves no more (R-DLV-2) |
| not a byte of one was handed over, and nobody asks again | does not stand: cancelled within the grace and 5 s |
| the till had left in order, and nobody can say who was first | stands or is cancelled |
| whatever is known | at most once for a key, and for nobody who did not ask |
"""

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import NamedTuple

from torture.history import check_history
from torture.journal import APPROVED, NO_ANSWER, WALL_S, Handed
from torture.machines import read
from torture.tills import whole

CANCELLED_WITHIN_S = 5
"""Beyond the grace (R-DLV-5)."""
SHOWN_MAX = 12

LOST = "acknowledged lost"
DOUBLE = "double"
RECEIVED_CANCELLED = "received yet cancelled"
NEVER_SENT = "charged yet never sent"
ZEROS = (LOST, DOUBLE, RECEIVED_CANCELLED, NEVER_SENT)
LATE = "cancelled too late"
UNTRUE = "an answer that is not the truth"
HISTORY = "history"
VERIFY = "verify"


class Row(NamedTuple):
    """A transfer, as it stands in the ledger."""

    collector: str
    seq: int
    kind: str
    wallet: str
    confirmation: str | None
    trace: str | None
    miles: int
    balance: int
    at: float


TRANSFERS = (
    "SELECT collector, seq, kind, wallet, confirmation, trace, miles, balance, at FROM transfer ORDER BY collector, seq"
)


def transfers(database):
    return [Row(*row[:-1], row[-1] / 1_000_000) for row in read(database, TRANSFERS)]


@dataclass
class Verdict:
    """What was found."""

    found: Counter = field(default_factory=Counter)
    sentences: list[str] = field(default_factory=list)
    operations: int = 0
    answers: int = 0
    cancelled: int = 0
    latest_s: float = 0.0
    """The longest that a redemption stood before its cancellation, unclaimed and with the service there."""
    in_the_gap: int = 0
    """Charged and never sent, for the process was killed between its journal's line and the bytes."""
    cut_before: int = 0
    cut_behind: int = 0

    @property
    def ok(self):
        return not self.found

    def add(self, what, sentence):
        self.found[what] += 1
        if len(self.sentences) < SHOWN_MAX:
            self.sentences.append(f"{what}: {sentence}")

    def join(self, other):
        self.found += other.found
        self.sentences = (self.sentences + other.sentences)[:SHOWN_MAX]
        self.operations += other.operations
        self.answers += other.answers
        self.cancelled += other.cancelled
        self.latest_s = max(self.latest_s, other.latest_s)
        self.in_the_gap += other.in_the_gap
        self.cut_before += other.cut_before
        self.cut_behind += other.cut_behind


def judge(service, journal, *, away=()):
    """Judge a programme whose tills have all come to an end and whose deliveries are over.

    Args:
        service: whose ledger it is.
        journal: of the tills.
        away: (from, until) of each time in which the service could not cancel, in seconds of the monotonic clock.
    """
    verdict = Verdict(operations=len(journal.operations))
    rows = transfers(service.database)
    by_trace = {operation.trace: operation for operation in journal.operations}
    made = defaultdict(list)
    for row in rows:
        if row.kind == "redemption":
            made[row.trace].append(row)
    closed = {(row.collector, row.confirmation): row for row in rows if row.kind in {"reversal", "cancellation"}}
    for trace in made.keys() - by_trace.keys():
        verdict.add(DOUBLE, f"{trace} was redeemed, and no till asked for it")
    for operation in journal.operations:
        verdict.answers += sum(attempt.whole for attempt in operation.attempts)
        if operation.endpoint == "redeem":
            _redemption(verdict, operation, made[operation.trace], closed, service.last_lines)
            for row in made[operation.trace]:
                _cancelled_in_time(
                    verdict, service, operation, row, closed.get((row.collector, row.confirmation)), away
                )
        elif operation.endpoint == "reverse":
            _reversal(verdict, operation, closed)
    for sentence in check_history(service, journal, rows):
        verdict.add(HISTORY, sentence)
    report = service.verify()
    if not report["ok"]:
        verdict.add(VERIFY, f"{report['findings'][:3]}")
    return verdict


@dataclass
class _Known:
    """What till and wire know of a redemption's answers."""

    told: set[str] = field(default_factory=set)
    """Approvals that came whole to the till, or to the wire."""
    perhaps: bool = False
    declined: bool = False
    as_new: Counter = field(default_factory=Counter)

    @classmethod
    def of(cls, operation, verdict):
        known = cls()
        for attempt in operation.attempts:
            number, code = _approval(attempt)
            if number is not None:
                known.told.add(number)
                known.as_new[number] += attempt.whole and not attempt.replayed
                verdict.cut_behind += not attempt.whole
            elif attempt.whole:
                known.declined = known.declined or code not in NO_ANSWER
            else:
                known.perhaps = known.perhaps or attempt.handed is Handed.PERHAPS
                verdict.cut_before += 1
        return known


def _redemption(verdict, operation, made, closed, last_lines):
    known = _Known.of(operation, verdict)
    became = {row.confirmation: getattr(closed.get((row.collector, row.confirmation)), "kind", None) for row in made}
    standing = [number for number, kind in became.items() if kind != "cancellation"]
    who = f"{operation.trace} of {operation.collector}"
    for number in known.told:
        if number not in became:
            verdict.add(LOST, f"{who} was told {number}, which is not in the ledger")
        elif became[number] == "cancellation":
            verdict.add(RECEIVED_CANCELLED, f"{who} was told {number}, which is cancelled")
        if known.as_new[number] > 1:
            verdict.add(DOUBLE, f"{who} was told {number} as new {known.as_new[number]} times")
    if len(known.told) > 1:
        verdict.add(DOUBLE, f"{who} was answered with {sorted(known.told)}")
    if len(standing) > 1:
        verdict.add(DOUBLE, f"{who} was charged for {standing}")
    if known.declined and standing:
        verdict.add(DOUBLE, f"{who} was declined and charged for {standing}")
    if standing and not known.told and not known.perhaps:
        if f"{operation.collector} {standing[0]}" in last_lines:
            # R-DLV-3a's gap: the bytes follow the line at once, so of each dead process it can be the last line alone.
            verdict.in_the_gap += 1
        else:
            verdict.add(NEVER_SENT, f"{who} is charged for {standing[0]}, and nothing was handed over")


def _approval(attempt):
    """Return (confirmation, code) of an answer that was handed over whole, to the till or to the wire."""
    raw = attempt.raw
    if not attempt.whole:
        message = whole(raw) if raw and attempt.handed is Handed.YES else None
        if message is None:
            return None, None
        raw = message[2]
    body = json.loads(raw)
    code = body.get("responseCode")
    return (body.get("txnConfirmationNumber") if code in APPROVED else None), code


def _reversal(verdict, operation, closed):
    for _, body in operation.whole_answers():
        if body["responseCode"] in APPROVED:
            row = closed.get((operation.collector, body["txnConfirmationNumber"]))
            if row is None or row.kind != "reversal" or row.trace != operation.trace:
                verdict.add(LOST, f"{operation.trace} was told of a reversal that is not in the ledger")


def _cancelled_in_time(verdict, service, operation, made, closed, away):
    """A delivery begins with the approval, and again with every retry that claims it (R-DLV-4)."""
    if closed is None or closed.kind != "cancellation":
        return
    verdict.cancelled += 1
    claims = [attempt.sent + WALL_S for attempt in operation.attempts]
    begun = max(claim for claim in [made.at, *claims] if claim < closed.at)
    missing = sum(max(0.0, min(until + WALL_S, closed.at) - max(since + WALL_S, begun)) for since, until in away)
    took_s = closed.at - begun - missing
    if not missing and len(claims) == 1:
        verdict.latest_s = max(verdict.latest_s, took_s)
    if took_s > service.grace_s + CANCELLED_WITHIN_S:
        verdict.add(LATE, f"{made.trace}: {took_s:.1f} s, {missing:.1f} s of absence aside")
    if closed.at < made.at + service.grace_s:
        verdict.add(RECEIVED_CANCELLED, f"{made.trace} was cancelled before its grace was over")
