"""One server of several processes on one PostgreSQL: what it promises when a process is killed, and when all are."""

import os
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from http.client import HTTPException
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from amcash.edge.metrics import Metrics
from api.serving import by_hand, serving
from cli.operating import CommandLine

PROCESSES = 3
PATIENCE_S = 20
ESTABLISHED = "01"
ECHOES = 'amcash_requests_total{code="0000",endpoint="echo"}'
STARTED = "Started server process ["
WAITING = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
    "AND wait_event_type = 'Lock'"
)
CONNECTED = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


@pytest.fixture(scope="session")
def kind():
    return "postgres"


@pytest.fixture
def one_server(database, tmp_path):
    own = tmp_path / "own"
    own.mkdir()
    with serving(tmp_path, "--workers", str(PROCESSES), database=database, TMPDIR=str(own)) as running:
        yield running


def until(condition):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def started(folder):
    """The ids of all children that ever served, in the order of their start."""
    log = (folder / "server.log").read_text()
    return [int(part.partition("]")[0]) for part in log.split(STARTED)[1:]]


@contextmanager
def alone(pid, pids):
    """Stop all others, so that this one answers."""
    others = [other for other in pids if other != pid]
    for other in others:
        os.kill(other, signal.SIGSTOP)
    try:
        yield
    finally:
        for other in others:
            os.kill(other, signal.SIGCONT)


def listens(server):
    split = urlsplit(server.address)
    try:
        socket.create_connection((split.hostname, split.port)).close()
    except ConnectionError:
        return False
    return True


def samples(text):
    return dict(line.rsplit(" ", 1) for line in text.decode().splitlines() if not line.startswith("#"))


def metrics(server):
    return samples(server.send("GET", "/metrics").raw)


def connections_of(pid, port):
    """How many connections to that port a process holds."""
    lines = Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]
    fields = [line.split() for line in lines]
    made = {f"socket:[{field[9]}]" for field in fields if field[1].endswith(f":{port:04X}") and field[3] == ESTABLISHED}
    held = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):  # it was closed meanwhile
            held.add(str(descriptor.readlink()))
    return len(made & held)


def test_tills_that_connect_at_once_are_shared_among_the_processes(one_server, tmp_path):
    address = urlsplit(one_server.address)
    pids = started(tmp_path)
    with ExitStack() as stack:
        for _ in range(20 * PROCESSES):
            stack.enter_context(socket.create_connection((address.hostname, address.port)))
        until(lambda: sum(connections_of(pid, address.port) for pid in pids) == 20 * PROCESSES)
        assert min(connections_of(pid, address.port) for pid in pids) >= 15


def test_several_processes_have_no_sandbox_whose_clocks_would_differ(one_server):
    for path in ("/sandbox/clock", "/till"):
        assert one_server.send("GET", path).status == 404


def test_each_process_answers_and_tells_the_metrics_of_all_and_of_the_dead(one_server, tmp_path):
    pids = started(tmp_path)
    till = one_server.till()
    for pid in pids:
        with alone(pid, pids):
            assert till.echo().code == "0000"
    until(lambda: metrics(one_server)[ECHOES] == "3.0")  # an answer is counted when it has gone
    for pid in pids:
        with alone(pid, pids):
            told = metrics(one_server)
            assert told[ECHOES] == "3.0"
            assert told.keys() >= samples(Metrics().text()).keys()
    os.kill(pids[0], signal.SIGKILL)
    until(lambda: len(started(tmp_path)) > PROCESSES)
    new = [*pids[1:], *started(tmp_path)[PROCESSES:]]
    for pid in new:
        with alone(pid, new):
            assert till.echo().code == "0000"
    until(lambda: metrics(one_server)[ECHOES] == "6.0")
    until(lambda: metrics(one_server)['amcash_queue_commands{lane="writes"}'] == "0.0")
    log = (tmp_path / "server.log").read_text()
    assert log.count("amcash listening on") == 1
    assert f'"pid":{pids[0]},"reason":"killed by signal 9 (Killed)"' in log


def test_a_killed_process_loses_no_redemption_that_was_acknowledged_and_another_takes_its_place(one_server, tmp_path):
    till = one_server.till()
    victim = started(tmp_path)[0]
    answers = {}

    def redeem(number):
        fields = till.fields("1065", dollarRedeemRequest="10.00", postTaxBasketAmount="10.00")
        if number == 20:
            os.kill(victim, signal.SIGKILL)
        while number not in answers:
            with suppress(OSError, HTTPException):  # a till sends the identical request again
                answers[number] = till.ask("redeem", fields, f"key-{number}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(redeem, range(60)))
    assert {answer.code for answer in answers.values()} == {"0000"}
    assert len({answer.body["txnConfirmationNumber"] for answer in answers.values()}) == 60
    amcash = CommandLine()
    assert amcash.json("collector", "show", "1065", "--database", one_server.database)["cap_used_dollars"] == "600.00"
    assert amcash.json("verify", "--database", one_server.database)["ok"]
    until(lambda: len(started(tmp_path)) == PROCESSES + 1)
    assert one_server.stop() == 0


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGKILL])
def test_what_is_in_flight_when_the_parent_is_told_to_end_or_killed_is_answered(database, one_server, tmp_path, told):
    till = one_server.till()
    with by_hand(database) as person, by_hand(database) as looker, ThreadPoolExecutor(6) as pool:
        with person.transaction():
            person.execute("SELECT FROM collector WHERE number = '1065' FOR UPDATE")
            asked = [pool.submit(till.redeem, "1065") for _ in range(6)]
            until(lambda: looker.execute(WAITING).fetchone()[0])
            one_server.process.send_signal(told)
            until(lambda: not listens(one_server))
        assert [item.result().code for item in asked] == ["0000"] * 6
        assert one_server.process.wait(PATIENCE_S) == (0 if told == signal.SIGTERM else -signal.SIGKILL)
        until(lambda: looker.execute(CONNECTED).fetchone()[0] == 1)  # the person's
    until(lambda: not list((tmp_path / "own").iterdir()))
