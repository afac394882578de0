import pytest

pytest.register_assert_rewrite("ledger.store_contract", "ledger.examples")
