"""What one connection may do to the service: too much, too slow, or in another protocol."""

import signal
import socket
import sqlite3
import threading
import time
from urllib.parse import urlsplit

import pytest

from api.serving import serving


def connect(server):
    split = urlsplit(server.address)
    return socket.create_connection((split.hostname, split.port), timeout=30)


def everything(connection):
    received = b""
    while chunk := connection.recv(65_536):
        received += chunk
    return received


def echo_request(till, *headers, body=b""):
    lines = [b"POST /checkout/amcash/echo HTTP/1.1", b"Host: x", b"Content-Type: application/json"]
    lines += [b"Authorization: Bearer " + till.token.encode(), b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


ECHO = b'{"deviceId":"1","sponsorCode":"LOY1","storeId":"1","traceId":"1","vendorId":"100087"}'


@pytest.mark.parametrize(
    "head",
    [
        b"POST / HTTP/1.1\r\nX: " + b"a" * 200_000,
        b"GET /" + b"a" * 200_000,
        b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 20_000,
        b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"a" * 40_000 + b"\r\n\r\n",
    ],
    ids=["a long header", "a long path", "many headers", "200 headers", "a whole long header"],
)
def test_a_head_beyond_its_limit_ends_the_connection(server, head):
    with connect(server) as connection:
        try:
            connection.sendall(head)
            received = everything(connection)
        except (BrokenPipeError, ConnectionResetError):
            received = b""
    assert received == b"" or received.startswith(b"HTTP/1.1 400 ")
    assert server.send("GET", "/healthz").status == 200


def test_a_pipelined_call_whose_body_comes_a_moment_later_is_answered(server, till):
    with connect(server) as connection:
        head, body = echo_request(till, body=ECHO).split(b"\r\n\r\n", 1)
        connection.sendall(echo_request(till, body=ECHO) + head + b"\r\n\r\n")
        time.sleep(0.2)
        connection.sendall(body)
        received = b""
        while received.count(b'"responseCode":"0000"') < 2:
            chunk = connection.recv(65_536)
            assert chunk, received
            received += chunk
    assert b'"0008"' not in received


def test_a_trailer_is_no_header(server, till):
    lines = [b"POST /checkout/amcash/echo HTTP/1.1", b"Host: x", b"Content-Type: application/json"]
    lines += [b"Transfer-Encoding: chunked", b"Connection: close", b"", b"%x" % len(ECHO), ECHO, b"0"]
    lines += [b"Authorization: Bearer " + till.token.encode(), b"", b""]
    with connect(server) as connection:
        connection.sendall(b"\r\n".join(lines))
        assert everything(connection).startswith(b"HTTP/1.1 401 ")


def test_a_fragment_behind_a_path_is_no_part_of_it(server, till):
    request = echo_request(till, b"Connection: close", body=ECHO).replace(b"/echo ", b"/echo#here ", 1)
    with connect(server) as connection:
        connection.sendall(request)
        assert b'"responseCode":"0000"' in everything(connection)


def test_what_is_not_http_gets_the_headers_of_every_answer(server):
    with connect(server) as connection:
        connection.sendall(b"\x16\x03\x01 this is TLS, perhaps\r\n\r\n")
        received = everything(connection).lower()
    assert received.startswith(b"http/1.1 400 ")
    for header in (b"x-request-id: ", b"cache-control: no-store", b"content-type: application/problem+json"):
        assert header in received


def test_requests_beyond_the_limit_of_a_pipeline_end_the_connection(server):
    with connect(server) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 2_000)
        try:
            received = everything(connection)
        except ConnectionResetError:
            received = b""
    assert received.count(b"HTTP/1.1 200") < 2_000


def test_a_few_pipelined_requests_are_answered_in_order(server):
    request = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    with connect(server) as connection:
        connection.sendall(request * 9 + b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert everything(connection).count(b"HTTP/1.1 200") == 10


@pytest.mark.parametrize("protocol", [b"h2c", b"websocket"])
@pytest.mark.parametrize("name", [b"Upgrade", b"upgrade", b"UPGRADE"])
def test_an_offer_to_change_the_protocol_is_ignored_and_the_body_is_read(server, till, name, protocol):
    headers = (
        b"Connection: Upgrade, HTTP2-Settings",
        name + b": " + protocol,
        b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
    )
    with connect(server) as connection:
        request = echo_request(till, *headers, body=ECHO)
        connection.sendall(request[:-20])
        time.sleep(0.05)  # so that the body comes in two pieces; nothing is measured by it
        connection.sendall(request[-20:] + b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        received = everything(connection)
    assert received.count(b"HTTP/1.1 ") == 2
    assert b'"responseCode":"0000"' in received
    assert received.endswith(b'{"status":"alive"}')


def test_white_space_around_a_headers_value_is_no_part_of_it(server, till):
    with connect(server) as connection:
        connection.sendall(echo_request(till, b"X-Request-Id: abc \t", b"Connection: close", body=ECHO))
        assert b"x-request-id: abc\r\n" in everything(connection)


def test_a_redemption_in_flight_when_the_server_must_end_gets_0008_and_its_retry_the_truth(tmp_path):
    with serving(tmp_path, AMCASH_SHUTDOWN_GRACE_S="1", AMCASH_BUDGET_MS="20000") as server:
        till = server.till()
        ledger = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
        ledger.execute("BEGIN IMMEDIATE")
        request = till.fields(dollarRedeemRequest="10.00", postTaxBasketAmount="10.00")
        answers = []
        asking = threading.Thread(target=lambda: answers.append(till.ask("redeem", request, "in-flight")))
        asking.start()
        while b'amcash_batch_commands_count{lane="writes"} 1.0' not in server.send("GET", "/metrics").raw:
            pass
        server.process.send_signal(signal.SIGTERM)
        asking.join()
        ledger.execute("ROLLBACK")
        ledger.close()
        assert server.process.wait(timeout=30) == 0
    assert (answers[0].status, answers[0].code) == (408, "0008")
    assert answers[0].headers["x-request-id"]
    with serving(tmp_path) as server:
        assert server.till().ask("redeem", request, "in-flight").code == "0000"
        shown = server.command("collector", "show", "84095202006", "--json").stdout
        assert '"cash_miles": 1805' in shown


def test_a_log_that_nobody_reads_any_more_is_no_reason_to_fail(tmp_path):
    with serving(tmp_path) as server:
        till = server.till()
        (tmp_path / "server.log").unlink()
        assert till.echo().code == "0000"
        assert server.stop() == 0
