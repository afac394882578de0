"""A parent and its children, with next to nothing for the children to do: what happens when they end, and when told."""

import json
import os
import select
import signal
import subprocess
import sys

import pytest

from amcash.edge import logs

HEAD = """
import signal, sys, threading
from amcash.edge import server, workers
from amcash.edge.logs import log_to_stdout
from amcash.ledger.store import StoreUnusableError

log_to_stdout("info")
workers.BACKOFF_MAX_S = 0.1

def wait_for_signals(ready):
    told = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: (print("told", number, flush=True), told.set()))
    ready()
    told.wait()

def run(number, work, grace_s=10):
    keeper = workers.Workers(
        number, work, grace_s=grace_s,
        on_ready=lambda: print("ready", flush=True), on_gone=lambda place: print("gone", place, flush=True),
    )
    try:
        keeper.run(server.listen("127.0.0.1", 0))
    except workers.WorkersError as error:
        sys.exit(str(error))
"""


@pytest.fixture
def started():
    """Start a parent whose children do what a script says, in a group of its own; give it when all is ready."""
    processes = []

    def start(script):
        process = subprocess.Popen(
            [sys.executable, "-c", HEAD + script],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def reasons(lines):
    return [json.loads(line)["reason"] for line in lines if "a worker ended" in line]


def test_children_that_never_get_ready_end_the_parent_with_their_reason(started):
    process = started("""
def work(place, ready):
    raise StoreUnusableError("too many connections")
run(1, work)
""")
    out, err = process.communicate(timeout=20)
    assert process.returncode == 1
    assert err == "5 processes in a row ended before they were ready, the last one because: too many connections\n"
    assert set(reasons(out.splitlines())) == {"too many connections"}
    assert "ready\n" not in out


def test_as_long_as_one_serves_a_place_that_cannot_be_filled_is_tried_on_and_on(started):
    process = started("""
import os
read_end, write_end = os.pipe()
os.write(write_end, b"x")
os.set_blocking(read_end, False)

def work(place, ready):
    if place == 0:
        wait_for_signals(ready)
        return
    os.read(read_end, 1)  # the second time there is nothing to read
    ready()
run(2, work)
""")
    seen = []
    while len(reasons(seen)) < 8:
        seen.append(process.stdout.readline())
        assert seen[-1], process.stderr.read()
    assert reasons(seen)[-1].startswith("BlockingIOError")
    process.terminate()
    out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, "")
    assert "told 15" in out


def test_a_ctrl_c_in_a_terminal_reaches_a_child_once(started):
    process = started("""
def work(place, ready):
    wait_for_signals(ready)
    threading.Event().wait(0.2)  # here a second one would show
run(1, work)
""")
    assert process.stdout.readline() == "ready\n"
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, "")
    assert out == "told 2\ngone 0\n"


def test_a_child_that_does_not_end_is_killed_and_the_exit_code_says_so(started):
    process = started("""
workers.END_MARGIN_S = 0

def work(place, ready):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    ready()
    threading.Event().wait()
run(1, work, grace_s=0)
""")
    assert process.stdout.readline() == "ready\n"
    process.terminate()
    _, err = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "1 processes did not end within 0 s" in err


def test_lines_on_a_shared_stdout_are_written_whole_and_no_more_at_once_than_a_pipe_keeps_together(monkeypatch):
    writes = []
    monkeypatch.setattr(logs, "write_to_stdout", writes.append)
    lines = b"".join(b"%d" % number * (number % 97) + b"\n" for number in range(1000))
    long = b"x" * select.PIPE_BUF + b"\n"
    logs.write_to_shared_stdout(lines + long + lines)
    assert b"".join(writes) == lines + long + lines
    assert all(item.endswith(b"\n") for item in writes)
    assert [item for item in writes if len(item) > select.PIPE_BUF] == [long]
