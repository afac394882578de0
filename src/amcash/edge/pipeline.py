"""The way of a request through the API, once, for every endpoint: token, body, outage, decode, decide, encode, send.

The order is R-ORDER 1 to 3; the rest of it is the service's.
"""

import asyncio
import logging
import re
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from amcash.access.tokens import Caller, Tokens
from amcash.domain.codes import Code, Endpoint
from amcash.domain.commands import Command
from amcash.domain.outcomes import Decision
from amcash.domain.vocabulary import Register, masked
from amcash.edge.metrics import Metrics
from amcash.ledger.settle import Clock
from amcash.wire import decode as wire
from amcash.wire.encode import Answer, encode, encode_no_token, encode_refusal, encode_rejection

trouble = logging.getLogger(__name__)

JSON = b"application/json;charset=UTF-8"
OUTAGE_RETRY_AFTER_S = 60
Decide = Callable[[Any], Awaitable[Decision]]
Headers = list[tuple[bytes, bytes]]

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")


class ClientGoneError(Exception):
    """The caller hung up before its request was whole: nobody is there to answer."""


class BodyTooSlowError(Exception):
    """The body did not arrive within the time budget of its request (R-TIME-1)."""


class BodyTooLargeError(Exception):
    """The body is over the limit; the rest of it was not read."""


class Envelope:
    """Around every answer of every path: `X-Request-Id`, and `Cache-Control: no-store` (R-WIRE-8).

    Args:
        calls: the API's own paths, each answered by its pipeline without a detour.
        pages: everything else, and every other method.
    """

    def __init__(self, calls: Mapping[str, ASGIApp], pages: ASGIApp) -> None:
        self._calls = calls
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or pass a lifespan event on."""
        if scope["type"] != "http":
            await self._pages(scope, receive, send)
            return
        given = next(iter(header_values(scope, b"x-request-id")), b"")
        request_id = given if _REQUEST_ID.fullmatch(given) else str(uuid.uuid4()).encode()
        scope["request_id"] = request_id.decode()
        own_headers = ((b"x-request-id", request_id), (b"cache-control", b"no-store"))

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *own_headers]
            await send(message)

        call = self._calls.get(scope["path"]) if scope["method"] == "POST" else None
        await (call or self._pages)(scope, receive, send_with_headers)


@dataclass(slots=True)
class _Exchange:
    """What is known of one request so far, for its log line."""

    caller: Caller | None = None
    request: Command | wire.Rejection | None = None
    code: Code | None = None
    replayed: bool = False


class Pipeline:
    """One endpoint of the API, as an ASGI application.

    Args:
        endpoint: which.
        decide: the service's entry for it.
        tokens: tells who asks.
        register: gives the register in force.
        clock: gives the time.
        metrics: counts.
        log: takes a line for each request.
        budget_s: how long a body may take to arrive.
    """

    def __init__(  # noqa: PLR0913, PLR0917 -- the parts of the way, each once
        self,
        endpoint: Endpoint,
        decide: Decide,
        tokens: Tokens,
        register: Callable[[], Register],
        clock: Clock,
        metrics: Metrics,
        log: Callable[[Mapping[str, Any]], None],
        budget_s: float,
    ) -> None:
        self._endpoint = endpoint
        self._decide = decide
        self._tokens = tokens
        self._register = register
        self._clock = clock
        self._metrics = metrics
        self._log = log
        self._budget_s = budget_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; whatever breaks, the answer is one of the table's (`0096`)."""
        began = time.perf_counter()
        exchange = _Exchange()
        try:
            answer, headers = await self._answer(scope, receive, exchange)
        except ClientGoneError:
            return
        except (BodyTooSlowError, asyncio.CancelledError):
            # Cancelled: the server stops and its grace is over. What was begun is finished; a retry tells how.
            exchange.code = Code.TIMEOUT
            answer, headers = self._refuse(exchange.request, Code.TIMEOUT), [(b"connection", b"close")]
        except Exception:  # noqa: BLE001 -- whatever broke: the till gets an answer, the operator the trace
            trouble.exception("a request broke the service", extra={"request_id": scope.get("request_id")})
            exchange.code = Code.SERVER_ERROR
            answer, headers = self._refuse(exchange.request, Code.SERVER_ERROR), []
        await send_answer(send, answer, headers)
        seconds = time.perf_counter() - began
        self._metrics.answered(self._endpoint, exchange.code, replayed=exchange.replayed, seconds=seconds)
        self._log(self._line(scope, exchange, answer, seconds))

    async def _answer(self, scope: Scope, receive: Receive, exchange: _Exchange) -> tuple[Answer, Headers]:
        register = self._register()
        caller, challenge = self._caller(scope)
        if caller is None:
            return encode_no_token(self._endpoint), [(b"www-authenticate", challenge)]
        exchange.caller = caller
        request = exchange.request = await self._request(scope, receive, caller, register)
        if register.outage is not None and register.outage.in_force(self._clock()):
            exchange.code = Code.OUTAGE
            return self._refuse(request, Code.OUTAGE), [(b"retry-after", b"%d" % OUTAGE_RETRY_AFTER_S)]
        if isinstance(request, wire.Rejection):
            exchange.code = Code.INVALID_PARAMETER
            answer = encode_rejection(request, self._clock(), register.programme)
            if request.fault is wire.BODY_TOO_LARGE:
                answer = Answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, answer.body)
            return answer, []
        decision = await self._decide(request)
        exchange.code, exchange.replayed = decision.outcome.code, decision.replayed
        answer = encode(request, decision.outcome, register.programme)
        return answer, [(b"idempotency-replayed", b"true")] if decision.replayed else []

    def _caller(self, scope: Scope) -> tuple[Caller | None, bytes]:
        """Return who asks, or how a stranger is to authenticate (RFC 6750 §3)."""
        values = header_values(scope, b"authorization")
        if not values:
            return None, b'Bearer realm="amcash"'
        scheme, _, token = values[0].partition(b" ")
        caller = None
        if len(values) == 1 and scheme.lower() == b"bearer":
            caller = self._tokens.caller(token.strip().decode("latin-1"), self._clock())
        return caller, b'Bearer realm="amcash", error="invalid_token"'

    async def _request(
        self, scope: Scope, receive: Receive, caller: Caller, register: Register
    ) -> Command | wire.Rejection:
        try:
            body = await read_body(scope, receive, wire.BODY_BYTES_MAX, self._budget_s)
        except BodyTooLargeError:
            return wire.Rejection(self._endpoint, wire.BODY_TOO_LARGE, {})
        return wire.decode(
            self._endpoint,
            body,
            scope=wire.Scope(caller.sponsors, register.programme.check_digit),
            content_types=[value.decode("latin-1") for value in header_values(scope, b"content-type")],
            idempotency_keys=[value.decode("latin-1") for value in header_values(scope, b"idempotency-key")],
        )

    def _refuse(self, request: Command | wire.Rejection | None, code: Code) -> Answer:
        nothing = wire.Rejection(self._endpoint, wire.BODY_TOO_LARGE, {})
        return encode_refusal(request or nothing, code, self._clock(), self._register().programme)

    def _line(self, scope: Scope, exchange: _Exchange, answer: Answer, seconds: float) -> Mapping[str, Any]:
        sent = exchange.request.sent if exchange.request is not None else {}
        collector = sent.get("collectorNumber")
        line = {
            "request_id": scope["request_id"],
            "endpoint": self._endpoint,
            "status": int(answer.status),
            "code": exchange.code,
            "ms": round(seconds * 1000, 2),
            "client": exchange.caller.client_id if exchange.caller else None,
            "sponsor": sent.get("sponsorCode"),
            "store": sent.get("storeId"),
            "trace": sent.get("traceId"),
            "collector": collector,
            "replayed": exchange.replayed or None,
        }
        if collector is None:
            return line
        # A till may repeat the number in a field of its own choice; it is masked wherever it stands (R-AUTH-4).
        return {name: masked(collector) if value == collector else value for name, value in line.items()}


def header_values(scope: Scope, name: bytes) -> list[bytes]:
    """Return every value of one header, in order."""
    headers: Iterable[tuple[bytes, bytes]] = scope["headers"]
    return [value for key, value in headers if key == name]


async def read_body(scope: Scope, receive: Receive, bytes_max: int, budget_s: float) -> bytes:
    """Read a whole body of at most `bytes_max` bytes, within `budget_s` seconds.

    Raises:
        BodyTooLargeError: it is longer, or says that it will be.
        BodyTooSlowError: it did not come in time.
        ClientGoneError: the caller hung up first.
    """
    lengths = header_values(scope, b"content-length")
    if lengths and lengths[0].isdigit() and int(lengths[0]) > bytes_max:
        raise BodyTooLargeError
    body = b""
    more = True
    try:
        async with asyncio.timeout(budget_s):
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientGoneError
                body += message.get("body", b"")
                more = message.get("more_body", False)
                if len(body) > bytes_max:
                    raise BodyTooLargeError
    except TimeoutError:
        raise BodyTooSlowError from None
    return body


async def send_answer(send: Send, answer: Answer, headers: Headers, content_type: bytes = JSON) -> None:
    """Hand one answer over to the connection."""
    length = b"%d" % len(answer.body)
    await send(
        {
            "type": "http.response.start",
            "status": int(answer.status),
            "headers": [(b"content-type", content_type), (b"content-length", length), *headers],
        }
    )
    await send({"type": "http.response.body", "body": answer.body})
