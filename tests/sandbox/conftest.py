"""Sandboxes on SQLite: one that all tests share, each with collectors of its own, and one that a test may reset."""

from itertools import count

import pytest

from api.serving import PROGRAMME, serving
from sandbox.trying import Partner, proved

NUMBERS = count(1)
COLLECTORS = 60
UNHEARD = (900001, 900002, 900003)


def number(place):
    return f"7{place:06}"


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sandbox")
    programme = folder / "programme.toml"
    more = "".join(
        f'\n[[collectors]]\nnumber = "{number(place)}"\ncash_miles = 9500\ndream_miles = 5\n'
        for place in (*range(1, COLLECTORS), *UNHEARD)
    )
    programme.write_text(PROGRAMME.read_text() + more)
    with serving(folder, programme=programme, AMCASH_DELIVERY_GRACE_S="2") as server:
        yield server
        proved(server)  # whatever the tests have done to it


@pytest.fixture
def collector():
    """A collector whom no other test knows, with 100 units."""
    return number(next(NUMBERS))


@pytest.fixture
def partner(sandbox):
    """A client of LOY1 with nothing of its own left over."""
    one = Partner(sandbox)
    for path in ("clock", "faults", "journal"):
        one.done("DELETE", path)
    return one


@pytest.fixture
def other(sandbox):
    """A client of LOY2, likewise."""
    one = Partner(sandbox, "loy2-pos", "LOY2")
    for path in ("clock", "faults", "journal"):
        one.done("DELETE", path)
    return one


@pytest.fixture(scope="session")
def resettable(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("resettable"), AMCASH_DELIVERY_GRACE_S="2") as server:
        yield server


@pytest.fixture
def own_sandbox(resettable):
    """A sandbox that a test may reset, and that was reset."""
    for client, sponsor in (("loy1-pos", "LOY1"), ("loy2-pos", "LOY2")):
        Partner(resettable, client, sponsor).done("POST", "reset")
    return resettable
