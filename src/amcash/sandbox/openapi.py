"""What the OpenAPI document says of the sandbox, under its own tag; schemas come from `messages`."""

from http import HTTPStatus
from typing import Any

import msgspec

from amcash.edge import openapi
from amcash.edge.openapi_parts import Json, answer_headers, json_content, ref
from amcash.sandbox import messages
from amcash.sandbox.faults import Kind
from amcash.sandbox.magic import MAGIC, READY
from amcash.sandbox.messages import MUST
from amcash.wire.messages import NoTokenResponse

TAG = "Sandbox"
_ABOUT = """\
Only with `serve --sandbox`: a clock of your own, faults to order, collectors that always give a certain code, a journal
that says why, and a way back to the start. The four calls are the production engine's.

An echo has no collector: send a magic number as its `traceId`. As `redemptionConfirmationNum` of a magic collector,
`{ready}` stands for a redemption that the sandbox makes ready just before.

| Magic collector | Code | On | |
|---|---|---|---|
{rows}
"""
_WHEN = "2026-11-23T02:15:00.000000Z"
_MATCH = {"endpoint": "redeem", "collector": "84095202006"}
_ORDERED = {
    "id": 7,
    "fault": "lost_after_commit",
    "times": 2,
    "left": 2,
    "fired": 0,
    "match": _MATCH,
    "bytes": None,
    "delay_ms": None,
    "ordered_at": _WHEN,
}
_CLOCK = {
    "now": _WHEN,
    "local": "2026-11-22T21:15:00",
    "timezone": "America/Toronto",
    "runs": True,
    "own": False,
    "cap_day": "2026-11-22",
    "server": _WHEN,
}
_ENTRY = {
    "id": 42,
    "at": _WHEN,
    "clock": _WHEN,
    "ms": 3.1,
    "endpoint": "inquire",
    "code": "0025",
    "replayed": False,
    "collector": "89900000252",
    "sponsor": "LOY1",
    "store": "0001",
    "device": "001",
    "trace": "000000000001",
    "confirmation": None,
    "request_id": "123e4567-e89b-12d3-a456-426655440000",
    "idempotency_key": None,
    "request": {"content_type": "application/json", "body": '{"acquirerId": "100000"}'},
    "answer": {"status": 401, "headers": {}, "body": '{"responseCode": "0025"}', "sent": "whole", "bytes": None},
    "fault": None,
    "duplicate_of": None,
    "late_of": None,
    "why": {
        "rule": "R-ORDER-6",
        "sentence": "There is no collector with this number.",
        "checks": [{"rule": "R-ORDER-6", "check": "a known collector", "result": "decided", "saw": {"known": False}}],
    },
}
_TOKEN = {"access_token": "eyJ0eXAiOiJhdCtqd3QiLCJhbGciOiJ...", "token_type": "Bearer", "expires_in": 86_400}
_RESET = {"collectors": 3, "reversed": 5, "credited": 1, "adjusted": 0}
_CLEARED = {"cleared": 3}
_COLLECTORS = {
    "magic": [
        {
            "number": "89900000512",
            "code": "0051",
            "endpoints": ["inquire", "redeem"],
            "by": "ledger",
            "about": "Too few miles: an empty cash wallet.",
            "cash_miles": 0,
            "dream_miles": 545,
        }
    ],
    "programme": [],
    "confirmation": READY,
}
_CLIENTS = {
    "clients": [
        {
            "id": "loy1-pos",
            "sponsors": [
                {
                    "code": "LOY1",
                    "name": "Loyal Grocer",
                    "vendor_ids": ["100087"],
                    "acquirer_ids": ["100000"],
                    "offer": None,
                }
            ],
            "stores": ["0001"],
            "devices": ["001"],
        }
    ],
    "programme": {
        "name": "AM Cash",
        "timezone": "America/Toronto",
        "currency": "CAD",
        "daily_cap_dollars": "750.00",
        "over_request": "decline",
        "check_digit": False,
        "cap_day_starts": "03:00",
        "reversal_until": "03:00",
    },
}
_TYPES = (
    messages.SandboxTokenRequest,
    messages.ClockSetting,
    messages.ClockStep,
    messages.FaultOrder,
    messages.ResetRequest,
    messages.SandboxToken,
    messages.Clients,
    messages.Collectors,
    messages.ClockShown,
    messages.FaultShown,
    messages.FaultsShown,
    messages.JournalShown,
    messages.Cleared,
    messages.ResetShown,
    messages.FieldProblem,
)


def document(address: str) -> Json:
    """Return the OpenAPI document of a sandbox: the service's own, and what is only here."""
    whole = openapi.document(address)
    _, schemas = msgspec.json.schema_components(_TYPES, ref_template="#/components/schemas/{name}")
    whole["tags"] = [*whole["tags"], {"name": TAG, "description": _ABOUT.format(ready=READY, rows=magic_rows())}]
    whole["paths"] |= _paths()
    whole["components"]["schemas"] |= schemas
    return whole


def magic_rows() -> str:
    """Return the rows of a table in Markdown: number, code, endpoints, how."""
    return "\n".join(
        f"| `{number}` | {f'`{one.code}`' if one.code else '401'} | {' '.join(one.endpoints)} | {one.about} |"
        for number, one in MAGIC.items()
    )


def _paths() -> Json:
    cleared = (messages.Cleared, _CLEARED)
    clock = (messages.ClockShown, _CLOCK)
    order = {"fault": "lost_after_commit", "times": 2, "match": _MATCH}
    number = {
        "name": "id",
        "in": "path",
        "required": True,
        "description": "Of an order of yours.",
        "schema": {"type": "integer"},
    }
    gone = {"404": ref("responses", "NotFound")}
    full = {"409": _problem(HTTPStatus.CONFLICT, "Too many orders of yours are not used up.")}
    kinds = ", ".join(f"`{kind}`" for kind in Kind)
    return {
        "/sandbox/clients": {
            "get": _open("sandboxClients", "Who can ask, and with what", (messages.Clients, _CLIENTS))
        },
        "/sandbox/token": {
            "post": _open(
                "sandboxToken",
                "A token for any client, without its secret",
                (messages.SandboxToken, _TOKEN),
                (messages.SandboxTokenRequest, {"client_id": "loy1-pos"}),
                "client_id",
            )
        },
        "/sandbox/collectors": {
            "get": _open("sandboxCollectors", "The magic collectors", (messages.Collectors, _COLLECTORS))
        },
        "/sandbox/clock": {
            "get": _own("sandboxClock", "Read your clock", clock),
            "put": _own(
                "sandboxSetClock",
                "Set your clock, let it run or let it stand",
                clock,
                (messages.ClockSetting, {"time": "2026-03-08T01:59:50", "runs": False}),
                "time",
            ),
            "delete": _own("sandboxClearClock", "Back to the server's clock", clock),
        },
        "/sandbox/clock/step": {
            "post": _own(
                "sandboxStepClock",
                "Move your clock, forward or back",
                clock,
                (messages.ClockStep, {"days": 1, "seconds": -30}),
                "days",
            )
        },
        "/sandbox/faults": {
            "get": _own("sandboxFaults", "Your orders, newest first", (messages.FaultsShown, {"faults": [_ORDERED]})),
            "post": _own(
                "sandboxOrderFault",
                f"Order a fault for your next requests that match: {kinds}",
                (messages.FaultShown, _ORDERED),
                (messages.FaultOrder, order),
                "fault",
                HTTPStatus.CREATED,
                more=full,
            ),
            "delete": _own("sandboxClearFaults", "Clear all your orders", cleared),
        },
        "/sandbox/faults/{id}": {
            "parameters": [number],
            "delete": _own("sandboxClearFault", "Clear one order", cleared, more=gone),
        },
        "/sandbox/journal": {
            "get": _own(
                "sandboxJournal",
                "Your requests and answers, newest first, and why",
                (messages.JournalShown, {"newest": 42, "more": False, "entries": [_ENTRY]}),
                wrong="limit",
            )
            | {"parameters": _query()},
            "delete": _own("sandboxClearJournal", "Empty your journal", cleared),
        },
        "/sandbox/reset": {
            "post": _own(
                "sandboxReset",
                "Back to the programme file",
                (messages.ResetShown, _RESET),
                (messages.ResetRequest, {"collectors": ["84095202006"]}),
                "collectors",
            )
        },
    }


_Shown = tuple[type[msgspec.Struct], Json]


def _open(operation: str, summary: str, shown: _Shown, asked: _Shown | None = None, wrong: str = "") -> Json:
    return {
        "tags": [TAG],
        "operationId": operation,
        "summary": summary,
        "security": [],
        **_body(asked),
        "responses": {"200": _content(shown), **_mistakes(asked, wrong), "500": ref("responses", "Broken")},
    }


def _own(  # noqa: PLR0913 -- what one operation differs in from the next
    operation: str,
    summary: str,
    shown: _Shown,
    asked: _Shown | None = None,
    wrong: str = "",
    status: HTTPStatus = HTTPStatus.OK,
    *,
    more: Json | None = None,
) -> Json:
    stranger = {"message": "Missing or invalid Bearer token"}
    found = _open(operation, summary, shown, asked, wrong)
    answers: dict[str, Any] = found["responses"]
    answers[str(int(status))] = answers.pop("200")
    answers["401"] = {
        "description": "No valid bearer token.",
        "headers": answer_headers("WWW-Authenticate"),
        "content": json_content(ref("schemas", NoTokenResponse.__name__), {"stranger": {"value": stranger}}),
    }
    found["security"] = [{"oauth2": []}, {"bearer": []}]
    found["responses"] = dict(sorted((answers | (more or {})).items()))
    return found


def _body(asked: _Shown | None) -> Json:
    if asked is None:
        return {}
    kind, value = asked
    content = json_content(ref("schemas", kind.__name__), {"example": {"value": value}})
    return {"requestBody": {"required": kind is not messages.ResetRequest, "content": content}}


def _content(shown: _Shown) -> Json:
    kind, value = shown
    content = json_content(ref("schemas", kind.__name__), {"example": {"value": value}})
    return {"description": "As it now stands.", "headers": answer_headers(), "content": content}


def _mistakes(asked: _Shown | None, wrong: str) -> Json:
    if not wrong:
        return {}
    value = {"title": "Bad Request", "status": 400, "detail": f"{wrong} must {MUST[wrong]}", "field": wrong}
    content = {"schema": ref("schemas", "FieldProblem"), "examples": {"problem": {"value": value}}}
    found = {
        "400": {
            "description": "A mistake; nothing was done, and `field` names what is wrong.",
            "headers": answer_headers(),
            "content": {"application/problem+json": content},
        }
    }
    return found | ({"413": _problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is over 16 KiB.")} if asked else {})


def _problem(status: HTTPStatus, description: str) -> Json:
    value = {"title": status.phrase, "status": status.value, "detail": description}
    content = {"schema": ref("schemas", "Problem"), "examples": {"problem": {"value": value}}}
    return {
        "description": description,
        "headers": answer_headers(),
        "content": {"application/problem+json": content},
    }


def _query() -> list[Json]:
    whole = {"type": "integer", "minimum": 0}
    schemas = {
        "endpoint": ({"type": "string"}, "Only of this endpoint."),
        "collector": ({"type": "string"}, "Only of this collector."),
        "code": ({"type": "string"}, "Only with this response code."),
        "trace": ({"type": "string"}, "Only with this traceId."),
        "after": (whole, "Only with a greater id: poll with the newest you have."),
        "before": (whole, "Only with a smaller id."),
        "limit": (whole, "How many at most; 50 where it is left out."),
    }
    return [
        {"name": name, "in": "query", "description": description, "schema": schema}
        for name, (schema, description) in schemas.items()
    ]
