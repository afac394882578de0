"""The auditor's own days: each begins at an instant, and a moment belongs to the last day that has begun (R-TIME-2).

The writer asks a wall clock what time it is; this file works out when each day begins and compares whole
microseconds. Where the clock shows a day's start twice, the first counts; where it jumps over it, the jump does
(R-TIME-3).
"""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

DAYS_CACHED_MAX = 4_096
"""Eleven years of days; a ledger's times crowd on few of them."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_ORDINAL = _EPOCH.toordinal()
_MICROSECOND = timedelta(microseconds=1)
_SECOND = 1_000_000
_DAY = 86_400 * _SECOND


class Days:
    """The boundaries of one programme's days, in whole microseconds since 1970 UTC.

    Args:
        zone: of the programme.
        cap_day_starts: on the wall clock.
        reversal_until: on the wall clock of the calendar day after the redemption's.
    """

    def __init__(self, zone: ZoneInfo, cap_day_starts: time, reversal_until: time) -> None:
        self._zone = zone
        self._cap_day_starts = cap_day_starts
        self._reversal_until = reversal_until
        self._cap_day_begins = lru_cache(DAYS_CACHED_MAX)(self._begin_of_cap_day)
        self._name = lru_cache(DAYS_CACHED_MAX)(_iso)

    def cap_day(self, at: int) -> str | None:
        """Return the ISO date of the cap day at `at`; None for a time outside the calendar."""
        number = _EPOCH_ORDINAL + at // _DAY
        try:
            # Zones lie within 14 hours of UTC and a start within 24 of midnight, so one of these four has begun last.
            for ordinal in (number + 1, number, number - 1, number - 2):
                if self._cap_day_begins(ordinal) <= at:
                    return self._name(ordinal)
        except (ValueError, OverflowError):
            pass
        return None

    def reversal_closes(self, redeemed_at: int) -> int | None:
        """Return the last moment at which a redemption can be reversed (R-TIME-2); None outside the calendar."""
        try:
            redeemed_on = (_EPOCH + redeemed_at * _MICROSECOND).astimezone(self._zone).date()
            return _instant(redeemed_on + timedelta(days=1), self._reversal_until, self._zone)
        except (ValueError, OverflowError):
            return None

    def _begin_of_cap_day(self, ordinal: int) -> int:
        return _instant(date.fromordinal(ordinal), self._cap_day_starts, self._zone)


def _iso(ordinal: int) -> str:
    return date.fromordinal(ordinal).isoformat()


def _instant(day: date, clock: time, zone: ZoneInfo) -> int:
    """Return the first instant at which the wall clock of `zone` shows `clock` on `day`, or has jumped over it."""
    early, late = ((datetime.combine(day, clock.replace(fold=fold), zone) - _EPOCH) // _MICROSECOND for fold in (0, 1))
    if early <= late:  # an ordinary time, or the first of two
        return early
    # Inside a jump the two readings stand in reverse order, one on each side of it: halve until the jump is found.
    before, behind = late // _SECOND, early // _SECOND
    offset = _offset(before, zone)
    while behind - before > 1:
        middle = (before + behind) // 2
        if _offset(middle, zone) == offset:
            before = middle
        else:
            behind = middle
    return behind * _SECOND


def _offset(second: int, zone: ZoneInfo) -> timedelta | None:
    return (_EPOCH + timedelta(seconds=second)).astimezone(zone).utcoffset()
