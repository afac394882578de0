"""The process that listens: binds, says so, serves, drains on SIGTERM and returns."""

import asyncio
import contextlib
import errno
import gc
import signal
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from amcash.edge.connection import KEEP_ALIVE_S, Connection, Pipeline
from amcash.edge.turns import Acceptor, Board

BACKLOG = 2_048
GARBAGE_OBJECTS = 20_000
"""How many new objects make the interpreter look for cycles among them. A request makes hundreds, and leaves none."""


class ListenError(Exception):
    """The address cannot be listened on; the message says why and what to do."""


Seat = tuple[Board, int]
"""The board of the processes that listen on one socket, and the place of this one."""

_HINTS = {
    errno.EADDRINUSE: "; is another server running? Choose another --port",
    errno.EADDRNOTAVAIL: "; no network interface of this machine has this address. Choose another --host",
    errno.EACCES: "; ports below 1024 are the system administrator's. Choose another --port",
}


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on `host` and `port`; port 0 takes a free one.

    Raises:
        ListenError: the port is taken, or the address is not this machine's.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ListenError(f"cannot listen on {host}: {error.strerror or error}") from None
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        hint = _HINTS.get(error.errno or 0, "")
        raise ListenError(f"cannot listen on {host}:{port}: {error.strerror}{hint}") from None
    return listener


class _Server(uvicorn.Server):
    """uvicorn, but several processes take connections in turns; and it exits 0 after draining (surface.md).

    Of itself it would raise again the signal that asked it to drain.
    """

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None], seat: Seat | None) -> None:
        super().__init__(config)
        self._on_ready = on_ready
        self._seat = seat
        self._acceptor: Acceptor | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        if self._seat is None:
            await super().startup(sockets)
        else:
            assert sockets is not None
            await super().startup([])  # it would take whatever waits
            self._acceptor = self._accept_in_turns(sockets[0], self._seat)
        self._on_ready()

    def _accept_in_turns(self, listener: socket.socket, seat: Seat) -> Acceptor:
        def protocol() -> asyncio.Protocol:
            make: Callable[..., asyncio.Protocol] = self.config.http_protocol_class
            return make(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)

        held = self.server_state.connections
        return Acceptor(listener, *seat, protocol=protocol, tls=self.config.ssl, held=lambda: len(held))

    async def on_tick(self, counter: int) -> bool:
        if self._acceptor is not None:
            self._acceptor.tell()  # of connections that ended
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._acceptor is not None:
            await self._acceptor.close()
        await super().shutdown(sockets)
        for connection in list(self.server_state.connections):  # whoever has not read its answer in all that time
            if isinstance(connection, Connection):
                connection.give_up()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)


@dataclass(frozen=True, slots=True)
class App:
    """All that answers."""

    calls: Mapping[bytes, Pipeline]
    """The API: a POST to each of these paths."""
    pages: ASGIApp
    """Everything else, and every other method."""
    budget_s: float
    """How long the body of a call may take to arrive (R-TIME-1)."""


def run(  # noqa: PLR0913 -- each is one thing that may differ
    app: App,
    listener: socket.socket,
    *,
    on_ready: Callable[[], None],
    tls_cert: Path | None,
    tls_key: Path | None,
    shutdown_grace_s: int,
    seat: Seat | None = None,
) -> None:
    """Serve `app` until SIGTERM or SIGINT, then answer what is in flight and return.

    With a `seat`, other processes listen on `listener`, too, and connections are taken in turns.
    """
    config = uvicorn.Config(
        app.pages,
        http=partial(Connection, calls=app.calls, budget_s=app.budget_s),  # type: ignore[arg-type]
        loop="uvloop",
        lifespan="off",
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=shutdown_grace_s,
        ssl_certfile=tls_cert,
        ssl_keyfile=tls_key,
    )
    server = _Server(config, on_ready, seat)
    collect_rarely()
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(server.serve(sockets=[listener]))


def collect_rarely() -> None:
    """Have the interpreter look for cycles of garbage rarely, and never among what there is already."""
    gc.freeze()
    gc.set_threshold(GARBAGE_OBJECTS)
