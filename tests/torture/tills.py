"""Tills: raw sockets, numbered collectors, a journal of their own, and the identical request until they know."""

import asyncio
import json
import random
import socket
import time
import uuid
from contextlib import suppress

from torture.journal import APPROVED, NO_ANSWER, Attempt, Handed, Patience

PATIENCE_S = 10.0
"""How long a till waits for one answer; the service's own budget is 5 s."""
AGAIN_S = 0.02
"""Before the next try where nobody listens, or where nothing was decided."""
LANGUAGES = ("en-CA", "en-CA", "fr-CA", None)


class Cut(Exception):  # noqa: N818 -- what happens to a wire
    """The answer did not come whole."""

    def __init__(self, content=b""):
        super().__init__("cut")
        self.content = content


class Line:
    """One connection of a till; `port` is the till's own end, by which a proxy knows it."""

    def __init__(self, connection):
        self._socket = connection
        self._left = b""
        self.port = connection.getsockname()[1]

    @classmethod
    async def open(cls, address):
        made = socket.socket()
        made.setblocking(False)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            await asyncio.get_running_loop().sock_connect(made, address)
        except BaseException:
            made.close()
            raise
        return cls(made)

    async def ask(self, request):
        """Send a request and return (status, headers, body).

        Raises:
            Cut: less than the whole answer came.
        """
        loop = asyncio.get_running_loop()
        try:
            await loop.sock_sendall(self._socket, request)
        except OSError as error:
            raise Cut from error
        content, self._left = self._left, b""
        wanted = None
        while wanted is None or len(content) < wanted:
            try:
                piece = await loop.sock_recv(self._socket, 65536)
            except OSError as error:
                raise Cut(content) from error
            if not piece:
                raise Cut(content)
            content += piece
            if wanted is None and b"\r\n\r\n" in content:
                wanted = content.index(b"\r\n\r\n") + 4 + _length(content)
        self._left = content[wanted:]
        return whole(content[:wanted])

    def close(self):
        self._socket.close()


def _length(content):
    head = content.partition(b"\r\n\r\n")[0].lower()
    return int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])


def whole(content):
    """Return (status, head in small letters, body) of a whole answer, None where it is not whole."""
    head, end, body = content.partition(b"\r\n\r\n")
    if not end or len(body) < _length(content):
        return None
    return int(content[9:12]), head.lower(), body


class Till:
    """One till at a counter: asks one thing at a time, on one connection after another.

    Args:
        address: where it connects.
        token: its bearer token.
        journal: the programme's.
        proxy: what lies between, with plans by port; None where nothing does.
        chance: its own source of choices.
    """

    def __init__(self, address, token, journal, proxy=None, chance=None):
        self.address = address
        self.journal = journal
        self._proxy = proxy
        self._chance = chance or random.Random(0)
        self._head = (
            "POST /checkout/amcash/%s HTTP/1.1\r\nHost: amcash.test\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {token}\r\n%sContent-Length: %d\r\n\r\n"
        )
        self._line = None
        self.known = []
        """Approved redemptions of this till, to reverse."""
        self.approved_at = 0.0
        """When an approval last arrived, and of which request."""
        self.approved_sent = 0.0
        self.refused = 0
        """How many requests were answered with `0096`."""

    def request(self, operation):
        body = json.dumps(operation.fields).encode()
        key = "" if operation.key is None else f"Idempotency-Key: {operation.key}\r\n"
        return (self._head % (operation.endpoint, key, len(body))).encode() + body

    async def send(self, operation, plan=None, *, patience_s=PATIENCE_S):
        """Send a request once and write down what came of it; return (code, body), or None."""
        if self._chance.random() < 0.3:
            self.hang_up()
        attempt = Attempt(time.monotonic())
        try:
            line = self._line = self._line or await Line.open(self.address)
        except OSError:
            return None  # nobody listens: nothing was sent
        if plan is not None:
            self._proxy.plans[line.port] = plan
        attempt.sent = time.monotonic()
        operation.attempts.append(attempt)
        try:
            async with asyncio.timeout(patience_s):
                status, head, raw = await line.ask(self.request(operation))
        except (Cut, TimeoutError) as error:
            attempt.ended = time.monotonic()
            if isinstance(error, TimeoutError) or error.content:
                attempt.handed = Handed.PERHAPS
            self.hang_up()
            if plan is not None:
                await plan.over.wait()
                attempt.handed, attempt.raw = plan.handed, plan.answer
            return None
        attempt.ended = time.monotonic()
        attempt.raw, attempt.replayed = raw, b"idempotency-replayed: true" in head
        attempt.status = status
        if b"connection: close" in head:
            self.hang_up()
        body = attempt.body
        code = body.get("responseCode")
        self.refused += code == "0096"
        if operation.endpoint == "redeem" and code in APPROVED:
            self.approved_at, self.approved_sent = attempt.ended, attempt.sent
        return code, body

    async def settle(self, operation, plan=None, *, late_s=0.0, stop=lambda: False):
        """Send until it is known what became of it, or until the till gives up; return (code, body), or None."""
        planned = plan is not None
        while True:
            before = len(operation.attempts)
            answer = await self.send(operation, plan, patience_s=plan.till_waits_s if plan else PATIENCE_S)
            plan = None
            if answer is not None and answer[0] not in NO_ANSWER:
                return answer
            tried = len(operation.attempts) > before
            if operation.patience is Patience.GIVES_UP and (tried or planned):
                return None
            if operation.patience is Patience.LATE and tried and len(operation.attempts) == 1:
                await asyncio.sleep(late_s)
            else:
                await asyncio.sleep(AGAIN_S)
            if stop():
                return None

    def hang_up(self):
        if self._line is not None:
            self._line.close()
            self._line = None

    # --- what a till may want ---

    def fields(self, collector, **more):
        language = self._chance.choice(LANGUAGES)
        fields = {
            "acquirerId": "100000",
            "cardEntryMode": "SWIPE",
            "collectorNumber": collector,
            "dateTime": "2026-07-16T13:32:00-0400",
            "deviceId": "001",
            "sponsorCode": "LOY1",
            "storeId": "0001",
            "vendorId": "100087",
            **more,
        }
        return fields if language is None else {**fields, "instantMessage": language}

    def redemption(self, collector, patience=Patience.INSISTS, dollars=None):
        asked = dollars or self._chance.choice(("10.00", "10.00", "16.12", "20.00", "30.00", "50.00"))
        basket = self._chance.choice(("50.00", "50.00", "43.50", "9.99"))
        fields = self.fields(collector, dollarRedeemRequest=asked, postTaxBasketAmount="1000.00" if dollars else basket)
        key = None if self._chance.random() < 0.1 else uuid.UUID(int=self._chance.getrandbits(128)).hex
        return self.journal.new("redeem", collector, fields, key, patience)

    def reversal(self, collector, confirmation, patience=Patience.INSISTS):
        fields = self.fields(collector, redemptionConfirmationNum=confirmation)
        return self.journal.new(
            "reverse", collector, fields, uuid.UUID(int=self._chance.getrandbits(128)).hex, patience
        )

    def inquiry(self, collector):
        return self.journal.new("inquire", collector, self.fields(collector, postTaxBasketAmount="43.50"), None)

    def next_operation(self, collector, patience):
        """Choose: mostly redemptions; reversals, some of a number that is nobody's; inquiries."""
        lot = self._chance.random()
        if lot < 0.18:
            return self.inquiry(collector)
        if lot < 0.45 and self.known:
            return self.reversal(*self.known.pop(self._chance.randrange(len(self.known))), patience)
        if lot < 0.47:
            return self.reversal(collector, "0000000000000000", patience)
        return self.redemption(collector, patience)

    def note(self, operation, answer):
        """Remember an approved redemption, so that it can be reversed one day."""
        if answer is not None and operation.endpoint == "redeem" and answer[0] in APPROVED:
            self.known.append((operation.collector, answer[1]["txnConfirmationNumber"]))
            del self.known[:-50]


def patience_of(chance, gives_up=0.2, late=0.05):
    lot = chance.random()
    if lot < gives_up:
        return Patience.GIVES_UP
    return Patience.LATE if lot < gives_up + late else Patience.INSISTS


async def work(till, collectors, chance, running, *, customers, grace_s, gives_up=0.2, plan=lambda: None):
    """Let a till work until `running` says no; then it settles what it has begun.

    While `customers`, an event, is not set, it begins nothing new.
    """
    while running():
        await customers.wait()
        operation = till.next_operation(chance.choice(collectors()), patience_of(chance, gives_up))
        answer = await till.settle(operation, plan(), late_s=grace_s + chance.uniform(0.0, 3.0))
        till.note(operation, answer)
        if operation.endpoint == "redeem" and answer is not None and chance.random() < 0.05:
            await till.settle(operation)  # an identical retry of what is known tells the same
    with suppress(OSError):
        till.hang_up()
