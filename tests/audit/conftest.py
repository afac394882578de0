import pytest

from audit.story import Snapshot, tell


@pytest.fixture(scope="session")
def told(tmp_path_factory):
    """The path of the story's ledger and the codes that were answered in it."""
    path = tmp_path_factory.mktemp("audit") / "story.db"
    return path, tell(path)


@pytest.fixture(scope="session")
def whole_snapshot(told):
    return Snapshot(told[0])


@pytest.fixture
def snapshot(whole_snapshot):
    """The story's ledger; what a test does to it is undone."""
    whole_snapshot.damage("SAVEPOINT whole")
    yield whole_snapshot
    whole_snapshot.damage("ROLLBACK TO whole", "RELEASE whole")
