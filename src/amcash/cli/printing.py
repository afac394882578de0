"""How commands print: tables and sentences for a person, JSON for a program. The only place that knows a terminal."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

PIPE_WIDTH = 10_000
"""Columns of what is no terminal: nothing is folded there, so that grep and a file get whole lines."""


def print_json(value: Any) -> None:
    """Print a value as JSON; a time becomes UTC with microseconds and a `Z`, a day an ISO date."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, default=_plain))


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"a {type(value).__name__} has no form in JSON")


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under a heading; a column whose name begins with `>` is set to the right.

    A terminal that is too narrow folds the last column; no character of a cell is ever left out.
    """
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for place, name in enumerate(columns):
        last = place == len(columns) - 1
        table.add_column(
            Text(name.removeprefix(">")),
            justify="right" if name.startswith(">") else "left",
            no_wrap=not last,
            overflow="fold",
        )
    for row in rows:
        table.add_row(*map(Text, row))  # Text: what people wrote is never taken for rich's markup
    _print(table)


def print_pairs(pairs: Sequence[tuple[str, str]], *, indent: int = 2) -> None:
    """Print names and values in two columns."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in pairs:
        grid.add_row(Text(" " * indent + name), Text(value))
    _print(grid)


def _print(table: Table) -> None:
    terminal = sys.stdout.isatty()
    console = Console(width=None if terminal else PIPE_WIDTH, highlight=False)
    with console.capture() as captured:
        console.print(table)
    click.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))


def dollars(cents: int) -> str:
    """Return an amount as `750.00`."""
    return f"{cents // 100}.{cents % 100:02}"


def count(number: int, noun: str) -> str:
    """Return `1 offer`, `1,234 offers`."""
    return f"1 {noun}" if number == 1 else f"{number:,} {noun}s"


def yes_or_no(answer: bool) -> str:
    """Return a flag as a word."""
    return "yes" if answer else "no"


@contextmanager
def progress_bar(doing: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show a bar on stderr, only where that is a terminal; give a function that is told how much of `total` is done."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )
    with bar:
        task = bar.add_task(doing, total=total)
        yield lambda done: bar.update(task, completed=done)
