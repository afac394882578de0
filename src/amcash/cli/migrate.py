"""`amcash migrate`: make a ledger, or bring its schema up to date."""

import click

from amcash import wiring
from amcash.cli import options
from amcash.cli.failing import sentences
from amcash.ledger.store import StoreError


@click.command()
@options.database_option
@click.option("--plan", is_flag=True, help="Show what would run, and change nothing.")
def migrate(database: str | None, plan: bool) -> None:
    """Make a ledger where there is none, or bring the schema of one up to date.

    Running it again does nothing, and after it was killed the rest. A ledger that a newer amcash wrote is refused,
    and left as it is. In PostgreSQL the database itself must be there: createdb NAME.

    \b
    Example:  amcash migrate --plan --database postgresql://amcash@db:5432/amcash
              amcash migrate --database sqlite:////var/lib/amcash/ledger.db
    """
    chosen = options.settings(database=database)
    with sentences(StoreError):
        run = wiring.pending_migrations if plan else wiring.migrate
        names = run(chosen.database, unsafe_durability=chosen.unsafe_durability)
    for name in names:
        click.echo(f"{'would run' if plan else 'ran'} {name}")
    click.echo("Nothing was changed." if plan else "The schema is up to date.")
