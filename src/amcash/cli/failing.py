"""How a command fails: one sentence on stderr and exit code 1, never a traceback (surface.md)."""

from collections.abc import Iterator
from contextlib import contextmanager

import click


class Refused(click.ClickException):
    """The command did nothing; the message is a sentence that says why and what to do."""

    exit_code = 1


@contextmanager
def sentences(*kinds: type[Exception]) -> Iterator[None]:
    """Turn the given kinds of error into a sentence and exit code 1."""
    try:
        yield
    except kinds as error:
        raise Refused(str(error)) from error
