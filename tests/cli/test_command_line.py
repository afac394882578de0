"""What holds for every command: help, exit codes, the ledger that --database opens."""

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from amcash.cli import main
from amcash.ledger import register as registers
from cli.operating import PROGRAMME, RICH

COMMANDS = [
    ("client", "add", "x", "--sponsor", "LOY1"),
    ("client", "rotate", "x"),
    ("client", "disable", "x"),
    ("client", "enable", "x"),
    ("client", "list"),
    ("collector", "show", RICH),
    ("collector", "credit", RICH, "1", "--reason", "x"),
    ("collector", "set", RICH, "--active"),
    ("transaction", "show", "1", "--collector", RICH),
    ("outage", "on"),
    ("outage", "off"),
    ("outage", "show"),
    ("verify",),
    ("key", "rotate"),
    ("key", "list"),
]
names = pytest.mark.parametrize("command", COMMANDS, ids=" ".join)


def leaves():
    def walk(path, command):
        if not isinstance(command, click.Group):
            yield path, command
            return
        context = click.Context(command)
        for name in command.list_commands(context):
            if name == "demo":
                continue  # it has no ledger of the operator's
            yield from walk((*path, name), command.get_command(context, name))

    return list(walk((), main))


@names
def test_a_missing_ledger_is_a_sentence_with_the_command_that_makes_one(bare, tmp_path, command):
    assert bare.refused(*command) == (
        "there is no ledger at amcash.db; `amcash migrate --database sqlite:///amcash.db` makes one"
    )
    assert list(tmp_path.iterdir()) == []


@names
def test_the_option_comes_before_the_environment(bare, command):
    sentence = bare.refused(*command, "--database", "sqlite:///here.db", AMCASH_DATABASE="sqlite:///there.db")
    assert "there is no ledger at here.db" in sentence


@names
def test_a_file_that_is_no_ledger_is_a_sentence_and_stays_as_it_is(bare, tmp_path, command):
    path = tmp_path / "amcash.db"
    path.write_text("not a database, but a text that is long enough to be taken for one" * 100)
    before = path.read_bytes()
    assert "is not an SQLite database" in bare.refused(*command)
    assert path.read_bytes() == before


@pytest.mark.parametrize("url", ["amcash.db", "mysql://root@host/x", "sqlite://", "sqlite:///x?mode=ro", ""])
def test_what_is_no_database_url_is_a_sentence(bare, url):
    assert "sqlite:///" in bare.refused("verify", "--database", url)


def test_a_database_url_with_two_slashes_is_told_the_form_with_three(bare):
    assert "sqlite:///good.db" in bare.refused("verify", "--database", "sqlite://good.db")


def test_a_setting_that_does_not_exist_is_a_sentence(amcash):
    assert "AMCASH_DATABSE is not a setting" in amcash.refused("verify", AMCASH_DATABSE="x")


@pytest.mark.parametrize(
    "command", [("nonsense",), ("client", "nonsense"), ("verify", "--nonsense"), ("client", "add")]
)
def test_what_does_not_exist_is_a_usage_error(bare, command):
    bare.misused(*command)


@pytest.mark.parametrize("path", [path for path, _ in leaves()], ids=" ".join)
def test_every_command_explains_itself_with_an_example_in_80_columns(bare, path):
    printed = bare.done(*path, "--help", COLUMNS="80")
    assert f"amcash {' '.join(path)}" in printed
    if path[0] != "sandbox":  # it talks to a running server
        assert "--database" in printed
    if path != ("serve",):  # it has two examples, under names of their own
        assert "Example:" in printed
        assert max(map(len, printed.splitlines())) <= 80


def test_the_list_of_commands_is_the_documented_surface():
    assert {" ".join(path) for path, _ in leaves()} >= {
        "serve", "load", "migrate", "client add", "client rotate", "client disable", "client list", "collector show",
        "collector credit", "collector set", "transaction show", "outage on", "outage off", "outage show", "verify",
        "key rotate", "key list", "config",
    }  # fmt: skip


def test_migrate_makes_a_ledger_once(bare):
    assert "ran 0001_" in bare.done("migrate")
    assert bare.done("migrate") == "The schema is up to date.\n"
    assert "does not exist" in bare.refused("migrate", "--database", "sqlite:///nowhere/amcash.db")


def test_the_listing_of_commands_loads_none_of_what_they_need(program):
    script = (
        "import sys; from amcash.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print([name for name in ('apsw', 'rich', 'joserfc', 'starlette', 'msgspec') if name in sys.modules])"
    )
    printed = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True).stdout
    assert printed.splitlines()[-1] == "[]"
    shown = subprocess.run([*program, "--help"], capture_output=True, check=True, text=True).stdout
    assert "Usage: python -m amcash [OPTIONS]" in shown


def test_a_real_process_exits_0_1_and_2_and_never_with_a_traceback(program, ledger):
    for arguments, code in (
        (["collector", "show", RICH, "--json"], 0),
        (["collector", "show", "1"], 1),
        (["collector", "show"], 2),
    ):
        result = subprocess.run(
            [*program, *arguments, *(["--database", ledger.url] if len(arguments) > 2 else [])],
            capture_output=True,
            check=False,
            text=True,
        )
        assert result.returncode == code
        assert "Traceback" not in result.stderr


def test_a_change_waits_for_a_server_that_is_writing(amcash, ledger, monkeypatch):
    from amcash.ledger import sqlite  # noqa: PLC0415 -- only this test looks behind the wiring

    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT_MS", 1)
    with ledger.open() as store, store.write():
        assert "locked by another program" in amcash.refused("collector", "credit", RICH, "1", "--reason", "x")
    amcash.done("collector", "credit", RICH, "1", "--reason", "x")


def test_what_a_refused_change_began_is_not_there(amcash, ledger):
    before = ledger.rows("SELECT version FROM register_version")
    amcash.refused("client", "rotate", "nobody")
    assert ledger.rows("SELECT version FROM register_version") == before
    with ledger.open() as store, store.read() as session:
        assert registers.read_keys(session) == []


# --- output that nobody takes ---


def run_into(output, program, *arguments):
    result = subprocess.run([*program, *arguments], stdout=output, stderr=subprocess.PIPE, check=False, text=True)
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1, result.stderr
    return result


def full_disk():
    return Path("/dev/full").open("w")


def closed_pipe():
    reader, writer = os.pipe()
    os.close(reader)
    return os.fdopen(writer, "w")


@pytest.mark.parametrize("command", [("collector", "show", RICH), ("config",), ("--help",), ("verify", "--help")])
@pytest.mark.parametrize("output", [full_disk, closed_pipe], ids=["full", "closed"])
def test_output_that_cannot_be_written_is_a_sentence(program, ledger, monkeypatch, output, command):
    monkeypatch.setenv("AMCASH_DATABASE", ledger.url)
    with output() as stdout:
        result = run_into(stdout, program, *command)
    assert (result.returncode, "the output could not be written whole" in result.stderr) == (1, True)


@pytest.mark.parametrize("command", [("add", "new", "--sponsor", "LOY1"), ("rotate", "waiting")])
def test_a_secret_that_could_not_be_printed_was_not_made(program, ledger, command):
    before = ledger.rows("SELECT * FROM client"), ledger.rows("SELECT * FROM client_secret")
    with Path("/dev/full").open("w") as full:
        result = run_into(full, program, "client", *command, "--database", ledger.url)
    assert result.returncode == 1
    assert "so none was made" in result.stderr
    assert (ledger.rows("SELECT * FROM client"), ledger.rows("SELECT * FROM client_secret")) == before


# --- places where no ledger can be ---


@pytest.fixture(params=["proc", "loop", "dangling", "long"])
def impossible(request, tmp_path):
    (tmp_path / "loop.db").symlink_to("loop.db")
    (tmp_path / "dangling.db").symlink_to("/nowhere/x.db")
    return {"proc": "/proc/x.db", "long": TOO_LONG}.get(request.param, f"{request.param}.db")


TOO_LONG = "x" * 300


@pytest.mark.parametrize("command", [("migrate",), ("verify",), ("load", "programme.toml")])
def test_a_place_where_no_ledger_can_be_is_a_sentence(bare, tmp_path, impossible, command):
    (tmp_path / "programme.toml").write_text(PROGRAMME)
    refuses(bare, impossible, *command)


def test_a_plan_which_makes_no_file_still_refuses_a_name_that_is_too_long(bare):
    refuses(bare, TOO_LONG, "migrate", "--plan")


def refuses(bare, impossible, *command):
    sentence = bare.refused(*command, "--database", f"sqlite:///{impossible}")
    assert any(words in sentence for words in ("cannot be used", "there is no ledger", "cannot be looked for"))


# --- a ledger that is only looked at ---

READING = [
    ("verify",),
    ("collector", "show", RICH),
    ("client", "list"),
    ("outage", "show"),
    ("key", "list"),
]


@pytest.fixture
def read_only(ledger, monkeypatch):
    """A ledger in a folder that may not be written; root may write everything, so it is asked as one who may not."""
    monkeypatch.setattr(os, "access", lambda _path, mode: mode != os.W_OK)
    ledger.path.parent.chmod(0o500)
    yield ledger
    ledger.path.parent.chmod(0o700)


@pytest.mark.parametrize("command", READING, ids=" ".join)
def test_an_auditors_copy_that_may_not_be_written_can_be_read_and_nothing_is_made_beside_it(amcash, read_only, command):
    before = sorted((item.name, item.stat().st_mtime_ns) for item in read_only.path.parent.iterdir())
    amcash.done(*command)
    assert sorted((item.name, item.stat().st_mtime_ns) for item in read_only.path.parent.iterdir()) == before


def test_a_redemption_can_be_looked_at_in_an_auditors_copy(amcash, ledger, monkeypatch):
    confirmation = ledger.redeem().confirmation
    monkeypatch.setattr(os, "access", lambda _path, mode: mode != os.W_OK)
    assert "stands" in amcash.done("transaction", "show", confirmation, "--collector", RICH)


def test_a_copy_without_its_newest_transfers_is_refused(amcash, read_only):
    read_only.path.with_name("ledger.db-wal").write_bytes(b"x")
    sentence = amcash.refused("verify")
    assert "ledger.db-wal" in sentence
    assert "copy both files" in sentence


@pytest.mark.usefixtures("read_only")
def test_a_change_to_a_ledger_that_may_not_be_written_is_refused(amcash):
    assert "cannot be opened for writing" in amcash.refused("client", "rotate", "waiting")
