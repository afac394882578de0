"""The app of a sandbox: the edge's, its calls on trial, and everything under `/sandbox/`. Nothing here runs without."""

import logging
from http import HTTPStatus

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from amcash.domain.codes import Endpoint
from amcash.edge.app import Edge, answer_broken, answer_problem, make_app
from amcash.edge.asgi import Envelope
from amcash.edge.server import App
from amcash.sandbox import openapi
from amcash.sandbox.api import Api
from amcash.sandbox.clocks import Clocks
from amcash.sandbox.pipeline import TrialPipeline
from amcash.sandbox.restoring import Restorer
from amcash.sandbox.state import State

log = logging.getLogger(__name__)

_DOCUMENT = "/openapi.json"


def make_sandbox(edge: Edge, restorer: Restorer) -> App:
    """Return the whole of HTTP, in a sandbox.

    Args:
        edge: what the edge stands on.
        restorer: puts collectors back.
    """
    log.warning("this is a sandbox: whoever reaches it gets a token without a secret, and can put every collector back")
    production = make_app(edge)
    state = State(Clocks(edge.clock), restorer)
    document = msgspec.json.encode(openapi.document(edge.address))

    async def openapi_document(_request: Request) -> Response:
        return Response(document, HTTPStatus.OK, media_type="application/json")

    pages = Starlette(
        routes=[Route(_DOCUMENT, openapi_document), *Api(edge, state).routes()],
        exception_handlers={HTTPException: answer_problem, Exception: answer_broken},
    )
    pages.router.redirect_slashes = False
    calls = {path: TrialPipeline(Endpoint(path.rpartition(b"/")[2].decode()), edge, state) for path in production.calls}
    return App(calls, _Both(Envelope(pages), production.pages), production.budget_s)


class _Both:
    """The sandbox's pages, and behind them the edge's."""

    def __init__(self, sandbox: ASGIApp, production: ASGIApp) -> None:
        self._sandbox = sandbox
        self._production = production

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or pass a lifespan event on."""
        path = scope.get("path", "")
        ours = scope["type"] == "http" and (path.startswith("/sandbox/") or path == _DOCUMENT)
        await (self._sandbox if ours else self._production)(scope, receive, send)
