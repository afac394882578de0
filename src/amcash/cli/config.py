"""`amcash config`: the settings in force, and where each comes from. Passwords are hidden."""

import os
import re
from dataclasses import fields

import click

from amcash import wiring
from amcash.cli import options, printing
from amcash.cli.failing import Refused, sentences
from amcash.ledger.store import StoreUnusableError
from amcash.settings import Settings, SettingsError

# Up to the last @, for a password may hold anything: rather too much is hidden than too little.
_PASSWORD_IN_URL = re.compile(r"(?<=://)(?P<user>[^/?#@:]*):.*(?=@)")
_PASSWORD_IN_QUERY = re.compile(r"(?P<name>[?&](?:ssl)?password=)[^&#]*", re.IGNORECASE)


@click.command()
@options.database_option
@options.json_option
def config(database: str | None, as_json: bool) -> None:
    """Print the settings in force and where each comes from: an option, the environment, or the default.

    A value that cannot be used is shown too, and why; the command then exits 1.
    JSON: {"database": {"value", "source", "variable"}, …}; a source is "option", "environment" or "default".

    \b
    Example:  AMCASH_BUDGET_MS=3000 amcash config
    """
    given = {"database": database}
    shown = {}
    for item in fields(Settings):
        variable = f"AMCASH_{item.name.upper()}"
        value, source = _in_force(item.name, variable, given.get(item.name))
        shown[item.name] = {"value": value, "source": source, "variable": variable}
    if as_json:
        printing.print_json(shown)
    else:
        printing.print_table(
            ("Setting", "From", "Variable", "Value"),
            [
                (name.replace("_", "-"), str(item["source"]), str(item["variable"]), _as_words(item["value"]))
                for name, item in shown.items()
            ],
        )
    try:
        chosen = Settings.read(os.environ, database=database)
    except SettingsError as error:
        raise Refused(str(error)) from error
    with sentences(StoreUnusableError):
        wiring.check_url(chosen.database)


def _in_force(name: str, variable: str, given: str | None) -> tuple[str | int | bool, str]:
    written = os.environ.get(variable)
    environment = {} if written is None else {variable: written}
    source = "option" if given is not None else "default" if written is None else "environment"
    try:
        value: str | int | bool = getattr(Settings.read(environment, **{name: given}), name)
    except SettingsError:
        value = str(written)
    return hidden(value) if isinstance(value, str) else value, source


def hidden(value: str) -> str:
    """Return a setting with the password of a URL hidden."""
    return _PASSWORD_IN_QUERY.sub(r"\g<name>***", _PASSWORD_IN_URL.sub(r"\g<user>:***", value))


def _as_words(value: object) -> str:
    if isinstance(value, bool):
        return printing.yes_or_no(value)
    return str(value) or "(none)"
