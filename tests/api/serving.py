"""A real server in a process of its own, and a till that talks to it, for tests over HTTP."""

import base64
import http.client
import json
import os
import signal
import sqlite3
import ssl
import subprocess
import sys
import uuid
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import psycopg

from amcash.ledger.population import apply_programme
from amcash.programme.toml_file import read_programme
from amcash.wiring import open_ledger, utc_now

PROGRAMME = Path(__file__).with_name("programme.toml")
ANSWER_S = 30
TRUSTING = ssl.create_default_context()
TRUSTING.check_hostname, TRUSTING.verify_mode = False, ssl.CERT_NONE


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self):
        return json.loads(self.raw)

    @property
    def code(self):
        return self.body.get("responseCode")


@dataclass
class Server:
    address: str
    database: str
    process: subprocess.Popen

    def send(self, method, path, body=None, headers=None):
        split = urlsplit(self.address)
        if split.scheme == "https":
            connection = http.client.HTTPSConnection(split.hostname, split.port, timeout=ANSWER_S, context=TRUSTING)
        else:
            connection = http.client.HTTPConnection(split.hostname, split.port, timeout=ANSWER_S)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def token(self, client="loy1-pos", secret="loy1-secret"):
        basic = base64.b64encode(f"{client}:{secret}".encode()).decode()
        form = urlencode({"grant_type": "client_credentials"})
        headers = {"Authorization": f"Basic {basic}", "Content-Type": "application/x-www-form-urlencoded"}
        return self.send("POST", "/oauth/token", form, headers).body["access_token"]

    def till(self, client="loy1-pos", secret="loy1-secret"):
        return Till(self, self.token(client, secret))

    def command(self, *words, check=True, **environment):
        return run_command(*words, "--database", self.database, check=check, **environment)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)


class Several:
    """Servers on one database: each request goes to the next of them."""

    def __init__(self, servers):
        self.servers = servers
        self.database = servers[0].database
        self._next = cycle(servers)

    def send(self, *words, **named):
        return next(self._next).send(*words, **named)

    token, till, command = Server.token, Server.till, Server.command


@dataclass
class Till:
    server: Server
    token: str
    sponsor: str = "LOY1"

    def fields(self, collector="84095202006", **fields):
        digit = self.sponsor[-1]
        request = {
            "acquirerId": f"{digit}00000",
            "cardEntryMode": "SWIPE",
            "collectorNumber": collector,
            "dateTime": "2026-07-16T13:32:00+0400",
            "deviceId": "001",
            "sponsorCode": self.sponsor,
            "storeId": "0001",
            "traceId": uuid.uuid4().hex,
            "vendorId": f"{digit}00087",
            **fields,
        }
        return {name: value for name, value in request.items() if value is not None}

    def ask(self, endpoint, fields, key=None, **headers):
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json", **headers}
        if key is not None:
            headers["Idempotency-Key"] = key
        body = fields if isinstance(fields, bytes) else json.dumps(fields)
        return self.server.send("POST", f"/checkout/amcash/{endpoint}", body, headers)

    def echo(self):
        return self.ask("echo", self.fields())

    def inquire(self, collector="84095202006", basket="43.50", **fields):
        return self.ask("inquire", self.fields(collector, postTaxBasketAmount=basket, **fields))

    def redeem(self, collector="84095202006", dollars="10.00", basket="1000.00", key=None, **fields):
        fields = self.fields(collector, dollarRedeemRequest=dollars, postTaxBasketAmount=basket, **fields)
        return self.ask("redeem", fields, key or str(uuid.uuid4()))

    def reverse(self, confirmation, collector="84095202006", key=None, **fields):
        fields = self.fields(collector, redemptionConfirmationNum=confirmation, **fields)
        return self.ask("reverse", fields, key or str(uuid.uuid4()))


def clean_environment(**more):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AMCASH_")}
    return {**kept, **more}


def run_command(*words, check=True, **environment):
    return subprocess.run(
        [sys.executable, "-m", "amcash", *words],
        check=check,
        capture_output=True,
        text=True,
        env=clean_environment(**environment),
        timeout=60,
    )


@contextmanager
def serving(folder, *options, programme=PROGRAMME, database=None, sandbox=True, **environment):
    """Start a server on a free port; end it by its process id."""
    with starting(
        folder, *options, programme=programme, database=database, sandbox=sandbox, **environment
    ) as wait_until_ready:
        yield wait_until_ready()


@contextmanager
def serving_several(folder, database, number):
    """Start several servers on one database, at the same time; what one says is the others' word as well."""
    with ExitStack() as stack:
        waits = []
        for place in range(number):
            own = Path(folder) / f"server{place}"
            own.mkdir()
            one = starting(own, database=database, sandbox=False, AMCASH_PUBLIC_URL="http://amcash.test")
            waits.append(stack.enter_context(one))
        yield Several([wait() for wait in waits])


@contextmanager
def starting(folder, *options, programme=PROGRAMME, database=None, sandbox=True, **environment):
    """Start a server and give what waits until it is ready; end it by its process id."""
    database = database or f"sqlite:///{folder}/ledger.db"
    if not sandbox and programme is not None:
        load_for_production(programme, database)
        programme = None
    command = [sys.executable, "-m", "amcash", "serve", "--port", "0", "--database", database]
    if sandbox:
        command.append("--sandbox")
    if programme is not None:
        command += ["--programme", str(programme)]
    log_path = Path(folder) / "server.log"
    with log_path.open("w") as out:
        process = subprocess.Popen(
            [*command, *options], stdout=out, stderr=subprocess.STDOUT, env=clean_environment(**environment)
        )
    try:
        yield lambda: Server(_address(process, log_path), database, process)
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(timeout=30)


def load_for_production(programme, database):
    """Load a programme file, and let its secrets count like those that `amcash client add` makes."""
    described = read_programme(Path(programme).read_text(), sandbox=True)
    with open_ledger(database, create=True) as store, store.write() as session:
        apply_programme(session, described, utc_now())
        session.run("UPDATE client_secret SET sandbox = 0")


@contextmanager
def by_hand(database):
    """Give a connection to a ledger as a person reaches it with the database's own tool; each statement counts."""
    if database.startswith("postgresql:"):
        with psycopg.connect(database, autocommit=True) as connection:
            yield connection
        return
    with closing(sqlite3.connect(database.removeprefix("sqlite:///"), timeout=30, isolation_level=None)) as connection:
        yield connection


def _address(process, log_path):
    prefix = "amcash listening on "
    while True:
        for line in log_path.read_text().splitlines():
            if line.startswith(prefix):
                return line.removeprefix(prefix)
        if process.poll() is not None:
            raise AssertionError(f"the server ended: {log_path.read_text()}")
        try:
            process.wait(0.02)
        except subprocess.TimeoutExpired:
            continue
