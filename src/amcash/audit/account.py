"""One collector's account, derived again from its transfers: numbers, chain, balances, daily use (R-LED-3).

After something that does not agree, the account goes on from what the ledger says, so that one fault is found once
and does not hide the next. With no finding at all, every balance is the sum of the transfers before it.
"""

import hashlib
import re
from dataclasses import dataclass, field
from typing import Final

from amcash.audit.days import Days
from amcash.audit.findings import Findings
from amcash.audit.streams import CollectorRow, TransferRow

NO_DIGEST: Final = bytes(32)
_ISSUED: Final = "programme:issued"
_CONFIRMATION = re.compile("[0-9]{16}")
_TERMS = ("units", "miles", "cents", "unit_miles", "unit_cents", "offer_id")


@dataclass(slots=True)
class Made:
    """A redemption that the collector has made, and what became of it."""

    seq: int
    till: tuple[str | None, ...]
    """`sponsor`, `store`, `device`, `trace`, `acquirer`, `vendor`."""
    at: int
    cap_day: str | None
    terms: tuple[int | str | None, ...]
    """`units`, `miles`, `cents`, `unit_miles`, `unit_cents`, `offer_id`."""
    closed_by: str | None = None
    """`reversal` or `cancellation`."""

    @property
    def sponsor(self) -> str | None:
        """At whose till it was made."""
        return self.till[0]


@dataclass(slots=True)
class Account:
    """A collector as the transfers so far make it."""

    number: str
    days: Days
    sponsors: frozenset[str]
    findings: Findings
    seq: int = 0
    chain: bytes = NO_DIGEST
    balances: dict[str, int] = field(default_factory=lambda: {"cash": 0, "dream": 0})
    used: dict[str, int] = field(default_factory=dict)
    """Cents of the cap, by the ISO date of the cap day."""
    redemptions: dict[str, Made] = field(default_factory=dict)
    """By confirmation number."""

    def found(self, rule: str, sentence: str, seq: int | None = None) -> None:
        """Say that something does not agree."""
        self.findings.add(rule, self.number, seq, sentence)

    def enter(self, row: TransferRow) -> None:
        """Prove the next transfer and take it in."""
        self._follow(row)
        self._move(row)
        if row.kind == "redemption":
            self._redeem(row)
        elif row.kind in {"reversal", "cancellation"}:
            self._give_back(row)
        elif row.kind not in {"opening", "credit", "adjustment"}:
            self.found("R-LED-1", f"there is no such kind of transfer as {row.kind!r}", row.seq)
        elif (row.confirmation, row.units, row.cents, row.cap_day) != (None, None, None, None):
            self.found("R-LED-1", f"an {row.kind} transfer carries terms of a redemption", row.seq)

    def _follow(self, row: TransferRow) -> None:
        expected = self.seq + 1
        if row.seq < expected:
            self.found("R-LED-3", f"a number stands twice: {row.seq} comes where {expected} should", row.seq)
        elif row.seq > expected:
            missing = f"transfer {expected} is" if row.seq == expected + 1 else f"{expected} to {row.seq - 1} are"
            self.found("R-LED-3", f"the numbering has a gap before transfer {row.seq}: {missing} missing", row.seq)
        if row.previous != self.chain:
            before = f"transfer {self.seq}" if self.seq else "32 zero bytes"
            self.found("R-LED-3", f"the chain is broken: `previous` is not the digest of {before}", row.seq)
        self.seq = row.seq
        self.chain = digest(row)

    def _move(self, row: TransferRow) -> None:
        wallet = f"collector:{self.number}:{row.wallet}"
        if row.wallet not in self.balances:
            self.found("R-LED-2", f"there is no such wallet as {row.wallet!r}", row.seq)
            return
        if row.miles <= 0:
            self.found("R-LED-1", f"a transfer moves a positive number of miles, not {row.miles}", row.seq)
        if (row.source, row.target) != _accounts(row, wallet):
            self.found("R-LED-2", f"its accounts are not those of {_a(row.kind)} in {row.wallet}", row.seq)
        before = self.balances[row.wallet]
        self.balances[row.wallet] = row.balance
        after = before + row.miles * ((row.target == wallet) - (row.source == wallet))
        if after != row.balance:
            self.found(
                "R-LED-3",
                f"the {row.wallet} balance is {after} by its transfers ({before} before it, {row.miles} moved), "
                f"but the row says {row.balance}",
                row.seq,
            )
        if row.balance < 0:
            self.found("R-LED-4", f"the {row.wallet} balance is negative: {row.balance}", row.seq)

    def _redeem(self, row: TransferRow) -> None:
        if row.wallet != "cash":
            self.found("R-LED-2", f"a redemption takes from cash, not from {row.wallet}", row.seq)
        if row.sponsor not in self.sponsors:
            self.found("R-LED-2", f"the redemption is at {row.sponsor}, which is no sponsor", row.seq)
        self._prove_terms(row)
        cap_day = self.days.cap_day(row.at)
        if row.cap_day != cap_day:
            self.found(
                "R-TIME-2", f"the redemption was made in cap day {cap_day}, but is entered in {row.cap_day}", row.seq
            )
        self._use(row, row.cents or 0)
        confirmation = row.confirmation or ""
        if not _CONFIRMATION.fullmatch(confirmation):
            self.found("R-CONF-1", "the confirmation number is not 16 decimal digits", row.seq)
        if confirmation in self.redemptions:
            self.found("R-CONF-1", f"the confirmation number {confirmation} stands at two redemptions", row.seq)
            return
        self.redemptions[confirmation] = Made(row.seq, _till(row), row.at, row.cap_day, _terms(row))

    def _prove_terms(self, row: TransferRow) -> None:
        units, cents, unit_miles, unit_cents = row.units, row.cents, row.unit_miles, row.unit_cents
        if units is None or cents is None or unit_miles is None or unit_cents is None or row.offer_id is None:
            self.found("R-LED-1", "the redemption does not tell its units, cents and offer", row.seq)
            return
        if units < 1 or unit_miles < 1 or unit_cents < 1:
            self.found("R-AMT-2", "the redemption is not of at least one unit of some worth", row.seq)
        if row.miles != units * unit_miles:
            self.found("R-AMT-2", f"{units} units of {unit_miles} miles are not the {row.miles} miles taken", row.seq)
        if cents != units * unit_cents:
            self.found("R-AMT-2", f"{units} units of {unit_cents} cents are not the {cents} cents entered", row.seq)

    def _give_back(self, row: TransferRow) -> None:
        kind = row.kind
        made = self.redemptions.get(row.confirmation or "")
        if made is None:
            self.found(
                "R-REV-1", f"the {kind} is of {row.confirmation}, which this collector had not redeemed", row.seq
            )
            self._use(row, -(row.cents or 0))
            return
        if made.closed_by is not None:
            self.found("R-REV-1", f"redemption {row.confirmation} is given back a second time", row.seq)
        made.closed_by = kind
        if row.sponsor != made.sponsor:
            self.found("R-REV-1", f"the {kind} is at {row.sponsor}, the redemption was at {made.sponsor}", row.seq)
        for name, ours, theirs in zip(_TERMS, _terms(row), made.terms, strict=True):
            if ours != theirs:
                self.found("R-REV-2", f"the {kind} has {name} {ours}, the redemption {theirs}", row.seq)
        if row.wallet != "cash":
            self.found("R-LED-2", f"a {kind} gives to cash, not to {row.wallet}", row.seq)
        self._prove_allowance(row, made)
        self._use(row, -(row.cents or 0))

    def _prove_allowance(self, row: TransferRow, made: Made) -> None:
        gives_back = True  # a cancellation always does (R-DLV-5)
        if row.kind == "cancellation":
            if _till(row) != made.till:
                self.found("R-DLV-5", "the cancellation names another till than the redemption", row.seq)
        else:
            closes = self.days.reversal_closes(made.at)
            if closes is None or row.at > closes:
                self.found("R-TIME-2", f"redemption {row.confirmation} is reversed after its window", row.seq)
            gives_back = self.days.cap_day(row.at) == made.cap_day
        if row.cap_day != (made.cap_day if gives_back else None):
            should = f"the allowance of {made.cap_day}" if gives_back else "no allowance"
            does = f"that of {row.cap_day}" if row.cap_day else "none"
            self.found("R-TIME-3", f"the {row.kind} should give back {should}, but gives back {does}", row.seq)

    def _use(self, row: TransferRow, cents: int) -> None:
        if row.cap_day is None:
            return
        used = self.used[row.cap_day] = self.used.get(row.cap_day, 0) + cents
        if used < 0:
            self.found("R-TIME-3", f"of the cap of {row.cap_day} more is given back than was used", row.seq)

    def close(self, stated: CollectorRow | None) -> None:
        """Compare what all the transfers make of the account with what its row says.

        Args:
            stated: the collector's row; None where there is none.
        """
        if stated is None:
            self.found("R-LED-2", "the ledger has rows of a collector that does not exist")
            return
        if stated.transfers != self.seq:
            self.found("R-LED-3", f"the collector counts {stated.transfers} transfers, but the last is {self.seq}")
        for wallet, says in (("cash", stated.cash), ("dream", stated.dream)):
            if says != self.balances[wallet]:
                self.found("R-LED-3", f"the collector has {says} {wallet}, by transfers {self.balances[wallet]}")
        if stated.chain != self.chain:
            self.found("R-LED-3", "the collector's chain is not the digest of the last transfer")
        self._prove_use(stated)

    def _prove_use(self, stated: CollectorRow) -> None:
        """Compare the use of the cap on the latest cap day with what the transfers make it (R-AMT-5)."""
        latest = max(self.used, default=None)
        if stated.cap_day != latest:
            self.found("R-AMT-5", f"the collector's cap day is {stated.cap_day}, by transfers {latest}")
            return
        used = 0 if latest is None else self.used[latest]
        if stated.cap_used != used:
            self.found("R-AMT-5", f"the use of the cap of {latest} is {stated.cap_used} cents, by transfers {used}")


def digest(row: TransferRow) -> bytes:
    """Return the SHA-256 that the next transfer must carry as `previous` (R-LED-3).

    Over this row's `previous`, and then its columns from `collector` to `reason`, joined with U+001F; NULL is empty.
    """
    words = "\x1f".join(["" if value is None else str(value) for value in row[:-1]])
    return hashlib.sha256(row.previous + words.encode()).digest()


def _accounts(row: TransferRow, wallet: str) -> tuple[str, str] | None:
    """Return the source and target that a transfer of this kind must have (R-LED-2)."""
    match row.kind:
        case "opening" | "credit":
            return _ISSUED, wallet
        case "adjustment":
            return wallet, _ISSUED
        case "redemption":
            return wallet, f"sponsor:{row.sponsor}:redeemed"
        case "reversal" | "cancellation":
            return f"sponsor:{row.sponsor}:redeemed", wallet
        case _:
            return None


def _till(row: TransferRow) -> tuple[str | None, ...]:
    return row.sponsor, row.store, row.device, row.trace, row.acquirer, row.vendor


def _terms(row: TransferRow) -> tuple[int | str | None, ...]:
    return row.units, row.miles, row.cents, row.unit_miles, row.unit_cents, row.offer_id


def _a(kind: str) -> str:
    return f"an {kind}" if kind[:1] in {"a", "o"} else f"a {kind}"
