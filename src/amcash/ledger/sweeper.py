"""The sweeper: one thread in every process that cancels what was not handed over and purges old outcomes.

There is no leader: two sweepers at once find the same rows, and the lock of a row lets one of them win (R-DLV-4).
"""

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from datetime import timedelta
from typing import Final

from amcash.domain.book import OneRedemption
from amcash.domain.commands import Cancel
from amcash.domain.outcomes import Decision
from amcash.domain.transfers import microseconds
from amcash.domain.vocabulary import Redemption, masked
from amcash.ledger.handover import Journals
from amcash.ledger.lane import QueueFullError
from amcash.ledger.settle import Clock, Settled
from amcash.ledger.store import Store, StoreBusyError, StoreError, StoreLostError

log = logging.getLogger(__name__)

SWEEP_EVERY_S: Final = 1.0
"""Cancelled within the grace and 5 s more (R-DLV-5): one round in hand, one that failed, and the queue."""
CANCEL_COMMANDS_MAX: Final = 256
"""At once; a round goes on with those behind them."""
CLOCK_JUMP_S: Final = 1.0
"""So much more or less than has gone by, from one round to the next, is a jump of the clock."""
CANCEL_WAIT_S: Final = 10.0
STOP_S: Final = CANCEL_WAIT_S
"""How long the end of a round is waited for."""
MARKABLE_S: Final = 3.0
"""So long in all the database must have been there since an approval, or for its grace, where that is shorter, before
it is cancelled: the marks of other machines wait for it, too. Counted from the approval on: absences cannot add up."""
LOOK_AGAIN_S: Final = 0.25
"""Between rounds while the database is away: what ends late by our own sleep would not be counted."""
PURGE_PIECES_MAX: Final = 20
"""Pieces of a purge in one round, each its own transaction."""
PURGE_EVERY_S: Final = 600.0
"""From the end of one purge, the process's start or a jump of the clock to the begin of the next."""
PRESENCES_MAX: Final = 64
"""So many stretches of time in which the database was there are remembered."""

_EXPIRED = "SELECT collector, confirmation FROM open_delivery WHERE open_until <= ? ORDER BY open_until LIMIT ?"


class Presence:
    """When the database was there of late, as this process saw it, in seconds that never jump.

    Before the first look it counts as there: whoever begins late must not cancel late.
    """

    def __init__(self) -> None:
        self._stretches = deque([(-math.inf, math.inf)], PRESENCES_MAX)

    @property
    def now(self) -> bool:
        """Whether it was there at the last look."""
        return self._stretches[-1][1] == math.inf

    def seen(self, at: float) -> None:
        """It was there."""
        if not self.now:
            self._stretches.append((at, math.inf))

    def missed(self, at: float) -> None:
        """It was not there in a look that began `at`; until then, as far as anybody knows, it was."""
        if self.now:
            begun, _ = self._stretches.pop()
            self._stretches.append((begun, max(begun, at)))

    def since(self, seconds: float, now: float) -> float:
        """Return the latest moment since which it was there for so many seconds in all, or the oldest remembered."""
        for begun, ended in reversed(self._stretches):
            until = min(ended, now)
            if until - begun >= seconds:
                return until - seconds
            seconds -= until - begun
        return self._stretches[0][0]


class Sweeper:
    """Cancels expired deliveries and purges old outcomes, a bounded piece a round.

    Args:
        store: a connection of its own; after `start`, the sweeper's thread alone uses it.
        hand_in: gives a cancellation to the lane that writes.
        journals: of every process on this ledger and this machine.
        clock: gives the time.
        grace: how long a delivery stays open.
        ticks: gives seconds that never jump.
        retention: how long outcomes are kept (R-IDEM-8).
        on_cancelled: told of each redemption that this sweeper has cancelled.
    """

    def __init__(  # noqa: PLR0913 -- each is one thing that may differ
        self,
        store: Store,
        hand_in: Callable[[Cancel], "Future[Settled]"],
        journals: Journals,
        clock: Clock,
        *,
        grace: timedelta,
        retention: timedelta,
        ticks: Callable[[], float] = time.monotonic,
        on_cancelled: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._hand_in = hand_in
        self._journals = journals
        self._clock = clock
        self._grace = grace
        self._presence = Presence()
        self._ticks = ticks
        self._clock_ahead_s = self._ahead_s()
        self._steady_from_s = 0.0
        self._retention = retention
        self._on_cancelled = on_cancelled
        self._purge_place: int | None = None
        self._purge_rests = 0.0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sweeper", daemon=True)

    def start(self) -> None:
        """Begin to sweep."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the round, and end the thread; one that hangs is not waited for. The lane must still be working."""
        self._stopped.set()
        self._thread.join(STOP_S)

    def sweep(self) -> int:
        """Go one round: take in dead journals, then cancel what has expired; return how many were cancelled.

        Raises:
            StoreError: the ledger could not be read, or did not take a mark.
        """
        began = self._ticks()
        try:
            return self._round()
        except StoreLostError as error:
            if self._presence.now:
                log.warning("the sweeper has lost the database; it tries again", extra={"why": str(error)})
            self._presence.missed(began)
            raise

    def _round(self) -> int:
        self._journals.take_in(self._store)
        steady = self._clock_is_steady()
        gone = passed_over = 0
        while not self._stopped.is_set():  # until no more are found: a backlog is not left to the next second
            limit = CANCEL_COMMANDS_MAX + passed_over
            expired = self._look(limit)  # even where nothing may be cancelled: it shows whether the database is away
            if not expired or not steady:
                break
            # What a living process has handed over and not marked yet is not ours to cancel, however long it takes.
            handed_over = self._journals.standing(set(expired))
            ours = [one for one in expired if one not in handed_over]
            gone += self._cancel(ours)
            passed_over = len(expired) - len(ours)
            if len(expired) < limit:
                break
        return gone

    def _look(self, limit: int) -> list[OneRedemption]:
        began = self._ticks()
        try:
            expired = self._expired(limit)
        except StoreLostError:  # often the database is there, and only this line was cut
            if self._ticks() - began > SWEEP_EVERY_S:  # it hung
                self._presence.missed(began)
            expired = self._expired(limit)
        if not self._presence.now:
            log.info("the sweeper has found the database again")
        self._presence.seen(self._ticks())
        return expired

    def _expired(self, limit: int) -> list[OneRedemption]:
        """Find what was opened a grace ago, and long enough before now for every machine to have marked it."""
        with self._store.read() as session:
            now, ticks = self._clock(), self._ticks()
            markable_s = min(MARKABLE_S, self._grace.total_seconds())
            opened_by = now - timedelta(seconds=ticks - self._presence.since(markable_s, ticks))
            until = min(now, opened_by + self._grace)
            return [
                (number, confirmation) for number, confirmation in session.run(_EXPIRED, microseconds(until), limit)
            ]

    def _cancel(self, expired: list[OneRedemption]) -> int:
        """Have them cancelled; return how many were: a claim, a mark or another sweeper may have been first."""
        waiting = [self._hand_in(Cancel(*one)) for one in expired]
        for future in waiting:  # told of by whoever settles it, even where we no longer wait
            future.add_done_callback(self._tell)
        settled = [future.result(CANCEL_WAIT_S) for future in waiting]
        for failure in settled:
            if isinstance(failure, StoreError):
                raise failure
        return sum(_made(item) is not None for item in settled)

    def _clock_is_steady(self) -> bool:
        """Tell whether the clock has gone on evenly for as long as a delivery stays open.

        One that jumps ahead makes deliveries look expired whose answers are on their way. (So does a machine that
        slept: its processes have not had the time that went by.) After a jump nothing is cancelled for a grace.
        """
        ahead_s = self._ahead_s()
        if abs(ahead_s - self._clock_ahead_s) > CLOCK_JUMP_S:
            log.warning("the clock has jumped", extra={"seconds": round(ahead_s - self._clock_ahead_s, 3)})
            self._steady_from_s = self._ticks() + self._grace.total_seconds()
            self._purge_rests, self._purge_place = 0.0, None
        self._clock_ahead_s = ahead_s
        return self._ticks() >= self._steady_from_s

    def _ahead_s(self) -> float:
        return self._clock().timestamp() - self._ticks()

    def _tell(self, cancellation: "Future[Settled]") -> None:
        made = _made(cancellation.result())
        if made is None:
            return
        log.warning(
            "a redemption was cancelled: its approval was not handed over in time",
            extra={"collector": masked(made.collector), "confirmation": made.confirmation, "miles": made.miles},
        )
        self._on_cancelled()

    def purge(self) -> int:
        """Delete old outcomes, `PURGE_PIECES_MAX` pieces at most, going on where the last call ended.

        Returns:
            How many are gone.

        Raises:
            StoreError: the rest waits for the next call.
        """
        gone = 0
        older_than = self._clock() - self._retention
        place = self._purge_place or 0
        for _ in range(PURGE_PIECES_MAX):
            if self._stopped.is_set():
                break
            with self._store.write() as session:
                piece = session.purge(older_than, place)
            gone += piece.outcomes
            self._purge_place = piece.place
            if piece.place is None:
                break
            place = piece.place
        if gone:
            log.info("old outcomes were purged", extra={"outcomes": gone, "older_than": older_than.isoformat()})
        return gone

    def _run(self) -> None:
        self._try(self.sweep)
        while not self._stopped.wait(SWEEP_EVERY_S if self._presence.now else LOOK_AGAIN_S):
            self._try(self.sweep)
            if self._presence.now:
                self._try(self._purge_in_turn)

    def _purge_in_turn(self) -> None:
        """Purge, after a rest, and never by a clock that has just been set: what it deletes is needed again."""
        if self._purge_place is None:
            self._purge_rests += SWEEP_EVERY_S
            if self._purge_rests < PURGE_EVERY_S:
                return
            self._purge_rests = 0.0
        self.purge()

    def _try(self, work: Callable[[], object]) -> None:
        try:
            work()
        except StoreBusyError:
            log.info("the sweeper waits: the ledger is busy")
        except StoreLostError:
            log.debug("the sweeper is without the database")
        except (StoreError, QueueFullError, FutureTimeoutError) as error:
            log.warning("the sweeper could not work; it tries again", extra={"why": str(error) or type(error).__name__})
        except Exception:
            log.exception("the sweeper failed; it tries again")


def _made(settled: Settled) -> Redemption | None:
    """Return the redemption that was cancelled, if one was."""
    return settled.redemption if isinstance(settled, Decision) and settled.entry is not None else None
