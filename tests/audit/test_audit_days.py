"""The auditor's days, against days worked out by hand and against the writer's own."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from amcash.audit.days import Days
from amcash.domain import calendar
from amcash.domain.vocabulary import Cents, OverRequest, Programme
from audit.story import TORONTO, toronto

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAYS = Days(TORONTO, time(3), time(3))


def _at(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        (toronto("2026-06-15 03:00"), "2026-06-15"),
        (toronto("2026-06-15 02:59:59.999999"), "2026-06-14"),
        (toronto("2026-06-15 23:59"), "2026-06-15"),
        (toronto("2026-03-08 01:59:59.999999"), "2026-03-07"),  # the next microsecond is 03:00
        (toronto("2026-03-08 03:00"), "2026-03-08"),
        (toronto("2026-11-01 01:30", fold=0), "2026-10-31"),
        (toronto("2026-11-01 01:30", fold=1), "2026-10-31"),
        (toronto("2026-11-01 02:59:59"), "2026-10-31"),
        (toronto("2026-11-01 03:00"), "2026-11-01"),
    ],
)
def test_a_cap_day_starts_at_three_on_the_wall_clock(moment, day):
    assert DAYS.cap_day(_at(moment)) == day


@pytest.mark.parametrize(
    ("redeemed", "closes"),
    [
        ("2026-06-15 00:00", "2026-06-16 03:00"),
        ("2026-06-15 02:59", "2026-06-16 03:00"),
        ("2026-06-15 23:59:59", "2026-06-16 03:00"),
        ("2026-03-07 12:00", "2026-03-08 03:00"),
        ("2026-10-31 12:00", "2026-11-01 03:00"),
    ],
)
def test_a_reversal_is_possible_until_three_on_the_next_calendar_day(redeemed, closes):
    assert DAYS.reversal_closes(_at(toronto(redeemed))) == _at(toronto(closes))


def test_a_start_that_the_clock_jumps_over_counts_at_the_jump():
    days = Days(TORONTO, time(2, 30), time(3))
    jump = _at(toronto("2026-03-08 03:00"))
    assert (days.cap_day(jump - 1), days.cap_day(jump)) == ("2026-03-07", "2026-03-08")


def test_a_start_that_the_clock_shows_twice_counts_the_first_time():
    days = Days(TORONTO, time(1, 30), time(3))
    first = _at(toronto("2026-11-01 01:30", fold=0))
    assert (days.cap_day(first - 1), days.cap_day(first)) == ("2026-10-31", "2026-11-01")
    assert days.cap_day(_at(toronto("2026-11-01 01:10", fold=1))) == "2026-11-01"


@pytest.mark.parametrize("at", [2**62, -(2**62), 253_402_300_799_999_999, -62_135_596_800_000_000])
def test_a_time_outside_the_calendar_has_no_day_and_no_window(at):
    days = Days(TORONTO, time(3), time(3))
    days.cap_day(at)
    days.reversal_closes(at)
    assert days.cap_day(2**62) is None
    assert days.reversal_closes(2**62) is None


@pytest.mark.parametrize("zone", ["America/Toronto", "America/St_Johns", "Pacific/Kiritimati", "Etc/GMT+12", "UTC"])
@pytest.mark.parametrize("starts", [time(0), time(1, 30), time(3), time(23, 59, 59)])
def test_auditor_and_writer_agree_on_every_half_hour_of_a_year(zone, starts):
    days = Days(ZoneInfo(zone), starts, time(3))
    programme = Programme(
        "AM", ZoneInfo(zone), "CAD", starts, time(0), time(3), Cents(1), OverRequest.DECLINE, check_digit=False
    )
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    for _ in range(366 * 48):
        at = _at(moment)
        assert days.cap_day(at) == calendar.cap_day(moment, programme).isoformat(), moment
        assert days.reversal_closes(at) == _at(calendar.reversal_closes(moment, programme)), moment
        moment += timedelta(minutes=30)
