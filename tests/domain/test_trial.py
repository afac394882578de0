"""A clock that was set, as a value, and a command that is decided by it."""

from datetime import UTC, datetime, timedelta

from amcash.domain.book import Ask, Book
from amcash.domain.commands import Echo
from amcash.domain.trial import SetClock, Trial
from domain.examples import collector, inquire, redeem, register, reverse

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_a_clock_that_runs_goes_on_from_where_it_was_set_and_one_that_stands_does_not():
    assert SetClock(NOON, NOON - HOUR, runs=True).at(NOON) == NOON + HOUR
    assert SetClock(NOON, NOON - HOUR, runs=False).at(NOON) == NOON


def test_a_trial_without_a_clock_is_decided_by_the_servers():
    assert Trial(Echo({}, "LOY1"), None).at(NOON) == NOON
    assert Trial(Echo({}, "LOY1"), SetClock(NOON, NOON, runs=False).moved(HOUR)).at(NOON) == NOON + HOUR


def test_a_decision_says_what_the_rules_saw_only_where_the_ask_wants_to_know():
    before = collector()
    for command in (inquire(), redeem(), reverse()):
        book = Book(collectors={before.number: before})
        told = book.decide(Ask(command, NOON, "1" * 16, explained=True), register())
        assert (told.standing.collector, told.standing.used) == (before, 0)
        assert book.decide(Ask(command, NOON, "2" * 16), register()).standing is None
