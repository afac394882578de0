"""What a programme found: its line on the screen, and its row of docs/guarantees.md."""

from dataclasses import dataclass, field
from statistics import median

from torture.judge import ZEROS, Verdict


@dataclass
class Result:
    """What a programme found."""

    name: str
    database: str
    count: int
    what: str
    verdict: Verdict = field(default_factory=Verdict)
    back: list[float] = field(default_factory=list)
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)
    skipped: str = ""

    @property
    def ok(self):
        return self.verdict.ok

    def line(self):
        """Return the one line of a programme."""
        if self.skipped:
            return f"SKIP  {self.name} {self.database}: {self.skipped}"
        verdict = self.verdict
        parts = [f"{self.count:,} {self.what}", f"{verdict.operations:,} operations", *self.notes]
        if self.back:
            parts.append(f"back in {median(self.back):.1f} s, at most {max(self.back):.1f} s")
        if verdict.cancelled:
            parts.append(f"{verdict.cancelled:,} cancelled{_within(verdict)}")
        parts.append(", ".join(f"{verdict.found[what]} {what}" for what in ZEROS))
        if verdict.in_the_gap:
            parts.append(f"{verdict.in_the_gap} killed between the journal's line and the bytes")
        others = {what: number for what, number in verdict.found.items() if what not in ZEROS}
        parts += [f"{number} {what}" for what, number in others.items()] or ["history explained"]
        return (
            f"{'ok  ' if self.ok else 'FAIL'}  {self.name} {self.database}: {'; '.join(parts)} ({self.seconds:.0f} s)"
        )

    def row(self):
        """Return the row of docs/guarantees.md."""
        if self.skipped:
            return f"| {self.name}, {self.database} | skipped: {self.skipped} | | | | | | |"
        verdict = self.verdict
        zeros = " | ".join(str(verdict.found[what]) for what in ZEROS)
        if verdict.in_the_gap:
            zeros += f", and {verdict.in_the_gap} in the gap"
        others = sum(number for what, number in verdict.found.items() if what not in ZEROS)
        back = f", back in at most {max(self.back):.1f} s" if self.back else ""
        late = f", {verdict.cancelled:,} cancelled{_within(verdict)}" if verdict.cancelled else ""
        what = f"{self.count:,} {self.what}{back}{late}"
        return f"| {self.name}, {self.database} | {what} | {verdict.operations:,} | {zeros} | {others} |"


def _within(verdict):
    return f", at most {verdict.latest_s:.1f} s after their approval" if verdict.latest_s else ""
