"""The writer's lane: every job's own result, whichever process settled it; nothing lost where that process ends.

The writer runs on a thread here, at the other end of a real line. What the fork adds is seen over HTTP: test_lifecycle.
"""

import asyncio
import errno
import pickle
import socket
import threading
import time
from concurrent.futures import Future
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from amcash.domain.codes import Code
from amcash.domain.commands import Cancel
from amcash.domain.outcomes import Balances, Basis, Decision, Fault, Outcome
from amcash.domain.trial import Trial
from amcash.ledger import writer as writing
from amcash.ledger.handover import Marks
from amcash.ledger.lane import BudgetOverError, QueueFullError, ThreadLane
from amcash.ledger.settle import Settler
from amcash.ledger.store import StoreError, StoreLostError
from amcash.ledger.writer import Answer, Line, Told, WriterLane, Written
from ledger.examples import ANNA, NOW, OFFER, REGISTER, balances, enrol, redeem
from ledger.store_contract import GRACE, open_rows

LONG_S = 60
SHORT_S = 0.3


class Works:
    """What a settler would do, held up where the test says so; remembers what it was given."""

    def __init__(self, told, *, held=False):
        self.told = told
        self.batches, self.registers = [], []
        self.begun, self.may_end = threading.Event(), threading.Event()
        if not held:
            self.may_end.set()

    def __call__(self, jobs):
        self.batches.append(list(jobs))
        self.registers.append(self.told.register)
        self.begun.set()
        assert self.may_end.wait(LONG_S)
        self.told.commits_s.append(0.5)
        return [f"{job} done" for job in jobs]


class Running:
    """A lane and its writer."""

    def __init__(self, *, held=False, batch=100, queue=1_000, budget_s=LONG_S, settle=None, marks=None, alone=None):
        ours, theirs = socket.socketpair()
        self.told = Told(REGISTER)
        self.work = settle(self.told) if settle else Works(self.told, held=held)
        self.their_marks = Marks(on_committed=self.told.marked.extend)
        self.register = REGISTER
        self.marked, self.sizes, self.commits_s = [], [], []
        self.marks = marks or Marks(on_committed=self.marked.extend)
        self.ended = threading.Event()
        self.ours, self.theirs = Line(ours), Line(theirs)
        self.lane = WriterLane(
            self.ours,
            lambda: self.register,
            self.marks,
            batch_commands_max=batch,
            queue_commands_max=queue,
            budget_s=budget_s,
            on_batch=self.sizes.append,
            on_commit=self.commits_s.append,
            on_end=self.ended.set,
            alone=alone
            and ThreadLane("here", alone, batch_commands_max=batch, queue_commands_max=queue, budget_s=budget_s),
        )
        self.flushes = True
        self.thread = threading.Thread(target=self._write, daemon=True)

    def _write(self):
        try:
            writing.write(self.theirs, self.work, self._flush, self.their_marks, self.told)
        finally:
            self.theirs.close()

    def _flush(self):
        if self.flushes:
            with self.their_marks.riding():
                pass

    async def first_held_up(self):
        first = asyncio.create_task(self.lane.submit("first"))
        await asyncio.to_thread(self.work.begun.wait, LONG_S)
        return first


@asynccontextmanager
async def running(**how):
    one = Running(**how)
    one.thread.start()
    one.lane.start()
    try:
        yield one
    finally:
        if isinstance(one.work, Works):
            one.work.may_end.set()
        await asyncio.to_thread(one.lane.stop)
        await asyncio.to_thread(one.thread.join, LONG_S)
        one.ours.close()


async def submitted(lane, jobs):
    tasks = [asyncio.create_task(lane.submit(job)) for job in jobs]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return tasks


def in_a_loop(test):
    return lambda: asyncio.run(test())


@in_a_loop
async def test_every_caller_gets_the_result_of_their_own_job_in_the_order_of_coming():
    async with running() as one:
        results = await asyncio.gather(*(one.lane.submit(f"job {i}") for i in range(500)))
    assert results == [f"job {i} done" for i in range(500)]
    assert [job for batch in one.work.batches for job in batch] == [f"job {i}" for i in range(500)]
    assert one.sizes == [len(batch) for batch in one.work.batches]
    assert one.commits_s == [0.5] * len(one.sizes)


@in_a_loop
async def test_two_batches_are_under_way_at_most_and_the_second_is_half_of_all():
    async with running(held=True) as one:
        first = await one.first_held_up()
        tasks = await submitted(one.lane, range(9))
        assert one.lane.waiting == 4
        one.work.may_end.set()
        await asyncio.gather(first, *tasks)
    assert [len(batch) for batch in one.work.batches][:2] == [1, 5]


@in_a_loop
async def test_a_batch_carries_no_more_than_it_may():
    async with running(held=True, batch=3) as one:
        first = await one.first_held_up()
        tasks = await submitted(one.lane, range(10))
        one.work.may_end.set()
        await asyncio.gather(first, *tasks)
    assert max(len(batch) for batch in one.work.batches) == 3


@in_a_loop
async def test_what_is_large_goes_in_more_batches_so_that_the_event_loop_never_waits_for_the_line():
    large = ["x" * (writing.MESSAGE_BYTES_MAX // 5) + str(i) for i in range(40)]
    async with running(held=True) as one:
        first = await one.first_held_up()
        tasks = await submitted(one.lane, large)
        one.work.may_end.set()
        assert [await task for task in tasks] == [f"{job} done" for job in large]
        await first
    assert max(len(batch) for batch in one.work.batches) <= 5


@in_a_loop
async def test_a_full_queue_turns_away_at_once_and_does_nothing():
    async with running(held=True, queue=3, batch=1) as one:
        first = await one.first_held_up()
        tasks = [*await submitted(one.lane, ["under way, too"]), *await submitted(one.lane, ["a", "b", "c"])]
        with pytest.raises(QueueFullError):
            await one.lane.submit("one too many")
        one.work.may_end.set()
        await asyncio.gather(first, *tasks)
    assert "one too many" not in str(one.work.batches)


@in_a_loop
async def test_running_out_of_budget_withdraws_what_was_not_sent_and_nothing_else():
    """R-TIME-1."""
    async with running(held=True, budget_s=SHORT_S, batch=1) as one:
        first = await one.first_held_up()
        tasks = await submitted(one.lane, ["sent", "withdrawn"])
        for task in (first, *tasks):
            with pytest.raises(BudgetOverError):
                await task
        one.work.may_end.set()
        assert await one.lane.submit("other") == "other done"
    assert one.work.batches == [["first"], ["sent"], ["other"]]


@in_a_loop
async def test_a_stop_finishes_what_waits_and_then_refuses():
    async with running(held=True) as one:
        first = await one.first_held_up()
        tasks = await submitted(one.lane, range(9))
        stopping = asyncio.create_task(asyncio.to_thread(one.lane.stop))
        await asyncio.sleep(0.05)
        with pytest.raises(QueueFullError):
            await one.lane.submit("late")
        with pytest.raises(QueueFullError):
            one.lane.hand_in("late")
        one.work.may_end.set()
        await stopping
        assert await asyncio.gather(first, *tasks) == [f"{job} done" for job in ["first", *range(9)]]
    assert not one.lane.lost
    assert not one.ended.is_set()


@in_a_loop
async def test_where_the_writer_ends_everybody_is_told_and_so_is_the_server():
    async with running(held=True) as one:
        first = await one.first_held_up()
        tasks = await submitted(one.lane, range(9))
        handed_in = one.lane.hand_in("cancellation")
        one.theirs._end.shutdown(socket.SHUT_RDWR)
        for result in [await first, *[await task for task in tasks], await asyncio.wrap_future(handed_in)]:
            assert isinstance(result, StoreLostError)
        assert await asyncio.to_thread(one.ended.wait, LONG_S)
        assert one.lane.lost
        with pytest.raises(QueueFullError):
            await one.lane.submit("late")


@in_a_loop
async def test_a_failure_of_ours_ends_the_server_and_leaves_nobody_waiting():
    def fail(_marks):
        raise RuntimeError("a bug")

    async with running(marks=Marks(on_committed=fail)) as one:
        one.marks.add(ANNA, "1")
        assert await asyncio.to_thread(one.ended.wait, LONG_S)
        assert one.lane.lost
        one.ours.close()


class Here:
    """Settles in the server's process; its first batch is held up until the test says so, if it says so."""

    def __init__(self, *, held=False):
        self.jobs = []
        self.begun, self.may_end = threading.Event(), threading.Event()
        if not held:
            self.may_end.set()

    def __call__(self, jobs):
        self.jobs += jobs
        self.begun.set()
        assert self.may_end.wait(LONG_S)
        return [f"{job} done here" for job in jobs]


@in_a_loop
async def test_who_comes_alone_is_settled_in_the_servers_own_process():
    here = Here()
    async with running(alone=here) as one:
        for job in ("first", "second", "third"):
            await until(lambda: one.lane._alone.at_rest)
            assert await one.lane.submit(job) == f"{job} done here"
    assert (here.jobs, one.work.batches) == (["first", "second", "third"], [])


@in_a_loop
async def test_who_finds_somebody_settled_here_goes_to_the_writer():
    here = Here(held=True)
    async with running(alone=here) as one:
        first = asyncio.create_task(one.lane.submit("first"))
        await asyncio.to_thread(here.begun.wait, LONG_S)
        assert await asyncio.gather(*map(one.lane.submit, (2, 3))) == ["2 done", "3 done"]
        here.may_end.set()
        assert await first == "first done here"
    assert here.jobs == ["first"]


@in_a_loop
async def test_who_finds_the_writer_at_work_or_a_batch_gathering_waits_for_the_writer():
    here = Here(held=True)
    async with running(alone=here, held=True) as one:
        first = asyncio.create_task(one.lane.submit("first"))
        await asyncio.to_thread(here.begun.wait, LONG_S)
        (second,) = await submitted(one.lane, ["second"])
        await asyncio.to_thread(one.work.begun.wait, LONG_S)
        here.may_end.set()
        await first
        await until(lambda: one.lane._alone.at_rest)
        (third,) = await submitted(one.lane, ["third"])
        one.work.may_end.set()
        assert [await second, await third] == ["second done", "third done"]


@in_a_loop
async def test_of_several_who_come_in_the_same_moment_one_is_settled_here():
    here = Here(held=True)
    async with running(alone=here) as one:
        tasks = await submitted(one.lane, range(5))
        await asyncio.gather(*tasks[1:])
        here.may_end.set()
        assert await tasks[0] == "0 done here"
    assert [job for batch in one.work.batches for job in batch] == [1, 2, 3, 4]


@in_a_loop
async def test_stopping_finishes_what_is_settled_here_and_then_refuses():
    here = Here(held=True)
    async with running(alone=here) as one:
        first = asyncio.create_task(one.lane.submit("first"))
        await asyncio.to_thread(here.begun.wait, LONG_S)
        here.may_end.set()
        await asyncio.to_thread(one.lane.stop)
        assert await first == "first done here"
        with pytest.raises(QueueFullError):
            await one.lane.submit("second")


@in_a_loop
async def test_a_server_whose_writer_has_ended_settles_nothing_here_either():
    here = Here()
    async with running(alone=here) as one:
        one.theirs._end.shutdown(socket.SHUT_RDWR)
        assert await asyncio.to_thread(one.ended.wait, LONG_S)
        with pytest.raises(QueueFullError):
            await one.lane.submit("job")
    assert here.jobs == []


@in_a_loop
async def test_marks_of_what_is_settled_here_go_to_the_writer_when_nothing_else_does():
    """R-DLV-2."""
    async with running(alone=Here()) as one:
        await one.lane.submit("job")
        one.marks.add(ANNA, "1")
        await until(lambda: one.marked == [(ANNA, "1")])


@in_a_loop
async def test_the_writer_is_told_of_each_new_register_with_the_batch_that_it_holds_for():
    async with running() as one:
        for version in (1, 2, 2, 3):
            one.register = replace(REGISTER, version=version) if version != one.register.version else one.register
            await one.lane.submit("job")
    assert [register.version for register in one.work.registers] == [1, 2, 2, 3]
    assert one.work.registers[1] is one.work.registers[2]
    assert (one.told.register.keys, one.told.register.clients) == ((), {})


@in_a_loop
async def test_marks_ride_on_the_next_batch_or_go_alone_when_nothing_comes():
    """R-DLV-2."""
    async with running(settle=Rides) as one:
        one.work.marks = one.their_marks
        one.marks.add(ANNA, "1")
        await one.lane.submit("job")
        assert one.work.rode == [[(ANNA, "1")]]
        one.marks.add(ANNA, "2")
        await until(lambda: one.marked == [(ANNA, "1"), (ANNA, "2")])
    assert one.marks.waiting == one.their_marks.waiting == 0


class Rides:
    """Takes the marks along, as a settler does."""

    def __init__(self, told):
        self.told, self.marks, self.rode = told, None, []

    def __call__(self, jobs):
        with self.marks.riding() as marks:
            self.rode.append(marks)
        return list(jobs)


async def until(holds):
    deadline = time.monotonic() + LONG_S
    while not holds():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


@in_a_loop
async def test_a_mark_that_the_ledger_did_not_take_is_not_forgotten_in_its_journal_until_it_has():
    async with running() as one:
        one.flushes = False
        one.marks.add(ANNA, "1")
        await until(lambda: one.their_marks.waiting)
        await one.lane.submit("job")
        assert one.marked == []
        one.flushes = True
        await until(lambda: one.marked == [(ANNA, "1")])


@in_a_loop
async def test_marks_that_wait_at_a_stop_are_written():
    async with running() as one:
        one.marks.add(ANNA, "1")
    assert one.marked == [(ANNA, "1")]


@in_a_loop
async def test_where_a_batch_cannot_be_sent_nobody_gets_the_answer_of_another():
    async with running(held=True) as one:
        first = await one.first_held_up()
        real, one.lane._line._end = one.lane._line._end, NoRoom(one.lane._line._end)
        (alice,) = await submitted(one.lane, ["alice"])
        one.lane._line._end = real
        one.work.may_end.set()
        assert isinstance(await alice, StoreLostError)
        await first
        assert await asyncio.to_thread(one.ended.wait, LONG_S)
        with pytest.raises(QueueFullError):
            await one.lane.submit("bob")


class NoRoom:
    """A socket that the system has no memory for."""

    def __init__(self, end):
        self._end = end

    def sendall(self, _message):
        raise OSError(errno.ENOBUFS, "no room")

    def shutdown(self, how):
        self._end.shutdown(how)


@in_a_loop
async def test_what_cannot_be_pickled_fails_alone_and_its_marks_go_with_the_next():
    async with running() as one:
        one.marks.add(ANNA, "1")
        assert isinstance(await one.lane.submit(lambda: None), StoreError)
        assert await one.lane.submit("job") == "job done"
        await until(lambda: one.marked == [(ANNA, "1")])


@in_a_loop
async def test_an_answer_to_another_batch_than_the_oldest_ends_the_server():
    async with running(held=True) as one:
        first = await one.first_held_up()
        one.theirs.send(pickle.dumps(Written(7, ["another's"], [], [])))
        assert isinstance(await first, StoreLostError)
        assert await asyncio.to_thread(one.ended.wait, LONG_S)
        one.ours._end.shutdown(socket.SHUT_RDWR)


def test_a_line_that_closes_in_the_midst_of_a_message_has_closed():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(b"\xff\0\0\0half")
        ours.shutdown(socket.SHUT_WR)
        assert Line(theirs).receive() is None


def test_commands_cancellations_and_marks_reach_a_real_ledger_and_failures_come_back_as_values(new_store):
    enrol(new_store, (ANNA, 1900, 0))
    moment = [NOW]

    def settle(told):
        def settled(jobs):
            settler.begun = True
            return settler.settle(jobs)

        one_marks = Marks(on_committed=told.marked.extend)
        settler = Settler(new_store, lambda: told.register, lambda: moment[0], grace=GRACE, marks=one_marks)
        return settled

    async def story():
        async with running(settle=settle) as one:
            one.register = REGISTER
            approved = await one.lane.submit(redeem())
            again = await one.lane.submit(redeem())
            moment[0] = NOW + GRACE
            cancelled = one.lane.hand_in(Cancel(ANNA, approved.outcome.confirmation))
            assert isinstance(cancelled, Future)
            return approved, again, await asyncio.wrap_future(cancelled)

    approved, again, cancelled = asyncio.run(story())
    assert approved.outcome.code is Code.APPROVED
    assert (approved.replayed, again.replayed) == (False, True)
    assert again.outcome.confirmation == approved.outcome.confirmation
    assert approved.open_until == NOW + GRACE
    assert (approved.entry, approved.account, approved.redemption) == (None, None, None)
    assert again.outcome == approved.outcome
    assert cancelled.redemption.miles == 95
    assert balances(new_store) == (1900, 0)
    assert open_rows(new_store) == []


REFUSED = Fault("storeId", "must be 4 digits", "doit compter 4 chiffres")
BASIS = Basis(3, 1900, NOW.date(), 0, 75_000, None, None, reduce=True)


@pytest.mark.parametrize("open_until", [None, NOW + GRACE])
@pytest.mark.parametrize(
    "outcome",
    [
        Outcome(Code.APPROVED, NOW),
        Outcome(Code.INVALID_PARAMETER, NOW, fault=REFUSED),
        Outcome(Code.APPROVED_SUPPRESSED, NOW, terms=OFFER.terms, confirmation="1234567890123456", units=1, miles=95),
        Outcome(Code.DAILY_LIMIT, NOW, balances=Balances(1900, 0, None, None), basis=BASIS),
        Outcome(
            Code.APPROVED, NOW, balances=Balances(1900, 0, 95, 1000), unit_miles=95, unit_cents=1000, daily_limit=75
        ),
    ],
)
def test_an_answer_says_what_was_decided_and_leaves_out_what_is_written(outcome, open_until):
    decision = Decision(outcome, replayed=True, entry="rows", account="rows", redemption="rows", open_until=open_until)
    assert Answer.of(redeem(), decision).settled() == Decision(outcome, replayed=True, open_until=open_until)


def test_who_cancels_or_wants_to_know_what_stood_gets_the_whole_decision():
    decision = Decision(Outcome(Code.APPROVED, NOW), entry="rows")
    explained = replace(decision, standing="what stood")
    assert Answer.of(Cancel(ANNA, "1234567890123456"), decision) is decision
    assert Answer.of(Trial(redeem(), None), explained) is explained


@in_a_loop
async def test_a_store_error_is_a_result():
    failure = StoreError("the disk is full")
    async with running(settle=lambda _told: lambda jobs: [failure] * len(jobs)) as one:
        result = await one.lane.submit("job")
    assert type(result) is StoreError
    assert str(result) == "the disk is full"
