"""`amcash verify`: proves a whole ledger in one streaming pass, a collector at a time (R-LED-3).

This package shares no code with the writer, so that one mistake cannot stand on both sides. A collector's outcomes
are read first and laid out by when they were decided; then the transfers pass by, and before each of them whatever
was decided there is decided again.
"""

from collections.abc import Callable
from datetime import time
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from amcash.audit.account import Account
from amcash.audit.days import Days
from amcash.audit.decisions import Case, Docket, UnreadableError, prove_alone, read, unreadable
from amcash.audit.deliveries import prove_attempts, prove_deliveries
from amcash.audit.findings import FINDINGS_KEPT_MAX, Findings, Report
from amcash.audit.streams import (
    COLLECTORS,
    DELIVERIES,
    OUTCOMES,
    PROGRAMME,
    PURGE,
    SPINE,
    SPONSORS,
    TRANSFERS,
    ByCollector,
    CollectorRow,
    DeliveryRow,
    OrderError,
    OutcomeRow,
    Rows,
    TransferRow,
)

PROGRESS_EVERY_TRANSFERS = 10_000


def _silently(_transfers: int) -> None:
    pass


def verify(
    ledger: Rows,
    *,
    progress: Callable[[int], None] = _silently,
    findings_kept_max: int = FINDINGS_KEPT_MAX,
) -> Report:
    """Prove a ledger, and say what in it does not agree (R-LED-3).

    Memory depends on the largest account, not on the ledger.

    Args:
        ledger: one snapshot of it.
        progress: told how many transfers have been read, every `PROGRESS_EVERY_TRANSFERS` and at the end.
        findings_kept_max: the most findings to keep; all are counted.

    Raises:
        OrderError: the database does not order its tables alike, so nothing is proved.
    """
    findings = Findings(findings_kept_max)
    return _Audit(ledger, findings, progress).report()


class _Audit:
    def __init__(self, ledger: Rows, findings: Findings, progress: Callable[[int], None]) -> None:
        self._findings = findings
        self._progress = progress
        self._sponsors = frozenset(code for (code,) in ledger.run(SPONSORS))
        self._days = _days(ledger)
        self._purged_before = max((horizon for (horizon,) in ledger.run(PURGE)), default=0)
        self._spine = ledger.run(SPINE)
        self._collectors = ByCollector(ledger, COLLECTORS)
        self._transfers = ByCollector(ledger, TRANSFERS)
        self._outcomes = ByCollector(ledger, OUTCOMES)
        self._deliveries = ByCollector(ledger, DELIVERIES)
        self._collectors_read = self._transfers_read = self._outcomes_read = 0

    def report(self) -> Report:
        days = self._days
        if days is None:
            if next(self._spine, None) is not None:
                sentence = "no programme with a readable zone and times: without its days nothing can be proved"
                self._findings.add("R-TIME-2", "", None, sentence)
        else:
            for (number,) in self._spine:
                self._prove(Account(number, days, self._sponsors, self._findings))
            self._must_have_read_all()
        self._progress(self._transfers_read)
        return Report(
            ok=self._findings.total == 0,
            collectors=self._collectors_read,
            transfers=self._transfers_read,
            outcomes=self._outcomes_read,
            findings=self._findings.kept,
            findings_total=self._findings.total,
        )

    def _prove(self, account: Account) -> None:
        number = account.number
        cases = self._cases(account)
        docket = Docket(account, cases, self._purged_before)
        for values in self._transfers.of(number):
            row = TransferRow._make(values)
            docket.call(row)
            account.enter(row)
            self._transfers_read += 1
            if self._transfers_read % PROGRESS_EVERY_TRANSFERS == 0:
                self._progress(self._transfers_read)
        docket.call(None)
        docket.close()
        stated = [CollectorRow._make(values) for values in self._collectors.of(number)]
        self._collectors_read += len(stated)
        account.close(stated[0] if stated else None)
        prove_attempts(cases, account, self._purged_before)
        prove_deliveries([DeliveryRow._make(values) for values in self._deliveries.of(number)], cases, account)

    def _cases(self, account: Account) -> list[Case]:
        cases = []
        for values in self._outcomes.of(account.number):
            self._outcomes_read += 1
            row = OutcomeRow._make(values)
            try:
                case = read(row)
            except UnreadableError as error:
                unreadable(account, row, error)
                continue
            prove_alone(case, account, account.days)
            cases.append(case)
        return cases

    def _must_have_read_all(self) -> None:
        streams = (self._collectors, self._transfers, self._outcomes, self._deliveries)
        if not all(stream.all_read() for stream in streams):
            raise OrderError("the database gave its tables in different orders, so nothing is proved")


def _days(ledger: Rows) -> Days | None:
    for zone, cap_day_starts, reversal_until in ledger.run(PROGRAMME):
        try:
            return Days(ZoneInfo(zone), time.fromisoformat(cap_day_starts), time.fromisoformat(reversal_until))
        except (ValueError, ZoneInfoNotFoundError):
            return None
    return None
