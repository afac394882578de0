"""`amcash key`: the keys that sign tokens. Their private parts are never printed."""

import click

from amcash import wiring
from amcash.access.tokens import new_signing_key
from amcash.cli import options, printing
from amcash.domain.vocabulary import SigningKey
from amcash.ledger import register as registers


@click.group()
def key() -> None:
    """List and rotate the keys that sign tokens.

    The newest key signs. A retired one still verifies the tokens it signed, until the last of them has expired.

    \b
    Example:  amcash key rotate
    """


@key.command()
@options.database_option
def rotate(database: str | None) -> None:
    """Sign with a new key from now on; nobody is cut off, and servers need no restart.

    \b
    Example:  amcash key rotate
    """
    new = new_signing_key(wiring.utc_now())
    with options.changing(database) as session:
        registers.add_key(session, new)
    click.echo(f"Tokens are signed with {new.kid} from now on; those signed before stay good until they expire.")


@key.command(name="list")
@options.database_option
@options.json_option
def list_(database: str | None, as_json: bool) -> None:
    """List the signing keys, newest first, never their private parts.

    JSON: an array of {"kid", "signs", "created_at", "retired_at"}, times in UTC.

    \b
    Example:  amcash key list
    """
    with options.reading(database) as session:
        keys = registers.read_keys(session)
    if as_json:
        printing.print_json([_described(item) for item in keys])
    elif not keys:
        click.echo("There is no key yet; `amcash serve` makes the first one, or `amcash key rotate` does.")
    else:
        printing.print_table(
            ("Key", "Made (UTC)", "State"),
            [(item.kid, f"{item.created_at:%Y-%m-%d %H:%M:%S}", _state(item)) for item in keys],
        )


def _described(item: SigningKey) -> dict[str, object]:
    return {
        "kid": item.kid,
        "signs": item.retired_at is None,
        "created_at": item.created_at,
        "retired_at": item.retired_at,
    }


def _state(item: SigningKey) -> str:
    if item.retired_at is None:
        return "signs"
    return f"retired {item.retired_at:%Y-%m-%d %H:%M:%S}"
