"""Redemptions over TLS, by one process and by several: answered, marked as handed over, and proved."""

import socket
import uuid
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from amcash.wiring import open_ledger
from api.serving import run_command, serving

PROCESSES = 2
REDEMPTIONS = 24


@pytest.mark.parametrize("kind", ["sqlite", "workers"], indirect=True, scope="session")
def test_redemptions_over_tls_are_answered_and_marked_as_handed_over(kind, database, certificate, tmp_path):
    several = ["--workers", str(PROCESSES)] if kind == "workers" else []
    with serving(tmp_path, *several, *certificate, database=database, sandbox=False) as server:
        assert server.address.startswith("https://")
        address = urlsplit(server.address)
        with socket.create_connection((address.hostname, address.port)) as stranger:
            stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")  # what is no handshake hurts nobody
            till = server.till()
            with ThreadPoolExecutor(8) as pool:
                answers = list(pool.map(lambda _: till.redeem("1065"), range(REDEMPTIONS)))
            # A client that closes when it has read its answer resets the connection that the server is closing.
            amounts = {"dollarRedeemRequest": "10.00", "postTaxBasketAmount": "1000.00"}
            answers += [
                till.ask("redeem", till.fields("1065", **amounts), str(uuid.uuid4()), Connection="close")
                for _ in range(REDEMPTIONS)
            ]
        assert {answer.code for answer in answers} == {"0000"}
        assert server.stop() == 0
    with open_ledger(database) as store, store.read() as session:
        assert list(session.run("SELECT count(*) FROM open_delivery")) == [(0,)]
    assert f"{2 * REDEMPTIONS} outcomes proved" in run_command("verify", "--database", database).stdout
