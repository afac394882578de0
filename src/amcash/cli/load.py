"""`amcash load`: a programme file or a file of collectors, put into a ledger."""

import shlex
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

import click

from amcash import wiring
from amcash.cli import options, printing
from amcash.cli.failing import Refused, sentences
from amcash.ledger import population
from amcash.ledger import register as registers
from amcash.ledger.population import Counts
from amcash.ledger.store import Session, Store, StoreError
from amcash.programme.csv_file import CollectorFileError, SortedCollectors
from amcash.programme.toml_file import ProgrammeFile, ProgrammeFileError, read_programme

PROGRAMME_BYTES_MAX = 16 * 1024 * 1024
"""A programme file is read whole; collectors by the million belong in a CSV file, which is not."""

_LINES_A_STEP = 5_000
"""The progress bar is told about every so many lines."""


@click.command()
@click.argument("file", metavar="FILE", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--sandbox",
    is_flag=True,
    default=None,
    help="Let the file hold secrets of clients, which then count in a sandbox only.",
)
@options.database_option
def load(file: Path, sandbox: bool | None, database: str | None) -> None:
    """Load a programme (FILE.toml) or collectors (FILE.csv) into a ledger, which is made where there is none.

    A file with a mistake changes nothing. Loading again is safe: balances are applied once, when a collector is new;
    afterwards only flags change. A CSV file has the header number,cash_miles,dream_miles,active,show_balances,
    allow_redemption, of which only number is required; it may be of any length, and servers may run meanwhile.

    \b
    Example:  amcash load programme.toml
              amcash load collectors.csv
    """
    settings = options.settings(database=database, sandbox=sandbox)
    suffix = file.suffix.lower()
    if suffix == ".toml":
        described = read_programme_file(file, sandbox=settings.sandbox)
        with options.ledger(database, create=True) as store:
            counts, waiting = apply_programme_file(store, described)
        click.echo(
            f"programme {described.programme.name}: {printing.count(len(described.offers), 'offer')}, "
            f"{printing.count(len(described.sponsors), 'sponsor')}, {printing.count(len(described.clients), 'client')}"
        )
    elif suffix == ".csv":
        counts, waiting = _load_collectors(file, database), []
    else:
        raise click.UsageError(f"{file} is neither a programme (.toml) nor a file of collectors (.csv)")
    click.echo(f"collectors: {counts.new:,} new, {counts.changed:,} changed, {counts.same:,} as they were")
    if counts.balances_left:
        have = "has" if counts.balances_left == 1 else "have"
        click.echo(
            f"{printing.count(counts.balances_left, 'collector')} {have} other balances than the file says; "
            "they were left as they are"
        )
    chosen = "" if database is None else f" --database {shlex.quote(database)}"
    for command in waiting:
        click.echo(f"a client has no secret yet; make it: {command}{chosen}")


def read_programme_file(path: Path, *, sandbox: bool) -> ProgrammeFile:
    """Read a programme file, and touch no ledger.

    Args:
        path: of the TOML file.
        sandbox: whether it may hold secrets.

    Raises:
        Refused: with a sentence, for a file that cannot be read, is too large or has a mistake.
    """
    try:
        if _regular_size(path) > PROGRAMME_BYTES_MAX:
            raise Refused(
                f"{path} is larger than {PROGRAMME_BYTES_MAX // 1024**2} MiB; nothing was loaded. "
                "Collectors by the million belong in a CSV file"
            )
        return read_programme(path.read_text("utf-8"), sandbox=sandbox)
    except OSError as error:
        raise _unreadable(path, error) from error
    except UnicodeDecodeError as error:
        raise Refused(f"{path} is not UTF-8 text; nothing was loaded") from error
    except ProgrammeFileError as error:
        raise Refused(f"{path}: {error}; nothing was loaded") from error


def _regular_size(path: Path) -> int:
    """Return the size of a file; a pipe or a device, which may have no end or never begin, is refused."""
    about = path.stat()
    if not stat.S_ISREG(about.st_mode):
        raise Refused(f"{path} is not a regular file; nothing was loaded")
    return about.st_size


def apply_programme_file(store: Store, described: ProgrammeFile) -> tuple[Counts, list[str]]:
    """Apply what a programme file says to an open ledger, all of it or nothing.

    Returns what became of its collectors, and the command for each client that has no secret yet.

    Raises:
        StoreError: the ledger did not take it.
    """
    with options.transaction(store) as session:
        counts = population.apply_programme(session, described, wiring.utc_now())
        return counts, _commands_for_clients_without_secret(session)


def _commands_for_clients_without_secret(session: Session) -> list[str]:
    return [
        f"amcash client add {item.client_id} " + " ".join(f"--sponsor {code}" for code in item.sponsors)
        for item in registers.read_clients(session, sandbox=True)
        if not item.secret_digests and not item.disabled
    ]


def _load_collectors(path: Path, database: str | None) -> Counts:
    check_digit = _check_digit(database)
    try:
        size_bytes = _regular_size(path)
        with (
            path.open(encoding="utf-8", newline="") as text,
            _sorted(text, size_bytes, check_digit=check_digit) as collectors,
            options.ledger(database, create=True) as store,
            printing.progress_bar("Loading collectors", collectors.count) as progress,
        ):
            return _enrol(store, collectors, progress)
    except OSError as error:
        raise _unreadable(path, error) from error
    except CollectorFileError as error:
        raise Refused(f"{path}: {error}; nothing was loaded") from error


def _check_digit(database: str | None) -> bool:
    """Tell whether numbers must carry one. A ledger that is not there yet is made only for a file that is right."""
    with sentences(StoreError):
        if not wiring.is_there(options.settings(database=database).database):
            return False
    with options.ledger(database) as store, store.read() as session:
        register = registers.read(session)
    return register is not None and register.programme.check_digit


def _enrol(store: Store, collectors: SortedCollectors, progress: Callable[[int], None]) -> Counts:
    done = Counts()

    def tell(counts: Counts) -> None:
        nonlocal done
        done = counts
        progress(counts.total)

    try:
        return population.enrol_stream(store, collectors, wiring.utc_now(), progress=tell)
    except StoreError as error:
        raise Refused(f"{error}; {_how_far(done, collectors)}") from error
    except KeyboardInterrupt:
        raise Refused(f"interrupted; {_how_far(done, collectors)}") from None


def _how_far(done: Counts, collectors: SortedCollectors) -> str:
    return f"{done.total:,} of {collectors.count:,} collectors are in, load again for the rest"


def _sorted(text: TextIO, size_bytes: int, *, check_digit: bool) -> SortedCollectors:
    with printing.progress_bar("Checking the file", size_bytes) as progress:
        return SortedCollectors(_told(text, progress), check_digit=check_digit)


def _told(text: TextIO, progress: Callable[[int], None]) -> Iterator[str]:
    done = 0
    for number, line in enumerate(text, 1):
        done += len(line)  # characters, not bytes; a file of collectors is nearly all digits
        if number % _LINES_A_STEP == 0:
            progress(done)
        yield line


def _unreadable(path: Path, error: OSError) -> Refused:
    return Refused(f"{path} cannot be read: {error.strerror or error}")
