"""What one batch knows and changes: the accounts it read, and each decision's effect on the next (invariant 4).

A book is filled by the store inside the transaction that locks the rows, carried through the batch's commands in
order, and written back whole: `entries`, `outcomes`, deliveries, and the accounts as they now stand.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from amcash.domain import calendar, rules
from amcash.domain.codes import Endpoint
from amcash.domain.commands import Cancel, Command, Echo, Inquire, OutcomeKey, Recordable, Redeem, Reverse
from amcash.domain.outcomes import Decision, Recorded, Standing
from amcash.domain.quick import quick
from amcash.domain.transfers import Entry
from amcash.domain.vocabulary import (
    Cents,
    Collector,
    CollectorNumber,
    ConfirmationNumber,
    OpenDelivery,
    Redemption,
    Register,
)

OneRedemption = tuple[CollectorNumber, ConfirmationNumber]
"""How a redemption is named: a confirmation number alone names none (R-CONF-1)."""


@quick
@dataclass(frozen=True, slots=True)
class Ask:
    """A command with what chance and time add to it: its moment, and what a redemption would get."""

    command: Command | Cancel
    now: datetime
    number: ConfirmationNumber
    open_until: datetime | None = None
    """Until when the delivery of an approval stays open (R-DLV-1); None where nobody follows it."""
    explained: bool = False
    """The decision is to say what the rules saw."""


@dataclass(slots=True)
class Needs:
    """What has to be read before a batch can be decided."""

    collectors: set[CollectorNumber] = field(default_factory=set)
    cap_days: set[tuple[CollectorNumber, date]] = field(default_factory=set)
    keys: set[OutcomeKey] = field(default_factory=set)
    redemptions: set[OneRedemption] = field(default_factory=set)
    deliveries: set[OneRedemption] = field(default_factory=set)
    """Where they are open, they are locked: whoever marks one as handed over waits, or has won."""

    @classmethod
    def of(cls, asks: list[Ask], register: Register) -> "Needs":
        """Return what `asks` need."""
        needs = cls()
        for ask in asks:
            command = ask.command
            if isinstance(command, Echo):
                continue
            needs.collectors.add(command.collector)
            if isinstance(command, Cancel):
                needs.redemptions.add((command.collector, command.confirmation))
                needs.deliveries.add((command.collector, command.confirmation))
                continue
            needs.cap_days.add((command.collector, calendar.cap_day(ask.now, register.programme)))
            if isinstance(command, Inquire):
                continue
            needs.keys.add(command.key)
            if isinstance(command, Reverse):
                needs.redemptions.add((command.collector, command.confirmation))
        return needs

    def cap_days_before(self, book: "Book") -> list[tuple[CollectorNumber, date]]:
        """Return those cap days that lie before the latest of their collector, who is in `book` already.

        Only a clock that went back, or one that is behind another server's, comes to ask for one.
        """
        return [(number, day) for number, day in self.cap_days if book.is_earlier(number, day)]


@dataclass(slots=True)
class Book:
    """The accounts of one batch. What is not in it does not exist."""

    collectors: dict[CollectorNumber, Collector] = field(default_factory=dict)
    earlier_use: dict[tuple[CollectorNumber, date], Cents] = field(default_factory=dict)
    """Of cap days before the collector's latest: of use when the clock went back, and not kept anywhere."""
    recorded: dict[OutcomeKey, Recorded] = field(default_factory=dict)
    """Of each key the newest attempt."""
    redemptions: dict[OneRedemption, Redemption] = field(default_factory=dict)
    deliveries: dict[OneRedemption, OpenDelivery] = field(default_factory=dict)
    """Those that are open, of those that were asked for or opened here."""

    entries: list[Entry] = field(default_factory=list)
    outcomes: list[Recorded] = field(default_factory=list)
    changed: set[CollectorNumber] = field(default_factory=set)
    opened: set[OneRedemption] = field(default_factory=set)
    prolonged: dict[OneRedemption, datetime] = field(default_factory=dict)
    """Deliveries that a retry has claimed, with their new end (R-DLV-4)."""
    closed: set[OneRedemption] = field(default_factory=set)
    """Deliveries that are over: handed over, reversed or cancelled."""
    probed_at: datetime | None = None
    """An echo wants to see a write succeed (R-ECHO-1)."""

    def used(self, number: CollectorNumber, day: date) -> Cents:
        """Return what of a collector's cap is used on a cap day, in cents (R-AMT-5)."""
        collector = self.collectors.get(number)
        if collector is None or collector.cap_day is None or day > collector.cap_day:
            return Cents(0)
        if day == collector.cap_day:
            return collector.cap_used
        return self.earlier_use.get((number, day), Cents(0))

    def is_earlier(self, number: CollectorNumber, day: date) -> bool:
        """Tell whether a cap day lies before the latest on which the collector has redeemed."""
        collector = self.collectors.get(number)
        return collector is not None and collector.cap_day is not None and day < collector.cap_day

    def hand_over(self, handed_over: Iterable[OneRedemption]) -> None:
        """Enter that answers have been handed over to their tills (R-DLV-2): before anything is decided."""
        self.closed.update(handed_over)

    def decide(self, ask: Ask, register: Register) -> Decision:
        """Decide one command on what the book holds now, and enter the decision's effect."""
        command, now = ask.command, ask.now
        if isinstance(command, Echo):
            self.probed_at = now
            return Decision(rules.echo(command, now))
        if isinstance(command, Cancel):
            return self._cancel(command, register, now)
        terms = register.terms_in_force(command.sponsor, now)
        collector = self.collectors.get(command.collector)
        used = self.used(command.collector, calendar.cap_day(now, register.programme))
        standing = Standing(
            register.programme,
            terms,
            collector,
            used,
            None if isinstance(command, Inquire) else self._recorded(command.key),
            self.redemptions.get((command.collector, command.confirmation)) if isinstance(command, Reverse) else None,
        )
        if isinstance(command, Inquire):
            return _told(Decision(rules.inquire(command, standing, now)), standing, ask)
        if isinstance(command, Redeem):
            decision = rules.redeem(command, standing, now, ask.number, ask.open_until)
        else:
            decision = rules.reverse(command, standing, now)
        self._enter(decision)
        self._follow_delivery(command, decision)
        if decision.outcome.recorded and not decision.replayed:
            self._record(command, decision, standing.recorded)
        return _told(decision, standing, ask)

    def enter(self, entry: Entry) -> None:
        """Enter one transfer: the collector now stands where it leaves them."""
        self._enter_entry(entry, rules.after(self.collectors[entry.collector], entry))

    def _recorded(self, key: OutcomeKey) -> Recorded | None:
        found = self.recorded.get(key)
        if found is not None and found.open and _redemption_of(found) in self.closed:
            return replace(found, open=False)
        return found

    def _record(self, command: Recordable, decision: Decision, before: Recorded | None) -> None:
        recorded = Recorded(
            command.key,
            command.digest,
            command,
            decision.outcome,
            1 if before is None else before.attempt + 1,
            decision.awaits_delivery,
        )
        self.recorded[command.key] = recorded
        self.outcomes.append(recorded)

    def _follow_delivery(self, command: Recordable, decision: Decision) -> None:
        until, confirmation = decision.open_until, decision.outcome.confirmation
        if confirmation is None:
            return
        one = (command.collector, confirmation)
        if until is None:
            if decision.entry is not None and isinstance(command, Reverse):  # the till has the number, so it got there
                self.closed.add(one)
            return
        known = self.deliveries.get(one)
        if known is not None:  # a clock that went back never shortens a delivery
            until = max(until, known.open_until)
        self.deliveries[one] = OpenDelivery(*one, command.sponsor, command.key.key, until)
        if not decision.replayed:
            self.opened.add(one)
        elif one not in self.opened:
            self.prolonged[one] = until

    def _cancel(self, command: Cancel, register: Register, now: datetime) -> Decision:
        one = (command.collector, command.confirmation)
        row = None if one in self.closed else self.deliveries.get(one)
        standing = Standing(
            programme=register.programme,
            terms=None,
            collector=self.collectors.get(command.collector),
            used=Cents(0),
            redemption=self.redemptions.get(one),
            open_until=row.open_until if row is not None else None,
        )
        decision = rules.cancel(command, standing, now)
        self._enter(decision)
        if decision.entry is not None:
            assert row is not None
            self.closed.add(one)
            key = OutcomeKey(row.collector, row.sponsor, Endpoint.REDEEM, row.key)
            if key in self.recorded:  # a retry in the same batch: it comes too late, and is decided afresh
                self.recorded[key] = replace(self.recorded[key], open=False, cancelled=True)
        return decision

    def _enter(self, decision: Decision) -> None:
        if decision.entry is None:
            return
        redemption, account = decision.redemption, decision.account
        assert redemption is not None
        assert account is not None
        self._enter_entry(decision.entry, account)
        self.redemptions[redemption.collector, redemption.confirmation] = redemption

    def _enter_entry(self, entry: Entry, account: Collector) -> None:
        number = entry.collector
        before, day = self.collectors[number], entry.context.cap_day
        if before.cap_day is not None and before.cap_day != account.cap_day:
            self.earlier_use[number, before.cap_day] = before.cap_used
        elif day is not None and day != account.cap_day:
            use = self.earlier_use.get((number, day), Cents(0))
            self.earlier_use[number, day] = Cents(use + rules.allowance_used(entry))
        self.collectors[number] = account
        self.entries.append(entry)
        self.changed.add(number)


def _redemption_of(recorded: Recorded) -> OneRedemption:
    confirmation = recorded.outcome.confirmation
    assert confirmation is not None
    return recorded.key.collector, confirmation


def _told(decision: Decision, standing: Standing, ask: Ask) -> Decision:
    return replace(decision, standing=standing) if ask.explained else decision
