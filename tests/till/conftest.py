"""A sandbox, a real Chromium, and a cashier. Without a Chromium on the machine these tests are skipped, and say so."""

import json
import os
import shutil
from itertools import count
from pathlib import Path

import pytest

from api.serving import run_command, serving
from till.cashier import ANSWER_MS, BALANCE_MILES, Cashier

ROOT = Path(__file__).parents[2]
COLLECTORS = 200
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
NUMBERS = count(1)


def number(place):
    return f"6{place:06}"


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory):
    folder = tmp_path_factory.mktemp("till")
    programme = folder / "programme.toml"
    more = "".join(
        f'\n[[collectors]]\nnumber = "{number(place)}"\ncash_miles = {BALANCE_MILES}\ndream_miles = 8642\n'
        + ("show_balances = false\n" if place % 2 == 0 else "")
        for place in range(1, COLLECTORS)
    )
    programme.write_text((ROOT / "sample-programme.toml").read_text() + more)
    with serving(folder, programme=programme) as server:
        yield server
        report = json.loads(run_command("verify", "--database", server.database, "--json", check=False).stdout)
    assert report["ok"], report["findings"]


@pytest.fixture
def collector():
    """A collector whom no other test knows, who sees balances."""
    return number(next(NUMBERS) * 2 - 1)


@pytest.fixture
def quiet_collector():
    """One who has opted not to see them."""
    return number(next(NUMBERS) * 2)


@pytest.fixture(scope="module")
def browser():
    """One for this folder, and no longer: while it is there, its event loop is, and other tests have their own."""
    path = os.environ.get("AMCASH_TEST_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip("there is no Chromium on this machine: apt-get install chromium, or AMCASH_TEST_CHROMIUM=its path")
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 -- not needed where there is no browser

    with sync_playwright() as playwright:
        # A container's root has no sandbox to give it, and /dev/shm is small there.
        options = ["--no-sandbox", "--disable-dev-shm-usage"] if os.geteuid() == 0 else []
        chromium = playwright.chromium.launch(executable_path=path, args=options)
        yield chromium
        chromium.close()


@pytest.fixture
def new_page(browser, sandbox):
    """Give pages of the till, each as a browser would show it that was never here before."""
    said = []

    def make(**options):
        context = browser.new_context(**{"locale": "en-CA", "reduced_motion": "reduce", **options})
        context.set_default_timeout(ANSWER_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
        return page

    contexts = []
    token = sandbox.send("POST", "/sandbox/token", json.dumps({"client_id": "loy1-pos"})).body["access_token"]
    for path in ("clock", "faults", "journal"):
        sandbox.send("DELETE", f"/sandbox/{path}", headers={"Authorization": f"Bearer {token}"})
    yield make
    for context in contexts:
        context.close()
    # A refusal is an answer, and a broken connection was ordered; the browser's console notes both.
    assert [text for text in said if not text.startswith("Failed to load resource")] == []


@pytest.fixture
def cashier(new_page, sandbox):
    return Cashier(new_page(viewport={"width": 1440, "height": 1000}), sandbox.address).open()
