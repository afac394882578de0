"""A fault proxy between tills and a server. It knows for each cut whether the whole answer had been handed to it.

What it means for R-DLV-2: the server hands its answer to a connection of ours; so an answer that we have is handed
over, whatever we do with it, and one that we do not have when we break the connection can never be. That this is known
for certain, and not guessed from a race, needs two things: between two processes of one machine a written answer is
readable at once, and while the server is stopped (SIGSTOP) it writes nothing. So: stop it, look, break, let it go on.
"""

import asyncio
import os
import signal
import socket
import struct
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum

from torture.journal import Handed
from torture.tills import whole

RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: closing sends a reset."""


class Kind(Enum):
    """What happens to one exchange."""

    DELAY = "both ways late, then whole"
    CUT_REQUEST = "the connection is reset after so many bytes of the request"
    RESET_BEFORE = "it is reset before the answer, if the answer is not there yet"
    LEAVE_BEFORE = "the same, but closed in order, as a till does that was switched off"
    CUT_ANSWER = "the answer ends after so many bytes"
    RESET_ANSWER = "the same, with a reset"
    BLACK_HOLE = "the answer is taken and never passed on; the till gives up waiting"


@dataclass(slots=True)
class Plan:
    """What is to happen to the next exchange of a connection, and what did."""

    kind: Kind
    share: float = 0.0
    """Of the bytes, where it is cut; from 0 up to 1."""
    delay_s: float = 0.0
    handed: Handed = Handed.NO
    answer: bytes = b""
    """What the server had handed over of it."""
    over: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def till_waits_s(self):
        return 0.4 if self.kind is Kind.BLACK_HOLE else 10.0


def draw(chance):
    """Draw a plan: each kind as often as the others, but those before the answer more often."""
    kind = chance.choice([*Kind, Kind.RESET_BEFORE, Kind.RESET_BEFORE, Kind.LEAVE_BEFORE])
    # Most answers take a few milliseconds: from before the commit to behind the answer.
    return Plan(kind, chance.random(), chance.choice((0.0, chance.uniform(0.0, 0.004), chance.uniform(0.0, 0.03))))


@contextmanager
def frozen(pids):
    """Stop processes for a moment: nothing is written by them inside."""
    try:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        for pid in pids:
            while _state(pid) not in "TtZX":
                time.sleep(0.0002)  # its main thread, the one that writes to sockets, is about to stop
        yield
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def _state(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:  # noqa: PTH123 -- quick matters
            return file.read().rpartition(")")[2].split()[0]
    except OSError:
        return "X"


class Proxy:
    """Listens for tills and passes on to a server; what has a plan goes by it.

    Args:
        server: its address.
        pids: gives the processes that answer.
    """

    def __init__(self, server, pids):
        self._server = server
        self._pids = pids
        self.plans = {}
        """By the port of a till's end."""
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self._listener.setblocking(False)
        self.address = self._listener.getsockname()
        self._tasks = set()
        self._accepting = None

    async def __aenter__(self):
        self._accepting = asyncio.create_task(self._accept())
        return self

    async def __aexit__(self, *_):
        for task in [self._accepting, *self._tasks]:
            task.cancel()
        await asyncio.gather(self._accepting, *self._tasks, return_exceptions=True)
        self._listener.close()

    async def _accept(self):
        loop = asyncio.get_running_loop()
        while True:
            near, (_, port) = await loop.sock_accept(self._listener)
            task = asyncio.create_task(self._serve(near, port))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve(self, near, port):
        far = socket.socket()
        plan = None
        try:
            far.setblocking(False)
            near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            far.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(far, self._server)
            while request := await _message(near):
                plan = self.plans.pop(port, None)
                if plan is None:
                    await loop.sock_sendall(far, request)
                    answer = await _message(far)
                    await loop.sock_sendall(near, answer)
                elif not await self._by_plan(plan, near, far, request):
                    break
        except OSError:
            pass
        finally:
            near.close()
            far.close()
            if plan is not None:
                plan.over.set()

    async def _by_plan(self, plan, near, far, request):
        """Go by a plan; tell whether the connection lives on."""
        loop = asyncio.get_running_loop()
        if plan.kind is Kind.CUT_REQUEST:
            await loop.sock_sendall(far, request[: int(plan.share * len(request))])
            await asyncio.sleep(plan.delay_s)
            _reset(far)
            _reset(near)
            return False
        if plan.kind is Kind.DELAY:
            await asyncio.sleep(plan.delay_s)
        await loop.sock_sendall(far, request)
        if plan.kind in {Kind.RESET_BEFORE, Kind.LEAVE_BEFORE}:
            await asyncio.sleep(plan.delay_s)
            self._break(plan, far)
            _reset(near)
            return False
        plan.answer = answer = await _message(far)
        plan.handed = Handed.YES if answer else Handed.NO
        if plan.kind is Kind.BLACK_HOLE:
            await loop.sock_recv(near, 1)  # until the till gives up
            return False
        await asyncio.sleep(plan.delay_s)
        if plan.kind is Kind.DELAY:
            await loop.sock_sendall(near, answer)
            plan.over.set()
            return True
        await loop.sock_sendall(near, answer[: int(plan.share * len(answer))])
        if plan.kind is Kind.RESET_ANSWER:
            _reset(near)
        return False

    def _break(self, plan, far):
        """Break the connection, and know whether the answer was there."""
        with frozen(self._pids()):
            with suppress(BlockingIOError):
                plan.answer = far.recv(65536, socket.MSG_PEEK)
            if plan.answer:
                plan.handed = Handed.YES
                assert whole(plan.answer), "an answer is one write"
            elif plan.kind is Kind.LEAVE_BEFORE:
                plan.handed = Handed.PERHAPS  # it may be written before the server has read that we left
            if plan.kind is Kind.RESET_BEFORE:
                _reset(far)
            else:
                far.close()


async def _message(source):
    """Read one whole request or answer; empty where the other end has gone first."""
    loop = asyncio.get_running_loop()
    content = b""
    while piece := await loop.sock_recv(source, 65536):
        content += piece
        if b"\r\n\r\n" in content and _whole(content):
            return content
    return b""


def _whole(content):
    head, _, body = content.partition(b"\r\n\r\n")
    length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
    return len(body) >= int(length or 0)


def _reset(connection):
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    connection.close()
