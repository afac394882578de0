"""What both stores keep alike: requests and outcomes as JSON for auditors to read, a redemption from its columns."""

from collections.abc import Iterable, Sequence
from dataclasses import fields
from datetime import date
from operator import attrgetter
from typing import Any, Final

import msgspec

from amcash.domain.book import OneRedemption
from amcash.domain.commands import Recordable
from amcash.domain.outcomes import Outcome
from amcash.domain.transfers import Kind, from_microseconds
from amcash.domain.vocabulary import Redemption, Till

REDEMPTION_COLUMNS: Final = (
    "kind, sponsor, at, cap_day, units, miles, cents, unit_miles, unit_cents, offer_id, store, device, trace, "
    "acquirer, vendor"
)

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


def redemptions_from(rows: Iterable[Sequence[Any]]) -> dict[OneRedemption, Redemption]:
    """Return redemptions from transfers of their confirmation numbers: collector, confirmation, `REDEMPTION_COLUMNS`.

    One that a reversal or a cancellation stands beside is closed, whichever row comes first.
    """
    found: dict[OneRedemption, Redemption] = {}
    closed: set[OneRedemption] = set()
    for number, confirmation, kind, sponsor, at, cap_day, *rest in rows:
        if kind != Kind.REDEMPTION:
            closed.add((number, confirmation))
            continue
        units, miles, cents, unit_miles, unit_cents, offer_id, *till = rest
        found[number, confirmation] = Redemption(
            number,
            confirmation,
            sponsor,
            from_microseconds(at),
            date.fromisoformat(cap_day),
            units=units,
            miles=miles,
            cents=cents,
            unit_miles=unit_miles,
            unit_cents=unit_cents,
            offer_id=offer_id,
            till=Till(*till),
        )
    for one in closed & found.keys():
        found[one] = found[one].close()
    return found
