"""Outside sandbox mode nothing of the sandbox exists, whatever a production run is set to."""

import json
import subprocess
import sys

import pytest

from amcash.sandbox.openapi import document
from amcash.settings import Settings
from api.serving import PROGRAMME, clean_environment, run_command, serving
from sandbox.trying import new_key

ADDRESS = "http://127.0.0.1:1"
PATHS = document(ADDRESS)["paths"]
OURS = [path for path in PATHS if path.startswith("/sandbox/")]


@pytest.fixture(scope="module")
def production(tmp_path_factory):
    folder = tmp_path_factory.mktemp("production")
    database = f"sqlite:///{folder}/ledger.db"
    run_command("load", str(PROGRAMME), "--sandbox", "--database", database)
    secret = json.loads(run_command("client", "rotate", "loy1-pos", "--json", "--database", database).stdout)["secret"]
    # Every setting that is none of --sandbox, and the names that `amcash sandbox` reads.
    settings = {
        "AMCASH_SANDBOX_URL": "http://127.0.0.1:8080",
        "AMCASH_SANDBOX_CLIENT": "loy1-pos",
        "AMCASH_SANDBOX_SECRET": "x",
        "AMCASH_SANDBOX": "false",
        "AMCASH_UNSAFE_DURABILITY": "true",
        "AMCASH_AUDIENCE": "amcash-sandbox",
        "AMCASH_LOG_LEVEL": "debug",
        "AMCASH_PUBLIC_URL": "https://sandbox.example",
    }
    with serving(folder, programme=None, database=database, sandbox=False, **settings) as server:
        yield server, server.token("loy1-pos", secret)


@pytest.mark.parametrize("path", [*OURS, "/sandbox", "/sandbox/", "/sandbox/clock/", "//sandbox/clock", "/till"])
def test_none_of_the_paths_exists(production, path):
    server, token = production
    for method in ("GET", "POST", "PUT", "DELETE"):
        for headers in ({}, {"Authorization": f"Bearer {token}"}):
            assert server.send(method, path.replace("{id}", "1"), None, headers).status == 404


def test_the_openapi_document_knows_nothing_of_them(production):
    server, _ = production
    shown = server.send("GET", "/openapi.json").body
    assert not [path for path in shown["paths"] if "sandbox" in path]
    assert "Sandbox" not in {tag["name"] for tag in shown["tags"]}


def test_a_magic_number_is_a_number_like_any_other(production):
    server, token = production
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", "Idempotency-Key": new_key()}
    body = {
        "acquirerId": "100000",
        "cardEntryMode": "SWIPE",
        "collectorNumber": "89900000964",
        "dateTime": "2026-07-16T13:32:00+0400",
        "deviceId": "001",
        "dollarRedeemRequest": "10.00",
        "postTaxBasketAmount": "10.00",
        "sponsorCode": "LOY1",
        "storeId": "0001",
        "traceId": "1",
        "vendorId": "100087",
    }
    assert server.send("POST", "/checkout/amcash/redeem", json.dumps(body), headers).code == "0025"


def test_a_production_run_does_not_even_import_it():
    words = "import sys, amcash.cli.serve; sys.exit(any(name.startswith('amcash.sandbox') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", words], check=False, env=clean_environment()).returncode == 0


def test_only_the_option_and_its_own_variable_open_a_sandbox():
    opens = {f"AMCASH_SANDBOX_{name}": "true" for name in ("URL", "CLIENT", "SECRET", "MODE", "ON")}
    assert Settings.read(opens).sandbox is False
    assert Settings.read({"AMCASH_SANDBOX": "no"}).sandbox is False
    assert Settings.read({"AMCASH_SANDBOX": ""}).sandbox is False
    assert Settings.read({}, sandbox=True).sandbox is True


def test_a_sandbox_starts_quietly_twice_on_one_ledger(tmp_path):
    for _ in range(2):
        with serving(tmp_path) as server:
            assert server.till().inquire("89900000003").body["cashBalance"] == "1900"
