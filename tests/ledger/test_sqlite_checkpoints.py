"""The log is copied into the file beside the one that writes: all of it, in time, and not on a disk that failed."""

import errno
import os
import shutil
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from amcash.domain.vocabulary import CollectorNumber
from amcash.ledger import sqlite_checkpoints
from amcash.ledger.sqlite import SqliteStore
from amcash.ledger.sqlite_checkpoints import AGAIN_PAGES, Checkpoints
from ledger.examples import count, enrol

BEGIN, FEW = 400, 40
COMMITS_MAX = 20_000
KILLS = 6
TESTS = Path(__file__).parents[1]
MEMBERS = [CollectorNumber(str(80_000_000_000 + number)) for number in range(300)]


class Watched(apsw.Connection):
    """A connection that remembers its checkpoints, and may have them fail."""

    error = None

    def wal_checkpoint(self, *words, **named):
        self.tries = getattr(self, "tries", 0) + 1
        if self.error is not None:
            raise self.error
        return super().wal_checkpoint(*words, **named)


class Ledger:
    """A table that is written to some pages a commit, and what became of its log."""

    def __init__(self, path):
        self.path = path
        self.log = path.with_name(path.name + "-wal")
        self.writes, self.beside = Watched(str(path)), Watched(str(path))
        for connection in (self.writes, self.beside):
            connection.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")
        self.writes.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, words TEXT)")
        self.failures = 0
        self.rows = 0
        self.begun_anew = 0
        self.checkpoints = Checkpoints(self.writes, self.beside, path, self._fail, begin_pages=BEGIN, few_pages=FEW)

    def _fail(self):
        self.failures += 1

    def write(self):
        self.rows += 1
        before = self._salt()
        self.writes.execute("INSERT INTO t VALUES (?, ?)", (self.rows, "x" * 10_000))
        self.begun_anew += before not in (b"", self._salt())

    def _salt(self):
        """What SQLite changes in the log's header whenever it begins the log anew."""
        with self.log.open("rb") as file:
            return file.read(32)[16:24]

    def write_until(self, told):
        for _ in range(COMMITS_MAX):
            self.write()
            if told():
                return
        pytest.fail(f"not within {COMMITS_MAX} commits")

    @property
    def log_pages(self):
        return self.log.stat().st_size // 4120

    def in_a_copy(self, folder):
        """Return the rows that a copy of the file has, without the log."""
        shutil.copy(self.path, folder / "copy.db")
        copy = apsw.Connection(str(folder / "copy.db"))
        assert copy.pragma("integrity_check") == "ok"
        found = copy.execute("SELECT count(*) FROM t").get
        copy.close()
        return found


@pytest.fixture
def ledger(tmp_path):
    made = Ledger(tmp_path / "ledger.db")
    with closing(made.checkpoints):
        yield made


def test_the_log_is_begun_anew_and_the_file_then_has_all_that_was_in_it(ledger, tmp_path):
    for time_ in range(1, 4):
        ledger.write_until(lambda time_=time_: ledger.begun_anew == time_)
        assert ledger.in_a_copy(tmp_path) == ledger.rows - 1  # the newest began the log anew
    assert ledger.beside.tries >= 3


def test_the_one_that_writes_copies_only_the_last_pages_itself(ledger):
    shares = []
    copy = ledger.checkpoints._copy

    def watched(connection):
        before = ledger.checkpoints._copied
        copied = copy(connection)
        if connection is ledger.writes:
            shares.append(copied - before)
        return copied

    ledger.checkpoints._copy = watched
    ledger.write_until(lambda: ledger.begun_anew == 3)
    assert len(shares) >= 3
    assert max(shares) <= FEW


def test_a_disk_that_does_not_catch_up_is_waited_for_so_that_the_log_stays_small(ledger, monkeypatch):
    sync = os.fdatasync

    def slow(descriptor):
        time.sleep(0.05)
        sync(descriptor)

    monkeypatch.setattr(sqlite_checkpoints.os, "fdatasync", slow)
    ledger.write_until(lambda: ledger.begun_anew == 1)
    first = ledger.log_pages
    ledger.write_until(lambda: ledger.begun_anew == 8)
    assert ledger.log_pages < 4 * max(first, BEGIN)


def test_a_reader_of_an_older_snapshot_is_left_alone_and_the_log_is_copied_when_it_is_done(ledger, tmp_path):
    ledger.write()
    reader = apsw.Connection(str(ledger.path))
    reader.execute("BEGIN")
    assert reader.execute("SELECT count(*) FROM t").get == 1
    ledger.write_until(lambda: ledger.log_pages > BEGIN + 10 * AGAIN_PAGES)
    assert ledger.beside.tries <= 14, "once for each so many pages, and no more"
    assert reader.execute("SELECT count(*) FROM t").get == 1
    assert ledger.begun_anew == 0
    reader.execute("ROLLBACK")
    ledger.write_until(lambda: ledger.begun_anew == 1)
    assert ledger.in_a_copy(tmp_path) == ledger.rows - 1
    assert ledger.failures == 0


@pytest.mark.parametrize("error", [apsw.BusyError, apsw.LockedError, apsw.FullError])
@pytest.mark.parametrize("whose", ["beside", "writes"])
def test_a_copy_that_cannot_be_made_now_is_made_later(ledger, tmp_path, error, whose):
    connection = getattr(ledger, whose)
    connection.error = error("not now")
    ledger.write_until(lambda: getattr(connection, "tries", 0) >= 3)
    assert ledger.begun_anew == 0
    connection.error = None
    ledger.write_until(lambda: ledger.begun_anew == 1)
    assert ledger.in_a_copy(tmp_path) == ledger.rows - 1
    assert ledger.failures == 0


@pytest.mark.parametrize("whose", ["beside", "writes"])
def test_a_disk_that_failed_while_pages_were_copied_is_told(ledger, whose, caplog):
    getattr(ledger, whose).error = apsw.IOError("disk I/O error")
    ledger.write_until(lambda: ledger.failures)
    assert "the disk did not take the ledger's pages" in caplog.text


def test_pages_that_the_disk_did_not_keep_are_told(ledger, monkeypatch):
    def broken(_descriptor):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(sqlite_checkpoints.os, "fdatasync", broken)
    ledger.write_until(lambda: ledger.failures)


def test_the_end_leaves_the_file_whole_and_no_log(ledger, tmp_path):
    ledger.write_until(lambda: ledger.log_pages > BEGIN)
    ledger.checkpoints.close()
    assert not ledger.log.exists()
    assert ledger.in_a_copy(tmp_path) == ledger.rows


# --- in the process that writes ---


REDEEM = """
import errno, os, sys, time
from pathlib import Path
from amcash.ledger import writer
from amcash.ledger.sqlite import SqliteStore
from amcash.ledger.sqlite_checkpoints import Checkpoints
from ledger.examples import count, redeem, settle
from ledger.test_sqlite_checkpoints import BEGIN, FEW, MEMBERS

sync = os.fdatasync

def broken(descriptor):
    raise OSError(errno.EIO, "Input/output error")

def slow(descriptor):
    time.sleep(0.01)
    sync(descriptor)

os.fdatasync = {"broken": broken, "slow": slow}[sys.argv[2]]
Checkpoints.__init__.__kwdefaults__.update(begin_pages=BEGIN, few_pages=FEW)
store = SqliteStore(Path(sys.argv[1]))
store.checkpoint_beside(writer.end_at_once)
number = count(store, "outcome")
while True:
    command = redeem(MEMBERS[number % len(MEMBERS)], key=f"key-{number}", trace=str(number))
    (made,) = settle(store, command, numbers=[f"{number:016}"])
    assert made.outcome.code == "0000", made
    number += 1
    print(number, flush=True)
"""


def redeeming(path, disk):
    """Start a process that redeems, and says how often it has, until its disk fails or it is killed."""
    words = [sys.executable, "-c", REDEEM, str(path), disk]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": str(TESTS)})


def proved(path):
    """Open the ledger again and return how many outcomes it has, each with its transfer, in a file that is whole."""
    store = SqliteStore(path)
    with store.read() as session:
        assert list(session.run("PRAGMA integrity_check")) == [("ok",)]
    made = count(store, "outcome")
    assert count(store, "transfer") == made + len(MEMBERS)  # each has an opening one
    store.close()
    return made


def enrolled(path):
    store = SqliteStore(path, create=True)
    store.migrate()
    enrol(store, *[(number, 1_000_000, 0) for number in MEMBERS])
    store.close()


def test_a_disk_that_fails_ends_the_writer_and_the_next_has_all_that_was_committed(tmp_path):
    enrolled(tmp_path / "ledger.db")
    with redeeming(tmp_path / "ledger.db", "broken") as process:
        said = process.stdout.readlines()
    assert process.returncode == 1
    assert 0 < len(said) <= proved(tmp_path / "ledger.db")


def test_a_kill_in_the_midst_of_copying_costs_nothing(tmp_path):
    path = tmp_path / "ledger.db"
    enrolled(path)
    found = 0
    for number in range(KILLS):
        with redeeming(path, "slow") as process:
            process.stdout.readline()
            time.sleep(0.05 + 0.07 * number)
            process.kill()
            said = 1 + len(process.stdout.readlines())
        now = proved(path)
        assert now - found - 1 <= said <= now - found
        found = now
    assert found > BEGIN
