"""The rules: command + standing + now → decision, as one checklist a command, top to bottom (R-ORDER).

Pure: the same arguments give the same decision. Whoever returns early has refused; after the last check the
transaction must succeed.
"""

from dataclasses import replace
from datetime import date, datetime

from amcash.domain import calendar
from amcash.domain.codes import Code
from amcash.domain.commands import Cancel, Echo, Inquire, Recordable, Redeem, Reverse
from amcash.domain.outcomes import Balances, Basis, Decision, Fault, Outcome, Recorded, Standing
from amcash.domain.transfers import (
    PROGRAMME_ISSUED,
    Context,
    Entry,
    Kind,
    Transfer,
    next_entry,
    redeemed_account,
    wallet_account,
)
from amcash.domain.vocabulary import (
    CardEntry,
    Cents,
    Collector,
    ConfirmationNumber,
    Miles,
    OverRequest,
    Programme,
    Redemption,
    Terms,
    Till,
    Units,
    Wallet,
)

KEY_REUSED = Fault(
    "Idempotency-Key",
    "was already used for another request",
    "a déjà servi à une autre requête",
)


def echo(_command: Echo, now: datetime) -> Outcome:
    """Say that the path works; whoever calls this has just proved it (R-ECHO-1)."""
    return Outcome(Code.APPROVED, now)


def inquire(command: Inquire, standing: Standing, now: datetime) -> Outcome:
    """Tell what the collector has and may use of it for this basket (R-AMT-4, R-AMT-6)."""
    refused = _not_a_collector_who_may_ask(command, standing)
    if refused is not None:
        return Outcome(refused, now)
    if not standing.account.allow_redemption:
        return _unable_to_redeem(standing, now)
    terms = standing.terms
    if terms is None:
        return Outcome(Code.OFFER_UNAVAILABLE, now, balances=_balances(standing))
    if _units_affordable(standing, terms) == 0:
        return Outcome(Code.TOO_FEW_MILES, now, balances=_balances(standing))

    approved = Outcome(_approval(standing.account), now, balances=_balances(standing))
    available = min(_units_affordable(standing, terms), _units_left_today(standing, terms))
    if _units_left_today(standing, terms) == 0:
        return approved
    return replace(
        approved,
        terms=terms,
        available_units=Units(min(available, command.basket // terms.unit_cents)),
        daily_limit=_daily_limit(standing.programme, terms),
    )


def redeem(
    command: Redeem,
    standing: Standing,
    now: datetime,
    number: ConfirmationNumber,
    open_until: datetime | None = None,
) -> Decision:
    """Take miles for the basket, or say why not.

    Args:
        command: what is asked.
        standing: all that is known.
        now: the moment.
        number: the confirmation number, if it comes to that.
        open_until: until when the delivery of an approval stays open (R-DLV-1); None where nobody follows it.
    """
    recorded = standing.recorded
    if recorded is not None:
        decision = _replay(command, recorded, now)
        if not decision.replayed or not recorded.cancelled:
            return replace(decision, open_until=open_until) if decision.replayed and recorded.open else decision
        # Behind the cancellation the same request is a fresh authorisation (R-DLV-6).
    terms = standing.terms
    # Behind the replay, not before it: an offer that changed since must not keep a retry from its answer.
    if terms is not None and command.requested < terms.unit_cents:
        return Decision(Outcome(Code.INVALID_PARAMETER, now, fault=_below_one_unit(terms)))
    refused = _not_a_collector_who_may_ask(command, standing)
    if refused is not None:
        return _declined(Outcome(refused, now), standing, now)
    collector = standing.account
    if not collector.allow_redemption:
        return _declined(_unable_to_redeem(standing, now), standing, now)
    if terms is None:
        return Decision(Outcome(Code.OFFER_UNAVAILABLE, now, balances=_balances(standing)))
    units = min(command.requested, command.basket) // terms.unit_cents
    if units == 0:
        return _declined_with_balances(Code.BASKET_TOO_SMALL, standing, now)
    affordable = _units_affordable(standing, terms)
    left_today = _units_left_today(standing, terms)
    needed = 1 if standing.programme.over_request is OverRequest.REDUCE else units
    if affordable < needed:
        return _declined_with_balances(Code.TOO_FEW_MILES, standing, now)
    if left_today < needed:
        return _declined_with_balances(Code.DAILY_LIMIT, standing, now)

    units = min(units, affordable, left_today)
    till = _till(command)
    redemption = Redemption(
        collector.number,
        number,
        command.sponsor,
        now,
        calendar.cap_day(now, standing.programme),
        Units(units),
        Miles(units * terms.unit_miles),
        Cents(units * terms.unit_cents),
        terms.unit_miles,
        terms.unit_cents,
        terms.offer_id,
        till,
    )
    entry = next_entry(
        collector,
        Kind.REDEMPTION,
        Wallet.CASH,
        _taking(redemption),
        now,
        _context(redemption, till, redemption.cap_day),
    )
    used = Cents(standing.used + redemption.cents)
    left = Standing(standing.programme, terms, after(collector, entry), used)
    outcome = Outcome(
        _approval(collector),
        now,
        balances=_balances(left),
        terms=terms,
        daily_limit=_daily_limit(standing.programme, terms),
        confirmation=number,
        units=redemption.units,
        miles=redemption.miles,
        basis=_basis(standing, redemption.cap_day),
    )
    return Decision(outcome, entry=entry, account=left.account, redemption=redemption, open_until=open_until)


def reverse(command: Reverse, standing: Standing, now: datetime) -> Decision:
    """Give a whole redemption back, once, to the collector who made it, at any store of its sponsor (R-REV-1)."""
    if standing.recorded is not None:
        return _replay(command, standing.recorded, now)
    refused = _not_a_collector_who_may_ask(command, standing)
    if refused is not None:
        return _declined(Outcome(refused, now), standing, now)
    collector, redemption = standing.account, standing.redemption
    if redemption is None or redemption.sponsor != command.sponsor or redemption.closed:
        return _declined_with_balances(Code.INVALID_CONFIRMATION, standing, now)
    if now > calendar.reversal_closes(redemption.at, standing.programme):
        return _declined_with_balances(Code.REVERSAL_WINDOW_OVER, standing, now)

    # The allowance comes back only within the cap day of the redemption (R-TIME-3).
    today = calendar.cap_day(now, standing.programme)
    same_day = today == redemption.cap_day
    given_back = Cents(-redemption.cents if same_day else 0)
    entry = next_entry(
        collector,
        Kind.REVERSAL,
        Wallet.CASH,
        _taking(redemption).opposite(),
        now,
        _context(redemption, _till(command), redemption.cap_day if same_day else None),
    )
    used = Cents(standing.used + given_back)
    left = Standing(standing.programme, standing.terms, after(collector, entry), used)
    outcome = Outcome(
        _approval(collector),
        now,
        balances=_balances(left, fallback=redemption),
        confirmation=redemption.confirmation,
        units=redemption.units,
        miles=redemption.miles,
        unit_miles=redemption.unit_miles,
        unit_cents=redemption.unit_cents,
        basis=_basis(standing, today),
    )
    return Decision(outcome, entry=entry, account=left.account, redemption=redemption.close())


def cancel(_command: Cancel, standing: Standing, now: datetime) -> Decision:
    """Give a redemption back whose approval was not handed over within the grace (R-DLV-5).

    Where its delivery is no longer open, or open for longer, nothing happens: whoever closed or claimed it has won.
    """
    collector, redemption, open_until = standing.collector, standing.redemption, standing.open_until
    if collector is None or redemption is None or redemption.closed or open_until is None or now < open_until:
        return Decision(Outcome(Code.INVALID_CONFIRMATION, now))
    assert redemption.till is not None
    # To the customer it never happened, so its allowance comes back whatever the day is now: into the redemption's day.
    entry = next_entry(
        collector,
        Kind.CANCELLATION,
        Wallet.CASH,
        _taking(redemption).opposite(),
        now,
        _context(redemption, redemption.till, redemption.cap_day),
    )
    outcome = Outcome(
        _approval(collector),
        now,
        confirmation=redemption.confirmation,
        units=redemption.units,
        miles=redemption.miles,
    )
    return Decision(outcome, entry=entry, account=after(collector, entry), redemption=redemption.close())


def opening(collector: Collector, wallet: Wallet, miles: Miles, now: datetime) -> Entry:
    """Return the transfer that gives a new collector its first balance (programme.md)."""
    transfer = Transfer(PROGRAMME_ISSUED, wallet_account(collector.number, wallet), miles)
    return next_entry(collector, Kind.OPENING, wallet, transfer, now, Context())


def credit(collector: Collector, wallet: Wallet, miles: int, reason: str, now: datetime) -> Entry | None:
    """Return the transfer by which an operator gives miles, or takes them where `miles` is negative.

    None when the wallet does not hold that many. A gift is a `credit`, a taking an `adjustment` (R-LED-1).
    """
    wallet_name = wallet_account(collector.number, wallet)
    gift = Transfer(PROGRAMME_ISSUED, wallet_name, Miles(abs(miles)))
    kind, transfer = (Kind.CREDIT, gift) if miles > 0 else (Kind.ADJUSTMENT, gift.opposite())
    entry = next_entry(collector, kind, wallet, transfer, now, Context(reason=reason))
    return entry if entry.balance >= 0 else None


def after(collector: Collector, entry: Entry) -> Collector:
    """Return the collector as `entry` leaves them."""
    in_cash = entry.wallet is Wallet.CASH
    cap_day, cap_used = collector.cap_day, collector.cap_used
    change, day = allowance_used(entry), entry.context.cap_day
    if day is not None and (cap_day is None or day > cap_day):
        cap_day, cap_used = day, change
    elif day == cap_day:  # an earlier day's use is not kept: it is the sum of that day's transfers
        cap_used = Cents(cap_used + change)
    return Collector(
        collector.number,
        collector.active,
        collector.show_balances,
        collector.allow_redemption,
        cash=entry.balance if in_cash else collector.cash,
        dream=collector.dream if in_cash else entry.balance,
        transfers=entry.seq,
        chain=entry.digest(),
        cap_day=cap_day,
        cap_used=cap_used,
    )


def allowance_used(entry: Entry) -> Cents:
    """Return what an entry adds to the use of the cap of its `cap_day`; negative where allowance is given back."""
    cents = entry.context.cents
    if entry.context.cap_day is None or cents is None:
        return Cents(0)
    return cents if entry.kind is Kind.REDEMPTION else Cents(-cents)


def _not_a_collector_who_may_ask(command: Inquire | Recordable, standing: Standing) -> Code | None:
    # A typed number must reveal nothing, so it is turned away before the account is looked at (R-ORDER-5).
    if command.entry is CardEntry.MANUAL:
        return Code.CARD_NOT_PRESENTED
    if standing.collector is None:
        return Code.UNKNOWN_COLLECTOR
    if not standing.collector.active:
        return Code.COLLECTOR_INACTIVE
    return None


def _replay(command: Recordable, recorded: Recorded, now: datetime) -> Decision:
    if command.digest != recorded.digest:  # R-IDEM-4
        return Decision(Outcome(Code.INVALID_PARAMETER, now, fault=KEY_REUSED))
    return Decision(recorded.outcome, replayed=True)  # R-IDEM-3


def _unable_to_redeem(standing: Standing, now: datetime) -> Outcome:
    shows = standing.account.show_balances
    code = Code.UNABLE_TO_REDEEM if shows else Code.UNABLE_TO_REDEEM_SUPPRESSED
    return Outcome(code, now, balances=_balances(standing))


def _declined(outcome: Outcome, standing: Standing, now: datetime) -> Decision:
    if not outcome.recorded:
        return Decision(outcome)
    return Decision(replace(outcome, basis=_basis(standing, calendar.cap_day(now, standing.programme))))


def _declined_with_balances(code: Code, standing: Standing, now: datetime) -> Decision:
    return _declined(Outcome(code, now, balances=_balances(standing)), standing, now)


def _approval(collector: Collector) -> Code:
    return Code.APPROVED if collector.show_balances else Code.APPROVED_SUPPRESSED


def _below_one_unit(terms: Terms) -> Fault:
    dollars = f"{terms.unit_cents // 100}.{terms.unit_cents % 100:02}"
    return Fault(
        "dollarRedeemRequest",
        f"must be at least one unit, {dollars}",
        f"doit valoir au moins une unité, {dollars}",
    )


def _units_affordable(standing: Standing, terms: Terms) -> int:
    return standing.account.cash // terms.unit_miles


def _units_left_today(standing: Standing, terms: Terms) -> int:
    # The cap is in dollars, whatever the offer (R-AMT-5); a cap that was lowered since may already be exceeded.
    return max(0, standing.programme.daily_cap - standing.used) // terms.unit_cents


def _daily_limit(programme: Programme, terms: Terms) -> Units:
    return Units(programme.daily_cap // terms.unit_cents)


def _balances(standing: Standing, fallback: Redemption | None = None) -> Balances | None:
    """Return what a till may show, None where the collector suppresses it (R-AMT-7).

    `fallback` lends its unit where no offer is in force: a reversal still tells what can be redeemed with it.
    """
    collector = standing.account
    if not collector.show_balances:
        return None
    unit = standing.terms or fallback
    if unit is None:
        return Balances(collector.cash, collector.dream, None, None)
    left = max(0, standing.programme.daily_cap - standing.used) // unit.unit_cents * unit.unit_miles
    available = min(collector.cash, left)
    cents = available // unit.unit_miles * unit.unit_cents
    return Balances(collector.cash, collector.dream, Miles(available), Cents(cents))


def _basis(standing: Standing, cap_day: date) -> Basis:
    collector, terms = standing.account, standing.terms
    return Basis(
        collector.transfers,
        collector.cash,
        cap_day,
        standing.used,
        standing.programme.daily_cap,
        terms.unit_miles if terms else None,
        terms.unit_cents if terms else None,
        standing.programme.over_request is OverRequest.REDUCE,
    )


def _taking(redemption: Redemption) -> Transfer:
    source = wallet_account(redemption.collector, Wallet.CASH)
    return Transfer(source, redeemed_account(redemption.sponsor), redemption.miles)


def _till(command: Recordable) -> Till:
    sent = command.sent
    return Till(sent["storeId"], sent["deviceId"], sent["traceId"], sent["acquirerId"], sent["vendorId"])


def _context(redemption: Redemption, till: Till, cap_day: date | None) -> Context:
    return Context(
        redemption.confirmation,
        redemption.sponsor,
        till.store,
        till.device,
        till.trace,
        till.acquirer,
        till.vendor,
        redemption.units,
        redemption.cents,
        redemption.unit_miles,
        redemption.unit_cents,
        redemption.offer_id,
        cap_day,
    )
