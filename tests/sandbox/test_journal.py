"""The journal: every request and answer of a client, and why."""

import json

import pytest

from amcash.sandbox.journal import ENTRIES_MAX, Journal

ENTRY = {"endpoint": "echo", "code": "0000", "collector": None, "trace": "t"}


def checks(entry):
    return {check["rule"]: check for check in entry["why"]["checks"]}


def decided(entry):
    return [check["rule"] for check in entry["why"]["checks"] if check["result"] == "decided"]


def test_an_entry_holds_the_whole_request_and_the_whole_answer(partner, collector):
    answer = partner.till.redeem(collector, key="my-key", traceId="my-trace", storeId="77", instantMessage="fr")
    (entry,) = partner.journal()
    assert json.loads(entry["answer"]["body"]) == answer.body
    assert json.loads(entry["request"]["body"])["collectorNumber"] == collector
    told = {name: entry[name] for name in ("endpoint", "code", "collector", "store", "trace", "idempotency_key")}
    assert told == {
        "endpoint": "redeem",
        "code": "0000",
        "collector": collector,
        "store": "77",
        "trace": "my-trace",
        "idempotency_key": "my-key",
    }
    assert entry["request_id"] == answer.headers["x-request-id"]
    assert (entry["answer"]["status"], entry["answer"]["sent"]) == (200, "whole")


def test_the_checklist_has_the_values_that_were_seen_and_one_rule_that_decided(partner, collector):
    partner.done("PUT", "clock", {"time": "2026-06-10T12:00:00", "runs": False})
    partner.till.redeem(collector, dollars="740.00")
    partner.till.redeem(collector, dollars="20.00", basket="35.00", cardEntryMode="SCAN")
    entry, approved = partner.journal()
    assert (entry["code"], decided(entry)) == ("0065", ["R-ORDER-12"])
    rows = checks(entry)
    assert rows["R-ORDER-1"]["saw"] == {"client": "loy1-pos"}
    assert rows["R-ORDER-5"]["saw"] == {"entry_mode": "SCAN"}
    assert rows["R-ORDER-9"]["saw"] == {
        "offer": "1111111111",
        "type": "RGL",
        "unit_miles": 95,
        "unit_dollars": "10.00",
    }
    assert rows["R-ORDER-10"]["saw"] == {
        "basket_dollars": "35.00",
        "requested_dollars": "20.00",
        "unit_dollars": "10.00",
        "units_wanted": 2,
    }
    assert rows["R-ORDER-11"]["saw"] == {
        "cash_miles": 9500 - 74 * 95,
        "unit_miles": 95,
        "units_affordable": 26,
        "units_wanted": 2,
    }
    assert rows["R-ORDER-12"]["saw"] == {
        "cap_day": "2026-06-10",
        "cap_dollars": "750.00",
        "used_dollars": "740.00",
        "left_dollars": "10.00",
        "units_left_today": 1,
        "units_wanted": 2,
    }
    assert rows["R-ORDER-14"] == {"rule": "R-ORDER-14", "check": "approved", "result": "not reached", "saw": {}}
    assert decided(approved) == ["R-ORDER-14"]
    assert all(check["result"] == "passed" for check in approved["why"]["checks"][:-1])


@pytest.mark.parametrize(
    ("rule", "request_"),
    [
        ("R-ORDER-3", {"basket": "x"}),
        ("R-AMT-2", {"dollars": "9.99"}),
        ("R-ORDER-5", {"cardEntryMode": "MANUAL"}),
        ("R-ORDER-6", {"collector": "999"}),
        ("R-ORDER-7", {"collector": "1002"}),
        ("R-ORDER-8", {"collector": "1005"}),
        ("R-ORDER-9", {"sponsorCode": "LOY3", "vendorId": "300087", "acquirerId": "300000"}),
        ("R-ORDER-10", {"basket": "9.99"}),
        ("R-ORDER-11", {"collector": "1051"}),
    ],
)
def test_the_rule_that_decided_is_named(partner, rule, request_):
    partner.till.redeem(**request_)
    (entry,) = partner.journal()
    assert entry["why"]["rule"] == rule
    assert decided(entry) == [rule]


def test_a_retry_is_decided_by_what_was_recorded(partner, collector):
    fields = partner.redeem_fields(collector)
    for _ in range(2):
        partner.till.ask("redeem", fields, "same")
    partner.till.ask("redeem", {**fields, "storeId": "2"}, "same")
    reused, replayed, _ = partner.journal()
    assert (replayed["replayed"], decided(replayed)) == (True, ["R-ORDER-4"])
    assert checks(replayed)["R-ORDER-4"]["saw"]["recorded"] == "0000"
    assert (reused["code"], decided(reused)) == ("0035", ["R-ORDER-4"])


def test_a_reversal_tells_of_the_redemption_and_its_window(partner, collector):
    partner.done("PUT", "clock", {"time": "2026-06-10T12:00:00", "runs": False})
    made = partner.till.redeem(collector).body["txnConfirmationNumber"]
    partner.done("POST", "clock/step", {"days": 2})
    assert partner.till.reverse(made, collector).code == "0080"
    entry = partner.journal(endpoint="reverse")[0]
    found, window = (check for check in entry["why"]["checks"] if check["rule"] == "R-ORDER-13")
    assert (found["result"], found["saw"]["found"], found["saw"]["closed"]) == ("passed", True, False)
    assert (window["result"], window["saw"]["closes"]) == ("decided", "2026-06-11T07:00:00.000000Z")
    assert window["saw"]["now"] == "2026-06-12T16:00:00.000000Z"


def test_an_inquiry_and_an_echo_have_checklists_too(partner, collector):
    partner.till.echo()
    partner.till.inquire(collector, basket="43.50")
    inquiry, echo = partner.journal()
    assert [decided(echo), decided(inquiry)] == [["R-ECHO-1"], ["R-ORDER-14"]]
    assert checks(inquiry)["R-AMT-4"]["saw"]["basket_dollars"] == "43.50"


def test_entries_are_newest_first_and_can_be_filtered_and_polled(partner, collector):
    partner.till.inquire(collector)
    partner.till.redeem(collector, traceId="wanted")
    partner.till.redeem("1051")
    third, second, first = partner.journal()
    assert third["id"] > second["id"] > first["id"]
    assert partner.journal(endpoint="inquire") == [first]
    assert partner.journal(collector=collector) == [second, first]
    assert partner.journal(code="0051") == [third]
    assert partner.journal(trace="wanted") == [second]
    assert partner.journal(after=first["id"]) == [third, second]
    assert partner.journal(before=third["id"], limit=1) == [second]
    page = partner.done("GET", "journal?limit=2")
    assert (page["newest"], page["more"], len(page["entries"])) == (third["id"], True, 2)
    assert partner.done("GET", f"journal?after={third['id']}")["entries"] == []


def test_a_client_sees_its_own_and_nobody_elses_and_empties_its_own(partner, other):
    partner.till.echo()
    other.till.echo()
    assert [len(partner.journal()), len(other.journal())] == [1, 1]
    assert partner.done("DELETE", "journal") == {"cleared": 1}
    assert partner.done("GET", "journal") == {"newest": 0, "more": False, "entries": []}
    assert len(other.journal()) == 1


def test_whatever_a_body_is_there_is_an_entry(partner):
    for body in (b"", b"\xff\xfe", b"[1]", b'{"collectorNumber": 5, "storeId": "1"}', b"[" * 5000, b"x" * 20_000):
        assert partner.till.ask("redeem", body).code == "0035"
    entries = partner.journal()
    assert [decided(entry) for entry in entries] == [["R-ORDER-3"]] * 6
    assert entries[2]["store"] == "1"
    assert checks(entries[-1])["R-ORDER-3"]["saw"] == {"parameter": "body", "why": "must be valid JSON"}


def test_the_journal_of_a_client_is_bounded_and_drops_the_oldest():
    journal = Journal()
    for _ in range(ENTRIES_MAX + 5):
        journal.add("a", ENTRY)
    page = journal.read("a", {}, after=0, before=None, limit=ENTRIES_MAX)
    assert (len(page.entries), page.entries[-1]["id"], page.more) == (ENTRIES_MAX, 6, False)


def test_ids_go_on_after_an_emptying():
    journal = Journal()
    first = journal.add("a", ENTRY)
    journal.clear("a")
    assert journal.add("b", ENTRY) > first
    assert (journal.newest("a"), journal.newest("b")) == (0, first + 1)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("endpoint=refund", "endpoint"),
        ("code=9999", "code"),
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("limit=x", "limit"),
        ("after=-1", "after"),
        ("before=", "before"),
        ("colour=red", "colour"),
        ("code=0000&code=0001", "code"),
    ],
)
def test_a_wrong_query_is_a_problem_that_names_the_parameter(partner, query, field):
    answer = partner.ask("GET", f"journal?{query}")
    assert (answer.status, answer.body["field"]) == (400, field)
