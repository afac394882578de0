"""A partner's developer at work: a till with a token, the sandbox's own paths, and a socket that hides nothing."""

import json
import socket
import uuid
from dataclasses import dataclass
from urllib.parse import urlsplit

from amcash.audit.verify import verify
from amcash.domain.book import Needs
from amcash.wiring import look_at_ledger
from api.serving import Till

SOCKET_S = 20
RICH = "84095202006"


@dataclass
class Partner:
    server: object
    client: str = "loy1-pos"
    sponsor: str = "LOY1"

    def __post_init__(self):
        answer = self.server.send("POST", "/sandbox/token", json.dumps({"client_id": self.client}))
        self.till = Till(self.server, answer.body["access_token"], self.sponsor)

    def ask(self, method, path, body=None):
        headers = {"Authorization": f"Bearer {self.till.token}"}
        content = body if isinstance(body, bytes | None) else json.dumps(body)
        return self.server.send(method, f"/sandbox/{path}", content, headers)

    def done(self, method, path, body=None):
        answer = self.ask(method, path, body)
        assert answer.status in {200, 201}, answer.raw
        return answer.body

    def order(self, fault, times=1, **parts):
        return self.done("POST", "faults", {"fault": fault, "times": times, **parts})

    def journal(self, **query):
        words = "&".join(f"{name}={value}" for name, value in query.items())
        return self.done("GET", f"journal?{words}")["entries"]

    def raw(self, endpoint, fields, key=None):
        """Return every byte that comes back until the connection ends."""
        split = urlsplit(self.server.address)
        body = json.dumps(fields).encode()
        head = (
            f"POST /checkout/amcash/{endpoint} HTTP/1.1\r\nHost: sandbox\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {self.till.token}\r\nContent-Length: {len(body)}\r\n"
            + (f"Idempotency-Key: {key}\r\n" if key else "")
            + "Connection: close\r\n\r\n"
        )
        with socket.create_connection((split.hostname, split.port), timeout=SOCKET_S) as connection:
            connection.sendall(head.encode() + body)
            got = b""
            try:
                while piece := connection.recv(65_536):
                    got += piece
            except ConnectionResetError:
                pass
            return got

    def redeem_fields(self, collector=RICH, dollars="10.00", **more):
        return self.till.fields(collector, dollarRedeemRequest=dollars, postTaxBasketAmount="900.00", **more)

    def account(self, collector=RICH):
        """Return what the ledger itself says, read beside the running server."""
        with look_at_ledger(self.server.database) as store, store.read() as session:
            return session.load(Needs(collectors={collector})).collectors[collector]

    def kinds(self, collector=RICH):
        """Return the kinds of the collector's transfers, newest first."""
        rows = "SELECT kind FROM transfer WHERE collector = ? ORDER BY seq DESC"
        with look_at_ledger(self.server.database) as store, store.read() as session:
            return [kind for (kind,) in session.run(rows, collector)]

    def delivery_is_open(self, collector, confirmation):
        rows = "SELECT 1 FROM open_delivery WHERE collector = ? AND confirmation = ?"
        with look_at_ledger(self.server.database) as store, store.read() as session:
            return any(session.run(rows, collector, confirmation))


def proved(server):
    """Have the auditor prove the whole ledger."""
    with look_at_ledger(server.database) as store, store.read() as session:
        report = verify(session)
    assert report.ok, report.findings


def new_key():
    return str(uuid.uuid4())
