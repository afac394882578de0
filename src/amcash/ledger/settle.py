"""One batch, one transaction a shard: load, decide, append, commit. No answer leaves before the commit has returned.

The way of a redemption runs through here; the lane calls it with whatever has gathered.
"""

import logging
import os
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from amcash.domain.book import Ask, Book, Needs
from amcash.domain.commands import Cancel, Command, Echo
from amcash.domain.outcomes import Decision
from amcash.domain.trial import Trial
from amcash.domain.vocabulary import ConfirmationNumber, Register
from amcash.ledger.handover import Marks
from amcash.ledger.shards import shard_of
from amcash.ledger.store import Store, StoreBusyError, StoreConflictError, StoreError, StoreLockedError, StoreLostError

log = logging.getLogger(__name__)

CONFIRMATION_DIGITS = 16
_NUMBERS = 10**CONFIRMATION_DIGITS
_RANDOM_BYTES = 16
BUSY_RETRIES_MAX = 2
READ_TRIES_MAX = 2
IN_HASTE_S = 10.0
"""So long after a batch has met a row that somebody else holds no batch waits for one: it may be the same."""
LOCKED_MAX = 30
"""So many commands of a batch may each meet a row that somebody else holds; then the rest is not tried."""
MARKS_WAIT_S = 0.5
"""With several shards: so often marks are written that found no transaction of their shard (R-DLV-2)."""

Clock = Callable[[], datetime]
Job = Command | Cancel | Trial
Settled = Decision | StoreError


def draw_confirmations(count: int) -> list[ConfirmationNumber]:
    """Draw confirmation numbers: 16 decimal digits each, from the system's randomness (R-CONF-1).

    128 bits for each, so that no number is likelier than another by more than one part in 10**22.
    """
    drawn = os.urandom(_RANDOM_BYTES * count)
    return [
        ConfirmationNumber(
            str(int.from_bytes(drawn[start : start + _RANDOM_BYTES]) % _NUMBERS).zfill(CONFIRMATION_DIGITS)
        )
        for start in range(0, len(drawn), _RANDOM_BYTES)
    ]


class Settler:
    """Settles batches of commands on one connection; used by one thread.

    Args:
        store: the connection.
        register: gives the register in force.
        clock: gives the time; asked when a transaction begins. On SQLite that is behind its one lock; on PostgreSQL the
            rows are locked after it, so a decision may be as old as one wait for them (ADR 5).
        on_commit: told how long each transaction took, in seconds.
        grace: how long the delivery of an approval stays open (R-DLV-1); None on a reader's connection.
        marks: what was handed over; it rides on the transactions made here (R-DLV-2), kept by as many shards.
        shards: how many the ledger has; no transaction made here touches collectors of two (invariant 5).
    """

    def __init__(  # noqa: PLR0913 -- each is one thing that may differ
        self,
        store: Store,
        register: Callable[[], Register],
        clock: Clock,
        on_commit: Callable[[float], None] = lambda _seconds: None,
        *,
        grace: timedelta | None = None,
        marks: Marks | None = None,
        shards: int = 1,
    ) -> None:
        self._store = store
        self._register = register
        self._clock = clock
        self._on_commit = on_commit
        self._grace = grace
        self._marks = marks or Marks(shards=shards)
        assert self._marks.shards == shards
        self._shards = shards
        self._in_haste_until = 0.0
        self._flush_due = 0.0

    def settle(self, commands: Sequence[Job]) -> list[Settled]:
        """Decide and write `commands`, in one transaction a shard, and return a decision or a failure for each.

        Those of a shard, so those of a collector, stay in order, and no shard's failure is another's (invariant 5).

        A lock held by someone else is waited for a counted number of times. Where it is one collector's row, each
        command is then tried alone, and what meets it fails. Where the connection was lost, perhaps in the midst of a
        commit, the same commands are settled again: what was committed is found under its idempotency key and answered
        as recorded, so nothing is guessed and nothing is done twice (R-IDEM-3). Where a row was refused, or a rule
        failed an assertion, each command is tried alone, too, so that only the poisoned one fails (invariant 4).
        """
        settled = self._by_shard(self._settle, commands)
        if self._shards > 1 and time.perf_counter() >= self._flush_due:  # others' traffic carries no marks of a shard
            self.flush()
        return settled

    def _by_shard(self, work: Callable[[int, Sequence[Job]], list[Settled]], commands: Sequence[Job]) -> list[Settled]:
        """Have the commands of each shard worked on by themselves; the results are in the order of `commands`.

        An echo touches no collector: it goes with the command before it.
        """
        if self._shards == 1:
            return work(0, commands)
        places: dict[int, list[int]] = {}
        shard = 0
        for place, job in enumerate(commands):
            command = job.command if isinstance(job, Trial) else job
            if not isinstance(command, Echo):
                shard = shard_of(command.collector, self._shards)
            places.setdefault(shard, []).append(place)
        settled: dict[int, Settled] = {}
        for shard, mine in places.items():
            settled.update(zip(mine, work(shard, [commands[place] for place in mine]), strict=True))
        return [settled[place] for place in range(len(commands))]

    def _settle(self, shard: int, commands: Sequence[Job]) -> list[Settled]:
        return self._try(shard, commands, patient=time.perf_counter() >= self._in_haste_until)

    def _try(self, shard: int, commands: Sequence[Job], *, patient: bool) -> list[Settled]:
        failure: StoreError = StoreError("not tried")
        for _ in range(1 + BUSY_RETRIES_MAX):
            try:
                return list(self._transaction(shard, commands, patient=patient))
            except StoreLockedError as error:
                if len(commands) > 1:
                    self._in_haste_until = time.perf_counter() + IN_HASTE_S
                    return self._around_a_lock(shard, commands)
                failure = error
                break
            except (StoreBusyError, StoreLostError) as error:
                failure = error
            except StoreConflictError as error:
                return _one_by_one(self.settle, commands, error)
            except StoreError as error:
                failure = error
                break
            except Exception as error:
                log.exception("a batch of %d commands broke a rule", len(commands))
                return _one_by_one(self.settle, commands, StoreError(f"{type(error).__name__} while deciding"))
        log.error("the ledger did not take a batch", extra={"why": str(failure), "commands": len(commands)})
        return [failure] * len(commands)

    def _around_a_lock(self, shard: int, commands: Sequence[Job]) -> list[Settled]:
        """Settle each command alone and in haste: whoever meets the lock has waited for it once."""
        settled: list[Settled] = []
        failures: list[StoreError] = []
        for command in commands:
            if len(failures) < LOCKED_MAX:
                settled += self._try(shard, [command], patient=False)
                failures += [item for item in settled[-1:] if isinstance(item, StoreLockedError)]
            else:
                settled.append(failures[-1])
        return settled

    def flush(self) -> None:
        """Write the marks that found no transaction to ride on, in transactions of their own.

        Where the store fails, those of that shard wait for the next one.
        """
        for shard in self._marks.shards_waiting:
            self._flush(shard)
        self._flush_due = time.perf_counter() + MARKS_WAIT_S

    def _flush(self, shard: int) -> None:
        while shard in self._marks.shards_waiting:
            try:
                with self._marks.riding(shard) as marks, self._store.write() as session:
                    session.append(Book(closed=set(marks)))
            except StoreError as error:
                log.warning("hand-overs wait to be marked", extra={"why": str(error), "marks": self._marks.waiting})
                return
            except Exception:
                log.exception("hand-overs could not be marked")
                return

    def consult(self, commands: Sequence[Job]) -> list[Settled]:
        """Decide `commands` on one snapshot and write nothing: for inquiries, on a reader's connection.

        Where the connection was lost they are read once more: often the server is back, and only this line was cut.
        With several shards, each has its own snapshot.
        """
        return self._by_shard(self._consult, commands)

    def _consult(self, _shard: int, commands: Sequence[Job]) -> list[Settled]:
        failure: StoreError = StoreError("not tried")
        for _ in range(READ_TRIES_MAX):
            try:
                with self._store.read() as session:
                    asks, register = self._asks(commands)
                    book = session.load(Needs.of(asks, register))
                return [book.decide(ask, register) for ask in asks]
            except StoreLostError as error:
                failure = error
            except StoreError as error:
                failure = error
                break
            except Exception as error:
                log.exception("%d inquiries broke a rule", len(commands))
                return _one_by_one(self.consult, commands, StoreError(f"{type(error).__name__} while deciding"))
        log.error("the ledger could not be read", extra={"why": str(failure)})
        return [failure] * len(commands)

    def _transaction(self, shard: int, commands: Sequence[Job], *, patient: bool) -> list[Decision]:
        began = time.perf_counter()
        with self._marks.riding(shard) as marks, self._store.write(patient=patient) as session:
            asks, register = self._asks(commands)
            book = session.load(Needs.of(asks, register))
            book.hand_over(marks)
            decisions = [book.decide(ask, register) for ask in asks]
            session.append(book)
        self._on_commit(time.perf_counter() - began)
        return decisions

    def _asks(self, commands: Sequence[Job]) -> tuple[list[Ask], Register]:
        now = self._clock()
        until = None if self._grace is None else now + self._grace
        numbers = draw_confirmations(len(commands))
        asks = [_ask(command, now, number, until) for command, number in zip(commands, numbers, strict=True)]
        return asks, self._register()


def _ask(job: Job, now: datetime, number: ConfirmationNumber, until: datetime | None) -> Ask:
    if isinstance(job, Trial):  # its moment is its client's; how long its delivery stays open is not
        return Ask(job.command, job.at(now), number, until, explained=True)
    return Ask(job, now, number, until)


def _one_by_one(
    settle: Callable[[Sequence[Job]], list[Settled]], commands: Sequence[Job], error: StoreError
) -> list[Settled]:
    if len(commands) == 1:
        log.error("one command could not be settled", extra={"why": str(error)})
        return [error]
    return [settle([command])[0] for command in commands]
