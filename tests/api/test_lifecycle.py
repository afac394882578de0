"""Starting, stopping, and the trouble in between: a sentence and exit code 1, and nothing is damaged."""

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

from api.serving import PROGRAMME, run_command, serving

SERVE = ("serve", "--sandbox", "--port", "0", "--programme", str(PROGRAMME))


def refused(result):
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    return result.stderr.strip()


def test_sigterm_drains_and_exits_0(own_server):
    assert own_server.till().redeem().code == "0000"
    assert own_server.stop() == 0


def test_a_taken_port_is_a_sentence(own_server, tmp_path):
    port = str(urlsplit(own_server.address).port)
    other = f"sqlite:///{tmp_path}/other.db"
    result = run_command(*SERVE[:2], "--port", port, *SERVE[4:], "--database", other, check=False)
    assert f"cannot listen on 127.0.0.1:{port}" in refused(result)


def test_a_second_server_on_one_ledger_refuses(own_server):
    result = own_server.command(*SERVE, check=False)
    assert "already served by another" in refused(result)
    assert own_server.till().echo().code == "0000"


def test_a_ledger_without_a_programme_is_a_sentence(tmp_path):
    result = run_command("serve", "--port", "0", "--database", f"sqlite:///{tmp_path}/empty.db", check=False)
    assert "no programme has been loaded" in refused(result)


def test_a_file_that_is_not_a_ledger_is_a_sentence_and_stays_as_it_was(tmp_path):
    path = tmp_path / "notes.db"
    path.write_bytes(b"my shopping list\n" * 100)
    result = run_command(*SERVE, "--database", f"sqlite:///{path}", check=False)
    assert "not an SQLite database" in refused(result)
    assert path.read_bytes() == b"my shopping list\n" * 100


def test_more_workers_than_one_on_sqlite_is_a_sentence(tmp_path):
    result = run_command(*SERVE, "--workers", "2", "--database", f"sqlite:///{tmp_path}/x.db", check=False)
    assert "one writer" in refused(result)


def test_more_shards_than_one_on_sqlite_is_a_sentence(tmp_path):
    database = f"sqlite:///{tmp_path}/x.db"
    result = run_command(*SERVE, "--database", database, check=False, AMCASH_LEDGER_SHARDS="2")
    assert "one shard" in refused(result)


def test_an_unknown_setting_in_the_environment_is_a_sentence(tmp_path):
    result = run_command(*SERVE, "--database", f"sqlite:///{tmp_path}/x.db", check=False, AMCASH_BUDGET_SECONDS="5")
    assert "AMCASH_BUDGET_SECONDS is not a setting" in refused(result)


def test_a_secret_in_a_file_is_refused_outside_a_sandbox(tmp_path):
    result = run_command(
        "serve", "--programme", str(PROGRAMME), "--port", "0", "--database", f"sqlite:///{tmp_path}/x.db", check=False
    )
    assert "secret" in refused(result)


def test_a_secret_from_a_sandbox_file_does_not_work_in_production(tmp_path):
    database = f"sqlite:///{tmp_path}/ledger.db"
    run_command("load", str(PROGRAMME), "--sandbox", "--database", database)
    with serving(tmp_path, programme=None, database=database) as sandbox:
        assert sandbox.token()
    added = json.loads(
        run_command("client", "add", "real", "--sponsor", "LOY1", "--json", "--database", database).stdout
    )
    with serving(tmp_path, programme=None, database=database, sandbox=False) as server:
        assert server.token("real", added["secret"])
        form = "grant_type=client_credentials&client_id=loy1-pos&client_secret=loy1-secret"
        answer = server.send("POST", "/oauth/token", form, {"Content-Type": "application/x-www-form-urlencoded"})
        assert answer.status == 401


def test_the_ledger_is_for_its_owners_eyes_only(own_server, tmp_path):
    own_server.till().redeem()
    paths = [path for path in tmp_path.rglob("*") if path.relative_to(tmp_path).parts[0].startswith("ledger.db")]
    assert {"ledger.db", "ledger.db-wal", "ledger.db-handover"} <= {path.name for path in paths}
    for path in paths:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_what_a_command_changes_takes_effect_in_a_running_server(own_server):
    till = own_server.till()
    own_server.command("collector", "credit", "1051", "1000", "--reason", "goodwill")
    assert till.inquire("1051").body["cashBalance"] == "1094"
    own_server.command("collector", "set", "1051", "--inactive")
    assert till.inquire("1051").code == "0002"


def test_logs_are_json_lines_that_hold_no_collector_number_token_or_secret(own_server, tmp_path):
    till = own_server.till()
    till.redeem()
    till.redeem("1006")
    own_server.stop()
    log = (tmp_path / "server.log").read_text()
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    requests = [line for line in lines if line["event"] == "request"]
    assert [line["code"] for line in requests] == ["0000", "0006"]
    assert requests[0]["collector"] == "84*******06"
    json_part = "\n".join(line for line in log.splitlines() if line.startswith("{"))
    for hidden in ("84095202006", till.token, "loy1-secret"):
        assert hidden not in json_part


def test_metrics_count_requests_batches_commits_and_refusals(own_server):
    till = own_server.till()
    till.redeem()
    till.redeem("1006")
    text = own_server.send("GET", "/metrics").raw.decode()
    assert 'amcash_requests_total{code="0000",endpoint="redeem"} 1.0' in text
    assert 'amcash_refusals_total{endpoint="redeem",rule="R-ORDER-8"} 1.0' in text
    assert 'amcash_batch_commands_count{lane="writes"} 2.0' in text
    assert "amcash_commit_seconds_count 2.0" in text
    assert 'amcash_queue_commands{lane="writes"} 0.0' in text


def test_the_days_of_a_programme_cannot_change_after_the_first_load(own_server, tmp_path):
    other = tmp_path / "other.toml"
    other.write_text(PROGRAMME.read_text().replace('cap_day_starts = "03:00"', 'cap_day_starts = "04:00"'))
    result = own_server.command("load", str(other), "--sandbox", check=False)
    assert "programme.cap_day_starts cannot change from 03:00:00" in refused(result)
    own_server.command("load", str(PROGRAMME), "--sandbox")
    assert json.loads(own_server.command("verify", "--json").stdout)["ok"]


def test_a_ledger_whose_server_was_told_to_end_is_whole_in_its_one_file(tmp_path):
    database = tmp_path / "ledger.db"
    with serving(tmp_path, database=f"sqlite:///{database}") as server:
        server.till().redeem()
    assert not list(tmp_path.glob("ledger.db-wal"))
    (tmp_path / "copy").mkdir()
    copy = shutil.copy(database, tmp_path / "copy")
    report = json.loads(run_command("verify", "--json", "--database", f"sqlite:///{copy}").stdout)
    assert report["outcomes"] == 1


def writer_of(server):
    pid = server.process.pid
    (writer,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(writer)


def gone(pid):
    deadline = time.monotonic() + 30
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return True


def test_a_server_whose_writer_was_killed_ends_with_a_sentence_and_has_lost_nothing(own_server, tmp_path):
    assert own_server.till().redeem().code == "0000"
    os.kill(writer_of(own_server), signal.SIGKILL)
    assert own_server.process.wait(30) == 1
    log = (tmp_path / "server.log").read_text()
    assert "the process that writes to the ledger ended" in log
    assert "Traceback" not in log
    found = json.loads(own_server.command("verify", "--json").stdout)
    assert (found["ok"], found["outcomes"]) == (True, 1)
    with serving(tmp_path, programme=None, database=own_server.database) as again:
        assert again.till().redeem().code == "0000"


def served_by(program, tmp_path):
    """Serve a ledger by a program that breaks something first; return how it ended."""
    database = f"sqlite:///{tmp_path}/ledger.db"
    run_command("load", str(PROGRAMME), "--sandbox", "--database", database)
    words = ["-c", program, "serve", "--sandbox", "--port", "0", "--database", database]
    return subprocess.run([sys.executable, *words], check=False, capture_output=True, text=True, timeout=60)


def test_a_writer_that_cannot_even_begin_ends_the_server_with_the_same_sentence(tmp_path):
    ended = served_by(WITHOUT_WRITER, tmp_path)
    assert "the process that writes to the ledger ended" in refused(ended)


WITHOUT_WRITER = """
import os
from amcash.cli import main
from amcash.ledger import writer

writer.write = lambda *_, **__: os.kill(os.getpid(), 9)
main()
"""


def test_a_writer_that_cannot_open_the_ledger_is_an_error_of_the_start(tmp_path):
    ended = served_by(CANNOT_OPEN, tmp_path)
    assert "the process that writes to the ledger could not open it" in refused(ended)
    assert "no connection is left" in ended.stdout
    assert "http://" not in ended.stdout, "it never listened"


CANNOT_OPEN = """
from amcash import wiring
from amcash.cli import main
from amcash.ledger.store import StoreUnusableError

def refuse(_settings):
    raise StoreUnusableError("no connection is left")

wiring._connect = refuse
main()
"""


def test_a_server_that_was_killed_takes_its_writer_with_it(own_server):
    writer = writer_of(own_server)
    own_server.process.kill()
    own_server.process.wait(30)
    assert gone(writer)


def test_ctrl_c_which_both_processes_hear_drains_like_a_sigterm(own_server):
    assert own_server.till().redeem().code == "0000"
    os.kill(writer_of(own_server), signal.SIGINT)
    os.kill(own_server.process.pid, signal.SIGINT)
    assert own_server.process.wait(30) == 0
