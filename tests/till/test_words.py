"""`/till/words`: what the page is told of an answer; and what it is told where it asks wrongly."""

import json
import re

import pytest

from amcash.dialogue.answers import Endpoint, Language, Situation
from amcash.dialogue.screens import COLUMNS, ROWS
from amcash.till.menus import MENUS, OK_ROWS, Menu
from amcash.till.words import AMOUNTS_MAX, BODY_BYTES_MAX, words
from api.serving import PROGRAMME, serving
from dialogue.examples import BALANCES, INQUIRE, REDEEM, answered


def ask(**question):
    status, body = words(json.dumps({"endpoint": "inquire", "answer": INQUIRE, "language": "en", **question}).encode())
    return int(status), json.loads(body)


def told(**question):
    status, body = ask(**question)
    assert status == 200, body
    return body


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("menu", Menu)
def test_the_tills_own_screens_fit_the_terminal(language, menu):
    screen = MENUS[language][menu]
    assert len(screen.rows) <= ROWS
    assert all(len(row) <= COLUMNS for row in (*screen.rows, OK_ROWS[language]))


@pytest.mark.parametrize("endpoint", Endpoint)
@pytest.mark.parametrize("language", Language)
def test_every_answer_has_words_that_fit_and_tell_no_balance(endpoint, language):
    secret = dict.fromkeys(BALANCES, "98765")
    for situation in Situation:
        for retried in (False, True):
            answer = answered(endpoint, situation, **secret)
            screen = told(endpoint=endpoint, answer=answer, language=language, retried=retried)["screen"]
            assert len(screen["rows"]) <= ROWS
            assert all(len(row) <= COLUMNS for row in screen["rows"])
            assert "98765" not in json.dumps(screen)


def test_the_terminal_says_what_leads_on_where_it_has_room():
    assert told(endpoint="redeem", answer=REDEEM)["screen"]["rows"][-1] == "ENTER=OK"
    assert told(endpoint="redeem", answer=REDEEM, language="fr")["screen"]["rows"][-1] == "ENTRÉE=OK"
    assert told()["screen"]["rows"][-1] == "1=Yes 2=Other 0=No"


def test_no_answer_is_sent_again_once():
    assert told(endpoint="redeem", answer=None)["resend"]
    again = told(endpoint="redeem", answer=None, retried=True)
    assert not again["resend"]
    assert again["screen"]["advice"] == "call"


def test_the_amounts_of_a_choice_are_what_to_send_and_what_a_key_says():
    choice = told(answer={**INQUIRE, "availableOfferUnits": "3"})["choice"]
    assert choice["amounts"] == [
        {"units": 1, "dollars": "10.00", "label": "Redeem $10.00", "row": "ENTER=1 ($10.00)"},
        {"units": 2, "dollars": "20.00", "label": "Redeem $20.00", "row": "ENTER=2 ($20.00)"},
        {"units": 3, "dollars": "30.00", "label": "Redeem $30.00", "row": "ENTER=3 ($30.00)"},
    ]
    assert choice["screen"]["lines"][0] == "How many units, 1 to 3?"


def test_a_choice_goes_by_what_the_sale_costs_now():
    assert len(told(answer={**INQUIRE, "availableOfferUnits": "3"}, basket="25.00")["choice"]["amounts"]) == 2
    assert told(basket="9.99")["choice"] is None


def test_a_choice_lists_no_more_amounts_than_its_limit():
    assert len(told(answer={**INQUIRE, "availableOfferUnits": "9" * 12})["choice"]["amounts"]) == AMOUNTS_MAX


def test_only_an_approved_redemption_takes_something_off():
    assert told(endpoint="redeem", answer={**REDEEM, "unitsRedeemed": "4"})["discount"] == "40.00"
    assert told(endpoint="redeem", answer={**REDEEM, "responseCode": "0051"})["discount"] is None
    assert told()["discount"] is None


def test_the_receipt_is_as_wide_as_the_printer():
    assert {len(line) for line in told(endpoint="redeem", answer=REDEEM, columns=32)["receipt"][1:4]} == {32}


def test_the_receipt_of_one_who_opted_out_has_no_balance():
    receipt = told(endpoint="redeem", answer={**REDEEM, "responseCode": "0001"})["receipt"]
    assert receipt
    assert not any("balance" in line for line in receipt)


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"endpoint": "redeeem"}, "endpoint"),
        ({"endpoint": 1}, "endpoint"),
        ({"language": "de"}, "language"),
        ({"answer": "0000"}, "answer"),
        ({"answer": {**INQUIRE, "cashBalance": 120}}, "answer"),
        ({"answer": {**INQUIRE, "availableOfferUnits": "many"}}, "answer.availableOfferUnits"),
        ({"answer": {**INQUIRE, "unitValueDollars": "0.00"}}, "answer.unitValueDollars"),
        ({"answer": {**INQUIRE, "unitValueDollars": "9" * 14}}, "answer.unitValueDollars"),
        ({"answer": {"responseCode": "0000", "availableOfferUnits": "1"}}, "answer.unitValueDollars"),
        ({"endpoint": "redeem", "answer": {"responseCode": "0000"}}, "answer.milesRedeemed"),
        ({"basket": "-5"}, "basket"),
        ({"basket": 5}, "basket"),
        ({"retried": "yes"}, "retried"),
        ({"columns": 20}, "columns"),
        ({"columns": 1000}, "columns"),
        ({"price": "1"}, "price"),
    ],
)
def test_a_member_that_is_not_understood_is_named(changed, field):
    status, problem = ask(**changed)
    assert status == 400
    assert problem["field"] == field
    assert field in problem["detail"]
    assert problem["title"] == "Bad Request"


def test_a_member_that_is_missing_is_named():
    status, body = words(b'{"endpoint": "echo", "language": "en"}')
    assert int(status) == 400
    assert json.loads(body)["field"] == "answer"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b'"x"', b"[" * 5000])
def test_a_body_that_is_no_object_is_refused(body):
    status, problem = words(body)
    assert int(status) == 400
    assert json.loads(problem)["detail"]


def test_the_page_and_its_words_over_http(sandbox):
    page = sandbox.send("GET", "/till")
    assert page.status == 200
    assert page.headers["content-type"].startswith("text/html")
    policy = dict(rule.strip().split(" ", 1) for rule in page.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    script = sandbox.send("GET", "/till/till.js")
    assert script.headers["content-type"].startswith("text/javascript")
    assert script.headers["x-content-type-options"] == "nosniff"
    assert set(sandbox.send("GET", "/till/words").body) == {"en", "fr"}
    refused = sandbox.send("POST", "/till/words", b"{}")
    assert refused.status == 400
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.headers["connection"] == "close"
    assert sandbox.send("POST", "/till/words", b" " * (BODY_BYTES_MAX + 1)).status == 413
    for path in ("/till/", "/till/nothing", "/till/../words.py", "/till/pages/till.html"):
        assert sandbox.send("GET", path).status == 404
    assert sandbox.send("POST", "/till").status == 405


def test_without_a_sandbox_there_is_no_till(tmp_path):
    programme = tmp_path / "programme.toml"
    programme.write_text(re.sub(r"(?m)^secret = .*\n", "", PROGRAMME.read_text()))
    with serving(tmp_path, sandbox=False, programme=programme) as server:
        for path in ("/till", "/till/words", "/till/till.js"):
            assert server.send("GET", path).status == 404
        assert server.send("POST", "/till/words", b"{}").status == 404
        assert "/till" not in (tmp_path / "server.log").read_text()


def test_a_sandbox_prints_where_its_till_is(tmp_path):
    with serving(tmp_path) as server:
        server.stop()
    assert f"The till, in a browser: {server.address}/till" in (tmp_path / "server.log").read_text()


def test_the_page_weighs_less_than_60_kilobytes(sandbox):
    names = ("", "/till.css", "/till.js", "/page.js", "/calls.js", "/behind.js")
    assert sum(len(sandbox.send("GET", f"/till{name}").raw) for name in names) < 60 * 1024
