"""Each fault as a till meets it, from a bare socket, and what the ledger holds afterwards."""

import json
import time

import pytest

from sandbox.trying import new_key, proved


def answer_in(raw):
    head, _, body = raw.partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), json.loads(body)


def newest(partner):
    return partner.journal(limit=1)[0]


def test_an_answer_lost_before_the_commit_has_done_nothing(partner, collector):
    partner.order("lost_before_commit", match={"endpoint": "redeem", "collector": collector})
    fields, key = partner.redeem_fields(collector), new_key()
    assert partner.raw("redeem", fields, key) == b""
    entry = newest(partner)
    assert (entry["code"], entry["answer"], entry["fault"]["fault"]) == (None, None, "lost_before_commit")
    assert partner.account(collector).cash == 9500
    retry = partner.till.ask("redeem", fields, key)
    assert (retry.code, "idempotency-replayed" in retry.headers) == ("0000", False)


def test_an_answer_lost_after_the_commit_is_replayed_to_the_retry(partner, collector):
    partner.order("lost_after_commit", match={"collector": collector})
    fields, key = partner.redeem_fields(collector), new_key()
    assert partner.raw("redeem", fields, key) == b""
    entry = newest(partner)
    assert (entry["code"], entry["answer"]["sent"]) == ("0000", "nothing")
    assert partner.account(collector).cash == 9405
    retry = partner.till.ask("redeem", fields, key)
    assert (retry.code, retry.headers["idempotency-replayed"]) == ("0000", "true")
    assert retry.body["txnConfirmationNumber"] == entry["confirmation"]


def test_approvals_that_nobody_got_and_nobody_retries_are_cancelled_after_the_real_grace(partner):
    partner.done("PUT", "clock", {"time": "2031-01-01T12:00:00", "runs": False})
    collectors = {"lost_after_commit": "7900001", "late": "7900002", "duplicate": "7900003"}
    for fault, number in collectors.items():
        partner.order(fault, match={"collector": number})
        partner.raw("redeem", partner.redeem_fields(number), new_key())
    until = time.monotonic() + 15
    while any(partner.account(collectors[fault]).cash == 9500 for fault in ("lost_after_commit", "late")):
        assert time.monotonic() < until
    proved(partner.server)  # with deliveries open, of redemptions in the future
    while any(partner.account(collectors[fault]).cash != 9500 for fault in ("lost_after_commit", "late")):
        assert time.monotonic() < until
    assert partner.kinds(collectors["late"])[0] == "cancellation"
    assert partner.account(collectors["duplicate"]).cash == 9405  # its second answer was handed over


@pytest.mark.parametrize("size", [0, 1, 100, 65_536])
def test_an_answer_is_cut_after_so_many_bytes_and_is_never_whole(partner, collector, size):
    whole = partner.raw("inquire", partner.till.fields(collector, postTaxBasketAmount="20.00"))
    partner.order("cut", bytes=size, match={"endpoint": "inquire"})
    fields = partner.till.fields(collector, postTaxBasketAmount="20.00")
    got = partner.raw("inquire", fields)
    assert len(got) == min(size, len(whole) - 1)
    assert got[:9] == whole[: len(got)][:9]
    assert newest(partner)["answer"]["sent"] == ("part" if size else "nothing")
    assert partner.till.ask("inquire", fields).code == "0000"


def test_a_cut_approval_was_not_handed_over(partner, collector):
    partner.order("cut", bytes=200, match={"endpoint": "redeem"})
    fields, key = partner.redeem_fields(collector), new_key()
    assert len(partner.raw("redeem", fields, key)) == 200
    assert partner.delivery_is_open(collector, newest(partner)["confirmation"])
    assert partner.till.ask("redeem", fields, key).headers["idempotency-replayed"] == "true"


def test_a_delay_holds_the_request_up_and_it_is_carried_out(partner, collector):
    partner.order("delay", delay_ms=300, match={"endpoint": "redeem"})
    began = time.monotonic()
    assert answer_in(partner.raw("redeem", partner.redeem_fields(collector)))[1]["responseCode"] == "0000"
    assert time.monotonic() - began >= 0.3
    assert newest(partner)["fault"]["fault"] == "delay"


def test_late_is_0008_and_the_commit_comes_all_the_same(partner, collector):
    partner.order("late", match={"endpoint": "redeem"})
    fields, key = partner.redeem_fields(collector), new_key()
    status, body = answer_in(partner.raw("redeem", fields, key))
    assert (status, body["responseCode"]) == (408, "0008")
    until = time.monotonic() + 10
    while len(entries := partner.journal()) < 2:
        assert time.monotonic() < until
    later, answered = entries
    assert (later["code"], later["late_of"], later["answer"]["sent"]) == ("0000", answered["id"], "nothing")
    assert (answered["code"], answered["fault"]["fault"]) == ("0008", "late")
    retry = partner.till.ask("redeem", fields, key)
    assert (retry.code, retry.headers["idempotency-replayed"]) == ("0000", "true")
    assert retry.body["txnConfirmationNumber"] == later["confirmation"]


def test_a_request_that_is_delivered_twice_is_carried_out_once(partner, collector):
    partner.order("duplicate", match={"endpoint": "redeem"})
    status, body = answer_in(partner.raw("redeem", partner.redeem_fields(collector), new_key()))
    assert (status, body["responseCode"], body["cashBalance"]) == (200, "0000", "9405")
    second, first = partner.journal()
    assert (second["duplicate_of"], second["replayed"], second["answer"]["sent"]) == (first["id"], True, "whole")
    assert (first["replayed"], first["answer"]["sent"]) == (False, "nothing")
    assert partner.account(collector).cash == 9405


@pytest.mark.parametrize(("code", "status"), [("0096", 500), ("0092", 503), ("0067", 408)])
def test_a_code_is_answered_and_nothing_is_done(partner, collector, code, status):
    partner.order(code, match={"collector": collector})
    got, body = answer_in(partner.raw("redeem", partner.redeem_fields(collector, instantMessage="fr"), new_key()))
    assert (got, body["responseCode"], body["collectorNumber"]) == (status, code, collector)
    assert newest(partner)["why"]["rule"] == "sandbox"
    assert partner.account(collector).cash == 9500


def test_a_token_that_has_expired_is_a_401_without_a_code(partner):
    partner.order("token_expired")
    raw = partner.raw("echo", partner.till.fields())
    assert answer_in(raw) == (401, {"message": "Missing or invalid Bearer token"})
    assert b'www-authenticate: Bearer realm="amcash", error="invalid_token"' in raw
    assert partner.till.echo().code == "0000"


def test_a_fault_strikes_what_matches_so_often_and_no_other_client(partner, other, collector):
    match = {"endpoint": "inquire", "collector": collector, "store": "0001", "device": "001", "client": "loy1-pos"}
    order = partner.order("0096", times=2, match=match)
    till = partner.till
    spared = [
        till.inquire(),
        till.inquire(collector, storeId="0002"),
        till.inquire(collector, deviceId="002"),
        till.redeem(collector),
        other.till.inquire(collector),
    ]
    assert {answer.code for answer in spared} == {"0000"}
    assert [till.inquire(collector).code for _ in range(3)] == ["0096", "0096", "0000"]
    (left,) = partner.done("GET", "faults")["faults"]
    assert (left["id"], left["left"], left["fired"]) == (order["id"], 0, 2)
    assert "client" not in left["match"]


def test_orders_strike_oldest_first_and_one_call_clears_them_all(partner, collector):
    partner.order("0092", match={"collector": collector})
    second = partner.order("0067", times=9, match={"collector": collector})
    assert [partner.till.inquire(collector).code for _ in range(2)] == ["0092", "0067"]
    assert partner.done("DELETE", f"faults/{second['id']}") == {"cleared": 1}
    assert partner.ask("DELETE", f"faults/{second['id']}").status == 404
    assert partner.ask("DELETE", "faults/x").status == 404
    partner.order("0096")
    assert partner.done("DELETE", "faults") == {"cleared": 2}
    assert partner.till.inquire(collector).code == "0000"


def test_orders_of_a_client_are_bounded_and_used_up_ones_make_room(partner):
    partner.order("0096")
    partner.till.echo()
    for _ in range(100):
        partner.order("0096", match={"store": "none"})
    answer = partner.ask("POST", "faults", {"fault": "0096"})
    assert (answer.status, answer.headers["content-type"]) == (409, "application/problem+json")
    assert len(partner.done("GET", "faults")["faults"]) == 100


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"fault": "earthquake"}, "fault"),
        ({}, "fault"),
        ({"fault": "0096", "times": 0}, "times"),
        ({"fault": "0096", "times": 1001}, "times"),
        ({"fault": "0096", "times": "1"}, "times"),
        ({"fault": "0096", "colour": "red"}, "colour"),
        ({"fault": "0096", "match": {"endpoint": "refund"}}, "match.endpoint"),
        ({"fault": "0096", "match": {"collector": "x"}}, "match.collector"),
        ({"fault": "0096", "match": {"till": "x"}}, "match.till"),
        ({"fault": "0096", "match": {"client": "loy2-pos"}}, "match.client"),
        ({"fault": "0096", "match": 1}, "match"),
        ({"fault": "cut"}, "bytes"),
        ({"fault": "cut", "bytes": -1}, "bytes"),
        ({"fault": "0096", "bytes": 1}, "bytes"),
        ({"fault": "delay"}, "delay_ms"),
        ({"fault": "delay", "delay_ms": 0}, "delay_ms"),
        ({"fault": "delay", "delay_ms": 30_001}, "delay_ms"),
        ({"fault": "duplicate", "delay_ms": 5}, "delay_ms"),
        (b"[1", "body"),
        (b"", "body"),
    ],
)
def test_an_unknown_fault_or_part_is_a_problem_that_names_the_field(partner, body, field):
    answer = partner.ask("POST", "faults", body)
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status, answer.body["field"]) == (400, field)
    assert partner.done("GET", "faults") == {"faults": []}
