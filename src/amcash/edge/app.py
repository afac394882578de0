"""The route table: every path there is, and what answers it."""

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from amcash.access.tokens import Tokens
from amcash.domain.codes import Code, Endpoint
from amcash.domain.commands import Echo
from amcash.domain.vocabulary import Register, SponsorCode
from amcash.edge import oauth, openapi
from amcash.edge.asgi import Envelope
from amcash.edge.logs import RequestLog
from amcash.edge.metrics import Metrics
from amcash.edge.pipeline import Pipeline
from amcash.edge.server import App
from amcash.ledger.settle import Clock
from amcash.service import Service
from amcash.wire.messages import Problem


@dataclass(frozen=True, slots=True)
class Edge:
    """What the edge stands on."""

    service: Service
    tokens: Tokens
    register: Callable[[], Register]
    clock: Clock
    metrics: Metrics
    address: str
    request_log: RequestLog
    budget_s: float


def make_app(edge: Edge) -> App:
    """Return the whole of HTTP."""
    service = edge.service
    calls = {
        f"/checkout/amcash/{endpoint}": Pipeline(
            endpoint,
            service,
            edge.tokens,
            edge.register,
            edge.clock,
            edge.metrics,
            edge.request_log,
        )
        for endpoint in Endpoint
    }
    token = oauth.TokenEndpoint(edge.tokens, edge.register, edge.clock, edge.metrics, edge.budget_s)
    document = openapi.document(edge.address)
    metadata = oauth.metadata(edge.address)

    async def jwks(_request: Request) -> Response:
        return _json({"keys": edge.tokens.public_keys(edge.clock())})

    async def server_metadata(_request: Request) -> Response:
        return _json(metadata)

    async def openapi_document(_request: Request) -> Response:
        return _json(document)

    async def docs(_request: Request) -> Response:
        return Response(openapi.docs_page(), media_type="text/html")

    async def healthz(_request: Request) -> Response:
        return _json({"status": "alive"})

    async def readyz(_request: Request) -> Response:
        decision = await service.echo(Echo({}, SponsorCode("")))
        if decision.outcome.code is Code.APPROVED:
            return _json({"status": "ready"})
        return _json({"status": "the ledger takes no writes"}, HTTPStatus.SERVICE_UNAVAILABLE)

    async def metrics(_request: Request) -> Response:
        return Response(edge.metrics.text(), media_type=edge.metrics.content_type)

    pages = Starlette(
        routes=[
            *(Route(path, _answered_by_the_connection, methods=["POST"]) for path in calls),  # other methods: 405
            Route("/oauth/token", token, methods=["POST"]),
            Route("/.well-known/jwks.json", jwks),
            Route("/.well-known/oauth-authorization-server", server_metadata),
            Route("/openapi.json", openapi_document),
            Route("/docs", docs),
            Mount("/docs/static", StaticFiles(directory=openapi.static_folder())),
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            Route("/metrics", metrics),
        ],
        exception_handlers={HTTPException: answer_problem, Exception: answer_broken},
    )
    pages.router.redirect_slashes = False
    return App({path.encode(): call for path, call in calls.items()}, Envelope(pages), edge.budget_s)


async def _answered_by_the_connection(_request: Request) -> Response:
    raise AssertionError("a call is answered before it becomes a page's request")


def _json(value: object, status: HTTPStatus = HTTPStatus.OK) -> Response:
    return Response(msgspec.json.encode(value), status_code=status, media_type="application/json")


async def answer_problem(_request: Request, error: Exception) -> Response:
    """Answer what no route answers: RFC 9457."""
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    problem = Problem(title=status.phrase, status=status.value)
    return Response(
        msgspec.json.encode(problem),
        status_code=status,
        headers=error.headers,
        media_type="application/problem+json",
    )


async def answer_broken(_request: Request, _error: Exception) -> Response:
    """Answer where something broke: RFC 9457."""
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    problem = Problem(title=status.phrase, status=status.value)
    return Response(msgspec.json.encode(problem), status_code=status, media_type="application/problem+json")
