"""One request to the API and the reply to it, as values: what `connection` gathers and `pipeline` answers."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from http import HTTPStatus
from typing import Any

from amcash.access.tokens import Caller
from amcash.domain.codes import Code
from amcash.domain.commands import Command
from amcash.wire.decode import Rejection


class Body(Enum):
    """What became of a request's body."""

    WHOLE = "whole"
    TOO_LARGE = "over BODY_BYTES_MAX; the rest of it is not read"
    TOO_SLOW = "not here within the time budget (R-TIME-1)"


@dataclass(slots=True)
class Exchange:
    """A request, and what has been found out about it so far."""

    headers: list[tuple[bytes, bytes]]
    """In the order in which they came; names in lower case."""
    request_id: bytes
    began: float = field(default_factory=time.perf_counter)
    """In seconds that pass whatever the clock is set to."""
    content: bytes = b""
    body: Body = Body.WHOLE
    caller: Caller | None = None
    request: Command | Rejection | None = None
    code: Code | None = None
    """Of the answer; None for a stranger's."""
    replayed: bool = False
    notes: Any = None
    """What a pipeline keeps of it from its begin to its end; a sandbox's does."""

    def values(self, name: bytes) -> list[bytes]:
        """Return every value of one header, in order."""
        return [value for key, value in self.headers if key == name]


@dataclass(slots=True, eq=False)
class Handover:
    """Who wants to know what becomes of a reply (R-DLV-2, R-DLV-3a).

    Whoever sends the reply calls `begin` just before, with nothing in between that can be left out, and then one of the
    other two, once. Where `begin` gives another reply that one is sent, and this is not called again.
    """

    begin: "Callable[[], Reply | None]"
    done: Callable[[], None]
    """The whole reply has been handed to a connection that is still open."""
    failed: Callable[[], None]
    """The connection broke first."""


@dataclass(slots=True)
class Reply:
    """What goes back."""

    status: HTTPStatus
    content: bytes
    headers: bytes = b""
    """Lines beyond those that every reply has, each with its line end."""
    closes: bool = False
    """No request follows on this connection."""
    handover: Handover | None = None
    cut_bytes: int | None = None
    """Only so many bytes go out, head included, and at least one does not; then the connection breaks (a sandbox)."""
