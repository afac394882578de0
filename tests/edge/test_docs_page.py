"""The page behind `/docs`: needs nothing from any other machine, and says the essential without JavaScript."""

import base64
import hashlib
import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest

from amcash.domain.codes import Endpoint
from amcash.edge import openapi

LOADED = {"script": "src", "link": "href", "img": "src", "iframe": "src", "a": "href", "form": "action"}


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.addresses: dict[str, list[str]] = {}
        self.metas: list[dict[str, str | None]] = []
        self.attributes: dict[str, dict[str, str | None]] = {}
        self.inline: dict[str, str] = {}
        self.text = ""
        self._open = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self._open = tag
        self.attributes.setdefault(tag, values)
        if tag == "meta":
            self.metas.append(values)
        address = values.get(LOADED.get(tag, ""))
        if address is not None:
            self.addresses.setdefault(tag, []).append(address)

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002 -- the parser's own signature
        self._open = ""

    def handle_data(self, data: str) -> None:
        if self._open in {"script", "style", "title"}:
            self.inline[self._open] = self.inline.get(self._open, "") + data
        self.text += data


@pytest.fixture(scope="module")
def page() -> Page:
    parsed = Page()
    parsed.feed(openapi.docs_page())
    return parsed


def test_names_no_other_machine(page: Page) -> None:
    assert not re.search(r"(https?:)?//[a-z0-9]", openapi.docs_page(), re.IGNORECASE)
    for address in (address for addresses in page.addresses.values() for address in addresses):
        assert not address.startswith("/"), "a relative address also works behind a proxy's prefix"


def test_its_policy_lets_the_browser_ask_this_server_only(page: Page) -> None:
    (policy,) = (meta["content"] for meta in page.metas if meta.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["connect-src"] == "'self'"
    for kind in ("script", "style"):
        digest = base64.b64encode(hashlib.sha256(page.inline[kind].encode()).digest()).decode()
        assert rules[f"{kind}-src"] == f"'self' 'sha256-{digest}'"


def test_asks_no_validator_elsewhere(page: Page) -> None:
    assert "validatorUrl: null" in page.inline["script"]


def test_its_static_files_are_installed(page: Page) -> None:
    files = [
        address.removeprefix("docs/static/")
        for address in (*page.addresses["script"], *page.addresses["link"])
        if address.startswith("docs/static/")
    ]
    assert sorted(files) == ["swagger-ui-bundle.js", "swagger-ui.css"]
    for name in files:
        assert (openapi.static_folder() / name).stat().st_size > 0


def test_the_style_sheet_loads_nothing_from_elsewhere() -> None:
    style = (openapi.static_folder() / "swagger-ui.css").read_text()
    assert all(address.startswith("data:") for address in re.findall(r"url\([\"']?([^)\"']+)", style))
    assert "@import" not in style


def test_the_installed_viewer_shows_openapi_3_1() -> None:
    bundle = (openapi.static_folder() / "swagger-ui-bundle.js").read_text()
    found = re.search(r'PACKAGE_VERSION:"(\d+)\.', bundle)
    assert found is not None
    assert int(found[1]) >= 5


def test_links_to_the_document_and_to_the_token_call(page: Page) -> None:
    assert "openapi.json" in page.addresses["a"]
    token = openapi.document("")["paths"]["/oauth/token"]["post"]
    assert f"#/{token['tags'][0]}/{token['operationId']}" in page.addresses["a"]


def test_names_the_calls_without_javascript(page: Page) -> None:
    for endpoint in Endpoint:
        assert f"POST checkout/amcash/{endpoint}" in page.text


def test_says_its_language_title_and_that_it_fits_a_narrow_screen(page: Page) -> None:
    assert page.attributes["html"]["lang"] == "en"
    assert "amcash" in page.inline["title"]
    assert any(meta.get("name") == "viewport" for meta in page.metas)


def test_starting_a_server_loads_neither_the_template_engine_nor_the_viewer() -> None:
    program = (
        "import sys, amcash.edge.openapi as o; o.static_folder(); print({'jinja2', 'swagger_ui'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
