"""What every folder of tests may ask for: a real PostgreSQL, started when the first test wants it."""

import pytest


@pytest.fixture(scope="session")
def postgres():
    """One server for each process that runs tests."""
    from postgres.server import running  # noqa: PLC0415 -- who needs no server needs no driver

    with running() as server:
        yield server
