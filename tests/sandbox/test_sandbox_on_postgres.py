"""A sandbox on PostgreSQL: the same room, another ledger."""

from amcash.sandbox.magic import MAGIC, READY
from api.serving import serving
from sandbox.trying import RICH, Partner, new_key, proved


def test_clock_faults_magic_collectors_journal_and_reset(postgres, tmp_path):
    with postgres.ledger() as url, serving(tmp_path, database=url) as server:
        partner = Partner(server)
        partner.done("PUT", "clock", {"time": "2026-06-10T12:00:00", "runs": False})
        partner.order("lost_after_commit", match={"endpoint": "redeem"})
        fields, key = partner.redeem_fields(), new_key()
        assert partner.raw("redeem", fields, key) == b""
        partner.done("POST", "clock/step", {"days": -2})
        retry = partner.till.ask("redeem", fields, key)
        assert (retry.headers["idempotency-replayed"], retry.body["transDateTime"]) == ("true", "2026-06-10T12:00:00")
        assert partner.till.redeem(dollars="20.00").body["transDateTime"] == "2026-06-08T12:00:00"
        for number, one in MAGIC.items():
            answers = {
                "inquire": lambda number=number: partner.till.inquire(number),
                "redeem": lambda number=number: partner.till.redeem(number),
                "reverse": lambda number=number: partner.till.reverse(READY, number),
            }
            for endpoint in one.endpoints[-3:]:
                assert answers[endpoint]().code == one.code
        assert partner.journal()[0]["why"]["rule"] == "sandbox"
        assert partner.done("POST", "reset")["reversed"] >= 2
        assert partner.account(RICH).cash == 1900
        proved(server)
