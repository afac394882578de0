"""`amcash client`."""

import hashlib
import re

import pytest

from amcash.access.clients import authenticate
from amcash.ledger import register as registers


def lets_in(ledger, client_id, secret):
    with ledger.open() as store, store.read() as session:
        return authenticate(registers.read(session), client_id, secret) is not None


def test_add_prints_an_id_and_a_secret_that_lets_the_client_in(amcash, ledger):
    printed = amcash.json("client", "add", "loy1-pos", "--sponsor", "LOY1", "--sponsor", "LOY2")
    assert list(printed) == ["id", "secret"]
    assert printed["id"] == "loy1-pos"
    assert len(printed["secret"]) == 43
    assert lets_in(ledger, "loy1-pos", printed["secret"])


def test_a_person_sees_that_the_secret_is_shown_once(amcash, ledger):
    printed = amcash.done("client", "add", "loy1-pos", "--sponsor", "LOY1")
    assert "shown once" in printed
    assert lets_in(ledger, "loy1-pos", re.search(r"secret +(\S+)", printed)[1])


def test_a_secret_is_kept_as_a_digest_only(amcash, ledger):
    secret = amcash.json("client", "add", "loy1-pos", "--sponsor", "LOY1")["secret"]
    kept = ledger.rows("SELECT digest FROM client_secret WHERE client = 'loy1-pos'")
    assert kept == [(hashlib.sha256(secret.encode()).digest(),)]


def test_an_id_that_is_there_already_is_refused_with_the_command_for_a_new_secret(amcash, ledger):
    secret = amcash.json("client", "add", "loy1-pos", "--sponsor", "LOY1")["secret"]
    assert amcash.refused("client", "add", "loy1-pos", "--sponsor", "LOY1") == (
        "client loy1-pos is there already, for LOY1; a new secret for it: amcash client rotate loy1-pos"
    )
    assert lets_in(ledger, "loy1-pos", secret)


def test_a_sponsor_that_does_not_exist_is_refused_with_those_that_do(amcash):
    assert amcash.refused("client", "add", "loy1-pos", "--sponsor", "LOY1", "--sponsor", "LOY9") == (
        "there is no sponsor LOY9; this ledger has LOY1, LOY2"
    )
    assert [item["id"] for item in amcash.json("client", "list")] == ["waiting"]


def test_a_client_of_the_programme_file_gets_its_first_secret_by_add(amcash, ledger):
    secret = amcash.json("client", "add", "waiting", "--sponsor", "LOY1")["secret"]
    assert lets_in(ledger, "waiting", secret)


def test_a_client_of_the_programme_file_keeps_its_sponsors(amcash):
    assert "waiting is in the programme file, for LOY1" in amcash.refused(
        "client", "add", "waiting", "--sponsor", "LOY2"
    )


def test_rotation_leaves_the_secret_before_it_good_and_ends_the_one_before_that(amcash, ledger):
    secrets = [amcash.json("client", "add", "loy1-pos", "--sponsor", "LOY1")["secret"]]
    for live in ([True, True], [False, True, True], [False, False, True, True]):
        secrets.append(amcash.json("client", "rotate", "loy1-pos")["secret"])
        assert [lets_in(ledger, "loy1-pos", secret) for secret in secrets] == live


def test_rotating_tells_a_person_that_the_other_secret_stays_good(amcash):
    amcash.done("client", "add", "loy1-pos", "--sponsor", "LOY1")
    assert "stays good" in amcash.done("client", "rotate", "loy1-pos")


@pytest.mark.parametrize("what", ["rotate", "disable"])
def test_an_unknown_client_is_refused_with_those_that_exist(amcash, what):
    assert amcash.refused("client", what, "nobody") == "there is no client nobody; this ledger has waiting"


def test_a_disabled_client_is_out_and_cannot_be_rotated_or_added(amcash, ledger):
    secret = amcash.json("client", "add", "loy1-pos", "--sponsor", "LOY1")["secret"]
    assert "loy1-pos is disabled" in amcash.done("client", "disable", "loy1-pos")
    assert not lets_in(ledger, "loy1-pos", secret)
    assert "is disabled" in amcash.refused("client", "rotate", "loy1-pos")
    assert "and disabled" in amcash.refused("client", "add", "loy1-pos", "--sponsor", "LOY1")


def test_list_counts_secrets_and_shows_none(amcash):
    secret = amcash.json("client", "add", "loy1-pos", "--sponsor", "LOY1", "--sponsor", "LOY2")["secret"]
    amcash.done("client", "disable", "waiting")
    assert amcash.json("client", "list") == [
        {"id": "loy1-pos", "sponsors": ["LOY1", "LOY2"], "disabled": False, "secrets": 1, "sandbox_secret": False},
        {"id": "waiting", "sponsors": ["LOY1"], "disabled": True, "secrets": 0, "sandbox_secret": False},
    ]
    table = amcash.done("client", "list")
    digest = hashlib.sha256(secret.encode()).hexdigest()
    assert secret not in table
    assert digest not in table
    heading, pos, waiting = table.splitlines()
    assert heading.split("  ")[0] == "Client"
    assert re.fullmatch(r"loy1-pos +active +1 +no +LOY1, LOY2", pos)
    assert re.fullmatch(r"waiting +disabled +0 +no +LOY1", waiting)


@pytest.mark.parametrize("arguments", [("loy1-pos",), ("with space", "--sponsor", "LOY1"), ("--sponsor", "LOY1")])
def test_a_missing_sponsor_or_a_bad_id_is_a_usage_error(amcash, arguments):
    amcash.misused("client", "add", *arguments)


def test_without_a_programme_the_refusal_says_to_load_one(bare):
    bare.done("migrate")
    assert "amcash load FILE" in bare.refused("client", "add", "loy1-pos", "--sponsor", "LOY1")


def test_a_disabled_client_is_let_in_again_and_servers_see_it(amcash, ledger):
    amcash.done("client", "add", "till", "--sponsor", "LOY1")
    assert "amcash client enable till" in amcash.done("client", "disable", "till")
    before = ledger.rows("SELECT version FROM register_version")
    assert "is enabled" in amcash.done("client", "enable", "till")
    assert ledger.rows("SELECT version FROM register_version") > before
    with ledger.open() as store, store.read() as session:
        assert not registers.read(session).clients["till"].disabled


def test_enabling_a_client_that_is_not_disabled_is_refused(amcash):
    assert "is not disabled" in amcash.refused("client", "enable", "waiting")
    assert "there is no client" in amcash.refused("client", "enable", "nobody")
