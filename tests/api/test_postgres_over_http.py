"""What only PostgreSQL can do to a server: be away and come back, swallow an answer, be out of date or unsafe."""

import json
import time

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from api.serving import PROGRAMME, run_command, serving
from cli.operating import CommandLine
from postgres.cutting import wire

PATIENCE_S = 10


@pytest.fixture(scope="session")
def kind():
    return "postgres"


def refused(result):
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    return result.stderr.strip()


def test_a_server_answers_0096_while_the_database_is_away_and_works_again_without_a_restart(database, tmp_path):
    with wire(database) as cable, serving(tmp_path, database=cable.url) as server:
        till = server.till()
        assert till.redeem().code == "0000"
        cable.refusing = True
        cable.cut()
        for answer in (till.echo(), till.redeem(), till.inquire()):
            assert (answer.status, answer.code) == (500, "0096")
        assert server.send("GET", "/readyz").status == 503
        assert server.send("GET", "/healthz").status == 200
        cable.refusing = False
        deadline = time.monotonic() + PATIENCE_S
        while server.send("GET", "/readyz").status != 200:
            assert time.monotonic() < deadline
        assert till.redeem().code == "0000"
        assert till.inquire().code == "0000"


def test_a_commit_whose_answer_is_lost_is_answered_with_its_outcome(database, tmp_path):
    with wire(database) as cable, serving(tmp_path, database=cable.url) as server:
        till = server.till()
        assert till.echo().code == "0000"
        cable.cut_the_next_commits = 1
        answer = till.redeem(key="once")
        assert (answer.code, answer.body["cashBalance"]) == ("0000", "1805")
        assert cable.cuts == 1
        again = till.redeem(key="other")
        assert again.body["cashBalance"] == "1710"
        assert json.loads(server.command("verify", "--json").stdout)["ok"]


def test_a_server_refuses_a_schema_that_is_out_of_date_and_names_the_command(postgres, tmp_path):  # noqa: ARG001
    url = postgres.database()
    words = ("serve", "--sandbox", "--port", "0", "--programme", str(PROGRAMME), "--database", url)
    assert "run `amcash migrate`" in refused(run_command(*words, check=False))
    planned = run_command("migrate", "--plan", "--database", url).stdout
    assert planned == "would run 0001_ledger\nNothing was changed.\n"
    assert run_command("migrate", "--database", url).stdout == "ran 0001_ledger\nThe schema is up to date.\n"
    assert run_command("migrate", "--plan", "--database", url).stdout == "Nothing was changed.\n"


def test_a_server_refuses_a_database_that_may_lose_redemptions_unless_told_otherwise(database, tmp_path):
    name = conninfo_to_dict(database)["dbname"]
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
        try:
            words = ("serve", "--sandbox", "--port", "0", "--programme", str(PROGRAMME), "--database", database)
            assert "synchronous_commit = off" in refused(run_command(*words, check=False))
            with serving(tmp_path, "--unsafe-durability", database=database) as server:
                assert server.till().redeem().code == "0000"
        finally:
            admin.execute(f"ALTER DATABASE {name} RESET synchronous_commit")


def test_operators_commands_work_on_a_ledger_in_postgresql(database, tmp_path):
    people = tmp_path / "people.csv"
    rows = "".join(f"{90000000000 + n},{n},0\n" for n in range(1, 2500))
    people.write_text("number,cash_miles,dream_miles\n" + rows)

    def amcash(*words):
        return CommandLine().done(*words, "--database", database)

    amcash("load", str(PROGRAMME), "--sandbox")
    amcash("load", str(people))
    amcash("load", str(people))
    amcash("client", "add", "till", "--sponsor", "LOY1")
    amcash("client", "rotate", "till")
    amcash("key", "rotate")
    amcash("collector", "credit", "90000000007", "93", "--reason", "goodwill")
    amcash("collector", "set", "90000000007", "--inactive")
    with serving(tmp_path, database=database) as server:
        till = server.till()
        made = till.redeem().body["txnConfirmationNumber"]
        assert till.redeem("90000000007").code == "0002"
    shown = json.loads(amcash("collector", "show", "90000000007", "--json"))
    assert (shown["cash_miles"], shown["active"]) == (100, False)
    shown = json.loads(amcash("transaction", "show", made, "--collector", "84095202006", "--json"))
    assert json.dumps(shown).count(made) > 1
    proved = json.loads(amcash("verify", "--json"))
    assert proved["ok"]
    assert proved["collectors"] > 2499
