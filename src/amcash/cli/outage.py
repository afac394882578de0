"""`amcash outage`: a scheduled outage, during which every request is answered `0092` (R-ORDER)."""

from datetime import MAXYEAR, MINYEAR, UTC, date, datetime

import click

from amcash import wiring
from amcash.cli import options, printing
from amcash.cli.failing import Refused
from amcash.domain import calendar
from amcash.domain.vocabulary import Outage, Programme
from amcash.ledger import register as registers


class _Moment(click.ParamType[datetime]):
    """A date and time; without an offset it is on the programme's wall clock, which only the ledger knows."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        try:
            moment: datetime | None = datetime.fromisoformat(str(value))
        except ValueError:
            moment = None
        if moment is None or _is_a_day(str(value)):  # midnight may not be what was meant
            self.fail(
                "must be a date and time such as 2026-07-01T05:00 (the programme's wall clock) "
                "or 2026-07-01T05:00-04:00",
                param,
                ctx,
            )
        if not MINYEAR < moment.year < MAXYEAR:  # in another zone it could lie outside the calendar
            self.fail(f"must lie in the years {MINYEAR + 1} to {MAXYEAR - 1}", param, ctx)
        return moment


def _is_a_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


@click.group()
def outage() -> None:
    """Declare a scheduled outage (0092), end it, show it.

    While one is in force, every request with a valid token is answered 503 with code 0092, in every server, from
    one second after the command. Nothing is written to the ledger meanwhile.

    \b
    Example:  amcash outage on --until 2026-07-01T05:00
    """


@outage.command(name="on")
@click.option(
    "--until",
    metavar="TIME",
    type=_Moment(),
    help="When it ends by itself: ISO 8601, with an offset, or on the programme's wall clock. "
    "Default: until `amcash outage off`.",
)
@options.database_option
def declare(until: datetime | None, database: str | None) -> None:
    """Declare an outage, from now on; one in force already is replaced.

    \b
    Example:  amcash outage on --until 2026-07-01T05:00-04:00
    """
    now = wiring.utc_now()
    with options.changing(database) as session:
        programme = options.register_of(session).programme
        if until is not None and until.tzinfo is None:
            until = _on_the_wall_clock(until, programme)
        if until is not None and until <= now:
            raise Refused(f"{_at(until, programme)} is over already; the outage was not declared")
        registers.put_outage(session, Outage(until))
    click.echo(f"An outage is in force, {_ends(until, programme)}. Requests are answered 0092 within a second.")


@outage.command(name="off")
@options.database_option
def end(database: str | None) -> None:
    """End the outage.

    \b
    Example:  amcash outage off
    """
    with options.changing(database) as session:
        declared = options.register_of(session).outage
        registers.put_outage(session, None)
    if declared is None or not declared.in_force(wiring.utc_now()):
        click.echo("No outage was in force; none is now.")
    else:
        click.echo("The outage is over. Requests are served again within a second.")


@outage.command()
@options.database_option
@options.json_option
def show(database: str | None, as_json: bool) -> None:
    """Show whether an outage is in force.

    JSON: {"in_force", "until"}: until a time in UTC, null where it lasts until switched off or none is in force.

    \b
    Example:  amcash outage show
    """
    with options.reading(database) as session:
        register = options.register_of(session)
    declared = register.outage
    if declared is not None and not declared.in_force(wiring.utc_now()):
        declared = None
    if as_json:
        printing.print_json({"in_force": declared is not None, "until": declared.until if declared else None})
    elif declared is None:
        click.echo("No outage is in force.")
    else:
        click.echo(f"An outage is in force, {_ends(declared.until, register.programme)}.")


def _on_the_wall_clock(until: datetime, programme: Programme) -> datetime:
    first, second = (until.replace(tzinfo=programme.zone, fold=fold) for fold in (0, 1))
    if first.utcoffset() == second.utcoffset():
        return first
    there = first.astimezone(UTC).astimezone(programme.zone).replace(tzinfo=None) == until
    what = "is twice" if there else "is not"
    raise Refused(
        f"{until:%Y-%m-%d %H:%M} {what} on the clocks of {programme.zone.key}, which change that night; "
        "give the time with an offset such as -05:00; the outage was not declared"
    )


def _ends(until: datetime | None, programme: Programme) -> str:
    return "until `amcash outage off`" if until is None else f"until {_at(until, programme)}"


def _at(moment: datetime, programme: Programme) -> str:
    return f"{calendar.local(moment, programme):%Y-%m-%d %H:%M:%S} ({programme.zone.key})"
