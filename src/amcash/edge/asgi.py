"""The paths that are not the API's, over ASGI: bodies, answers, and the headers that every answer carries."""

import asyncio
from collections.abc import Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from amcash.edge.request_id import request_id_for
from amcash.wire.encode import Answer

JSON = b"application/json;charset=UTF-8"
Headers = list[tuple[bytes, bytes]]


class ClientGoneError(Exception):
    """The caller hung up before its request was whole: nobody is there to answer."""


class BodyTooSlowError(Exception):
    """The body did not arrive within the time budget of its request (R-TIME-1)."""


class BodyTooLargeError(Exception):
    """The body is over the limit; the rest of it was not read."""


class Envelope:
    """Around every answer: `X-Request-Id`, and `Cache-Control: no-store` (R-WIRE-8)."""

    def __init__(self, pages: ASGIApp) -> None:
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or pass a lifespan event on."""
        if scope["type"] != "http":
            await self._pages(scope, receive, send)
            return
        request_id = request_id_for(header_values(scope, b"x-request-id"))
        own_headers = ((b"x-request-id", request_id), (b"cache-control", b"no-store"))

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *own_headers]
            await send(message)

        await self._pages(scope, receive, send_with_headers)


def header_values(scope: Scope, name: bytes) -> list[bytes]:
    """Return every value of one header, in order."""
    headers: Iterable[tuple[bytes, bytes]] = scope["headers"]
    return [value for key, value in headers if key == name]


async def read_body(scope: Scope, receive: Receive, bytes_max: int, budget_s: float) -> bytes:
    """Read a whole body of at most `bytes_max` bytes, within `budget_s` seconds.

    Raises:
        BodyTooLargeError: it is longer, or says that it will be.
        BodyTooSlowError: it did not come in time.
        ClientGoneError: the caller hung up first.
    """
    lengths = header_values(scope, b"content-length")
    if lengths and lengths[0].isdigit() and int(lengths[0]) > bytes_max:
        raise BodyTooLargeError
    body = b""
    more = True
    try:
        async with asyncio.timeout(budget_s):
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientGoneError
                body += message.get("body", b"")
                more = message.get("more_body", False)
                if len(body) > bytes_max:
                    raise BodyTooLargeError
    except TimeoutError:
        raise BodyTooSlowError from None
    return body


async def send_answer(send: Send, answer: Answer, headers: Headers, content_type: bytes = JSON) -> None:
    """Hand one answer over to the connection."""
    length = b"%d" % len(answer.body)
    await send(
        {
            "type": "http.response.start",
            "status": int(answer.status),
            "headers": [(b"content-type", content_type), (b"content-length", length), *headers],
        }
    )
    await send({"type": "http.response.body", "body": answer.body})
