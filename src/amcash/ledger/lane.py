"""The lane: a bounded queue and one thread that carries whatever waits as one batch. The one border of async and sync.

Group commit: while a batch is being committed the next one gathers, so one fsync pays for all who came meanwhile.
"""

import asyncio
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")


class QueueFullError(Exception):
    """Nothing was done: `queue_commands_max` are waiting (R-TIME-1), or the lane has stopped."""


class BudgetOverError(Exception):
    """The answer did not come within the time budget (R-TIME-1). What had not begun is withdrawn."""


@dataclass(frozen=True, slots=True)
class _Waiting(Generic[Job, Result]):
    job: Job
    future: "asyncio.Future[Result]"


class Lane(Generic[Job, Result]):
    """One thread, one batch at a time.

    Args:
        name: of the thread.
        work: takes a batch and returns one result for each job, in order; it must not raise.
        batch_commands_max: the most that one batch carries.
        queue_commands_max: the most that may wait.
        on_batch: told the size of each batch.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[Sequence[Job]], Sequence[Result]],
        *,
        batch_commands_max: int,
        queue_commands_max: int,
        on_batch: Callable[[int], None] = lambda _size: None,
    ) -> None:
        self._work = work
        self._batch_commands_max = batch_commands_max
        self._queue_commands_max = queue_commands_max
        self._on_batch = on_batch
        self._queue: queue.SimpleQueue[_Waiting[Job, Result] | None] = queue.SimpleQueue()
        self._stopped = False
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

    async def submit(self, job: Job, budget_s: float) -> Result:
        """Hand in one job and wait for its result, at most `budget_s` seconds.

        Cancelling this call, or running out of budget, withdraws a job that has not begun. One that has begun is
        finished all the same: nothing that happens to a request reaches its commit.

        Raises:
            QueueFullError: nothing was done.
            BudgetOverError: whether anything was done is not known yet.
        """
        if self._stopped or self._queue.qsize() >= self._queue_commands_max:
            raise QueueFullError
        loop = asyncio.get_running_loop()
        waiting: _Waiting[Job, Result] = _Waiting(job, loop.create_future())
        timer = loop.call_later(budget_s, _give_up, waiting.future)
        self._queue.put(waiting)
        try:
            return await waiting.future
        finally:
            timer.cancel()

    def _run(self) -> None:
        running = True
        while running:
            batch, running = self._gather()
            if not batch:
                continue
            self._on_batch(len(batch))
            results = self._work([item.job for item in batch])
            try:
                batch[0].future.get_loop().call_soon_threadsafe(_hand_back, batch, results)
            except RuntimeError:
                return  # the loop is closed: nobody waits any more

    def _gather(self) -> tuple[list[_Waiting[Job, Result]], bool]:
        batch = []
        item = self._queue.get()
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


def _give_up(future: "asyncio.Future[Result]") -> None:
    if not future.done():
        future.set_exception(BudgetOverError())


def _hand_back(batch: Sequence[_Waiting[Job, Result]], results: Sequence[Result]) -> None:
    for item, result in zip(batch, results, strict=True):
        if not item.future.done():
            item.future.set_result(result)
