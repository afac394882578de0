"""`amcash serve`, before anything listens: certificates, and the first steps it prints."""

import json
import shlex
import subprocess
from datetime import UTC, datetime

import pytest

from amcash import wiring
from amcash.cli.load import apply_programme_file, read_programme_file
from amcash.cli.serve import first_steps
from amcash.edge.server import ListenError, listen
from cli.operating import PROGRAMME, RICH

NOW = datetime(2026, 7, 16, tzinfo=UTC)


@pytest.fixture(scope="module")
def pem(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pem")

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key", "-out", "cert", "-subj", "/CN=x")
    openssl("genrsa", "-out", "other", "2048")
    openssl("genrsa", "-aes128", "-passout", "pass:abcd", "-out", "encrypted", "2048")
    (folder / "text").write_text("hello")
    return folder


@pytest.mark.parametrize(
    ("cert", "key", "why"),
    [
        ("key", "cert", "key holds no certificate in PEM; are --tls-cert and --tls-key swapped?"),
        ("cert", "cert", "cert holds no private key"),
        ("cert", "text", "text holds no private key"),
        ("text", "key", "text holds no certificate"),
        ("cert", "other", "does not belong to the certificate"),
        ("cert", "encrypted", "is encrypted"),
    ],
)
def test_a_certificate_or_key_that_cannot_be_used_is_a_sentence(bare, pem, tmp_path, cert, key, why):
    assert why in bare.refused("serve", "--tls-cert", str(pem / cert), "--tls-key", str(pem / key))
    assert not list(tmp_path.glob("*.db*"))


@pytest.mark.parametrize("name", ["gone", "x" * 300, "."])
def test_a_certificate_that_is_not_there_is_a_usage_error(bare, name):
    assert "there is no file" in bare.misused("serve", "--tls-cert", name, "--tls-key", name)


def test_an_address_of_another_machine_is_told_without_advising_another_port():
    with pytest.raises(ListenError, match="no network interface") as refused:
        listen("192.0.2.1", 0)
    assert "--port" not in str(refused.value)


@pytest.fixture
def steps(tmp_path):
    """Load a programme text into a new ledger, and return the first steps that a sandbox would print."""

    def read(text):
        path = tmp_path / "steps.toml"
        path.write_text(text.replace('id = "waiting"', 'id = "till"\nsecret = "it\'s-a-secret"'))
        file = read_programme_file(path, sandbox=True)
        with wiring.open_ledger(f"sqlite:///{tmp_path}/steps.db", create=True) as store:
            apply_programme_file(store, file)
            with store.read() as session:
                return [item.words("http://here") for item in first_steps(session, file, NOW)]

    return read


def body(words):
    return json.loads(shlex.split(words.split("curl -s -w")[1].split("Every message")[0])[-1])


def test_the_first_steps_redeem_one_unit_of_the_offer_in_force(steps):
    cheaper = """
[[offers]]
id = "2"
type = "SPL"
unit_miles = 50
unit_dollars = "20.50"
description_en = "x"
description_fr = "x"
"""
    (words,) = steps(PROGRAMME.replace("[[sponsors]]", cheaper + "\n[[sponsors]]", 1))
    assert "redeem 50 miles" in words
    assert (body(words)["dollarRedeemRequest"], body(words)["postTaxBasketAmount"]) == ("20.50", "20.50")
    assert body(words)["collectorNumber"] == RICH
    assert shlex.split(words.split("-u ")[1].split("-d")[0].replace("\\\n", ""))[0] == "till:it's-a-secret"


@pytest.mark.parametrize("flag", ["active", "show_balances", "allow_redemption"])
def test_the_first_steps_name_a_collector_who_can_redeem_and_sees_balances(steps, flag):
    text = PROGRAMME.replace(f'number = "{RICH}"', f'number = "{RICH}"\n{flag} = false')
    assert steps(text) == []
    more = '\n[[collectors]]\nnumber = "77"\ncash_miles = 94\n[[collectors]]\nnumber = "78"\ncash_miles = 95\n'
    (words,) = steps(text + more)
    assert body(words)["collectorNumber"] == "78"


def test_there_are_no_first_steps_where_no_offer_is_in_force(steps):
    assert steps(PROGRAMME.replace("unit_miles = 95", "unit_miles = 95\navailable = false")) == []


def test_the_balances_that_count_are_the_ledgers(steps):
    steps(PROGRAMME.replace("cash_miles = 1900", "cash_miles = 0"))
    assert steps(PROGRAMME) == []
