"""Logs: one JSON object a line on stdout. Whoever logs masks personal data first (R-AUTH-4)."""

import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "color_message"}
_ENCODER = msgspec.json.Encoder(enc_hook=str)


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
    """A line for each request, without what is None; lines of a moment are written together.

    Args:
        clock: gives the time of a line.
        write: takes whole lines; None to keep none.
    """

    def __init__(self, clock: Callable[[], datetime], write: Callable[[bytes], object] | None) -> None:
        self._clock = clock
        self._write = write
        self._lines: list[Mapping[str, Any]] = []

    def __call__(self, line: Mapping[str, Any]) -> None:
        """Take a line; call it on the event loop."""
        if self._write is None:
            return
        if not self._lines:
            asyncio.get_running_loop().call_later(GATHER_S, self.flush)
        self._lines.append({"at": self._clock(), **line})

    def flush(self) -> None:
        """Write what has gathered."""
        lines, self._lines = self._lines, []
        if self._write is not None and lines:
            with contextlib.suppress(OSError):  # no room, or no reader: the service goes on without its log
                self._write(b"".join(_request_line(line) for line in lines))


def _request_line(line: Mapping[str, Any]) -> bytes:
    at: datetime = line["at"]
    known = {name: value for name, value in line.items() if value is not None}
    known["at"] = at.isoformat(timespec="milliseconds")
    return _ENCODER.encode({"level": "info", "logger": "amcash.requests", "event": "request", **known}) + b"\n"


def write_to_stdout(lines: bytes) -> None:
    """Write whole lines to stdout, past its buffer, where a failure would leave them."""
    sys.stdout.flush()
    while lines:
        lines = lines[os.write(sys.stdout.fileno(), lines) :]


def let_stdout_go() -> None:
    """Write what is left to stdout; where that fails, give it up, so that ending is no failure."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
