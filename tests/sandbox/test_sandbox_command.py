"""`amcash sandbox`: the same by the command line."""

import json

import pytest
from click.testing import CliRunner

from amcash.cli import main
from amcash.sandbox.magic import MAGIC


@pytest.fixture
def amcash(sandbox, partner):  # noqa: ARG001 -- a partner with nothing left over
    def run(*words, exit_code=0, client="loy1-pos", url=sandbox.address, **environment):
        names = {"AMCASH_SANDBOX_URL": url, "AMCASH_SANDBOX_CLIENT": client, "AMCASH_SANDBOX_SECRET": None}
        result = CliRunner().invoke(main, ["sandbox", *words], env={**names, **environment})
        assert result.exit_code == exit_code, result.output
        return result.output

    return run


def test_the_clock_is_set_stepped_stopped_let_run_and_given_back(amcash):
    assert "the server's" in amcash("clock", "show")
    assert amcash("clock", "set", "2026-03-08T01:59:50", "--still").startswith(
        "2026-03-08 01:59:50 (America/Toronto), stands still, your own; cap day 2026-03-07"
    )
    assert amcash("clock", "step", "20s").startswith("2026-03-08 03:00:10")
    assert amcash("clock", "step", "1d2h", "--back").startswith("2026-03-07 00:00:10")
    assert ", runs, " in amcash("clock", "run")
    assert ", stands still, " in amcash("clock", "stop")
    assert json.loads(amcash("clock", "back", "--json"))["own"] is False


def test_faults_are_ordered_listed_and_cleared(amcash, partner):
    assert amcash("faults", "list") == "No fault is ordered.\n"
    ordered = amcash("faults", "order", "cut", "--bytes", "100", "--times", "2", "--endpoint", "inquire")
    assert "cut after 100 bytes, 2 times, endpoint inquire" in ordered
    number = json.loads(amcash("faults", "order", "0096", "--collector", "1", "--store", "2", "--json"))["id"]
    assert "collector 1, store 2" in amcash("faults", "list")
    assert amcash("faults", "clear", str(number)) == "Cleared: 1 order.\n"
    assert "no fault with this id" in amcash("faults", "clear", str(number), exit_code=1)
    assert amcash("faults", "clear") == "Cleared: 1 order.\n"
    assert partner.done("GET", "faults") == {"faults": []}


def test_the_journal_says_why(amcash, partner):
    partner.till.redeem("1051")
    assert "R-ORDER-11" in amcash("journal", "--code", "0051", "--limit", "1")
    told = amcash("journal", "--why")
    assert "> R-ORDER-11" in told
    assert "cash_miles 94" in told
    assert len(json.loads(amcash("journal", "--json"))["entries"]) == 1
    assert amcash("journal", "clear") == "Cleared: 1 request.\n"
    assert amcash("journal") == "No request of yours is in the journal.\n"


def test_collectors_and_clients_are_listed(amcash):
    shown = amcash("collectors", client=None)
    assert all(number in shown for number in MAGIC)
    assert "loy2-pos" in amcash("clients", client=None)


def test_a_collector_is_put_back(amcash, partner, collector):
    partner.till.redeem(collector)
    assert amcash("reset", "--collector", collector).startswith("Put back: 1 collector; 1 redemption reversed")
    assert partner.account(collector).cash == 9500


def test_a_secret_can_be_used_instead(amcash):
    assert "the server's" in amcash("clock", "show", AMCASH_SANDBOX_SECRET="loy1-secret")
    assert "unknown client or wrong secret" in amcash("clock", "show", exit_code=1, AMCASH_SANDBOX_SECRET="wrong")


def test_mistakes_are_a_sentence(amcash, tmp_path):
    assert "fault must be one of lost_before_commit" in amcash("faults", "order", "earthquake", exit_code=1)
    assert "--client: one of loy1-pos, loy2-pos" in amcash("clock", "show", client=None, exit_code=2)
    assert "client_id must be a client" in amcash("clock", "show", client="nobody", exit_code=1)
    assert "must be such as 1d2h30m" in amcash("clock", "step", "soon", exit_code=2)
    assert "nothing answers at" in amcash("clock", "show", url="http://127.0.0.1:1", exit_code=1)
    assert "--url must be" in amcash("clock", "show", url=str(tmp_path), exit_code=2)
    assert "time must be on the clocks" in amcash("clock", "set", "2026-03-08T02:30:00", exit_code=1)


def test_a_server_that_is_no_sandbox_is_told_apart(amcash, own_production):
    assert "is no sandbox" in amcash("clock", "show", url=own_production, exit_code=1)


@pytest.fixture
def own_production(monkeypatch):
    """An address whose every path is answered 404, as in production."""
    monkeypatch.setattr("amcash.cli.sandbox.Sandbox._send", lambda *_: (404, {"title": "Not Found", "status": 404}))
    return "http://127.0.0.1:1"
