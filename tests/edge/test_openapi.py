"""The OpenAPI document: valid, made from the types and the table, and true to what each endpoint can answer."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from amcash import __version__
from amcash.domain.codes import TABLE, Code, Endpoint, no_token_message
from amcash.edge import oauth, openapi
from amcash.edge.openapi_examples import PUBLISHED_ANSWERS, answers
from amcash.edge.openapi_words import ADVICE, INDEPENDENT
from amcash.wire.messages import REQUESTS, RESPONSES, EchoRequest, EchoResponse, NoTokenResponse

ADDRESS = "https://miles.example:8443"
DOCUMENT = msgspec.json.decode(msgspec.json.encode(openapi.document(ADDRESS)))
CALLS = {endpoint: DOCUMENT["paths"][f"/checkout/amcash/{endpoint}"]["post"] for endpoint in Endpoint}

EVERY_CALL = {200: "0000", 400: "0035", 408: "0008", 413: "0035", 500: "0096", 503: "0092"}
# The library's tables, without what R-ORDER cannot reach (a reversal's 0051, 0065, 0066 and 0067).
GIVEN = {
    Endpoint.ECHO: {200: "0000", 400: "0035", 401: "", 408: "0008", 413: "0035", 500: "0096", 503: "0092"},
    Endpoint.INQUIRE: {
        **EVERY_CALL,
        202: "0001 0005 0006 0051",
        401: "0002 0025",
        403: "0009",
        408: "0008 0067",
    },
    Endpoint.REDEEM: {
        **EVERY_CALL,
        202: "0001 0005 0006 0051 0065 0066",
        401: "0002 0025",
        403: "0009",
        408: "0008 0067",
    },
    Endpoint.REVERSE: {
        **EVERY_CALL,
        202: "0001",
        400: "0035 0057",
        401: "0002 0025",
        403: "0009",
        409: "0080",
    },
}


def documented_examples(endpoint: Endpoint) -> Iterator[tuple[int, str, dict[str, str]]]:
    for status, response in CALLS[endpoint]["responses"].items():
        for name, example in response["content"]["application/json"]["examples"].items():
            yield int(status), name, example["value"]


def described_contents(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        if "schema" in node and "examples" in node:
            yield node
        for value in node.values():
            yield from described_contents(value)
    elif isinstance(node, list):
        for value in node:
            yield from described_contents(value)


def test_is_a_valid_openapi_document() -> None:
    validate(DOCUMENT)
    assert DOCUMENT["openapi"].startswith("3.1.")


def test_is_the_same_every_time() -> None:
    assert msgspec.json.encode(openapi.document(ADDRESS)) == msgspec.json.encode(openapi.document(ADDRESS))


@pytest.mark.parametrize("endpoint", Endpoint)
def test_shows_every_code_the_endpoint_can_give_under_its_status_and_no_other(endpoint: Endpoint) -> None:
    shown: dict[int, set[str]] = {}
    for status, _, body in documented_examples(endpoint):
        shown.setdefault(status, set())
        if "responseCode" in body:
            shown[status].add(body["responseCode"])
    assert shown == {status: set(codes.split()) for status, codes in GIVEN[endpoint].items()}


@pytest.mark.parametrize("endpoint", Endpoint)
def test_shows_every_code_under_the_status_of_the_table(endpoint: Endpoint) -> None:
    for status, name, body in documented_examples(endpoint):
        if "responseCode" in body and name != "0035-too-large":
            assert status == TABLE[Code(body["responseCode"])].status


@pytest.mark.parametrize("endpoint", Endpoint)
def test_says_what_each_code_means_where_it_is_given(endpoint: Endpoint) -> None:
    for status, _, body in documented_examples(endpoint):
        description = CALLS[endpoint]["responses"][str(status)]["description"]
        assert (f"`{body['responseCode']}`" if "responseCode" in body else "no `responseCode`") in description


def test_gives_advice_for_every_code_of_the_table() -> None:
    assert ADVICE.keys() == TABLE.keys()


def test_names_every_code_of_the_table_in_its_guide() -> None:
    for code, row in TABLE.items():
        assert f"| `{code}` | {int(row.status)} | {row.en} | {row.fr} |" in DOCUMENT["info"]["description"]


@pytest.mark.parametrize("endpoint", Endpoint)
def test_every_answer_is_of_its_type(endpoint: Endpoint) -> None:
    for example in answers(endpoint):
        expected: type[msgspec.Struct] = RESPONSES[endpoint]
        if example.code is None:
            expected = NoTokenResponse
        elif example.code == "0035" or example.status >= 500:
            expected = EchoResponse
        answer = msgspec.convert(dict(example.body), expected, strict=True)
        assert msgspec.to_builtins(answer) == example.body, "a parameter that the type does not have"


@pytest.mark.parametrize("endpoint", Endpoint)
def test_every_sample_request_is_of_its_type(endpoint: Endpoint) -> None:
    for example in CALLS[endpoint]["requestBody"]["content"]["application/json"]["examples"].values():
        request = msgspec.convert(example["value"], REQUESTS[endpoint], strict=True)
        assert {k: v for k, v in msgspec.to_builtins(request).items() if v is not None} == example["value"]


def test_every_example_is_valid_under_the_schema_beside_it() -> None:
    contents = list(described_contents(DOCUMENT))
    assert len(contents) > 30
    for content in contents:
        validator = Draft202012Validator({**content["schema"], "components": DOCUMENT["components"]})
        for example in content["examples"].values():
            validator.validate(example["value"])


@pytest.mark.parametrize("endpoint", [Endpoint.INQUIRE, Endpoint.REDEEM, Endpoint.REVERSE])
def test_the_rules_arrive_at_the_numbers_of_the_published_samples(endpoint: Endpoint) -> None:
    (ours,) = (example.body for example in answers(endpoint) if example.name == "0000")
    published = PUBLISHED_ANSWERS[endpoint]
    numbers = {name for name in published if "Balance" in name or name.startswith(("available", "miles", "units"))}
    assert len(numbers) >= 5
    for name in numbers | {"responseCode", "message", "unitValueAMCash"}:
        assert ours[name] == published[name]


@pytest.mark.parametrize("endpoint", Endpoint)
@pytest.mark.parametrize("messages", [REQUESTS, RESPONSES])
def test_every_parameter_of_a_message_is_described(endpoint: Endpoint, messages: dict[Endpoint, Any]) -> None:
    message = messages[endpoint]
    schema = DOCUMENT["components"]["schemas"][message.__name__]
    fields = msgspec.structs.fields(message)
    assert set(schema["properties"]) == {field.name for field in fields}
    assert set(schema["required"]) == {field.name for field in fields if field.required}
    for name, parameter in schema["properties"].items():
        assert parameter["type"] == "string", f"{name} must be a string and never null"
        assert parameter["description"]


def test_follows_when_a_message_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    changed = msgspec.defstruct("EchoRequest", [("laneNumber", str)], bases=(EchoRequest,), kw_only=True, frozen=True)
    monkeypatch.setitem(REQUESTS, Endpoint.ECHO, changed)
    schema = openapi.document(ADDRESS)["components"]["schemas"]["EchoRequest"]
    assert "laneNumber" in schema["properties"]
    assert "laneNumber" in schema["required"]


@pytest.mark.parametrize("endpoint", Endpoint)
def test_a_code_that_the_endpoint_never_gives_is_not_in_its_schema(endpoint: Endpoint) -> None:
    codes = {code for codes in GIVEN[endpoint].values() for code in codes.split()}
    schema = DOCUMENT["components"]["schemas"][RESPONSES[endpoint].__name__]
    assert set(schema["properties"]["responseCode"]["enum"]) == codes


@pytest.mark.parametrize("endpoint", Endpoint)
def test_every_call_says_to_branch_on_the_code_and_never_on_the_status(endpoint: Endpoint) -> None:
    assert "Branch on `responseCode`, never on the HTTP status" in CALLS[endpoint]["description"]


@pytest.mark.parametrize("endpoint", Endpoint)
def test_a_stranger_gets_words_and_no_code(endpoint: Endpoint) -> None:
    examples = CALLS[endpoint]["responses"]["401"]["content"]["application/json"]["examples"]
    assert examples["no-token"]["value"] == {"message": no_token_message(endpoint)}
    assert "WWW-Authenticate" in CALLS[endpoint]["responses"]["401"]["headers"]


@pytest.mark.parametrize("endpoint", Endpoint)
def test_every_answer_carries_the_request_id_and_is_never_stored(endpoint: Endpoint) -> None:
    for response in CALLS[endpoint]["responses"].values():
        assert {"X-Request-Id", "Cache-Control"} <= response["headers"].keys()


@pytest.mark.parametrize("endpoint", Endpoint)
def test_only_an_outage_says_when_to_come_back(endpoint: Endpoint) -> None:
    responses = CALLS[endpoint]["responses"]
    assert {status for status, response in responses.items() if "Retry-After" in response["headers"]} == {"503"}


def test_only_redeem_and_reverse_take_an_idempotency_key() -> None:
    key = {"$ref": "#/components/parameters/Idempotency-Key"}
    assert {endpoint for endpoint in Endpoint if key in CALLS[endpoint]["parameters"]} == {
        Endpoint.REDEEM,
        Endpoint.REVERSE,
    }


@pytest.mark.parametrize("endpoint", Endpoint)
def test_only_a_status_with_a_recorded_outcome_can_be_a_replay(endpoint: Endpoint) -> None:
    keyed = endpoint in {Endpoint.REDEEM, Endpoint.REVERSE}
    for status, response in CALLS[endpoint]["responses"].items():
        recorded = any(TABLE[Code(code)].recorded for code in GIVEN[endpoint][int(status)].split())
        assert ("Idempotency-Replayed" in response["headers"]) == (keyed and recorded)


def test_the_api_needs_a_token_and_the_token_comes_from_this_server() -> None:
    for call in CALLS.values():
        assert call["security"] == [{"oauth2": []}, {"bearer": []}]
    schemes = DOCUMENT["components"]["securitySchemes"]
    assert schemes["oauth2"]["flows"]["clientCredentials"]["tokenUrl"] == f"{ADDRESS}/oauth/token"
    assert schemes["bearer"] == {**schemes["bearer"], "type": "http", "scheme": "bearer"}


def test_describes_every_path_of_the_surface() -> None:
    assert set(DOCUMENT["paths"]) == {
        *(f"/checkout/amcash/{endpoint}" for endpoint in Endpoint),
        "/oauth/token",
        "/.well-known/jwks.json",
        "/.well-known/oauth-authorization-server",
        "/openapi.json",
        "/docs",
        "/healthz",
        "/readyz",
        "/metrics",
    }


def test_the_metadata_shown_is_the_metadata_served() -> None:
    served = DOCUMENT["paths"]["/.well-known/oauth-authorization-server"]["get"]["responses"]["200"]
    assert served["content"]["application/json"]["examples"]["metadata"]["value"] == oauth.metadata(ADDRESS)


def test_says_whose_it_is_not_and_under_which_licence() -> None:
    info = DOCUMENT["info"]
    assert INDEPENDENT in info["description"]
    assert "not affiliated" in INDEPENDENT
    assert info["license"]["identifier"] == "Apache-2.0"
    assert info["version"] == __version__
    assert DOCUMENT["servers"] == [{"url": ADDRESS}]


def test_every_tag_in_use_is_described() -> None:
    used = {tag for path in DOCUMENT["paths"].values() for operation in path.values() for tag in operation["tags"]}
    assert used == {tag["name"] for tag in DOCUMENT["tags"] if tag["description"]}
