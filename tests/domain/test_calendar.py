"""Three boundaries between days (R-TIME-2), through both daylight-saving nights (R-TIME-3)."""

from datetime import date, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from amcash.domain.calendar import cap_day, file_day, local, reversal_closes
from domain.examples import NOON, programme, toronto, utc


@pytest.mark.parametrize(
    ("at", "day"),
    [
        ("2026-06-15 03:00:00", date(2026, 6, 15)),
        ("2026-06-15 02:59:59.999999", date(2026, 6, 14)),
        ("2026-06-15 00:00:00", date(2026, 6, 14)),
        ("2026-06-15 23:59:59", date(2026, 6, 15)),
        ("2026-01-01 02:59:59", date(2025, 12, 31)),
        ("2024-03-01 01:00:00", date(2024, 2, 29)),
        # The night that has no 02:00 to 03:00: 01:59:59 is followed by 03:00:00.
        ("2026-03-08 01:59:59", date(2026, 3, 7)),
        ("2026-03-08 03:00:00", date(2026, 3, 8)),
    ],
)
def test_the_cap_day_starts_at_03_00_on_the_wall_clock(at, day):
    assert cap_day(toronto(at), programme()) == day


def test_the_cap_day_starts_on_the_wall_clock_of_the_programme_not_in_utc():
    # 03:00 UTC is 23:00 of the day before in Toronto.
    assert cap_day(utc("2026-06-15 03:00"), programme()) == date(2026, 6, 14)
    assert cap_day(utc("2026-06-15 06:59:59"), programme()) == date(2026, 6, 14)
    assert cap_day(utc("2026-06-15 07:00:00"), programme()) == date(2026, 6, 15)  # 03:00 EDT
    assert cap_day(utc("2026-01-15 07:59:59"), programme()) == date(2026, 1, 14)
    assert cap_day(utc("2026-01-15 08:00:00"), programme()) == date(2026, 1, 15)  # 03:00 EST


@pytest.mark.parametrize("fold", [0, 1])
def test_an_hour_that_the_clock_shows_twice_is_before_03_00_both_times(fold):
    assert cap_day(toronto("2026-11-01 01:30", fold=fold), programme()) == date(2026, 10, 31)


@pytest.mark.parametrize(
    ("night", "hours"), [("2026-03-08", 23), ("2026-11-01", 25), ("2026-06-15", 24), ("2026-12-31", 24)]
)
def test_the_file_day_of_a_daylight_saving_night_is_an_hour_shorter_or_longer(night, hours):
    begins = toronto(f"{night} 00:00")
    day = date.fromisoformat(night)
    ends = begins + timedelta(hours=hours)
    moment = timedelta(microseconds=1)
    assert file_day(begins - moment, programme()) == day - timedelta(days=1)
    assert file_day(begins, programme()) == day
    assert file_day(ends - moment, programme()) == day
    assert file_day(ends, programme()) == day + timedelta(days=1)


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-07", 23), ("2026-03-08", 24), ("2026-10-31", 25), ("2026-11-01", 24)]
)
def test_the_cap_day_before_a_daylight_saving_morning_is_an_hour_shorter_or_longer(day, hours):
    begins = toronto(f"{day} 03:00")
    moment = timedelta(microseconds=1)
    assert cap_day(begins, programme()) == date.fromisoformat(day)
    assert cap_day(begins + timedelta(hours=hours) - moment, programme()) == date.fromisoformat(day)
    assert cap_day(begins + timedelta(hours=hours), programme()) == date.fromisoformat(day) + timedelta(days=1)


def test_the_file_day_and_the_cap_day_are_two_boundaries():
    at = toronto("2026-06-15 01:00")
    assert (file_day(at, programme()), cap_day(at, programme())) == (date(2026, 6, 15), date(2026, 6, 14))


@pytest.mark.parametrize("start", range(24))
@pytest.mark.parametrize("night", ["2026-03-08", "2026-11-01"])
def test_days_never_go_back_whatever_hour_they_start_at(night, start):
    odd = programme(cap_day_starts=time(start, 30))
    begins = toronto(f"{night} 00:00") - timedelta(days=1)
    days = [cap_day(begins + timedelta(minutes=10 * step), odd) for step in range(3 * 24 * 6)]
    steps = {later - earlier for earlier, later in pairwise(days)}
    assert steps == {timedelta(0), timedelta(days=1)}  # never back, and no day left out


def test_a_start_that_the_clock_jumps_over_counts_at_the_jump():
    odd = programme(cap_day_starts=time(2, 30))
    assert cap_day(toronto("2026-03-08 01:59:59.999999"), odd) == date(2026, 3, 7)
    assert cap_day(toronto("2026-03-08 03:00"), odd) == date(2026, 3, 8)


def test_a_start_that_the_clock_shows_twice_counts_the_first_time():
    odd = programme(cap_day_starts=time(1, 30))
    assert cap_day(toronto("2026-11-01 01:29:59"), odd) == date(2026, 10, 31)
    assert cap_day(toronto("2026-11-01 01:30"), odd) == date(2026, 11, 1)
    assert cap_day(toronto("2026-11-01 01:10", fold=1), odd) == date(2026, 11, 1)
    assert cap_day(toronto("2026-11-01 01:30", fold=1), odd) == date(2026, 11, 1)


def test_a_midnight_that_the_clock_jumps_over_still_starts_a_file_day():
    # São Paulo, 4 November 2018: 23:59:59 was followed by 01:00:00.
    brazil = programme(zone=ZoneInfo("America/Sao_Paulo"))
    assert file_day(utc("2018-11-04 02:59:59"), brazil) == date(2018, 11, 3)
    assert file_day(utc("2018-11-04 03:00:00"), brazil) == date(2018, 11, 4)


def test_a_midnight_that_the_clock_shows_twice_starts_one_file_day():
    # Havana, 1 November 2026: 00:59:59 is followed by 00:00:00 of the same day.
    cuba = programme(zone=ZoneInfo("America/Havana"))
    assert file_day(utc("2026-11-01 03:59:59"), cuba) == date(2026, 10, 31)
    assert file_day(utc("2026-11-01 04:00:00"), cuba) == date(2026, 11, 1)
    assert file_day(utc("2026-11-01 05:00:00"), cuba) == date(2026, 11, 1)


@pytest.mark.parametrize(
    ("redeemed", "closes"),
    [
        ("2026-06-15 12:00", "2026-06-16 03:00"),
        ("2026-06-15 03:00", "2026-06-16 03:00"),
        ("2026-06-15 23:59:59", "2026-06-16 03:00"),
        # The calendar day counts, not the cap day: half past midnight has until the night after.
        ("2026-06-15 00:30", "2026-06-16 03:00"),
        ("2026-06-15 02:59:59", "2026-06-16 03:00"),
        ("2026-12-31 20:00", "2027-01-01 03:00"),
        ("2028-02-28 20:00", "2028-02-29 03:00"),
        ("2026-03-07 12:00", "2026-03-08 03:00"),  # into the short night
        ("2026-10-31 12:00", "2026-11-01 03:00"),  # into the long night
    ],
)
def test_a_reversal_is_allowed_until_03_00_on_the_calendar_day_after(redeemed, closes):
    assert reversal_closes(toronto(redeemed), programme()) == toronto(closes)


def test_the_reversal_window_lasts_as_long_as_the_night_does():
    def window(redeemed):
        return _closes_in_utc(redeemed) - toronto(redeemed)

    assert window("2026-03-07 12:00") == timedelta(hours=14)
    assert window("2026-06-15 12:00") == timedelta(hours=15)
    assert window("2026-10-31 12:00") == timedelta(hours=16)


def test_the_evening_in_toronto_is_the_next_day_in_utc_and_still_closes_the_next_morning():
    assert reversal_closes(utc("2026-06-16 01:00"), programme()) == toronto("2026-06-16 03:00")


def test_local_time_is_the_programmes_wall_clock():
    assert local(NOON, programme()).isoformat() == "2026-06-15T12:00:00-04:00"


def _closes_in_utc(redeemed):
    return reversal_closes(toronto(redeemed), programme()).astimezone(ZoneInfo("UTC"))


@pytest.mark.parametrize(
    ("redeemed", "until", "closes"),
    [
        ("2026-03-07 12:00", time(2, 30), "2026-03-08 07:00"),  # 02:30 never comes; the clock jumps at 07:00 UTC
        ("2026-03-07 12:00", time(2, 0), "2026-03-08 07:00"),
        ("2026-03-07 12:00", time(3, 0), "2026-03-08 07:00"),
        ("2026-03-07 12:00", time(1, 59), "2026-03-08 06:59"),
        ("2026-10-31 12:00", time(1, 30), "2026-11-01 05:30"),  # 01:30 comes twice; the first counts
    ],
)
def test_a_window_that_ends_in_a_night_of_changing_clocks_ends_when_its_hour_is_first_shown_or_jumped_over(
    redeemed, until, closes
):
    assert reversal_closes(toronto(redeemed), programme(reversal_until=until)) == utc(closes)
