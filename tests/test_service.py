"""The service's part in a hand-over: what is written down before, marked after, and taken back."""

import datetime as dt

import pytest

from amcash.domain.book import Ask
from amcash.ledger.handover import Journal, JournalError, Journals, Marks
from amcash.service import HAND_OVER_MARGIN, HandOverTooLateError, Service
from ledger.examples import ANNA, NOW, REGISTER, opened, redeem, reverse

GRACE = dt.timedelta(seconds=30)
NUMBER = "1000000000000000"
BEGAN = 0.0
ONE = (ANNA, NUMBER)


class Moment:
    now = NOW

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Moment()


@pytest.fixture
def ticks():
    """Seconds that nobody sets; a request began at 0."""
    ticks = Moment()
    ticks.now = 0.0
    return ticks


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "handover"


@pytest.fixture
def journal(folder):
    journal = Journal(folder)
    yield journal
    journal.close()


@pytest.fixture
def marks(journal):
    return Marks(journal.committed)


@pytest.fixture
def service(journal, marks, clock, ticks):
    return Service(None, None, clock, grace=GRACE, journal=journal, marks=marks, ticks=ticks)


def decided(*commands, cash=1900):
    book = opened((ANNA, cash, 0))
    return [(command, book.decide(Ask(command, NOW, NUMBER, NOW + GRACE), REGISTER)) for command in commands]


def test_an_approval_is_journalled_handed_over_and_marked(service, folder, marks):
    """R-DLV-2, R-DLV-3a."""
    (approval,) = decided(redeem())
    service.about_to_hand_over(*approval, BEGAN)
    assert Journals(folder).standing() == {ONE}
    assert marks.waiting == 0
    service.handed_over(*approval)
    with marks.riding() as riding:
        assert riding == [ONE]


def test_a_claimed_approval_is_handed_over_like_a_fresh_one(service, folder, marks):
    """R-DLV-4."""
    _, claim = decided(redeem(), redeem())
    service.about_to_hand_over(*claim, BEGAN)
    service.handed_over(*claim)
    assert (Journals(folder).standing(), marks.waiting) == ({ONE}, 1)


def test_a_hand_over_that_failed_is_taken_back(service, folder, marks):
    """R-DLV-3."""
    (approval,) = decided(redeem())
    service.about_to_hand_over(*approval, BEGAN)
    service.not_handed_over(*approval)
    assert (Journals(folder).standing(), marks.waiting) == (set(), 0)


def test_what_awaits_no_delivery_leaves_no_trace(service, folder, marks):
    """Declines, reversals (R-DLV-8)."""
    for answer in (*decided(redeem(), reverse(NUMBER))[1:], *decided(redeem(), cash=0)):
        service.about_to_hand_over(*answer, BEGAN)
        service.handed_over(*answer)
        service.not_handed_over(*answer)
    assert (Journals(folder).standing(), marks.waiting) == (set(), 0)


def test_an_approval_whose_time_is_nearly_over_must_not_be_sent(service, folder, clock):
    """A sweeper may be cancelling it."""
    (approval,) = decided(redeem())
    clock.now = NOW + GRACE - HAND_OVER_MARGIN
    with pytest.raises(HandOverTooLateError):
        service.about_to_hand_over(*approval, BEGAN)
    assert Journals(folder).standing() == set()
    clock.now -= dt.timedelta(microseconds=1)
    service.about_to_hand_over(*approval, BEGAN)


def test_an_approval_grows_old_while_its_line_is_written(service, folder, clock, monkeypatch):
    """A frozen disk: the row expires and is cancelled by a sweeper that saw no line (R-DLV-3a)."""
    (approval,) = decided(redeem())
    append = Journal.append

    def slowly(journal, *one):
        clock.now += GRACE
        append(journal, *one)

    monkeypatch.setattr(Journal, "append", slowly)
    with pytest.raises(HandOverTooLateError):
        service.about_to_hand_over(*approval, BEGAN)
    assert Journals(folder).standing() == set()


def test_a_clock_that_was_set_back_while_the_process_slept_does_not_make_an_approval_young_again(
    service, folder, clock, ticks
):
    """A sweeper of another process may have cancelled it meanwhile."""
    (approval,) = decided(redeem())
    clock.now = NOW - GRACE
    ticks.now = (GRACE - HAND_OVER_MARGIN).total_seconds()
    with pytest.raises(HandOverTooLateError):
        service.about_to_hand_over(*approval, BEGAN)
    assert Journals(folder).standing() == set()
    ticks.now -= 0.001
    service.about_to_hand_over(*approval, BEGAN)


def test_what_cannot_be_journalled_must_not_be_sent(service, monkeypatch):
    (approval,) = decided(redeem())

    def full(_descriptor, _line):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("amcash.ledger.handover.os.write", full)
    with pytest.raises(JournalError):
        service.about_to_hand_over(*approval, BEGAN)


def test_where_nobody_follows_deliveries_there_is_nothing_to_do(clock):
    service = Service(None, None, clock)
    (approval,) = decided(redeem())
    service.about_to_hand_over(*approval, BEGAN)
    service.handed_over(*approval)
    service.not_handed_over(*approval)
