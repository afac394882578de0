"""What a caller can ask: Echo, Inquire, Redeem, Reverse; and what the service asks of itself: Cancel.

This file alone says what makes two requests the same one.

A command keeps the parameters exactly as they were sent (`sent`), because an answer repeats them (R-WIRE-5) and
because "the reattempted request MUST be identical" (library, *Handling timeouts*).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

from amcash.domain.codes import Endpoint
from amcash.domain.quick import quick
from amcash.domain.vocabulary import CardEntry, Cents, CollectorNumber, ConfirmationNumber, Language, SponsorCode


class OutcomeKey(NamedTuple):
    """The scope of an idempotency key (R-IDEM-1); the collector leads, so that its rows share a shard."""

    collector: CollectorNumber
    sponsor: SponsorCode
    endpoint: Endpoint
    key: str


@quick
@dataclass(frozen=True, slots=True)
class Echo:
    """Is the whole path working? (R-ECHO-1)."""

    sent: Mapping[str, str]
    sponsor: SponsorCode
    language: Language = Language.EN
    endpoint: ClassVar = Endpoint.ECHO


@quick
@dataclass(frozen=True, slots=True)
class Inquire:
    """What has this collector, and what of it can be used for a basket of `basket` cents?"""

    sent: Mapping[str, str]
    sponsor: SponsorCode
    language: Language
    collector: CollectorNumber
    entry: CardEntry
    basket: Cents
    endpoint: ClassVar = Endpoint.INQUIRE


@quick
@dataclass(frozen=True, slots=True)
class Redeem:
    """Take miles for up to `requested` cents of a basket of `basket` cents."""

    sent: Mapping[str, str]
    sponsor: SponsorCode
    language: Language
    collector: CollectorNumber
    entry: CardEntry
    basket: Cents
    requested: Cents
    idempotency_key: str | None
    digest: bytes = field(init=False)
    key: OutcomeKey = field(init=False)
    endpoint: ClassVar = Endpoint.REDEEM

    def __post_init__(self) -> None:
        _identify(self)


@quick
@dataclass(frozen=True, slots=True)
class Reverse:
    """Give the miles of one whole redemption back (R-REV-1)."""

    sent: Mapping[str, str]
    sponsor: SponsorCode
    language: Language
    collector: CollectorNumber
    entry: CardEntry
    confirmation: ConfirmationNumber
    idempotency_key: str | None
    digest: bytes = field(init=False)
    key: OutcomeKey = field(init=False)
    endpoint: ClassVar = Endpoint.REVERSE

    def __post_init__(self) -> None:
        _identify(self)


@quick
@dataclass(frozen=True, slots=True)
class Cancel:
    """Give the miles of a redemption back whose approval was not handed over in time (R-DLV-5). No till asks this."""

    collector: CollectorNumber
    confirmation: ConfirmationNumber


Command = Echo | Inquire | Redeem | Reverse
"""What comes over the wire."""
Recordable = Redeem | Reverse
"""The commands whose outcome is kept under a key (R-IDEM)."""


def content_digest(endpoint: Endpoint, sent: Mapping[str, str]) -> bytes:
    """Return 32 bytes that are equal for equal decoded requests: every listed field, `dateTime` too (R-IDEM-2).

    Names and values hold no control character (R-WIRE-2), so joining them with U+001F is unambiguous.
    """
    parts: list[str] = [endpoint]
    for name in sorted(sent):
        parts.append(name)
        parts.append(sent[name])
    return hashlib.sha256("\x1f".join(parts).encode()).digest()


def _identify(command: Recordable) -> None:
    """Set the digest, and the key under which the outcome is kept: the header's, or the content (R-IDEM-2).

    The two kinds of key cannot meet: each says in its first character what it is.
    """
    digest = content_digest(command.endpoint, command.sent)
    header = command.idempotency_key
    key = f"c{digest.hex()}" if header is None else f"k{header}"
    object.__setattr__(command, "digest", digest)
    object.__setattr__(command, "key", OutcomeKey(command.collector, command.sponsor, command.endpoint, key))
