"""What was handed over: the journal that outlives the process, and the marks on their way to the ledger (R-DLV-3a).

A confirmation number is journalled just before its bytes go to the socket, and marked when they have gone. The
journal's lines are for the processes that come after this one's sudden death: they mark what stands in them.
"""

import errno
import fcntl
import logging
import os
import re
import threading
import uuid
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from amcash.domain.book import Book, OneRedemption
from amcash.domain.vocabulary import CollectorNumber, ConfirmationNumber
from amcash.ledger.shards import shard_of
from amcash.ledger.store import Store, StoreError, StoreUnusableError

log = logging.getLogger(__name__)

MARKS_A_TRANSACTION_MAX: Final = 1_000
"""How many marks one transaction carries: its own commands must not wait for a backlog."""
SEGMENT_BYTES_MAX: Final = 1 << 20
"""A journal goes on in a new file then; one whose marks are all committed is deleted."""
_SUFFIX: Final = ".journal"
_LINE: Final = re.compile(rb"([+-])([0-9]{1,19}) ([0-9]{16})\n")


def _nothing(_marks: Sequence[OneRedemption]) -> None:
    pass


class JournalError(StoreError):
    """A journal could not be written, as on a full disk, or not be read: what it tells of must not be acted upon."""


class Marks:
    """Answers that have been handed over and are not yet marked so in the ledger; any thread may use it.

    Args:
        on_committed: told which marks a commit has made durable.
        shards: how many the ledger has; marks of two never ride on one transaction (invariant 5).
    """

    def __init__(self, on_committed: Callable[[Sequence[OneRedemption]], None] = _nothing, *, shards: int = 1) -> None:
        self._on_committed = on_committed
        self.shards = shards
        self._waiting: list[deque[OneRedemption]] = [deque() for _ in range(shards)]

    @property
    def waiting(self) -> int:
        """How many wait for a transaction."""
        return sum(map(len, self._waiting))

    @property
    def shards_waiting(self) -> list[int]:
        """The shards whose marks wait for a transaction."""
        return [shard for shard, marks in enumerate(self._waiting) if marks]

    def add(self, collector: CollectorNumber, confirmation: ConfirmationNumber) -> None:
        """Take one mark."""
        self._waiting[shard_of(collector, self.shards)].append((collector, confirmation))

    def add_all(self, marks: Sequence[OneRedemption]) -> None:
        """Take several."""
        for one in marks:
            self.add(*one)

    def take(self, shard: int = 0) -> list[OneRedemption]:
        """Return marks of a shard, as many as a transaction may carry; they are the caller's to deliver."""
        waiting = self._waiting[shard]
        return [waiting.popleft() for _ in range(min(len(waiting), MARKS_A_TRANSACTION_MAX))]

    def committed(self, marks: Sequence[OneRedemption]) -> None:
        """Tell that they have arrived in the ledger."""
        if marks:
            self._on_committed(marks)

    @contextmanager
    def riding(self, shard: int = 0) -> Iterator[list[OneRedemption]]:
        """Lend a shard's marks that wait to the transaction that is made inside; where it fails, they wait again."""
        marks = self.take(shard)
        try:
            yield marks
        except BaseException:
            self._waiting[shard].extendleft(reversed(marks))
            raise
        self.committed(marks)


@dataclass(slots=True)
class _Segment:
    """One file of a journal."""

    path: Path
    descriptor: int
    size: int = 0
    uncommitted: dict[OneRedemption, int] = field(default_factory=dict)
    """How many hand-overs of each the ledger does not know of."""
    owed: list[OneRedemption] = field(default_factory=list)
    """Failed hand-overs that could not be written down as such, as on a full disk."""

    def write(self, sign: str, one: OneRedemption) -> None:
        line = f"{sign}{one[0]} {one[1]}\n".encode()
        written = os.write(self.descriptor, line)
        if written < len(line):  # the disk is full: what follows must not stand behind half a line
            os.ftruncate(self.descriptor, self.size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.size += written

    def settle(self, one: OneRedemption) -> bool:
        """One line about `one` needs no successor's care any more; False where no line here did."""
        count = self.uncommitted.pop(one, 0)
        if count > 1:
            self.uncommitted[one] = count - 1
        return count > 0

    def remove(self) -> None:
        with suppress(OSError):  # what cannot be deleted is taken in when we are gone: nothing in it is news
            self.path.unlink()
        os.close(self.descriptor)  # behind the unlinking: nobody may take a file of ours for a dead process's


class Journal:
    """The hand-overs of this process, a line each, in files that other processes can tell to be a living one's.

    A line is one `write` without fsync: it outlives the process, not the machine. It holds a collector number, so the
    files are for their owner's eyes only. `append` and `withdraw` belong to one thread, `committed` to any.

    Args:
        folder: of this ledger's journals; made where there is none.
        segment_bytes_max: how long a file may grow.

    Raises:
        StoreUnusableError: the folder cannot be written.
    """

    def __init__(self, folder: Path, *, segment_bytes_max: int = SEGMENT_BYTES_MAX) -> None:
        self._folder = folder
        self._segment_bytes_max = segment_bytes_max
        self._lock = threading.Lock()
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._segments = [_new_segment(folder)]
        except OSError as error:
            raise StoreUnusableError(
                f"the journal of hand-overs cannot be written in {folder}: {error.strerror}; "
                "make the folder writable, or name another with --state-dir (AMCASH_STATE_DIR)"
            ) from None

    def append(self, collector: CollectorNumber, confirmation: ConfirmationNumber) -> None:
        """Write down that an answer is about to be handed over.

        Raises:
            JournalError: it is not written; so the answer must not be sent.
        """
        one = (collector, confirmation)
        try:
            with self._lock:
                segment = self._segments[-1]
                if segment.size >= self._segment_bytes_max:
                    segment = _new_segment(self._folder)
                    self._segments.append(segment)
                    self._drop_settled()
                segment.uncommitted[one] = segment.uncommitted.get(one, 0) + 1
                try:
                    segment.write("+", one)  # last: whoever is killed between this line and the bytes has sent nothing
                except OSError:
                    segment.settle(one)
                    raise
        except OSError as error:
            raise JournalError(f"the journal of hand-overs cannot be written: {error.strerror}") from error

    def withdraw(self, collector: CollectorNumber, confirmation: ConfirmationNumber) -> None:
        """Write down that the hand-over failed after all.

        Where even that cannot be written nothing is raised: it is owed, and `catch_up` writes it. Were the process to
        die before, the answer would count as handed over, as it would have, had the process died a moment earlier.
        """
        one = (collector, confirmation)
        with self._lock:
            for segment in self._segments:
                if one in segment.uncommitted:
                    segment.owed.append(one)  # into the same file: each is read by itself
                    self._pay(segment)
                    return

    def catch_up(self) -> None:
        """Write what is owed, if that is possible now."""
        with self._lock:
            for segment in self._segments:
                self._pay(segment)

    def _pay(self, segment: _Segment) -> None:
        try:
            while segment.owed:
                segment.write("-", segment.owed[-1])
                segment.settle(segment.owed.pop())
        except OSError as error:
            log.warning("a failed hand-over could not be journalled", extra={"why": error.strerror})

    def committed(self, marks: Sequence[OneRedemption]) -> None:
        """Forget what the ledger knows: files that hold nothing else are deleted."""
        with self._lock:
            for one in marks:
                for segment in self._segments:
                    if segment.settle(one):
                        break
            self._drop_settled()

    def close(self) -> None:
        """Let the files go: what is not committed is left for the next process, an empty journal is removed."""
        with self._lock:
            for segment in self._segments:
                self._pay(segment)
                if segment.uncommitted:
                    os.close(segment.descriptor)
                else:
                    segment.remove()
            self._segments = []

    def _drop_settled(self) -> None:
        for segment in self._segments[:-1]:
            if not segment.uncommitted:
                segment.remove()
                self._segments.remove(segment)


def _new_segment(folder: Path) -> _Segment:
    """Return a new file, locked as long as this process lives."""
    while True:
        path = folder / f"{os.getpid()}-{uuid.uuid4().hex}{_SUFFIX}"
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o600)
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(descriptor).st_nlink:
                return _Segment(path, descriptor)
        os.close(descriptor)  # somebody took it for a dead process's, in the moment before the lock


class Journals:
    """The journals of all processes on one ledger, in one folder.

    Args:
        folder: may be missing; then there are none.
        own: this process's, which may owe a line.
        shards: how many the ledger has; marks of two are never written in one transaction (invariant 5).
    """

    def __init__(self, folder: Path, own: Journal | None = None, *, shards: int = 1) -> None:
        self._folder = folder
        self._own = own
        self._shards = shards

    def take_in(self, store: Store) -> int:
        """Mark what stands in the journals of dead processes as handed over, and delete them (R-DLV-3a).

        Returns:
            How many journals there were.

        Raises:
            StoreError: a journal could not be read, or the ledger did not take a mark; it is left for the next time.
        """
        taken = 0
        for path in self._paths():
            try:
                with _legible():
                    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                continue  # another process has just taken it in
            try:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    continue  # its process lives
                marks = _standing(path)
                self._mark(store, marks)
                path.unlink(missing_ok=True)
                taken += 1
                log.info("took in the journal of a process that died", extra={"hand_overs": len(marks)})
            finally:
                os.close(descriptor)
        return taken

    def _mark(self, store: Store, marks: set[OneRedemption]) -> None:
        """Write marks, in one transaction a shard: those of the others even where one fails."""
        by_shard: dict[int, set[OneRedemption]] = {}
        for one in marks:
            by_shard.setdefault(shard_of(one[0], self._shards), set()).add(one)
        failure: StoreError | None = None
        for closed in by_shard.values():
            try:
                with store.write() as session:
                    session.append(Book(closed=closed))
            except StoreError as error:
                failure = error
        if failure is not None:
            raise failure

    def standing(self, among: Collection[OneRedemption] | None = None) -> set[OneRedemption]:
        """Return what was handed over by any process, living ones too: none of it may be cancelled.

        Args:
            among: asks for these alone, which takes no more memory the more there is in the journals; None for all.

        Raises:
            StoreError: a journal could not be read, so that nobody knows.
        """
        if self._own is not None:
            self._own.catch_up()
        found: set[OneRedemption] = set()
        for path in self._paths():
            found |= _standing(path, among)
        return found

    def _paths(self) -> list[Path]:
        with suppress(FileNotFoundError), _legible():
            return sorted(path for path in self._folder.iterdir() if path.name.endswith(_SUFFIX))
        return []


@contextmanager
def _legible() -> Iterator[None]:
    """Turn what keeps journals from being read into a JournalError: what they hold must not be taken for nothing."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        place = error.filename or "the state directory"
        raise JournalError(f"the journals of hand-overs cannot be read: {error.strerror}: {place}") from error


def _standing(path: Path, among: Collection[OneRedemption] | None = None) -> set[OneRedemption]:
    """Return what stands in a journal, or of that what is `among`, and was not withdrawn; a torn line is none."""
    counts: Counter[OneRedemption] = Counter()
    try:
        with _legible(), path.open("rb") as lines:
            for line in lines:
                match = _LINE.fullmatch(line)
                if match is None:
                    continue
                sign, collector, confirmation = match.groups()
                one = CollectorNumber(collector.decode()), ConfirmationNumber(confirmation.decode())
                if among is None or one in among:
                    counts[one] += 1 if sign == b"+" else -1
    except FileNotFoundError:
        return set()
    return {one for one, count in counts.items() if count > 0}
