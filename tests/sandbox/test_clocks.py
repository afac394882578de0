"""A client's own clock: the rules go by it, and nothing else does."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from amcash.sandbox.clocks import Clocks, ImpossibleTimeError, moment

TORONTO = ZoneInfo("America/Toronto")
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_a_clock_is_stopped_and_let_run_from_where_it_is():
    server = [NOON]
    clocks = Clocks(lambda: server[0])
    clocks.put("a", None, runs=False)
    server[0] += HOUR
    assert clocks.now("a") == NOON
    assert clocks.now("b") == NOON + HOUR
    clocks.put("a", None, runs=True)
    server[0] += HOUR
    assert clocks.now("a") == NOON + HOUR


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-03-08T01:59:50", "2026-03-08T06:59:50"),
        ("2026-11-01T01:30:00", "2026-11-01T05:30:00"),  # shown twice: the first
        ("2026-11-01T01:30:00-05:00", "2026-11-01T06:30:00"),
        ("2026-07-01T12:00Z", "2026-07-01T12:00:00"),
    ],
)
def test_a_time_is_read_with_its_offset_or_on_the_programmes_wall_clock(text, utc):
    assert moment(text, TORONTO) == datetime.fromisoformat(utc).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["2026-03-08T02:30:00", "2026-02-30T12:00", "tomorrow", "2026-01-01", "", "9999-12-31T23:59"]
)
def test_a_time_that_no_clock_shows_is_refused(text):
    with pytest.raises(ImpossibleTimeError):
        Clocks(lambda: NOON).put("a", moment(text, TORONTO), runs=None)


def test_without_one_of_its_own_a_client_goes_by_the_servers_clock(partner):
    shown = partner.done("GET", "clock")
    assert (shown["own"], shown["runs"], shown["timezone"]) == (False, True, "America/Toronto")
    assert shown["now"][:16] == shown["server"][:16]


def test_two_clients_do_not_disturb_each_other(partner, other, collector):
    partner.done("PUT", "clock", {"time": "2027-05-05T10:00:00", "runs": False})
    assert partner.till.inquire(collector).body["transDateTime"] == "2027-05-05T10:00:00"
    other.done("PUT", "clock", {"time": "2021-02-03T04:05:06", "runs": False})
    assert other.till.inquire(collector).body["transDateTime"] == "2021-02-03T04:05:06"
    assert partner.till.inquire(collector).body["transDateTime"] == "2027-05-05T10:00:00"
    assert partner.done("DELETE", "clock")["own"] is False
    assert other.done("GET", "clock")["own"] is True


def test_every_answer_carries_the_clients_time_also_one_that_nobody_decided(partner):
    partner.done("PUT", "clock", {"time": "2030-01-01T00:00:00", "runs": False})
    till = partner.till
    answers = [till.echo(), till.inquire(basket="x"), till.inquire("999"), till.inquire(cardEntryMode="MANUAL")]
    assert [answer.code for answer in answers] == ["0000", "0035", "0025", "0009"]
    assert {answer.body["transDateTime"] for answer in answers} == {"2030-01-01T00:00:00"}


def test_the_cap_goes_by_the_clients_day_there_and_back(partner, collector):
    partner.done("PUT", "clock", {"time": "2026-06-10T02:59:59", "runs": False})
    assert partner.till.redeem(collector, dollars="750.00").code == "0000"
    assert partner.till.redeem(collector).code == "0065"
    partner.done("POST", "clock/step", {"seconds": 1})
    assert partner.till.redeem(collector).code == "0000"
    partner.done("POST", "clock/step", {"seconds": -1})
    assert partner.till.redeem(collector).code == "0065"


def test_a_reversal_after_the_clients_window_is_0080_and_before_it_is_not(partner, collector):
    partner.done("PUT", "clock", {"time": "2026-06-10T10:00:00", "runs": False})
    first, second = (partner.till.redeem(collector).body["txnConfirmationNumber"] for _ in range(2))
    partner.done("PUT", "clock", {"time": "2026-06-11T03:00:00"})
    assert partner.till.reverse(first, collector).code == "0000"
    partner.done("POST", "clock/step", {"seconds": 1})
    assert partner.till.reverse(second, collector).code == "0080"


def test_tokens_stay_on_the_servers_clock(partner):
    partner.done("PUT", "clock", {"time": "2099-12-30T23:00:00"})
    assert partner.till.echo().code == "0000"
    assert partner.done("GET", "clock")["local"].startswith("2099-12-30T23:00")


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("clock", {"time": "yesterday"}, "time"),
        ("clock", {"time": "1999-12-31T12:00:00Z"}, "time"),
        ("clock", {"time": "2026-03-08T02:30:00"}, "time"),
        ("clock", {"time": 5}, "time"),
        ("clock", {"runs": "yes"}, "runs"),
        ("clock", {"speed": 2}, "speed"),
        ("clock", {}, "time"),
        ("clock", b"{", "body"),
        ("clock", b"\xff", "body"),
        ("clock", [], "body"),
        ("clock/step", {}, "seconds"),
        ("clock/step", {"days": 999_999_999_999}, "days"),
        ("clock/step", {"days": 40_000}, "days"),
        ("clock/step", {"hours": 1.5}, "hours"),
        ("clock/step", {"weeks": 1}, "weeks"),
    ],
)
def test_an_impossible_clock_is_a_problem_that_names_the_field_and_changes_nothing(partner, path, body, field):
    answer = partner.ask("PUT" if path == "clock" else "POST", path, body)
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status, answer.body["status"], answer.body["field"]) == (400, 400, field)
    assert answer.body["detail"].startswith(f"{field} must ")
    assert partner.done("GET", "clock")["own"] is False
