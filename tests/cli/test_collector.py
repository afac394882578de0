"""`amcash collector`."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from amcash.domain import calendar
from amcash.ledger import register as registers
from cli.operating import POOR, RICH


def today(ledger):
    with ledger.open() as store, store.read() as session:
        return calendar.cap_day(datetime.now(UTC), registers.read(session).programme).isoformat()


def test_show_has_the_names_that_outside_checks_use(amcash, ledger):
    confirmation = ledger.redeem("20.00").confirmation
    shown = amcash.json("collector", "show", RICH)
    transfers = shown.pop("transfers")
    assert shown == {
        "number": RICH,
        "cash_miles": 1710,
        "dream_miles": 545,
        "active": True,
        "show_balances": True,
        "allow_redemption": True,
        "cap_day": today(ledger),
        "cap_used_dollars": "20.00",
        "cap_dollars": "750.00",
        "transfers_total": 3,
    }
    newest = transfers[0]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", newest.pop("at"))
    assert newest == {
        "seq": 3,
        "kind": "redemption",
        "wallet": "cash",
        "miles": 190,
        "direction": "out",
        "balance": 1710,
        "confirmation": confirmation,
        "units": 2,
        "dollars": "20.00",
        "sponsor": "LOY1",
        "store": "0001",
        "device": "12",
        "trace": "trace-1",
        "offer_id": "1111111111",
        "cap_day": today(ledger),
        "reason": None,
    }
    assert [(item["seq"], item["kind"], item["wallet"], item["confirmation"]) for item in transfers[1:]] == [
        (2, "opening", "dream", None),
        (1, "opening", "cash", None),
    ]


def test_the_use_of_the_cap_is_todays(amcash, ledger):
    ledger.redeem(at=datetime.now(UTC) - timedelta(days=2))
    assert amcash.json("collector", "show", RICH)["cap_used_dollars"] == "0.00"


def test_the_table_signs_miles_as_the_collector_sees_them(amcash, ledger):
    confirmation = ledger.redeem().confirmation
    ledger.reverse(confirmation, store="0002")
    printed = amcash.done("collector", "show", RICH)
    assert "$0.00 of $750.00" in printed
    assert re.search(rf"^4 .* reversal +\+95 +1,900 +{confirmation} LOY1 store 0002$", printed, re.MULTILINE)
    assert re.search(rf"^3 .* redemption +-95 +1,805 +{confirmation} LOY1 store 0001$", printed, re.MULTILINE)
    assert re.search(r"^2 .* opening, dream +\+545 +545$", printed, re.MULTILINE)


def test_a_limit_shows_the_newest_and_says_how_many_are_older(amcash, ledger):
    ledger.redeem()
    assert [item["seq"] for item in amcash.json("collector", "show", RICH, "--limit", "1")["transfers"]] == [3]
    assert "2 older; --limit 0 shows all" in amcash.done("collector", "show", RICH, "--limit", "1")
    assert len(amcash.json("collector", "show", RICH, "--limit", "0")["transfers"]) == 3


def test_a_limit_below_zero_is_a_usage_error(amcash):
    assert "must be 0 or more" in amcash.misused("collector", "show", RICH, "--limit", "-1")


def test_a_collector_without_transfers_is_shown(amcash):
    assert amcash.json("collector", "show", POOR)["transfers"] == []
    assert "No transfers." in amcash.done("collector", "show", POOR)


def test_an_unknown_number_is_refused_and_masked(amcash):
    for command in (("show",), ("set",), ("credit",)):
        extra = {"show": (), "set": ("--inactive",), "credit": ("95", "--reason", "x")}[command[0]]
        sentence = amcash.refused("collector", *command, "84095202099", *extra)
        assert sentence == "there is no collector 84*******99 in this ledger"


@pytest.mark.parametrize("number", ["12a", "1" * 20, "\uff11\uff12", ""])
def test_what_is_no_collector_number_is_a_usage_error(amcash, number):
    assert "1 to 19 digits" in amcash.misused("collector", "show", number)


# --- credit --------------------------------------------------------------------------------------------------------


def test_credit_gives_miles_in_a_transfer_that_verifies(amcash, ledger):
    printed = amcash.done("collector", "credit", RICH, "95", "--reason", "goodwill, ticket 4711")
    assert printed == "Credited 95 cash miles as transfer 3; the balance is 1,995.\n"
    shown = amcash.json("collector", "show", RICH)
    assert shown["cash_miles"] == 1995
    newest = shown["transfers"][0]
    assert (newest["kind"], newest["direction"], newest["reason"]) == ("credit", "in", "goodwill, ticket 4711")
    ledger.redeem()
    assert amcash.json("verify")["ok"]


def test_negative_miles_are_an_adjustment(amcash):
    printed = amcash.done("collector", "credit", RICH, "-900", "--reason", "credited twice")
    assert printed == "Took 900 cash miles as transfer 3; the balance is 1,000.\n"
    newest = amcash.json("collector", "show", RICH)["transfers"][0]
    assert (newest["kind"], newest["miles"], newest["direction"]) == ("adjustment", 900, "out")
    assert amcash.json("verify")["ok"]


def test_the_dream_wallet_can_be_credited(amcash):
    amcash.done("collector", "credit", RICH, "5", "--reason", "x", "--wallet", "dream")
    shown = amcash.json("collector", "show", RICH)
    assert (shown["cash_miles"], shown["dream_miles"]) == (1900, 550)


def test_a_wallet_may_be_emptied_but_never_go_negative(amcash):
    assert amcash.refused("collector", "credit", RICH, "-1901", "--reason", "x") == (
        "the cash wallet holds 1,900 miles, so 1,901 cannot be taken; nothing was taken"
    )
    amcash.done("collector", "credit", RICH, "-1900", "--reason", "x")
    assert amcash.json("collector", "show", RICH)["cash_miles"] == 0


def test_a_wallet_never_holds_more_than_a_file_may_give(amcash):
    assert "nothing was credited" in amcash.refused("collector", "credit", RICH, str(10**12), "--reason", "x")


def test_zero_miles_are_refused(amcash):
    assert "0 miles change nothing" in amcash.refused("collector", "credit", RICH, "0", "--reason", "x")


@pytest.mark.parametrize("miles", ["9.5", "many", "1e3", "--", "\u0661", "1" * 5000, str(10**12 + 1), "-x"])
def test_what_is_no_number_of_miles_is_a_usage_error(amcash, miles):
    amcash.misused("collector", "credit", RICH, miles, "--reason", "x")


@pytest.mark.parametrize(
    "reason", ["", "   ", "a\nb", "a\x1fb", "a\x7fb", "a\u2028b", "a\u202eb", "a\udc80b", "x" * 201]
)
def test_a_reason_is_one_line_of_1_to_200_characters(amcash, reason):
    amcash.misused("collector", "credit", RICH, "1", "--reason", reason)
    assert amcash.json("collector", "show", RICH)["transfers_total"] == 2


@pytest.mark.parametrize("reason", ["x" * 200, "geste commercial\u00a0: café", "[red]not markup[/red]", "-95"])
def test_any_other_reason_is_kept_and_shown_as_it_was_written(amcash, reason):
    amcash.done("collector", "credit", RICH, "1", "--reason", reason)
    assert amcash.json("collector", "show", RICH)["transfers"][0]["reason"] == reason
    assert reason in amcash.done("collector", "show", RICH)


def test_a_reason_is_required(amcash):
    assert "--reason" in amcash.misused("collector", "credit", RICH, "95")


# --- set -----------------------------------------------------------------------------------------------------------


def test_set_changes_the_named_flags_and_no_other(amcash):
    names = ("active", "show_balances", "allow_redemption")
    for flag, expected in (
        ("--inactive", [False, True, True]),
        ("--hide-balances", [False, False, True]),
        ("--forbid-redemption", [False, False, False]),
        ("--active", [True, False, False]),
        ("--show-balances", [True, True, False]),
        ("--allow-redemption", [True, True, True]),
    ):
        amcash.done("collector", "set", RICH, flag)
        shown = amcash.json("collector", "show", RICH)
        assert [shown[name] for name in names] == expected
        assert (shown["cash_miles"], shown["transfers_total"]) == (1900, 2)
    assert amcash.json("verify")["ok"]


def test_set_says_how_the_collector_stands(amcash):
    assert amcash.done("collector", "set", RICH, "--inactive", "--hide-balances") == (
        "Active: no. Shows balances: no. May redeem: yes.\n"
    )


def test_set_needs_a_flag(amcash):
    assert "at least one flag" in amcash.misused("collector", "set", RICH)


@pytest.mark.parametrize(
    "flags",
    [("--active", "--inactive"), ("--hide-balances", "--active", "--show-balances")],
)
def test_a_flag_and_its_opposite_together_are_a_usage_error(amcash, flags):
    assert "say the opposite of each other" in amcash.misused("collector", "set", RICH, *flags)
