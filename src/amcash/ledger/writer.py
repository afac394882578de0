"""The writer: a process of its own that settles batches, beside one that serves; and the lane that leads to it.

One interpreter runs Python for HTTP or for the ledger, never for both at once; two processes do. They live and die
together: the writer ends when the other's end of the *line* closes, however that came; and a server without its writer
ends, too. What was being written then is as after any crash: found under its idempotency key, or undelivered (R-DLV-3).

A message is a batch, and a batch is a transaction, with shards one each. Two are under way at most: one is being
committed and one is waiting behind it, so that neither process waits for the other.
"""

import logging
import os
import pickle
import select
import signal
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, NamedTuple, NoReturn

from amcash.domain.book import OneRedemption
from amcash.domain.commands import Cancel
from amcash.domain.outcomes import Decision
from amcash.domain.vocabulary import Register
from amcash.ledger.handover import Marks
from amcash.ledger.lane import IDLE_S, Lane, ThreadLane, Waiting
from amcash.ledger.records import outcome_from, outcome_text
from amcash.ledger.settle import Job, Settled
from amcash.ledger.store import StoreError, StoreLostError

log = logging.getLogger(__name__)

UNDER_WAY_MAX: Final = 2
AWAKE_S: Final = 0.001
"""For a ledger in a file: a core that has gone to sleep, above all a virtual one, may take as long to wake as a commit
takes. A database in processes of its own needs the core itself."""
MESSAGE_BYTES_MAX: Final = 64 * 1024
"""Of a batch of more than one command: so many under way have room in the line, and the event loop never waits for it.
One command is a fraction of that."""
_LENGTH: Final = struct.Struct("<I")


class Batch(NamedTuple):
    """What goes to the writer."""

    number: int
    """Counted from 0; its answer has the same."""
    jobs: list[Job]
    marks: list[OneRedemption]
    """Of answers that were handed over: they ride on the transaction (R-DLV-2)."""
    register: Register | None
    """The register in force, where it is another than before; without secrets, and what nobody decides by."""


class Answer(NamedTuple):
    """A decision on its way back, without what was there to be written, and is."""

    outcome: str
    """As the ledger keeps it: to write it down and read it is quicker than to pickle its dozen values."""
    replayed: bool
    open_until: datetime | None

    @classmethod
    def of(cls, job: Job, settled: Settled) -> "Answer | Settled":
        """Return the answer for who asked `job`; the whole decision for who cancels or wants to know what stood."""
        if isinstance(settled, Decision) and settled.standing is None and not isinstance(job, Cancel):
            return cls(outcome_text(settled.outcome), settled.replayed, settled.open_until)
        return settled

    def settled(self) -> Settled:
        """Return the decision."""
        return Decision(outcome_from(self.outcome), self.replayed, open_until=self.open_until)


class Written(NamedTuple):
    """What comes back: for each batch, and now and again for marks alone."""

    number: int | None
    """Of the batch; None where nothing was asked."""
    results: list[Answer | Settled]
    """In the order of its jobs."""
    marks: list[OneRedemption]
    """That the ledger knows of now."""
    commits_s: list[float]
    """How long each transaction took."""


@dataclass(slots=True)
class Told:
    """What the writer's settler is given, and what it says; used by its one thread."""

    register: Register
    """In force; each batch may bring another."""
    marked: list[OneRedemption] = field(default_factory=list)
    commits_s: list[float] = field(default_factory=list)

    def take(self, number: int | None, results: list[Answer | Settled]) -> Written:
        """Return what is to be told now."""
        written = Written(number, results, self.marked.copy(), self.commits_s.copy())
        self.marked.clear()
        self.commits_s.clear()
        return written


class Line:
    """One end of the line between the two processes; a message is bytes behind their length."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._poll = select.poll()
        self._poll.register(end, select.POLLIN)

    def send(self, message: bytes) -> None:
        """Send a message; where that fails the line has ended, at both ends, which `receive` tells next.

        Half a message may have gone then, and whoever waits for its answer must not get another's.
        """
        try:
            self._end.sendall(_LENGTH.pack(len(message)) + message)
        except OSError:
            with suppress(OSError):
                self._end.shutdown(socket.SHUT_RDWR)

    def heard(self, wait_s: float, *, awake_s: float = 0.0) -> bool:
        """Tell whether a message, or the end, has come within a time.

        Args:
            wait_s: so long, in seconds, the thread sleeps at most.
            awake_s: so long, before, it stays awake and looks again and again, whenever nobody else wants its core.
        """
        until = time.perf_counter() + awake_s
        while time.perf_counter() < until:
            if self._poll.poll(0):
                return True
            os.sched_yield()
        return bool(self._poll.poll(wait_s * 1000))

    def receive(self) -> bytes | None:
        """Wait for a message; None when the other process has ended or let the line go."""
        head = self._exactly(_LENGTH.size)
        return None if head is None else self._exactly(*_LENGTH.unpack(head))

    def _exactly(self, count: int) -> bytes | None:
        parts = bytearray()
        while len(parts) < count:
            try:
                part = self._end.recv(count - len(parts))
            except ConnectionError:
                part = b""
            if not part:
                return None
            parts += part
        return bytes(parts)

    def let_go(self) -> None:
        """Say that nothing more comes; what comes from the other end is still heard."""
        with suppress(OSError):  # it is gone already
            self._end.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close this end."""
        self._end.close()


def start(work: Callable[[Line], None]) -> tuple[int, Line]:
    """Fork the writer; return its process id and our end of the line.

    Call it while there is one thread, no event loop and no connection to a database: nothing of that may be shared.

    Args:
        work: what the writer does; its end of the line closes when the other process has ended, or is to end.

    Raises:
        OSError: there is no room for another process.
    """
    assert threading.active_count() == 1, "a fork carries one thread over, whatever the others hold"
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        ours.close()
        _live(Line(theirs), work)
    theirs.close()
    return pid, Line(ours)


def _live(line: Line, work: Callable[[Line], None]) -> NoReturn:
    """Be the writer, from the fork to the end of the process: nothing of the server's may run after it."""
    status = 1
    threading.current_thread().name = "writes"
    try:
        for number in (signal.SIGTERM, signal.SIGINT):  # for the server, which drains and then closes the line
            signal.signal(number, signal.SIG_IGN)
        work(line)
        status = 0
    except Exception:
        log.exception("the writer failed")
    finally:
        os._exit(status)


READY: Final = b"ready"
"""What the writer says first, once it has the ledger open."""


def end_at_once() -> NoReturn:
    """End the writer in the midst of whatever it does, on any thread, as a crash would."""
    os._exit(1)


def write(
    line: Line,
    settle: Callable[[Sequence[Job]], list[Settled]],
    flush: Callable[[], None],
    marks: Marks,
    told: Told,
    *,
    awake_s: float = 0.0,
) -> None:
    """Settle batch after batch until the line closes: what the writer does.

    Args:
        line: to the server.
        settle: settles a batch, in one transaction.
        flush: writes the marks that wait.
        marks: what `settle` and `flush` take along.
        told: where `settle` and `flush` leave what the server wants to know.
        awake_s: so long after a batch of several it stays awake, for the next one is about to come.
    """
    settled = 0
    while True:
        if not line.heard(IDLE_S, awake_s=awake_s if settled > 1 else 0.0):
            settled = 0
            flush()  # what could not be written with its batch
            if told.marked:
                line.send(pickle.dumps(told.take(None, [])))
            continue
        message = line.receive()
        if message is None:
            flush()
            return
        batch: Batch = pickle.loads(message)  # noqa: S301 -- from the process that forked us
        told.register = batch.register or told.register
        marks.add_all(batch.marks)
        if batch.jobs:
            results = [Answer.of(job, item) for job, item in zip(batch.jobs, settle(batch.jobs), strict=True)]
        else:
            flush()
            results = []
        settled = len(results)
        line.send(pickle.dumps(told.take(batch.number, results), pickle.HIGHEST_PROTOCOL))


class WriterLane(Lane[Job, Settled]):
    """The lane that leads to the writer: forms batches, sends them, and gives the results to who waits for them.

    Args:
        line: to the writer.
        register: gives the register in force; the writer is told of each new one with the next batch.
        marks: takes what was handed over.
        batch_commands_max: the most that one batch carries.
        queue_commands_max: the most that may wait.
        budget_s: how long a job may take, in seconds (R-TIME-1).
        on_batch: told the size of each batch.
        on_commit: told how long each transaction took, in seconds.
        on_end: called, on a thread of its own, when the writer has ended and was not told to.
        alone: a lane of this process for who comes when nobody else is there: on the way to the writer and back nothing
            would be gained. None where nobody but the writer may write.
    """

    def __init__(  # noqa: PLR0913 -- each is one thing that may differ
        self,
        line: Line,
        register: Callable[[], Register],
        marks: Marks,
        *,
        batch_commands_max: int,
        queue_commands_max: int,
        budget_s: float,
        on_batch: Callable[[int], None] = lambda _size: None,
        on_commit: Callable[[float], None] = lambda _seconds: None,
        on_end: Callable[[], None] = lambda: None,
        alone: ThreadLane[Job, Settled] | None = None,
    ) -> None:
        super().__init__(queue_commands_max=queue_commands_max, budget_s=budget_s)
        self._alone = alone
        self._line = line
        self._register = register
        self._marks = marks
        self._batch_commands_max = batch_commands_max
        self._on_batch = on_batch
        self._on_commit = on_commit
        self._on_end = on_end
        self._lock = threading.Lock()
        """Of all that a batch is made of: the event loop's thread makes them, the sweeper's and our own."""
        self._queue: deque[Waiting[Job, Settled]] = deque()
        self._under_way: deque[list[Waiting[Job, Settled]]] = deque()
        self._answered = 0
        """How many the last answer was for: they are about to ask again."""
        self._told: Register | None = None
        self._posted = 0
        """How many batches were sent."""
        self._sends_soon = False
        self.lost = False
        """The writer ended without being told to."""
        self._thread = threading.Thread(target=self._run, name="hears the writer", daemon=True)

    def start(self) -> None:
        """Begin to work."""
        if self._alone is not None:
            self._alone.start()
        self._thread.start()

    def stop(self) -> None:
        """Have the writer finish what waits, and end."""
        self._stopped = True
        if self._alone is not None:
            self._alone.stop()
        self._send()
        self._thread.join()

    async def submit(self, job: Job) -> Settled:
        """Hand in one job and wait for its result, as every lane does; one that comes alone takes the short way."""
        comes_alone = not (self._queue or self._under_way or self._stopped)
        if comes_alone and self._alone is not None and self._alone.at_rest:
            return await self._alone.submit(job)
        return await super().submit(job)

    @property
    def waiting(self) -> int:
        """How many jobs wait to be sent, or to be settled here."""
        return len(self._queue) + (0 if self._alone is None else self._alone.waiting)

    def _put(self, item: Waiting[Job, Settled]) -> None:
        self._queue.append(item)
        if isinstance(item.future, Future):
            self._send()
        elif not self._sends_soon:  # behind all that this turn of the loop still hands in
            self._sends_soon = True
            item.future.get_loop().call_soon(self._send_now)

    def _send_now(self) -> None:
        self._sends_soon = False
        self._send()

    def _send(self, *, idle: bool = False) -> None:
        """Send what may be sent: something at once where nothing is under way, and a second batch once it is worth it.

        Those who wait are to fall into two halves: while one is being committed, the other has its answers and asks
        again. A batch of all would leave each process idle while the other works.
        """
        if self.lost:
            self._give_up()
            return
        with self._lock:
            while len(self._under_way) < UNDER_WAY_MAX:
                gone = sum(map(len, self._under_way)) + self._answered
                if self._under_way and 2 * len(self._queue) < gone:
                    break
                batch = self._gather(min(self._batch_commands_max, (len(self._queue) + gone + 1) // 2))
                marks = self._marks.take() if batch or idle or self._stopped else []
                if not batch and not marks:
                    break
                self._post(batch, marks)
            if self._stopped and not self._queue and not self._under_way:
                self._line.let_go()

    def _gather(self, most: int) -> list[Waiting[Job, Settled]]:
        batch: list[Waiting[Job, Settled]] = []
        while self._queue and len(batch) < most:
            item = self._queue.popleft()
            if not item.future.done():
                batch.append(item)
        return batch

    def _post(self, batch: list[Waiting[Job, Settled]], marks: list[OneRedemption]) -> None:
        register = self._register()
        news = None if register is self._told else replace(register, sponsors={}, clients={}, keys=(), outage=None)
        try:
            content = Batch(self._posted, [item.job for item in batch], marks, news)
            message = pickle.dumps(content, pickle.HIGHEST_PROTOCOL)
        except Exception as error:
            log.exception("a batch could not be sent to the writer")
            self._marks.add_all(marks)
            self._hand_back(batch, [StoreError(f"{type(error).__name__} while sending")] * len(batch))
            return
        if len(message) > MESSAGE_BYTES_MAX and len(batch) > 1:
            half = len(batch) // 2
            self._queue.extendleft(reversed(batch[half:]))
            self._post(batch[:half], marks)
            return
        self._told = register
        self._posted += 1
        self._under_way.append(batch)
        self._line.send(message)
        if batch:
            self._on_batch(len(batch))

    def _run(self) -> None:
        try:
            self._listen()
        except Exception:
            log.exception("the lane to the writer failed")
        if not self._stopped:
            self.lost = True
            self._give_up()
            self._on_end()

    def _listen(self) -> None:
        """Take what the writer says until it has ended."""
        while True:
            if not self._line.heard(IDLE_S):
                self._send(idle=True)
                continue
            message = self._line.receive()
            if message is None:
                return
            self._take(pickle.loads(message))  # noqa: S301 -- from the process that we forked

    def _take(self, written: Written) -> None:
        self._marks.committed(written.marks)
        if written.number is None:
            return
        with self._lock:
            oldest = self._posted - len(self._under_way)
            if written.number != oldest:
                raise RuntimeError(f"batch {written.number} was answered where {oldest} was the oldest")
            batch = self._under_way.popleft()
            self._answered = len(batch)
        try:
            self._send()  # first of all: the writer has one batch left, or none
        finally:
            self._hand_back(batch, [item.settled() if isinstance(item, Answer) else item for item in written.results])
        for seconds in written.commits_s:
            self._on_commit(seconds)

    def _give_up(self) -> None:
        """Nobody writes any more: what was under way may have been written, what waited was not."""
        self._stopped = True
        with self._lock:
            lost = [item for batch in (*self._under_way, self._queue) for item in batch]
            self._under_way.clear()
            self._queue.clear()
        failure = StoreLostError("the process that writes to the ledger has ended")
        self._hand_back(lost, [failure] * len(lost))
