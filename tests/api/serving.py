"""A real server in a process of its own, and a till that talks to it, for tests over HTTP."""

import base64
import http.client
import json
import os
import signal
import subprocess
import sys
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode, urlsplit

PROGRAMME = Path(__file__).with_name("programme.toml")
ANSWER_S = 30


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
    database = database or f"sqlite:///{folder}/ledger.db"
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
        yield Server(_address(process, log_path), database, process)
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(timeout=30)


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
