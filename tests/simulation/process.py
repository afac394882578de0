"""One server process: every part of the real service, put together as `wiring` does, on a loop of the world's.

A thread of the product is an event here: a lane's step, a sweeper's round, the event loop's callbacks. What the
operating system would do to a process is done to it from outside: it dies, it freezes, it is told to stop.
"""

import asyncio
import datetime as dt
import itertools
import math
import os
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import contextmanager, suppress

from amcash.access.tokens import Caller
from amcash.domain.codes import Endpoint
from amcash.edge.exchange import Exchange, Reply
from amcash.edge.pipeline import Pipeline
from amcash.ledger import register as registers
from amcash.ledger.handover import Journal, JournalError, Journals, Marks
from amcash.ledger.lane import IDLE_S, QueueFullError, ThreadLane
from amcash.ledger.settle import Settler
from amcash.ledger.store import StoreError
from amcash.ledger.sweeper import SWEEP_EVERY_S, Sweeper
from amcash.service import Service
from simulation.faults import FaultyStore, ProcessDiedError
from simulation.world import MILLISECOND, SECOND

_HEADERS = [(b"authorization", b"Bearer till"), (b"content-type", b"application/json")]


class Loop:
    """What of an event loop futures, tasks and the lane ask for; its callbacks are the process's own thread."""

    def __init__(self, process):
        self._process = process
        self._world = process.world

    def time(self):
        return self._world.now / SECOND

    def get_debug(self):
        return False

    def create_future(self):
        return asyncio.Future(loop=self)

    def call_soon(self, call, *args, context=None):  # noqa: ARG002 -- nothing here has a context of its own
        return self._world.after(0, self._process.act, call, *args)

    def call_soon_threadsafe(self, call, *args):
        return self._world.after(self._process.chance.randrange(MILLISECOND), self._process.act, call, *args)

    def call_later(self, delay_s, call, *args):
        return self._world.after(math.ceil(delay_s * SECOND), self._process.act, call, *args)

    def call_at(self, when_s, call, *args):
        return self.call_later(when_s - self.time(), call, *args)

    def call_exception_handler(self, context):
        pass


class WatchedSettler(Settler):
    """Tells its store which commands it is settling."""

    def _transaction(self, shard, commands, **how):
        with self._told(commands):
            return super()._transaction(shard, commands, **how)

    def _consult(self, shard, commands):
        with self._told(commands):
            return super()._consult(shard, commands)

    @contextmanager
    def _told(self, commands):
        before, self._store.jobs = self._store.jobs, commands
        try:
            yield
        finally:
            self._store.jobs = before


class WatchedMarks(Marks):
    """Tells the store which marks ride on its transaction."""

    @contextmanager
    def riding(self, shard=0):
        with super().riding(shard) as marks:
            self.store.marks = list(marks)
            yield marks


class Waited:
    """A cancellation that a sweeper handed in: to wait for it is to let the world go on."""

    def __init__(self, process, future):
        self._process = process
        self._future = future

    def add_done_callback(self, told):
        self._future.add_done_callback(told)

    def result(self, timeout):
        world, process = self._process.world, self._process
        world.pump(world.now + round(timeout * SECOND), lambda: self._future.done() or not process.alive)
        if not process.alive:
            raise ProcessDiedError
        if not self._future.done():
            raise FutureTimeoutError
        return self._future.result(0)


class Badges:
    """Stands for the tokens: whoever comes may speak for every sponsor."""

    def __init__(self, register):
        self._register = register

    def caller(self, _token, _now):
        return Caller("tills", self._register().sponsors)


class Process:
    """
    Args:
        story: what it is part of.
        name: for the trace.
        inner: two connections to the ledger.
    """

    shards = 1

    def __init__(self, story, name, inner):
        self.story, self.name = story, name
        self.world, self.judge, self.rates = story.world, story.judge, story.rates
        self.chance = self.world.chance(name)
        self.alive = self.accepts = True
        self.frozen_until = 0
        self.troubles = 0
        self.handing_over = 0
        self._busy = set()
        self._woken = set()
        self._idle_due = self._sweeping = False
        self._moment = None
        self._tasks = {}
        shape = story.shape
        self.budget_s, self.queue_max = shape.budget_s, shape.queue_max
        self.loop = Loop(self)
        self.store = FaultyStore(inner[0], self, pumps=True)
        self.other = FaultyStore(inner[1], self, pumps=False)
        with inner[1].read() as session:
            register = registers.read(session)
        self.watch = registers.Watch(self.other, register, sandbox=False, poll_s=0.25)
        self.journal = Journal(story.journals)
        self.marks = WatchedMarks(on_committed=self.journal.committed, shards=self.shards)
        self.marks.store = self.store
        self.writer = WatchedSettler(
            self.store,
            self.watch,
            self._clock,
            grace=dt.timedelta(seconds=shape.grace_s),
            marks=self.marks,
            shards=self.shards,
        )
        self.reader = WatchedSettler(self.other, self.watch, self._clock, shards=self.shards)
        limits = {"batch_commands_max": shape.batch_max, "queue_commands_max": self.queue_max}
        self.writes = ThreadLane("w", self.writer.settle, budget_s=self.budget_s, when_idle=self.writer.flush, **limits)
        self.reads = ThreadLane("r", self.reader.consult, budget_s=self.budget_s, **limits)
        self.sweeper = Sweeper(
            self.other,
            lambda job: Waited(self, self._hand_in(job)),
            Journals(story.journals, self.journal, shards=self.shards),
            self.world.clock,
            grace=dt.timedelta(seconds=shape.grace_s),
            retention=dt.timedelta(hours=72),
            ticks=self.world.ticks,
        )
        self.service = Service(
            self.writes,
            self.reads,
            self.world.clock,
            grace=dt.timedelta(seconds=shape.grace_s),
            journal=self.journal,
            marks=self.marks,
            ticks=self.world.ticks,
        )
        self.pipelines = {
            endpoint: Pipeline(
                endpoint,
                self.service,
                Badges(self.watch),
                self.watch,
                self.world.clock,
                None,
                lambda _line: None,
            )
            for endpoint in (Endpoint.INQUIRE, Endpoint.REDEEM, Endpoint.REVERSE)
        }
        self.note("starts")
        self.world.after(0, self._sweeps)

    def note(self, *words):
        self.world.note(self.name, *words)

    def _clock(self):
        self._moment = self.world.clock()
        return self._moment

    # --- the threads ---

    def act(self, call, *args):
        """The event loop's thread does one thing."""
        if not self.alive:
            return
        if self.world.now < self.frozen_until:
            self.world.after(self.frozen_until - self.world.now, self.act, call, *args)
            return
        asyncio._set_running_loop(self.loop)
        try:
            call(*args)
        finally:
            asyncio._set_running_loop(None)
        if self.judge.failure is not None:
            raise self.judge.failure
        if self.alive:
            self._wake()

    def _hand_in(self, job):
        if self.other.hits("sweeper_stalls") and self.world.depth < 4:  # it has read, and is not awake yet
            self.world.pump(self.world.now + self.chance.randrange(self.story.shape.grace_s * SECOND))
            self.other.must_live()
        future = self.writes.hand_in(job)
        self._wake()
        return future

    def _wake(self):
        for lane in (self.writes, self.reads):
            if lane.waiting and lane not in self._woken:
                self._woken.add(lane)
                self.world.after(self.chance.randrange(3 * MILLISECOND), self._steps, lane)
        if self.marks.waiting and not self._idle_due:
            self._idle_due = True
            self.world.after(round(IDLE_S * SECOND), self._idles)

    def _idles(self):
        self._idle_due = False
        if not self.alive:
            return
        if self.marks.waiting and not self.writes.waiting and self.writes not in self._woken:
            self._woken.add(self.writes)
            self._steps(self.writes)
        self._wake()

    def _steps(self, lane):
        if not self.alive:
            return
        waits = self._has_to_wait() or lane in self._busy
        if lane is self.writes and not waits and self.story.ledger_is_locked():
            waits = self.chance.random() < 0.8  # else it runs into the lock, and SQLite says so
        if waits:
            self.world.after(1 + self.chance.randrange(4 * MILLISECOND), self._steps, lane)
            return
        self._woken.discard(lane)
        self._busy.add(lane)
        try:
            lane.step(0)
        except ProcessDiedError:
            self.die()
        finally:
            self._busy.discard(lane)
        if self.alive:
            self._wake()

    def _sweeps(self):
        if not self.alive:
            return
        if self._has_to_wait() or (self.writes in self._busy and self.chance.random() < 0.8):
            self.world.after(20 * MILLISECOND, self._sweeps)
            return
        self._tries(self.sweeper.sweep)
        if self.chance.random() < 0.03:
            self.purges()
        if not self.alive:
            return
        pause = SWEEP_EVERY_S
        if self.rates.sweeper_pauses and self.chance.random() < self.rates.sweeper_pauses:
            pause = self.chance.choice((10, 40, 70))
        self.world.after(round(pause * SECOND), self._sweeps)

    def purges(self):
        """Ten minutes have passed, for what the purge knows."""
        # At the end of a story it would hide what an earlier one has done.
        if self.alive and not self._sweeping and not self._has_to_wait() and not self.story.is_over():
            self.sweeper._purge_place = 0
            self._tries(self.sweeper.purge)

    def _tries(self, work):
        self._sweeping = True
        try:
            work()
        except (StoreError, QueueFullError, FutureTimeoutError) as error:
            self.note(work.__name__, "fails", type(error).__name__)
        except ProcessDiedError:
            self.die()
        finally:
            self._sweeping = False

    def _has_to_wait(self):
        return self.world.now < self.frozen_until

    def look_at_register(self):
        if self.alive:
            try:
                self.watch.look()
            except StoreError:
                self.world.after(SECOND // 4, self.look_at_register)

    # --- what the judge asks ---

    def judge_loads(self, session):
        """The settler has asked the clock and drawn its numbers, and reads: from here on the decision is fixed."""
        store = session._store
        if store is self.other:
            self.judge.consulted(store.jobs, self._moment, self.watch().version)
        session.numbers, session.moment, session.version = self.story.drawn, self._moment, self.watch().version

    # --- requests ---

    def accept(self, copy):
        """A request has come whole."""
        self.act(self._begin, copy)

    def _begin(self, copy):
        call = copy.call
        headers = _HEADERS if call.key is None else [*_HEADERS, (b"idempotency-key", call.key.encode())]
        exchange = Exchange(headers, b"1", began=self.world.ticks(), content=call.content)
        copy.arrived(self)
        reply = self.pipelines[Endpoint(call.endpoint)].begin(exchange)
        if isinstance(reply, Reply):
            copy.answered_at_once = True
            copy.take(reply)
            return
        self.judge.expects(exchange.request, copy)
        finishing = self._finish(reply, copy)
        task = asyncio.Task(finishing, loop=self.loop)
        task._log_destroy_pending = False
        self._tasks[task] = (finishing, reply)
        task.add_done_callback(self._ended)

    def _ended(self, task):
        del self._tasks[task]
        if not task.cancelled() and task.exception() is not None:
            self.judge.failure = self.judge.failure or task.exception()

    def unanswered(self):
        """How many requests it has taken and not answered."""
        return len(self._tasks)

    async def _finish(self, reply, copy):
        lane = self.reads if copy.call.endpoint == "inquire" else self.writes
        copy.met_full_queue = lane.waiting >= self.queue_max
        copy.take(await reply)

    def full_journal(self):
        """Have the next line of the journal refused, as a full disk would."""
        journal, append = self.journal, self.journal.append

        def refuse(*_one):
            journal.append = append
            self.troubles += 1
            raise JournalError("drawn")

        journal.append = refuse

    # --- what befalls it ---

    def stall(self):
        """Behind a commit or a hand-over a moment passes: a short one, or the grace; or the clock is set."""
        grace_s = self.story.shape.grace_s
        kind = self.chance.random()
        if kind < 0.15:
            self.story.days_pass()
        elif kind < 0.4:
            self.story.step_clock()
        else:
            self.freeze(self.chance.choice((SECOND, max(1, grace_s - 1) * SECOND, (grace_s + 3) * SECOND)))

    def freeze(self, microseconds):
        self.note("freezes", microseconds)
        self.frozen_until = max(self.frozen_until, self.world.now + microseconds)

    def stop(self):
        """SIGTERM: nothing new is taken; what is in flight is answered, marks are flushed, the journal goes."""
        self.note("stops")
        self.accepts = False
        self._stopping(self.world.now + 10 * SECOND)

    def _stopping(self, latest):
        if not self.alive:
            return  # it died while it stopped
        if (self._tasks and self.world.now < latest) or self._busy or self._has_to_wait():
            self.world.after(10 * MILLISECOND, self._stopping, latest)
            return
        for task in list(self._tasks):
            self.act(task.cancel)
        self.world.after(MILLISECOND, self._stopped)

    def _stopped(self):
        if not self.alive:
            return
        if self._busy or self.writes.waiting:
            self.world.after(10 * MILLISECOND, self._stopped)
            return
        try:
            self.writer.flush()
        except ProcessDiedError:
            self.die()
            return
        self.alive = False
        self.journal.close()
        self.story.gone(self)

    def die(self):
        """kill -9: its memory is gone, its transaction rolled back, its journal stays without its lock."""
        if not self.alive:
            return
        self.note("dies")
        self.alive = self.accepts = False
        for store in (self.store, self.other):
            if store.in_transaction:
                store.inner._connection.execute("ROLLBACK")
        for segment in self.journal._segments:
            os.close(segment.descriptor)
        self.forget()
        self.story.gone(self)

    def forget(self):
        """What waits for an answer is gone."""
        for coroutine in itertools.chain.from_iterable(self._tasks.values()):
            with suppress(ValueError):  # it is the one that runs just now
                coroutine.close()
