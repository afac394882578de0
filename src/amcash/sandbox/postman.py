"""A Postman collection (format 2.1) with its environment, made from the sandbox's OpenAPI document.

Paths, summaries, bodies and which status goes with which code come from the document, the numbers from `magic`. Each
request asserts what the document promises, so a run of the collection is a test of both.
"""

import json
import uuid
from collections.abc import Mapping

from amcash.domain.codes import Code, Endpoint
from amcash.edge.openapi_parts import Json
from amcash.edge.openapi_words import ADVICE, INSTEAD, NO_TOKEN
from amcash.sandbox.magic import MAGIC, READY, Magic
from amcash.sandbox.openapi import document

COLLECTION_FILE = "amcash.postman_collection.json"
ENVIRONMENT_FILE = "amcash-sandbox.postman_environment.json"

_SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
_BASE = "{{baseUrl}}"
_ABOUT = """\
Made from the service's OpenAPI document by `amcash sandbox postman`; do not edit it by hand. Choose the environment
`amcash sandbox`, start one with `make run`, and run the folders from top to bottom: the token comes first.

`docs/first-hour.md` tells the same story with words."""

_FILLED: Mapping[str, str] = {
    "acquirerId": "{{acquirerId}}",
    "collectorNumber": "{{collectorNumber}}",
    "dateTime": "{{dateTime}}",
    "deviceId": "{{deviceId}}",
    "sponsorCode": "{{sponsorCode}}",
    "storeId": "{{storeId}}",
    "traceId": "{{traceId}}",
    "vendorId": "{{vendorId}}",
}
"""What of a published sample the environment, or a script, fills in."""
_FRESH = """\
pm.variables.set("traceId", pm.variables.replaceIn("{{$guid}}"));
pm.variables.set("dateTime", new Date().toISOString().replace("Z", "+0000"));"""
_NEW_SALE = """\
// Kept for the retry, which must be identical, and not made again there.
pm.collectionVariables.set("saleKey", pm.variables.replaceIn("{{$guid}}"));
pm.collectionVariables.set("saleTraceId", pm.variables.replaceIn("{{$guid}}"));
pm.collectionVariables.set("saleDateTime", new Date().toISOString().replace("Z", "+0000"));"""
_OF_THE_SALE = {"traceId": "{{saleTraceId}}", "dateTime": "{{saleDateTime}}"}
_SIGNED_IN = """\
pm.test("a bearer token for all that follows", () => {
    pm.response.to.have.status(200);
    pm.expect(pm.response.json().token_type).to.eql("Bearer");
    pm.environment.set("accessToken", pm.response.json().access_token);
});"""
_OFFERED = """\
pm.test("there is an offer", () => pm.expect(Number(pm.response.json().availableOfferUnits)).to.be.above(0));"""
_KEEP_SALE = """\
pm.test("it has a confirmation number, for receipt and reversal", () => {
    const body = pm.response.json();
    pm.expect(body.txnConfirmationNumber).to.match(/^[0-9]{16}$/);
    pm.collectionVariables.set("confirmation", body.txnConfirmationNumber);
    pm.collectionVariables.set("cashBalance", body.cashBalance);
});"""
_REPLAYED = """\
pm.test("it is the recorded answer again, and nothing was charged twice", () => {
    const body = pm.response.json();
    pm.expect(pm.response.headers.get("Idempotency-Replayed")).to.eql("true");
    pm.expect(body.txnConfirmationNumber).to.eql(pm.collectionVariables.get("confirmation"));
    pm.expect(body.cashBalance).to.eql(pm.collectionVariables.get("cashBalance"));
});"""
_GIVEN_BACK = """\
pm.test("the miles are back", () => {
    const body = pm.response.json();
    const before = Number(pm.collectionVariables.get("cashBalance"));
    pm.expect(Number(body.cashBalance)).to.eql(before + Number(body.milesReversed));
});"""


def environment(values: Mapping[str, str]) -> Json:
    """Return the environment.

    Args:
        values: `clientId`, `clientSecret`, `sponsorCode`, `vendorId`, `acquirerId`, `collectorNumber`; and `baseUrl`.
    """
    name = "amcash sandbox"
    given = {**values, "storeId": "0001", "deviceId": "001", "accessToken": ""}
    secrets = {"clientSecret", "accessToken"}
    return {
        "id": _identity(name),
        "name": name,
        "values": [
            {"key": key, "value": value, "type": "secret" if key in secrets else "default", "enabled": True}
            for key, value in given.items()
        ],
        "_postman_variable_scope": "environment",
    }


def collection() -> Json:
    """Return the collection."""
    described = document(_BASE)
    return {
        "info": {
            "_postman_id": _identity("amcash"),
            "name": described["info"]["title"],
            "description": _ABOUT,
            "schema": _SCHEMA,
        },
        "auth": {"type": "bearer", "bearer": [{"key": "token", "value": "{{accessToken}}", "type": "string"}]},
        "item": [
            {"name": "First steps", "item": _first_steps(described)},
            {
                "name": "Every response code",
                "description": "A magic collector for each. They are always in the same state, whatever was done.",
                "item": [{"name": str(endpoint), "item": _every_code(described, endpoint)} for endpoint in Endpoint],
            },
        ],
        "variable": [
            {"key": key, "value": "", "type": "string"}
            for key in ("saleKey", "saleTraceId", "saleDateTime", "confirmation", "cashBalance")
        ],
    }


def written(value: Json) -> str:
    """Return what stands in a file."""
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"


# --- the requests ----------------------------------------------------------------------------------------------------


def _first_steps(described: Json) -> list[Json]:
    approved = Code.APPROVED
    dollars = {"dollarRedeemRequest": "16.12", "postTaxBasketAmount": "16.12"}
    sale = _OF_THE_SALE | dollars
    back = {"redemptionConfirmationNum": "{{confirmation}}"}
    key = "{{saleKey}}"
    return [
        _token(described),
        _call(described, Endpoint.ECHO, "Echo: is the path up?", approved, before=_FRESH),
        _call(described, Endpoint.INQUIRE, "Inquire: what is there to spend?", approved, before=_FRESH, after=_OFFERED),
        _call(
            described, Endpoint.REDEEM, "Redeem one unit", approved, sale, key=key, before=_NEW_SALE, after=_KEEP_SALE
        ),
        _call(described, Endpoint.REDEEM, "Retry: the identical request", approved, sale, key=key, after=_REPLAYED),
        _call(described, Endpoint.REVERSE, "Reverse it", approved, back, before=_FRESH, after=_GIVEN_BACK),
    ]


def _every_code(described: Json, endpoint: Endpoint) -> list[Json]:
    return [
        _call(
            described,
            endpoint,
            f"{one.code or '401 without a code'}: {one.about}",
            one.code,
            _magic(endpoint, one),
            before=_FRESH,
            about=_advice(endpoint, one.code),
        )
        for one in MAGIC.values()
        if endpoint in one.endpoints
    ]


def _magic(endpoint: Endpoint, one: Magic) -> dict[str, str]:
    match endpoint:
        case Endpoint.ECHO:
            return {"traceId": one.number}
        case Endpoint.REVERSE:
            return {"collectorNumber": one.number, "redemptionConfirmationNum": READY}
        case _:
            return {"collectorNumber": one.number}


def _advice(endpoint: Endpoint, code: Code | None) -> str:
    advice = NO_TOKEN if code is None else INSTEAD.get((endpoint, code)) or ADVICE[code]
    return f"{advice.meaning}\n\n*Till:* {advice.till}"


def _token(described: Json) -> Json:
    path = "/oauth/token"
    operation = described["paths"][path]["post"]
    basic = {"username": "{{clientId}}", "password": "{{clientSecret}}"}
    form = {"key": "grant_type", "value": "client_credentials", "type": "text"}
    return {
        "name": operation["summary"],
        "event": [_event("test", _SIGNED_IN)],
        "request": {
            "auth": {
                "type": "basic",
                "basic": [{"key": key, "value": value, "type": "string"} for key, value in basic.items()],
            },
            "method": "POST",
            "header": [],
            "body": {"mode": "urlencoded", "urlencoded": [form]},
            "url": _url(path),
            "description": operation["description"],
        },
        "response": [],
    }


def _call(  # noqa: PLR0913 -- what one request differs in from the next
    described: Json,
    endpoint: Endpoint,
    name: str,
    code: Code | None,
    changed: Mapping[str, str] | None = None,
    *,
    key: str = "{{$guid}}",
    before: str = "",
    after: str = "",
    about: str = "",
) -> Json:
    path = f"/checkout/amcash/{endpoint}"
    operation = described["paths"][path]["post"]
    sample = operation["requestBody"]["content"]["application/json"]["examples"]["published"]["value"]
    body = {field: (changed or {}).get(field) or _FILLED.get(field, value) for field, value in sample.items()}
    keyed = any(item["$ref"].endswith("/Idempotency-Key") for item in operation["parameters"])
    tests = "\n".join(filter(None, (_promise(_status(operation, code), code), after)))
    return {
        "name": name,
        "event": [*([_event("prerequest", before)] if before else []), _event("test", tests)],
        "request": {
            "method": "POST",
            "header": [{"key": "Idempotency-Key", "value": key}] if keyed else [],
            "body": {
                "mode": "raw",
                "raw": json.dumps(body, ensure_ascii=False, indent=2),
                "options": {"raw": {"language": "json"}},
            },
            "url": _url(path),
            "description": about or operation["description"],
        },
        "response": [],
    }


def _status(operation: Json, code: Code | None) -> int:
    """Return the HTTP status that the document gives the code; the first one: a body too large is not asked for."""
    for status, answer in operation["responses"].items():
        for example in answer.get("content", {}).get("application/json", {}).get("examples", {}).values():
            if example["value"].get("responseCode") == code:
                return int(status)
    raise AssertionError(f"the document has no answer {code}")


def _promise(status: int, code: Code | None) -> str:
    said = f"responseCode {code}" if code else "no responseCode"
    expected = f"eql({json.dumps(code)})" if code else "be.undefined"
    return f"""\
pm.test("HTTP {status}, {said}", () => {{
    pm.response.to.have.status({status});
    pm.expect(pm.response.json().responseCode).to.{expected};
}});"""


def _url(path: str) -> Json:
    return {"raw": f"{_BASE}{path}", "host": [_BASE], "path": path.strip("/").split("/")}


def _event(when: str, script: str) -> Json:
    return {"listen": when, "script": {"type": "text/javascript", "exec": script.split("\n")}}


def _identity(name: str) -> str:
    """Return the same id each time: an import replaces what was imported before."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"postman:{name}"))
