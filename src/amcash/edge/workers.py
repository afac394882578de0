"""The processes behind one listening socket: started, watched, replaced and ended by their parent.

The parent forks while it has one thread, no event loop and no connection to a database, so a child inherits nothing
that must not be shared. A pair of sockets, the *line*, joins the parent and each child. Over it a child says that it is
ready, or why it cannot be; and who finds it closed knows that the other is gone, however it died.
"""

import logging
import os
import select
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import NoReturn

from amcash.ledger.store import StoreError

log = logging.getLogger(__name__)

STARTS_MAX = 5
"""So many children in a row that ended before they were ready, and the parent gives up."""
BACKOFF_FIRST_S = 0.1
BACKOFF_MAX_S = 5.0
"""How long the place of a child stays empty; the time doubles with each that ends soon, up to this."""
STEADY_S = 30.0
"""A child that lived so long did not end soon."""
END_MARGIN_S = 30
"""Beyond its time to drain, what a child gets to finish the commits that it has begun."""

SIGNALS = (signal.SIGTERM, signal.SIGINT)
READY = b"\n"
SAID_BYTES_MAX = 4_096

Work = Callable[[int, Callable[[], None]], None]


class WorkersError(Exception):
    """The processes could not be started, or did not end; the message says why and what to do."""


@dataclass(slots=True)
class _Child:
    pid: int
    line: socket.socket
    started_s: float
    said: bytes = b""

    @property
    def ready(self) -> bool:
        return self.said.startswith(READY)

    @property
    def why(self) -> str:
        """Why it ended, if it could say so."""
        return self.said.removeprefix(READY).decode(errors="replace")


class Workers:
    """As many processes as asked for, one in each place, numbered from 0.

    Args:
        number: of processes.
        work: what a child does, given its place and what to call when it is ready. It returns when it has drained
            after SIGTERM.
        on_ready: called once in the parent, when each place has been ready for the first time.
        on_gone: called in the parent with the place of each child that has ended.
        grace_s: how long a child may drain.
    """

    def __init__(
        self,
        number: int,
        work: Work,
        *,
        on_ready: Callable[[], None],
        on_gone: Callable[[int], None],
        grace_s: int,
    ) -> None:
        self._work = work
        self._on_ready = on_ready
        self._on_gone = on_gone
        self._end_s = grace_s + END_MARGIN_S
        self._number = number
        self._children: dict[int, _Child] = {}
        self._due = dict.fromkeys(range(number), 0.0)
        """The places without a child, and when each gets one, in seconds of the monotonic clock."""
        self._backoff_s = [BACKOFF_FIRST_S] * number
        """How long each place stays empty when its child ends."""
        self._never_ready = 0
        """How many children in a row ended before they were ready."""
        self._reason = ""
        """Why the last one ended."""
        self._ending = False

    def run(self, listener: socket.socket) -> None:
        """Keep the processes going until SIGTERM or SIGINT, pass that on, and return when all have ended.

        Args:
            listener: what the children listen on: each inherits it. The parent's own is closed when they are to end, so
                that nobody connects to a server that no longer answers.

        Raises:
            WorkersError: children ended again and again before they were ready, or did not end when told to.
        """
        assert threading.active_count() == 1, "a fork carries one thread over, whatever the others hold"
        with _ears() as ears:
            told: int = signal.SIGTERM
            try:
                told = self._keep_going(ears)
            finally:
                listener.close()
                self._end(ears, told)

    def _keep_going(self, ears: socket.socket) -> int:
        """Start and replace children until a signal comes; return its number."""
        announced = False
        been_ready: set[int] = set()
        while True:
            now = time.monotonic()
            for place in [place for place, due in self._due.items() if due <= now]:
                self._start(place)
            if signals := self._listen(ears, min(self._due.values()) - now if self._due else None):
                return signals[0]
            ready = {place for place, child in self._children.items() if child.ready}
            been_ready |= ready
            if not announced and len(been_ready) == self._number:
                announced = True
                self._on_ready()
            if self._never_ready >= STARTS_MAX and not (announced and ready):
                raise WorkersError(
                    f"{self._never_ready} processes in a row ended before they were ready, the last one because: "
                    f"{self._reason}"
                )

    def _end(self, ears: socket.socket, told: int) -> None:
        """Pass the signal on, and wait until no child is left."""
        self._ending = True
        self._tell(told)
        deadline = time.monotonic() + self._end_s
        while self._children and (left_s := deadline - time.monotonic()) > 0:
            for number in self._listen(ears, left_s):
                self._tell(number)
        if late := len(self._children):
            self._tell(signal.SIGKILL)
            while self._children:
                self._listen(ears, None)
            raise WorkersError(f"{late} processes did not end within {self._end_s} s and were killed")

    def _tell(self, number: int) -> None:
        for child in self._children.values():
            os.kill(child.pid, number)  # nobody has waited for it yet, so the id is still its own

    def _listen(self, ears: socket.socket, wait_s: float | None) -> bytes:
        """Wait for a signal, or for the word or the end of a child; return the numbers of the signals that came."""
        lines = {child.line: place for place, child in self._children.items()}
        heard, _, _ = select.select([ears, *lines], [], [], wait_s)
        for line in heard:
            if line is not ears:
                self._hear(lines[line])
        return ears.recv(SAID_BYTES_MAX) if ears in heard else b""

    def _hear(self, place: int) -> None:
        child = self._children[place]
        word = b""
        with suppress(ConnectionError):
            word = child.line.recv(SAID_BYTES_MAX)
        if word:
            child.said += word
            self._never_ready = 0 if child.ready else self._never_ready
            return
        child.line.close()
        _, status = os.waitpid(child.pid, 0)
        del self._children[place]
        self._on_gone(place)
        if child.ready and time.monotonic() - child.started_s >= STEADY_S:
            self._backoff_s[place] = BACKOFF_FIRST_S
        self._never_ready += not child.ready
        exit_code = os.waitstatus_to_exitcode(status)
        if exit_code or not self._ending:
            self._replace_later(place, child.why or _how_it_ended(exit_code), child.pid)

    def _replace_later(self, place: int, reason: str, pid: int | None = None) -> None:
        self._due[place] = time.monotonic() + self._backoff_s[place]
        self._backoff_s[place] = min(2 * self._backoff_s[place], BACKOFF_MAX_S)
        self._reason = reason
        log.warning("a worker ended", extra={"worker": place, "pid": pid, "reason": reason})

    def _start(self, place: int) -> None:
        with ExitStack() as stack:
            try:
                ours, theirs = socket.socketpair()
                stack.enter_context(theirs)
                before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # none for a child that has our handlers
                stack.callback(signal.pthread_sigmask, signal.SIG_SETMASK, before)
                pid = os.fork()
            except OSError as error:
                self._never_ready += 1
                self._replace_later(place, f"it could not be started: {error.strerror}")
                return
            if pid == 0:
                lines = [ours, *(child.line for child in self._children.values())]
                _live(theirs, lines, before, self._end_s, lambda ready: self._work(place, ready))
        del self._due[place]
        self._children[place] = _Child(pid, ours, time.monotonic())


def _live(
    line: socket.socket,
    parents: Iterable[socket.socket],
    mask: Iterable[int],
    end_s: float,
    work: Callable[[Callable[[], None]], None],
) -> NoReturn:
    """Be a child, from the fork to the end of the process: nothing of the parent's may run after it."""
    status = 1
    try:
        for end in parents:
            end.close()  # else no child would see the parent's end, as long as another lives
        signal.set_wakeup_fd(-1)
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        os.setpgid(0, 0)  # a terminal's Ctrl-C is for the parent, who passes it on: twice would cut the draining short
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        threading.Thread(target=_end_with_the_parent, args=(line, end_s), name="parent-watch", daemon=True).start()
        work(lambda: _say(line, READY))
        status = 0
    except StoreError as error:
        _say(line, str(error).encode()[:SAID_BYTES_MAX])
    except Exception as error:
        log.exception("a worker failed")
        _say(line, f"{type(error).__name__}: {error}".encode()[:SAID_BYTES_MAX])
    finally:
        os._exit(status)


def _say(line: socket.socket, word: bytes) -> None:
    with suppress(OSError):  # the parent is gone: the thread that watches the line sees to it
        line.sendall(word)


def _end_with_the_parent(line: socket.socket, end_s: float) -> None:
    with suppress(ConnectionError):
        line.recv(1)  # the parent never writes: this returns when it is gone, even by SIGKILL
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(end_s)  # then it hangs, and no parent is left to kill it
    os._exit(1)


@contextmanager
def _ears() -> Iterator[socket.socket]:
    """Give a socket on which the numbers of SIGTERM and SIGINT arrive, a byte each, instead of what they would do."""
    ears, mouth = socket.socketpair()
    mouth.setblocking(False)  # noqa: FBT003 -- the name says it
    before = signal.set_wakeup_fd(mouth.fileno())
    handlers = [(number, signal.signal(number, lambda _number, _frame: None)) for number in SIGNALS]
    try:
        yield ears
    finally:
        for number, handler in handlers:
            signal.signal(number, handler)
        signal.set_wakeup_fd(before)
        ears.close()
        mouth.close()


def _how_it_ended(exit_code: int) -> str:
    if exit_code >= 0:
        return f"exit code {exit_code}"
    return f"killed by signal {-exit_code} ({signal.strsignal(-exit_code)})"
