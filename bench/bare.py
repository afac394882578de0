"""The bare HTTP limit: amcash's own server settings, answering every request with the same bytes.

    .venv/bin/python bench/bare.py BYTES

Prints its address like `amcash serve`. What a service does between the request and the answer is missing, and so is
everything that one needs for being a service.
"""

import sys

from starlette.types import Receive, Scope, Send

from amcash.edge import server

HEADERS_LIKE_AMCASH = (
    (b"content-type", b"application/json;charset=UTF-8"),
    (b"x-request-id", b"00000000-0000-0000-0000-000000000000"),
    (b"cache-control", b"no-store"),
)


def main() -> None:
    """Serve until SIGTERM."""
    body = b'"' + b"x" * (int(sys.argv[1]) - 2) + b'"'
    start = {
        "type": "http.response.start",
        "status": 200,
        "headers": [*HEADERS_LIKE_AMCASH, (b"content-length", b"%d" % len(body))],
    }
    end = {"type": "http.response.body", "body": body}

    async def answer(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send(start)
        await send(end)

    listener = server.listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    server.run(
        server.App({}, answer, budget_s=5),
        listener,
        on_ready=lambda: print(f"amcash listening on http://127.0.0.1:{port}", flush=True),
        tls_cert=None,
        tls_key=None,
        shutdown_grace_s=1,
    )


if __name__ == "__main__":
    main()
