"""The table of contents: what the service can do, a few lines each. Every entry gives a Decision, whatever happens."""

from amcash.domain.codes import Code
from amcash.domain.commands import Command, Echo, Inquire, Redeem, Reverse
from amcash.domain.outcomes import Decision, Outcome
from amcash.ledger.lane import BudgetOverError, Lane, QueueFullError
from amcash.ledger.settle import Clock, Settled
from amcash.ledger.store import StoreError

PROBE_GOOD_S = 1.0
"""How long one successful write answers for the echoes after it (R-ECHO-1)."""

CommandLane = Lane[Command, Settled]


class Service:
    """The four calls, over a lane that writes and a lane that reads.

    Args:
        writes: settles commands, one transaction a batch.
        reads: consults the ledger, one snapshot a batch.
        clock: gives the time.
    """

    def __init__(self, writes: CommandLane, reads: CommandLane, clock: Clock) -> None:
        self._writes = writes
        self._reads = reads
        self._clock = clock
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

    async def _submit(self, lane: CommandLane, command: Command) -> Decision:
        try:
            settled = await lane.submit(command)
        except (QueueFullError, BudgetOverError):
            return Decision(Outcome(Code.TIMEOUT, self._clock()))
        if isinstance(settled, StoreError):
            return Decision(Outcome(Code.SERVER_ERROR, self._clock()))
        return settled
