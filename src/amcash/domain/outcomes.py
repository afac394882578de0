"""What was decided, as a value: the answer to a command before it is written as bytes or rows."""

from dataclasses import dataclass
from datetime import date, datetime

from amcash.domain.codes import TABLE, Code
from amcash.domain.commands import OutcomeKey, Recordable
from amcash.domain.transfers import Entry
from amcash.domain.vocabulary import Cents, Collector, ConfirmationNumber, Miles, Redemption, Terms, Units


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a request: the parameter, and why, in both languages (R-WIRE-4, R-WIRE-9)."""

    parameter: str
    en: str
    fr: str


@dataclass(frozen=True, slots=True)
class Balances:
    """A collector's balances as a till may show them (R-AMT-4).

    The available amounts are None where no offer is in force: without a unit there is nothing to count in.
    """

    cash: Miles
    dream: Miles
    available: Miles | None
    available_cents: Cents | None


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


@dataclass(frozen=True, slots=True)
class Recorded:
    """An outcome under its idempotency key, with the request it answered (R-IDEM-6)."""

    key: OutcomeKey
    digest: bytes
    command: Recordable | None
    """None when it was read back: the digest is enough to tell whether a retry is identical."""
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Decision:
    """An outcome, and what has to be written for it to be true."""

    outcome: Outcome
    replayed: bool = False
    entry: Entry | None = None
    account: Collector | None = None
    """The collector as the entry leaves them."""
    redemption: Redemption | None = None
    """The redemption made, or the one that was reversed, as it now stands."""
    used_change: Cents = Cents(0)
    """What the entry adds to the use of the cap of its day; negative when allowance is given back."""
