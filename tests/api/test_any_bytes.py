"""Any byte string to any path: a documented answer below 500, and the headers that every answer carries."""

import http.client
import socket
import string
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.serving import serving

PATHS = [
    "/checkout/amcash/echo",
    "/checkout/amcash/inquire",
    "/checkout/amcash/redeem",
    "/checkout/amcash/reverse",
    "/oauth/token",
    "/.well-known/jwks.json",
    "/openapi.json",
    "/docs",
    "/docs/static/nothing",
    "/docs/static/../../../etc/passwd",
    "/healthz",
    "/readyz",
    "/metrics",
    "/",
    "/sandbox/clock",
    "/till",
]
DOCUMENTED = {200, 400, 401, 404, 405, 413}
HTTP = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)


@HTTP
@given(
    path=st.sampled_from(PATHS),
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"]),
    body=st.binary(max_size=300),
    with_token=st.booleans(),
    content_type=st.sampled_from([None, "application/json", "application/x-www-form-urlencoded", "text/plain"]),
)
def test_any_body_to_any_path_gets_a_documented_answer(server, till, path, method, body, with_token, content_type):
    headers = {"Authorization": f"Bearer {till.token}"} if with_token else {}
    if content_type:
        headers["Content-Type"] = content_type
    answer = server.send(method, path, body, headers)
    assert answer.status in DOCUMENTED
    assert answer.headers["x-request-id"]
    assert answer.headers["cache-control"] == "no-store"


@HTTP
@given(raw=st.binary(min_size=1, max_size=200))
def test_bytes_that_are_not_http_are_turned_away_and_the_server_lives(server, raw):
    split = urlsplit(server.address)
    with socket.create_connection((split.hostname, split.port), timeout=10) as connection:
        connection.sendall(raw + b"\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        first = connection.recv(64)
    assert first == b"" or first.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4", b"HTTP/1.1 2", b"HTTP/1.0 2"))
    assert server.send("GET", "/healthz").status == 200


@pytest.mark.parametrize("given_id", ["abc-1.2_3", "x" * 64])
def test_the_callers_request_id_comes_back(till, given_id):
    assert till.ask("echo", till.fields(), **{"X-Request-Id": given_id}).headers["x-request-id"] == given_id


@pytest.mark.parametrize("given_id", ["", "x" * 65, "a b", "a/b", "é"])
def test_a_request_id_of_another_shape_is_replaced_by_a_uuid(till, given_id):
    answer = till.ask("echo", till.fields(), **{"X-Request-Id": given_id})
    assert len(answer.headers["x-request-id"]) == 36
    assert set(answer.headers["x-request-id"]) <= set(string.hexdigits + "-")


def test_the_content_type_is_the_librarys(till):
    assert till.echo().headers["content-type"] == "application/json;charset=UTF-8"


def test_a_body_that_says_it_is_too_long_is_turned_away_before_it_is_sent(server, till):
    split = urlsplit(server.address)
    connection = http.client.HTTPConnection(split.hostname, split.port, timeout=10)
    connection.putrequest("POST", "/checkout/amcash/redeem")
    connection.putheader("Authorization", f"Bearer {till.token}")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", str(10**12))
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()


def test_a_key_twice_is_0035(server, till):
    split = urlsplit(server.address)
    connection = http.client.HTTPConnection(split.hostname, split.port, timeout=10)
    connection.putrequest("POST", "/checkout/amcash/redeem")
    for name, value in (("Authorization", f"Bearer {till.token}"), ("Content-Type", "application/json")):
        connection.putheader(name, value)
    connection.putheader("Idempotency-Key", "one")
    connection.putheader("Idempotency-Key", "two")
    body = b'{"deviceId":"1"}'
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    response = connection.getresponse()
    assert response.status == 400
    assert b'"0035"' in response.read()
    connection.close()


def test_a_body_that_never_comes_is_0008_within_the_budget_and_the_connection_ends(tmp_path):
    with serving(tmp_path, AMCASH_BUDGET_MS="200") as server:
        split = urlsplit(server.address)
        token = server.token()
        for path, expected in (("/checkout/amcash/redeem", b'"0008"'), ("/oauth/token", b"did not arrive in time")):
            connection = http.client.HTTPConnection(split.hostname, split.port, timeout=10)
            connection.putrequest("POST", path)
            connection.putheader("Authorization", f"Bearer {token}")
            connection.putheader("Content-Length", "10")
            connection.endheaders(b"{")
            response = connection.getresponse()
            assert response.status == 408
            assert expected in response.read()
            assert response.getheader("Connection") == "close"
            connection.close()
