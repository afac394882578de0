"""What the commands share: their options and arguments, and the ledger that --database opens."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

import click

from amcash import wiring
from amcash.cli.failing import Refused, sentences
from amcash.domain.vocabulary import Collector, CollectorNumber, Register, masked
from amcash.ledger import register as registers
from amcash.ledger.store import Session, Store, StoreBusyError, StoreError, StoreLostError
from amcash.settings import Settings, SettingsError

SHOWN_DEFAULT = 50
BUSY_RETRIES_MAX = 5
"""How often a change waits once more for a running server's lock; each wait is the store's, some two seconds."""

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


def database_option(command: Decorated) -> Decorated:
    """Add `--database URL`; the command gets `database`, None where it was not given."""
    return click.option("--database", metavar="URL", help="The ledger. Default: sqlite:///amcash.db")(command)


def json_option(command: Decorated) -> Decorated:
    """Add `--json`; the command gets `as_json`. It is read first, for others' defaults depend on it."""
    return click.option("--json", "as_json", is_flag=True, is_eager=True, help="Print JSON, for programs.")(command)


def limit_option(things: str) -> Callable[[Decorated], Decorated]:
    """Add `--limit N`, which bounds how many `things` are shown; the command gets None for all of them."""
    return click.option(
        "--limit",
        metavar="N",
        type=int,
        default=None,
        callback=_none_for_all,
        help=f"Show at most N {things}, 0 for all. Default: {SHOWN_DEFAULT}; all with --json, for programs add up.",
    )


def _none_for_all(ctx: click.Context, _parameter: click.Parameter, value: int | None) -> int | None:
    if value is None:
        return None if ctx.params.get("as_json") else SHOWN_DEFAULT
    if value < 0:
        raise click.BadParameter("must be 0 or more")
    return value or None


class _Written(click.ParamType[str]):
    """A value of a given form; another is a usage error that says what is asked for and repeats nothing."""

    def __init__(self, name: str, pattern: str, sentence: str) -> None:
        self.name = name
        self._matches = re.compile(pattern).fullmatch
        self._sentence = sentence

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not self._matches(str(value)):
            self.fail(self._sentence, param, ctx)
        return str(value)


COLLECTOR_NUMBER = _Written("number", "[0-9]{1,19}", "a collector number is 1 to 19 digits")
CONFIRMATION = _Written("confirmation", "[A-Za-z0-9-]{1,32}", "a confirmation number is 1 to 32 letters, digits and -")
CLIENT_ID = _Written("id", "[A-Za-z0-9._-]{1,64}", "a client id is 1 to 64 letters, digits, dots, - and _")


def settings(**options: str | bool | None) -> Settings:
    """Read the settings in force for a command: a wrong option is a usage error, a wrong variable a refusal."""
    try:
        return Settings.read(os.environ, **options)
    except SettingsError as error:
        if str(error).startswith("--"):
            raise click.UsageError(str(error)) from error
        raise Refused(str(error)) from error


@contextmanager
def ledger(database: str | None, *, create: bool = False) -> Iterator[Store]:
    """Open the ledger of a command; what the ledger refuses ends the command with a sentence."""
    chosen = settings(database=database)
    with (
        sentences(StoreError),
        wiring.open_ledger(chosen.database, create=create, unsafe_durability=chosen.unsafe_durability) as store,
    ):
        yield store


@contextmanager
def reading(database: str | None) -> Iterator[Session]:
    """Open the ledger and look at one state of it; a file that may not be written is left as it is."""
    chosen = settings(database=database)
    with (
        sentences(StoreError),
        wiring.look_at_ledger(chosen.database, unsafe_durability=chosen.unsafe_durability) as store,
        store.read() as session,
    ):
        yield session


@contextmanager
def changing(database: str | None) -> Iterator[Session]:
    """Open the ledger and change it in one transaction: all of it or nothing."""
    with ledger(database) as store, transaction(store) as session:
        yield session


@contextmanager
def transaction(store: Store) -> Iterator[Session]:
    """Open a write transaction, patiently, for a running server may be busy with its own.

    Raises:
        StoreLostError: at its end with a sentence that says that nobody knows whether it was committed.
    """
    with _committing() as stack:
        for _ in range(BUSY_RETRIES_MAX):
            try:
                session = stack.enter_context(store.write())
                break
            except StoreBusyError:
                continue  # SQLite's lock has no queue: under a busy server a wait can be in vain
        else:
            session = stack.enter_context(store.write())
        yield session


@contextmanager
def _committing() -> Iterator[ExitStack]:
    stack = ExitStack()
    with stack:
        yield stack
        try:
            stack.close()
        except StoreLostError as error:
            raise StoreLostError(
                f"{error}. It is not known whether the change was made: look before you make it again"
            ) from error


def register_of(session: Session) -> Register:
    """Return what is configured; refuse where no programme has been loaded."""
    register = registers.read(session)
    if register is None:
        raise Refused("no programme has been loaded into this ledger; load one first: amcash load FILE")
    return register


def found(collector: Collector | None, number: CollectorNumber) -> Collector:
    """Return the collector; refuse where the ledger has none, the number masked all the same (R-AUTH-4)."""
    if collector is None:
        raise Refused(f"there is no collector {masked(number)} in this ledger")
    return collector
