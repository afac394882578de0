"""What makes two requests the same one (R-IDEM-1, R-IDEM-2)."""

from hashlib import sha256

import pytest

from amcash.domain.codes import Endpoint
from amcash.domain.commands import content_digest
from domain.examples import COLLECTOR_SENT, NUMBER, echo, inquire, redeem, reverse


def test_equal_requests_have_equal_digests():
    assert redeem().digest == redeem().digest
    assert len(redeem().digest) == 32


def test_the_order_of_the_parameters_is_not_content():
    backwards = dict(reversed(COLLECTOR_SENT.items()))
    assert content_digest(Endpoint.REDEEM, COLLECTOR_SENT) == content_digest(Endpoint.REDEEM, backwards)


@pytest.mark.parametrize("name", sorted(redeem().sent))
def test_every_parameter_is_content(name):
    """R-IDEM-2: the till's `dateTime` included."""
    changed = redeem().sent | {name: "1"}
    assert content_digest(Endpoint.REDEEM, changed) != redeem().digest


def test_a_parameter_more_or_less_is_other_content():
    assert redeem(instantMessage="en-CA").digest != redeem().digest


@pytest.mark.parametrize(
    "other",
    [
        {"a": "b", "c": "d"},
        {"a": "bc", "d": ""},
        {"ab": "", "c": "d"},
        {"a": "", "b": "cd"},
        {"a": "bcd"},
        {},
    ],
)
def test_names_and_values_do_not_run_into_each_other(other):
    assert content_digest(Endpoint.REDEEM, other) != content_digest(Endpoint.REDEEM, {"abc": "d"})


def test_the_endpoint_is_content():
    digests = {content_digest(endpoint, COLLECTOR_SENT) for endpoint in Endpoint}
    assert len(digests) == 4


def test_the_digest_is_the_same_in_every_process_and_version():
    """It is stored: a change would make every recorded retry another request."""
    words = "redeem\x1fa\x1fé\x1fb\x1f2"
    assert content_digest(Endpoint.REDEEM, {"b": "2", "a": "é"}) == sha256(words.encode()).digest()


def test_the_header_is_the_key_and_the_content_is_still_digested():
    command = redeem(key="123e4567-e89b-12d3-a456-426655440000")
    assert command.key == (NUMBER, "LOY1", Endpoint.REDEEM, "k123e4567-e89b-12d3-a456-426655440000")
    assert command.digest == redeem().digest


def test_without_the_header_the_content_is_the_key():
    assert redeem().key == (NUMBER, "LOY1", Endpoint.REDEEM, f"c{redeem().digest.hex()}")
    assert redeem().key == redeem().key
    assert redeem(traceId="1").key != redeem().key


def test_a_header_that_looks_like_a_content_key_is_another_key():
    assert redeem(key=redeem().key.key).key != redeem().key
    assert redeem(key=redeem().digest.hex()).key != redeem().key


@pytest.mark.parametrize(
    "other", [redeem(key="k", sponsorCode="LOY2"), redeem(key="k", number="80000000001"), reverse(key="k")]
)
def test_the_scope_of_a_key_is_sponsor_endpoint_and_collector(other):
    assert other.key.key == redeem(key="k").key.key
    assert other.key != redeem(key="k").key


def test_the_collector_leads_the_key_so_that_its_rows_share_a_shard():
    assert reverse(key="k").key[0] == reverse(key="k").key.collector == NUMBER


def test_a_command_knows_its_endpoint():
    commands = (echo(), inquire(), redeem(), reverse())
    assert [command.endpoint for command in commands] == list(Endpoint)
