"""The nouns of the business, as frozen types. This file alone says what a collector, an offer or a programme is.

Miles, units and cents are whole numbers (R-AMT-1); a time is an aware `datetime` in UTC.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time
from enum import StrEnum
from fractions import Fraction
from typing import NewType
from zoneinfo import ZoneInfo

from amcash.domain.quick import quick

Miles = NewType("Miles", int)
Units = NewType("Units", int)
Cents = NewType("Cents", int)
CollectorNumber = NewType("CollectorNumber", str)
SponsorCode = NewType("SponsorCode", str)
ConfirmationNumber = NewType("ConfirmationNumber", str)
"""16 decimal digits, unguessable, unique for ever within a collector (R-CONF-1)."""


class Language(StrEnum):
    """The two languages of the displays and receipts (R-WIRE-9)."""

    EN = "en"
    FR = "fr"


class CardEntry(StrEnum):
    """How the collector's number reached the till (R-FIELD `cardEntryMode`)."""

    SWIPE = "SWIPE"
    SCAN = "SCAN"
    MANUAL = "MANUAL"
    PREREGISTERED = "PREREGISTERED"


class OverRequest(StrEnum):
    """What happens to units beyond the balance or the cap (R-AMT-3)."""

    DECLINE = "decline"
    REDUCE = "reduce"


class Wallet(StrEnum):
    """A collector's two balances (R-LED-2)."""

    CASH = "cash"
    DREAM = "dream"


@dataclass(frozen=True, slots=True)
class Programme:
    """The settings of one loyalty programme (programme.md)."""

    name: str
    zone: ZoneInfo
    currency: str
    cap_day_starts: time
    file_day_starts: time
    reversal_until: time
    daily_cap: Cents
    over_request: OverRequest
    check_digit: bool


@dataclass(frozen=True, slots=True)
class Terms:
    """What one unit costs and brings, and how the offer is called: the part of an offer a redemption keeps."""

    offer_id: str
    offer_type: str
    unit_miles: Miles
    unit_cents: Cents
    description_en: str
    description_fr: str


@dataclass(frozen=True, slots=True)
class Offer:
    """Terms, and when and for whom they hold: for every sponsor when `sponsor` is None (R-AMT-8)."""

    terms: Terms
    available: bool
    sponsor: SponsorCode | None
    valid_from: datetime | None
    valid_until: datetime | None

    def in_force(self, sponsor: SponsorCode, now: datetime) -> bool:
        """Tell whether `sponsor` may redeem under this offer at `now`; both ends of its validity are included."""
        return (
            self.available
            and (self.sponsor is None or self.sponsor == sponsor)
            and (self.valid_from is None or self.valid_from <= now)
            and (self.valid_until is None or now <= self.valid_until)
        )


@dataclass(frozen=True, slots=True)
class Sponsor:
    """A partner, with the vendor and acquirer ids that are its own (R-AUTH-3)."""

    code: SponsorCode
    name: str
    vendor_ids: frozenset[str]
    acquirer_ids: frozenset[str]


@dataclass(frozen=True, slots=True)
class Client:
    """An OAuth client: the sponsors it acts for and the SHA-256 digests of its live secrets (R-AUTH-2)."""

    client_id: str
    sponsors: tuple[SponsorCode, ...]
    secret_digests: tuple[bytes, ...]
    disabled: bool


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key that signs tokens, as a private JWK; once retired it only verifies (R-AUTH-1)."""

    kid: str
    jwk: str = field(repr=False)
    created_at: datetime
    retired_at: datetime | None


@dataclass(frozen=True, slots=True)
class Outage:
    """A scheduled outage in force until a time, or until it is switched off (`0092`)."""

    until: datetime | None

    def in_force(self, now: datetime) -> bool:
        """Tell whether requests are to be turned away at `now`."""
        return self.until is None or now < self.until


@dataclass(frozen=True, slots=True)
class Register:
    """All that operators have configured, as of one version: small, read whole, never changed in place."""

    version: int
    programme: Programme
    offers: tuple[Offer, ...]
    """In the order in which one goes before another: fewest miles a dollar first, then by id (R-AMT-8)."""
    sponsors: Mapping[SponsorCode, Sponsor]
    clients: Mapping[str, Client]
    keys: tuple[SigningKey, ...]
    """Newest first."""
    outage: Outage | None

    def __post_init__(self) -> None:
        object.__setattr__(self, "offers", tuple(sorted(self.offers, key=_miles_per_cent_then_id)))

    def terms_in_force(self, sponsor: SponsorCode, now: datetime) -> Terms | None:
        """Return the terms with the fewest miles a dollar for `sponsor` at `now`, ties by offer id (R-AMT-8)."""
        for offer in self.offers:
            if offer.in_force(sponsor, now):
                return offer.terms
        return None


def _miles_per_cent_then_id(offer: Offer) -> tuple[Fraction, str]:
    return Fraction(offer.terms.unit_miles, offer.terms.unit_cents), offer.terms.offer_id


@quick
@dataclass(frozen=True, slots=True)
class Collector:
    """A member of the programme: flags, balances, use of the cap, and where the chain of transfers stands (R-LED-3)."""

    number: CollectorNumber
    active: bool
    show_balances: bool
    allow_redemption: bool
    cash: Miles
    dream: Miles
    transfers: int
    chain: bytes
    cap_day: date | None = None
    """The latest cap day on which the collector has redeemed; None before the first."""
    cap_used: Cents = Cents(0)
    """What of the cap of that day is used."""


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A collector as a file describes one (programme.md); the miles count only while the collector is new."""

    number: CollectorNumber
    cash: Miles
    dream: Miles
    active: bool = True
    show_balances: bool = True
    allow_redemption: bool = True


@quick
@dataclass(frozen=True, slots=True)
class Till:
    """Where a redemption was made or reversed, in the till's own words."""

    store: str
    device: str
    trace: str
    acquirer: str
    vendor: str


@quick
@dataclass(frozen=True, slots=True)
class Redemption:
    """A redemption that is in the ledger, as far as a reversal or a cancellation must know it."""

    collector: CollectorNumber
    confirmation: ConfirmationNumber
    sponsor: SponsorCode
    at: datetime
    cap_day: date
    units: Units
    miles: Miles
    cents: Cents
    unit_miles: Miles
    unit_cents: Cents
    offer_id: str
    till: Till | None = None
    """Where it was made; only a cancellation asks, for it has no till of its own."""
    closed: bool = False
    """Reversed or cancelled: nothing more can happen to it (R-REV-1, R-DLV-6)."""

    def close(self) -> "Redemption":
        """Return the same redemption, reversed or cancelled."""
        return replace(self, closed=True)


@quick
@dataclass(frozen=True, slots=True)
class OpenDelivery:
    """An approval whose hand-over to the till is not known: it is cancelled when its time has run out (R-DLV-1)."""

    collector: CollectorNumber
    confirmation: ConfirmationNumber
    sponsor: SponsorCode
    key: str
    """Under which the approval is recorded."""
    open_until: datetime


def masked(number: str) -> str:
    """Return a collector number as logs and errors may show it, `84*******06`; a short one not at all (R-AUTH-4)."""
    shown = 2
    hidden = len(number) - 2 * shown
    return f"{number[:shown]}{'*' * hidden}{number[-shown:]}" if hidden > shown else "*" * len(number)


_CHECK_DIGIT_WEIGHTS = (6, 5, 4, 3, 8, 7, 6, 5, 4, 3)


def has_check_digit(number: str) -> bool:
    """Tell whether `number`, of digits, is 11 long, begins with 8 and ends with its check digit (R-FIELD)."""
    if len(number) != len(_CHECK_DIGIT_WEIGHTS) + 1 or number[0] != "8":
        return False
    rest = sum(weight * int(digit) for weight, digit in zip(_CHECK_DIGIT_WEIGHTS, number, strict=False)) % 11
    return int(number[-1]) == (0 if rest < 2 else 11 - rest)  # noqa: PLR2004 -- the rule's own number


def secret_digest(secret: str) -> bytes:
    """Return what is kept of a client's secret. A plain SHA-256 is enough: 256 random bits cannot be guessed."""
    return hashlib.sha256(secret.encode()).digest()
