"""The judge: a naive second ledger, told what was asked and when something was committed; and the four zeros.

It never asks the product what is right. What it compares with is the naive programme of `tests/model`, which imports
nothing of amcash, what every till was told, and at the end every row of the ledger.
"""

import datetime as dt
from collections import Counter
from decimal import Decimal

from model.naive import ANY_FRENCH, NaiveProgramme, cap_day
from simulation.tills import APPROVALS
from simulation.world import SECOND

RETENTION = dt.timedelta(hours=72)
HAND_OVER_MARGIN = dt.timedelta(milliseconds=250)
UTC_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class JudgedError(BaseException):
    """A promise was broken. No handler of the product's may swallow it."""


class NaiveLedger(NaiveProgramme):
    """The naive programme, and the transfers that its ledger would hold."""

    def __init__(self, *args):
        super().__init__(*args)
        self.transfers = []

    def answer(self, endpoint, request, header_key, now, confirmation):
        status, body, replayed = super().answer(endpoint, request, header_key, now, confirmation)
        if endpoint != "inquire" and not replayed and body["responseCode"] in APPROVALS:
            kind = "redemption" if endpoint == "redeem" else "reversal"
            number, miles = request["collectorNumber"], body.get("milesRedeemed") or body["milesReversed"]
            self.transfers.append((number, kind, body["txnConfirmationNumber"], int(miles)))
        return status, body, replayed

    def cancel(self, one):
        super().cancel(one)
        self.transfers.append((one[0], "cancellation", one[1], self.redemptions[one]["miles"]))


class Judge:
    def __init__(self, world, shape, naive):
        self.world, self.shape, self.naive = world, shape, naive
        self.offers = {}
        """Of each version of the register."""
        self.outages = {}
        self.failure = None
        """What is wrong, or broke. An event loop's task would keep it for itself, so whoever runs one looks here."""
        self._asked = {}
        self._commands = []
        self._sale_of = {}
        self._sent = set()
        self._perhaps_sent = set()
        self._received = []
        self.seen = Counter()
        """What has happened in this story, so that a test can tell that stories still reach it."""

    def blame(self, sentence, *more):
        """Say what is wrong; once is enough."""
        self.world.note("BROKEN", sentence, *more)
        self.failure = self.failure or JudgedError(" ".join(map(str, (sentence, *more))))
        raise self.failure

    # --- while the story goes on ---

    def expects(self, command, copy):
        """A process has made `command` of a till's request."""
        self._asked[id(command)] = copy
        self._commands.append(command)  # kept, so that no other command gets its id

    def settled(self, process, jobs, numbers, moment, marks, version):
        """A transaction has been committed that decided `jobs`, in this order, at this moment."""
        self.marked(marks)
        self.naive.offers = self.offers[version]
        for job, confirmation in zip(jobs, numbers, strict=True):
            copy = self._asked.get(id(job))
            if copy is None:
                self._cancelled((job.collector, job.confirmation), moment)
                continue
            call = copy.call
            copy.explained = self._naive_answer(copy, moment, confirmation)
            copy.open_until = moment + self.naive.grace
            _, body, replayed = copy.explained
            what = "replayed" if replayed else "fresh"
            self.world.note(process.name, "commits", call.endpoint, body["responseCode"], what, confirmation)
            self.seen[call.endpoint, body["responseCode"], replayed] += 1
            if call.endpoint == "redeem" and not replayed and body["responseCode"] in APPROVALS:
                one = (call.fields["collectorNumber"], confirmation)
                self._sale_of[one] = (*one[:1], call.fields["sponsorCode"], call.key or tuple(call.fields.items()))

    def consulted(self, jobs, moment, version):
        """A snapshot has been read that decides inquiries."""
        self.naive.offers = self.offers[version]
        for job in jobs:
            copy = self._asked[id(job)]
            copy.explained = self._naive_answer(copy, moment, None)

    def _naive_answer(self, copy, moment, confirmation):
        call = copy.call
        try:
            return self.naive.answer(call.endpoint, call.fields, call.key, moment, confirmation)
        except AssertionError as error:
            return self.blame("the naive ledger cannot do this:", error, call.fields, confirmation)

    def marked(self, marks):
        for one in marks:
            self.world.note("marked", *one)
            self.naive.handed_over(*one)

    def _cancelled(self, one, moment):
        if one in self.naive.open and self.naive.open[one] <= moment:
            self.world.note("cancelled", *one)
            self.seen["cancelled"] += 1
            self.naive.cancel(one)

    def purged(self, older_than):
        if older_than > self.world.latest_shown - RETENTION:
            self.blame("R-IDEM-8: outcomes are purged before their time, those before", older_than)
        before = len(self.naive.recorded)
        self.naive.purge(older_than)
        self.seen["spared by a purge"] += sum(at < older_than for _, _, _, at, _ in self.naive.recorded.values())
        self.seen["purged"] += before - len(self.naive.recorded)

    def answered(self, copy):
        """A process has given an answer; whether anybody reads it is not known yet."""
        code, process = copy.body["responseCode"], copy.process
        self.world.note(process.name, "answers", copy.call.till.name, code, copy.status, copy.body.get("message"))
        self.seen["answered", code] += 1
        waited = self.world.now - copy.arrived_at
        if code == "0092":
            if not self.outages[process.watch().version]:
                self.blame("an outage nobody declared")
        elif code == "0096":
            if process.troubles == copy.troubles:
                self.blame("0096, and nothing was wrong:", copy.call.fields)
        elif code == "0008":
            if not self._may_be_too_late(copy, waited):
                self.blame("0008 without a reason:", copy.call.fields)
        else:
            if copy.answered_at_once:  # nothing but a refused parameter needs no ledger
                copy.explained = self._naive_answer(copy, self.world.clock(), None)
            if copy.explained is None:
                self.blame("an answer that no commit explains:", copy.body)
            self._compare(copy)
        if waited > (process.budget_s + 0.01) * SECOND and copy.arrived_at > process.frozen_until:
            self.blame("R-TIME-1: an answer behind its budget:", waited)

    def _may_be_too_late(self, copy, waited):
        process = copy.process
        if waited >= process.budget_s * SECOND or copy.met_full_queue or not process.accepts:
            return True
        if copy.explained is None:
            return False
        _, body, _ = copy.explained  # decided in time, and not handed over: what it saw of its delivery is about to end
        approves = copy.call.endpoint == "redeem" and body["responseCode"] in APPROVALS
        old = waited >= (self.naive.grace - HAND_OVER_MARGIN) / dt.timedelta(microseconds=1)  # whatever the clock says
        return approves and (old or self.world.clock() + HAND_OVER_MARGIN >= copy.open_until)

    def _compare(self, copy):
        status, expected, replayed = copy.explained
        body = copy.body
        if expected["message"] == ANY_FRENCH or expected["responseCode"] == "0035":
            expected = {**expected, "message": body["message"]}
        if (copy.status, body, copy.replayed) != (status, expected, replayed):
            wrong = {name: (body.get(name), expected.get(name)) for name in {**body, **expected}}
            wrong = {name: pair for name, pair in wrong.items() if pair[0] != pair[1]}
            replays = (copy.replayed, replayed)
            self.blame("an answer (first) is not what the naive ledger says (second):", wrong, replays)

    def _approved(self, copy):
        if copy.call.endpoint == "redeem" and copy.body["responseCode"] in APPROVALS:
            return copy.call.fields["collectorNumber"], copy.body["txnConfirmationNumber"]
        return None

    def sent(self, copy):
        """The whole answer has gone to a connection that is still open."""
        self._sent.add(self._approved(copy))

    def cut(self, copy):
        """Only a part of the answer has gone out. It may hold the number, and a till may use it."""
        one = self._approved(copy)
        if one is not None and copy.process.chance.random() < 0.4:
            copy.call.till.story.known.append((one[0], copy.call.fields["sponsorCode"], one[1]))

    def perhaps_sent(self, copy):
        """The process died between its journal's line and the end of the hand-over: nobody can know."""
        self._perhaps_sent.add(self._approved(copy))
        self.seen["perhaps sent"] += 1

    def received(self, copy):
        """The till's process has read the whole answer."""
        self.world.note("till", copy.call.till.name, "reads", copy.body["responseCode"])
        self._received.append(copy)

    # --- when it is over ---

    def closes(self, rows):
        """Compare every row of the ledger, and count the four zeros.

        Args:
            rows: runs a statement on the ledger and returns its rows.
        """
        transfers = [
            row
            for row in rows("SELECT collector, seq, kind, confirmation, miles, at, cents FROM transfer ORDER BY 1, 2")
            if row[2] not in {"opening", "credit", "adjustment"}
        ]
        fate = {}
        for number, _, kind, confirmation, *_ in transfers:
            fate.setdefault((number, confirmation), []).append(kind)
        self._nothing_acknowledged_is_lost(fate)
        self._nothing_is_charged_that_was_not_sent(fate)
        self._nothing_is_charged_twice(fate)
        self._no_cap_is_exceeded(transfers)
        self._books_are_alike(rows, transfers)

    def _nothing_acknowledged_is_lost(self, fate):
        for copy in self._received:
            one, code = self._approved(copy), copy.body["responseCode"]
            if one is not None:
                if "redemption" not in fate.get(one, ()):
                    self.blame("acknowledged and lost:", one)
                if "cancellation" in fate[one]:
                    self.blame("received yet cancelled:", one)
            elif copy.call.endpoint == "reverse" and code in APPROVALS:
                one = (copy.call.fields["collectorNumber"], copy.body["txnConfirmationNumber"])
                if "reversal" not in fate.get(one, ()):
                    self.blame("a reversal acknowledged and lost:", one)

    def _nothing_is_charged_that_was_not_sent(self, fate):
        for one, kinds in fate.items():
            if kinds == ["redemption"] and one not in self._sent and one not in self._perhaps_sent:
                self.blame("charged, yet its answer never left, and nobody asked again:", one)

    def _nothing_is_charged_twice(self, fate):
        if self.seen["purged"]:
            return  # a key that is forgotten names another sale; the naive ledger knows which
        standing = {}
        for one, kinds in fate.items():
            if kinds == ["redemption"]:
                standing.setdefault(self._sale_of.get(one, one), []).append(one)
        for sale, made in standing.items():
            if len(made) > 1:
                self.blame("charged twice:", sale, made)

    def _no_cap_is_exceeded(self, transfers):
        used, day_of = Counter(), {}
        for number, _, kind, confirmation, _, at, cents in transfers:
            moment = UTC_EPOCH + dt.timedelta(microseconds=at)
            if kind == "redemption":
                day = day_of[number, confirmation] = cap_day(moment)
                used[number, day] += cents
                if used[number, day] > self.naive.cap * 100:
                    self.blame("the cap is exceeded:", number, day, used[number, day])
            elif kind == "cancellation" or cap_day(moment) == day_of[number, confirmation]:
                used[number, day_of[number, confirmation]] -= cents

    def _books_are_alike(self, rows, transfers):
        naive = self.naive
        self._alike("transfers", sorted(row[:1] + row[2:5] for row in transfers), sorted(naive.transfers))
        for number in naive.collectors:  # each collector's in their order
            mine = [row for row in naive.transfers if row[0] == number]
            self._alike("order", [row[:1] + row[2:5] for row in transfers if row[0] == number], mine)
        wallets = {n: (cash, dream) for n, cash, dream in rows("SELECT number, cash, dream FROM collector")}
        self._alike("wallets", wallets, {n: (item["cash"], item["dream"]) for n, item in naive.collectors.items()})
        deliveries = list(rows("SELECT collector, confirmation FROM open_delivery"))
        self._alike("open deliveries", deliveries, sorted(naive.open))
        self._alike("deliveries open behind the grace", deliveries, [])
        # Without the redemptions that were cancelled: of such a key a clock that went back may have the second attempt
        # purged before the first, whose row stays. It decides nothing: a retry is a fresh authorisation either way.
        cancelled = {one for one, redemption in naive.redemptions.items() if redemption.get("cancelled")}
        real = {
            (number, sponsor, endpoint, key)
            for number, sponsor, endpoint, key, confirmation in rows(
                "SELECT collector, sponsor, endpoint, key, confirmation FROM outcome"
            )
            if endpoint != "redeem" or (number, confirmation) not in cancelled
        }
        mine = [
            (sponsor, endpoint, number, key)
            for (sponsor, endpoint, number, key), (*_, confirmation) in naive.recorded.items()
            if endpoint != "redeem" or (number, confirmation) not in cancelled
        ]
        self._alike("outcomes", len(real), len(mine))
        used = {}
        for number, day, cents in rows(
            "SELECT collector, cap_day, sum(CASE kind WHEN 'redemption' THEN cents ELSE -cents END) FROM transfer "
            "WHERE cap_day IS NOT NULL GROUP BY 1, 2"
        ):
            used[number, dt.date.fromisoformat(day)] = Decimal(cents) / 100
        mine = {key: dollars for key, dollars in naive.used.items() if dollars}
        self._alike("use of the cap", {key: dollars for key, dollars in used.items() if dollars}, mine)

    def _alike(self, what, real, mine):
        if real != mine:
            self.blame(f"the {what} (first) are not the naive ledger's (second):", real, mine)
