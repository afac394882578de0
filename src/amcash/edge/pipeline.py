"""The way of a request through the API, once, for every endpoint: token, body, outage, decode, decide, encode.

The order is R-ORDER 1 to 3; the rest of it is the service's. What needs no ledger is answered at once.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import Any

from amcash.access.tokens import Caller, Tokens
from amcash.domain.codes import Code, Endpoint
from amcash.domain.commands import Command
from amcash.domain.outcomes import Decision
from amcash.domain.vocabulary import Register, masked
from amcash.edge.exchange import Body, Exchange, Handover, Reply
from amcash.edge.metrics import Metrics
from amcash.ledger.settle import Clock
from amcash.ledger.store import StoreError
from amcash.service import HandOverTooLateError, Service
from amcash.wire import decode as wire
from amcash.wire.encode import Answer, encode, encode_no_token, encode_refusal, encode_rejection

trouble = logging.getLogger(__name__)

OUTAGE_RETRY_AFTER_S = 60
Decide = Callable[[Any], Awaitable[Decision]]

_NO_TOKEN = b'Bearer realm="amcash"'
BAD_TOKEN = b'Bearer realm="amcash", error="invalid_token"'
_LOGGED = (("sponsor", "sponsorCode"), ("store", "storeId"), ("trace", "traceId"), ("collector", "collectorNumber"))
"""What a request's log line says of its parameters, and under which name."""
_REPLAYED = b"idempotency-replayed: true\r\n"


class Pipeline:
    """One endpoint of the API.

    Args:
        endpoint: which.
        service: decides, and wants to know what became of an approval.
        tokens: tells who asks.
        register: gives the register in force.
        clock: gives the time.
        metrics: counts.
        log: takes a line for each request.
    """

    def __init__(  # noqa: PLR0913, PLR0917 -- the parts of the way, each once
        self,
        endpoint: Endpoint,
        service: Service,
        tokens: Tokens,
        register: Callable[[], Register],
        clock: Clock,
        metrics: Metrics,
        log: Callable[[dict[str, Any]], None],
    ) -> None:
        self._endpoint = endpoint
        self._service = service
        self._decide: Decide = getattr(service, endpoint)  # it names its calls as the API does
        self._tokens = tokens
        self._register = register
        self._clock = clock
        self._metrics = metrics
        self._log = log

    def begin(self, exchange: Exchange) -> Reply | Coroutine[Any, Any, Reply]:
        """Return the reply where nobody has to be asked for it, or else what will give it.

        Whatever breaks, the answer is one of the table's (`0096`).
        """
        try:
            register = self._register()
            caller, challenge = self._caller(exchange)
            if caller is None:
                answer = encode_no_token(self._endpoint)
                return Reply(answer.status, answer.body, b"www-authenticate: %b\r\n" % challenge)
            exchange.caller = caller
            if exchange.body is Body.TOO_SLOW:
                return self._refuse(exchange, Code.TIMEOUT, closes=True)
            request = exchange.request = self._request(exchange, caller, register)
            if register.outage is not None and register.outage.in_force(self._clock()):
                return self._refuse(exchange, Code.OUTAGE, b"retry-after: %d\r\n" % OUTAGE_RETRY_AFTER_S)
            if isinstance(request, wire.Rejection):
                exchange.code = Code.INVALID_PARAMETER
                answer = encode_rejection(request, self._now(exchange), register.programme)
                if request.fault is wire.BODY_TOO_LARGE:
                    answer = Answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, answer.body)
                return Reply(answer.status, answer.body)
        except Exception:  # noqa: BLE001 -- whatever broke: the till gets an answer, the operator the trace
            return self._broken(exchange)
        return self._settle(exchange, request)

    async def _settle(self, exchange: Exchange, command: Command) -> Reply:
        try:
            decision = await self._decision(exchange, command)
            exchange.code, exchange.replayed = decision.outcome.code, decision.replayed
            answer = encode(command, decision.outcome, self._register().programme)
        except asyncio.CancelledError:
            # The server stops and its grace is over. What was begun is finished; a retry tells how.
            return self._refuse(exchange, Code.TIMEOUT, closes=True)
        except Exception:  # noqa: BLE001 -- as above
            return self._broken(exchange)
        handover = None if decision.open_until is None else self._handover(exchange, command, decision)
        return Reply(answer.status, answer.body, _REPLAYED if decision.replayed else b"", handover=handover)

    # --- what a sandbox fills in differently ---

    def _decision(self, _exchange: Exchange, command: Command) -> Awaitable[Decision]:
        """Return what will give the decision."""
        return self._decide(command)

    def _now(self, _exchange: Exchange) -> datetime:
        """Return the moment of an answer that nobody had to decide."""
        return self._clock()

    # --- the steps ---

    def _handover(self, exchange: Exchange, command: Command, decision: Decision) -> Handover:
        def begin() -> Reply | None:
            try:
                self._service.about_to_hand_over(command, decision, exchange.began)
            except HandOverTooLateError:
                return self._refuse(exchange, Code.TIMEOUT)
            except StoreError:
                return self._broken(exchange)
            return None

        return Handover(
            begin,
            done=partial(self._service.handed_over, command, decision),
            failed=partial(self._service.not_handed_over, command, decision),
        )

    def end(self, exchange: Exchange, reply: Reply) -> None:
        """Count the answer and log it."""
        seconds = time.perf_counter() - exchange.began
        self._metrics.answered(self._endpoint, exchange.code, replayed=exchange.replayed, seconds=seconds)
        self._log(self._line(exchange, reply, seconds))

    def _caller(self, exchange: Exchange) -> tuple[Caller | None, bytes]:
        return caller_of(exchange.values(b"authorization"), self._tokens, self._clock())

    def _request(self, exchange: Exchange, caller: Caller, register: Register) -> Command | wire.Rejection:
        if exchange.body is Body.TOO_LARGE:
            return wire.Rejection(self._endpoint, wire.BODY_TOO_LARGE, {})
        return wire.decode(
            self._endpoint,
            exchange.content,
            scope=wire.Scope(caller.sponsors, register.programme.check_digit),
            content_types=[value.decode("latin-1") for value in exchange.values(b"content-type")],
            idempotency_keys=[value.decode("latin-1") for value in exchange.values(b"idempotency-key")],
        )

    def _refuse(self, exchange: Exchange, code: Code, headers: bytes = b"", *, closes: bool = False) -> Reply:
        exchange.code = code
        request = exchange.request or wire.Rejection(self._endpoint, wire.BODY_TOO_LARGE, {})
        answer = encode_refusal(request, code, self._now(exchange), self._register().programme)
        return Reply(answer.status, answer.body, headers, closes)

    def _broken(self, exchange: Exchange) -> Reply:
        trouble.exception("a request broke the service", extra={"request_id": exchange.request_id.decode()})
        return self._refuse(exchange, Code.SERVER_ERROR)

    def _line(self, exchange: Exchange, reply: Reply, seconds: float) -> dict[str, Any]:
        line: dict[str, Any] = {
            "level": "info",
            "logger": "amcash.requests",
            "event": "request",
            "at": self._clock(),
            "request_id": exchange.request_id.decode(),
            "endpoint": self._endpoint,
            "status": reply.status,
            "ms": round(seconds * 1000, 2),
        }
        if exchange.code is not None:
            line["code"] = exchange.code
        if exchange.caller is not None:
            line["client"] = exchange.caller.client_id
        if exchange.replayed:
            line["replayed"] = True
        request = exchange.request
        if request is not None:
            sent = request.sent
            collector = sent.get("collectorNumber")
            hidden = masked(collector) if collector is not None else None
            for name, parameter in _LOGGED:
                value = sent.get(parameter)
                if value is not None:
                    # A till may repeat the card's number in another field; it is masked wherever it stands (R-AUTH-4).
                    line[name] = hidden if value == collector else value
            if collector is not None and line["request_id"] == collector:
                line["request_id"] = hidden
        return line


def caller_of(authorization: list[bytes], tokens: Tokens, now: datetime) -> tuple[Caller | None, bytes]:
    """Return who asks, or None; and how a stranger is to authenticate (RFC 6750 §3).

    Args:
        authorization: the values of every `Authorization` header.
        tokens: tells whose a token is.
        now: by the server's clock.
    """
    if not authorization:
        return None, _NO_TOKEN
    scheme, _, token = authorization[0].partition(b" ")
    caller = None
    if len(authorization) == 1 and scheme.lower() == b"bearer":
        caller = tokens.caller(token.strip().decode("latin-1"), now)
    return caller, BAD_TOKEN
