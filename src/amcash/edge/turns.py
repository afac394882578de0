"""Whose turn it is to take a new connection, where several processes listen on one socket.

Left to the system, whoever is awake takes all that wait: of 32 tills that connect at once one of two processes gets 30,
for as long as the tills keep their connections. So each process writes down how many it holds, where all can read it,
and the one that holds the fewest takes the next.
"""

import asyncio
import logging
import mmap
import socket
import ssl
from collections.abc import Callable

log = logging.getLogger(__name__)

PATIENCE_S = 0.01
"""So long a connection is left to a process that holds fewer; then it is taken all the same: the other may be stuck."""
NO_ROOM_S = 1.0
"""So long nothing is taken after the system had no room for another connection, as with too many files open."""
_VACANT = -1
_BYTES = 4


class Board:
    """How many connections the process in each place holds: memory that a parent shares with its children.

    Args:
        places: how many, numbered from 0. All are vacant at first.
    """

    def __init__(self, places: int) -> None:
        self._held = memoryview(mmap.mmap(-1, places * _BYTES)).cast("i")
        for place in range(places):
            self.vacate(place)

    def write(self, place: int, connections: int) -> None:
        """Say how many connections are held in `place`."""
        self._held[place] = connections

    def vacate(self, place: int) -> None:
        """Say that nobody takes connections in `place`."""
        self._held[place] = _VACANT

    def is_turn_of(self, place: int) -> bool:
        """Tell whether nobody holds fewer connections."""
        own = self._held[place]
        return all(own <= held for held in self._held if held != _VACANT)


class Acceptor:
    """Takes connections from a listening socket whenever it is this process's turn; belongs to the running event loop.

    Args:
        listener: which other processes may listen on, too.
        board: where they all write.
        place: of this process.
        protocol: makes what answers one connection.
        tls: None for plain connections.
        held: how many connections this process holds.
    """

    def __init__(
        self,
        listener: socket.socket,
        board: Board,
        place: int,
        *,
        protocol: Callable[[], asyncio.Protocol],
        tls: ssl.SSLContext | None,
        held: Callable[[], int],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._listener = listener
        self._board = board
        self._place = place
        self._protocol = protocol
        self._tls = tls
        self._held = held
        self._arriving: set[asyncio.Task[None]] = set()
        self._pause: asyncio.TimerHandle | None = None
        listener.setblocking(False)  # noqa: FBT003 -- the name says it
        self.tell()
        self._listen()

    def tell(self) -> None:
        """Write down how many connections are held now."""
        self._board.write(self._place, self._held() + len(self._arriving))

    async def close(self) -> None:
        """Take nothing more; what was taken is made ready first, and what is still in a TLS handshake is let go."""
        self._board.vacate(self._place)
        self._loop.remove_reader(self._listener)
        if self._pause is not None:
            self._pause.cancel()
        if self._arriving:
            _, late = await asyncio.wait(self._arriving, timeout=PATIENCE_S)
            for task in late:
                task.cancel()

    def _listen(self) -> None:
        self._loop.add_reader(self._listener, self._look)

    def _look(self) -> None:
        self.tell()
        if self._board.is_turn_of(self._place):
            self._take()
        else:
            self._rest(PATIENCE_S, self._take)

    def _rest(self, seconds: float, then: Callable[[], None]) -> None:
        def go_on() -> None:
            self._pause = None
            self._listen()
            then()

        self._loop.remove_reader(self._listener)
        self._pause = self._loop.call_later(seconds, go_on)

    def _take(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return  # another process has it, or the client went away
        except OSError as error:
            log.warning("no connection can be taken", extra={"why": error.strerror})
            self._rest(NO_ROOM_S, self._look)
            return
        task = self._loop.create_task(self._arrive(connection))
        self._arriving.add(task)
        task.add_done_callback(self._arriving.discard)
        self.tell()

    async def _arrive(self, connection: socket.socket) -> None:
        connection.setblocking(False)  # noqa: FBT003 -- as above
        try:
            await self._loop.connect_accepted_socket(self._protocol, connection, ssl=self._tls)
        except OSError as error:  # also of TLS
            log.debug("a connection ended before it began", extra={"why": str(error)})
            connection.close()
        except asyncio.CancelledError:
            connection.close()
            raise
