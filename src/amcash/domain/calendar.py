"""The three boundaries between days, each a named function of a time (R-TIME-2). Only here does a zone matter.

Days follow the wall clock of the programme's zone through both daylight-saving nights (R-TIME-3).
"""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from amcash.domain.vocabulary import Programme

_SECOND = timedelta(seconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOMENTS_REMEMBERED = 16
"""One redemption asks thrice for the day of one moment, and its whole batch for the same."""
_SECONDS_REMEMBERED = 64
"""All answers of a second carry the same local time; a retry's is an older one."""


def cap_day(now: datetime, programme: Programme) -> date:
    """Return the day whose cap a redemption at `now` counts against; it starts at 03:00 [known]."""
    return _day(now, programme.zone, programme.cap_day_starts)


def file_day(now: datetime, programme: Programme) -> date:
    """Return the day in whose reconciliation file a transaction at `now` stands; it starts at 00:00 [known]."""
    return _day(now, programme.zone, programme.file_day_starts)


def reversal_closes(redeemed_at: datetime, programme: Programme) -> datetime:
    """Return the last moment at which a redemption made at `redeemed_at` can be reversed.

    03:00:00 on the calendar day after the redemption's calendar day, that moment included: the library turns
    away what is attempted *after* 3:00 AM (`0080`).
    """
    next_day = redeemed_at.astimezone(programme.zone).date() + timedelta(days=1)
    return _first_shown(next_day, programme.reversal_until, programme.zone)


def local(now: datetime, programme: Programme) -> datetime:
    """Return `now` on the programme's wall clock (R-WIRE-7)."""
    return now.astimezone(programme.zone)


def wall_clock(now: datetime, programme: Programme) -> str:
    """Return what the programme's clock shows at `now`, to the second: `2019-01-30T03:59:03` (R-WIRE-7)."""
    since = now - _EPOCH  # the cheapest thing about a moment that is equal throughout a second
    return _shown(since.days, since.seconds, programme.zone)


@lru_cache(maxsize=_SECONDS_REMEMBERED)
def _shown(days: int, seconds: int, zone: ZoneInfo) -> str:
    at = _EPOCH + timedelta(days, seconds)
    return at.astimezone(zone).replace(tzinfo=None).isoformat(timespec="seconds")


@lru_cache(maxsize=_MOMENTS_REMEMBERED)
def _day(now: datetime, zone: ZoneInfo, starts: time) -> date:
    here = now.astimezone(zone)
    today = here.date()
    # A start that the clock shows twice counts the first time; one that it jumps over counts at the jump.
    begun = here.time() >= starts or datetime.combine(today, starts, zone).timestamp() <= now.timestamp()
    return today if begun else today - timedelta(days=1)


def _first_shown(day: date, at: time, zone: ZoneInfo) -> datetime:
    """Return the first moment at which the wall clock shows `at` on `day`, or jumps over it."""
    late = datetime.combine(day, at, zone).astimezone(UTC)
    if late.astimezone(zone).time() == at:
        return late
    # Jumped over: the moment lies between the two readings of the time that never was, where the offset changes.
    early = datetime.combine(day, at.replace(fold=1), zone).astimezone(UTC)
    while late - early > _SECOND:
        middle = early + (late - early) // 2
        if middle.astimezone(zone).utcoffset() == late.astimezone(zone).utcoffset():
            late = middle
        else:
            early = middle
    return late.replace(microsecond=0)
