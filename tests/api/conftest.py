"""Servers for tests over HTTP, as in production; some modules run on both databases, the others on SQLite."""

import subprocess
from contextlib import contextmanager

import pytest

from api.serving import serving, serving_several

KINDS = {"test_codes_over_http": ["sqlite", "postgres"], "test_races": ["sqlite", "postgres", "workers"]}
PROCESSES = 3


def pytest_generate_tests(metafunc):
    kinds = KINDS.get(metafunc.module.__name__.rpartition(".")[2])
    if "kind" in metafunc.fixturenames and kinds:
        metafunc.parametrize("kind", kinds, indirect=True, scope="session")


@pytest.fixture(scope="session")
def kind(request):
    """The kind of database under test; `workers` is PostgreSQL with one server of several processes."""
    return getattr(request, "param", "sqlite")


@contextmanager
def new_database(request, kind, folder):
    if kind == "sqlite":
        yield f"sqlite:///{folder}/ledger.db"
        return
    with request.getfixturevalue("postgres").ledger() as url:
        yield url


@pytest.fixture(scope="session")
def server(request, kind, tmp_path_factory):
    """One server for all tests that do not disturb each other."""
    folder = tmp_path_factory.mktemp("server")
    with new_database(request, kind, folder) as url, serving(folder, database=url, sandbox=False) as running:
        yield running


@pytest.fixture(scope="session")
def till(server):
    return server.till()


@pytest.fixture
def database(request, kind, tmp_path):
    """The URL of a ledger of the test's own: a file that is not there yet, or migrated in PostgreSQL."""
    with new_database(request, kind, tmp_path) as url:
        yield url


@pytest.fixture
def own_server(database, tmp_path):
    """A server that a test may disturb."""
    with serving(tmp_path, database=database, sandbox=False) as running:
        yield running


@pytest.fixture
def own_servers(kind, database, tmp_path):
    """All that may serve one ledger: on SQLite one process, on PostgreSQL several, with the requests spread over."""
    if kind != "postgres":
        options = ["--workers", str(PROCESSES)] if kind == "workers" else []
        with serving(tmp_path, *options, database=database, sandbox=False) as running:
            yield running
        return
    with serving_several(tmp_path, database, PROCESSES) as running:
        yield running


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificate")
    words = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        "key",
        "-out",
        "cert",
        "-subj",
        "/CN=x",
    ]
    subprocess.run(words, cwd=folder, check=True, capture_output=True)
    return ["--tls-cert", str(folder / "cert"), "--tls-key", str(folder / "key")]
