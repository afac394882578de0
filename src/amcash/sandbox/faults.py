"""Faults that a client has ordered: which requests they strike, and how often. The only home of their kinds and limits.

What a fault does to a request is the pipeline's business; here it is only counted.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import count
from typing import Final

TIMES_MAX: Final = 1_000
DELAY_MS_MAX: Final = 30_000
CUT_BYTES_MAX: Final = 65_536
ORDERS_MAX: Final = 100
"""Of one client; those that are used up make room."""


class Kind(StrEnum):
    """What can go wrong."""

    LOST_BEFORE_COMMIT = "lost_before_commit"
    LOST_AFTER_COMMIT = "lost_after_commit"
    CUT = "cut"
    DELAY = "delay"
    LATE = "late"
    DUPLICATE = "duplicate"
    SERVER_ERROR = "0096"
    OUTAGE = "0092"
    OFFER_UNAVAILABLE = "0067"
    TOKEN_EXPIRED = "token_expired"  # noqa: S105 -- the name of a fault


@dataclass(slots=True)
class Order:
    """A fault, ordered for the next so many requests that match."""

    id: int
    kind: Kind
    times: int
    match: Mapping[str, str]
    """`endpoint`, `collector`, `store`, `device`: what a request must have to be struck; what is absent, any has."""
    ordered_at: datetime
    bytes: int | None = None
    delay_ms: int | None = None
    fired: int = field(default=0)

    @property
    def left(self) -> int:
        """How many times it has still to fire."""
        return self.times - self.fired


class TooManyOrdersError(Exception):
    """A client has `ORDERS_MAX` orders that are not used up."""


class Faults:
    """The orders of all clients."""

    def __init__(self) -> None:
        self._ids = count(1)
        self._orders: dict[str, list[Order]] = {}

    def order(  # noqa: PLR0913 -- an order has so many parts
        self,
        client: str,
        kind: Kind,
        times: int,
        match: Mapping[str, str],
        at: datetime,
        *,
        cut_bytes: int | None = None,
        delay_ms: int | None = None,
    ) -> Order:
        """Order a fault.

        Raises:
            TooManyOrdersError: the client has as many as it may.
        """
        orders = self._orders.setdefault(client, [])
        if len(orders) >= ORDERS_MAX:
            used_up = next((item for item in orders if not item.left), None)
            if used_up is None:
                raise TooManyOrdersError
            orders.remove(used_up)
        order = Order(next(self._ids), kind, times, match, at, cut_bytes, delay_ms)
        orders.append(order)
        return order

    def of(self, client: str) -> list[Order]:
        """Return a client's orders, newest first."""
        return self._orders.get(client, [])[::-1]

    def strike(self, client: str, request: Mapping[str, str]) -> Order | None:
        """Return the oldest order that strikes a request, and count it; None where none does."""
        for order in self._orders.get(client, ()):
            if order.left and all(request.get(name) == value for name, value in order.match.items()):
                order.fired += 1
                return order
        return None

    def clear(self, client: str, order: int | None = None) -> int:
        """Clear one order of a client or, with None, all of them; return how many there were."""
        orders = self._orders.get(client, [])
        kept = [item for item in orders if order is not None and item.id != order]
        self._orders[client] = kept
        return len(orders) - len(kept)
