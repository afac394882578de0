"""What was decided, as a value: the answer to a command before it is written as bytes or rows."""

from dataclasses import dataclass
from datetime import date, datetime

from amcash.domain.codes import TABLE, Code
from amcash.domain.commands import OutcomeKey, Recordable
from amcash.domain.quick import quick
from amcash.domain.transfers import Entry
from amcash.domain.vocabulary import (
    Cents,
    Collector,
    ConfirmationNumber,
    Miles,
    Programme,
    Redemption,
    Terms,
    Units,
)


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a request: the parameter, and why, in both languages (R-WIRE-4, R-WIRE-9)."""

    parameter: str
    en: str
    fr: str


@quick
@dataclass(frozen=True, slots=True)
class Balances:
    """A collector's balances as a till may show them (R-AMT-4).

    The available amounts are None where no offer is in force: without a unit there is nothing to count in.
    """

    cash: Miles
    dream: Miles
    available: Miles | None
    available_cents: Cents | None


@quick
@dataclass(frozen=True, slots=True)
class Basis:
    """What the rules saw when they decided, kept with the outcome so that it can be decided again (R-LED-3)."""

    seq: int
    """How many transfers the collector had."""
    cash: Miles
    cap_day: date
    used: Cents
    """What of the day's cap was used."""
    cap: Cents
    unit_miles: Miles | None
    unit_cents: Cents | None
    reduce: bool


@quick
@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer to one command. What is None is not in the answer."""

    code: Code
    at: datetime
    fault: Fault | None = None
    balances: Balances | None = None
    terms: Terms | None = None
    available_units: Units | None = None
    daily_limit: Units | None = None
    confirmation: ConfirmationNumber | None = None
    units: Units | None = None
    miles: Miles | None = None
    unit_miles: Miles | None = None
    unit_cents: Cents | None = None
    basis: Basis | None = None
    """Never on the wire."""

    @property
    def recorded(self) -> bool:
        """Whether a retry gets this very outcome again (R-IDEM-5)."""
        return TABLE[self.code].recorded


@quick
@dataclass(frozen=True, slots=True)
class Recorded:
    """An outcome under its idempotency key, with the request it answered (R-IDEM-6)."""

    key: OutcomeKey
    digest: bytes
    command: Recordable | None
    """None when it was read back: the digest is enough to tell whether a retry is identical."""
    outcome: Outcome
    attempt: int = 1
    """Which authorisation under this key: a retry after a cancellation is the next one (R-DLV-6)."""
    open: bool = False
    """The delivery of this approval is open (R-DLV-1)."""
    cancelled: bool = False
    """The redemption it approved was cancelled (R-DLV-5)."""


@quick
@dataclass(frozen=True, slots=True)
class Standing:
    """All that a decision may look at, read where no one else can change it."""

    programme: Programme
    terms: Terms | None
    """In force for the sponsor now (R-AMT-8)."""
    collector: Collector | None
    used: Cents
    """Of today's cap."""
    recorded: Recorded | None = None
    redemption: Redemption | None = None
    open_until: datetime | None = None
    """Of the redemption to be cancelled; None where its delivery is not open."""

    @property
    def account(self) -> Collector:
        """The collector, once the checklist has found that there is one."""
        assert self.collector is not None
        return self.collector


@quick
@dataclass(frozen=True, slots=True)
class Decision:
    """An outcome, and what has to be written for it to be true."""

    outcome: Outcome
    replayed: bool = False
    entry: Entry | None = None
    account: Collector | None = None
    """The collector as the entry leaves them."""
    redemption: Redemption | None = None
    """The redemption made, or the one that was reversed or cancelled, as it now stands."""
    open_until: datetime | None = None
    """Until when the delivery of this approval stays open; None where the answer may get lost (R-DLV-1)."""
    standing: Standing | None = None
    """What the rules saw, where the ask wants to know."""

    @property
    def awaits_delivery(self) -> bool:
        """Whether it matters that the answer is handed over: a redemption's approval, fresh or claimed."""
        return self.open_until is not None
