"""How much memory and time `verify` takes: builds a ledger of so many transfers, then audits it in its own process.

    .venv/bin/python bench/verify_memory.py 1000000 [folder]

The ledger is written by the writer's own rules, a round over all collectors at a time, so that the outcomes lie on
the disk in the order of time, as they would. The folder keeps the ledger for another run; without one it is deleted.
Linux only: the peak is read from /proc.
"""

import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from datetime import time as clock
from pathlib import Path
from zoneinfo import ZoneInfo

from amcash.audit.verify import verify
from amcash.domain import rules
from amcash.domain.book import Ask, Book
from amcash.domain.commands import Redeem, Reverse
from amcash.domain.transfers import NO_CHAIN
from amcash.domain.vocabulary import (
    CardEntry,
    Cents,
    Collector,
    CollectorNumber,
    ConfirmationNumber,
    Language,
    Miles,
    Offer,
    OverRequest,
    Programme,
    Register,
    Sponsor,
    SponsorCode,
    Terms,
    Wallet,
)
from amcash.ledger import register as registers
from amcash.ledger.sqlite import SqliteStore
from amcash.ledger.store import Session, Store

TRANSFERS_PER_COLLECTOR = 20
OPS_PER_COMMIT = 5_000
ROUNDS = range(15)
REVERSED_ROUNDS = (4, 9, 14)
DECLINED_ROUNDS = (2, 7, 12)
MEMORY_MIB_MAX = 200
SPONSOR = SponsorCode("LOY1")
SENT = {
    "acquirerId": "100000",
    "cardEntryMode": "SWIPE",
    "dateTime": "2026-01-05T13:32:00-0500",
    "deviceId": "001",
    "instantMessage": "en-CA",
    "originalPostTaxBasketAmount": "16.12",
    "originalPreTaxAmount": "16.12",
    "postTaxBasketAmount": "16.12",
    "sponsorCode": SPONSOR,
    "storeId": "0001",
    "vendorId": "100087",
}


def main() -> None:
    """Build a ledger, or with `--audit` measure one."""
    if sys.argv[1] == "--audit":
        audit(Path(sys.argv[2]))
        return
    transfers = int(sys.argv[1])
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(sys.argv[2] if len(sys.argv) > 2 else scratch) / f"{transfers}.db"  # noqa: PLR2004 -- an argument
        if not path.exists():
            began = time.perf_counter()
            build(path, transfers)
            print(f"built in {time.perf_counter() - began:.0f} s, {path.stat().st_size / 2**20:.0f} MiB on disk")
        subprocess.run([sys.executable, __file__, "--audit", str(path)], check=True)


def audit(path: Path) -> None:
    """Verify the ledger at `path` in this process and print what it took."""
    store = SqliteStore(path)
    began = time.perf_counter()
    with store.read() as session:
        report = verify(session)
    seconds = time.perf_counter() - began
    peak = _peak_mib()
    print(
        f"verified {report.collectors} collectors, {report.transfers} transfers, {report.outcomes} outcomes: "
        f"ok={report.ok}, {report.findings_total} findings, {seconds:.1f} s ({time.process_time():.1f} s of CPU), "
        f"peak {peak:.0f} MiB"
    )
    if not report.ok or peak > MEMORY_MIB_MAX:
        sys.exit(f"expected no findings and at most {MEMORY_MIB_MAX} MiB; first: {report.findings[:3]}")


def _peak_mib() -> float:
    """Return the most memory this process has had resident. `ru_maxrss` would count its parent's before the exec."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) / 1024


def build(path: Path, transfers: int) -> None:
    """Write a ledger of about `transfers` transfers."""
    store = SqliteStore(path, create=True)
    store.migrate()
    with store.write() as session:
        register = _register(session)
    now = datetime(2026, 1, 5, 15, 0, tzinfo=UTC)
    number = iter(range(10**15, 10**16, 7_919_993))
    numbers = [
        CollectorNumber(str(80_000_000_000 + 7 * k)) for k in range(max(1, transfers // TRANSFERS_PER_COLLECTOR))
    ]
    book = Book()
    for collector in numbers:
        book.collectors[collector] = Collector(
            number=collector,
            active=True,
            show_balances=True,
            allow_redemption=True,
            cash=Miles(0),
            dream=Miles(0),
            transfers=0,
            chain=NO_CHAIN,
        )
        for wallet, miles in ((Wallet.CASH, Miles(95 * 20)), (Wallet.DREAM, Miles(545))):
            book.enter(rules.opening(book.collectors[collector], wallet, miles, now))
        book = _committed(store, book)
    for round_ in ROUNDS:
        now += timedelta(hours=7)
        for collector in numbers:
            now += timedelta(milliseconds=1)
            confirmation = ConfirmationNumber(str(next(number)))
            asked = Cents(25_000 if round_ in DECLINED_ROUNDS else 1_612)
            book.decide(Ask(_redeem(collector, confirmation, asked), now, confirmation), register)
            if round_ in REVERSED_ROUNDS:
                book.decide(Ask(_reverse(collector, confirmation), now, confirmation), register)
            if round_ % 5 == 0:
                gift = rules.credit(book.collectors[collector], Wallet.CASH, 95, "a gift", now)
                assert gift is not None
                book.enter(gift)
            book = _committed(store, book)
    _committed(store, book, ops_min=0)
    store.close()


def _committed(store: Store, book: Book, ops_min: int = OPS_PER_COMMIT) -> Book:
    """Write the book out when it is full, and go on with the accounts as they stand."""
    if len(book.entries) < ops_min:
        return book
    with store.write() as session:
        session.append(book)
    return Book(collectors=book.collectors, earlier_use=book.earlier_use)


def _redeem(collector: CollectorNumber, trace: str, asked: Cents) -> Redeem:
    dollars = f"{asked // 100}.{asked % 100:02}"
    sent = SENT | {
        "collectorNumber": collector,
        "traceId": trace,
        "dollarRedeemRequest": dollars,
        "postTaxBasketAmount": dollars,
    }
    return Redeem(sent, SPONSOR, Language.EN, collector, CardEntry.SWIPE, asked, asked, None)


def _reverse(collector: CollectorNumber, confirmation: ConfirmationNumber) -> Reverse:
    sent = SENT | {
        "collectorNumber": collector,
        "traceId": confirmation,
        "redemptionConfirmationNum": confirmation,
    }
    return Reverse(sent, SPONSOR, Language.EN, collector, CardEntry.SWIPE, confirmation, None)


def _register(session: Session) -> Register:
    zone = ZoneInfo("America/Toronto")
    three, midnight = clock(3), clock(0)
    programme = Programme(
        "AM Cash", zone, "CAD", three, midnight, three, Cents(75_000), OverRequest.DECLINE, check_digit=False
    )
    terms = Terms("1111111111", "RGL", Miles(95), Cents(1_000), "95 Cash Miles = $10 off", "95 milles = 10 $")
    registers.put_programme(session, programme)
    registers.put_offers(session, [Offer(terms, available=True, sponsor=None, valid_from=None, valid_until=None)])
    registers.put_sponsors(session, [Sponsor(SPONSOR, "Grocer", frozenset({"100087"}), frozenset({"100000"}))])
    register = registers.read(session)
    assert register is not None
    return register


if __name__ == "__main__":
    main()
