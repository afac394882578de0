"""What a sandbox adds to a command: a moment of its client's own. This file alone says what a clock that was set is.

The clock is a value, so the rules stay pure and time still enters as an argument (R-TIME-4).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from amcash.domain.commands import Command


@dataclass(frozen=True, slots=True)
class SetClock:
    """A clock as it was set: what it showed at a moment of the server's, and whether it goes on from there."""

    shown: datetime
    set_at: datetime
    runs: bool

    def at(self, now: datetime) -> datetime:
        """Return what it shows when the server's clock shows `now`."""
        return self.shown + (now - self.set_at) if self.runs else self.shown

    def moved(self, by: timedelta) -> "SetClock":
        """Return the same clock, set forward, or back where `by` is negative."""
        return SetClock(self.shown + by, self.set_at, self.runs)


@dataclass(frozen=True, slots=True)
class Trial:
    """A command in a sandbox: decided at its client's own moment, and the decision says what the rules saw."""

    command: Command
    clock: SetClock | None
    """None where the server's counts."""

    def at(self, now: datetime) -> datetime:
        """Return the moment at which it is decided when the server's clock shows `now`."""
        return now if self.clock is None else self.clock.at(now)
