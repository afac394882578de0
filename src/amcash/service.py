"""The table of contents: what the service can do, a few lines each. Every call gives a Decision, whatever happens."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from amcash.domain.book import OneRedemption
from amcash.domain.codes import Code
from amcash.domain.commands import Command, Echo, Inquire, Redeem, Reverse
from amcash.domain.outcomes import Decision, Outcome
from amcash.domain.trial import Trial
from amcash.ledger.handover import Journal, Marks
from amcash.ledger.lane import BudgetOverError, Lane, QueueFullError
from amcash.ledger.settle import Clock, Job, Settled
from amcash.ledger.store import StoreError

PROBE_GOOD_S = 1.0
"""How long one successful write answers for the echoes after it (R-ECHO-1)."""

HAND_OVER_MARGIN: Final = timedelta(milliseconds=250)
"""So long before its delivery is over an approval is no longer handed over: a sweeper's clock may be ahead."""

CommandLane = Lane[Job, Settled]


class HandOverTooLateError(StoreError):
    """The delivery of this approval is about to be cancelled, or is already: it must not be sent."""


class Service:
    """The four calls, over a lane that writes and a lane that reads; and the hand-over of what they approve.

    Args:
        writes: settles commands, one transaction a batch.
        reads: consults the ledger, one snapshot a batch.
        clock: gives the time.
        grace: how long the delivery of an approval stays open (R-DLV-1).
        journal: of this process's hand-overs (R-DLV-3a); None where no approval awaits its delivery.
        marks: takes what was handed over, on its way into the ledger (R-DLV-2).
        ticks: seconds that pass whatever the clock is set to; the same that an exchange's beginning is told in.
    """

    def __init__(  # noqa: PLR0913 -- each is one thing that may differ
        self,
        writes: CommandLane,
        reads: CommandLane,
        clock: Clock,
        *,
        grace: timedelta = timedelta.max,
        journal: Journal | None = None,
        marks: Marks | None = None,
        ticks: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._writes = writes
        self._reads = reads
        self._clock = clock
        self._sent_within_s = (grace - HAND_OVER_MARGIN).total_seconds()
        self._journal = journal
        self._marks = marks
        self._ticks = ticks
        self._probed: Decision | None = None

    async def echo(self, command: Echo) -> Decision:
        """Tell whether the ledger takes a write; a success is remembered for a second (R-ECHO-1)."""
        now = self._clock()
        if self._probed is not None:
            age_s = (now - self._probed.outcome.at).total_seconds()
            if 0 <= age_s <= PROBE_GOOD_S:
                return Decision(Outcome(Code.APPROVED, now))
        decision = await self._submit(self._writes, command)
        self._probed = decision if decision.outcome.code is Code.APPROVED else None
        return decision

    async def inquire(self, command: Inquire) -> Decision:
        """Tell what a collector has; writes nothing."""
        return await self._submit(self._reads, command)

    async def redeem(self, command: Redeem) -> Decision:
        """Redeem miles, once for each idempotency key."""
        return await self._submit(self._writes, command)

    async def reverse(self, command: Reverse) -> Decision:
        """Reverse a redemption, once."""
        return await self._submit(self._writes, command)

    async def try_out(self, trial: Trial) -> Decision:
        """Decide a command of a sandbox at its client's own moment, and say with the decision what the rules saw."""
        lane = self._reads if isinstance(trial.command, Inquire) else self._writes
        return await self._submit(lane, trial)

    # --- the hand-over of an answer; each returns at once, and does nothing for one that awaits no delivery ---

    def about_to_hand_over(self, command: Command, decision: Decision, began: float) -> None:
        """Write down that an answer goes to the socket next (R-DLV-3a).

        One of the two below must follow, exactly once, if this has not raised.

        Args:
            command: what was asked.
            decision: on it.
            began: when the request came, in ticks. A process may sleep while the clock is set back.

        Raises:
            StoreError: the answer must not be sent: it could not be written down, or its time is nearly over. Its
                delivery stays open, and so it is cancelled (R-DLV-3).
        """
        if decision.open_until is None or self._journal is None:
            return
        one = _redemption_of(command, decision)
        self._journal.append(*one)
        # Only now, for writing may take its time: a sweeper that finds the row expired after this sees the line.
        late = self._clock() + HAND_OVER_MARGIN >= decision.open_until
        if late or self._ticks() - began >= self._sent_within_s:
            self._journal.withdraw(*one)
            raise HandOverTooLateError("the delivery of an approval was over before it could be handed over")

    def handed_over(self, command: Command, decision: Decision) -> None:
        """Have the delivery marked: the whole answer went to a connection that is still open (R-DLV-2)."""
        if decision.open_until is not None and self._marks is not None:
            self._marks.add(*_redemption_of(command, decision))

    def not_handed_over(self, command: Command, decision: Decision) -> None:
        """Take back that the answer would be handed over: the caller had gone. Its delivery stays open (R-DLV-3)."""
        if decision.open_until is not None and self._journal is not None:
            self._journal.withdraw(*_redemption_of(command, decision))

    async def _submit(self, lane: CommandLane, job: Job) -> Decision:
        try:
            settled = await lane.submit(job)
        except (QueueFullError, BudgetOverError):
            return Decision(Outcome(Code.TIMEOUT, self._moment(job)))
        if isinstance(settled, StoreError):
            return Decision(Outcome(Code.SERVER_ERROR, self._moment(job)))
        return settled

    def _moment(self, job: Job) -> datetime:
        now = self._clock()
        return job.at(now) if isinstance(job, Trial) else now


def _redemption_of(command: Command, decision: Decision) -> OneRedemption:
    assert isinstance(command, Redeem)  # nothing else awaits its delivery
    assert decision.outcome.confirmation is not None
    return command.collector, decision.outcome.confirmation
