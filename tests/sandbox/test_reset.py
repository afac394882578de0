"""The way back to the programme file: by real transfers, which the auditor proves."""

import pytest

from amcash.sandbox.magic import MAGIC
from api.serving import PROGRAMME, by_hand, run_command, serving
from sandbox.trying import RICH, Partner, proved


def test_a_reset_brings_back_balances_daily_use_flags_clock_faults_and_journal(own_sandbox):
    partner, other = Partner(own_sandbox), Partner(own_sandbox, "loy2-pos", "LOY2")
    other.order("0096", match={"collector": "1001"})
    before = partner.account(RICH)
    partner.done("PUT", "clock", {"time": "2026-06-10T12:00:00", "runs": False})
    kept = [partner.till.redeem(dollars="50.00").body["txnConfirmationNumber"] for _ in range(2)]
    partner.till.reverse(kept[0])
    partner.done("POST", "clock/step", {"days": 3})
    partner.till.redeem(dollars="20.00")
    assert other.till.redeem("1001").code == "0096"
    own_sandbox.command("collector", "credit", "1051", "1000", "--reason", "test")
    own_sandbox.command("collector", "set", "1006", "--inactive")
    partner.order("0096", times=5, match={"store": "9"})
    other.order("0096", match={"store": "9"})
    assert partner.done("POST", "reset", {}) == {"collectors": 2, "reversed": 2, "credited": 0, "adjusted": 1}
    after = partner.account(RICH)
    for name in ("cash", "dream", "active", "cap_used"):
        assert getattr(after, name) == getattr(before, name)
    assert (partner.account("1051").cash, partner.kinds("1051")[0]) == (94, "adjustment")
    assert partner.account("1006").active
    assert partner.account("1001").cash == 1900
    assert partner.done("GET", "clock")["own"] is False
    assert partner.done("GET", "faults") == {"faults": []}
    assert partner.journal() == []
    assert len(other.done("GET", "faults")["faults"]) == 2
    partner.done("PUT", "clock", {"time": "2026-06-10T12:00:00", "runs": False})
    assert partner.till.redeem("1065", dollars="750.00").code == "0000"
    assert partner.till.inquire(basket="900.00").body["availableOfferUnits"] == "20"
    proved(own_sandbox)


def test_a_reset_again_has_nothing_to_do(own_sandbox):
    partner = Partner(own_sandbox)
    partner.till.redeem()
    assert partner.done("POST", "reset")["reversed"] == 1
    assert partner.done("POST", "reset") == {"collectors": 0, "reversed": 0, "credited": 0, "adjusted": 0}
    proved(own_sandbox)


def test_only_the_named_collectors_are_put_back_and_nothing_else_changes(own_sandbox):
    partner = Partner(own_sandbox)
    partner.done("PUT", "clock", {"runs": False})
    for number in (RICH, "1001", "1065"):  # the last lies between the others
        assert partner.till.redeem(number).code in {"0000", "0001"}
    asked = {"collectors": [RICH, "1001", "999"]}
    assert partner.done("POST", "reset", asked) == {"collectors": 2, "reversed": 2, "credited": 0, "adjusted": 0}
    assert partner.account("1065").cash == 100_000 - 95
    assert partner.done("GET", "clock")["own"] is True
    assert len(partner.journal()) == 3
    proved(own_sandbox)


def test_whoever_was_switched_off_since_is_put_back_too(own_sandbox):
    partner = Partner(own_sandbox)
    partner.till.redeem(RICH)
    own_sandbox.command("collector", "set", RICH, "--inactive")
    assert partner.done("POST", "reset", {"collectors": [RICH]})["reversed"] == 1
    assert (partner.account(RICH).cash, partner.account(RICH).active) == (1900, False)
    proved(own_sandbox)


def test_an_approval_whose_delivery_is_open_is_put_back_and_not_cancelled_twice(own_sandbox):
    partner = Partner(own_sandbox)
    partner.order("lost_after_commit")
    assert partner.raw("redeem", partner.redeem_fields()) == b""
    partner.done("POST", "reset")
    with by_hand(own_sandbox.database) as ledger:
        assert ledger.execute("SELECT count(*) FROM open_delivery").fetchone() == (0,)
    assert partner.account(RICH).cash == 1900
    proved(own_sandbox)


def test_without_a_programme_file_a_reset_goes_back_to_what_was_opened(tmp_path):
    database = f"sqlite:///{tmp_path}/ledger.db"
    run_command("load", str(PROGRAMME), "--sandbox", "--database", database)
    with serving(tmp_path, programme=None, database=database) as server:
        partner = Partner(server)
        assert server.send("GET", "/sandbox/collectors").body["programme"] == []
        partner.till.redeem()
        server.command("collector", "credit", RICH, "5", "--reason", "test")
        assert partner.done("POST", "reset") == {"collectors": 1, "reversed": 1, "credited": 0, "adjusted": 1}
        assert partner.account(RICH).cash == 1900
        proved(server)


def test_magic_collectors_are_put_back_as_well(own_sandbox):
    partner = Partner(own_sandbox)
    number = next(iter(MAGIC))
    partner.till.redeem(number)
    partner.done("POST", "reset")
    assert (partner.account(number).cash, partner.account(number).cap_used) == (1900, 0)
    proved(own_sandbox)


@pytest.mark.parametrize(
    ("body", "field"),
    [({"collectors": []}, "collectors"), ({"collectors": ["x"]}, "collectors"), ({"all": True}, "all")],
)
def test_a_wrong_reset_is_a_problem_that_names_the_field(partner, body, field):
    answer = partner.ask("POST", "reset", body)
    assert (answer.status, answer.body["field"]) == (400, field)
