"""`amcash load`."""

import os
import pty
import shlex
import subprocess

import pytest

from amcash.cli.failing import Refused
from amcash.cli.load import PROGRAMME_BYTES_MAX, read_programme_file
from amcash.ledger import population
from amcash.ledger.store import StoreError
from cli.operating import PROGRAMME, RICH

SECRET = PROGRAMME.replace('id = "waiting"', 'id = "waiting"\nsecret = "only-in-a-sandbox"')


@pytest.fixture
def programme(tmp_path):
    path = tmp_path / "programme.toml"
    path.write_text(PROGRAMME)
    return path


@pytest.fixture
def csv(tmp_path):
    def write(text, name="collectors.csv"):
        path = tmp_path / name
        path.write_text(text)
        return str(path)

    return write


def test_a_programme_makes_the_ledger_and_says_what_it_did(bare, programme):
    assert bare.done("load", str(programme)).splitlines() == [
        "programme AM Cash: 1 offer, 2 sponsors, 1 client",
        "collectors: 2 new, 0 changed, 0 as they were",
        "a client has no secret yet; make it: amcash client add waiting --sponsor LOY1",
    ]


def test_the_printed_command_for_a_client_without_a_secret_works(bare, programme):
    command = bare.done("load", str(programme)).splitlines()[-1].partition("amcash ")[2]
    assert bare.json(*command.split())["id"] == "waiting"
    assert "no secret" not in bare.done("load", str(programme))


def test_loading_again_changes_nothing(amcash, programme):
    assert "collectors: 0 new, 0 changed, 2 as they were" in amcash.done("load", str(programme))
    assert amcash.json("verify")["transfers"] == 2


def test_a_secret_in_the_file_is_refused_outside_a_sandbox_and_nothing_is_made(bare, programme, tmp_path):
    programme.write_text(SECRET)
    sentence = bare.refused("load", str(programme))
    assert "clients[1].secret" in sentence
    assert "only-in-a-sandbox" not in sentence
    assert not (tmp_path / "amcash.db").exists()


@pytest.mark.parametrize(("option", "environment"), [(["--sandbox"], {}), ([], {"AMCASH_SANDBOX": "true"})])
def test_a_secret_in_the_file_is_accepted_in_a_sandbox(bare, programme, option, environment):
    programme.write_text(SECRET)
    bare.done("load", str(programme), *option, **environment)
    assert bare.json("client", "list") == [
        {"id": "waiting", "sponsors": ["LOY1"], "disabled": False, "secrets": 0, "sandbox_secret": True}
    ]


def test_a_mistake_in_a_programme_names_the_file_the_table_the_key_and_the_line(bare, programme):
    programme.write_text(PROGRAMME.replace("unit_miles = 95", "unit_miles = 0"))
    sentence = bare.refused("load", str(programme))
    assert sentence.startswith(f"{programme}: offers[1].unit_miles (line 13): ")
    assert sentence.endswith("; nothing was loaded")


def test_a_programme_that_is_no_text_is_refused(bare, programme):
    programme.write_bytes(b"\xff\xfe")
    assert bare.refused("load", str(programme)) == f"{programme} is not UTF-8 text; nothing was loaded"


def test_collectors_are_loaded_from_csv_and_counted(amcash, csv):
    path = csv(f"number,cash_miles,active\n1001,95,true\n1002,0,false\n{RICH},7,no\n")
    left = "1 collector has other balances than the file says; they were left as they are\n"
    assert amcash.done("load", path) == f"collectors: 2 new, 1 changed, 0 as they were\n{left}"
    assert amcash.done("load", path) == f"collectors: 0 new, 0 changed, 3 as they were\n{left}"
    assert amcash.json("collector", "show", "1001")["cash_miles"] == 95
    assert amcash.json("collector", "show", RICH)["cash_miles"] == 1900
    assert amcash.json("verify")["ok"]


def test_a_mistake_at_the_end_of_a_csv_file_applies_nothing_of_it(amcash, csv):
    rows = "".join(f"{number},95\n" for number in range(2_000, 5_000))
    sentence = amcash.refused("load", csv(f"number,cash_miles\n{rows}5000,many\n"))
    assert "line 3002, column cash_miles" in sentence
    assert sentence.endswith("; nothing was loaded")
    assert amcash.json("verify")["collectors"] == 2


def test_a_load_that_breaks_off_says_how_many_are_in_and_the_same_call_does_the_rest(amcash, csv, monkeypatch):
    path = csv("number\n" + "".join(f"{number}\n" for number in range(1, 2_501)))
    enrol, calls = population.enrol, []

    def break_at_the_third_batch(*arguments):
        calls.append(1)
        if len(calls) == 3:
            raise StoreError("no space is left on the ledger's disk")
        return enrol(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(population, "enrol", break_at_the_third_batch)
        assert amcash.refused("load", path) == (
            "no space is left on the ledger's disk; 2,000 of 2,500 collectors are in, load again for the rest"
        )
    assert amcash.done("load", path) == "collectors: 500 new, 0 changed, 2,000 as they were\n"


def test_a_csv_file_may_come_before_the_programme(bare, csv, programme):
    bare.done("load", csv("number\n1001\n"))
    bare.done("load", str(programme))
    assert bare.json("verify")["collectors"] == 3


def test_numbers_must_carry_their_check_digit_where_the_programme_says_so(bare, programme, csv):
    programme.write_text(PROGRAMME.replace('= "750.00"', '= "750.00"\ncheck_digit = true'))
    bare.done("load", str(programme))
    assert "line 2, column number" in bare.refused("load", csv("number\n84095202007\n"))


@pytest.mark.parametrize("name", ["programme.json", "programme"])
def test_a_file_of_another_kind_is_a_usage_error(bare, csv, name):
    assert "neither a programme (.toml) nor a file of collectors (.csv)" in bare.misused("load", csv("", name))


def test_a_file_that_is_not_there_is_a_usage_error(bare):
    assert "'nothing.toml' does not exist" in bare.misused("load", "nothing.toml")


def test_a_file_may_be_named_in_capitals(bare, csv):
    bare.done("load", csv("number\n1001\n", "COLLECTORS.CSV"))


def test_serve_reads_the_file_before_it_touches_a_ledger(programme):
    described = read_programme_file(programme, sandbox=False)
    assert [item.code for item in described.sponsors] == ["LOY1", "LOY2"]
    with pytest.raises(Refused, match="cannot be read: No such file"):
        read_programme_file(programme.with_name("gone.toml"), sandbox=False)


def test_a_load_that_is_interrupted_says_how_many_are_in(amcash, csv, monkeypatch):
    path = csv("number\n" + "".join(f"{number}\n" for number in range(1, 2_501)))
    enrol, calls = population.enrol, []

    def interrupt_the_second_batch(*arguments):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return enrol(*arguments)

    monkeypatch.setattr(population, "enrol", interrupt_the_second_batch)
    assert amcash.refused("load", path) == ("interrupted; 1,000 of 2,500 collectors are in, load again for the rest")
    assert amcash.json("verify")["ok"]


def test_a_refused_file_leaves_no_new_ledger_behind(bare, csv, tmp_path):
    path = csv("number,cash_miles\n1,many\n")
    bare.refused("load", path)
    bare.refused("serve", "--programme", csv("nonsense", "bad.toml"))
    bare.refused("serve", "--programme", "gone.toml")
    bare.refused("serve")
    assert not list(tmp_path.glob("*.db*"))


@pytest.mark.parametrize("name", ["pipe.toml", "pipe.csv"])
def test_a_pipe_is_refused_without_waiting_for_it(bare, tmp_path, name):
    os.mkfifo(tmp_path / name)
    assert bare.refused("load", name) == f"{name} is not a regular file; nothing was loaded"


@pytest.mark.parametrize("name", ["folder.toml", "folder.csv"])
def test_a_folder_is_refused(bare, tmp_path, name):
    (tmp_path / name).mkdir()
    assert bare.refused("load", name) == f"{name} is not a regular file; nothing was loaded"


def test_a_programme_over_16_mib_is_refused_before_it_is_read(bare, programme):
    with programme.open("r+b") as file:
        file.truncate(PROGRAMME_BYTES_MAX)
    assert "larger than" not in bare.refused("load", str(programme))  # but NUL is not TOML
    with programme.open("r+b") as file:
        file.truncate(PROGRAMME_BYTES_MAX + 1)
    assert "is larger than 16 MiB" in bare.refused("load", str(programme))


def test_the_printed_command_names_the_database_that_was_named(bare, programme):
    url = "sqlite:///my ledger.db"
    command = bare.done("load", str(programme), "--database", url).splitlines()[-1].partition("amcash ")[2]
    assert bare.json(*shlex.split(command))["id"] == "waiting"


def test_a_progress_bar_is_drawn_on_a_terminal_and_nowhere_else(ledger, csv, program):
    path = csv("number\n" + "".join(f"{number}\n" for number in range(1, 3_000)))
    command = [*program, "load", path, "--database", ledger.url]
    assert subprocess.run(command, capture_output=True, check=True).stderr == b""
    ours, theirs = pty.openpty()
    subprocess.run(command, stdout=subprocess.PIPE, stderr=theirs, env={**os.environ, "TERM": "xterm"}, check=True)
    os.close(theirs)
    assert b"Loading collectors" in os.read(ours, 65_536)
    os.close(ours)
