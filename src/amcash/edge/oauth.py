"""`/oauth/token` and the two well-known documents: OAuth 2.0 client credentials (RFC 6749 §4.4, R-AUTH-1)."""

import base64
import binascii
from collections.abc import Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, unquote_plus

import msgspec
from starlette.types import Receive, Scope, Send

from amcash.access.clients import authenticate
from amcash.access.tokens import Tokens
from amcash.domain.vocabulary import Register
from amcash.edge.asgi import (
    BodyTooLargeError,
    BodyTooSlowError,
    ClientGoneError,
    Headers,
    header_values,
    read_body,
    send_answer,
)
from amcash.edge.metrics import Metrics
from amcash.ledger.settle import Clock
from amcash.wire.encode import Answer

TOKEN_BODY_BYTES_MAX = 8 * 1024
TOKEN_PARAMETERS_MAX = 32


class OAuthError(Exception):
    """An error of RFC 6749 §5.2."""

    def __init__(self, error: str, description: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> None:
        super().__init__(description)
        self.error = error
        self.description = description
        self.status = status


class TokenEndpoint:
    """Gives a client its token."""

    def __init__(
        self, tokens: Tokens, register: Callable[[], Register], clock: Clock, metrics: Metrics, budget_s: float
    ) -> None:
        self._tokens = tokens
        self._register = register
        self._clock = clock
        self._metrics = metrics
        self._budget_s = budget_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one token request."""
        headers: Headers = [(b"pragma", b"no-cache")]
        try:
            body = await read_body(scope, receive, TOKEN_BODY_BYTES_MAX, self._budget_s)
            answer = self._grant(scope, body)
            self._metrics.token("issued")
        except ClientGoneError:
            return
        except BodyTooSlowError:
            problem = {"error": "invalid_request", "error_description": "the body did not arrive in time"}
            answer = Answer(HTTPStatus.REQUEST_TIMEOUT, msgspec.json.encode(problem))
            headers.append((b"connection", b"close"))
            self._metrics.token("invalid_request")
        except BodyTooLargeError:
            problem = {"error": "invalid_request", "error_description": "the body must not be over 8 KiB"}
            answer = Answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, msgspec.json.encode(problem))
            self._metrics.token("invalid_request")
        except OAuthError as error:
            problem = {"error": error.error, "error_description": error.description}
            answer = Answer(error.status, msgspec.json.encode(problem))
            self._metrics.token(error.error)
            if error.status is HTTPStatus.UNAUTHORIZED:
                headers.append((b"www-authenticate", b'Basic realm="amcash"'))
        await send_answer(send, answer, headers)

    def _grant(self, scope: Scope, body: bytes) -> Answer:
        form = _form(scope, body)
        client_id, secret = _credentials(scope, form)
        client = authenticate(self._register(), client_id, secret)
        if client is None:
            raise OAuthError("invalid_client", "unknown client or wrong secret", HTTPStatus.UNAUTHORIZED)
        grant_type = form.get("grant_type")
        if not grant_type:
            raise OAuthError("invalid_request", "grant_type is required")
        if grant_type != "client_credentials":
            raise OAuthError("unsupported_grant_type", "grant_type must be client_credentials")
        answer = {
            "access_token": self._tokens.issue(client, self._clock()),
            "token_type": "Bearer",
            "expires_in": self._tokens.lifetime_s,
        }
        return Answer(HTTPStatus.OK, msgspec.json.encode(answer))


def _form(scope: Scope, body: bytes) -> dict[str, str]:
    types = header_values(scope, b"content-type")
    if len(types) != 1 or types[0].split(b";")[0].strip().lower() != b"application/x-www-form-urlencoded":
        raise OAuthError("invalid_request", "the body must be application/x-www-form-urlencoded")
    try:
        pairs = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=TOKEN_PARAMETERS_MAX
        )
    except ValueError:
        raise OAuthError("invalid_request", "the body is not a valid form") from None
    form = dict(pairs)
    if len(form) != len(pairs):
        raise OAuthError("invalid_request", "a parameter stands twice")
    return form


def _credentials(scope: Scope, form: dict[str, str]) -> tuple[str, str]:
    values = header_values(scope, b"authorization")
    if not values:
        if "client_id" not in form or "client_secret" not in form:
            raise OAuthError("invalid_client", "client_id and client_secret are required", HTTPStatus.UNAUTHORIZED)
        return form["client_id"], form["client_secret"]
    if len(values) > 1 or "client_secret" in form:
        raise OAuthError("invalid_request", "a client authenticates in one way only")
    scheme, _, encoded = values[0].partition(b" ")
    try:
        if scheme.lower() != b"basic":
            raise ValueError
        client_id, colon, secret = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
        if not colon:
            raise ValueError
    except (binascii.Error, ValueError):
        raise OAuthError(
            "invalid_client", "the Authorization header must be HTTP Basic", HTTPStatus.UNAUTHORIZED
        ) from None
    # RFC 6749 §2.3.1: both were form-encoded before they were joined.
    client_id, secret = unquote_plus(client_id), unquote_plus(secret)
    if form.get("client_id", client_id) != client_id:
        raise OAuthError("invalid_request", "the client_id of the form is not the one that authenticates")
    return client_id, secret


def metadata(address: str) -> dict[str, Any]:
    """Return the authorization server's metadata (RFC 8414 §2)."""
    return {
        "issuer": address,
        "token_endpoint": f"{address}/oauth/token",
        "jwks_uri": f"{address}/.well-known/jwks.json",
        "grant_types_supported": ["client_credentials"],
        "response_types_supported": [],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "service_documentation": f"{address}/docs",
    }
