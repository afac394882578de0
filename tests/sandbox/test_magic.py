"""Every magic number gives its code on each of its endpoints, always, whatever was done before."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from amcash.domain.codes import Code, Endpoint
from amcash.domain.vocabulary import has_check_digit
from amcash.edge.openapi_examples import answers
from amcash.sandbox.magic import MAGIC, READY, number_of
from sandbox.trying import new_key

EVERY = [(number, endpoint) for number, one in MAGIC.items() for endpoint in one.endpoints]
DOCS = Path(__file__).parents[2] / "docs" / "sandbox.md"


def ask(partner, endpoint, number, key=None, **fields):
    till = partner.till
    match endpoint:
        case Endpoint.ECHO:
            return till.ask("echo", till.fields(traceId=number, collectorNumber=None))
        case Endpoint.INQUIRE:
            return till.inquire(number, **fields)
        case Endpoint.REDEEM:
            return till.redeem(number, key=key, **fields)
        case Endpoint.REVERSE:
            return till.reverse(READY, number, key=key, **fields)


@pytest.mark.parametrize(("number", "endpoint"), EVERY)
def test_a_magic_number_gives_its_code_twice_in_a_row(partner, number, endpoint):
    for _ in range(2):
        assert ask(partner, endpoint, number).code == MAGIC[number].code


def test_there_is_a_number_for_every_code_of_every_endpoint():
    for endpoint in Endpoint:
        needed = {example.code for example in answers(endpoint)}
        assert needed == {one.code for one in MAGIC.values() if endpoint in one.endpoints}


def test_the_numbers_pass_the_check_digit_and_tell_their_code():
    for number, one in MAGIC.items():
        assert has_check_digit(number)
        assert number[6:10] == (one.code or "0401")


def test_they_are_listed_by_http_and_in_the_docs(sandbox):
    listed = {item["number"]: item for item in sandbox.send("GET", "/sandbox/collectors").body["magic"]}
    rows = DOCS.read_text().splitlines()
    for number, one in MAGIC.items():
        assert (listed[number]["code"], listed[number]["endpoints"]) == (one.code, list(one.endpoints))
        code = f"`{one.code}`" if one.code else "401"
        assert f"| `{number}` | {code} | {' '.join(one.endpoints)} | {one.about} |" in rows
    assert len(listed) == len(MAGIC)


def test_an_approved_number_has_20_units_and_the_whole_cap_however_much_was_redeemed(partner):
    number = number_of(Code.APPROVED)
    for _ in range(5):
        assert partner.till.redeem(number, dollars="200.00").body["cashBalance"] == "0"
    body = partner.till.inquire(number, basket="900.00").body
    assert (body["cashBalance"], body["availableCashBalance"], body["availableOfferUnits"]) == ("1900", "1900", "20")


def test_a_redemption_of_a_magic_number_can_be_reversed_like_any_other(partner):
    number = number_of(Code.APPROVED)
    made = partner.till.redeem(number).body["txnConfirmationNumber"]
    reversed_ = partner.till.reverse(made, number)
    assert (reversed_.code, reversed_.body["cashBalance"]) == ("0000", "1900")
    assert partner.till.reverse(made, number).code == "0057"


def test_a_retry_on_a_magic_number_is_replayed(partner):
    number = number_of(Code.APPROVED)
    for endpoint in (Endpoint.REDEEM, Endpoint.REVERSE):
        key, trace = new_key(), "one-trace"
        first = ask(partner, endpoint, number, key, traceId=trace)
        again = ask(partner, endpoint, number, key, traceId=trace)
        assert (again.raw, again.headers["idempotency-replayed"]) == (first.raw, "true")
        assert ask(partner, endpoint, number, key, traceId="another").code == "0035"


def test_switches_that_somebody_changed_are_put_back(sandbox, partner):
    number = number_of(Code.APPROVED)
    sandbox.command("collector", "set", number, "--inactive")
    assert partner.till.inquire(number).code == "0000"


def test_requests_at_the_same_time_each_find_the_state(partner, other):
    number = number_of(Code.APPROVED)
    with ThreadPoolExecutor(8) as tills:
        waiting = [tills.submit(one.till.redeem, number, "200.00") for one in (partner, other) * 20]
    assert [item.result().code for item in waiting] == ["0000"] * 40


def test_the_state_is_that_of_the_clients_own_day(partner, other):
    number = number_of(Code.DAILY_LIMIT)
    for one, day in ((partner, "2026-01-05"), (other, "2025-01-05"), (partner, "2024-01-05")):
        one.done("PUT", "clock", {"time": f"{day}T12:00:00", "runs": False})
        assert one.till.redeem(number).code == "0065"


def test_the_window_of_0080_is_over_for_any_redemption_of_it(partner):
    number = number_of(Code.REVERSAL_WINDOW_OVER)
    made = partner.till.redeem(number)
    assert made.code == "0000"
    assert partner.till.reverse(made.body["txnConfirmationNumber"], number).code == "0080"


def test_a_request_that_is_not_an_ordinary_one_gets_what_every_such_request_gets(partner):
    number = number_of(Code.BASKET_TOO_SMALL)
    answer = partner.till.redeem(number, basket="x")
    assert answer.body["message"].startswith("Invalid request parameter: postTaxBasketAmount")
    assert partner.till.inquire(number).code == "0000"
