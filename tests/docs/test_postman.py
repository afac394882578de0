"""The Postman collection: what the generator makes now, and every one of its assertions holds against a sandbox."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from amcash.cli import main
from amcash.domain.codes import Code, Endpoint
from amcash.sandbox.magic import MAGIC
from amcash.sandbox.postman import COLLECTION_FILE, ENVIRONMENT_FILE
from api.serving import serving
from docs.newman import run_collection

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "postman"
PROGRAMME = ROOT / "sample-programme.toml"
COMMAND = ["sandbox", "postman", "--programme", "sample-programme.toml", "docs/postman"]


def make(programme, folder):
    return CliRunner().invoke(main, ["sandbox", "postman", "--programme", str(programme), str(folder)])


def test_the_files_in_the_repository_are_what_the_generator_makes_now(tmp_path):
    assert make(PROGRAMME, tmp_path).exit_code == 0
    for name in (COLLECTION_FILE, ENVIRONMENT_FILE):
        made, kept = (tmp_path / name).read_text(), (FOLDER / name).read_text()
        assert made == kept, f"make them again: .venv/bin/amcash {' '.join(COMMAND)}"


def test_there_is_a_request_for_every_code_of_every_endpoint():
    collection = json.loads((FOLDER / COLLECTION_FILE).read_text())
    (folders,) = (item["item"] for item in collection["item"] if item["name"] == "Every response code")
    for endpoint, folder in zip(Endpoint, folders, strict=True):
        assert folder["name"] == endpoint
        numbers = [re.search(r"899000\d{5}", item["request"]["body"]["raw"])[0] for item in folder["item"]]
        assert numbers == [number for number, one in MAGIC.items() if endpoint in one.endpoints]
    assert {one.code for one in MAGIC.values()} == {*Code, None}


def test_every_variable_that_is_used_has_a_value_somewhere():
    text = (FOLDER / COLLECTION_FILE).read_text()
    collection = json.loads(text)
    known = {item["key"] for item in json.loads((FOLDER / ENVIRONMENT_FILE).read_text())["values"]}
    known |= {item["key"] for item in collection["variable"]}
    known |= set(re.findall(r'pm\.variables\.set\(\\"(\w+)\\"', text))
    assert set(re.findall(r"\{\{(\w+)\}\}", text)) <= known


@pytest.mark.parametrize(
    ("cut", "missing"), [("secret =", "client with a secret"), ("cash_miles =", "collector with the miles for one")]
)
def test_a_programme_that_nobody_can_try_is_refused(tmp_path, cut, missing):
    lines = [line for line in PROGRAMME.read_text().splitlines() if not line.startswith(cut)]
    programme = tmp_path / "programme.toml"
    programme.write_text("\n".join(lines))
    found = make(programme, tmp_path / "made")
    assert found.exit_code == 1
    assert missing in found.output
    assert not (tmp_path / "made").exists()


def test_newman_runs_the_whole_collection_against_a_sandbox(tmp_path):
    with serving(tmp_path, programme=PROGRAMME) as server:
        done = run_collection(FOLDER / COLLECTION_FILE, FOLDER / ENVIRONMENT_FILE, server.address)
    assert done.returncode == 0, done.stdout + done.stderr
    requests = json.loads((FOLDER / COLLECTION_FILE).read_text())
    asked = len(requests["item"][0]["item"]) + sum(len(folder["item"]) for folder in requests["item"][1]["item"])
    assert re.search(rf"│ +requests │ +{asked} │ +0 │", done.stdout), done.stdout
