"""The programme file: the only home of what it may say, and of the sentence about each mistake (programme.md).

The tables are the Structs below. A field's `description` is the sentence for a value of a wrong type or form; what
one field alone cannot show (a name that stands twice, a sponsor that does not exist) is checked behind them.
"""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from difflib import get_close_matches
from typing import Annotated, Any, NamedTuple, get_args, get_origin, get_type_hints
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from msgspec import Meta, Struct, ValidationError, convert

from amcash.domain.vocabulary import (
    Cents,
    CollectorNumber,
    Enrolment,
    Miles,
    Offer,
    OverRequest,
    Programme,
    Sponsor,
    SponsorCode,
    Terms,
    has_check_digit,
)
from amcash.programme.collector import MILES_MAX, NOT_A_NUMBER, NOT_CHECKED, NUMBER_PATTERN
from amcash.programme.lines import Path, find_lines


class ProgrammeFileError(Exception):
    """A mistake in a programme file; nothing of it was applied.

    `str` of it is one line, such as `collectors[2].cash_miles (line 41): must be a whole number, 0 or more`. It never
    repeats a collector's number or a secret (R-AUTH-4).

    Attributes:
        table: such as `programme` or `collectors[2]`, counted from 1; empty where no table is meant.
        key: in that table; empty where the whole table is meant.
        line: where in the file, from 1.
        sentence: what is wrong.
    """

    def __init__(self, table: str, key: str, line: int, sentence: str) -> None:
        where = ".".join(filter(None, (table, key)))
        super().__init__(f"{where} (line {line}): {sentence}" if where else f"line {line}: {sentence}")
        self.table = table
        self.key = key
        self.line = line
        self.sentence = sentence


class FileClient(NamedTuple):
    """A client as the file describes it; a secret only in a sandbox."""

    client_id: str
    sponsors: tuple[SponsorCode, ...]
    secret: str | None

    def __repr__(self) -> str:
        return f"FileClient({self.client_id!r}, {self.sponsors!r}, secret={'***' if self.secret else None})"


@dataclass(frozen=True, slots=True)
class ProgrammeFile:
    """A programme file that has no mistake, in the domain's words."""

    programme: Programme
    offers: tuple[Offer, ...]
    sponsors: tuple[Sponsor, ...]
    clients: tuple[FileClient, ...]
    enrolments: tuple[Enrolment, ...]


def read_programme(text: str, *, sandbox: bool) -> ProgrammeFile:
    """Read a programme file.

    Args:
        text: the file's.
        sandbox: whether it may hold secrets of clients.

    Raises:
        ProgrammeFileError: the first mistake.
    """
    text = text.removeprefix("\ufeff")  # what some editors write in front of UTF-8
    tables = _parse(text)
    try:
        return _checked(_convert(tables), sandbox=sandbox)
    except _MistakeError as mistake:
        raise _placed(mistake, text) from None


# --- the tables ----------------------------------------------------------------------------------------------------


def _text(pattern: str, sentence: str) -> Meta:
    return Meta(pattern=rf"\A(?:{pattern})\Z", description=sentence)


def _at_least_one(sentence: str) -> Meta:
    return Meta(min_length=1, description=sentence)


_Line = Annotated[
    str, _text(r"[^\x00-\x1f\x7f]{1,200}", "must be text of 1 to 200 characters, without control characters")
]
_Clock = Annotated[str, _text("(?:[01][0-9]|2[0-3]):[0-5][0-9]", 'must be a time of day such as "03:00"')]
_Dollars = Annotated[str, _text(r"[0-9]{1,13}(?:\.[0-9]{1,2})?", 'must be a dollar amount in quotes such as "10.00"')]
_Switch = Annotated[bool, Meta(description="must be true or false, without quotes")]
_Moment = Annotated[
    datetime,
    Meta(
        tz=True,
        description="must be a date and time with an offset, without quotes, such as 2026-01-01T00:00:00-05:00",
    ),
]
_Code = Annotated[str, _text("[A-Za-z0-9]{1,10}", "must be 1 to 10 letters or digits, in quotes")]
_Balance = Annotated[int, Meta(ge=0, le=MILES_MAX, description=f"must be a whole number, 0 to {MILES_MAX}")]


class _ProgrammeTable(Struct, forbid_unknown_fields=True):
    name: _Line
    timezone: Annotated[str, Meta(description='must be the name of a time zone such as "America/Toronto"')]
    currency: Annotated[str, _text("[A-Z]{3}", 'must be three capital letters such as "CAD"')]
    cap_day_starts: _Clock
    file_day_starts: _Clock
    daily_cap_dollars: _Dollars
    over_request: Annotated[OverRequest, Meta(description='must be "decline" or "reduce"')] = OverRequest.DECLINE
    check_digit: _Switch = False
    reversal_until: _Clock = "03:00"


class _OfferTable(Struct, forbid_unknown_fields=True):
    id: Annotated[str, _text("[A-Za-z0-9-]{1,32}", "must be 1 to 32 letters, digits or hyphens, in quotes")]
    type: Annotated[str, _text("RGL|SPL", 'must be "RGL" or "SPL"')]
    unit_miles: Annotated[int, Meta(ge=1, le=MILES_MAX, description=f"must be a whole number, 1 to {MILES_MAX}")]
    unit_dollars: _Dollars
    description_en: _Line
    description_fr: _Line
    available: _Switch = True
    sponsor: _Code | None = None
    valid_from: _Moment | None = None
    valid_until: _Moment | None = None


class _SponsorTable(Struct, forbid_unknown_fields=True):
    code: _Code
    name: _Line
    vendor_ids: Annotated[
        list[Annotated[str, _text("[0-9]{1,35}", "must hold ids of 1 to 35 digits, each in quotes")]],
        _at_least_one("must be a list of at least one id in quotes"),
    ]
    acquirer_ids: Annotated[
        list[Annotated[str, _text("[0-9]{1,11}", "must hold ids of 1 to 11 digits, each in quotes")]],
        _at_least_one("must be a list of at least one id in quotes"),
    ]


class _ClientTable(Struct, forbid_unknown_fields=True):
    id: Annotated[str, _text("[A-Za-z0-9._-]{1,64}", "must be 1 to 64 of A-Z a-z 0-9 . _ -, in quotes")]
    sponsors: Annotated[
        list[Annotated[str, Meta(description="must hold sponsor codes, each in quotes")]],
        _at_least_one("must be a list of at least one sponsor code in quotes"),
    ]
    secret: Annotated[str, _text("[!-~]{1,255}", "must be 1 to 255 visible ASCII characters")] | None = None


class _CollectorTable(Struct, forbid_unknown_fields=True):
    number: Annotated[str, _text(NUMBER_PATTERN, f"{NOT_A_NUMBER}, in quotes")]
    cash_miles: _Balance = 0
    dream_miles: _Balance = 0
    active: _Switch = True
    show_balances: _Switch = True
    allow_redemption: _Switch = True


class _File(Struct, forbid_unknown_fields=True):
    programme: Annotated[_ProgrammeTable, Meta(description="one [programme] table is needed")]
    offers: Annotated[list[_OfferTable], _at_least_one("at least one [[offers]] table is needed")]
    sponsors: Annotated[list[_SponsorTable], _at_least_one("at least one [[sponsors]] table is needed")]
    clients: Annotated[list[_ClientTable], Meta(description="is written in tables [[clients]]")] = []
    collectors: Annotated[list[_CollectorTable], Meta(description="is written in tables [[collectors]]")] = []


# --- from text to tables -------------------------------------------------------------------------------------------


class _MistakeError(Exception):
    def __init__(self, path: Path, sentence: str) -> None:
        super().__init__(sentence)
        self.path = path
        self.sentence = sentence


def _parse(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        said = str(error)
        place = re.search(r" \(at line ([0-9]+), column [0-9]+\)\Z| \(at end of document\)\Z", said)
        sentence = " ".join(said[: place.start() if place else None].split())
        line = int(place[1]) if place and place[1] else text.rstrip("\n").count("\n") + 1
        raise ProgrammeFileError("", "", line, f"is not TOML: {sentence[:_SAID_CHARACTERS_MAX]}") from None
    except RecursionError:
        raise ProgrammeFileError("", "", 1, "the file is nested too deeply to be a programme file") from None
    except ValueError:  # Python refuses to read a number of thousands of digits
        raise ProgrammeFileError("", "", 1, "the file holds a number that is too long") from None


def _convert(tables: dict[str, Any]) -> _File:
    try:
        return convert(tables, _File, builtin_types=(datetime,))
    except ValidationError as error:
        raise _explained(str(error), tables) from None


_SAID_CHARACTERS_MAX = 200
_AT = re.compile(r" - at `\$\.?([a-z_\[\]0-9.]*)`\Z")
_STEP = re.compile(r"([a-z_]+)|\[([0-9]+)\]")
_MISSING = re.compile("Object missing required field `([a-z_]+)`")


def _explained(said: str, tables: dict[str, Any]) -> _MistakeError:
    """Return what msgspec said in plain words: it knows the place, the Structs have the sentence."""
    place = _AT.search(said)
    path: Path = tuple(int(index) if index else name for name, index in (_STEP.findall(place[1]) if place else ()))
    if missing := _MISSING.match(said):
        table_is_missing = not path
        path = (*path, missing[1])
        return _MistakeError(path, f"is missing; {_sentence(path)}" if table_is_missing else "is missing")
    if said.startswith("Object contains unknown field"):
        return _unknown(path, tables)
    return _MistakeError(path, _sentence(path))


def _unknown(path: Path, tables: dict[str, Any]) -> _MistakeError:
    table: Any = tables
    for step in path:
        table = table[step]
    known = _struct_at(path).__struct_fields__
    key = next(name for name in table if name not in known)
    near = get_close_matches(key, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"the keys are {', '.join(known)}"
    if not path:
        hint = hint.replace("the keys are", "the tables are")
    return _MistakeError((*path, key), f"is not known here; {hint}")


def _sentence(path: Path) -> str:
    """Return the description of the innermost field or element that `path` leads to."""
    names = [step for step in path if isinstance(step, str)]
    annotation: Any = _hints(_File)[names[0]]
    if len(names) > 1:
        annotation = _hints(_struct_at(path[:-1]))[names[1]]
    if isinstance(path[-1], int) and len(names) > 1:
        annotation = get_args(get_args(annotation)[0])[0]
    return next(_descriptions(annotation))


def _struct_at(path: Path) -> type[Struct]:
    return _TABLES[str(path[0])] if path else _File


_TABLES: Mapping[str, type[Struct]] = {
    "programme": _ProgrammeTable,
    "offers": _OfferTable,
    "sponsors": _SponsorTable,
    "clients": _ClientTable,
    "collectors": _CollectorTable,
}


def _hints(struct: type[Struct]) -> dict[str, Any]:
    return get_type_hints(struct, include_extras=True)


def _descriptions(annotation: Any) -> Iterator[str]:
    if get_origin(annotation) is Annotated:
        yield from (meta.description for meta in annotation.__metadata__ if meta.description)
    for inner in get_args(annotation):
        yield from _descriptions(inner)


def _placed(mistake: _MistakeError, text: str) -> ProgrammeFileError:
    path = mistake.path
    lines = find_lines(text)
    line = next((lines[path[:end]] for end in range(len(path), 0, -1) if path[:end] in lines), 1)
    table, rest = str(path[0]), path[1:]
    if rest and isinstance(rest[0], int):
        table, rest = f"{table}[{rest[0] + 1}]", rest[1:]
    return ProgrammeFileError(_shown(table), _shown(str(rest[0])) if rest else "", line, mistake.sentence)


def _shown(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_\[\]-]{1,64}", name) else json.dumps(name[:_SHOWN_CHARACTERS_MAX])


_SHOWN_CHARACTERS_MAX = 64


# --- from tables to the domain -------------------------------------------------------------------------------------


def _checked(file: _File, *, sandbox: bool) -> ProgrammeFile:
    codes = [table.code for table in file.sponsors]
    _once("sponsors", "code", codes)
    _once("offers", "id", [table.id for table in file.offers])
    _once("clients", "id", [table.id for table in file.clients])
    _once("collectors", "number", [table.number for table in file.collectors])
    return ProgrammeFile(
        programme=_programme(file.programme),
        offers=tuple(_offer(("offers", at), table, codes) for at, table in enumerate(file.offers)),
        sponsors=tuple(_sponsor(("sponsors", at), table) for at, table in enumerate(file.sponsors)),
        clients=tuple(_client(("clients", at), table, codes, sandbox=sandbox) for at, table in enumerate(file.clients)),
        enrolments=tuple(
            _enrolment(("collectors", at), table, check_digit=file.programme.check_digit)
            for at, table in enumerate(file.collectors)
        ),
    )


def _programme(table: _ProgrammeTable) -> Programme:
    return Programme(
        name=table.name,
        zone=_zone(table.timezone),
        currency=table.currency,
        cap_day_starts=time.fromisoformat(table.cap_day_starts),
        file_day_starts=time.fromisoformat(table.file_day_starts),
        reversal_until=time.fromisoformat(table.reversal_until),
        daily_cap=_cents(("programme", "daily_cap_dollars"), table.daily_cap_dollars),
        over_request=table.over_request,
        check_digit=table.check_digit,
    )


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: a folder of the database, or a name too long
        near = get_close_matches(name, available_timezones(), n=1)
        hint = f"did you mean {near[0]}?" if near else "such as America/Toronto"
        raise _MistakeError(("programme", "timezone"), f"must be the name of a time zone; {hint}") from None


def _offer(path: Path, table: _OfferTable, codes: Sequence[str]) -> Offer:
    if table.sponsor is not None and table.sponsor not in codes:
        raise _MistakeError((*path, "sponsor"), _no_such_sponsor(table.sponsor, codes))
    valid_from = _moment((*path, "valid_from"), table.valid_from)
    valid_until = _moment((*path, "valid_until"), table.valid_until)
    if valid_from is not None and valid_until is not None and valid_from >= valid_until:
        raise _MistakeError((*path, "valid_until"), "must be later than valid_from")
    return Offer(
        terms=Terms(
            table.id,
            table.type,
            Miles(table.unit_miles),
            _cents((*path, "unit_dollars"), table.unit_dollars),
            table.description_en,
            table.description_fr,
        ),
        available=table.available,
        sponsor=None if table.sponsor is None else SponsorCode(table.sponsor),
        valid_from=valid_from,
        valid_until=valid_until,
    )


def _sponsor(path: Path, table: _SponsorTable) -> Sponsor:
    for key, ids in (("vendor_ids", table.vendor_ids), ("acquirer_ids", table.acquirer_ids)):
        _no_repeats((*path, key), ids)
    return Sponsor(SponsorCode(table.code), table.name, frozenset(table.vendor_ids), frozenset(table.acquirer_ids))


def _client(path: Path, table: _ClientTable, codes: Sequence[str], *, sandbox: bool) -> FileClient:
    for code in table.sponsors:
        if code not in codes:
            raise _MistakeError((*path, "sponsors"), _no_such_sponsor(code, codes))
    _no_repeats((*path, "sponsors"), table.sponsors)
    if table.secret is not None and not sandbox:
        command = " --sponsor ".join((f"amcash client add {table.id}", *table.sponsors))
        raise _MistakeError(
            (*path, "secret"), f"is for a sandbox only (--sandbox); take it out of the file and run `{command}`"
        )
    return FileClient(table.id, tuple(map(SponsorCode, table.sponsors)), table.secret)


def _enrolment(path: Path, table: _CollectorTable, *, check_digit: bool) -> Enrolment:
    if check_digit and not has_check_digit(table.number):
        raise _MistakeError((*path, "number"), NOT_CHECKED)
    return Enrolment(
        number=CollectorNumber(table.number),
        cash=Miles(table.cash_miles),
        dream=Miles(table.dream_miles),
        active=table.active,
        show_balances=table.show_balances,
        allow_redemption=table.allow_redemption,
    )


def _cents(path: Path, dollars: str) -> Cents:
    whole, _, part = dollars.partition(".")
    cents = int(whole) * 100 + int(part.ljust(2, "0"))
    if cents == 0:
        raise _MistakeError(path, "must be more than 0")
    return Cents(cents)


def _moment(path: Path, at: datetime | None) -> datetime | None:
    try:
        return None if at is None else at.astimezone(UTC)
    except OverflowError:
        raise _MistakeError(path, "must lie in the years 1 to 9999, in UTC too") from None


def _once(table: str, key: str, names: Sequence[str]) -> None:
    first: dict[str, int] = {}
    for at, name in enumerate(names):
        if first.setdefault(name, at) != at:
            raise _MistakeError((table, at, key), f"stands in {table}[{first[name] + 1}] already")


def _no_repeats(path: Path, names: Sequence[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise _MistakeError(path, f"names {name} twice")


def _no_such_sponsor(code: str, codes: Sequence[str]) -> str:
    near = get_close_matches(code, codes, n=1)
    hint = f"did you mean {near[0]}?" if near else f"the sponsors are {', '.join(codes)}"
    return f"names a sponsor that the file does not have: {_shown(code)}; {hint}"
