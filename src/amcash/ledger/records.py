"""How requests and outcomes are kept as text: JSON that an auditor can read without this program."""

from dataclasses import fields
from typing import Any

import msgspec

from amcash.domain.commands import Recordable
from amcash.domain.outcomes import Outcome

_FIELDS = tuple(item.name for item in fields(Outcome))
_DECODER = msgspec.json.Decoder(Outcome)
_ENCODER = msgspec.json.Encoder()


def request_text(command: Recordable) -> str:
    """Return the parameters as they were sent."""
    return _ENCODER.encode(command.sent).decode()


def outcome_text(outcome: Outcome) -> str:
    """Return an outcome as JSON, without what is None."""
    known: dict[str, Any] = {name: value for name in _FIELDS if (value := getattr(outcome, name)) is not None}
    return _ENCODER.encode(known).decode()


def outcome_from(text: str) -> Outcome:
    """Return the outcome that `outcome_text` wrote."""
    return _DECODER.decode(text)
