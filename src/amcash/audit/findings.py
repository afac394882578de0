"""What an audit says: findings, the report, and how many findings are kept. The only home of both.

A finding's sentence never holds the collector's number: it stands in a field of its own, so that whoever prints
it for people can mask it in one place (R-AUTH-4).
"""

from dataclasses import dataclass

FINDINGS_KEPT_MAX = 1_000
"""The most findings that are kept; beyond it they are only counted, so that no damage exhausts the memory."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that does not agree.

    Attributes:
        rule: the rule that is broken, such as `R-LED-3`.
        collector: whose account, unmasked; empty where it is nobody's.
        seq: the number of the transfer it is about; None where it is about none.
        sentence: what is wrong, for a person; it names no collector.
    """

    rule: str
    collector: str
    seq: int | None
    sentence: str


@dataclass(frozen=True, slots=True)
class Report:
    """The result of an audit.

    Attributes:
        ok: nothing disagreed.
        collectors: how many accounts were proved.
        transfers: how many transfers were read.
        outcomes: how many recorded outcomes were read.
        findings: the first of what disagreed, `FINDINGS_KEPT_MAX` at most.
        findings_total: how many findings there were.
    """

    ok: bool
    collectors: int
    transfers: int
    outcomes: int
    findings: list[Finding]
    findings_total: int


class Findings:
    """Gathers findings: keeps the first `kept_max`, counts all."""

    def __init__(self, kept_max: int) -> None:
        self._kept_max = kept_max
        self.kept: list[Finding] = []
        self.total = 0

    def add(self, rule: str, collector: str, seq: int | None, sentence: str) -> None:
        """Take one finding."""
        self.total += 1
        if len(self.kept) < self._kept_max:
            self.kept.append(Finding(rule, collector, seq, sentence))
