"""A partner's first hour: every block is run as it stands, and answers as it says."""

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from amcash.dialogue.answers import Situation, advise
from amcash.domain.codes import NO_TOKEN_STATUS, TABLE, Endpoint, no_token_message
from amcash.domain.vocabulary import Language
from amcash.edge.openapi_words import ADVICE, NO_TOKEN
from amcash.sandbox.magic import number_of
from api.serving import clean_environment, serving

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "first-hour.md").read_text()
SHOWN_ADDRESS = "http://127.0.0.1:8080"
BLOCKS = re.findall(r"^```(bash|json|text)\n(.*?)^```", DOCUMENT, re.DOTALL | re.MULTILINE)
END = "--- end of block ---"
SCRIPT_S = 120


def steps():
    """Return each block that is pasted, with the answer that follows it: none where it prints nothing."""
    found = []
    for language, text in BLOCKS:
        if language == "bash":
            found.append((text, ""))
        else:
            script, answer = found.pop()
            assert not answer, f"two answers to one block: {text}"
            found.append((script, text))
    return found


def shape(answer):
    """Return the pattern of an answer; white space is the document's own."""
    pattern, names = "", set()
    for piece in re.split(r"(…|<[a-z]+>)", re.sub(r"\s+", "", answer)):
        if piece == "…":
            pattern += ".*?"
        elif re.fullmatch(r"<[a-z]+>", piece):
            name = piece[1:-1]
            pattern += f"(?P={name})" if name in names else rf"(?P<{name}>\d{{16}})"
            names.add(name)
        else:
            pattern += re.escape(piece)
    return pattern


def filled_in(answer, numbers):
    return re.sub(r"<([a-z]+)>", lambda found: numbers.get(found[1], found[0]), answer)


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """What each block prints, run in order in one shell, in a folder that looks like a clone after `make run`."""
    folder = tmp_path_factory.mktemp("clone")
    (folder / ".venv").symlink_to(sys.prefix)
    database = f"sqlite:///{folder}/amcash.db"
    programme = ROOT / "sample-programme.toml"
    with serving(folder, programme=programme, database=database, AMCASH_DELIVERY_GRACE_S="4") as server:
        script = f"\necho '{END}'\n".join(text for text, _ in steps()).replace(SHOWN_ADDRESS, server.address)
        out = subprocess.run(
            ["bash", "-u", "-o", "pipefail", "-c", script],
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=folder,
            env=clean_environment(),
            timeout=SCRIPT_S,
        ).stdout
    return out.split(f"{END}\n")


def test_every_block_answers_as_the_document_says(printed):
    numbers = {}
    wrong = []
    for (script, expected), got in zip(steps(), printed, strict=True):
        found = re.fullmatch(shape(filled_in(expected, numbers)), re.sub(r"\s+", "", got))
        if found is None:
            wrong.append(f"{script}\n--- answers, says the document ---\n{expected}\n--- answered ---\n{got}")
        else:
            numbers |= found.groupdict()
    assert not wrong, "\n=====\n".join(wrong)
    assert len(set(numbers.values())) == len(numbers), f"two names for one number: {numbers}"


def row(met):
    code = next((code for code in TABLE if code == met), None)
    first, again = advise(met), advise(met, retried=True)
    next_step = first if first == again else f"{first}, then {again}"
    status = TABLE[code].status if code else NO_TOKEN_STATUS
    words = TABLE[code].message(Endpoint.REDEEM, Language.EN) if code else no_token_message(Endpoint.REDEEM)
    recorded = "yes" if code and TABLE[code].recorded else "no"
    name = f"`{code}`" if code else "none"
    return f"| {name} | {int(status)} | {words} | {next_step} | {recorded} | `{number_of(code)}` |"


def words_of(met):
    code = next((code for code in TABLE if code == met), None)
    advice = ADVICE[code] if code else NO_TOKEN
    name = f"`{code}`" if code else "none"
    return textwrap.fill(f"- {name}: {advice.meaning} *Till:* {advice.till}", 120, subsequent_indent="  ")


def test_the_codes_of_the_document_are_the_table_and_the_advice_of_the_product():
    head = "| Code | HTTP | Message | Next | Recorded | Magic collector |\n|---|---|---|---|---|---|"
    expected = "\n".join([head, *map(row, Situation), "", *map(words_of, Situation)])
    assert f"\n{expected}\n" in DOCUMENT, f"the document should have:\n{expected}"
