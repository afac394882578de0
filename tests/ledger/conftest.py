import pytest

from amcash.ledger.sqlite import SqliteStore

pytest.register_assert_rewrite("ledger.store_contract", "ledger.examples")


@pytest.fixture(params=["sqlite", "postgres"])
def new_store(request, tmp_path):
    """A migrated, empty ledger, once on each database."""
    if request.param == "sqlite":
        store = SqliteStore(tmp_path / "ledger.db", create=True)
        store.migrate()
        yield store
        store.close()
        return
    from amcash.ledger.postgres import PostgresStore  # noqa: PLC0415 -- who needs no server needs no driver

    with request.getfixturevalue("postgres").ledger() as url:
        store = PostgresStore(url)
        yield store
        store.close()
