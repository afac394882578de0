import pytest

from api.serving import serving


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """One server for all tests that do not disturb each other."""
    with serving(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture(scope="session")
def till(server):
    return server.till()


@pytest.fixture
def own_server(tmp_path):
    """A server that a test may disturb."""
    with serving(tmp_path) as running:
        yield running
