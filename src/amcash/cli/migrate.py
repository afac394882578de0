"""`amcash migrate`: make a ledger, or bring its schema up to date."""

import click

from amcash import wiring
from amcash.cli import options
from amcash.cli.failing import sentences
from amcash.ledger.store import StoreError


@click.command()
@options.database_option
def migrate(database: str | None) -> None:
    """Make a ledger where there is none, or bring the schema of one up to date.

    Running it again does nothing. A ledger that a newer amcash wrote is refused, and left as it is.

    \b
    Example:  amcash migrate --database sqlite:////var/lib/amcash/ledger.db
    """
    with sentences(StoreError):
        names = wiring.migrate(options.settings(database=database).database)
    for name in names:
        click.echo(f"ran {name}")
    click.echo("The schema is up to date.")
