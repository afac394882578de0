"""What one batch knows and changes: the accounts it read, and each decision's effect on the next (invariant 4).

A book is filled by the store inside the transaction that locks the rows, carried through the batch's commands in
order, and written back whole: `entries`, `outcomes`, and the accounts as they now stand.
"""

from dataclasses import dataclass, field
from datetime import date, datetime

from amcash.domain import calendar, rules
from amcash.domain.commands import Echo, Inquire, OutcomeKey, Redeem, Reverse
from amcash.domain.outcomes import Decision, Recorded
from amcash.domain.transfers import Entry
from amcash.domain.vocabulary import (
    Cents,
    Collector,
    CollectorNumber,
    ConfirmationNumber,
    Redemption,
    Register,
)


@dataclass(frozen=True, slots=True)
class Ask:
    """A command with what chance and time add to it: its moment, and the number a redemption would get."""

    command: Echo | Inquire | Redeem | Reverse
    now: datetime
    number: ConfirmationNumber


@dataclass(slots=True)
class Needs:
    """What has to be read before a batch can be decided."""

    collectors: set[CollectorNumber] = field(default_factory=set)
    cap_days: set[tuple[CollectorNumber, date]] = field(default_factory=set)
    keys: set[OutcomeKey] = field(default_factory=set)
    redemptions: set[tuple[CollectorNumber, ConfirmationNumber]] = field(default_factory=set)

    @classmethod
    def of(cls, asks: list[Ask], register: Register) -> "Needs":
        """Return what `asks` need."""
        needs = cls()
        for ask in asks:
            command = ask.command
            if isinstance(command, Echo):
                continue
            needs.collectors.add(command.collector)
            needs.cap_days.add((command.collector, calendar.cap_day(ask.now, register.programme)))
            if isinstance(command, Inquire):
                continue
            needs.keys.add(command.key)
            if isinstance(command, Reverse):
                needs.redemptions.add((command.collector, command.confirmation))
        return needs


@dataclass(slots=True)
class Book:
    """The accounts of one batch. What is not in it does not exist."""

    collectors: dict[CollectorNumber, Collector] = field(default_factory=dict)
    used: dict[tuple[CollectorNumber, date], Cents] = field(default_factory=dict)
    recorded: dict[OutcomeKey, Recorded] = field(default_factory=dict)
    redemptions: dict[tuple[CollectorNumber, ConfirmationNumber], Redemption] = field(default_factory=dict)

    entries: list[Entry] = field(default_factory=list)
    outcomes: list[Recorded] = field(default_factory=list)
    changed: set[CollectorNumber] = field(default_factory=set)
    changed_days: set[tuple[CollectorNumber, date]] = field(default_factory=set)
    probed_at: datetime | None = None
    """An echo wants to see a write succeed (R-ECHO-1)."""

    def decide(self, ask: Ask, register: Register) -> Decision:
        """Decide one command on what the book holds now, and enter the decision's effect."""
        command, now = ask.command, ask.now
        if isinstance(command, Echo):
            self.probed_at = now
            return Decision(rules.echo(command, now))
        day = (command.collector, calendar.cap_day(now, register.programme))
        standing = rules.Standing(
            programme=register.programme,
            terms=register.terms_in_force(command.sponsor, now),
            collector=self.collectors.get(command.collector),
            used=self.used.get(day, Cents(0)),
            recorded=None if isinstance(command, Inquire) else self.recorded.get(command.key),
            redemption=self.redemptions.get((command.collector, command.confirmation))
            if isinstance(command, Reverse)
            else None,
        )
        if isinstance(command, Inquire):
            return Decision(rules.inquire(command, standing, now))
        if isinstance(command, Redeem):
            decision = rules.redeem(command, standing, now, ask.number)
        else:
            decision = rules.reverse(command, standing, now)
        self._enter(decision)
        if decision.outcome.recorded and not decision.replayed:
            recorded = Recorded(command.key, command.digest, command, decision.outcome)
            self.recorded[command.key] = recorded
            self.outcomes.append(recorded)
        return decision

    def enter(self, entry: Entry) -> None:
        """Enter one transfer: the collector now stands where it leaves them."""
        self._enter_entry(entry, rules.after(self.collectors[entry.collector], entry))

    def _enter_entry(self, entry: Entry, account: Collector) -> None:
        self.collectors[entry.collector] = account
        self.entries.append(entry)
        self.changed.add(entry.collector)

    def _enter(self, decision: Decision) -> None:
        if decision.entry is None:
            return
        redemption, account = decision.redemption, decision.account
        assert redemption is not None
        assert account is not None
        self._enter_entry(decision.entry, account)
        self.redemptions[redemption.collector, redemption.confirmation] = redemption
        if decision.used_change:
            day = (redemption.collector, redemption.cap_day)
            self.used[day] = Cents(self.used.get(day, Cents(0)) + decision.used_change)
            self.changed_days.add(day)
