"""The schema in PostgreSQL: planned, run once, one transaction each, and finished after any accident."""

import subprocess
import sys
import threading

import psycopg
import pytest

from amcash import wiring
from amcash.ledger import migrations
from amcash.ledger.migrations import Migration
from amcash.ledger.postgres import PostgresStore
from amcash.ledger.store import StoreError, StoreUnusableError
from ledger.examples import ANNA, balances, enrol

KNOWN = [item.name for item in migrations.known("postgres")]
LATER = [Migration(9000 + n, f"900{n}_later", f"CREATE TABLE later_{n} (x int);") for n in range(3)]


@pytest.fixture(scope="module")
def databases(postgres):
    return postgres


@pytest.fixture
def url(databases):
    """An empty database, without a schema."""
    return databases.database()


@pytest.fixture
def migrated(databases):
    with databases.ledger() as url:
        yield url


@pytest.fixture
def store(url):
    store = PostgresStore(url)
    yield store
    store.close()


def tables(url):
    with psycopg.connect(url) as connection:
        return {
            name
            for (name,) in connection.execute(
                "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
            )
        }


def change(url, sql):
    with psycopg.connect(url) as connection:
        connection.execute(sql)


def test_a_plan_says_what_would_run_and_changes_nothing_then_it_runs_once(store, url):
    assert wiring.pending_migrations(url) == KNOWN
    assert tables(url) == set()
    assert wiring.migrate(url) == KNOWN
    assert wiring.pending_migrations(url) == []
    assert wiring.migrate(url) == []
    enrol(store, (ANNA, 7, 0))
    assert balances(store) == (7, 0)


def test_a_command_refuses_an_outdated_schema_and_names_the_command(migrated, monkeypatch):
    good = migrations.known("postgres")
    monkeypatch.setattr(migrations, "known", lambda _database: [*good, LATER[0]])
    with (
        pytest.raises(StoreUnusableError, match=r"9000_later has not run.*`amcash migrate`"),
        wiring.open_ledger(migrated),
    ):
        pass
    monkeypatch.undo()
    with wiring.open_ledger(migrated) as ledger:
        assert balances_of_nobody(ledger)


def balances_of_nobody(ledger):
    with ledger.read() as session:
        return list(session.run("SELECT count(*) FROM collector")) == [(0,)]


def test_a_migration_that_fails_leaves_nothing_of_itself_and_all_of_those_before(store, url, monkeypatch):
    bad = Migration(9001, "9001_bad", "CREATE TABLE fine (x int); CREATE TABLE fine (x int);")
    good = migrations.known("postgres")
    monkeypatch.setattr(migrations, "known", lambda _database: [*good, LATER[0], bad])
    with pytest.raises(StoreError, match="already exists"):
        store.migrate()
    assert "later_0" in tables(url)
    assert "fine" not in tables(url)
    assert store.pending() == ["9001_bad"]
    mended = Migration(9001, "9001_bad", "CREATE TABLE fine (x int)")
    monkeypatch.setattr(migrations, "known", lambda _database: [*good, LATER[0], mended])
    assert store.migrate() == ["9001_bad"]


@pytest.mark.parametrize("step", range(4))
def test_after_a_kill_at_any_step_the_next_run_finishes(url, step):
    """Killed before the statement number `step` off the hot path, of a run of four migrations."""
    script = f"""
import os
from amcash.ledger import migrations, postgres
good = migrations.known("postgres")
later = [migrations.Migration(9000 + n, f"900{{n}}_later", f"CREATE TABLE later_{{n}} (x int);") for n in range(3)]
migrations.known = lambda _database: [*good, *later]
run, done = postgres._PostgresSession.run, 0
def killing(self, sql, *values):
    global done
    if sql.startswith("INSERT INTO migration"):
        if done == {step}:
            os.kill(os.getpid(), 9)
        done += 1
    return run(self, sql, *values)
postgres._PostgresSession.run = killing
postgres.PostgresStore({url!r}).migrate()
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -9
    every = [*migrations.known("postgres"), *LATER]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(migrations, "known", lambda _database: every)
        assert wiring.pending_migrations(url) == [item.name for item in every[step:]]
        assert wiring.migrate(url) == [item.name for item in every[step:]]
        assert wiring.migrate(url) == []
    assert {"later_0", "later_1", "later_2", "transfer"} <= tables(url)


def test_two_that_migrate_at_once_run_each_migration_once(url, monkeypatch):
    good = migrations.known("postgres")
    monkeypatch.setattr(migrations, "known", lambda _database: [*good, *LATER])
    both, ran = threading.Barrier(2), []

    def migrate():
        store = PostgresStore(url)
        both.wait()
        ran.extend(store.migrate())
        store.close()

    threads = [threading.Thread(target=migrate) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ran) == [*KNOWN, "9000_later", "9001_later", "9002_later"]


def test_a_ledger_of_a_newer_program_is_refused(migrated):
    change(migrated, "INSERT INTO migration VALUES (9999, '9999_from_the_future', 'x', 0)")
    try:
        for use in (wiring.migrate, wiring.pending_migrations):
            with pytest.raises(StoreUnusableError, match=r"newer amcash.*9999_from_the_future"):
                use(migrated)
    finally:
        change(migrated, "DELETE FROM migration WHERE number = 9999")


def test_a_migration_that_has_changed_since_it_ran_is_noticed(store, url):
    store.migrate()
    change(url, "UPDATE migration SET checksum = 'x'")
    with pytest.raises(StoreUnusableError, match=r"0001_ledger.*differs"):
        store.migrate()
