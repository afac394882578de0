"""The programmes: what is done to the service while tills work, and when. Each gives a Result."""

import asyncio
import os
import random
import resource
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path

from postgres.cutting import Wire
from torture import proxy as faults
from torture.journal import Handed, Patience
from torture.place import ALONE, BACK_MAX_S, GRACE_S, KINDS, TILLS, WORKERS, collectors, place
from torture.result import Result

BACK_S = {"sqlite": 4.0, "postgres": 6.0, ALONE: 6.0}
"""From a kill -9 of the service to the first approved redemption, at most."""
SLOW = "back too late"
OPERATIONS_A_ROUND = 30_000
COPIES = 5
"""Of each request in the programme of duplicates."""
OUTAGE_EVERY = 8
"""So many cuts inside a COMMIT for each outage right behind one."""
QUIET_S = 0.5
"""Behind it."""


class Skipped(Exception):  # noqa: N818 -- nothing failed
    """It cannot be done here; the message says why."""


async def kills(house, kind, count, seed, planted=None, *, back_s=BACK_S):
    """Kill -9 under load: the service, or one process of it; on PostgreSQL also a backend, the postmaster."""
    result = Result("kill -9", kind, count, "kills")
    async with place(house, kind, seed, collectors(64), planted=planted) as here:
        done = dict.fromkeys(KILLS[kind], 0)
        database_back, slowest, before = [], (0.0, ""), "none"
        async with here.load():
            for number in range(count):
                await asyncio.sleep(here.chance.uniform(0.02, 0.6))
                victims = list(KILLS[kind])
                # Each kind once, then as they are drawn.
                victim = victims[number] if number < len(victims) else here.chance.choice(victims)
                done[victim] += 1
                killed = time.monotonic()
                asked_after = await KILLS[kind][victim](here) or killed
                took_s = await here.back(asked_after, since=killed) + asked_after - killed
                slowest = max(slowest, (took_s, f"{victim} after {before}"))
                before = victim
                # The bar is the service's, not the database's.
                (database_back if victim in {"backend", "postmaster"} else result.back).append(took_s)
            await asyncio.sleep(0.3)
        result.verdict = await here.judged()
        result.notes.append(", ".join(f"{number} {victim}" for victim, number in done.items()))
        if kind != "sqlite":
            result.notes.append(f"the slowest to come back: {slowest[1]}, {slowest[0]:.1f} s")
        if here.given_up:
            result.notes.append(f"ended by itself and started again {here.given_up} times")
        if database_back:
            result.notes.append(f"after the database's own death back in at most {max(database_back):.1f} s")
    if max(result.back, default=0.0) > back_s[kind]:
        result.verdict.add(SLOW, f"the service was back after {max(result.back):.1f} s")
    return result


async def _kill_all(here):
    """Return from when on a request can only have been answered by a new process; so do the others."""
    await here.service.kill_all()
    gone = time.monotonic()
    await here.service.started()
    return gone


async def _kill_both(here):
    """Of a server and its writer both at once; killed alone, the server leaves its writer a moment."""
    await here.service.kill(*here.service.all_pids())
    gone = time.monotonic()
    await here.service.started()
    return gone


async def _kill_writer(here):
    """Of a server and its writer: the server ends with it, by itself."""
    (writer,) = here.service.children()
    await here.service.kill(writer)
    await here.service.children_gone([here.service.process.pid])
    return await _kill_all(here)


async def _kill_child(here):
    children = here.service.children()
    if len(children) < 2:  # somebody has to be left
        return await _kill_all(here)
    await here.service.kill(here.chance.choice(children))
    return None


async def _kill_parent(here):
    children = here.service.children()
    await here.service.kill(here.service.process.pid)
    await here.service.children_gone(children)
    gone = time.monotonic()
    await here.service.started()
    return gone


async def _kill_backend(here):
    pid = await asyncio.to_thread(here.postmaster.backend, here.service.database, here.chance)
    if pid is None:
        return None
    os.kill(pid, signal.SIGKILL)
    await asyncio.sleep(0.1)
    await here.postmaster.answers()  # it has ended all others, and recovered
    return time.monotonic()


async def _kill_postmaster(here):
    here.postmaster.kill()
    await asyncio.sleep(here.chance.uniform(0.0, 2 * GRACE_S))
    await here.postmaster.started()


KILLS = {
    "sqlite": {"server": _kill_all, "server and writer": _kill_both, "writer": _kill_writer},
    "postgres": {
        "all": _kill_all,
        "process": _kill_child,
        "parent": _kill_parent,
        "backend": _kill_backend,
        "postmaster": _kill_postmaster,
    },
}
KILLS[ALONE] = KILLS["sqlite"] | {name: KILLS["postgres"][name] for name in ("backend", "postmaster")}


async def cuts(house, kind, count, seed, planted=None):
    """Cut requests and answers between till and service at a random byte; half of the tills never ask again."""
    result = Result("cuts", kind, count, "exchanges cut")
    async with place(house, kind, seed, collectors(64), planted=planted) as here:
        async with faults.Proxy(here.service.address, here.service.pids) as between:
            here.proxy = between
            left = count
            handed = dict.fromkeys(Handed, 0)

            async def cut_some(till, chance):
                nonlocal left
                numbers = list(here.service.collectors)
                while left > 0:
                    left -= 1
                    operation = till.next_operation(chance.choice(numbers), chance.choice(PATIENCES))
                    plan = faults.draw(chance)
                    late_s = GRACE_S + chance.uniform(0.0, 3.0)
                    answer = await till.settle(operation, plan, late_s=late_s)
                    handed[plan.handed] += plan.over.is_set()
                    till.note(operation, answer)
                till.hang_up()

            chances = [random.Random(here.chance.random()) for _ in range(TILLS)]
            await asyncio.gather(*[cut_some(here.till(), chance) for chance in chances])
        result.notes.append(
            f"{handed[Handed.NO]:,} before anything was handed over, {handed[Handed.YES]:,} behind, "
            f"{handed[Handed.PERHAPS]:,} as the till left"
        )
        result.verdict = await here.judged()
    return result


PATIENCES = [Patience.GIVES_UP] * 5 + [Patience.INSISTS] * 4 + [Patience.LATE]


async def commit_cuts(house, kind, count, seed, planted=None):
    """Cut the wire between service and PostgreSQL when a COMMIT has arrived and before its answer gets back.

    Now and then right behind the answer, and then the database is away: what is handed over now cannot be marked.
    """
    wires = []

    def wired(url):
        wires.append(Wire(url))
        return wires[0].url

    result = Result("cuts inside COMMIT", kind, count, "cuts")
    try:
        async with place(house, kind, seed, collectors(64), planted=planted, wired=wired) as here:
            (wire,) = wires
            async with here.load(gives_up=0.1):
                for number in range(count):
                    before = wire.cuts
                    wire.cut_the_next_commits = 1
                    await _until(lambda before=before: wire.cuts > before)
                    if number % 4 == 0:  # the service cannot ask at once what became of it: its tills must
                        wire.refusing = True
                        wire.cut()
                        moment = time.monotonic()
                        await asyncio.sleep(here.chance.uniform(0.0, 0.4))
                        wire.refusing = False
                        await here.back(moment)
                    if number % OUTAGE_EVERY == 0:
                        await _outage(here, wire)
            result.notes.append(f"{await here.ask_all_again():,} asked again")
            result.verdict = await here.judged()
            result.notes.append(f"{wire.cuts:,} answers of a COMMIT swallowed")
            result.notes.append(f"{-(-count // OUTAGE_EVERY)} outages behind one, longer than a grace")
    finally:
        for wire in wires:
            wire.close()
    return result


async def _until(holds):
    deadline = time.monotonic() + BACK_MAX_S
    while not holds():
        assert time.monotonic() < deadline, f"nothing was committed for {BACK_MAX_S} s"
        await asyncio.sleep(0.001)


async def _outage(here, wire):
    """Take the database away behind an approval's COMMIT until its delivery is long expired.

    No customer comes meanwhile, nor just behind it: what was handed over has no commit that its mark could ride on.
    """
    wire.away_behind_a_commit = True
    await _until(lambda: wire.refusing)
    moment = time.monotonic()
    here.customers.clear()
    await asyncio.sleep(here.service.grace_s + here.chance.uniform(0.1, 0.5))
    wire.refusing = False
    await asyncio.sleep(QUIET_S)
    here.customers.set()
    await here.back(time.monotonic(), since=moment)


async def duplicates(house, count, seed, planted=None):
    """Submit each request several times at the same moment, to several processes."""
    result = Result("duplicates", "postgres", count, f"submitted in parallel to {WORKERS} processes")
    async with place(house, "postgres", seed, collectors(64), planted=planted) as here:
        left = count

        async def submit(tills, chance):
            nonlocal left
            numbers = list(here.service.collectors)
            while left > 0:
                left -= COPIES - 1
                first = tills[0]
                operation = first.next_operation(chance.choice(numbers), Patience.INSISTS)
                if operation.endpoint == "inquire":
                    operation = first.redemption(chance.choice(numbers))
                answers = await asyncio.gather(*[till.settle(operation) for till in tills])
                first.note(operation, answers[0])
            for till in tills:
                till.hang_up()

        groups = [[here.till() for _ in range(COPIES)] for _ in range(6)]
        await asyncio.gather(*[submit(tills, random.Random(here.chance.random())) for tills in groups])
        result.verdict = await here.judged()
    return result


async def history(house, kind, count, seed, planted=None):
    """Many tills on few collectors, nothing broken: each answer must be explained by one order."""
    result = Result("history", kind, 0, "operations checked")
    for turn in range(-(-count // OPERATIONS_A_ROUND)):
        here_count = min(OPERATIONS_A_ROUND, count - turn * OPERATIONS_A_ROUND)
        accounts = collectors(max(16, here_count // 150), turn * 10_000)
        async with place(house, kind, seed * 1_000 + turn, accounts, cap="750.00", planted=planted) as here:
            await _few_at_a_time(here, here_count)
            result.verdict.join(await here.judged())
    result.count = result.verdict.operations
    return result


async def _few_at_a_time(here, count):
    """Work off so many operations, on a few collectors at a time, so that tills meet on them."""
    numbers = list(here.service.collectors)
    begun = 0

    async def ask(till, chance):
        nonlocal begun
        while begun < count:
            begun += 1
            first = min(begun * len(numbers) // count, len(numbers) - 1) // 6 * 6
            operation = till.next_operation(chance.choice(numbers[first : first + 6]), Patience.INSISTS)
            till.note(operation, await till.settle(operation))
        till.hang_up()

    await asyncio.gather(*[ask(here.till(), random.Random(here.chance.random())) for _ in range(TILLS)])


async def full_disk(house, count, seed, planted=None):
    """Fill the disk under the ledger, and make room again."""
    result = Result("full disk", "sqlite", count, "times full")
    with _small_disk() as (folder, fill, how):
        result.notes.append(how)
        async with place(house, "sqlite", seed, collectors(64), planted=planted, folder=folder) as here:
            async with here.load(gives_up=0.3):
                for _ in range(count):
                    await here.approved_since(time.monotonic())
                    moment, before = time.monotonic(), here.refused()
                    with fill(here):
                        await here.hurt(here.refused, before)
                    await here.back(time.monotonic(), since=moment)
            result.notes.append(f"{here.refused():,} requests answered 0096")
            result.verdict = await here.judged()
    return result


DISK_MB = 256


@contextmanager
def _small_disk():
    """Give a folder, what fills its disk, and how; a small tmpfs, else a limit on the size of files."""
    folder = tempfile.mkdtemp(prefix="amcash-disk-")
    words = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", folder]
    try:
        mounted = shutil.which("mount") and subprocess.run(words, capture_output=True, check=False).returncode == 0
        try:
            yield (folder, _fill, "a tmpfs") if mounted else (folder, _limit, "a limit on files, for want of a mount")
        finally:
            if mounted:
                subprocess.run(["umount", "--lazy", folder], check=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _fill(here):
    ballast = here.service.folder / "ballast"
    try:
        with suppress(OSError), ballast.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(1 << 20))
        with suppress(OSError), ballast.open("ab", buffering=0) as file:
            while file.write(bytes(512)):
                pass
        yield
    finally:
        ballast.unlink()


@contextmanager
def _limit(here):
    pids = here.service.all_pids()
    before = [resource.prlimit(pid, resource.RLIMIT_FSIZE) for pid in pids]
    ledger = Path(here.service.database.removeprefix("sqlite:///") + "-wal")
    for pid, (_, hard) in zip(pids, before, strict=True):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (ledger.stat().st_size // 2, hard))
    try:
        yield
    finally:
        for pid, limits in zip(pids, before, strict=True):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)


async def failing_fsync(house, kind, count, seed, planted=None):
    """Have fsync and fdatasync fail for a while, by strace."""
    if shutil.which("strace") is None:
        raise Skipped("there is no strace")
    result = Result("failing fsync", kind, count, "times")
    async with place(house, kind, seed, collectors(64), planted=planted) as here:
        harm = here.postmaster.panics if kind == "postgres" else here.refused
        at_first = harm()
        async with here.load(gives_up=0.3):
            for _ in range(count):
                await here.approved_since(time.monotonic())
                moment, before = time.monotonic(), harm()
                with _broken_fsync(here.service.all_pids() if kind == "sqlite" else _postgres_pids(here)):
                    await here.hurt(harm, before)
                await here.back(time.monotonic(), since=moment)
        result.notes.append(f"{here.refused():,} requests answered 0096")
        if kind == "postgres":
            result.notes.append(f"{harm() - at_first:,} panics of PostgreSQL")
        result.verdict = await here.judged()
    return result


def _postgres_pids(here):
    pid = here.postmaster.process.pid
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@contextmanager
def _broken_fsync(pids):
    words = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync,fdatasync"]
    words += ["-e", "inject=fsync,fdatasync:error=EIO", *[word for pid in pids for word in ("-p", str(pid))]]
    tracer = subprocess.Popen(words, stderr=subprocess.PIPE)
    try:
        time.sleep(0.1)
        if tracer.poll() is not None and (why := tracer.stderr.read().decode().strip()):
            raise Skipped(f"strace may not attach: {why[:100]}")
        yield  # where whom it held has died of it, it has ended too
    finally:
        if tracer.poll() is None:
            tracer.send_signal(signal.SIGINT)  # it lets them go
            tracer.wait(30)
        tracer.stderr.close()


async def run(programme, house, *words):
    """Run one programme to its result; what cannot be done here says so."""
    began = time.monotonic()
    try:
        result = await programme(house, *words)
    except Skipped as why:
        kind = next((word for word in words if word in KINDS), "sqlite")
        result = Result(programme.__name__.replace("_", " "), kind, 0, "", skipped=str(why))
    result.seconds = time.monotonic() - began
    return result
