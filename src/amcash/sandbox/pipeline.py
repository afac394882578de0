"""The way of a request in a sandbox: the edge's own, at its client's moment, with the faults that were ordered.

A fault strikes before the service is called or after it has answered, never between: the ledger's transaction is the
production engine's, whole or not at all. What happened, and why, goes into the journal.
"""

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final

import msgspec

from amcash.domain.codes import Code, Endpoint
from amcash.domain.commands import Command, Echo, Inquire, Redeem, Reverse
from amcash.domain.outcomes import Decision, Fault, Outcome
from amcash.domain.trial import SetClock, Trial
from amcash.edge.app import Edge
from amcash.edge.exchange import Body, Exchange, Reply
from amcash.edge.pipeline import BAD_TOKEN, OUTAGE_RETRY_AFTER_S, Pipeline
from amcash.sandbox.faults import Kind
from amcash.sandbox.magic import MAGIC, READY, Magic
from amcash.sandbox.restoring import AFTER_THE_WINDOW
from amcash.sandbox.state import State
from amcash.sandbox.why import Facts, why
from amcash.wire.decode import Rejection
from amcash.wire.encode import encode, encode_no_token, encode_rejection

trouble = logging.getLogger(__name__)

Json = dict[str, Any]

_MEMBERS: Final = (
    ("collector", "collectorNumber"),
    ("sponsor", "sponsorCode"),
    ("store", "storeId"),
    ("device", "deviceId"),
    ("trace", "traceId"),
)
"""What an entry of the journal says of a request's parameters, and under which name."""
_CODES: Final = frozenset(code.value for code in Code)
_REFUSED: Final = ("is one that the sandbox always refuses", "est un numéro que le bac à sable refuse toujours")


@dataclass(frozen=True, slots=True)
class Strike:
    """A fault that strikes a request: ordered, or bound to a magic number."""

    kind: str
    order: int | None = None
    bytes: int | None = None
    delay_ms: int | None = None

    def as_json(self) -> Json:
        """Return it as the journal names it."""
        return {"id": self.order, "fault": self.kind}


@dataclass(slots=True)
class Notes:
    """What is kept of an exchange from its begin to its end."""

    client: str
    words: Mapping[str, str]
    """The strings of the body, whether the request is one or not."""
    at: datetime
    """By the server's clock."""
    clock: SetClock | None
    strike: Strike | None = None
    undecided: bool = False
    """The fault struck before anything was decided."""
    silent: bool = False
    """There is no answer at all."""
    decided: Command | None = None
    decision: Decision | None = None
    first: "Notes | None" = None
    """Of the first delivery, where this is the second."""
    answered: "Notes | None" = None
    """Of the request that was answered `0008`, where this is the later carrying out."""
    entry: int | None = None


class TrialPipeline(Pipeline):
    """One endpoint of the API, in a sandbox.

    Args:
        endpoint: which.
        edge: what the edge stands on.
        state: what the sandbox keeps.
    """

    def __init__(self, endpoint: Endpoint, edge: Edge, state: State) -> None:
        super().__init__(endpoint, edge.service, edge.tokens, edge.register, edge.clock, edge.metrics, edge.request_log)
        self._state = state
        self._later: set[asyncio.Task[None]] = set()

    def begin(self, exchange: Exchange) -> Reply | Coroutine[Any, Any, Reply]:
        """Return the reply, or what will give it: as in production, unless a fault strikes."""
        try:
            caller, _ = self._caller(exchange)
            if caller is None:
                return super().begin(exchange)
            client = caller.client_id
            notes = Notes(client, _words(exchange.content), self._clock(), self._state.clocks.of(client))
            exchange.notes, exchange.caller = notes, caller
            strike = notes.strike = self._strike(notes) if exchange.body is Body.WHOLE else None
            if strike is None:
                return super().begin(exchange)
            exchange.request = self._request(exchange, caller, self._register())
            return self._struck(exchange, notes, strike)
        except Exception:  # noqa: BLE001 -- as in the edge: the till gets an answer, the operator the trace
            return self._broken(exchange)

    def end(self, exchange: Exchange, reply: Reply) -> None:
        """Count the answer, log it, and write it into the client's journal."""
        super().end(exchange, reply)
        notes = exchange.notes
        if isinstance(notes, Notes):
            try:
                notes.entry = self._state.journal.add(notes.client, self._entry(exchange, reply, notes))
            except Exception:  # noqa: BLE001 -- the answer is out; only the journal lacks it
                trouble.exception("an answer is missing in the journal")

    # --- the client's moment ---

    def _now(self, exchange: Exchange) -> datetime:
        notes, now = exchange.notes, self._clock()
        return notes.clock.at(now) if isinstance(notes, Notes) and notes.clock is not None else now

    async def _decision(self, exchange: Exchange, command: Command) -> Decision:
        notes = exchange.notes
        assert isinstance(notes, Notes)
        one = None if isinstance(command, Echo) else MAGIC.get(command.collector)
        if isinstance(command, Echo) or one is None or not one.enrolled:
            return await self._decided(notes, Trial(command, notes.clock))
        async with self._state.turn:
            return await self._decided(notes, await self._readied(notes, one, command))

    async def _decided(self, notes: Notes, trial: Trial) -> Decision:
        notes.decided = trial.command
        notes.decision = await self._service.try_out(trial)
        return notes.decision

    async def _readied(self, notes: Notes, one: Magic, command: Inquire | Redeem | Reverse) -> Trial:
        """Bring a magic collector to its state, and return what is then to be decided."""
        clock, now = notes.clock, self._clock()
        at = Trial(command, clock).at(now)
        if not isinstance(command, Reverse):
            await self._state.restorer.make_ready(one, command, at)
            return Trial(command, clock)
        if one.code is Code.REVERSAL_WINDOW_OVER:
            clock = (clock or SetClock(now, now, runs=True)).moved(AFTER_THE_WINDOW)
        ready = self._state.ready(command.key) if command.confirmation == READY else None
        if ready is None:
            ready = await self._state.restorer.make_ready(one, command, at)
        if ready is None:
            return Trial(command, clock)
        self._state.remember(command.key, ready)
        sent = {**command.sent, "redemptionConfirmationNum": ready}
        return Trial(replace(command, sent=sent, confirmation=ready), clock)

    # --- faults ---

    def _strike(self, notes: Notes) -> Strike | None:
        """Return what strikes: the oldest order that matches, else what is bound to a magic number."""
        words = notes.words
        number = words.get("traceId" if self._endpoint is Endpoint.ECHO else "collectorNumber", "")
        request = {
            "endpoint": self._endpoint,
            "collector": words.get("collectorNumber", ""),
            "store": words.get("storeId", ""),
            "device": words.get("deviceId", ""),
        }
        order = self._state.faults.strike(notes.client, request)
        if order is not None:
            return Strike(order.kind, order.id, order.bytes, order.delay_ms)
        one = MAGIC.get(number)
        if one is None or not one.bound or self._endpoint not in one.endpoints:
            return None
        return Strike(one.code or Kind.TOKEN_EXPIRED)

    def _struck(self, exchange: Exchange, notes: Notes, strike: Strike) -> Reply | Coroutine[Any, Any, Reply]:
        if strike.kind in _CODES:
            if strike.order is None and isinstance(exchange.request, Rejection):
                notes.strike = None  # not an ordinary request: it gets what every such request gets
                return super().begin(exchange)
            notes.undecided = True
            return self._coded(exchange, Code(strike.kind))
        if strike.kind == Kind.TOKEN_EXPIRED:
            notes.undecided = True
            answer = encode_no_token(self._endpoint)
            return Reply(answer.status, answer.body, b"www-authenticate: %b\r\n" % BAD_TOKEN)
        if strike.kind == Kind.LOST_BEFORE_COMMIT:
            notes.undecided = notes.silent = True
            exchange.code = Code.SERVER_ERROR  # for metrics and log: "server error or no response"
            return Reply(HTTPStatus.INTERNAL_SERVER_ERROR, b"", cut_bytes=0)
        return self._struck_later(exchange, notes, strike)

    def _coded(self, exchange: Exchange, code: Code) -> Reply:
        request, programme, at = exchange.request, self._register().programme, self._now(exchange)
        if code is Code.OUTAGE:
            return self._refuse(exchange, code, b"retry-after: %d\r\n" % OUTAGE_RETRY_AFTER_S)
        if request is None or isinstance(request, Rejection):
            return self._refuse(exchange, code)
        exchange.code = code
        if code is Code.INVALID_PARAMETER:
            parameter = "traceId" if self._endpoint is Endpoint.ECHO else "collectorNumber"
            rejection = Rejection(self._endpoint, Fault(parameter, *_REFUSED), request.sent, request.language)
            answer = encode_rejection(rejection, at, programme)
        else:
            answer = encode(request, Outcome(code, at), programme)
        return Reply(answer.status, answer.body)

    async def _struck_later(self, exchange: Exchange, notes: Notes, strike: Strike) -> Reply:
        try:
            await asyncio.sleep((strike.delay_ms or 0) / 1000)
            match strike.kind:
                case Kind.LATE:
                    again = self._again(exchange, notes)
                    again.notes.answered = notes
                    notes.undecided = True
                    reply = self._coded(exchange, Code.TIMEOUT)
                    task = asyncio.get_running_loop().create_task(self._unheard(again))
                    self._later.add(task)
                    task.add_done_callback(self._later.discard)
                    return reply
                case Kind.DUPLICATE:
                    again = self._again(exchange, notes)
                    await self._unheard(again)
                    notes.first = again.notes
            reply = await self._carried_out(exchange)
        except asyncio.CancelledError:
            return self._refuse(exchange, Code.TIMEOUT, closes=True)  # the server stops
        except Exception:  # noqa: BLE001 -- as above
            return self._broken(exchange)
        if strike.kind == Kind.LOST_AFTER_COMMIT:
            reply.cut_bytes = 0
        elif strike.kind == Kind.CUT:
            reply.cut_bytes = strike.bytes
        return reply

    async def _carried_out(self, exchange: Exchange) -> Reply:
        reply = super().begin(exchange)
        return reply if isinstance(reply, Reply) else await reply

    def _again(self, exchange: Exchange, notes: Notes) -> Exchange:
        """Return the same request once more, with notes of its own."""
        return replace(exchange, notes=Notes(notes.client, notes.words, notes.at, notes.clock))

    async def _unheard(self, exchange: Exchange) -> None:
        """Carry a request out whose answer reaches nobody (R-DLV-3)."""
        reply = await self._carried_out(exchange)
        reply.cut_bytes = 0
        self.end(exchange, reply)

    # --- the journal ---

    def _entry(self, exchange: Exchange, reply: Reply, notes: Notes) -> Json:
        decision = notes.decision
        code = None if notes.silent else exchange.code
        facts = Facts(
            self._endpoint,
            notes.client,
            notes.decided or exchange.request,
            decision,
            exchange.code,
            self._now(exchange),
            notes.strike.as_json() if notes.strike is not None and notes.undecided else None,
        )
        milliseconds = (self._clock() - notes.at).total_seconds() * 1000
        return {
            "at": _utc(notes.at),
            "clock": _utc(decision.outcome.at if decision is not None and not decision.replayed else facts.at),
            "ms": round(milliseconds, 1),
            "endpoint": self._endpoint,
            "code": code,
            "replayed": exchange.replayed,
            **{name: notes.words.get(parameter) for name, parameter in _MEMBERS},
            "confirmation": decision.outcome.confirmation if decision is not None else None,
            "request_id": exchange.request_id.decode(),
            "idempotency_key": _text(exchange.values(b"idempotency-key")),
            "request": {
                "content_type": _text(exchange.values(b"content-type")),
                "body": exchange.content.decode(errors="replace"),
            },
            "answer": None if notes.silent else _answer(reply),
            "fault": notes.strike.as_json() if notes.strike is not None else None,
            "duplicate_of": notes.first.entry if notes.first is not None else None,
            "late_of": notes.answered.entry if notes.answered is not None else None,
            "why": why(facts),
        }


def _words(content: bytes) -> dict[str, str]:
    """Return the strings of a body that is a JSON object, and of any other body none."""
    try:
        value = msgspec.json.decode(content)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return {}
    return {name: word for name, word in value.items() if isinstance(word, str)} if isinstance(value, dict) else {}


def _answer(reply: Reply) -> Json:
    cut = reply.cut_bytes
    lines = [line.partition(b": ") for line in reply.headers.split(b"\r\n") if line]
    return {
        "status": int(reply.status),
        "headers": {name.decode(): value.decode() for name, _, value in lines},
        "body": reply.content.decode(),
        "sent": "whole" if cut is None else "part" if cut else "nothing",
        "bytes": cut,
    }


def _text(values: list[bytes]) -> str | None:
    return ", ".join(value.decode("latin-1") for value in values) if values else None


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
