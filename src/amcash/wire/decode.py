"""From a body to a command, or to a rejection that names the first offending parameter (R-WIRE-1 to R-WIRE-4).

No byte string gets past this file as anything but one of the two.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, NamedTuple, NoReturn, get_args, get_origin, get_type_hints

from msgspec import DecodeError, Meta, defstruct, to_builtins
from msgspec.json import Decoder
from msgspec.structs import astuple

from amcash.domain.codes import Endpoint
from amcash.domain.commands import Command, Echo, Inquire, Redeem, Reverse
from amcash.domain.outcomes import Fault
from amcash.domain.quick import quick
from amcash.domain.vocabulary import (
    CardEntry,
    Cents,
    CollectorNumber,
    ConfirmationNumber,
    Language,
    Sponsor,
    SponsorCode,
    has_check_digit,
)
from amcash.wire.messages import IDENTIFIERS, REQUESTS

BODY_BYTES_MAX = 16 * 1024
BODY_NESTING_MAX = 4
IDEMPOTENCY_KEY_CHARACTERS_MAX = 255

BODY_TOO_LARGE = Fault("body", "must not be over 16 KiB", "ne doit pas dépasser 16 Kio")


@dataclass(frozen=True, slots=True)
class Rejection:
    """A request that is not one: what is wrong, what could be read of it, and the language to say it in."""

    endpoint: Endpoint
    fault: Fault
    sent: Mapping[str, str]
    language: Language = Language.EN


@quick
@dataclass(frozen=True, slots=True)
class Scope:
    """What the caller may name: its sponsors, and whether card numbers carry a check digit (R-AUTH-3, R-FIELD)."""

    sponsors: Mapping[SponsorCode, Sponsor]
    check_digit: bool = False


def decode(
    endpoint: Endpoint,
    body: bytes,
    *,
    scope: Scope,
    content_types: Sequence[str] = ("application/json",),
    idempotency_keys: Sequence[str] = (),
) -> Command | Rejection:
    """Read one request.

    Args:
        endpoint: which of the four it was sent to.
        body: the bytes, of any kind.
        scope: what the caller may name.
        content_types: the values of every `Content-Type` header.
        idempotency_keys: the values of every `Idempotency-Key` header (R-IDEM-1).
    """
    faults: dict[str, Fault] = {}
    try:
        _check_envelope(content_types, body)
        sent = _ORDINARY[endpoint](body)
        if sent is None:
            sent = _read(endpoint, _object(body), faults)
    except _MalformedError as malformed:
        return Rejection(endpoint, malformed.fault, {})

    _check_scope(sent, faults, scope)
    language = _FRENCH if sent.get("instantMessage", "")[:2].lower() == "fr" else _ENGLISH
    if not faults and endpoint in _KEYED:
        key_fault = _key_fault(idempotency_keys)
        if key_fault is not None:
            faults["Idempotency-Key"] = key_fault
    if faults:
        first = faults[min(faults)]
        return Rejection(endpoint, first, {k: v for k, v in sent.items() if k in IDENTIFIERS}, language)
    return _BUILD[endpoint](sent, language, idempotency_keys[0] if idempotency_keys else None)


# --- the body: a JSON object -------------------------------------------------------------------------------------


class _MalformedError(Exception):
    def __init__(self, fault: Fault) -> None:
        super().__init__(fault)
        self.fault = fault


_ENGLISH, _FRENCH = Language.EN, Language.FR
_CONTENT_TYPE = re.compile(
    r'application/json[ \t]*(;[ \t]*charset[ \t]*=[ \t]*"?utf-8"?[ \t]*)?;?[ \t]*', re.IGNORECASE | re.ASCII
)
_NOT_JSON_TYPE = Fault("Content-Type", "must be application/json", "doit être application/json")
_NOT_UTF8 = Fault("body", "must be UTF-8", "doit être en UTF-8")
_NOT_JSON = Fault("body", "must be valid JSON", "doit être du JSON valide")
_NOT_OBJECT = Fault("body", "must be a JSON object", "doit être un objet JSON")
_TOO_DEEP = Fault(
    "body",
    f"must not be nested deeper than {BODY_NESTING_MAX}",
    f"ne doit pas être imbriqué sur plus de {BODY_NESTING_MAX} niveaux",
)
_DUPLICATE = ("must not stand twice", "ne doit pas figurer deux fois")
_CONTROL = ("must hold no control character", "ne doit contenir aucun caractère de contrôle")
_NOT_STRING = ("must be a JSON string", "doit être une chaîne JSON")
_MISSING = ("is required", "est obligatoire")
_FORBIDDEN_CHARACTER = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
_PLAIN_NAME = re.compile("[A-Za-z0-9_.-]{1,64}")


def _check_envelope(content_types: Sequence[str], body: bytes) -> None:
    if len(content_types) != 1 or not _CONTENT_TYPE.fullmatch(content_types[0]):
        raise _MalformedError(_NOT_JSON_TYPE)
    if len(body) > BODY_BYTES_MAX:
        raise _MalformedError(BODY_TOO_LARGE)


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = _JSON.decode(body.decode("utf-8"))
    except UnicodeDecodeError:
        raise _MalformedError(_NOT_UTF8) from None
    except RecursionError:
        raise _MalformedError(_TOO_DEEP) from None
    except ValueError:
        raise _MalformedError(_NOT_JSON) from None
    if not isinstance(value, dict):
        raise _MalformedError(_NOT_OBJECT)
    return value


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in pairs:
        if name in values:
            raise _MalformedError(Fault(_printable(name), *_DUPLICATE))
        values[name] = value
    return values


def _no_constant(_name: str) -> NoReturn:
    raise _MalformedError(_NOT_JSON)


def _number(_digits: str) -> int:
    return 0  # no parameter is a number; its value does not matter


_JSON = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_no_constant, parse_float=_number, parse_int=_number)


def _printable(name: str) -> str:
    return name if _PLAIN_NAME.fullmatch(name) else "body"


# --- the parameters: one row each, from the message types ---------------------------------------------------------


class _Parameter(NamedTuple):
    name: str
    required: bool
    pattern: str
    accepts: Callable[[str], object]
    fault: Fault


def _is_moment(text: str) -> bool:
    return _DATE_TIME.fullmatch(text) is not None and _exists(text)


def _exists(moment: str) -> bool:
    """Tell whether what looks like a date and time is in the calendar."""
    try:
        datetime.fromisoformat(moment)
    except ValueError:
        return False
    return True


def _meta_of(hint: Any) -> Meta:
    if get_origin(hint) is Annotated:
        metas = [item for item in get_args(hint)[1:] if isinstance(item, Meta)]
        return metas[0]
    return _meta_of(get_args(hint)[0])  # `X | None`


def _parameters(endpoint: Endpoint) -> tuple[_Parameter, ...]:
    message = REQUESTS[endpoint]
    hints = get_type_hints(message, include_extras=True)
    rows = []
    for name in sorted(message.__struct_fields__):
        meta = _meta_of(hints[name])
        assert meta.pattern is not None
        assert meta.extra is not None
        pattern = meta.pattern[1:-1]
        accepts = _is_moment if name == _MOMENT else re.compile(pattern).fullmatch
        required = get_origin(hints[name]) is Annotated
        rows.append(_Parameter(name, required, pattern, accepts, Fault(name, meta.extra["en"], meta.extra["fr"])))
    return tuple(rows)


_MOMENT = "dateTime"
_DATE_TIME = re.compile(
    str(_meta_of(get_type_hints(REQUESTS[Endpoint.REDEEM], include_extras=True)[_MOMENT]).pattern)[1:-1]
)
_PARAMETERS = {endpoint: _parameters(endpoint) for endpoint in Endpoint}
_NAMES = {endpoint: frozenset(row.name for row in _PARAMETERS[endpoint]) for endpoint in Endpoint}
_OTHER_NAME = "redemptionConfirmationNumber"
_CONFIRMATION = "redemptionConfirmationNum"


def _read(endpoint: Endpoint, values: dict[str, Any], faults: dict[str, Fault]) -> dict[str, str]:
    sent: dict[str, str] = {}
    _read_parameters(endpoint, values, sent, faults)
    if len(sent) < len(values):
        _read_unknown(endpoint, values, faults)
    return sent


def _read_parameters(
    endpoint: Endpoint, values: dict[str, Any], sent: dict[str, str], faults: dict[str, Fault]
) -> None:
    if endpoint is Endpoint.REVERSE and _OTHER_NAME in values:
        other = values.pop(_OTHER_NAME)
        if values.setdefault(_CONFIRMATION, other) != other:
            faults[_OTHER_NAME] = Fault(_OTHER_NAME, f"must equal {_CONFIRMATION}", f"doit être égal à {_CONFIRMATION}")
    for name, required, _, accepts, fault in _PARAMETERS[endpoint]:
        if name not in values:
            if required:
                faults[name] = Fault(name, *_MISSING)
            continue
        value = values[name]
        if type(value) is not str:
            faults[name] = Fault(name, *_NOT_STRING)
        elif not accepts(value):
            faults[name] = fault
        else:
            sent[name] = value


def _read_unknown(endpoint: Endpoint, values: dict[str, Any], faults: dict[str, Fault]) -> None:
    """Unknown parameters are ignored (R-WIRE-3), but what no value may hold, they may not hold either."""
    for name in sorted(values.keys() - _NAMES[endpoint]):
        fault = _value_fault(_printable(name), values[name], 2)
        if fault is not None:
            faults.setdefault(fault.parameter, fault)


def _value_fault(name: str, value: Any, depth: int) -> Fault | None:
    if isinstance(value, str):
        return Fault(name, *_CONTROL) if _FORBIDDEN_CHARACTER.search(value) else None
    if not isinstance(value, dict | list):
        return None
    if depth > BODY_NESTING_MAX:
        return _TOO_DEEP
    inner = value.values() if isinstance(value, dict) else value
    return next((fault for item in inner if (fault := _value_fault(name, item, depth + 1))), None)


# --- the ordinary request: good, and written in the plainest way --------------------------------------------------
#
# Nearly every request is one, and is read here at a third of the cost. This tells good from anything else, no more:
# what it gives None for goes the careful way above, which finds it good after all or says what is wrong.

_BACKSLASH, _QUOTE, _DELETE = b'\\"\x7f'
_QUOTES_A_PARAMETER = 4
"""Two around its name, two around its value. With no backslash to hide one, more quotes are more parameters: the
decoders of msgspec keep the last of two with one name, and pass over an unknown one, without a word."""
_BETWEEN = "\x1f"
"""Stands between the values; no pattern accepts it."""
_ABSENT = "\x1e"
"""The value of what was not sent: in JSON it cannot be sent without a backslash."""
_STRINGS = Decoder(dict[str, str])


def _ordinary(parameters: Sequence[_Parameter]) -> Callable[[bytes], dict[str, str] | None]:
    """Return what reads an ordinary request of one endpoint: its values are checked by one pattern, together."""
    fields = [(row.name, str) if row.required else (row.name, str, _ABSENT) for row in parameters]
    decoder = Decoder(defstruct("Ordinary", fields, kw_only=True, omit_defaults=True))
    patterns = (row.pattern if row.required else f"{row.pattern}|{_ABSENT}" for row in parameters)
    fits = re.compile(_BETWEEN.join(f"(?:{pattern})" for pattern in patterns)).fullmatch

    def read(body: bytes) -> dict[str, str] | None:
        if _BACKSLASH in body or not body.isascii():
            return None
        try:
            found = decoder.decode(body)
            sent: dict[str, str] = to_builtins(found)
            if body.count(_QUOTE) != _QUOTES_A_PARAMETER * len(sent) and not _may_be_ignored(body):
                return None
        except (DecodeError, RecursionError):
            return None
        if not fits(_BETWEEN.join(astuple(found))):
            return None
        return sent if _MOMENT not in sent or _exists(sent[_MOMENT]) else None

    return read


def _may_be_ignored(body: bytes) -> bool:
    """Tell whether what `body` holds beyond the known parameters are unknown ones with nothing wrong (R-WIRE-3)."""
    values = _STRINGS.decode(body)
    no_name_twice = body.count(_QUOTE) == _QUOTES_A_PARAMETER * len(values)
    return no_name_twice and _DELETE not in body and _OTHER_NAME not in values


_ORDINARY = {endpoint: _ordinary(_PARAMETERS[endpoint]) for endpoint in Endpoint}


# --- what the caller may name --------------------------------------------------------------------------------------

_NOT_YOURS = ("is not one that this client may use", "n'est pas de ceux que ce client peut utiliser")
_CHECK_DIGIT = Fault(
    "collectorNumber",
    "must be a card number with a correct check digit",
    "doit être un numéro de carte dont le chiffre de contrôle est juste",
)


def _check_scope(sent: dict[str, str], faults: dict[str, Fault], scope: Scope) -> None:
    code = sent.get("sponsorCode")
    if code is not None:
        sponsor = scope.sponsors.get(SponsorCode(code))
        if sponsor is None:
            faults["sponsorCode"] = Fault("sponsorCode", *_NOT_YOURS)
        else:
            if "vendorId" in sent and sent["vendorId"] not in sponsor.vendor_ids:
                faults["vendorId"] = Fault("vendorId", *_NOT_YOURS)
            if "acquirerId" in sent and sent["acquirerId"] not in sponsor.acquirer_ids:
                faults["acquirerId"] = Fault("acquirerId", *_NOT_YOURS)
    if scope.check_digit and "collectorNumber" in sent and not has_check_digit(sent["collectorNumber"]):
        faults["collectorNumber"] = _CHECK_DIGIT


# --- the idempotency key -------------------------------------------------------------------------------------------

_KEYED = frozenset({Endpoint.REDEEM, Endpoint.REVERSE})
_KEY = re.compile(f"[!-~]{{1,{IDEMPOTENCY_KEY_CHARACTERS_MAX}}}")
_BAD_KEY = Fault(
    "Idempotency-Key",
    f"must be 1 to {IDEMPOTENCY_KEY_CHARACTERS_MAX} visible ASCII characters",
    f"doit compter de 1 à {IDEMPOTENCY_KEY_CHARACTERS_MAX} caractères ASCII visibles",
)


def _key_fault(keys: Sequence[str]) -> Fault | None:
    if len(keys) > 1:
        return Fault("Idempotency-Key", *_DUPLICATE)
    return None if not keys or _KEY.fullmatch(keys[0]) else _BAD_KEY


# --- the commands --------------------------------------------------------------------------------------------------


def cents(dollars: str) -> Cents:
    """Return a dollar amount that has been found to be one, in cents: exactly, never by way of a float (R-AMT-1)."""
    whole, _, part = dollars.partition(".")
    return Cents(int(whole + part.ljust(2, "0")))


_ENTRIES: Mapping[str, CardEntry] = {entry.value: entry for entry in CardEntry}
"""A look-up costs a fifth of what the enumeration's own does."""


def _echo(sent: dict[str, str], language: Language, _key: str | None) -> Echo:
    return Echo(sent, SponsorCode(sent["sponsorCode"]), language)


def _inquire(sent: dict[str, str], language: Language, _key: str | None) -> Inquire:
    return Inquire(
        sent,
        SponsorCode(sent["sponsorCode"]),
        language,
        CollectorNumber(sent["collectorNumber"]),
        _ENTRIES[sent["cardEntryMode"].upper()],
        cents(sent["postTaxBasketAmount"]),
    )


def _redeem(sent: dict[str, str], language: Language, key: str | None) -> Redeem:
    return Redeem(
        sent,
        SponsorCode(sent["sponsorCode"]),
        language,
        CollectorNumber(sent["collectorNumber"]),
        _ENTRIES[sent["cardEntryMode"].upper()],
        cents(sent["postTaxBasketAmount"]),
        cents(sent["dollarRedeemRequest"]),
        key,
    )


def _reverse(sent: dict[str, str], language: Language, key: str | None) -> Reverse:
    return Reverse(
        sent,
        SponsorCode(sent["sponsorCode"]),
        language,
        CollectorNumber(sent["collectorNumber"]),
        _ENTRIES[sent["cardEntryMode"].upper()],
        ConfirmationNumber(sent[_CONFIRMATION]),
        key,
    )


_BUILD: Mapping[Endpoint, Callable[[dict[str, str], Language, str | None], Command]] = {
    Endpoint.ECHO: _echo,
    Endpoint.INQUIRE: _inquire,
    Endpoint.REDEEM: _redeem,
    Endpoint.REVERSE: _reverse,
}
