"""`amcash transaction`."""

from datetime import UTC, datetime, timedelta

import pytest

from cli.operating import POOR, RICH


@pytest.fixture
def story(ledger):
    """One redemption, reversed at another store, and asked to be reversed once more."""
    confirmation = ledger.redeem("20.00", key="basket-1").confirmation
    ledger.reverse(confirmation, store="0002")
    ledger.reverse(confirmation, store="0003", key="again")
    return confirmation


def show(confirmation, number=RICH):
    return ("transaction", "show", confirmation, "--collector", number)


def test_json_tells_the_transfers_the_delivery_and_the_requests(amcash, story):
    shown = amcash.json(*show(story))
    assert list(shown) == ["confirmation", "collector", "state", "transfers", "delivery", "requests"]
    assert (shown["confirmation"], shown["collector"], shown["state"]) == (story, RICH, "reversed")
    assert shown["delivery"] == {"state": "delivered", "open_until": None, "cancelled_at": None}
    assert [(item["kind"], item["miles"], item["store"]) for item in shown["transfers"]] == [
        ("redemption", 190, "0001"),
        ("reversal", 190, "0002"),
    ]
    assert [
        (item["endpoint"], item["idempotency_key"], item["code"], item["confirmation"]) for item in shown["requests"]
    ] == [
        ("redeem", "basket-1", "0000", story),
        ("reverse", None, "0000", story),
        ("reverse", "again", "0057", None),
    ]


def test_a_request_is_told_as_it_was_sent_with_what_its_decision_was_based_on(amcash, story):
    request = amcash.json(*show(story))["requests"][0]
    assert request["message"] == "Approved"
    assert request["sponsor"] == "LOY1"
    assert request["sent"]["dollarRedeemRequest"] == "20.00"
    assert request["basis"] | {"cap_day": None} == {
        "seq": 2,
        "cash_miles": 1900,
        "cap_day": None,
        "cap_used_dollars": "0.00",
        "cap_dollars": "750.00",
        "unit_miles": 95,
        "unit_dollars": "10.00",
        "over_request": "decline",
    }


def test_a_person_reads_what_happened_and_why(amcash, story):
    printed = amcash.done(*show(story))
    for words in (
        f"Redemption {story} of collector {RICH}",
        "190 Cash Miles for $20.00, 2 units",
        "sponsor LOY1, store 0001, device 12",
        "reversed ",
        "at store 0002; the miles were given back",
        "delivered: the answer was handed over",
        "redeem: 0000 Approved",
        "Idempotency-Key basket-1",
        "no Idempotency-Key was sent",
        "reverse: 0057 Invalid redemption confirmation number",
        "the redemption had been reversed before",
        "1,900 Cash Miles after transfer 2; $0.00 of $750.00 used on cap day",
        "dollarRedeemRequest 20.00",
    ):
        assert words in printed


def test_a_redemption_that_stands_says_so(amcash, ledger):
    confirmation = ledger.redeem().confirmation
    assert amcash.json(*show(confirmation))["state"] == "standing"
    assert "neither reversed nor cancelled" in amcash.done(*show(confirmation))


def test_why_another_sponsors_reversal_was_refused_is_told(amcash, ledger):
    confirmation = ledger.redeem().confirmation
    ledger.reverse(confirmation, sponsorCode="LOY2", vendorId="100088", acquirerId="100001")
    assert "the redemption is sponsor LOY1's, not LOY2's" in amcash.done(*show(confirmation))


def test_why_a_late_reversal_was_refused_is_told(amcash, ledger):
    confirmation = ledger.redeem(at=datetime(2026, 1, 5, 15, tzinfo=UTC)).confirmation
    ledger.reverse(confirmation, at=datetime(2026, 1, 6, 15, tzinfo=UTC))
    printed = amcash.done(*show(confirmation))
    assert "reverse: 0080 Reversal window expired" in printed
    assert "could be reversed until 2026-01-06 03:00:00" in printed


def test_an_open_delivery_is_told(amcash, ledger):
    confirmation = ledger.redeem().confirmation
    ledger.change("INSERT INTO open_delivery VALUES (?, ?, 'LOY1', 'k', ?)", RICH, confirmation, 1_767_625_200_000_000)
    assert amcash.json(*show(confirmation))["delivery"] == {
        "state": "open",
        "open_until": "2026-01-05T15:00:00.000000Z",
        "cancelled_at": None,
    }
    assert "open until 2026-01-05 10:00:00" in amcash.done(*show(confirmation))


def test_a_cancellation_is_told(amcash, ledger):
    """R-DLV-7."""
    made = datetime(2026, 1, 5, 15, tzinfo=UTC)
    confirmation = ledger.redeem(key="k", at=made).confirmation
    ledger.change("INSERT INTO open_delivery VALUES (?, ?, 'LOY1', 'kk', ?)", RICH, confirmation, 1_767_625_200_000_000)
    ledger.cancel(RICH, confirmation, made + timedelta(seconds=30))
    shown = amcash.json(*show(confirmation))
    assert shown["state"] == "cancelled"
    assert shown["delivery"] == {
        "state": "cancelled",
        "open_until": None,
        "cancelled_at": "2026-01-05T15:00:30.000000Z",
    }
    assert [item["kind"] for item in shown["transfers"]] == ["redemption", "cancellation"]
    assert "cancelled at 2026-01-05 10:00:30: not handed over in time" in amcash.done(*show(confirmation))
    again = ledger.redeem(key="k", at=made + timedelta(minutes=1)).confirmation
    assert again != confirmation
    assert ledger.reverse(confirmation, at=made + timedelta(minutes=2)).code == "0057"
    assert amcash.json("verify")["ok"]


def test_a_number_that_only_a_refused_request_names_is_shown_too(amcash, ledger):
    ledger.reverse("4242424242424242")
    shown = amcash.json(*show("4242424242424242"))
    assert (shown["state"], shown["transfers"]) == ("unknown", [])
    assert [item["code"] for item in shown["requests"]] == ["0057"]
    printed = amcash.done(*show("4242424242424242"))
    assert "there is no such redemption" in printed
    assert "no redemption of this collector has this number" in printed


def test_a_number_in_another_parameter_of_a_request_is_not_taken_for_a_confirmation(amcash, ledger):
    ledger.reverse("4242424242424242", traceId="5555555555555555")
    amcash.refused(*show("5555555555555555"))


def test_a_redemption_is_found_under_its_own_collector_only(amcash, story):
    assert amcash.refused(*show(story, POOR)) == (
        f"collector 80*******14 has no redemption {story}, and no request names it"
    )


def test_after_the_requests_were_purged_the_transfers_are_still_told(amcash, ledger, story):
    ledger.change("DELETE FROM outcome")
    shown = amcash.json(*show(story))
    assert (shown["state"], len(shown["transfers"]), shown["requests"]) == ("reversed", 2, [])
    assert "No request is on record any more." in amcash.done(*show(story))


def test_a_limit_bounds_the_requests(amcash, story):
    assert [item["endpoint"] for item in amcash.json(*show(story), "--limit", "1")["requests"]] == ["redeem"]


@pytest.mark.parametrize("arguments", [("123",), ("1%3", "--collector", RICH), ("123", "--collector", "x")])
def test_a_missing_collector_or_a_bad_number_is_a_usage_error(amcash, arguments):
    amcash.misused("transaction", "show", *arguments)
