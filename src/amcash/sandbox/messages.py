"""The sandbox's own messages, one type each: validation and the OpenAPI schemas come from them."""

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from amcash.domain.codes import Endpoint
from amcash.sandbox.faults import CUT_BYTES_MAX, DELAY_MS_MAX, TIMES_MAX, Kind
from amcash.sandbox.journal import ENTRIES_MAX

COLLECTORS_MAX = 100
"""In one reset of named ones."""
STEP_MAX = 10**12

_Number = Annotated[str, Meta(pattern="^[0-9]{1,19}$")]
_Name = Annotated[str, Meta(min_length=1, max_length=64)]
_Steps = Annotated[int, Meta(ge=-STEP_MAX, le=STEP_MAX)]


class _Asked(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a client sends."""


class SandboxTokenRequest(_Asked, frozen=True, kw_only=True):
    """Whose token is wanted."""

    client_id: str


class ClockSetting(_Asked, frozen=True, kw_only=True):
    """How the clock is to stand: at least one of the two."""

    time: str | UnsetType = UNSET
    """With an offset, or on the programme's wall clock."""
    runs: bool | UnsetType = UNSET


class ClockStep(_Asked, frozen=True, kw_only=True):
    """How far the clock is to move: at least one of the four; a day is 24 hours."""

    days: _Steps | UnsetType = UNSET
    hours: _Steps | UnsetType = UNSET
    minutes: _Steps | UnsetType = UNSET
    seconds: _Steps | UnsetType = UNSET


class Match(_Asked, frozen=True, kw_only=True):
    """What a request must have to be struck; what is left out, any has."""

    endpoint: Endpoint | UnsetType = UNSET
    collector: _Number | UnsetType = UNSET
    store: _Name | UnsetType = UNSET
    device: _Name | UnsetType = UNSET
    client: _Name | UnsetType = UNSET
    """Only oneself."""


class FaultOrder(_Asked, frozen=True, kw_only=True):
    """A fault for the next requests that match."""

    fault: Kind
    times: Annotated[int, Meta(ge=1, le=TIMES_MAX)] = 1
    match: Match = Match()
    bytes: Annotated[int, Meta(ge=0, le=CUT_BYTES_MAX)] | None = None
    """For `cut`: so many bytes of the answer go out, its head included."""
    delay_ms: Annotated[int, Meta(ge=0, le=DELAY_MS_MAX)] | None = None
    """For `delay` and `late`."""


class ResetRequest(_Asked, frozen=True, kw_only=True):
    """What is to be put back: only these collectors, or everything."""

    collectors: Annotated[list[_Number], Meta(min_length=1, max_length=COLLECTORS_MAX)] | UnsetType = UNSET


class SandboxToken(Struct, frozen=True):
    """A token, as from `/oauth/token`."""

    access_token: str
    token_type: str
    expires_in: int


class OfferShown(Struct, frozen=True):
    """The offer in force for a sponsor."""

    id: str
    type: str
    unit_miles: int
    unit_dollars: str
    description_en: str
    description_fr: str


class SponsorShown(Struct, frozen=True):
    """A sponsor that a client may act for."""

    code: str
    name: str
    vendor_ids: list[str]
    acquirer_ids: list[str]
    offer: OfferShown | None


class ClientShown(Struct, frozen=True):
    """A client, and what its requests may say."""

    id: str
    sponsors: list[SponsorShown]
    stores: list[str]
    devices: list[str]


class ProgrammeShown(Struct, frozen=True):
    """The programme's own settings."""

    name: str
    timezone: str
    currency: str
    daily_cap_dollars: str
    over_request: str
    check_digit: bool
    cap_day_starts: str
    reversal_until: str


class Clients(Struct, frozen=True):
    """Who can ask."""

    clients: list[ClientShown]
    programme: ProgrammeShown


class MagicShown(Struct, frozen=True):
    """A magic collector; `code` is null for the 401 that has none, the miles are null where nothing is decided."""

    number: str
    code: str | None
    endpoints: list[str]
    by: str
    about: str
    cash_miles: int | None
    dream_miles: int | None


class CollectorShown(Struct, frozen=True):
    """A collector of the programme file, as the file describes it."""

    number: str
    cash_miles: int
    dream_miles: int
    active: bool
    show_balances: bool
    allow_redemption: bool


class Collectors(Struct, frozen=True):
    """The magic collectors, those of the file, and the number that stands for a redemption made ready."""

    magic: list[MagicShown]
    programme: list[CollectorShown]
    confirmation: str


class ClockShown(Struct, frozen=True):
    """A client's clock."""

    now: str
    local: str
    timezone: str
    runs: bool
    own: bool
    cap_day: str
    server: str


class FaultShown(Struct, frozen=True):
    """An order, and how often it has fired."""

    id: int
    fault: str
    times: int
    left: int
    fired: int
    match: dict[str, str]
    bytes: int | None
    delay_ms: int | None
    ordered_at: str


class FaultsShown(Struct, frozen=True):
    """A client's orders, newest first."""

    faults: list[FaultShown]


class Cleared(Struct, frozen=True):
    """How many are gone."""

    cleared: int


class RequestShown(Struct, frozen=True):
    """A request as it was sent."""

    content_type: str | None
    body: str


class AnswerShown(Struct, frozen=True):
    """An answer, and how much of it went out: `whole`, `part` or `nothing`."""

    status: int
    headers: dict[str, str]
    body: str
    sent: str
    bytes: int | None


class CheckShown(Struct, frozen=True):
    """One check: `passed`, `decided` or `not reached`, and the values seen."""

    rule: str
    check: str
    result: str
    saw: dict[str, Any]


class WhyShown(Struct, frozen=True):
    """The rule that decided, and all checks in order."""

    rule: str
    sentence: str
    checks: list[CheckShown]


class FiredShown(Struct, frozen=True):
    """The fault that struck; its id is null where it is bound to a magic number."""

    id: int | None
    fault: str


class EntryShown(Struct, frozen=True):
    """A request, its answer, and why."""

    id: int
    at: str
    clock: str
    ms: float
    endpoint: str
    code: str | None
    replayed: bool
    collector: str | None
    sponsor: str | None
    store: str | None
    device: str | None
    trace: str | None
    confirmation: str | None
    request_id: str
    idempotency_key: str | None
    request: RequestShown
    answer: AnswerShown | None
    fault: FiredShown | None
    duplicate_of: int | None
    late_of: int | None
    why: WhyShown


class JournalShown(Struct, frozen=True):
    """Entries, newest first; `more`: older ones match too."""

    newest: int
    more: bool
    entries: list[EntryShown]


class ResetShown(Struct, frozen=True):
    """What a reset did, in the ledger."""

    collectors: int
    reversed: int
    credited: int
    adjusted: int


class FieldProblem(Struct, frozen=True):
    """A mistake in a request to the sandbox: RFC 9457, and the member or query parameter that is wrong."""

    title: str
    status: int
    detail: str
    field: str


_KINDS = ", ".join(Kind)
MUST = {
    "client_id": "be a client of GET /sandbox/clients",
    "time": "be a date and time such as 2026-03-08T01:59:50 or 2026-03-08T01:59:50-05:00",
    "runs": "be true or false",
    "days": "be a whole number",
    "hours": "be a whole number",
    "minutes": "be a whole number",
    "seconds": "be a whole number",
    "fault": f"be one of {_KINDS}",
    "times": f"be a whole number from 1 to {TIMES_MAX}",
    "match": "be an object",
    "match.endpoint": f"be one of {', '.join(Endpoint)}",
    "match.collector": "be 1 to 19 digits",
    "match.store": "be 1 to 64 characters",
    "match.device": "be 1 to 64 characters",
    "match.client": "be yourself: another client's requests are not yours to break",
    "bytes": f"be a whole number from 0 to {CUT_BYTES_MAX}",
    "delay_ms": f"be a whole number from 0 to {DELAY_MS_MAX}",
    "collectors": f"be a list of 1 to {COLLECTORS_MAX} collector numbers, each of 1 to 19 digits",
    "endpoint": f"be one of {', '.join(Endpoint)}",
    "code": "be a response code of four digits",
    "after": "be the id of an entry",
    "before": "be the id of an entry",
    "limit": f"be a whole number from 1 to {ENTRIES_MAX}",
    "body": "be a JSON object",
}
"""What is asked for, as the end of a sentence that begins with the field's name."""
