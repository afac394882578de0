"""One connection: uvicorn's HTTP/1.1 protocol with the limits that it leaves open, each with a name (invariant 6)."""

import asyncio
import re
import uuid
from typing import Any

import msgspec
from httptools import HttpParserError
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from amcash.wire.messages import Problem

HEAD_BYTES_MAX = 32 * 1024
"""Of one request's line and headers together."""
HEADERS_MAX = 100
HEAD_S = 10.0
"""How long a request's line and headers may take to arrive, and how long a new connection may say nothing."""
PIPELINED_REQUESTS_MAX = 16
"""How many requests may wait on one connection for the answers before theirs."""

# The name is overwritten in place, so nothing after it moves; no JSON body has a line that begins so.
_UPGRADE = re.compile(rb"^upgrade(?=[ \t]*:)", re.IGNORECASE | re.MULTILINE)


class _TooMuchError(HttpParserError):
    """A limit of this file was passed; the parser hands it back as its own error, and the connection ends."""


class Connection(HttpToolsProtocol):
    """A client's connection.

    A request to change the protocol is ignored, as RFC 9110 §7.8 allows: clients that offer HTTP/2 by default must
    not lose their bodies, nor must a body ever be read as the next request.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._head_bytes = 0
        self._header_bytes = 0
        self._in_head = True
        self._head_timer: asyncio.TimerHandle | None = None

    # uvicorn's own signature names the transport that it needs.
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request's head."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes from the client, unless its head has grown too large."""
        if b"pgrade" in data or b"PGRADE" in data:
            data = _UPGRADE.sub(b"x-grade", data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX and b"\r\n\r\n" not in data and b"\n\n" not in data:
                self.send_400_response("Invalid HTTP request received.")
                return
        super().data_received(data)
        if self._in_head and not self.transport.is_closing():
            self._await_head()

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._in_head = True
        self._header_bytes = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take one header; white space around its value is no part of it (RFC 9110 §5.5)."""
        self._header_bytes += len(name) + len(value)
        if self._header_bytes > HEAD_BYTES_MAX or len(self.headers) >= HEADERS_MAX:
            raise _TooMuchError("too many headers")
        super().on_header(name, value.strip(b" \t"))

    def on_headers_complete(self) -> None:
        """Start the request, or let it wait for those before it."""
        self._in_head = False
        self._head_bytes = 0
        self._stop_waiting()
        if len(self.url) > HEAD_BYTES_MAX:
            raise _TooMuchError("too long a path")
        if len(self.pipeline) >= PIPELINED_REQUESTS_MAX:
            raise _TooMuchError("too many requests wait for an answer")
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """Go on with the next request; keep reading only once no request waits."""
        super().on_response_complete()
        if self.pipeline:
            self.flow.pause_reading()

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP, with the headers that every answer carries (R-WIRE-8), and end the connection."""
        if self.transport.is_closing():
            return
        body = msgspec.json.encode(Problem(title="Bad Request", status=400, detail=msg))
        self.transport.write(
            b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json\r\ncache-control: no-store\r\n"
            b"connection: close\r\nx-request-id: %s\r\ncontent-length: %d\r\n\r\n%s"
            % (str(uuid.uuid4()).encode(), len(body), body)
        )
        self.transport.close()

    def _await_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_S, self._head_too_slow)

    def _stop_waiting(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_too_slow(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()
