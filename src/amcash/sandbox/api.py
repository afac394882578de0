"""Everything under `/sandbox/`: clients, tokens, collectors, clock, faults, journal, reset.

Who sends a token reaches its own things and nobody else's. A mistake is a 400 that names the field (RFC 9457).
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import wraps
from http import HTTPStatus
from itertools import islice
from typing import Final, TypeVar

import msgspec
from msgspec import UNSET
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from amcash.domain import calendar
from amcash.domain.codes import Code, Endpoint
from amcash.domain.vocabulary import Client, Programme, SponsorCode
from amcash.edge.app import Edge
from amcash.edge.asgi import BodyTooLargeError, BodyTooSlowError, ClientGoneError, header_values, read_body
from amcash.edge.pipeline import caller_of
from amcash.ledger.store import StoreError
from amcash.sandbox import messages
from amcash.sandbox.clocks import ImpossibleTimeError, moment
from amcash.sandbox.faults import ORDERS_MAX, Kind, Order, TooManyOrdersError
from amcash.sandbox.journal import ENTRIES_MAX
from amcash.sandbox.magic import MAGIC, READY
from amcash.sandbox.messages import MUST
from amcash.sandbox.state import State
from amcash.sandbox.why import dollars
from amcash.wire.messages import NoTokenResponse, Problem

BODY_BYTES_MAX: Final = 16 * 1024
FILE_COLLECTORS_MAX: Final = 200
"""Of the programme file, in one list."""
ENTRIES_DEFAULT: Final = 50
NO_TOKEN: Final = "Missing or invalid Bearer token"  # noqa: S105 -- what a stranger is told

Message = TypeVar("Message", bound=msgspec.Struct)
Handler = Callable[[Request], Awaitable[Response]]

_PLACE = re.compile(r" - at `\$\.?(?P<path>[^`]*)`$")
_NAMED = re.compile(r"^Object (?P<what>missing required|contains unknown) field `(?P<name>.*?)`", re.DOTALL)
_QUERY = frozenset({"endpoint", "collector", "code", "trace", "after", "before", "limit"})
_ID = re.compile("[0-9]{1,18}")


class BadInputError(Exception):
    """A mistake in a request.

    Args:
        field: the member or query parameter, dotted.
        sentence: what is asked for, as the end of a sentence that begins with the field.
    """

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(sentence)
        self.field = field
        self.sentence = sentence


class Api:
    """The paths of the sandbox.

    Args:
        edge: what the edge stands on.
        state: what the sandbox keeps.
    """

    def __init__(self, edge: Edge, state: State) -> None:
        self._edge = edge
        self._state = state

    def routes(self) -> list[Route]:
        """Return the routes."""
        table: tuple[tuple[str, str, Handler], ...] = (
            ("GET", "/sandbox/clients", self.clients),
            ("POST", "/sandbox/token", self.token),
            ("GET", "/sandbox/collectors", self.collectors),
            ("GET", "/sandbox/clock", self.clock),
            ("PUT", "/sandbox/clock", self.set_clock),
            ("DELETE", "/sandbox/clock", self.clear_clock),
            ("POST", "/sandbox/clock/step", self.step_clock),
            ("GET", "/sandbox/faults", self.faults),
            ("POST", "/sandbox/faults", self.order_fault),
            ("DELETE", "/sandbox/faults", self.clear_faults),
            ("DELETE", "/sandbox/faults/{id}", self.clear_fault),
            ("GET", "/sandbox/journal", self.journal),
            ("DELETE", "/sandbox/journal", self.clear_journal),
            ("POST", "/sandbox/reset", self.reset),
        )
        paths = dict.fromkeys(path for _, path, _ in table)
        return [_route(path, {method: found for method, at, found in table if at == path}) for path in paths]

    # --- for anybody ---

    async def clients(self, _request: Request) -> Response:
        """Tell who can ask, and with what a request is filled."""
        register = self._edge.register()
        programme = register.programme
        shown = messages.Clients(
            [self._client(item) for item in register.clients.values() if not item.disabled],
            messages.ProgrammeShown(
                programme.name,
                programme.zone.key,
                programme.currency,
                dollars(programme.daily_cap),
                programme.over_request,
                programme.check_digit,
                programme.cap_day_starts.isoformat("minutes"),
                programme.reversal_until.isoformat("minutes"),
            ),
        )
        return _json(shown)

    def _client(self, client: Client) -> messages.ClientShown:
        known = self._edge.register().sponsors
        sponsors = [self._sponsor(code) for code in client.sponsors if code in known]
        return messages.ClientShown(client.client_id, sponsors, ["0001"], ["001"])

    def _sponsor(self, code: SponsorCode) -> messages.SponsorShown:
        register = self._edge.register()
        sponsor, terms = register.sponsors[code], register.terms_in_force(code, self._edge.clock())
        offer = (
            messages.OfferShown(
                terms.offer_id,
                terms.offer_type,
                terms.unit_miles,
                dollars(terms.unit_cents),
                terms.description_en,
                terms.description_fr,
            )
            if terms is not None
            else None
        )
        return messages.SponsorShown(
            sponsor.code, sponsor.name, sorted(sponsor.vendor_ids), sorted(sponsor.acquirer_ids), offer
        )

    async def token(self, request: Request) -> Response:
        """Give a token for any client of the programme."""
        asked = await self._read(request, messages.SandboxTokenRequest)
        client = self._edge.register().clients.get(asked.client_id)
        if client is None or client.disabled:
            raise BadInputError("client_id", MUST["client_id"])
        tokens = self._edge.tokens
        return _json(messages.SandboxToken(tokens.issue(client, self._edge.clock()), "Bearer", tokens.lifetime_s))

    async def collectors(self, _request: Request) -> Response:
        """List the magic collectors, and those of the programme file."""
        register = self._edge.register()
        magic = []
        for number, one in MAGIC.items():
            wanted = one.enrolment(register) if one.enrolled and not one.bound else None
            magic.append(
                messages.MagicShown(
                    number,
                    one.code,
                    list(one.endpoints),
                    "fault" if one.bound else "ledger",
                    one.about,
                    wanted.cash if wanted else None,
                    wanted.dream if wanted else None,
                )
            )
        file = [
            messages.CollectorShown(
                item.number, item.cash, item.dream, item.active, item.show_balances, item.allow_redemption
            )
            for item in islice(self._state.restorer.file, FILE_COLLECTORS_MAX)
        ]
        return _json(messages.Collectors(magic, file, READY))

    # --- the clock ---

    async def clock(self, request: Request) -> Response:
        """Read the caller's clock."""
        return self._shown(self._client_of(request))

    async def set_clock(self, request: Request) -> Response:
        """Set the caller's clock, let it run or let it stand."""
        client = self._client_of(request)
        asked = await self._read(request, messages.ClockSetting)
        if asked.time is UNSET and asked.runs is UNSET:
            raise BadInputError("time", "be given, or runs must")
        try:
            shown = None if asked.time is UNSET else moment(asked.time, self._programme.zone)
            self._state.clocks.put(client, shown, runs=None if asked.runs is UNSET else asked.runs)
        except ImpossibleTimeError as error:
            raise BadInputError("time", str(error)) from None
        return self._shown(client)

    async def step_clock(self, request: Request) -> Response:
        """Move the caller's clock."""
        client = self._client_of(request)
        asked = await self._read(request, messages.ClockStep)
        steps = {name: step for name in asked.__struct_fields__ if (step := getattr(asked, name)) is not UNSET}
        if not steps:
            raise BadInputError("seconds", "be given, or minutes, hours or days must")
        first = next(iter(steps))
        try:
            self._state.clocks.step(client, timedelta(**steps))
        except (ImpossibleTimeError, OverflowError):
            raise BadInputError(first, "leave the clock in the years 2000 to 2099") from None
        return self._shown(client)

    async def clear_clock(self, request: Request) -> Response:
        """Give the caller the server's clock back."""
        client = self._client_of(request)
        self._state.clocks.clear(client)
        return self._shown(client)

    def _shown(self, client: str) -> Response:
        clocks, programme = self._state.clocks, self._programme
        now = clocks.now(client)
        shown = messages.ClockShown(
            _utc(now),
            calendar.wall_clock(now, programme),
            programme.zone.key,
            clocks.runs(client),
            clocks.of(client) is not None,
            calendar.cap_day(now, programme).isoformat(),
            _utc(self._edge.clock()),
        )
        return _json(shown)

    # --- faults ---

    async def faults(self, request: Request) -> Response:
        """List the caller's orders."""
        orders = self._state.faults.of(self._client_of(request))
        return _json(messages.FaultsShown([_fault(item) for item in orders]))

    async def order_fault(self, request: Request) -> Response:
        """Order a fault."""
        client = self._client_of(request)
        asked = await self._read(request, messages.FaultOrder)
        match = {
            name: str(word)
            for name in asked.match.__struct_fields__
            if (word := getattr(asked.match, name)) is not UNSET
        }
        if match.pop("client", client) != client:
            raise BadInputError("match.client", MUST["match.client"])
        _check_parts(asked)
        try:
            order = self._state.faults.order(
                client,
                asked.fault,
                asked.times,
                match,
                self._edge.clock(),
                cut_bytes=asked.bytes,
                delay_ms=asked.delay_ms,
            )
        except TooManyOrdersError:
            detail = f"{ORDERS_MAX} faults are ordered and not used up; clear some first: DELETE /sandbox/faults"
            return _problem(HTTPStatus.CONFLICT, detail)
        return _json(_fault(order), HTTPStatus.CREATED)

    async def clear_faults(self, request: Request) -> Response:
        """Clear the caller's orders."""
        return _json(messages.Cleared(self._state.faults.clear(self._client_of(request))))

    async def clear_fault(self, request: Request) -> Response:
        """Clear one of the caller's orders."""
        client, number = self._client_of(request), request.path_params["id"]
        cleared = self._state.faults.clear(client, int(number)) if _ID.fullmatch(number) else 0
        if not cleared:
            return _problem(HTTPStatus.NOT_FOUND, "You have ordered no fault with this id.")
        return _json(messages.Cleared(cleared))

    # --- the journal ---

    async def journal(self, request: Request) -> Response:
        """Read the caller's requests and answers, newest first."""
        client = self._client_of(request)
        query = _query(request)
        limit = _whole(query, "limit", ENTRIES_DEFAULT) or 0
        if not 1 <= limit <= ENTRIES_MAX:
            raise BadInputError("limit", MUST["limit"])
        after, before = _whole(query, "after", 0) or 0, _whole(query, "before", None)
        wanted = {name: value for name, value in query.items() if name not in {"after", "before", "limit"}}
        page = self._state.journal.read(client, wanted, after=after, before=before, limit=limit)
        return _json({"newest": self._state.journal.newest(client), "more": page.more, "entries": page.entries})

    async def clear_journal(self, request: Request) -> Response:
        """Empty the caller's journal."""
        return _json(messages.Cleared(self._state.journal.clear(self._client_of(request))))

    # --- the way back ---

    async def reset(self, request: Request) -> Response:
        """Put collectors back to the programme file, and clear what is the caller's own."""
        client = self._client_of(request)
        asked = await self._read(request, messages.ResetRequest, may_be_empty=True)
        numbers = None if asked.collectors is UNSET else asked.collectors
        done = await self._state.restorer.reset(numbers)
        if numbers is None:
            self._state.forget(client)
        return _json(messages.ResetShown(done.collectors, done.reversed, done.credited, done.adjusted))

    # --- what they share ---

    @property
    def _programme(self) -> Programme:
        return self._edge.register().programme

    def _client_of(self, request: Request) -> str:
        values = header_values(request.scope, b"authorization")
        caller, challenge = caller_of(values, self._edge.tokens, self._edge.clock())
        if caller is None:
            raise StrangerError(challenge)
        return caller.client_id

    async def _read(self, request: Request, kind: type[Message], *, may_be_empty: bool = False) -> Message:
        body = await read_body(request.scope, request.receive, BODY_BYTES_MAX, self._edge.budget_s)
        if may_be_empty and not body:
            body = b"{}"
        try:
            return msgspec.json.decode(body, type=kind)
        except msgspec.ValidationError as error:
            raise _bad_input(str(error)) from None
        except (msgspec.MsgspecError, ValueError, RecursionError):
            raise BadInputError("body", "be valid JSON, in UTF-8") from None


class StrangerError(Exception):
    """No valid token; how to authenticate stands in `challenge`."""

    def __init__(self, challenge: bytes) -> None:
        super().__init__("no valid token")
        self.challenge = challenge


def _route(path: str, handlers: Mapping[str, Handler]) -> Route:
    async def answer(request: Request) -> Response:
        return await handlers["GET" if request.method == "HEAD" else request.method](request)

    return Route(path, _guarded(answer), methods=list(handlers))


def _guarded(handler: Handler) -> Handler:
    """Return a handler that answers what the other one raises."""

    @wraps(handler)
    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except StrangerError as stranger:
            headers = {"www-authenticate": stranger.challenge.decode()}
            return _json(NoTokenResponse(NO_TOKEN), HTTPStatus.UNAUTHORIZED, headers)
        except BadInputError as error:
            status = HTTPStatus.BAD_REQUEST
            detail = f"{error.field} must {error.sentence}"
            problem = messages.FieldProblem(status.phrase, status.value, detail, error.field)
            return Response(msgspec.json.encode(problem), status, media_type="application/problem+json")
        except BodyTooLargeError:
            return _problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body must not be over 16 KiB.")
        except (BodyTooSlowError, ClientGoneError):
            return _problem(HTTPStatus.REQUEST_TIMEOUT, "The body did not arrive in time.")
        except StoreError:
            detail = "The ledger did not take it now; the same call again does what is left."
            return _problem(HTTPStatus.SERVICE_UNAVAILABLE, detail)

    return answer


def _json(value: object, status: HTTPStatus = HTTPStatus.OK, headers: Mapping[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(value), status, headers, media_type="application/json")


def _problem(status: HTTPStatus, detail: str) -> Response:
    problem = Problem(status.phrase, status.value, detail)
    return Response(msgspec.json.encode(problem), status, media_type="application/problem+json")


def _bad_input(sentence: str) -> BadInputError:
    """Return the mistake that the decoder's sentence tells of, in our words."""
    place = _PLACE.search(sentence)
    path = re.sub(r"\[.*", "", place["path"]) if place is not None else ""
    named = _NAMED.match(sentence)
    if named is None:
        field = path or "body"
        return BadInputError(field, MUST[field])
    field = f"{path}.{named['name']}".removeprefix(".")[:100]
    missing = named["what"].startswith("missing")
    return BadInputError(field, f"{MUST[field]}; it is required" if missing else "be left out: there is no such field")


def _check_parts(asked: messages.FaultOrder) -> None:
    takes_bytes, takes_delay = asked.fault is Kind.CUT, asked.fault in {Kind.DELAY, Kind.LATE}
    if takes_bytes != (asked.bytes is not None):
        raise BadInputError("bytes", MUST["bytes"] if takes_bytes else "be left out, except for cut")
    if asked.fault is Kind.DELAY and not asked.delay_ms:
        raise BadInputError("delay_ms", MUST["delay_ms"].replace("from 0", "from 1"))
    if asked.delay_ms is not None and not takes_delay:
        raise BadInputError("delay_ms", "be left out, except for delay and late")


def _query(request: Request) -> dict[str, str]:
    pairs = request.query_params.multi_items()
    query = dict(pairs)
    for name in query:
        if name not in _QUERY:
            raise BadInputError(name[:100], "be left out: there is no such query parameter")
    if len(query) < len(pairs):
        twice = next(name for name in query if len(request.query_params.getlist(name)) > 1)
        raise BadInputError(twice, "stand once")
    if query.get("endpoint", Endpoint.ECHO) not in set(Endpoint):
        raise BadInputError("endpoint", MUST["endpoint"])
    if query.get("code", Code.APPROVED) not in set(Code):
        raise BadInputError("code", MUST["code"])
    return query


def _whole(query: Mapping[str, str], name: str, default: int | None) -> int | None:
    value = query.get(name)
    if value is None:
        return default
    if not _ID.fullmatch(value):
        raise BadInputError(name, MUST[name])
    return int(value)


def _fault(order: Order) -> messages.FaultShown:
    return messages.FaultShown(
        order.id,
        order.kind,
        order.times,
        order.left,
        order.fired,
        dict(order.match),
        order.bytes,
        order.delay_ms,
        _utc(order.ordered_at),
    )


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
