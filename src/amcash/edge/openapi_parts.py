"""The parts of the OpenAPI document that are named once and referred to: headers, parameters, common responses."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from amcash.edge.pipeline import OUTAGE_RETRY_AFTER_S
from amcash.wire.decode import IDEMPOTENCY_KEY_CHARACTERS_MAX

Json = dict[str, Any]

_EVERYWHERE = ("X-Request-Id", "Cache-Control")
"""The headers of every answer (R-WIRE-8)."""
_PROBLEM_JSON = "application/problem+json"


def json_object(description: str, properties: Mapping[str, Json], required: Sequence[str] | None = None) -> Json:
    """Return the schema of an object; every property is required unless `required` says otherwise."""
    return {
        "description": description,
        "type": "object",
        "properties": dict(properties),
        "required": sorted(properties if required is None else required),
    }


def json_content(schema: Json, examples: Json | None = None) -> Json:
    """Return the content of a JSON body."""
    return {"application/json": {"schema": schema} | ({"examples": examples} if examples else {})}


def ref(kind: str, name: str) -> Json:
    """Return a reference to a component."""
    return {"$ref": f"#/components/{kind}/{name}"}


def answer_headers(*extra: str) -> Json:
    """Return the headers of an answer: those of every answer, and `extra` ones."""
    return {name: ref("headers", name) for name in (*_EVERYWHERE, *extra)}


def security_schemes(address: str) -> Json:
    """Return the ways to authenticate."""
    return {
        "oauth2": {
            "type": "oauth2",
            "description": "Gets the token by itself: enter the client id and secret.",
            "flows": {"clientCredentials": {"tokenUrl": f"{address}/oauth/token", "scopes": {}}},
        },
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "A token that you already have.",
        },
        "client": {"type": "http", "scheme": "basic", "description": "Client id and secret, for the token endpoint."},
    }


def parameters() -> Json:
    """Return the request headers."""
    # Neither has an `example`: a page that fills it in would send every try under one and the same key.
    most = IDEMPOTENCY_KEY_CHARACTERS_MAX
    return {
        "Idempotency-Key": {
            "name": "Idempotency-Key",
            "in": "header",
            "description": f"1 to {most} visible ASCII characters, once. A fresh one for each new transaction, the "
            "same one for its retries; version 4 UUIDs do well. It counts together with sponsor, endpoint and "
            "collector. Same key and same content: the recorded answer again. Same key and other content: `0035`. "
            "Without it the content is the key, `dateTime` included.",
            "schema": {"type": "string", "pattern": f"^[!-~]{{1,{most}}}$"},
        },
        "X-Request-Id": {
            "name": "X-Request-Id",
            "in": "header",
            "description": "Comes back with the answer and stands in the log: name it when you ask for help. "
            "One of another form is replaced, not refused.",
            "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"},
        },
    }


def headers() -> Json:
    """Return the response headers."""

    def header(description: str, example: str, *, required: bool = False) -> Json:
        value = {"description": description, "schema": {"type": "string"}, "example": example}
        return value | ({"required": True} if required else {})

    return {
        "X-Request-Id": header("The caller's, or a new UUID.", "123e4567-e89b-12d3-a456-426655440000", required=True),
        "Cache-Control": header("Never to be stored.", "no-store", required=True),
        "Idempotency-Replayed": header("There when this is the recorded answer to an earlier, equal request.", "true"),
        "Retry-After": header("Seconds to wait before sending anything.", str(OUTAGE_RETRY_AFTER_S), required=True),
        "WWW-Authenticate": header(
            "There when authentication failed: how to authenticate (RFC 6750 §3, RFC 6749 §5.2).",
            'Bearer realm="amcash", error="invalid_token"',
        ),
        "Allow": header("The methods that the path has.", "POST", required=True),
    }


def responses() -> Json:
    """Return the answers that are alike wherever they are given (RFC 9457)."""

    def problem(status: HTTPStatus, description: str, *extra: str) -> Json:
        value = {"title": status.phrase, "status": status.value}
        return {
            "description": description,
            "headers": answer_headers(*extra),
            "content": {
                _PROBLEM_JSON: {"schema": ref("schemas", "Problem"), "examples": {"problem": {"value": value}}}
            },
        }

    return {
        "NotFound": problem(HTTPStatus.NOT_FOUND, "There is no such path."),
        "MethodNotAllowed": problem(HTTPStatus.METHOD_NOT_ALLOWED, "The path has other methods.", "Allow"),
        "Broken": problem(HTTPStatus.INTERNAL_SERVER_ERROR, "Something broke."),
    }
