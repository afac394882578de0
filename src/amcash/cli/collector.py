"""`amcash collector`: one collector, for support: look, credit, set flags."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import click

from amcash import wiring
from amcash.cli import options, printing
from amcash.cli.failing import Refused
from amcash.domain import calendar, rules
from amcash.domain.book import Needs
from amcash.domain.transfers import Entry, wallet_account
from amcash.domain.vocabulary import Cents, Collector, CollectorNumber, Enrolment, Miles, Programme, Wallet
from amcash.ledger import history, population
from amcash.programme.collector import MILES_MAX

REASON_CHARACTERS_MAX = 200
_UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode's control and format characters, lone surrogates, line and paragraph separators."""


class _Miles(click.ParamType[int]):
    """A whole number of miles that is not zero."""

    name = "miles"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        digits = str(value)
        sign = digits[:1] if digits[:1] in {"+", "-"} else ""
        if not (digits.removeprefix(sign).isascii() and digits.removeprefix(sign).isdigit()):
            self.fail("must be a whole number such as 95 or -95", param, ctx)
        miles = int(digits) if len(digits) <= len(str(MILES_MAX)) + 1 else MILES_MAX + 1
        if miles == 0:
            raise Refused("0 miles change nothing; nothing was credited")
        if abs(miles) > MILES_MAX:
            self.fail(f"must not be over {MILES_MAX:,}", param, ctx)
        return miles


class _Reason(click.ParamType[str]):
    """Words that stand in the ledger for ever."""

    name = "reason"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        words = str(value).strip()
        if not 1 <= len(words) <= REASON_CHARACTERS_MAX:
            self.fail(f"must be 1 to {REASON_CHARACTERS_MAX} characters", param, ctx)
        if any(unicodedata.category(character) in _UNPRINTABLE for character in words):
            self.fail("must hold no control characters", param, ctx)
        return words


@click.group()
def collector() -> None:
    """Look at one collector, credit miles, set flags.

    \b
    Example:  amcash collector show 84095202006
    """


@collector.command()
@click.argument("number", metavar="NUMBER", type=options.COLLECTOR_NUMBER)
@options.limit_option("transfers")
@options.database_option
@options.json_option
def show(number: CollectorNumber, limit: int | None, database: str | None, as_json: bool) -> None:
    """Show a collector's balances, flags, use of today's cap, and transfers, newest first.

    In the table, miles are signed as the collector sees them, and times are the programme's wall clock. In JSON,
    `miles` is the positive number of the ledger's row, `direction` says "in" or "out" of the wallet, `balance` is what
    the wallet held afterwards, and times are UTC. A transfer has every name always; what it does not have is null.

    \b
    Example:  amcash collector show 84095202006 --json
    """
    with options.reading(database) as session:
        programme = options.register_of(session).programme
        today = calendar.cap_day(wiring.utc_now(), programme)
        book = session.load(Needs(collectors={number}, cap_days={(number, today)}))
        found = options.found(book.collectors.get(number), number)
        entries = history.entries(session, number, limit)
    view = _View(found, programme, today, book.used(number, today), entries)
    if as_json:
        printing.print_json(view.described())
    else:
        view.print()


@dataclass(frozen=True, slots=True)
class _View:
    collector: Collector
    programme: Programme
    today: date
    used: Cents
    entries: Sequence[Entry]

    def described(self) -> dict[str, object]:
        return {
            "number": self.collector.number,
            "cash_miles": self.collector.cash,
            "dream_miles": self.collector.dream,
            "active": self.collector.active,
            "show_balances": self.collector.show_balances,
            "allow_redemption": self.collector.allow_redemption,
            "cap_day": self.today,
            "cap_used_dollars": printing.dollars(self.used),
            "cap_dollars": printing.dollars(self.programme.daily_cap),
            "transfers_total": self.collector.transfers,
            "transfers": [described_entry(entry) for entry in self.entries],
        }

    def print(self) -> None:
        used, cap = printing.dollars(self.used), printing.dollars(self.programme.daily_cap)
        click.echo(f"Collector {self.collector.number}")
        printing.print_pairs(
            [
                ("Cash Miles", f"{self.collector.cash:,}"),
                ("Dream Miles", f"{self.collector.dream:,}"),
                ("Active", printing.yes_or_no(self.collector.active)),
                ("Shows balances", printing.yes_or_no(self.collector.show_balances)),
                ("May redeem", printing.yes_or_no(self.collector.allow_redemption)),
                ("Used today", f"${used} of ${cap} (cap day {self.today})"),
            ]
        )
        if not self.entries:
            click.echo("\nNo transfers.")
            return
        click.echo(f"\nTransfers, newest first, times in {self.programme.zone.key}")
        print_entries(self.entries, self.programme)
        older = self.collector.transfers - len(self.entries)
        if older:
            click.echo(f"{older:,} older; --limit 0 shows all")


def described_entry(entry: Entry) -> dict[str, object]:
    """Return a transfer as `--json` has it, every name always."""
    context = entry.context
    return {
        "seq": entry.seq,
        "kind": entry.kind,
        "wallet": entry.wallet,
        "miles": entry.transfer.miles,
        "direction": "in" if _comes_in(entry) else "out",
        "balance": entry.balance,
        "at": entry.at,
        "confirmation": context.confirmation,
        "units": context.units,
        "dollars": None if context.cents is None else printing.dollars(context.cents),
        "sponsor": context.sponsor,
        "store": context.store,
        "device": context.device,
        "trace": context.trace,
        "offer_id": context.offer_id,
        "cap_day": context.cap_day,
        "reason": context.reason,
    }


def print_entries(entries: Sequence[Entry], programme: Programme) -> None:
    """Print transfers as a table, miles signed as the collector sees them."""
    printing.print_table(
        (">#", "When", "What", ">Miles", ">Balance", "Details"),
        [
            (
                str(entry.seq),
                when(entry.at, programme),
                entry.kind if entry.wallet is Wallet.CASH else f"{entry.kind}, {entry.wallet}",
                f"{entry.transfer.miles if _comes_in(entry) else -entry.transfer.miles:+,}",
                f"{entry.balance:,}",
                _details(entry),
            )
            for entry in entries
        ],
    )


def when(at: datetime, programme: Programme) -> str:
    """Return a time on the programme's wall clock."""
    return f"{calendar.local(at, programme):%Y-%m-%d %H:%M:%S}"


def _comes_in(entry: Entry) -> bool:
    return entry.transfer.target == wallet_account(entry.collector, entry.wallet)


def _details(entry: Entry) -> str:
    context = entry.context
    if context.confirmation is None:
        return context.reason or ""
    where = f"{context.confirmation} {context.sponsor} store {context.store}"
    return f"{where}: {context.reason}" if context.reason else where


@collector.command(context_settings={"ignore_unknown_options": True})  # -95 is a number of miles, not an option
@click.argument("number", metavar="NUMBER", type=options.COLLECTOR_NUMBER)
@click.argument("miles", metavar="MILES", type=_Miles())
@click.option("--reason", metavar="TEXT", type=_Reason(), required=True, help="Why, in 1 to 200 characters.")
@click.option(
    "--wallet",
    type=click.Choice([wallet.value for wallet in Wallet]),
    default=Wallet.CASH.value,
    show_default=True,
    help="Which balance.",
)
@options.database_option
def credit(number: CollectorNumber, miles: int, reason: str, wallet: str, database: str | None) -> None:
    """Give a collector miles, or take them where MILES is negative; servers may run meanwhile.

    It is a transfer like any other, chained and proved by `amcash verify`: a `credit`, or an `adjustment` where
    miles are taken. The reason stays in the ledger for ever, so keep personal data out of it.

    \b
    Example:  amcash collector credit 84095202006 95 --reason "goodwill, 4711"
              amcash collector credit 84095202006 -95 --reason "twice, 4712"
    """
    purse = Wallet(wallet)
    with options.changing(database) as session:
        book = session.load(Needs(collectors={number}))
        found = options.found(book.collectors.get(number), number)
        holds = _balance(found, purse)
        if holds + miles > MILES_MAX:
            raise Refused(f"the {purse} wallet would hold more than {MILES_MAX:,} miles; nothing was credited")
        entry = rules.credit(found, purse, miles, reason, wiring.utc_now())
        if entry is None:
            raise Refused(f"the {purse} wallet holds {holds:,} miles, so {-miles:,} cannot be taken; nothing was taken")
        book.enter(entry)
        session.append(book)
    done = f"Credited {miles:,}" if miles > 0 else f"Took {-miles:,}"
    click.echo(f"{done} {purse} miles as transfer {entry.seq}; the balance is {entry.balance:,}.")


def _balance(found: Collector, wallet: Wallet) -> Miles:
    return found.cash if wallet is Wallet.CASH else found.dream


class _OneOfEachPair(click.Command):
    """Refuses both flags of a pair, where click would let the last one win."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        for option in self.params:
            pair = (set(option.opts), set(option.secondary_opts))
            if all(flags & set(args) for flags in pair):
                yes, no = map(min, pair)
                raise click.UsageError(f"{yes} and {no} say the opposite of each other; give one of them", ctx)
        return super().parse_args(ctx, args)


@collector.command(name="set", cls=_OneOfEachPair)
@click.argument("number", metavar="NUMBER", type=options.COLLECTOR_NUMBER)
@click.option("--active/--inactive", default=None, help="Inactive: every request is declined, 0002.")
@click.option("--show-balances/--hide-balances", default=None, help="Hidden: approvals say 0001, no balances.")
@click.option("--allow-redemption/--forbid-redemption", default=None, help="Forbidden: 0005 or 0006.")
@options.database_option
def set_(
    number: CollectorNumber,
    active: bool | None,
    show_balances: bool | None,
    allow_redemption: bool | None,
    database: str | None,
) -> None:
    """Set a collector's flags; those not named stay as they are.

    \b
    Example:  amcash collector set 84095202006 --inactive
    """
    if active is None and show_balances is None and allow_redemption is None:
        raise click.UsageError("name at least one flag to set, such as --inactive; --help lists them")
    with options.changing(database) as session:
        before = options.found(session.load(Needs(collectors={number})).collectors.get(number), number)
        wanted = Enrolment(
            number,
            Miles(0),
            Miles(0),
            before.active if active is None else active,
            before.show_balances if show_balances is None else show_balances,
            before.allow_redemption if allow_redemption is None else allow_redemption,
        )
        population.enrol(session, [wanted], wiring.utc_now())  # of a collector who is there, only the flags change
    click.echo(
        f"Active: {printing.yes_or_no(wanted.active)}. Shows balances: {printing.yes_or_no(wanted.show_balances)}. "
        f"May redeem: {printing.yes_or_no(wanted.allow_redemption)}."
    )
