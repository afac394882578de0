"""Transfers of miles between accounts, and the chain that joins a collector's: the only home of both.

A transfer takes from one account what it gives to another, so books balance by construction (R-LED-1).
"""

import hashlib
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from operator import attrgetter

from amcash.domain.quick import quick
from amcash.domain.vocabulary import (
    Cents,
    Collector,
    CollectorNumber,
    ConfirmationNumber,
    Miles,
    SponsorCode,
    Units,
    Wallet,
)

NO_CHAIN = bytes(32)
"""What the first transfer of a collector follows."""

PROGRAMME_ISSUED = "programme:issued"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Kind(StrEnum):
    """Why miles moved (R-LED-1)."""

    OPENING = "opening"
    CREDIT = "credit"
    REDEMPTION = "redemption"
    REVERSAL = "reversal"
    CANCELLATION = "cancellation"
    ADJUSTMENT = "adjustment"


def wallet_account(number: CollectorNumber, wallet: Wallet) -> str:
    """Return the name of a collector's account (R-LED-2)."""
    return f"collector:{number}:{wallet}"


def redeemed_account(sponsor: SponsorCode) -> str:
    """Return the name of the account that holds what was redeemed at a sponsor (R-LED-2)."""
    return f"sponsor:{sponsor}:redeemed"


@quick
@dataclass(frozen=True, slots=True)
class Transfer:
    """`miles` from `source` to `target`: it balances, or it cannot exist.

    Raises:
        ValueError: not a positive number of miles, or both accounts are one.
    """

    source: str
    target: str
    miles: Miles

    def __post_init__(self) -> None:
        if self.miles <= 0:
            raise ValueError(f"a transfer moves a positive number of miles, not {self.miles}")
        if self.source == self.target:
            raise ValueError(f"a transfer needs two accounts, not {self.source} twice")

    def opposite(self) -> "Transfer":
        """Return the transfer that undoes this one."""
        return Transfer(self.target, self.source, self.miles)


@quick
@dataclass(frozen=True, slots=True)
class Context:
    """What stood behind a transfer: the till's words and the terms of a redemption, or an operator's reason."""

    confirmation: ConfirmationNumber | None = None
    sponsor: SponsorCode | None = None
    store: str | None = None
    device: str | None = None
    trace: str | None = None
    acquirer: str | None = None
    vendor: str | None = None
    units: Units | None = None
    cents: Cents | None = None
    unit_miles: Miles | None = None
    unit_cents: Cents | None = None
    offer_id: str | None = None
    cap_day: date | None = None
    """The day of the cap that was used, or to which the allowance was given back; None when none was."""
    reason: str | None = None


@quick
@dataclass(frozen=True, slots=True)
class Entry:
    """A transfer in its place in the ledger: numbered for its collector, with the balance it left, and chained."""

    collector: CollectorNumber
    seq: int
    kind: Kind
    wallet: Wallet
    transfer: Transfer
    balance: Miles
    at: datetime
    context: Context
    previous: bytes

    def digest(self) -> bytes:
        """Return the SHA-256 that the collector's next transfer carries as `previous` (R-LED-3).

        Over `previous` and then, joined with U+001F, in this order: collector, seq, kind, wallet, source, target,
        miles, balance, at (microseconds since 1970 UTC), and the fields of Context in their order; None is empty.
        """
        moved = self.transfer
        words = "\x1f".join(["" if value is None else str(value) for value in _context_values(self.context)])
        text = (
            f"{self.collector}\x1f{self.seq}\x1f{self.kind}\x1f{self.wallet}\x1f{moved.source}\x1f{moved.target}"
            f"\x1f{moved.miles}\x1f{self.balance}\x1f{microseconds(self.at)}\x1f{words}"
        )
        return hashlib.sha256(self.previous + text.encode()).digest()


_context_values = attrgetter(*(item.name for item in fields(Context)))


def next_entry(
    collector: Collector, kind: Kind, wallet: Wallet, transfer: Transfer, at: datetime, context: Context
) -> Entry:
    """Return `transfer` as the collector's next entry: numbered, with the balance it leaves."""
    account = wallet_account(collector.number, wallet)
    gained = transfer.target == account
    assert gained or transfer.source == account
    balance = collector.cash if wallet is Wallet.CASH else collector.dream
    left = Miles(balance + transfer.miles if gained else balance - transfer.miles)
    seq = collector.transfers + 1
    return Entry(collector.number, seq, kind, wallet, transfer, left, at, context, collector.chain)


@lru_cache(maxsize=16)  # all that one batch writes has the same few times
def microseconds(at: datetime) -> int:
    """Return a time as whole microseconds since 1970 UTC: how the ledger keeps it."""
    return (at - _EPOCH) // _MICROSECOND


def from_microseconds(number: int) -> datetime:
    """Return the time that `microseconds` made a number of."""
    return _EPOCH + number * _MICROSECOND
