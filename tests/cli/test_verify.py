"""`amcash verify`."""

import json

import pytest

from cli.operating import RICH


def test_a_ledger_that_agrees_says_so(amcash, ledger):
    ledger.reverse(ledger.redeem().confirmation)
    assert amcash.json("verify") == {
        "ok": True,
        "collectors": 2,
        "transfers": 4,
        "outcomes": 2,
        "findings_total": 0,
        "findings": [],
    }
    printed = amcash.done("verify").splitlines()
    assert printed[0].startswith("2 collectors, 4 transfers, 2 outcomes proved in ")
    assert printed[1] == "The ledger agrees."


@pytest.fixture
def damaged(ledger):
    ledger.change("UPDATE collector SET cash = cash + 95 WHERE number = ?", RICH)


def test_a_ledger_that_disagrees_exits_1_with_a_table_that_masks_numbers(amcash, damaged):  # noqa: ARG001
    result = amcash("verify")
    assert (result.exit_code, result.stderr) == (1, "")
    assert "The ledger does not agree: 1 finding\n" in result.stdout
    assert "84*******06" in result.stdout
    assert RICH not in result.stdout


def test_json_tells_findings_whole_and_exits_1(amcash, damaged):  # noqa: ARG001
    result = amcash("verify", "--json")
    report = json.loads(result.stdout)
    assert (result.exit_code, report["ok"], report["findings_total"]) == (1, False, len(report["findings"]))
    finding = report["findings"][0]
    assert list(finding) == ["rule", "collector", "seq", "sentence"]
    assert finding["collector"] == RICH


def test_a_file_that_is_damaged_as_a_file_is_a_sentence(amcash, ledger):
    amcash.done("verify")
    size = ledger.path.stat().st_size
    with ledger.path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))
    assert "cannot be used" in amcash.refused("verify")
