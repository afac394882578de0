"""`amcash outage`."""

from datetime import UTC, datetime

import pytest

from amcash.ledger import register as registers


def in_force(ledger, at):
    with ledger.open() as store, store.read() as session:
        outage = registers.read(session).outage
    return outage is not None and outage.in_force(at)


def test_an_outage_lasts_until_it_is_switched_off(amcash, ledger, hours_from_now):
    assert "until `amcash outage off`" in amcash.done("outage", "on")
    assert amcash.json("outage", "show") == {"in_force": True, "until": None}
    assert in_force(ledger, hours_from_now(10_000))
    assert "The outage is over." in amcash.done("outage", "off")
    assert amcash.json("outage", "show") == {"in_force": False, "until": None}
    assert not in_force(ledger, hours_from_now(0))


def test_a_time_without_an_offset_is_the_programmes_wall_clock(amcash):
    assert "2099-07-01 05:00:00 (America/Toronto)" in amcash.done("outage", "on", "--until", "2099-07-01T05:00")
    assert amcash.json("outage", "show") == {"in_force": True, "until": "2099-07-01T09:00:00.000000Z"}


@pytest.mark.parametrize("time", ["2099-01-01T05:00-05:00", "2099-01-01T10:00Z", "2099-01-01 05:00"])
def test_a_time_may_be_written_in_any_iso_form(amcash, ledger, time):
    amcash.done("outage", "on", "--until", time)
    assert in_force(ledger, datetime(2099, 1, 1, 9, 59, 59, tzinfo=UTC))
    assert not in_force(ledger, datetime(2099, 1, 1, 10, tzinfo=UTC))


def test_a_new_outage_replaces_the_one_in_force(amcash):
    amcash.done("outage", "on")
    amcash.done("outage", "on", "--until", "2099-01-01T10:00Z")
    assert amcash.json("outage", "show")["until"] == "2099-01-01T10:00:00.000000Z"


def test_a_time_that_is_over_is_refused(amcash):
    assert "is over already; the outage was not declared" in amcash.refused(
        "outage", "on", "--until", "2020-01-01T00:00"
    )
    assert amcash.json("outage", "show")["in_force"] is False


def test_an_outage_whose_time_has_come_is_not_in_force(amcash, ledger):
    amcash.done("outage", "on", "--until", "2099-01-01T00:00")
    ledger.change("UPDATE outage SET until = 1000000")
    assert amcash.done("outage", "show") == "No outage is in force.\n"
    assert amcash.done("outage", "off") == "No outage was in force; none is now.\n"


@pytest.mark.parametrize("time", ["tomorrow", "25:00", "2099-02-30T05:00", "2099-02-28", "20990228", ""])
def test_what_is_no_time_is_a_usage_error(amcash, time):
    assert "2026-07-01T05:00" in amcash.misused("outage", "on", "--until", time)


@pytest.mark.parametrize("time", ["0001-01-01T00:00+14:00", "9999-12-31T23:59:59-12:00", "9999-12-31T00:00"])
def test_the_ends_of_the_calendar_break_nothing(amcash, time):
    amcash("outage", "on", "--until", time)
    amcash.done("outage", "show")


def test_a_change_raises_the_registers_version_so_that_servers_see_it(amcash, ledger):
    before = ledger.rows("SELECT version FROM register_version")
    amcash.done("outage", "on")
    assert ledger.rows("SELECT version FROM register_version") > before


@pytest.mark.parametrize(("time", "why"), [("2099-03-08T02:30", "is not"), ("2099-11-01T01:30", "is twice")])
def test_a_time_that_the_wall_clock_does_not_have_once_is_refused(amcash, time, why):
    sentence = amcash.refused("outage", "on", "--until", time)
    assert f"{why} on the clocks of America/Toronto" in sentence
    assert amcash.json("outage", "show")["in_force"] is False
    amcash.done("outage", "on", "--until", f"{time}-05:00")
