"""One connection: uvicorn's HTTP/1.1 protocol, with a short way for the API's calls and with limits of its own.

A call needs none of ASGI's generality: its body is small and comes whole, its reply is one piece. So it goes from the
parser to its pipeline and from there to the socket in one write. Every other path goes the way that uvicorn has for it.
Each limit that uvicorn leaves open has a name here (invariant 6).
"""

import asyncio
import os
import re
import select
from collections.abc import Coroutine, Mapping
from enum import Enum
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import unquote_to_bytes

import msgspec
from httptools import HttpParserError, HttpParserUpgrade, parse_url
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from amcash.edge.exchange import Body, Exchange, Handover, Reply
from amcash.edge.request_id import new_request_id, request_id_for
from amcash.wire.decode import BODY_BYTES_MAX
from amcash.wire.messages import Problem

HEAD_BYTES_MAX = 32 * 1024
"""Of one request's line and headers together."""
HEADERS_MAX = 100
HEAD_S = 10.0
"""How long a request's line and headers may take to arrive, and how long a new connection may say nothing."""
KEEP_ALIVE_S = 75
"""How long a connection may rest between two requests."""
PIPELINED_REQUESTS_MAX = 16
"""How many requests may wait on one connection for the answers before theirs."""
HANDOVER_LOOK_S = 0.05
"""How often a connection that takes its reply slowly is looked at."""
HANDOVER_S = 4.0
"""How long a client may take to read an approval; then it is gone, and the approval can be cancelled (R-DLV-5)."""

# The name is overwritten in place, so nothing after it moves; no JSON body has a line that begins so.
_UPGRADE = re.compile(rb"^upgrade(?=[ \t]*:)", re.IGNORECASE | re.MULTILINE)
_STATUS_LINES = {status: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}
_MORE_THAN_A_PATH = re.compile(rb"[?%#]")
_CLOSE = b"connection: close\r\n"
_NOT_HTTP = "Invalid HTTP request received."
_GONE = getattr(select, "POLLRDHUP", 0)
"""What a socket shows whose peer sends no more; where the system does not know it, only a reset is seen."""


class Pipeline(Protocol):
    """What answers the calls of one path."""

    def begin(self, exchange: Exchange) -> Reply | Coroutine[Any, Any, Reply]:
        """Return the reply, or what will give it; neither raises."""

    def end(self, exchange: Exchange, reply: Reply) -> None:
        """Take note that the exchange is over."""


class _TooMuchError(HttpParserError):
    """A limit of this file was passed; the parser hands it back as its own error, and the connection ends."""


class _Written(Enum):
    """What became of the bytes of a reply."""

    OUT = "all of them are with the system, on a connection that is open"
    QUEUED = "the client reads slowly, or TLS is in between"
    BROKEN = "the connection broke first"


class _Nobody:
    """Where uvicorn wakes a request's task: a call has none that listens for bytes."""

    def set(self) -> None:
        """Wake nobody."""


class _Call:
    """A call on its way in; in uvicorn's words a cycle, of which it asks the four names in the middle."""

    message_event = _Nobody()

    __slots__ = (
        "body_timer",
        "content",
        "disconnected",
        "exchange",
        "expects_continue",
        "keep_alive",
        "more_body",
        "pipeline",
        "response_complete",
        "started",
    )

    def __init__(self, pipeline: Pipeline, exchange: Exchange, *, keep_alive: bool, expects_continue: bool) -> None:
        self.pipeline = pipeline
        self.exchange = exchange
        self.expects_continue = expects_continue
        self.content = bytearray()
        self.more_body = True
        self.started = False
        self.body_timer: asyncio.TimerHandle | None = None
        self.keep_alive = keep_alive
        self.disconnected = False
        self.response_complete = False


class Connection(HttpToolsProtocol):
    """A client's connection.

    A request to change the protocol is ignored, as RFC 9110 §7.8 allows: clients that offer HTTP/2 by default must
    not lose their bodies, nor must a body ever be read as the next request.

    Args:
        calls: the API's paths, as they stand in a request line, and what answers a POST to each.
        budget_s: how long the body of a call may take to arrive (R-TIME-1).
        options: uvicorn's own.
    """

    cycle: Any
    """The request that is under way: a call of ours, or uvicorn's."""

    def __init__(self, *, calls: Mapping[bytes, Pipeline], budget_s: float, **options: Any) -> None:
        super().__init__(**options)
        self._calls = calls
        self._budget_s = budget_s
        self._head_bytes = 0
        self._header_bytes = 0
        self._in_head = True
        self._head_timer: asyncio.TimerHandle | None = None
        self._resting_since = 0.0
        self._held = False
        """The client does not read: the next request waits until it does."""
        self._descriptor: int | None = None
        """Of the socket, where bytes can be written to it past the loop's own buffer: not under TLS."""
        self._socket_under_tls: select.poll | None = None
        self._lost = False
        self._aborted = False
        self._all_out = False
        """Of a connection that was lost: whatever was written to it had left before."""
        self._pending: dict[Handover, float] = {}
        """Approvals that are written and not out, and since when."""

    # uvicorn's own signature names the transport that it needs.
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request's head."""
        super().connection_made(transport)
        descriptor = transport.get_extra_info("socket").fileno()
        if transport.get_extra_info("sslcontext") is None:
            self._descriptor = descriptor
        else:
            self._socket_under_tls = select.poll()
            self._socket_under_tls.register(descriptor, _GONE)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._lost = True
        self._all_out = exc is None and not self._aborted
        for handover in list(self._pending):
            self._look(handover)
        self._stop_waiting()
        if isinstance(self.cycle, _Call):
            self._stop_body_timer(self.cycle)
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes from the client, unless its head has grown too large."""
        if b"pgrade" in data or b"PGRADE" in data:
            data = _UPGRADE.sub(b"x-grade", data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX and b"\r\n\r\n" not in data and b"\n\n" not in data:
                self.send_400_response(_NOT_HTTP)
                return
        try:
            self.parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade):
            self.send_400_response(_NOT_HTTP)
            return
        if self.transport.is_closing():
            return
        if self._in_head:
            self._await_head()
        elif isinstance(self.cycle, _Call):
            self._await_body(self.cycle)

    def on_message_begin(self) -> None:
        """Begin a request."""
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self._in_head = True
        self._header_bytes = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take one header; white space around its value is no part of it (RFC 9110 §5.5)."""
        self._header_bytes += len(name) + len(value)
        if self._header_bytes > HEAD_BYTES_MAX or len(self.headers) >= HEADERS_MAX:
            raise _TooMuchError("too many headers")
        name, value = name.lower(), value.strip(b" \t")
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Start the request, or let it wait for those before it."""
        self._in_head = False
        self._head_bytes = 0
        self._stop_waiting()
        if len(self.url) > HEAD_BYTES_MAX:
            raise _TooMuchError("too long a path")
        if len(self.pipeline) >= PIPELINED_REQUESTS_MAX:
            raise _TooMuchError("too many requests wait for an answer")
        headers, self.headers = self.headers, []  # what a trailer adds is no header (RFC 9110 §6.5.1)
        pipeline = self._calls.get(self.url) or self._calls.get(_path(self.url))
        if pipeline is None or self.parser.get_method() != b"POST":
            self._start_page(headers)
            return
        keep_alive = self.parser.get_http_version() != "1.0" and self.parser.should_keep_alive()
        given = [value for name, value in headers if name == b"x-request-id"]
        exchange = Exchange(headers, request_id_for(given))
        before = self.cycle
        call = _Call(pipeline, exchange, keep_alive=keep_alive, expects_continue=self.expect_100_continue)
        self.cycle = call
        if _says_too_large(headers):
            exchange.body = Body.TOO_LARGE
        if (before is None or before.response_complete) and not self._held:
            self._start(call)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((call, self.app))  # type: ignore[arg-type]

    def _start_page(self, headers: list[tuple[bytes, bytes]]) -> None:
        """Go on as uvicorn does; it begins a request with the scope that only now is needed."""
        url, expects = self.url, self.expect_100_continue
        super().on_message_begin()
        self.url, self.headers, self.expect_100_continue = url, [], expects
        self.scope["headers"] = headers
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a piece of a body."""
        call = self.cycle
        if not isinstance(call, _Call):
            super().on_body(body)
            return
        if call.response_complete or call.exchange.body is Body.TOO_LARGE:
            return
        call.content += body
        if len(call.content) > BODY_BYTES_MAX:
            call.exchange.body = Body.TOO_LARGE
            if call.started:
                self._answer(call)

    def on_message_complete(self) -> None:
        """Answer a call whose turn it is."""
        call = self.cycle
        if not isinstance(call, _Call):
            super().on_message_complete()
            return
        call.more_body = False
        if call.started and not call.response_complete:
            self._answer(call)

    # --- a call's way ---

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        """Start what waited: it is its turn."""
        if isinstance(cycle, _Call):
            self._start(cycle)
            self._await_body(cycle)
        else:
            super()._start_asgi_task(cycle, app)

    def _start(self, call: _Call) -> None:
        call.started = True
        if not call.more_body or call.exchange.body is Body.TOO_LARGE:
            self._answer(call)
        else:
            self.flow.resume_reading()

    def _await_body(self, call: _Call) -> None:
        """Wait for the rest of a body; mostly there is none, for it came with its head."""
        if not call.started or not call.more_body or call.response_complete or call.body_timer is not None:
            return
        if call.expects_continue:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        call.body_timer = self.loop.call_later(self._budget_s, self._body_too_slow, call)

    def _body_too_slow(self, call: _Call) -> None:
        if call.more_body and not call.response_complete and not call.disconnected:
            call.exchange.body = Body.TOO_SLOW
            self._answer(call)

    def _stop_body_timer(self, call: _Call) -> None:
        if call.body_timer is not None:
            call.body_timer.cancel()
            call.body_timer = None

    def _answer(self, call: _Call) -> None:
        self._stop_body_timer(call)
        call.exchange.content = bytes(call.content)
        answer = call.pipeline.begin(call.exchange)
        if isinstance(answer, Reply):
            self._reply(call, answer)
            return
        task = self.loop.create_task(self._reply_later(call, answer))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _reply_later(self, call: _Call, answer: Coroutine[Any, Any, Reply]) -> None:
        self._reply(call, await answer)

    def _reply(self, call: _Call, reply: Reply) -> None:
        call.response_complete = True
        reply = self._hand_over(call, reply)
        closes = reply.closes or not call.keep_alive
        if closes and not self.transport.is_closing():
            self.transport.close()
        call.pipeline.end(call.exchange, reply)
        self.on_response_complete()

    def _hand_over(self, call: _Call, reply: Reply) -> Reply:
        """Write the reply, or the one that takes its place; return which. Of one that nobody waits for nobody is told.

        A process that is killed between the journal's line and the socket's bytes leaves an approval that counts as
        handed over and never left (R-DLV-3a). So everything is made ready before, and the two stand side by side.
        """
        content = self._bytes(call, reply)
        handover = reply.handover
        if handover is not None and self._socket_under_tls is not None and self._socket_under_tls.poll(0):
            self._abort()  # a client that went without a word of TLS: the loop would drop the reply and not say so
        if handover is None or self.transport.is_closing():
            self._send(content, reply)
            return reply
        instead = handover.begin()
        if instead is not None:
            self._send(self._bytes(call, instead), instead)
            return instead
        self._tell(handover, self._send(content, reply))
        return reply

    def _send(self, content: bytes, reply: Reply) -> _Written:
        return self._write(content) if reply.cut_bytes is None else self._write_part(content, reply.cut_bytes)

    def _bytes(self, call: _Call, reply: Reply) -> bytes:
        close = b"" if call.keep_alive and not reply.closes else _CLOSE
        return (
            b"%b%bcontent-type: application/json;charset=UTF-8\r\ncontent-length: %d\r\n"
            b"%b%bx-request-id: %b\r\ncache-control: no-store\r\n\r\n%b"
            % (
                _STATUS_LINES[reply.status],
                b"".join([b"%b: %b\r\n" % pair for pair in self.server_state.default_headers]),
                len(reply.content),
                reply.headers,
                close,
                call.exchange.request_id,
                reply.content,
            )
        )

    def _write(self, data: bytes) -> _Written:
        """Write to the socket itself where nothing is queued before it: only then does one know at once."""
        if self.transport.is_closing():
            return _Written.BROKEN
        if self._descriptor is not None and self.transport.get_write_buffer_size() == 0:
            try:
                written = os.write(self._descriptor, data)
            except BlockingIOError:
                written = 0
            except OSError:
                self._abort()
                return _Written.BROKEN
            if written == len(data):
                return _Written.OUT
            data = data[written:]
        self.transport.write(data)
        return _Written.QUEUED

    def _write_part(self, data: bytes, size: int) -> _Written:
        """Write the first bytes of a reply and break the connection: the hand-over has failed."""
        part = data[: min(size, len(data) - 1)]
        if part and self._write(part) is _Written.QUEUED:
            self.transport.close()  # what is queued still goes out
        else:
            self._abort()
        return _Written.BROKEN

    def _tell(self, handover: Handover, written: _Written) -> None:
        """Say whether the whole reply was handed to a connection that is still open (R-DLV-2)."""
        if written is _Written.OUT:
            handover.done()
        elif written is _Written.BROKEN:
            handover.failed()
        else:
            self._pending[handover] = self.loop.time()
            if self._descriptor is not None:  # `resume_writing` then says when the last byte is out
                self.transport.set_write_buffer_limits(0)
            # At once: a client under TLS that has read its answer may reset the connection that is being closed.
            self.loop.call_soon(self._look, handover)

    def _look(self, handover: Handover) -> None:
        """Look again at a reply that was queued: the client reads slowly, or there is TLS in between."""
        if handover not in self._pending:
            return
        if self._lost or self._aborted:
            out = self._all_out
        elif self._has_sent_all():
            out = True
        elif self.loop.time() - self._pending[handover] > HANDOVER_S:
            out = False
            self._abort()
        else:
            self.loop.call_later(HANDOVER_LOOK_S, self._look, handover)
            return
        if self._pending.pop(handover, None) is not None:
            (handover.done if out else handover.failed)()

    def _has_sent_all(self) -> bool:
        # Without TLS a write that failed leaves nothing queued either: of a connection that closes, its end will tell.
        closing = self._descriptor is not None and self.transport.is_closing()
        return not closing and self.transport.get_write_buffer_size() == 0

    def _abort(self) -> None:
        self._aborted = True
        self.transport.abort()

    def give_up(self) -> None:
        """Say of what is still queued whether it has left, and let none of it leave after that: the process ends."""
        out = self.transport.get_write_buffer_size() == 0
        if self._pending and not out:
            self._abort()
        while self._pending:
            handover, _since = self._pending.popitem()
            (handover.done if out else handover.failed)()

    # --- from one request to the next ---

    def on_response_complete(self) -> None:
        """Go on with the next request; keep reading only once no request waits."""
        self.server_state.total_requests += 1
        if not self.transport.is_closing():
            self._go_on()

    def _go_on(self) -> None:
        if self.flow.write_paused:  # it asks and does not read: nothing more until it does
            self._held = True
            self.flow.pause_reading()
            return
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
            return
        self.flow.resume_reading()
        self._resting_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(KEEP_ALIVE_S, self.timeout_keep_alive_handler)

    def resume_writing(self) -> None:
        """Go on where the client has read what it was sent."""
        super().resume_writing()
        for handover in list(self._pending):  # before it can reset the connection over which it has read its answer
            self._look(handover)
        if self._held:
            self._held = False
            if not self.transport.is_closing():
                self._go_on()

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection that has rested for too long. One timer a connection, not one a request."""
        self.timeout_keep_alive_task = None
        answering = self.cycle is not None and not self.cycle.response_complete
        if answering or self._head_timer is not None or self.transport.is_closing():
            return  # the end of this request sets the timer again
        rests_s = self.loop.time() - self._resting_since
        if rests_s >= KEEP_ALIVE_S:
            self.transport.close()
        else:
            self.timeout_keep_alive_task = self.loop.call_later(KEEP_ALIVE_S - rests_s, self.timeout_keep_alive_handler)

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP, with the headers that every answer carries (R-WIRE-8), and end the connection."""
        if self.transport.is_closing():
            return
        body = msgspec.json.encode(Problem(title="Bad Request", status=400, detail=msg))
        self.transport.write(
            b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json\r\ncache-control: no-store\r\n"
            b"connection: close\r\nx-request-id: %b\r\ncontent-length: %d\r\n\r\n%b"
            % (new_request_id(), len(body), body)
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


def _path(url: bytes) -> bytes:
    """Return the path of a request's target that has more to it than a path."""
    if url.startswith(b"/") and not _MORE_THAN_A_PATH.search(url):
        return url
    try:
        return unquote_to_bytes(parse_url(url).path or b"")
    except HttpParserError:
        return b""


def _says_too_large(headers: list[tuple[bytes, bytes]]) -> bool:
    for name, value in headers:
        if name == b"content-length":
            return value.isdigit() and int(value) > BODY_BYTES_MAX
    return False
