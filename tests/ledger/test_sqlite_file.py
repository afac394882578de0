"""The file itself: what is refused, with a sentence that says why, and what is left untouched."""

import errno
import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from amcash.ledger import migrations, sqlite
from amcash.ledger.sqlite import ServerLock, SqliteStore
from amcash.ledger.store import StoreBusyError, StoreError, StoreUnusableError
from ledger.examples import ANNA, balances, enrol, opened, redeem, settle


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.db"


def made(path):
    store = SqliteStore(path, create=True)
    store.migrate()
    return store


def refusal(path, **how):
    with pytest.raises(StoreUnusableError) as caught:
        SqliteStore(path, **how)
    return str(caught.value)


# --- files that are no ledger ---


def test_a_ledger_that_is_not_there_is_refused_with_the_command_that_makes_one(path):
    assert "amcash migrate" in refusal(path)
    assert not path.exists()


def test_a_folder_that_is_missing_is_named(tmp_path):
    assert f"the folder {tmp_path / 'nowhere'} does not exist" in refusal(tmp_path / "nowhere" / "x.db", create=True)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_no_ledger(tmp_path):
    assert "is not a file" in refusal(tmp_path, create=True)


@pytest.mark.parametrize("content", [b"x" * 20, b"name,miles\n" * 1000, bytes(100), b"SQLite format 2\x00" * 64])
def test_a_file_that_is_no_database_is_refused_and_left_as_it_was(path, content):
    path.write_bytes(content)
    assert "is not an SQLite database" in refusal(path, create=True)
    assert path.read_bytes() == content


def test_a_damaged_database_is_refused(path):
    made(path).close()
    content = path.read_bytes()
    path.write_bytes(content[:16] + b"\xff" * 84 + content[100:])
    assert str(path) in refusal(path)


def test_another_programs_database_is_refused_and_left_as_it_was(path):
    with sqlite3.connect(path) as theirs:
        theirs.execute("CREATE TABLE recipes (name)")
    theirs.close()
    before = path.read_bytes()
    assert "of another program" in refusal(path, create=True)
    assert path.read_bytes() == before


def test_a_database_marked_as_another_programs_is_refused_even_when_it_is_empty(path):
    with sqlite3.connect(path) as theirs:
        theirs.execute("PRAGMA application_id = 42")
    theirs.close()
    assert "of another program" in refusal(path)


def test_an_empty_file_becomes_a_ledger(path):
    path.touch()
    made(path).close()
    assert sqlite3.connect(path).execute("PRAGMA application_id").fetchone() == (sqlite.APPLICATION_ID,)


def test_a_file_that_may_not_be_written_is_refused(path, monkeypatch):
    made(path).close()
    path.chmod(0o400)
    if os.geteuid() == 0:  # root may write everything: ask as one who may not
        monkeypatch.setattr(os, "access", lambda _path, mode: mode != os.W_OK)
    assert "cannot be opened for writing" in refusal(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write into every folder")
def test_a_folder_that_may_not_be_written_is_refused(tmp_path):
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o500)
    assert "cannot be opened for writing" in refusal(folder / "x.db", create=True)


def test_a_ledger_that_another_program_holds_is_refused(path, monkeypatch):
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT_MS", 10)
    theirs = apsw.Connection(
        str(path)
    )  # not Python's sqlite3: two SQLites in one process do not see each other's locks
    theirs.execute("BEGIN EXCLUSIVE")
    assert "is locked by another program" in refusal(path)
    theirs.close()


# --- the file's own ---


def test_only_its_owner_may_read_a_ledger_and_what_lies_beside_it(path):
    old = os.umask(0)
    try:
        store = made(path)
        enrol(store, (ANNA, 1, 1))
        beside = sorted(path.parent.iterdir())
        assert [item.name for item in beside] == ["ledger.db", "ledger.db-shm", "ledger.db-wal"]
        assert {stat.S_IMODE(item.stat().st_mode) for item in beside} == {0o600}
        store.close()
    finally:
        os.umask(old)


def test_every_connection_commits_to_the_disk_before_it_returns(path):
    made(path).close()
    connection = SqliteStore(path)._connection
    assert connection.pragma("journal_mode") == "wal"
    assert connection.pragma("synchronous") == 2  # FULL
    assert connection.pragma("foreign_keys") == 1
    assert connection.pragma("trusted_schema") == 0
    connection.close()


def test_what_was_committed_is_there_after_the_process_was_killed(path):
    script = f"""
import os, sys
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from pathlib import Path
from ledger.examples import *
from amcash.ledger.sqlite import SqliteStore
store = SqliteStore(Path({str(path)!r}), create=True)
store.migrate()
enrol(store, (ANNA, 1900, 545))
settle(store, redeem())
with store.write() as session:
    session.append(decided(session, redeem(trace="2"), numbers=["2000000000000000"])[0])
    os.kill(os.getpid(), 9)
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -9
    store = SqliteStore(path)
    assert balances(store) == (1805, 545)
    store.close()


@pytest.mark.parametrize("version", ["3.40.1", "3.51.2", "3.7.0"])
def test_an_sqlite_that_can_corrupt_a_ledger_is_refused_before_the_file_is_touched(path, monkeypatch, version):
    monkeypatch.setattr(apsw, "sqlite_lib_version", lambda: version)
    message = refusal(path, create=True)
    assert version in message
    assert "pip install --upgrade apsw" in message
    assert not path.exists()


@pytest.mark.parametrize("version", ["3.51.3", "3.52.0", "4.0.0"])
def test_a_sound_sqlite_is_not_refused(path, monkeypatch, version):
    monkeypatch.setattr(apsw, "sqlite_lib_version", lambda: version)
    made(path).close()


# --- the schema ---


def test_a_new_ledger_is_migrated_once(path):
    store = SqliteStore(path, create=True)
    assert store.migrate() == [item.name for item in migrations.known("sqlite")]
    assert store.migrate() == []
    store.close()
    again = SqliteStore(path)
    assert again.migrate() == []
    again.close()


def test_migrating_a_ledger_that_is_up_to_date_does_not_wait_for_a_writer(path):
    store, other = made(path), SqliteStore(path)
    other._connection.set_busy_timeout(10)
    with store.write():
        assert other.migrate() == []
    store.close()
    other.close()


def test_a_ledger_of_a_newer_program_is_refused_and_left_as_it_was(path):
    store = made(path)
    with store.write() as session:
        session.run("INSERT INTO migration VALUES (9999, '9999_from_the_future', 'x', 0)")
        session.run("PRAGMA user_version = 9999")
    with pytest.raises(StoreUnusableError, match=r"newer amcash.*9999_from_the_future"):
        store.migrate()
    assert store._connection.pragma("user_version") == 9999
    store.close()


def test_a_newer_programs_migration_is_noticed_even_where_the_version_was_set_back(path):
    store = made(path)
    with store.write() as session:
        session.run("INSERT INTO migration VALUES (9999, '9999_from_the_future', 'x', 0)")
    with pytest.raises(StoreUnusableError, match="newer amcash"):
        store.migrate()
    store.close()


def test_a_migration_that_has_changed_since_it_ran_is_noticed(path):
    store = made(path)
    with store.write() as session:
        session.run("UPDATE migration SET checksum = ?", "0" * 64)
    with pytest.raises(StoreUnusableError, match=r"0001_ledger.*differs"):
        store.migrate()
    store.close()


def test_a_migration_that_fails_leaves_nothing_of_itself(path, monkeypatch):
    good = migrations.known("sqlite")
    bad = migrations.Migration(9999, "9999_bad", "CREATE TABLE fine (x); CREATE TABLE fine (x);")
    monkeypatch.setattr(migrations, "known", lambda _database: [*good, bad])
    store = SqliteStore(path, create=True)
    with pytest.raises(StoreError):
        store.migrate()
    assert list(store._connection.execute("SELECT name FROM sqlite_schema WHERE name = 'fine'")) == []
    assert store.pending() == ["9999_bad"]
    monkeypatch.undo()
    assert store.migrate() == []
    store.close()


def test_a_later_migration_runs_alone_on_a_ledger_that_is_there(path, monkeypatch):
    store = made(path)
    enrol(store, (ANNA, 1900, 545))
    good = migrations.known("sqlite")
    later = migrations.Migration(9999, "9999_later", "CREATE TABLE later (x);")
    monkeypatch.setattr(migrations, "known", lambda _database: [*good, later])
    assert store.migrate() == ["9999_later"]
    assert balances(store) == (1900, 545)
    store.close()


def test_replacing_a_row_does_not_get_round_the_append_only_ledger(path):
    store = made(path)
    enrol(store, (ANNA, 1900, 0))
    settle(store, redeem(), numbers=["1000000000000000"])
    columns = "collector, kind, wallet, source, target, miles, balance, at, confirmation, previous"
    with pytest.raises(StoreError), store.write() as session:
        session.run(f"INSERT OR REPLACE INTO transfer (seq, {columns}) SELECT 3, {columns} FROM transfer WHERE seq = 2")
    with store.read() as session:
        assert [seq for (seq,) in session.run("SELECT seq FROM transfer ORDER BY seq")] == [1, 2]
    store.close()


# --- errors and locks ---


def test_a_ledger_that_vanished_under_a_connection_is_a_store_error(path):
    store = made(path)
    store._connection.close()
    with pytest.raises(StoreError), store.write() as session:
        session.append(opened((ANNA, 1, 1)))


def test_a_full_disk_is_a_store_error_that_says_so_and_what_was_there_stays(path):
    store = made(path)
    enrol(store, (ANNA, 1900, 545))
    pages = store._connection.pragma("page_count")
    store._connection.pragma("max_page_count", pages)
    with pytest.raises(StoreError, match="no space is left"), store.write() as session:
        session.run_many("INSERT INTO client VALUES (?, ?, ?)", [(str(i), "x" * 1000, 0) for i in range(1000)])
    store._connection.pragma("max_page_count", 1 << 30)
    settle(store, redeem())
    assert balances(store) == (1805, 545)
    store.close()


def test_a_transaction_inside_a_transaction_is_a_store_error_and_the_outer_one_goes_on(path):
    store = made(path)
    with store.write() as session:
        with pytest.raises(StoreError), store.read():
            pass
        session.append(opened((ANNA, 7, 0)))
    assert balances(store) == (7, 0)
    store.close()


def test_a_second_server_of_a_ledger_is_refused_until_the_first_lets_go(path):
    first = ServerLock(path)
    with pytest.raises(StoreUnusableError, match="already served"):
        ServerLock(path)
    first.release()
    ServerLock(path).release()


def test_a_second_server_in_another_process_is_refused(path):
    script = f"""
from pathlib import Path
from amcash.ledger.sqlite import ServerLock
ServerLock(Path({str(path)!r}))
"""
    lock = ServerLock(path)
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)
    assert "already served" in done.stderr
    lock.release()
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_two_ledgers_in_one_folder_have_a_server_each(tmp_path):
    first, second = ServerLock(tmp_path / "a.db"), ServerLock(tmp_path / "b.db")
    first.release()
    second.release()


def test_a_lock_in_a_missing_folder_is_refused_with_a_sentence(tmp_path):
    with pytest.raises(StoreUnusableError, match="cannot be made"):
        ServerLock(tmp_path / "nowhere" / "x.db")


def test_a_servers_lock_does_not_keep_other_programs_from_the_ledger(path):
    lock = ServerLock(path)
    store = made(path)
    enrol(store, (ANNA, 7, 0))
    assert balances(store) == (7, 0)
    store.close()
    lock.release()


def test_a_busy_store_is_told_from_other_errors(path):
    store, other = made(path), SqliteStore(path)
    other._connection.set_busy_timeout(10)
    with store.write(), pytest.raises(StoreBusyError, match="locked by another program"), other.write():
        pass
    store.close()
    other.close()


def test_a_file_of_one_byte_is_refused_and_stays_as_it_was(tmp_path):
    path = tmp_path / "ledger.db"
    path.write_bytes(b"x")
    with pytest.raises(StoreUnusableError, match="not an SQLite database"):
        SqliteStore(path, create=True)
    assert path.read_bytes() == b"x"


def test_a_read_transaction_cannot_write(tmp_path):
    store = SqliteStore(tmp_path / "ledger.db", create=True)
    store.migrate()
    with pytest.raises(StoreError, match="read-only"), store.read() as session:
        session.run("UPDATE heartbeat SET at = 1")
    with store.write() as session:
        session.run("UPDATE heartbeat SET at = 2")
    store.close()


def test_replace_cannot_rewrite_a_transfer_even_on_a_strangers_connection(tmp_path):
    stranger, rows = strangers(tmp_path)
    for row in (rows[0], rows[-1], (rows[-1][0], rows[-1][1] + 1, *rows[-1][2:])):
        with pytest.raises(sqlite3.IntegrityError, match=r"append-only|must follow the one before"):
            stranger.execute(f"INSERT OR REPLACE INTO transfer VALUES ({', '.join('?' * len(row))})", row)
    columns = "collector, seq, kind, wallet, source, target, miles, balance, at, previous"
    for rowid in (1, 2, 3):  # in the place of a row that is there, but with the number that is next
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            stranger.execute(
                f"INSERT OR REPLACE INTO transfer (rowid, {columns}) SELECT ?, {columns.replace('seq', 'seq + 1')} "
                "FROM transfer ORDER BY seq DESC LIMIT 1",
                (rowid,),
            )
    with pytest.raises(sqlite3.IntegrityError, match="must be positive"):  # NEW.rowid of whoever names none is -1
        stranger.execute(
            f"INSERT INTO transfer (rowid, {columns}) SELECT -1, {columns.replace('seq', 'seq + 1')} "
            "FROM transfer ORDER BY seq DESC LIMIT 1"
        )
    assert stranger.execute("SELECT * FROM transfer ORDER BY seq").fetchall() == rows
    stranger.close()


_ANNA_AGAIN = "SELECT number, 1, 1, 1, 0, 0, 0, NULL, 0, chain FROM collector"


@pytest.mark.parametrize(
    "harm",
    [
        "UPDATE collector SET transfers = transfers - 1",
        "UPDATE collector SET transfers = transfers + 1",
        "UPDATE collector SET transfers = 0",
        "UPDATE OR REPLACE collector SET transfers = 9",
        "DELETE FROM collector",
        "INSERT INTO collector SELECT '80000000002', 1, 1, 1, 0, 0, 7, NULL, 0, chain FROM collector",
    ],
)
def test_nobody_but_the_ledger_counts_the_transfers_of_a_collector(tmp_path, harm):
    stranger, rows = strangers(tmp_path)
    with pytest.raises(sqlite3.IntegrityError, match=r"itself counts|append-only"):
        stranger.execute(harm)
    assert stranger.execute("SELECT transfers FROM collector").fetchall() == [(len(rows),)]
    stranger.close()


def test_a_collector_that_was_replaced_cannot_begin_anew(tmp_path):
    stranger, rows = strangers(tmp_path)
    stranger.execute(f"INSERT OR REPLACE INTO collector {_ANNA_AGAIN}")  # as a connection may that asks no trigger
    first = list(rows[0])
    first[1], first[9] = 1, None
    with pytest.raises(sqlite3.IntegrityError, match="must follow the one before"):
        stranger.execute(f"INSERT INTO transfer VALUES ({', '.join('?' * len(first))})", first)
    assert stranger.execute("SELECT * FROM transfer ORDER BY seq").fetchall() == rows
    stranger.close()


@pytest.mark.parametrize("further", [-1, 0, 2, 100])
def test_a_double_number_and_a_gap_are_refused_on_a_strangers_connection(tmp_path, further):
    stranger, rows = strangers(tmp_path)
    row = list(rows[-1])
    row[1], row[9] = row[1] + further, "9999999999999999"
    with pytest.raises(sqlite3.IntegrityError, match="must follow the one before"):
        stranger.execute(f"INSERT INTO transfer VALUES ({', '.join('?' * len(row))})", row)
    stranger.close()


def strangers(tmp_path):
    """Return a connection that is not ours to a ledger with three transfers of one collector, and the transfers."""
    path = tmp_path / "ledger.db"
    store = SqliteStore(path, create=True)
    store.migrate()
    enrol(store, (ANNA, 1900, 545))
    settle(store, redeem())
    store.close()
    stranger = sqlite3.connect(path)
    rows = stranger.execute("SELECT * FROM transfer ORDER BY seq").fetchall()
    assert [row[1] for row in rows] == [1, 2, 3]
    return stranger, rows


def test_a_link_is_no_second_ledger(tmp_path):
    path, link = tmp_path / "ledger.db", tmp_path / "link.db"
    SqliteStore(path, create=True).close()
    link.symlink_to(path)
    lock = ServerLock(path)
    with pytest.raises(StoreUnusableError, match="already served"):
        ServerLock(link)
    lock.release()


def test_a_file_with_two_names_is_refused(tmp_path):
    path = tmp_path / "ledger.db"
    SqliteStore(path, create=True).close()
    (tmp_path / "other.db").hardlink_to(path)
    with pytest.raises(StoreUnusableError, match="hard link"):
        SqliteStore(path)


# --- a copy that is only looked at ---


def test_an_unchanging_copy_is_read_without_a_file_beside_it_and_cannot_be_written(path):
    store = made(path)
    enrol(store, (ANNA, 7, 0))
    store.close()
    copy = SqliteStore(path, unchanging=True)
    assert balances(copy) == (7, 0)
    assert copy.pending() == []
    with pytest.raises(StoreError, match="read-only"), copy.write() as session:
        session.run("UPDATE heartbeat SET at = 1")
    assert [item.name for item in path.parent.iterdir()] == [path.name]
    copy.close()


def test_an_unchanging_copy_with_a_wal_beside_it_is_refused(path):
    made(path).close()
    path.with_name(path.name + "-wal").touch()
    with pytest.raises(StoreUnusableError, match="copy both files"):
        SqliteStore(path, unchanging=True)


def test_an_unchanging_copy_of_something_else_is_refused(path):
    path.touch()
    with pytest.raises(StoreUnusableError, match="not an amcash ledger"):
        SqliteStore(path, unchanging=True)


@pytest.mark.parametrize("name", ["loop.db", "dangling.db", "x" * 300, "\N{GREEK SMALL LETTER ALPHA}" * 200])
def test_a_path_that_the_system_refuses_is_a_sentence(tmp_path, name):
    (tmp_path / "loop.db").symlink_to("loop.db")
    (tmp_path / "dangling.db").symlink_to("nowhere/x.db")
    sentence = refusal(tmp_path / name, create=True)
    assert "cannot be used" in sentence
    assert "--database" in sentence


def test_a_folder_on_a_read_only_disk_is_a_sentence(path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "open", refuse)
    assert f"{path} cannot be used: Read-only file system" in refusal(path, create=True)


@pytest.mark.parametrize(
    "statement",
    [
        "_SELECT_REDEMPTION",
        "_LOAD_OUTCOMES",
        "_LOAD_DELIVERIES",
        "_CLOSE_DELIVERIES",
        "_OLDEST_OUTCOMES",
        "_PURGE_OUTCOMES",
    ],
)
def test_a_statement_finds_its_rows_by_an_index_and_walks_over_no_account(path, statement):
    store, sql = made(path), getattr(sqlite, statement)
    plan = [row[3] for row in store._connection.execute(f"EXPLAIN QUERY PLAN {sql}", (None,) * sql.count("?"))]
    searches = [line for line in plan if line.startswith(("SEARCH", "SCAN")) and "VIRTUAL TABLE" not in line]
    assert searches
    assert all("confirmation=?" in line or "key=?" in line or "rowid>?" in line for line in searches), plan
    store.close()
