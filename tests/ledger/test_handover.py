"""Journals and marks: what was handed over is known after a sudden death, and reaches the ledger."""

import errno
import os
import signal
import stat
import subprocess
import sys
import threading
import tracemalloc

import pytest

from amcash.ledger import handover
from amcash.ledger.handover import Journal, JournalError, Journals, Marks
from amcash.ledger.settle import Settler
from amcash.ledger.store import StoreError, StoreUnusableError
from ledger.examples import ANNA, BERT, NOW, REGISTER, count, enrol, redeem, settle
from ledger.store_contract import GRACE, open_rows

NUMBERS = [f"{n:016}" for n in range(1, 21)]
ONE = (ANNA, NUMBERS[0])

DYING = """
import os, signal, sys
from pathlib import Path
from amcash.ledger.handover import Journal
journal = Journal(Path(sys.argv[1]))
for confirmation in sys.argv[2].split(","):
    journal.append("84095202006", confirmation)
for confirmation in filter(None, sys.argv[3].split(",")):
    journal.withdraw("84095202006", confirmation)
print("written", flush=True)
signal.pause()
"""


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "ledger.db-handover"


@pytest.fixture
def store(new_store):
    enrol(new_store, (ANNA, 1900, 0))
    return new_store


def approved(store, number):
    """Make a redemption whose delivery is open."""
    settle(store, redeem(trace=number), numbers=[number], grace=GRACE)
    return number


def still_open(store):
    return [row[1] for row in open_rows(store)]


def dying(folder, appended, withdrawn=()):
    """Start another process that journals and waits; return it."""
    words = [str(folder), ",".join(appended), ",".join(withdrawn)]
    process = subprocess.Popen([sys.executable, "-c", DYING, *words], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "written\n"
    return process


def killed(process):
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()


def lines(folder):
    return [line for path in sorted(folder.iterdir()) for line in path.read_text().splitlines()]


# --- the journal ---


def test_a_line_is_in_the_file_before_append_returns_and_for_its_owner_alone(folder):
    """R-DLV-3a, R-AUTH-4."""
    journal = Journal(folder)
    journal.append(*ONE)
    assert lines(folder) == [f"+{ANNA} {NUMBERS[0]}"]
    assert [stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.iterdir())] == [0o700, 0o600]
    journal.close()


def test_what_a_killed_process_had_handed_over_is_marked_and_its_journal_deleted(folder, store):
    """R-DLV-3a: it neither cancels what was sent, nor charges for what never left."""
    sent, never_sent, failed = (approved(store, number) for number in NUMBERS[:3])
    killed(dying(folder, [sent, failed], [failed]))
    assert Journals(folder).take_in(store) == 1
    assert still_open(store) == [never_sent, failed]
    assert list(folder.iterdir()) == []


def test_the_journal_of_a_living_process_is_left_alone_and_is_read(folder, store):
    approved(store, NUMBERS[0])
    process = dying(folder, [NUMBERS[0]])
    try:
        assert Journals(folder).take_in(store) == 0
        assert Journals(folder).standing() == {ONE}
    finally:
        killed(process)
    assert still_open(store) == [NUMBERS[0]]
    assert len(list(folder.iterdir())) == 1


def test_ones_own_journal_is_a_living_ones(folder, store):
    journal = Journal(folder)
    journal.append(*ONE)
    assert (Journals(folder).take_in(store), Journals(folder).standing()) == (0, {ONE})
    journal.close()


def test_a_journal_that_the_ledger_does_not_take_is_left_for_the_next_time(folder):
    killed(dying(folder, NUMBERS[:1]))

    class Broken:
        def write(self):
            raise StoreError("no")

    with pytest.raises(StoreError):
        Journals(folder).take_in(Broken())
    assert len(list(folder.iterdir())) == 1


def test_a_torn_last_line_and_other_rubbish_are_no_lines(folder, store):
    for number in NUMBERS[:3]:
        approved(store, number)
    folder.mkdir()
    content = f"+{ANNA} {NUMBERS[0]}\nrubbish\n\n+{ANNA} 12\n+{ANNA} {NUMBERS[1]}"
    (folder / "1-x.journal").write_bytes(content.encode() + b"\n\xff\x00\n+" + ANNA.encode())
    (folder / "a stranger's file").write_text(f"+{ANNA} {NUMBERS[2]}\n")
    assert Journals(folder).standing() == {(ANNA, NUMBERS[0]), (ANNA, NUMBERS[1])}
    assert Journals(folder).take_in(store) == 1
    assert still_open(store) == [NUMBERS[2]]
    assert [path.name for path in folder.iterdir()] == ["a stranger's file"]


def test_what_stands_among_a_few_takes_no_memory_for_the_others(folder):
    journal, withdrawn = Journal(folder), (ANNA, NUMBERS[1])
    for number in range(100, 20_000):
        journal.append(ANNA, f"{number:016}")
    for one in (ONE, withdrawn):
        journal.append(*one)
    journal.withdraw(*withdrawn)
    tracemalloc.start()
    try:
        found = Journals(folder, journal).standing({ONE, withdrawn, (ANNA, NUMBERS[2])})
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    journal.close()
    assert found == {ONE}
    assert peak_bytes < 100_000


def test_of_two_hand_overs_of_one_answer_one_that_failed_does_not_undo_the_other(folder):
    journal = Journal(folder)
    journal.append(*ONE)
    journal.append(*ONE)
    journal.withdraw(*ONE)
    assert Journals(folder).standing() == {ONE}
    journal.withdraw(*ONE)
    assert Journals(folder).standing() == set()
    journal.close()


def test_a_folder_that_is_not_there_has_no_journals(tmp_path, store):
    journals = Journals(tmp_path / "nowhere")
    assert (journals.take_in(store), journals.standing()) == (0, set())


def test_a_folder_that_cannot_be_made_is_a_sentence_for_an_operator(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnusableError, match="AMCASH_STATE_DIR"):
        Journal(tmp_path / "file" / "folder")


# --- rotation ---


def test_a_full_segment_is_deleted_once_all_its_marks_are_committed(folder):
    journal = Journal(folder, segment_bytes_max=60)
    rows = [(ANNA, number) for number in NUMBERS[:6]]
    for one in rows:
        journal.append(*one)
    assert len(list(folder.iterdir())) == 3
    journal.committed(rows[:3])
    assert Journals(folder).standing() == set(rows[2:])  # the half committed one stays whole
    journal.committed(rows[3:])
    assert len(list(folder.iterdir())) == 1
    journal.close()
    assert list(folder.iterdir()) == []


def test_a_withdrawal_stands_in_the_file_of_its_hand_over(folder):
    """Each file is read by itself, after its process's death."""
    journal = Journal(folder, segment_bytes_max=1)
    journal.append(*ONE)
    journal.append(ANNA, NUMBERS[1])
    journal.withdraw(*ONE)
    assert Journals(folder).standing() == {(ANNA, NUMBERS[1])}
    journal.close()


def test_a_journal_with_what_is_not_committed_outlives_its_process(folder, store):
    approved(store, NUMBERS[0])
    journal = Journal(folder)
    journal.append(*ONE)
    journal.close()
    assert Journals(folder).take_in(store) == 1
    assert still_open(store) == []


def test_the_journal_stays_bounded_however_much_is_handed_over(folder):
    journal = Journal(folder, segment_bytes_max=1_000)
    for n in range(2_000):
        journal.append(ANNA, f"{n:016}")
        journal.committed([(ANNA, f"{n:016}")])
    assert sum(path.stat().st_size for path in folder.iterdir()) < 3_000
    journal.close()


# --- a full disk ---


def test_where_a_line_cannot_be_written_the_answer_must_not_be_sent(folder, monkeypatch):
    journal = Journal(folder)

    def full(_descriptor, _line):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(handover.os, "write", full)
        with pytest.raises(JournalError, match="No space left"):
            journal.append(*ONE)
    assert Journals(folder).standing() == set()
    journal.close()
    assert list(folder.iterdir()) == []


def test_half_a_line_is_taken_back_so_that_the_next_is_whole(folder, monkeypatch):
    journal, write = Journal(folder), os.write
    with monkeypatch.context() as patched:
        patched.setattr(handover.os, "write", lambda descriptor, line: write(descriptor, line[:7]))
        with pytest.raises(JournalError):
            journal.append(*ONE)
    journal.append(ANNA, NUMBERS[1])
    assert lines(folder) == [f"+{ANNA} {NUMBERS[1]}"]
    journal.close()


def test_a_withdrawal_that_cannot_be_written_is_owed_and_written_when_it_can_be(folder, monkeypatch):
    """Else the answer that never left would count as handed over as long as this process lives (R-DLV-3)."""
    journal = Journal(folder)
    journal.append(*ONE)

    def full(_descriptor, _line):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as disk:
        disk.setattr(handover.os, "write", full)
        journal.withdraw(*ONE)
        assert Journals(folder, journal).standing() == {ONE}
    assert Journals(folder, journal).standing() == set()
    assert Journals(folder).standing() == set()
    journal.close()
    assert list(folder.iterdir()) == []


def test_a_journal_that_cannot_be_read_is_not_taken_for_an_empty_one(folder, store, monkeypatch):
    """What stands in it would be cancelled, though tills have received it (R-DLV-3a)."""
    journal = Journal(folder)
    journal.append(*ONE)

    def exhausted(path, *_how):
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), str(path))

    monkeypatch.setattr(handover.Path, "iterdir", exhausted)
    with pytest.raises(JournalError, match="Too many open files"):
        Journals(folder).standing()
    with pytest.raises(JournalError, match="Too many open files"):
        Journals(folder).take_in(store)
    monkeypatch.undo()
    monkeypatch.setattr(handover.Path, "open", exhausted)
    with pytest.raises(JournalError, match="Too many open files"):
        Journals(folder).standing()
    monkeypatch.undo()
    journal.close()


# --- marks ---


def settler(store, marks):
    return Settler(store, lambda: REGISTER, lambda: NOW, grace=GRACE, marks=marks)


def test_a_mark_rides_on_the_next_transaction(store):
    """R-DLV-2."""
    committed = []
    marks = Marks(committed.extend)
    marks.add(ANNA, approved(store, NUMBERS[0]))
    settler(store, marks).settle([redeem(BERT)])
    assert (still_open(store), marks.waiting, committed) == ([], 0, [ONE])


def test_a_mark_that_finds_no_transaction_is_flushed_on_its_own(store):
    marks = Marks()
    marks.add(ANNA, approved(store, NUMBERS[0]))
    settler(store, marks).flush()
    assert (still_open(store), marks.waiting) == ([], 0)


def test_flushing_nothing_makes_no_transaction():
    settler(None, Marks()).flush()


@pytest.mark.parametrize("error", [StoreError("no"), RuntimeError("no")])
def test_marks_whose_transaction_fails_wait_in_order_for_the_next(store, error):
    committed = []
    marks = Marks(committed.extend)
    for number in NUMBERS[:3]:
        marks.add(ANNA, approved(store, number))

    class Broken:
        def write(self, **_how):
            raise error

    broken = settler(Broken(), marks)
    broken.flush()
    broken.settle([redeem(BERT)])
    assert (marks.waiting, committed) == (3, [])
    settler(store, marks).flush()
    assert (committed, still_open(store)) == ([(ANNA, number) for number in NUMBERS[:3]], [])


def test_one_transaction_carries_a_bounded_number_of_marks(store, monkeypatch):
    monkeypatch.setattr(handover, "MARKS_A_TRANSACTION_MAX", 2)
    marks = Marks()
    for number in NUMBERS[:5]:
        marks.add(ANNA, approved(store, number))
    mine = settler(store, marks)
    mine.settle([redeem(BERT)])
    assert marks.waiting == 3
    mine.flush()
    assert (marks.waiting, count(store, "open_delivery")) == (0, 0)


def test_marks_may_come_from_any_thread():
    marks = Marks()
    threads = [threading.Thread(target=lambda: [marks.add(*ONE) for _ in range(500)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    taken = 0
    while any(thread.is_alive() for thread in threads) or marks.waiting:
        with marks.riding() as riding:
            taken += len(riding)
    assert taken == 2000
