import pytest

from amcash.ledger.postgres import PostgresStore
from ledger.store_contract import StoreContract


class TestPostgresStore(StoreContract):
    @pytest.fixture(autouse=True)
    def _database(self, postgres):
        with postgres.ledger() as self.url:
            yield

    def make_store(self, *, lock_wait_ms):
        store = PostgresStore(self.url)
        store._connection.driver.execute(f"SET lock_timeout = {lock_wait_ms}")
        store._connection.driver.execute("SET statement_timeout = 0")
        return store
