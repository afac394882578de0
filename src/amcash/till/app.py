"""The paths `/till` and `/till/…`, and what each is answered with. The files are in `pages/`, as they are served."""

from http import HTTPStatus
from importlib import resources

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from amcash.edge.app import answer_broken, answer_problem
from amcash.edge.asgi import BodyTooLargeError, BodyTooSlowError, ClientGoneError, Envelope, read_body
from amcash.edge.server import App
from amcash.till import words

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
"""What the page may load: from this server only; no inline script or style, and no text becomes markup."""

_PATH = "/till"
_PAGE = "till.html"
_KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def with_till(app: App) -> App:
    """Return `app` with the till beside it."""
    folder = resources.files("amcash.till") / "pages"
    files = {item.name: item.read_bytes() for item in folder.iterdir()}

    def file(name: str) -> Response:
        if name not in files:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        kind = _KINDS[name[name.rindex(".") :]]
        return Response(files[name], headers=_HEADERS, media_type=kind)

    async def page(_request: Request) -> Response:
        return file(_PAGE)

    async def part(request: Request) -> Response:
        return file(request.path_params["name"])

    async def say(request: Request) -> Response:
        return await _say(request, app.budget_s)

    pages = Starlette(
        routes=[
            Route(_PATH, page),
            Route(f"{_PATH}/words", say, methods=["GET", "POST"]),
            Route(f"{_PATH}/{{name}}", part),
        ],
        exception_handlers={HTTPException: answer_problem, Exception: answer_broken},
    )
    pages.router.redirect_slashes = False
    return App(app.calls, _Both(Envelope(pages), app.pages), app.budget_s)


async def _say(request: Request, budget_s: float) -> Response:
    if request.method != "POST":
        return Response(words.menus(), media_type="application/json")
    try:
        body = await read_body(request.scope, request.receive, words.BODY_BYTES_MAX, budget_s)
    except BodyTooLargeError:
        raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE) from None
    except BodyTooSlowError:
        raise HTTPException(HTTPStatus.REQUEST_TIMEOUT) from None
    except ClientGoneError:
        return Response()  # nobody reads it
    status, said = words.words(body)
    kind = "application/json" if status is HTTPStatus.OK else "application/problem+json"
    # A browser sends a request again by itself, unseen, where a connection that it has used before breaks without a
    # byte of an answer: Chromium does, even a POST. A till wants to see a lost answer, so the page asks for words after
    # each, on the same connection, and that ends here. The next call gets a new one.
    return Response(said, status, {"Connection": "close"}, kind)


class _Both:
    """The till's pages, and behind them all others."""

    def __init__(self, till: ASGIApp, others: ASGIApp) -> None:
        self._till = till
        self._others = others

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or pass a lifespan event on."""
        path = scope.get("path", "")
        ours = scope["type"] == "http" and (path == _PATH or path.startswith(f"{_PATH}/"))
        await (self._till if ours else self._others)(scope, receive, send)
