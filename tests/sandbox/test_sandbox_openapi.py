"""The OpenAPI document of a sandbox: valid, complete, and true to what is answered."""

import json
import re
from pathlib import Path

import msgspec
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from amcash.edge import openapi as production
from amcash.sandbox.magic import MAGIC
from amcash.sandbox.openapi import TAG, document

DOCS = Path(__file__).parents[2] / "docs" / "sandbox.md"
ADDRESS = "https://miles.example"
DOCUMENT = msgspec.json.decode(msgspec.json.encode(document(ADDRESS)))
OPERATIONS = [
    (method.upper(), path, operation)
    for path, methods in DOCUMENT["paths"].items()
    if path.startswith("/sandbox/")
    for method, operation in methods.items()
    if method != "parameters"
]


def check(name, value):
    schema = {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}
    Draft202012Validator(schema).validate(value)


def test_it_is_valid_and_adds_to_productions():
    validate(DOCUMENT)
    plain = msgspec.json.decode(msgspec.json.encode(production.document(ADDRESS)))
    for path, methods in plain["paths"].items():
        assert DOCUMENT["paths"][path] == methods
    assert all(operation["tags"] == [TAG] for _, _, operation in OPERATIONS)


def test_the_magic_numbers_stand_in_it():
    (about,) = (tag["description"] for tag in DOCUMENT["tags"] if tag["name"] == TAG)
    assert all(number in about for number in MAGIC)


def test_the_docs_name_every_path_and_their_examples_are_json():
    text = DOCS.read_text()
    for _, path, _ in OPERATIONS:
        assert path.replace("{id}", "ID") in text
    examples = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    assert len(examples) >= 4
    for example in examples:
        json.loads(example)


def test_every_example_is_of_its_schema():
    seen = 0
    for _, _, operation in OPERATIONS:
        bodies = [operation["requestBody"]] if "requestBody" in operation else []
        for described in [*bodies, *operation["responses"].values()]:
            for content in described.get("content", {}).values():
                for example in content["examples"].values():
                    check(content["schema"]["$ref"].rpartition("/")[2], example["value"])
                    seen += 1
    assert seen > 40


def test_a_running_sandbox_serves_it_and_has_every_path_that_it_names(sandbox, partner):
    served = sandbox.send("GET", "/openapi.json").body
    assert set(served["paths"]) == set(DOCUMENT["paths"])
    for method, path, _ in OPERATIONS:
        answer = partner.ask(method, path.removeprefix("/sandbox/").replace("{id}", "0"), b"x")
        assert answer.status in {200, 400, 404}
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-request-id"]


def test_what_is_answered_is_of_its_schema(sandbox, partner, collector):
    check("FaultShown", partner.order("cut", bytes=5, match={"endpoint": "redeem"}))
    partner.raw("redeem", partner.redeem_fields(collector))
    partner.till.redeem("89900004012")
    partner.till.inquire(collector)
    check("JournalShown", partner.done("GET", "journal"))
    check("FaultsShown", partner.done("GET", "faults"))
    check("ClockShown", partner.done("GET", "clock"))
    check("Clients", sandbox.send("GET", "/sandbox/clients").body)
    check("Collectors", sandbox.send("GET", "/sandbox/collectors").body)
    check("FieldProblem", partner.ask("PUT", "clock", {}).body)
    check("ResetShown", partner.done("POST", "reset", {"collectors": [collector]}))
    check("Cleared", partner.done("DELETE", "faults"))


OWN = [(method, path) for method, path, operation in OPERATIONS if operation["security"]]


@pytest.mark.parametrize(("method", "path"), OWN)
def test_what_is_a_clients_own_needs_its_token(sandbox, method, path):
    for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": "Basic eDp5"}):
        answer = sandbox.send(method, path.replace("{id}", "1"), None, headers)
        assert (answer.status, set(answer.body)) == (401, {"message"})
        assert answer.headers["www-authenticate"].startswith("Bearer")
    assert "401" in DOCUMENT["paths"][path][method.lower()]["responses"]


def test_a_token_is_given_to_any_client_of_the_programme_and_to_nobody_else(sandbox):
    assert sandbox.send("POST", "/sandbox/token", b'{"client_id": "loy2-pos"}').body["token_type"] == "Bearer"
    for body, field in ((b'{"client_id": "nobody"}', "client_id"), (b"{}", "client_id"), (b"[", "body")):
        answer = sandbox.send("POST", "/sandbox/token", body)
        assert (answer.status, answer.body["field"]) == (400, field)


def test_other_paths_and_methods_are_problems_and_a_large_body_is_refused(sandbox, partner):
    for method, path, status in (("GET", "reset", 405), ("PATCH", "clock", 405), ("GET", "nothing", 404)):
        answer = partner.ask(method, path)
        assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json")
    assert partner.ask("PUT", "clock", b" " * 20_000).status == 413
    assert partner.ask("HEAD", "clock").status == 200
    assert sandbox.send("GET", "/healthz").status == 200
