"""The lane: a bounded queue and one thread that carries whatever waits as one batch. The one border of async and sync.

Group commit: while a batch is being committed the next one gathers, so one fsync pays for all who came meanwhile. A
lane may lead to another process instead (`writer.py`); what both have in common is here.
"""

import asyncio
import queue
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

IDLE_S = 0.5
"""So long nothing came: what rides on other work has waited long enough (R-DLV-2)."""

Job = TypeVar("Job")
Result = TypeVar("Result")


class QueueFullError(Exception):
    """Nothing was done: `queue_commands_max` are waiting (R-TIME-1), or the lane has stopped."""


class BudgetOverError(Exception):
    """The answer did not come within the time budget (R-TIME-1). What had not begun is withdrawn."""


class Budgets(Generic[Result]):
    """The time budgets of those who wait on an event loop; used on its thread alone. All are alike, so one timer does.

    Args:
        budget_s: of each, in seconds (R-TIME-1).
    """

    def __init__(self, budget_s: float) -> None:
        self._budget_s = budget_s
        self._deadlines: deque[tuple[float, asyncio.Future[Result]]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, loop: asyncio.AbstractEventLoop) -> "asyncio.Future[Result]":
        """Return a future whose wait ends with a BudgetOverError when the budget is over."""
        future: asyncio.Future[Result] = loop.create_future()
        self._deadlines.append((loop.time() + self._budget_s, future))
        if self._timer is None:
            self._timer = loop.call_later(self._budget_s, self._look_at_the_clock, loop)
        return future

    def answer(self, answers: Sequence[tuple["asyncio.Future[Result]", Result]]) -> None:
        """Give their results to those who still wait."""
        for future, result in answers:
            if not future.done():
                future.set_result(result)
        while self._deadlines and self._deadlines[0][1].done():
            self._deadlines.popleft()

    def _look_at_the_clock(self, loop: asyncio.AbstractEventLoop) -> None:
        """End the wait of those whose budget is over: the oldest is first."""
        self._timer = None
        while self._deadlines:
            deadline, future = self._deadlines[0]
            if not future.done():
                if deadline > loop.time():
                    self._timer = loop.call_at(deadline, self._look_at_the_clock, loop)
                    return
                future.set_exception(BudgetOverError())
            self._deadlines.popleft()


@dataclass(frozen=True, slots=True)
class Waiting(Generic[Job, Result]):
    """A job, and where its result is waited for: on an event loop, or on a thread that has none."""

    job: Job
    future: "asyncio.Future[Result] | Future[Result]"


class Lane(ABC, Generic[Job, Result]):
    """Where jobs are handed in: a bounded queue, and the time budgets of those who wait. Who carries them differs.

    Args:
        queue_commands_max: the most that may wait.
        budget_s: how long a job may take, in seconds (R-TIME-1).
    """

    def __init__(self, *, queue_commands_max: int, budget_s: float) -> None:
        self._queue_commands_max = queue_commands_max
        self._budgets: Budgets[Result] = Budgets(budget_s)
        self._stopped = False

    @abstractmethod
    def start(self) -> None:
        """Begin to work."""

    @abstractmethod
    def stop(self) -> None:
        """Finish what waits, and end."""

    @property
    @abstractmethod
    def waiting(self) -> int:
        """How many jobs wait."""

    @abstractmethod
    def _put(self, item: Waiting[Job, Result]) -> None:
        """Let a job wait for its turn; called on the thread that handed it in."""

    async def submit(self, job: Job) -> Result:
        """Hand in one job and wait for its result, at most for the time budget.

        Cancelling this call, or running out of budget, withdraws a job that has not begun. One that has begun is
        finished all the same: nothing that happens to a request reaches its commit.

        Raises:
            QueueFullError: nothing was done.
            BudgetOverError: whether anything was done is not known yet.
        """
        if self._stopped or self.waiting >= self._queue_commands_max:
            raise QueueFullError
        future = self._budgets.begin(asyncio.get_running_loop())
        self._put(Waiting(job, future))
        return await future

    def hand_in(self, job: Job) -> "Future[Result]":
        """Hand in one job from a thread that has no event loop; it goes the same way, without a budget or a limit.

        Raises:
            QueueFullError: the lane has stopped; nothing was done.
        """
        if self._stopped:
            raise QueueFullError
        future: Future[Result] = Future()
        self._put(Waiting(job, future))
        return future

    def _hand_back(self, batch: Sequence[Waiting[Job, Result]], results: Sequence[Result]) -> None:
        """Give the results to those who wait on another thread, and to the event loop those of its own, all at once."""
        answers: list[tuple[asyncio.Future[Result], Result]] = []
        for item, result in zip(batch, results, strict=True):
            if isinstance(item.future, Future):
                item.future.set_result(result)
            else:
                answers.append((item.future, result))
        if answers:
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                answers[0][0].get_loop().call_soon_threadsafe(self._budgets.answer, answers)


class ThreadLane(Lane[Job, Result]):
    """One thread of this process, one batch at a time.

    Args:
        name: of the thread.
        work: takes a batch and returns one result for each job, in order; it must not raise.
        batch_commands_max: the most that one batch carries.
        queue_commands_max: the most that may wait.
        budget_s: how long a job may take, in seconds (R-TIME-1).
        gather_s: so long a batch waits for more, where the one before held several. Whoever is alone never waits.
        on_batch: told the size of each batch.
        when_idle: done on the same thread whenever nothing came for `IDLE_S`, and once more at the end; it must not
            raise.
    """

    def __init__(  # noqa: PLR0913 -- each is one thing that may differ
        self,
        name: str,
        work: Callable[[Sequence[Job]], Sequence[Result]],
        *,
        batch_commands_max: int,
        queue_commands_max: int,
        budget_s: float,
        gather_s: float = 0.0,
        on_batch: Callable[[int], None] = lambda _size: None,
        when_idle: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(queue_commands_max=queue_commands_max, budget_s=budget_s)
        self._work = work
        self._batch_commands_max = batch_commands_max
        self._gather_s = gather_s
        self._last_batch = 0
        self.at_rest = True
        """Whether nothing waits and nothing is being done; a job that comes as another ends may find it too true."""
        self._on_batch = on_batch
        self._when_idle = when_idle
        self._queue: queue.SimpleQueue[Waiting[Job, Result] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def stop(self) -> None:
        """Finish what waits, and end the thread."""
        self._stopped = True
        self._queue.put(None)
        self._thread.join()

    @property
    def waiting(self) -> int:
        """How many jobs wait."""
        return self._queue.qsize()

    def _put(self, item: Waiting[Job, Result]) -> None:
        self.at_rest = False
        self._queue.put(item)

    def _run(self) -> None:
        while self.step(IDLE_S):
            pass
        self._when_idle()

    def step(self, wait_s: float) -> bool:
        """Carry what waits as one batch; where nothing came for `wait_s`, do what is done when idle.

        The thread does nothing else. A simulation, which has no threads, calls this itself.

        Returns:
            False once told to stop.
        """
        batch, running = self._gather(wait_s)
        self._last_batch = len(batch)
        if batch:
            self._on_batch(len(batch))
            self._hand_back(batch, self._work([item.job for item in batch]))
        else:
            self._when_idle()
        self.at_rest = self._queue.empty()
        return running

    def _gather(self, wait_s: float) -> tuple[list[Waiting[Job, Result]], bool]:
        batch: list[Waiting[Job, Result]] = []
        try:
            item = self._queue.get(timeout=wait_s)
        except queue.Empty:
            return batch, True
        if self._gather_s and self._last_batch > 1:
            time.sleep(self._gather_s)
        while item is not None:
            if not item.future.done():
                batch.append(item)
            if len(batch) == self._batch_commands_max:
                return batch, True
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return batch, True
        return batch, False
