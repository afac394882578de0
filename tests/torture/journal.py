"""What the tills themselves wrote down: each operation, each time it was sent, and what came back of it."""

import json
import time
from dataclasses import dataclass, field
from enum import Enum
from itertools import count

APPROVED = {"0000", "0001"}
NO_ANSWER = {"0008", "0096"}
"""Answers that decide nothing: the till sends the identical request again."""

WALL_S = time.time() - time.monotonic()
"""What makes a moment of this clock one of the wall's: tills and servers share a machine."""


class Patience(Enum):
    """What a till does when it does not get its answer."""

    INSISTS = "it sends the identical request until it knows"
    LATE = "it does so, but only once the delivery is over"
    GIVES_UP = "it never asks again"


class Handed(Enum):
    """What the wire knows of an answer that did not reach the till whole."""

    NO = "not a byte of an approval was handed over"
    YES = "all of it was handed to the wire"
    PERHAPS = "the till had left, and nobody can say who was first"


@dataclass(slots=True)
class Attempt:
    """A request sent once; moments in seconds of the monotonic clock."""

    sent: float
    ended: float = 0.0
    status: int | None = None
    """None: the answer did not come whole."""
    raw: bytes = b""
    replayed: bool = False
    handed: Handed = Handed.NO

    @property
    def whole(self):
        return self.status is not None

    @property
    def body(self):
        return json.loads(self.raw)


@dataclass(slots=True)
class Operation:
    """What a till wants done, once."""

    endpoint: str
    collector: str
    fields: dict
    key: str | None
    patience: Patience = Patience.INSISTS
    attempts: list[Attempt] = field(default_factory=list)

    @property
    def trace(self):
        return self.fields["traceId"]

    @property
    def began(self):
        return self.attempts[0].sent

    def whole_answers(self):
        """Give (attempt, body) of every answer that came whole and decided something."""
        for attempt in self.attempts:
            if attempt.whole:
                body = attempt.body
                if body.get("responseCode") not in NO_ANSWER:
                    yield attempt, body


class Journal:
    """All operations of a programme; trace numbers are its own, so a transfer names its operation."""

    def __init__(self):
        self.operations = []
        self._numbers = count(1)

    def new(self, endpoint, collector, fields, key, patience=Patience.INSISTS):
        fields["traceId"] = f"t{next(self._numbers):08}"
        made = Operation(endpoint, collector, fields, key, patience)
        self.operations.append(made)
        return made
