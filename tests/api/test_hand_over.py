"""What becomes of an approval whose client reads slowly, or leaves: marked only if all of it went out (R-DLV-2)."""

import json
import re
import socket
import ssl
import struct
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from amcash.wiring import open_ledger
from api.serving import TRUSTING, serving

PAGE = "/openapi.json"
PAGES_MAX = 400
COLLECTOR = "1065"
TILLS = 6
CONNECTIONS = Path("/proc/net/tcp")

pytestmark = pytest.mark.skipif(not CONNECTIONS.exists(), reason="how much waits in a socket is read from /proc")


class Wire:
    """A till's connection by hand, with or without TLS: it reads when it likes, and leaves as it likes."""

    def __init__(self, server):
        address = urlsplit(server.address)
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        self.socket.settimeout(10)
        self.socket.connect((address.hostname, address.port))
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = None
        if address.scheme == "https":
            self.tls = TRUSTING.wrap_bio(self.incoming, self.outgoing)
            self.shake_hands()

    def shake_hands(self):
        while True:
            try:
                self.tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self.socket.sendall(self.outgoing.read())
                self.incoming.write(self.socket.recv(65_536))
        self.socket.sendall(self.outgoing.read())

    def send(self, data):
        if self.tls is not None:
            self.tls.write(data)
            data = self.outgoing.read()
        self.socket.sendall(data)

    def fill(self, page_bytes):
        """Ask for pages and read none, until the system takes no more and the rest waits in the server's process."""
        taken = self.taken_by_the_system()
        for number in range(PAGES_MAX):
            self.send(f"GET {PAGE} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            time.sleep(0.05)
            before, taken = taken, self.taken_by_the_system()
            if number > 2 and taken - before < page_bytes:
                return
        raise AssertionError("the system takes everything")

    def taken_by_the_system(self):
        ours, theirs = (end[1] for end in (self.socket.getsockname(), self.socket.getpeername()))
        for line in CONNECTIONS.read_text().splitlines()[1:]:
            _, local, remote, _, queues, *_ = line.split()
            if [int(end.split(":")[1], 16) for end in (local, remote)] == [theirs, ours]:
                return int(queues.split(":")[0], 16)
        raise AssertionError("no such connection")

    def read_approval(self):
        """Read, all at once, until the approval has come whole."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        end = b""
        while not re.search(rb'"txnConfirmationNumber":"\d{16}".*}$', end, re.DOTALL):
            more = self.socket.recv(1 << 20)
            assert more, "the server has left"
            end = (end + more)[-2_000:]

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


def redemption(till):
    fields = till.fields(COLLECTOR, dollarRedeemRequest="10.00", postTaxBasketAmount="1000.00")
    body = json.dumps(fields).encode()
    head = (
        f"POST /checkout/amcash/redeem HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {till.token}\r\nIdempotency-Key: {uuid.uuid4()}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def counted(server, what):
    with open_ledger(server.database) as store, store.read() as session:
        return next(session.run(f"SELECT count(*) FROM {what}"))[0]


def test_a_till_that_reads_slowly_and_then_resets_has_its_approval(tmp_path):
    """R-DLV-2: its last byte was out, and the reset comes before anybody would have looked again."""
    with serving(tmp_path, sandbox=False) as server:
        till = server.till()
        page_bytes = len(server.send("GET", PAGE).raw)

        def redeem(_number):
            wire = Wire(server)
            wire.fill(page_bytes)
            wire.send(redemption(till))
            time.sleep(0.5)
            wire.read_approval()
            wire.reset()

        with ThreadPoolExecutor(TILLS) as tills:
            list(tills.map(redeem, range(TILLS)))
        assert server.stop() == 0
        assert counted(server, "transfer WHERE kind = 'redemption'") == TILLS
        assert counted(server, "open_delivery") == 0


def test_under_tls_what_the_loop_throws_away_for_a_till_that_has_left_does_not_count_as_sent(tmp_path, certificate):
    """R-DLV-3: the till ends TCP without a word of TLS while older answers wait; no byte of the approval goes out."""
    with serving(tmp_path, *certificate, sandbox=False, AMCASH_DELIVERY_GRACE_S="1") as server:
        till = server.till()
        page_bytes = len(server.send("GET", PAGE).raw)
        wires = [Wire(server) for _ in range(2)]
        for wire in wires:
            wire.fill(page_bytes)
            wire.send(redemption(till))
            wire.socket.shutdown(socket.SHUT_WR)
        until = time.monotonic() + 10
        while counted(server, "transfer WHERE kind = 'cancellation'") < 2:
            assert time.monotonic() < until, "a redemption that was never answered stands"
            time.sleep(0.1)
        for wire in wires:
            wire.reset()
