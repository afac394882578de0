import pytest

from amcash.ledger.sqlite import SqliteStore
from ledger.store_contract import StoreContract


class TestSqliteStore(StoreContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path):
        self.path = tmp_path / "ledger.db"

    def make_store(self, *, lock_wait_ms):
        store = SqliteStore(self.path, create=True)
        store.migrate()
        store._connection.set_busy_timeout(lock_wait_ms)
        return store
