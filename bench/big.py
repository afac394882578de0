"""Redemptions by the million, for a ledger that has been in use: the service's own transactions, without HTTP.

    .venv/bin/python bench/big.py URL MEMBERS REDEMPTIONS_PER_MEMBER

A round over all members at a time, so that each member's transfers lie apart, as they would.
"""

import sys
from collections.abc import Iterator
from itertools import islice

from amcash import wiring
from amcash.domain.codes import Code
from amcash.domain.commands import Redeem
from amcash.domain.outcomes import Decision
from amcash.domain.vocabulary import CardEntry, Cents, CollectorNumber, Language, SponsorCode
from amcash.ledger import register as registers
from amcash.ledger.settle import Settler
from members import FIRST

BATCH = 2_000
SPONSOR = SponsorCode("LOY1")
BASKET = Cents(1_612)
SENT = {
    "acquirerId": "100000",
    "cardEntryMode": "SWIPE",
    "dateTime": "2026-07-16T13:32:00+0400",
    "deviceId": "001",
    "dollarRedeemRequest": "16.12",
    "postTaxBasketAmount": "16.12",
    "sponsorCode": SPONSOR,
    "storeId": "0001",
    "vendorId": "100087",
}


def main() -> None:
    """Write them."""
    url, members, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    with wiring.open_ledger(url) as store:
        with store.read() as session:
            register = registers.read(session, sandbox=False)
        assert register is not None
        settler = Settler(store, lambda: register, wiring.utc_now)
        commands = _commands(members, rounds)
        while batch := list(islice(commands, BATCH)):
            for settled in settler.settle(batch):
                assert isinstance(settled, Decision), settled
                assert settled.outcome.code is Code.APPROVED, settled


def _commands(members: int, rounds: int) -> Iterator[Redeem]:
    for round_ in range(rounds):
        for number in range(FIRST, FIRST + members):
            collector, trace = CollectorNumber(str(number)), f"big-{round_}-{number}"
            sent = SENT | {"collectorNumber": collector, "traceId": trace}
            yield Redeem(sent, SPONSOR, Language.EN, collector, CardEntry.SWIPE, BASKET, BASKET, trace)


if __name__ == "__main__":
    main()
