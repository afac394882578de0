"""The short form of `make torture`: each programme once, with small counts, and a planted bug that must be found."""

import asyncio

import pytest

from torture import programmes
from torture.place import ALONE, House
from torture.programmes import Skipped

SEED = 20_260_716


@pytest.fixture(scope="session")
def house():
    with House() as made:
        yield made


def attacked(house, programme, *words, planted=None, **named):
    try:
        return asyncio.run(programme(house, *words, SEED, planted, **named))
    except Skipped as why:
        pytest.skip(str(why))


def assert_found_nothing(result):
    assert not result.verdict.sentences, result.line()
    assert result.ok


@pytest.mark.parametrize(("kind", "count"), [("sqlite", 3), ("postgres", 5), (ALONE, 5)])
def test_kill_9_loses_doubles_and_cancels_nothing(house, kind, count):
    # How soon the service is back is `make torture`'s to measure: here other tests are at work beside it.
    assert_found_nothing(attacked(house, programmes.kills, kind, count, back_s={kind: programmes.BACK_MAX_S}))


def test_an_answer_that_was_cut_is_the_truth_for_who_asks_again_and_cancelled_for_who_does_not(house):
    result = attacked(house, programmes.cuts, "sqlite", 120)
    assert_found_nothing(result)
    assert result.verdict.cancelled


@pytest.mark.parametrize("kind", ["postgres", ALONE])
def test_a_connection_cut_inside_a_commit_leaves_the_truth(house, kind):
    assert_found_nothing(attacked(house, programmes.commit_cuts, kind, 8))


def test_a_request_submitted_in_parallel_to_several_processes_debits_once(house):
    assert_found_nothing(attacked(house, programmes.duplicates, 400))


def test_a_full_disk_costs_no_truth(house):
    assert_found_nothing(attacked(house, programmes.full_disk, 1))


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_failing_fsync_costs_no_truth(house, kind):
    assert_found_nothing(attacked(house, programmes.failing_fsync, kind, 1))


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_one_order_explains_every_answer(house, kind):
    assert_found_nothing(attacked(house, programmes.history, kind, 1_000))


@pytest.mark.parametrize(
    ("bug", "programme", "words", "found"),
    [
        ("sweeper_asleep", programmes.cuts, ("sqlite", 60), "charged yet never sent"),
        ("no_idempotency_lookup", programmes.duplicates, (40,), "double"),
    ],
)
def test_the_judge_finds_a_planted_bug(house, bug, programme, words, found):
    assert found in attacked(house, programme, *words, planted=bug).verdict.found
