"""What goes wrong in one story, drawn once a seed, and the store that carries it out between settler and SQLite.

Each kind of fault is absent from most seeds and frequent in some: a mixture of everything hides what needs quiet.
"""

from contextlib import contextmanager
from dataclasses import dataclass, fields

from amcash.ledger.store import StoreBusyError, StoreError, StoreLostError
from simulation.world import MILLISECOND, SECOND


class ProcessDiedError(BaseException):
    """The process is gone, in the midst of what it was doing. No handler of the product's sees it."""


@dataclass
class Rates:
    """How likely each fault is, each time it could happen."""

    # between till and server
    request_lost: float = 0
    request_doubled: float = 0
    answer_lost: float = 0
    answer_cut: float = 0
    answer_late: float = 0
    written_slowly: float = 0
    # a process
    dies_before_commit: float = 0
    dies_after_commit: float = 0
    dies_at_hand_over: float = 0
    dies_anywhere: float = 0
    freezes: float = 0
    stalls_after_commit: float = 0
    stalls_after_hand_over: float = 0
    stops: float = 0
    sweeper_pauses: float = 0
    sweeper_stalls: float = 0
    journal_full: float = 0
    # the store
    busy: float = 0
    full: float = 0
    lost_before_commit: float = 0
    lost_after_commit: float = 0
    unreadable: float = 0
    slow: float = 0
    preempted: float = 0
    # the rest of the world
    clock_steps: float = 0
    days_pass: float = 0
    outages: float = 0
    operators: float = 0

    @classmethod
    def drawn(cls, chance):
        some = cls()
        for item in fields(cls):
            if chance.random() < 0.3:
                setattr(some, item.name, chance.choice((0.01, 0.04, 0.12)))
        if chance.random() < 0.5:
            some.preempted = 0.15
        if chance.random() < 0.5:
            some.answer_cut = max(some.answer_cut, 0.1)
        return some


class FaultyStore:
    """A store of one process, and the judge's witness: what has really been committed is told to the judge at once.

    Args:
        inner: a real SQLite store.
        process: whose.
        pumps: the world may go on in the midst of a transaction.
    """

    def __init__(self, inner, process, *, pumps):
        self.inner = inner
        self.process = process
        self.world = process.world
        self.chance = process.chance
        self.pumps = pumps
        self.jobs = None
        """What the settler is settling; None for marks and purges."""
        self.marks = ()

    @property
    def in_transaction(self):
        return self.inner._connection.in_transaction

    def hits(self, fault):
        rate = getattr(self.process.rates, fault)
        if rate and self.chance.random() < rate:
            self.process.note(fault)
            return True
        return False

    def trouble(self, error):
        self.process.troubles += 1
        return error

    def moments_pass(self, longest):
        """The rest of the world goes on for a while; this process may be dead afterwards."""
        if self.pumps and self.world.depth < 4:
            self.world.pump(self.world.now + self.chance.randrange(1, longest))
            self.must_live()

    def must_live(self):
        if not self.process.alive:
            raise ProcessDiedError

    @contextmanager
    def write(self, **how):
        if self.hits("busy"):
            raise self.trouble(StoreBusyError("drawn"))
        try:
            with self.inner.write(**how) as session:
                watched = WatchedSession(session, self)
                yield watched
                self._before_commit()
        except StoreBusyError:
            self.process.troubles += 1
            raise
        watched.committed()
        self._after_commit()

    def _before_commit(self):
        if self.hits("slow"):
            self.moments_pass(self.chance.choice((SECOND // 10, SECOND, 9 * SECOND)))
        if self.hits("full"):
            raise self.trouble(StoreError("drawn: no space is left"))
        if self.hits("lost_before_commit"):
            raise self.trouble(StoreLostError("drawn: before the commit"))
        if self.hits("dies_before_commit"):
            raise ProcessDiedError

    def _after_commit(self):
        if self.jobs is not None and self.hits("stalls_after_commit"):
            self.process.stall()
        if self.hits("dies_after_commit"):
            raise ProcessDiedError
        if self.hits("lost_after_commit"):
            raise self.trouble(StoreLostError("drawn: behind the commit"))
        if self.hits("preempted"):
            self.moments_pass(5 * MILLISECOND)

    @contextmanager
    def read(self):
        if self.hits("unreadable"):
            raise self.trouble(self.chance.choice((StoreError, StoreLostError))("drawn: unreadable"))
        with self.inner.read() as session:
            yield WatchedSession(session, self)

    def close(self):
        self.inner.close()


class WatchedSession:
    """One transaction, as the judge must know it."""

    def __init__(self, session, store):
        self._session = session
        self._store = store
        self._happened = []
        self.numbers, self.moment, self.version = (), None, None
        self.run = session.run
        self.run_many = session.run_many

    def load(self, needs):
        store = self._store
        book = self._session.load(needs)
        store.process.judge_loads(self)
        if store.jobs is not None and store.hits("preempted"):
            store.moments_pass(5 * MILLISECOND)
        return book

    def append(self, book):
        store, judge = self._store, self._store.process.judge
        self._session.append(book)
        if store.jobs is None:
            self._happened.append((judge.marked, sorted(book.closed)))
        else:
            args = (store.process, list(store.jobs), self.numbers, self.moment, list(store.marks), self.version)
            self._happened.append((judge.settled, *args))
        if store.hits("preempted"):
            store.moments_pass(5 * MILLISECOND)

    def purge(self, older_than, place):
        self._happened.append((self._store.process.judge.purged, older_than))
        return self._session.purge(older_than, place)

    def committed(self):
        for call, *args in self._happened:
            call(*args)
