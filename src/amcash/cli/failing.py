"""How a command fails: one sentence on stderr and exit code 1, never a traceback (surface.md)."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

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


@contextmanager
def printed_or_refused() -> Iterator[None]:
    """Turn output that nobody took, for the disk is full or the pipe closed, into a sentence and exit code 1."""
    try:
        yield
    except OSError as error:
        if error.errno not in {errno.EPIPE, errno.ENOSPC}:
            raise
        forget_output()
        raise Refused(f"the output could not be written whole: {error.strerror}") from error


def forget_output() -> None:
    """Let go of what stdout still holds: Python would try to write it once more at its end, and complain."""
    with suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
