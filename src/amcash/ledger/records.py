"""How requests and outcomes are kept as text: JSON that an auditor can read without this program."""

from dataclasses import fields
from operator import attrgetter
from typing import Any

import msgspec

from amcash.domain.commands import Recordable
from amcash.domain.outcomes import Outcome

_FIELDS = tuple(item.name for item in fields(Outcome))
_values_of = attrgetter(*_FIELDS)
_Known = msgspec.defstruct("_Known", [(name, Any, None) for name in _FIELDS], omit_defaults=True)
"""An outcome's fields once more, as what leaves out by itself what is None."""
_DECODER = msgspec.json.Decoder(Outcome)
_ENCODER = msgspec.json.Encoder()


def request_text(command: Recordable) -> str:
    """Return the parameters as they were sent."""
    return _ENCODER.encode(command.sent).decode()


def outcome_text(outcome: Outcome) -> str:
    """Return an outcome as JSON, without what is None."""
    return _ENCODER.encode(_Known(*_values_of(outcome))).decode()


def outcome_from(text: str) -> Outcome:
    """Return the outcome that `outcome_text` wrote."""
    return _DECODER.decode(text)
