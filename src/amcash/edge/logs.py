"""Logs: one JSON object a line on stdout. Whoever logs masks personal data first (R-AUTH-4)."""

import asyncio
import contextlib
import logging
import os
import select
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import msgspec

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "color_message"}
_ENCODER = msgspec.json.Encoder(enc_hook=str)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)  # since then: the cheapest thing that is equal throughout a second
_MILLISECONDS = [f".{millisecond:03}+00:00" for millisecond in range(1000)]


class JsonFormatter(logging.Formatter):
    """A record as one line of JSON: time, level, logger, event, and whatever `extra` held."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        line.update((name, value) for name, value in record.__dict__.items() if name not in _STANDARD)
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return _ENCODER.encode(line).decode()


def log_to_stdout(level: str) -> None:
    """Send every logger's lines to stdout."""
    logging.raiseExceptions = False  # a log that cannot be written must not fill stderr with the reason
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


GATHER_S = 0.05
"""How long a request's line may wait for others, to be written with them."""


class RequestLog:
    """A line for each request; lines of a moment are written together.

    Args:
        write: takes whole lines; None to keep none.
    """

    def __init__(self, write: Callable[[bytes], object] | None) -> None:
        self._write = write
        self._lines: list[dict[str, Any]] = []

    def __call__(self, line: dict[str, Any]) -> None:
        """Take a line as it is to be written, save its `at`, a time in UTC; call it on the event loop."""
        if self._write is None:
            return
        if not self._lines:
            asyncio.get_running_loop().call_later(GATHER_S, self.flush)
        self._lines.append(line)

    def flush(self) -> None:
        """Write what has gathered."""
        lines, self._lines = self._lines, []
        if self._write is not None and lines:
            with contextlib.suppress(OSError):  # no room, or no reader: the service goes on without its log
                for line in lines:
                    line["at"] = _to_the_millisecond(line["at"])
                self._write(_ENCODER.encode_lines(lines))


def _to_the_millisecond(at: datetime) -> str:
    since = at - _EPOCH
    return _second(since.days, since.seconds) + _MILLISECONDS[since.microseconds // 1000]


@lru_cache(maxsize=2)  # lines that are written together are of one second, or of two
def _second(days: int, seconds: int) -> str:
    return (_EPOCH + timedelta(days, seconds)).replace(tzinfo=None).isoformat(timespec="seconds")


def write_to_stdout(lines: bytes) -> None:
    """Write whole lines to stdout, past its buffer, where a failure would leave them."""
    sys.stdout.flush()
    while lines:
        lines = lines[os.write(sys.stdout.fileno(), lines) :]


def write_to_shared_stdout(lines: bytes) -> None:
    """Write whole lines to a stdout that other processes write to: so few at once that a pipe keeps them together."""
    while len(lines) > select.PIPE_BUF:
        end = lines.rfind(b"\n", 0, select.PIPE_BUF) + 1 or lines.index(b"\n") + 1
        write_to_stdout(lines[:end])
        lines = lines[end:]
    write_to_stdout(lines)


def let_stdout_go() -> None:
    """Write what is left to stdout; where that fails, give it up, so that ending is no failure."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
