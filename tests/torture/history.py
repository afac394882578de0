"""The history check: does the order of each collector's transfers explain every answer that every till got?

The numbers of the transfers are one order of all that changed a collector. The naive programme (model/naive.py, which
imports nothing of amcash) goes through it and must give each answer letter for letter. Answers that changed nothing
(declines, inquiries) must be true at some place of that order. And the order must agree with real time: what was
answered before another request was sent comes before it.
"""

from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import accumulate
from math import inf

from model.naive import ANY_FRENCH, RECORDED, TORONTO, NaiveProgramme, wall_clock
from torture.journal import APPROVED, WALL_S

SPONSORS = {"LOY1": {"vendors": {"100087"}, "acquirers": {"100000"}}}
OFFERS = [
    {
        "id": "1111111111",
        "type": "RGL",
        "miles": 95,
        "dollars": Decimal(10),
        "sponsor": None,
        "en": "95 Cash Miles = $10 off",
        "fr": "95 milles Argent = 10 $ de rabais",
        "available": True,
        "from": None,
        "until": None,
    }
]
SECOND = timedelta(seconds=1)


@dataclass(slots=True)
class _Place:
    """What a collector has behind a transfer; the place before the first is the opening."""

    cash: int
    used: dict


@dataclass(slots=True)
class _Still:
    """An answer that changed nothing."""

    operation: object
    body: dict
    status: int
    sent: float
    answered: float


def check_history(service, journal, rows):
    """Give a sentence for each thing that the order does not explain."""
    operations, by_collector = defaultdict(list), defaultdict(list)
    for operation in journal.operations:
        operations[operation.collector].append(operation)
    for row in rows:
        if row.wallet == "cash" and row.kind != "opening":
            by_collector[row.collector].append(row)
    for number, (cash, dream) in service.collectors.items():
        if operations[number] or by_collector[number]:
            yield from _Collector(number, cash, dream, Decimal(service.cap)).check(
                operations[number], by_collector[number]
            )


class _Collector:
    def __init__(self, number, cash, dream, cap):
        self.number = number
        self.model = NaiveProgramme(SPONSORS, OFFERS, cap, "decline")
        self.model.enrol(number, cash, dream)
        self.model.grace = timedelta(days=365)  # the ledger says what was cancelled, and the judge whether in time
        self.dream, self.cap = dream, cap
        self.places = []
        self.made, self.closed = {}, {}
        """Confirmation -> the place behind its redemption, and behind its reversal or cancellation."""
        self.expected = {}
        """(endpoint, confirmation) -> (status, body) of what was approved."""

    def check(self, operations, rows):
        yield from self._walk({operation.trace: operation for operation in operations}, rows)
        stills = []
        firsts, acked = {}, {}
        for operation in operations:
            for attempt, body in operation.whole_answers():
                code = body["responseCode"]
                if code in APPROVED and operation.endpoint != "inquire":
                    yield from self._approval(operation, attempt, body)
                    one = (operation.endpoint, body["txnConfirmationNumber"])
                    acked[one] = min(attempt.ended, acked.get(one, inf))
                    if not attempt.replayed:
                        firsts[one] = attempt
                else:
                    # A replayed answer may have been decided at any of the times before.
                    sent = operation.began if attempt.replayed else attempt.sent
                    stills.append(_Still(operation, body, attempt.status, sent, attempt.ended))
            yield from self._one_decline(operation)
        traces = {operation.trace: operation for operation in operations}
        yield from self._real_time(rows, traces, firsts, acked)
        yield from self._stills(stills)

    def _walk(self, operations, rows):
        """Take the naive programme through the transfers, in their order."""
        model, number = self.model, self.number
        self._remember()
        for row in rows:
            now = datetime.fromtimestamp(row.at, UTC)
            operation = operations.get(row.trace)
            one = (number, row.confirmation)
            if operation is None:
                yield f"{number}/{row.seq}: a {row.kind} that nobody asked for"
                return
            if row.kind == "cancellation":
                if one not in model.open:
                    yield f"{number}/{row.seq}: a cancellation of what was not open"
                    return
                model.open[one] = now
                model.sweep(now)
            else:
                endpoint = {"redemption": "redeem", "reversal": "reverse"}[row.kind]
                try:
                    status, body, replayed = model.answer(
                        endpoint, operation.fields, operation.key, now, row.confirmation
                    )
                except AssertionError as error:
                    yield f"{number}/{row.seq}: the naive programme does not take it: {error}"
                    return
                if replayed or body["responseCode"] not in APPROVED:
                    yield f"{number}/{row.seq}: a {row.kind} where the naive programme says {body['responseCode']}"
                    return
                self.expected[endpoint, row.confirmation] = (status, body)
            (self.made if row.kind == "redemption" else self.closed)[row.confirmation] = len(self.places)
            if model.collectors[number]["cash"] != row.balance:
                yield f"{number}/{row.seq}: it left {row.balance} miles, and should have left others"
            self._remember()

    def _remember(self):
        self.places.append(_Place(self.model.collectors[self.number]["cash"], dict(self.model.used)))

    def _approval(self, operation, attempt, body):
        expected = self.expected.get((operation.endpoint, body["txnConfirmationNumber"]))
        if expected is None:
            yield f"{operation.trace}: an approval that no transfer explains"
        elif not _same(*expected, attempt.status, body):
            yield f"{operation.trace}: {_difference(expected[1], body)}"
        if not attempt.replayed:
            at = datetime.strptime(body["transDateTime"], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=TORONTO)
            sent, ended = (datetime.fromtimestamp(moment + WALL_S, UTC) for moment in (attempt.sent, attempt.ended))
            if not sent - SECOND <= at <= ended + SECOND:
                yield f"{operation.trace}: answered as of {at}, which was neither when it was sent nor when answered"

    def _one_decline(self, operation):
        """R-IDEM-3 and 5: under one key a recorded decline is the same whenever it is asked for."""
        bodies = [body for _, body in operation.whole_answers()]
        declines = {str(body) for body in bodies if body["responseCode"] in RECORDED - APPROVED}
        if operation.endpoint != "inquire" and len(declines) > 1:
            yield f"{operation.trace}: declined with different words for one key"

    def _real_time(self, rows, operations, firsts, acked):
        """Nothing stands behind what was asked for only after its answer had come."""
        self.sent, self.acked = [], []
        for row in rows:
            operation = operations.get(row.trace)
            if row.kind == "cancellation" or operation is None:
                self.sent.append(-inf)
                self.acked.append(inf)
                continue
            one = ({"redemption": "redeem", "reversal": "reverse"}[row.kind], row.confirmation)
            first = firsts.get(one)
            self.sent.append(first.sent if first is not None else operation.began)
            self.acked.append(acked.get(one, inf))
        earliest_behind = inf
        for row, sent, answered in zip(reversed(rows), reversed(self.sent), reversed(self.acked), strict=True):
            if earliest_behind < sent:
                yield f"{self.number}/{row.seq}: it was sent after one behind it had been answered"
            earliest_behind = min(earliest_behind, answered)

    def _stills(self, stills):
        """Find for each answer that changed nothing a place where it is true, the earliest that real time allows."""
        # A place p lies behind p transfers. What was answered before we asked lies before us: the last such counts.
        acked_first = sorted((moment, place) for place, moment in enumerate(self.acked, 1) if moment < inf)
        moments = [moment for moment, _ in acked_first]
        behind = list(accumulate((place for _, place in acked_first), max))
        sent_last = list(accumulate(self.sent, max))
        settled, answered = 0, []
        """Where the stills are whose answer had come before we asked, and (moment, place) of the others."""
        for still in sorted(stills, key=lambda item: item.sent):
            found = bisect_left(moments, still.sent)
            settled = max([settled, *(place for moment, place in answered if moment < still.sent)])
            answered = [item for item in answered if item[0] >= still.sent]
            lowest = max(settled, behind[found - 1] if found else 0)
            highest = bisect_left(sent_last, still.answered)  # what was sent only after our answer stands behind us
            place = next((place for place in range(lowest, highest + 1) if self._true_at(place, still)), None)
            if place is None:
                yield (
                    f"{still.operation.trace} of {self.number}: {still.body['responseCode']} is true at no place from "
                    f"{lowest} to {highest}: {_difference(self._at(lowest, still)[1], still.body)}"
                )
            else:
                answered.append((still.answered, place))

    def _true_at(self, place, still):
        return _same(*self._at(place, still), still.status, still.body)

    def _at(self, place, still):
        """Return what the naive programme says at a place; what it keeps of that is thrown away."""
        here = self.places[min(place, len(self.places) - 1)]
        model = NaiveProgramme(SPONSORS, OFFERS, self.cap, "decline")
        model.enrol(self.number, here.cash, self.dream)
        model.used = dict(here.used)
        fields, endpoint = still.operation.fields, still.operation.endpoint
        asked = (self.number, fields.get("redemptionConfirmationNum"))
        known = self.model.redemptions.get(asked)
        if known is not None and self.made[asked[1]] <= place:
            model.redemptions[asked] = {**known, "closed": self.closed.get(asked[1], inf) <= place}
        now = datetime.strptime(still.body["transDateTime"], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=TORONTO)
        status, body, _ = model.answer(endpoint, fields, still.operation.key, now, "9" * 16)
        assert wall_clock(now) == still.body["transDateTime"]
        return status, body


def _same(status, expected, got_status, got):
    if status != got_status or expected.keys() != got.keys():
        return False
    return all(value in {got[name], ANY_FRENCH} for name, value in expected.items())


def _difference(expected, got):
    names = sorted(expected.keys() | got.keys())
    differs = [name for name in names if expected.get(name) not in {got.get(name), ANY_FRENCH}]
    return "; ".join(f"{name} {got.get(name)!r} and not {expected.get(name)!r}" for name in differs)
