"""A sound ledger verifies, whatever happened in it and in whatever order the database gives it."""

import random
from collections import Counter
from datetime import UTC, timedelta

import pytest

from amcash.audit.streams import DELIVERIES, OUTCOMES, SPINE, TRANSFERS, OrderError
from amcash.audit.verify import Report, verify
from amcash.domain.vocabulary import Cents, OverRequest
from amcash.ledger.sqlite import SqliteStore
from audit.story import ANNE, BOB, CAROL, DAN, PROGRAMME, Snapshot, Story, toronto


def test_the_story_has_every_recorded_code_and_every_kind_of_transfer(told, snapshot):
    assert set(told[1]) == {"0000", "0001", "0002", "0005", "0006", "0051", "0057", "0065", "0066", "0080"}
    kinds = {kind for (kind,) in snapshot.run("SELECT DISTINCT kind FROM transfer")}
    assert kinds == {"opening", "credit", "redemption", "reversal", "cancellation", "adjustment"}


def test_a_sound_ledger_has_no_findings_and_everything_is_counted(told, snapshot):
    report = verify(snapshot)
    assert report == Report(True, 5, 24, len(told[1]), [], 0)


def test_a_ledger_is_verified_through_the_store_too(told):
    store = SqliteStore(told[0])
    with store.read() as session:
        assert verify(session).ok
    store.close()


def test_an_empty_ledger_without_a_programme_is_sound(tmp_path):
    store = SqliteStore(tmp_path / "empty.db", create=True)
    store.migrate()
    with store.read() as session:
        assert verify(session) == Report(True, 0, 0, 0, [], 0)
    store.close()


def test_collectors_without_a_programme_cannot_be_proved(snapshot):
    snapshot.damage("DELETE FROM programme")
    report = verify(snapshot)
    assert not report.ok
    assert "no programme" in report.findings[0].sentence


@pytest.mark.parametrize(
    "broken", ["timezone = 'Nowhere/Here'", "timezone = '../x'", "cap_day_starts = '3'", "reversal_until = ''"]
)
def test_a_programme_whose_days_cannot_be_read_is_a_finding_not_a_failure(snapshot, broken):
    snapshot.damage(f"UPDATE programme SET {broken}")
    assert verify(snapshot).findings_total == 1


class Reordered:
    """A database that collates some of its tables the other way round."""

    def __init__(self, snapshot: Snapshot, tables: tuple[str, ...]) -> None:
        self._snapshot = snapshot
        self._tables = tables

    def run(self, sql: str, *values):
        if sql in self._tables or not self._tables:
            sql = sql.replace("ORDER BY collector", "ORDER BY collector DESC")
        return self._snapshot.run(sql, *values)


def test_any_order_of_collectors_will_do_if_all_tables_share_it(snapshot):
    assert verify(Reordered(snapshot, ())).ok


@pytest.mark.parametrize("table", [SPINE, TRANSFERS, DELIVERIES, OUTCOMES])
def test_a_table_in_another_order_proves_nothing_and_says_so(snapshot, table):
    with pytest.raises(OrderError):
        verify(Reordered(snapshot, (table,)))


class Watched:
    """Counts the rows that are read of one table while another is still at its start."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self.taken: Counter[str] = Counter()
        self.ahead_max = 0

    def run(self, sql: str, *values):
        for row in self._snapshot.run(sql, *values):
            if sql in {TRANSFERS, OUTCOMES}:
                self.taken[sql] += 1
                self.ahead_max = max(self.ahead_max, self.taken[OUTCOMES] - self.taken[TRANSFERS])
            yield row


def test_one_collector_at_a_time_is_in_hand(snapshot):
    (most,) = snapshot.run("SELECT max(n) FROM (SELECT count(*) AS n FROM outcome GROUP BY collector)")
    watched = Watched(snapshot)
    assert verify(watched).ok
    assert watched.ahead_max <= most[0] + 1


def test_progress_is_told_at_the_end_and_on_the_way(snapshot, monkeypatch):
    monkeypatch.setattr("amcash.audit.verify.PROGRESS_EVERY_TRANSFERS", 10)
    told: list[int] = []
    verify(snapshot, progress=told.append)
    assert told == [10, 20, 24]


def test_findings_beyond_the_limit_are_counted_but_not_kept(snapshot):
    snapshot.damage("UPDATE transfer SET at = at + 1")
    report = verify(snapshot, findings_kept_max=3)
    assert len(report.findings) == 3
    assert report.findings_total > 20
    assert not report.ok


@pytest.mark.parametrize("seed", range(6))
def test_whatever_tills_do_the_ledger_stays_provable(tmp_path, seed):  # noqa: C901 -- a ladder of what may happen
    chance = random.Random(seed)
    story = Story(tmp_path / "chance.db")
    numbers = (ANNE, BOB, CAROL, DAN)
    for number in numbers:
        story.joins(number, cash=chance.randrange(20_000), dream=chance.randrange(3))
    made: list[tuple[str, str, str]] = []
    moments = ("2026-03-08 01:00", "2026-11-01 00:30", "2026-06-15 22:00")
    for _ in range(120):
        number, sponsor = chance.choice(numbers), chance.choice(("LOY1", "LOY2"))
        story.now += timedelta(minutes=chance.randrange(-90, 200))
        match chance.randrange(13):
            case 0:
                story.now = toronto(chance.choice(moments)).astimezone(UTC)
            case 1:
                story.programme_is(
                    over_request=chance.choice(list(OverRequest)), daily_cap=Cents(chance.choice((999, 4_000, 75_000)))
                )
            case 2:
                story.is_now(
                    number,
                    active=chance.random() < 0.8,
                    show_balances=chance.random() < 0.8,
                    allow_redemption=chance.random() < 0.8,
                )
            case 3 | 4 | 5 if made:
                owner, confirmation, where = chance.choice(made)
                story.reverses(owner, confirmation, at=where if chance.random() < 0.8 else sponsor)
            case 6 if made:
                story.is_cancelled(*chance.choice(made)[:2])
            case 7 if made:
                story.retries(chance.choice(made)[0])
            case 8:
                story.purges(story.now - timedelta(days=2))
            case _:
                dollars = f"{chance.randrange(10, 400)}.{chance.randrange(100):02}"
                basket = f"{chance.randrange(5, 400)}.5"
                confirmation = story.redeems(number, dollars, at=sponsor, basket=basket)
                if confirmation:
                    made.append((number, confirmation, sponsor))
    with story.store.read() as session:
        report = verify(session)
    assert report.findings == []
    assert report.outcomes > 20
    story.store.close()


def test_a_retry_after_a_cancellation_and_its_own_cancellation_are_sound(tmp_path):
    """R-DLV-6."""
    story = Story(tmp_path / "again.db")
    story.joins(ANNE, cash=950)
    confirmation = story.redeems(ANNE, "10.00", key="k")
    for _ in range(3):
        assert story.is_cancelled(ANNE, confirmation)
        confirmation = story.retries(ANNE)
    with story.store.read() as session:
        assert [attempt for (attempt,) in session.run("SELECT attempt FROM outcome ORDER BY 1")] == [1, 2, 3, 4]
        assert verify(session).findings == []
    story.store.close()


def test_behind_the_horizon_of_the_purge_outcomes_may_be_absent(tmp_path):
    """R-IDEM-8."""
    story = Story(tmp_path / "purged.db")
    story.joins(ANNE, cash=950)
    story.is_delivered(ANNE, story.redeems(ANNE, "10.00"))
    story.now += timedelta(hours=1)
    story.redeems(ANNE, "10.00")
    story.purges(story.now)
    with story.store.read() as session:
        report = verify(session)
    assert (report.findings, report.outcomes) == ([], 1)
    story.store.close()


def test_other_boundaries_of_a_programme_are_followed(tmp_path):
    programme = type(PROGRAMME)(
        **{name: getattr(PROGRAMME, name) for name in PROGRAMME.__slots__}
        | {"cap_day_starts": toronto("2026-06-15 05:30").astimezone(PROGRAMME.zone).time()}
    )
    story = Story(tmp_path / "late.db", programme)
    story.joins(ANNE, cash=950)
    story.now = toronto("2026-06-15 05:29:59")
    story.redeems(ANNE, "10.00")
    story.now = toronto("2026-06-15 05:30")
    story.redeems(ANNE, "10.00")
    with story.store.read() as session:
        assert {day for (day,) in session.run("SELECT cap_day FROM transfer WHERE kind = 'redemption'")} == {
            "2026-06-14",
            "2026-06-15",
        }
        assert verify(session).ok
    story.store.close()
