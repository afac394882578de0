"""`amcash key`."""

import re

import pytest

from amcash.ledger import register as registers


def test_rotation_signs_with_a_new_key_and_keeps_the_old_one_to_verify(amcash):
    amcash.done("key", "rotate")
    amcash.done("key", "rotate")
    new, old = amcash.json("key", "list")
    assert list(new) == ["kid", "signs", "created_at", "retired_at"]
    assert (new["signs"], new["retired_at"]) == (True, None)
    assert (old["signs"], old["retired_at"]) == (False, new["created_at"])
    assert new["kid"] != old["kid"]


def test_rotation_names_the_key_that_signs_now(amcash):
    printed = amcash.done("key", "rotate")
    assert amcash.json("key", "list")[0]["kid"] in printed


@pytest.mark.parametrize("option", [[], ["--json"]])
def test_private_parts_are_never_printed(amcash, ledger, option):
    rotated = amcash.done("key", "rotate")
    with ledger.open() as store, store.read() as session:
        (key,) = registers.read_keys(session)
    private = re.search(r'"d": "([^"]+)"', key.jwk)[1]
    printed = rotated + amcash.done("key", "list", *option)
    assert key.kid in printed
    assert private not in printed


def test_the_table_says_which_key_signs(amcash):
    assert "There is no key yet" in amcash.done("key", "list")
    amcash.done("key", "rotate")
    amcash.done("key", "rotate")
    _, new, old = amcash.done("key", "list").splitlines()
    assert new.endswith(" signs")
    assert re.search(r" retired \d{4}-\d\d-\d\d \d\d:\d\d:\d\d$", old)


def test_keys_need_no_programme(bare):
    bare.done("migrate")
    bare.done("key", "rotate")
