"""The lane: what waits is carried in batches, and nothing that happens to a caller reaches a commit."""

import asyncio
import threading
import time
from contextlib import asynccontextmanager

import pytest

from amcash.ledger.lane import BudgetOverError, QueueFullError, ThreadLane

LONG_S = 60
SHORT_S = 0.3


class Works:
    """Work that can be held up before its first batch ends, and that remembers what it was given."""

    def __init__(self, *, held=False):
        self.batches = []
        self.threads = set()
        self.begun = threading.Event()
        self.may_end = threading.Event()
        if not held:
            self.may_end.set()

    def __call__(self, jobs):
        self.batches.append(list(jobs))
        self.threads.add(threading.current_thread())
        self.begun.set()
        self.may_end.wait()
        return [f"{job} done" for job in jobs]


@asynccontextmanager
async def running(work, *, batch=4, queue=100, budget_s=LONG_S, on_batch=lambda _size: None):
    limits = {"batch_commands_max": batch, "queue_commands_max": queue, "budget_s": budget_s}
    lane = ThreadLane("test-lane", work, **limits, on_batch=on_batch)
    lane.start()
    try:
        yield lane
    finally:
        if isinstance(work, Works):
            work.may_end.set()
        await asyncio.to_thread(lane.stop)


async def held_up(lane, work):
    """Return a first job's task once the work on it has begun: what is submitted now has to wait."""
    first = asyncio.create_task(lane.submit("first"))
    await asyncio.to_thread(work.begun.wait)
    return first


async def submitted(lane, jobs):
    tasks = [asyncio.create_task(lane.submit(job)) for job in jobs]
    await asyncio.sleep(0)
    return tasks


def in_a_loop(test):
    return lambda: asyncio.run(test())


@in_a_loop
async def test_every_caller_gets_the_result_of_their_own_job():
    async with running(Works()) as lane:
        results = await asyncio.gather(*(lane.submit(f"job {i}") for i in range(50)))
    assert results == [f"job {i} done" for i in range(50)]


@in_a_loop
async def test_the_order_of_coming_is_kept_across_batches():
    work = Works(held=True)
    async with running(work, batch=3) as lane:
        first = await held_up(lane, work)
        tasks = await submitted(lane, range(10))
        work.may_end.set()
        await asyncio.gather(first, *tasks)
    assert [job for batch in work.batches for job in batch] == ["first", *range(10)]


@in_a_loop
async def test_what_gathers_during_a_batch_is_carried_as_one_up_to_the_bound():
    work, sizes = Works(held=True), []
    async with running(work, batch=4, on_batch=sizes.append) as lane:
        first = await held_up(lane, work)
        tasks = await submitted(lane, range(10))
        assert lane.waiting == 10
        work.may_end.set()
        await asyncio.gather(first, *tasks)
    assert sizes == [1, 4, 4, 2]
    assert [len(batch) for batch in work.batches] == sizes


@in_a_loop
async def test_the_work_is_done_by_one_thread_that_is_not_the_loops():
    work = Works()
    async with running(work) as lane:
        await asyncio.gather(*(lane.submit(i) for i in range(20)))
    assert len(work.threads) == 1
    assert threading.current_thread() not in work.threads


@in_a_loop
async def test_a_full_queue_turns_away_at_once_and_does_nothing():
    work = Works(held=True)
    async with running(work, queue=3) as lane:
        first = await held_up(lane, work)
        tasks = await submitted(lane, ["a", "b", "c"])
        with pytest.raises(QueueFullError):
            await lane.submit("one too many")
        work.may_end.set()
        await asyncio.gather(first, *tasks)
    assert work.batches == [["first"], ["a", "b", "c"]]


@in_a_loop
async def test_a_queue_that_was_full_takes_jobs_again():
    work = Works(held=True)
    async with running(work, queue=1) as lane:
        first = await held_up(lane, work)
        (second,) = await submitted(lane, ["second"])
        with pytest.raises(QueueFullError):
            await lane.submit("one too many")
        work.may_end.set()
        await asyncio.gather(first, second)
        assert await lane.submit("third") == "third done"


@in_a_loop
async def test_running_out_of_budget_withdraws_what_has_not_begun():
    work = Works(held=True)
    async with running(work, budget_s=SHORT_S) as lane:
        first = await held_up(lane, work)
        with pytest.raises(BudgetOverError):
            await lane.submit("late")
        work.may_end.set()
        assert await lane.submit("other") == "other done"
        with pytest.raises(BudgetOverError):
            await first
    assert work.batches == [["first"], ["other"]]


@in_a_loop
async def test_running_out_of_budget_does_not_stop_what_has_begun():
    work = Works(held=True)
    async with running(work, budget_s=SHORT_S) as lane:
        begun = await held_up(lane, work)
        with pytest.raises(BudgetOverError):
            await begun
        work.may_end.set()
        assert await lane.submit("next") == "next done"
    assert work.batches == [["first"], ["next"]]


@in_a_loop
async def test_one_timer_ends_the_wait_of_each_when_its_own_budget_is_over():
    work = Works(held=True)
    async with running(work, budget_s=SHORT_S) as lane:
        loop, ended = asyncio.get_running_loop(), {}

        async def wait_for(job):
            begun = loop.time()
            with pytest.raises(BudgetOverError):
                await lane.submit(job)
            ended[job] = loop.time() - begun

        waits = []
        for job in range(3):
            waits.append(asyncio.create_task(wait_for(job)))
            await asyncio.sleep(SHORT_S / 3)
        await asyncio.gather(*waits)
    assert all(waited >= SHORT_S for waited in ended.values()), ended


@in_a_loop
async def test_what_is_done_is_not_kept_until_its_budget_would_have_been_over():
    async with running(Works()) as lane:
        await asyncio.gather(*(lane.submit(i) for i in range(50)))
        assert len(lane._budgets._deadlines) == 0


def test_only_after_a_batch_of_several_does_the_next_wait_for_its_batchmates(monkeypatch):
    work, waits, late = Works(), [], ["a little later", "much later"]
    lane = ThreadLane("test-lane", work, batch_commands_max=4, queue_commands_max=4, budget_s=LONG_S, gather_s=SHORT_S)

    def sleep(seconds):
        waits.append(seconds)
        lane.hand_in(late.pop(0))

    monkeypatch.setattr(time, "sleep", sleep)
    for jobs in (["alone"], ["two", "at once"], ["first"]):
        for job in jobs:
            lane.hand_in(job)
        lane.step(0)
    assert work.batches == [["alone"], ["two", "at once"], ["first", "a little later"]]
    assert waits == [SHORT_S]


@in_a_loop
async def test_a_cancelled_caller_withdraws_what_has_not_begun():
    work = Works(held=True)
    async with running(work) as lane:
        first = await held_up(lane, work)
        gone, stays = await submitted(lane, ["gone", "stays"])
        gone.cancel()
        await asyncio.wait([gone])
        work.may_end.set()
        assert await asyncio.gather(first, stays) == ["first done", "stays done"]
    assert gone.cancelled()
    assert work.batches == [["first"], ["stays"]]


@in_a_loop
async def test_a_cancelled_caller_does_not_reach_the_commit_nor_the_batchmates():
    work, committed = Works(held=True), []

    def commit(jobs):
        results = work(jobs)
        committed.extend(jobs)
        return results

    async with running(commit) as lane:
        first = await held_up(lane, work)
        first.cancel()
        await asyncio.wait([first])
        work.may_end.set()
        assert await lane.submit("next") == "next done"
    assert first.cancelled()
    assert committed == ["first", "next"]


@in_a_loop
async def test_a_caller_who_goes_while_a_batch_is_worked_on_leaves_the_batchmates_their_results():
    work = Works(held=True)
    async with running(work) as lane:
        first = await held_up(lane, work)
        work.begun.clear()
        tasks = await submitted(lane, ["a", "b", "c"])
        first_may_end, work.may_end = work.may_end, threading.Event()
        first_may_end.set()
        await first
        await asyncio.to_thread(work.begun.wait)
        tasks[1].cancel()
        await asyncio.wait([tasks[1]])
        work.may_end.set()
        assert [await tasks[0], await tasks[2]] == ["a done", "c done"]
    assert work.batches == [["first"], ["a", "b", "c"]]


@in_a_loop
async def test_stopping_finishes_what_waits():
    work = Works(held=True)
    async with running(work, batch=2) as lane:
        first = await held_up(lane, work)
        tasks = await submitted(lane, range(5))
        stopping = asyncio.create_task(asyncio.to_thread(lane.stop))
        work.may_end.set()
        assert await asyncio.gather(first, *tasks) == ["first done", *(f"{i} done" for i in range(5))]
        await stopping
        assert not lane._thread.is_alive()


@in_a_loop
async def test_a_batch_of_withdrawn_jobs_alone_is_no_batch():
    work, sizes = Works(held=True), []
    async with running(work, on_batch=sizes.append) as lane:
        first = await held_up(lane, work)
        tasks = await submitted(lane, ["a", "b"])
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        work.may_end.set()
        await first
        assert await lane.submit("next") == "next done"
    assert work.batches == [["first"], ["next"]]
    assert sizes == [1, 1]


@in_a_loop
async def test_a_result_that_is_an_error_is_handed_over_as_a_value():
    async with running(lambda jobs: [ValueError(job) for job in jobs]) as lane:
        assert isinstance(await lane.submit("x"), ValueError)


def test_a_lane_outlives_the_loop_of_its_callers_without_a_word():
    work = Works(held=True)
    lane = ThreadLane("test-lane", work, batch_commands_max=4, queue_commands_max=4, budget_s=LONG_S)
    lane.start()

    async def leave():
        task = asyncio.create_task(lane.submit("left behind"))
        await asyncio.to_thread(work.begun.wait)
        task.cancel()

    asyncio.run(leave())
    work.may_end.set()
    lane.stop()
    assert not lane._thread.is_alive()


@in_a_loop
async def test_a_stopped_lane_refuses_at_once_rather_than_let_a_caller_wait_for_nothing():
    async with running(Works()) as lane:
        assert await lane.submit("job") == "job done"
    with pytest.raises(QueueFullError):
        await lane.submit("late")


@in_a_loop
async def test_a_job_of_another_thread_goes_the_same_way():
    work = Works(held=True)
    async with running(work) as lane:
        first = await held_up(lane, work)
        handed_in = lane.hand_in("handed in")
        (second,) = await submitted(lane, ["second"])
        work.may_end.set()
        assert await asyncio.gather(first, second) == ["first done", "second done"]
        assert await asyncio.wrap_future(handed_in) == "handed in done"
    assert work.batches == [["first"], ["handed in", "second"]]


@in_a_loop
async def test_a_full_queue_turns_no_job_of_another_thread_away():
    """Those are cancellations: there is a bounded number of them, and they have their time (R-DLV-5)."""
    work = Works(held=True)
    async with running(work, queue=1) as lane:
        first = await held_up(lane, work)
        waiting = [lane.hand_in(job) for job in ("waiting", "one more")]
        with pytest.raises(QueueFullError):
            await lane.submit("one too many")
        work.may_end.set()
        await first
        assert [await asyncio.wrap_future(future) for future in waiting] == ["waiting done", "one more done"]
    with pytest.raises(QueueFullError):
        lane.hand_in("too late")


def test_an_idle_lane_does_what_waits_for_that_and_once_more_at_the_end(monkeypatch):
    monkeypatch.setattr("amcash.ledger.lane.IDLE_S", 0.01)
    idle, times = threading.Event(), []

    def when_idle():
        times.append(threading.current_thread())
        idle.set()

    limits = {"batch_commands_max": 1, "queue_commands_max": 1, "budget_s": LONG_S}
    lane = ThreadLane("test-lane", Works(), **limits, when_idle=when_idle)
    lane.start()
    assert idle.wait(LONG_S)
    before = len(times)
    lane.stop()
    assert len(times) > before
    assert threading.current_thread() not in times
