"""Where a programme runs: a service that answers, the tills, their journal, and a PostgreSQL that programmes share."""

import asyncio
import random
import shutil
import tempfile
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from torture import proxy as faults
from torture.journal import Journal
from torture.judge import CANCELLED_WITHIN_S, LATE, VERIFY, judge
from torture.machines import Postmaster, Service, read
from torture.tills import Till, work

GRACE_S = 1
TILLS = 16
WORKERS = 3
ALONE = "postgres alone"
KINDS = ("sqlite", "postgres", ALONE)
"""A ledger in a file; one in PostgreSQL, for `WORKERS` processes that each write; the same, for one and its writer."""
BACK_MAX_S = 60.0
HURT_S = 30.0
WIDE_CAP = "1000000.00"


def collectors(number, first=0):
    """Return so many collectors: most have plenty, every fourth soon too little."""
    return {f"8{first + item:010}": (450 if item % 4 == 3 else 50_000_000, item % 3) for item in range(number)}


@dataclass
class Place:
    """Where a programme runs: a service that answers, tills, and their journal."""

    service: Service
    chance: random.Random
    journal: Journal
    token: str
    postmaster: Postmaster | None = None
    proxy: faults.Proxy | None = None
    tills: list[Till] = field(default_factory=list)
    away: list[tuple[float, float]] = field(default_factory=list)
    ended: bool = False
    customers: asyncio.Event = field(default_factory=asyncio.Event)
    """While it is not set, tills under load begin nothing new."""
    given_up: int = 0
    """How often the service ended by itself, and was started again."""

    def till(self):
        address = self.proxy.address if self.proxy else self.service.address
        own = random.Random(self.chance.random())
        made = Till(address, self.token, self.journal, self.proxy, own)
        self.tills.append(made)
        return made

    @asynccontextmanager
    async def load(self, tills=TILLS, *, gives_up=0.2):
        """Have tills work inside; behind it all have settled what they had begun."""
        numbers = list(self.service.collectors)
        self.ended = False
        self.customers.set()
        tasks = [
            asyncio.create_task(
                work(
                    self.till(),
                    lambda: numbers,
                    random.Random(self.chance.random()),
                    lambda: not self.ended,
                    grace_s=self.service.grace_s,
                    gives_up=gives_up,
                    customers=self.customers,
                )
            )
            for _ in range(tills)
        ]
        try:
            yield
            self.ended = True
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()  # of those that have come to an end this changes nothing

    async def approved_since(self, moment):
        """Wait for the first approval of a request that was sent after a moment; return when it came."""
        while True:
            came = [till.approved_at for till in self.tills if till.approved_sent > moment]
            if came:
                return min(came)
            self.given_up += self.service.watch()
            if time.monotonic() > moment + BACK_MAX_S:
                raise AssertionError(f"nothing was approved for {BACK_MAX_S} s: {self.service.said()[-3000:]}")
            await asyncio.sleep(0.002)

    async def back(self, moment, since=None):
        """The service can be back from a moment on: wait until it is, and return how long that took, in seconds.

        Args:
            moment: of the monotonic clock.
            since: when it went away, if that was earlier.
        """
        came = await self.approved_since(moment)
        self.away.append((since or moment, came))
        return came - moment

    def refused(self):
        return sum(till.refused for till in self.tills)

    async def hurt(self, harm, before):
        """Wait until a fault has done more harm than before, and some time more; one that does none attacks nothing."""
        deadline = time.monotonic() + HURT_S
        while harm() == before:
            assert time.monotonic() < deadline, f"the fault did no harm in {HURT_S} s"
            await asyncio.sleep(0.02)
        await asyncio.sleep(self.chance.uniform(0.0, 0.8))

    async def ask_all_again(self):
        """Send each transaction that was decided once more, identically; return how many. The judge looks at it."""
        decided = [
            operation
            for operation in self.journal.operations
            if operation.endpoint != "inquire" and any(operation.whole_answers())
        ]
        left = list(decided)

        async def ask(till):
            while left:
                await till.settle(left.pop())
            till.hang_up()

        await asyncio.gather(*[ask(self.till()) for _ in range(TILLS)])
        return len(decided)

    async def deliveries_over(self):
        """Wait until no delivery is open, at most as long as the promise is; return how many still are."""
        deadline = time.monotonic() + self.service.grace_s + CANCELLED_WITHIN_S + 1
        while True:
            ((left,),) = read(self.service.database, "SELECT count(*) FROM open_delivery")
            if not left or time.monotonic() > deadline:
                return left
            await asyncio.sleep(0.05)

    async def judged(self):
        left = await self.deliveries_over()
        verdict = await asyncio.to_thread(judge, self.service, self.journal, away=self.away)
        if left:
            verdict.add(LATE, f"{left} deliveries are open after grace + {CANCELLED_WITHIN_S} s")
        self.service.stop()
        if self.service.process.returncode != 0:
            verdict.add(VERIFY, f"the service ended with {self.service.process.returncode}")
        if verdict.found and self.service.planted is None:
            kept = tempfile.mkdtemp(prefix="amcash-torture-failed-")
            shutil.copytree(self.service.folder, kept, dirs_exist_ok=True, ignore=shutil.ignore_patterns("ballast"))
            verdict.sentences.append(f"the ledger and what the service said are kept in {kept}")
        return verdict


class House:
    """What several programmes share: a PostgreSQL, started for the first that asks."""

    def __init__(self):
        self._folder = None
        self._postmaster = None

    async def postmaster(self):
        """Give the PostgreSQL, running."""
        if self._postmaster is None:
            self._folder = tempfile.mkdtemp(prefix="amcash-torture-postgres-")
            self._postmaster = Postmaster(self._folder)
        if not self._postmaster.runs:
            await self._postmaster.started()
        return self._postmaster

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._postmaster is not None:
            self._postmaster.stop()
            shutil.rmtree(self._folder, ignore_errors=True)


@asynccontextmanager
async def place(house, kind, seed, accounts, *, cap=WIDE_CAP, planted=None, wired=lambda url: url, folder=None):
    """Give a place with a service that answers; all of it ends with the block."""
    with tempfile.TemporaryDirectory(prefix="amcash-torture-", ignore_cleanup_errors=True) as name:
        home = Path(folder or name)
        database, postmaster, workers = f"sqlite:///{home}/ledger.db", None, 1
        if kind != "sqlite":
            postmaster, workers = await house.postmaster(), 1 if kind == ALONE else WORKERS
            database = postmaster.new_ledger(f"torture_{time.monotonic_ns()}")
        service = Service(
            home,
            database,
            accounts,
            cap=cap,
            workers=workers,
            grace_s=GRACE_S,
            planted=planted,
            through=wired(database),
        )
        try:
            service.load()
            await service.ready()
            yield Place(service, random.Random(seed), Journal(), service.token(), postmaster)
        finally:
            service.stop()
