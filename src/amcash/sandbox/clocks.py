"""Each client's own clock: set, moved, stopped. The only home of what a clock of a sandbox may show."""

from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from amcash.domain.trial import SetClock
from amcash.ledger.settle import Clock

EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2100, 1, 1, tzinfo=UTC)
"""A clock is set within these: every zone has rules for such years, and no day counted from them leaves a calendar."""


class ImpossibleTimeError(ValueError):
    """No clock shows this; the message is the end of a sentence that begins with `must`."""


class Clocks:
    """The clocks of all clients; one that has none goes by the server's.

    Args:
        server: gives the server's time.
    """

    def __init__(self, server: Clock) -> None:
        self._server = server
        self._set: dict[str, SetClock] = {}

    def of(self, client: str) -> SetClock | None:
        """Return a client's clock; None where it is the server's."""
        return self._set.get(client)

    def now(self, client: str) -> datetime:
        """Return what a client's clock shows."""
        clock, now = self._set.get(client), self._server()
        return now if clock is None else clock.at(now)

    def runs(self, client: str) -> bool:
        """Tell whether a client's clock goes on."""
        clock = self._set.get(client)
        return clock is None or clock.runs

    def put(self, client: str, shown: datetime | None, *, runs: bool | None) -> None:
        """Set a client's clock, let it run or let it stand; what is None stays as it is.

        Raises:
            ImpossibleTimeError: outside `EARLIEST` to `LATEST`.
        """
        shown = self.now(client) if shown is None else shown
        if not EARLIEST <= shown < LATEST:
            raise ImpossibleTimeError(f"lie in the years {EARLIEST.year} to {LATEST.year - 1}")
        self._set[client] = SetClock(shown, self._server(), self.runs(client) if runs is None else runs)

    def step(self, client: str, by: timedelta) -> None:
        """Move a client's clock, forward or back.

        Raises:
            ImpossibleTimeError: it would leave `EARLIEST` to `LATEST`.
        """
        try:
            self.put(client, self.now(client) + by, runs=None)
        except OverflowError:
            raise ImpossibleTimeError(f"stay in the years {EARLIEST.year} to {LATEST.year - 1}") from None

    def clear(self, client: str) -> None:
        """Give a client the server's clock back."""
        self._set.pop(client, None)


def moment(text: str, zone: ZoneInfo) -> datetime:
    """Return the time that a text names, in UTC: with an offset, or on the wall clock of `zone`.

    Of an hour that the clock shows twice it is the first.

    Raises:
        ImpossibleTimeError: it names none.
    """
    try:
        named = datetime.fromisoformat(text)
    except ValueError:
        named = None
    if named is None or "T" not in text.upper():  # a day alone may not be what was meant
        raise ImpossibleTimeError("be a date and time such as 2026-03-08T01:59:50 or 2026-03-08T01:59:50-05:00")
    try:
        moment = (named if named.tzinfo is not None else named.replace(tzinfo=zone)).astimezone(UTC)
    except OverflowError:
        raise ImpossibleTimeError(f"lie in the years {EARLIEST.year} to {LATEST.year - 1}") from None
    if named.tzinfo is None and moment.astimezone(zone).replace(tzinfo=None, fold=0) != named.replace(fold=0):
        raise ImpossibleTimeError(f"be on the clocks of {zone.key}, which jump over it; or have an offset")
    return moment
