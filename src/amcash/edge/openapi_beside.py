"""The paths beside the four calls, for the OpenAPI document: tokens, the document itself, and operations."""

from amcash.edge import oauth
from amcash.edge.metrics import Metrics
from amcash.edge.openapi_parts import Json, answer_headers, json_content, json_object, ref


def paths(address: str) -> Json:
    """Return the paths of the service at `address` that are not the API proper."""
    return _token_paths(address) | _documentation_paths() | _operations_paths()


def _token_paths(address: str) -> Json:
    form = {"application/x-www-form-urlencoded": {"schema": ref("schemas", "TokenRequest")}}
    return {
        "/oauth/token": {
            "post": {
                "tags": ["Tokens"],
                "operationId": "token",
                "summary": "Get an access token",
                "description": "Authenticate with HTTP Basic, or with `client_id` and `client_secret` in the form; "
                "not with both. Errors are those of RFC 6749 §5.2.",
                "security": [{"client": []}, {}],
                "requestBody": {"required": True, "content": form},
                "responses": {
                    "200": _token_answer("A token.", ref("schemas", "TokenResponse"), _TOKEN),
                    "400": _token_answer(
                        "The request is not a valid one.",
                        ref("schemas", "TokenError"),
                        _token_error("invalid_request", "grant_type is required"),
                        _token_error("unsupported_grant_type", "grant_type must be client_credentials"),
                    ),
                    "401": _token_answer(
                        "The client is unknown, disabled, or its secret is wrong.",
                        ref("schemas", "TokenError"),
                        _token_error("invalid_client", "unknown client or wrong secret"),
                        headers=("WWW-Authenticate",),
                    ),
                    "413": _token_answer(
                        f"The body is over {oauth.TOKEN_BODY_BYTES_MAX // 1024} KiB.",
                        ref("schemas", "TokenError"),
                        _token_error("invalid_request", "the body must not be over 8 KiB"),
                    ),
                    "500": ref("responses", "Broken"),
                },
            }
        },
        "/.well-known/jwks.json": _get(
            "Tokens",
            "jwks",
            "The public keys that verify tokens",
            "A JSON Web Key Set (RFC 7517).",
            json_content(ref("schemas", "KeySet")),
        ),
        "/.well-known/oauth-authorization-server": _get(
            "Tokens",
            "oauthMetadata",
            "Where and how to get a token, for programs",
            "Authorization server metadata (RFC 8414).",
            json_content(
                ref("schemas", "ServerMetadata"),
                {"metadata": {"summary": "this service", "value": oauth.metadata(address)}},
            ),
        ),
    }


_TOKEN = (
    "token",
    {"access_token": "eyJ0eXAiOiJhdCtqd3QiLCJhbGciOiJ...", "token_type": "Bearer", "expires_in": 86_400},
)


def _token_error(error: str, description: str) -> tuple[str, Json]:
    return error, {"error": error, "error_description": description}


def _token_answer(description: str, schema: Json, *examples: tuple[str, Json], headers: tuple[str, ...] = ()) -> Json:
    return {
        "description": description,
        "headers": answer_headers(*headers),
        "content": json_content(schema, {name: {"value": value} for name, value in examples}),
    }


def _documentation_paths() -> Json:
    return {
        "/openapi.json": _get(
            "Documentation", "openapi", "This document", "OpenAPI 3.1.", json_content({"type": "object"})
        ),
        "/docs": _get(
            "Documentation",
            "docs",
            "A page that shows this document",
            "Needs no network.",
            {"text/html": {"schema": {"type": "string"}}},
        ),
    }


def _operations_paths() -> Json:
    state = ref("schemas", "State")
    ready = _get("Operations", "readyz", "Does the ledger take a write?", "Ready.", _state_content(state, "ready"))
    ready["get"]["responses"]["503"] = {
        "description": "Not ready: send requests elsewhere.",
        "headers": answer_headers(),
        "content": _state_content(state, "the ledger takes no writes"),
    }
    return {
        "/healthz": _get("Operations", "healthz", "Is the process alive?", "Alive.", _state_content(state, "alive")),
        "/readyz": ready,
        "/metrics": _get(
            "Operations",
            "metrics",
            "Counters and latencies",
            "In Prometheus' text format.",
            {Metrics.content_type: {"schema": {"type": "string"}}},
        ),
    }


def _state_content(schema: Json, status: str) -> Json:
    return json_content(schema, {"state": {"value": {"status": status}}})


def _get(tag: str, operation: str, summary: str, answer: str, content: Json) -> Json:
    return {
        "get": {
            "tags": [tag],
            "operationId": operation,
            "summary": summary,
            "security": [],
            "responses": {
                "200": {
                    "description": answer,
                    "headers": answer_headers(),
                    "content": content,
                },
                "500": ref("responses", "Broken"),
            },
        }
    }


def schemas() -> Json:
    """Return the schemas that these paths refer to; those of tokens are RFC 6749's."""
    text: Json = {"type": "string"}
    return {
        "TokenRequest": json_object(
            "A token request (RFC 6749 §4.4.2). Other parameters are ignored.",
            {
                "grant_type": text | {"const": "client_credentials"},
                "client_id": text | {"description": "Left out with HTTP Basic."},
                "client_secret": text | {"format": "password", "description": "Left out with HTTP Basic."},
                "audience": text | {"description": "Accepted for older clients; changes nothing."},
            },
            required=["grant_type"],
        ),
        "TokenResponse": json_object(
            "A token (RFC 6749 §5.1).",
            {
                "access_token": text | {"description": "A signed JWT; treat it as a secret."},
                "token_type": text | {"const": "Bearer"},
                "expires_in": {"type": "integer", "description": "How many seconds it is good for.", "minimum": 1},
            },
        ),
        "TokenError": json_object(
            "An error (RFC 6749 §5.2).",
            {
                "error": text | {"enum": ["invalid_client", "invalid_request", "unsupported_grant_type"]},
                "error_description": text | {"description": "For whoever programs the client."},
            },
        ),
        "KeySet": json_object(
            "A JSON Web Key Set (RFC 7517 §5).",
            {
                "keys": {
                    "type": "array",
                    "items": json_object(
                        "One public key.",
                        dict.fromkeys(("kty", "kid", "use", "alg"), text),
                        required=["kty", "kid"],
                    ),
                }
            },
        ),
        "ServerMetadata": json_object(
            "Authorization server metadata (RFC 8414 §2).",
            {
                name: {"type": "array", "items": text} if isinstance(value, list) else text
                for name, value in oauth.metadata("").items()
            },
        ),
        "State": json_object("How it stands.", {"status": text}),
    }
