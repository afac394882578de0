"""Memory over time: samples of a process, and whether they are flat."""

import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from figures import GROWTH_MAX
from measurement import NotRightError

SAMPLE_EVERY_S = 0.2


@dataclass
class Samples:
    """(how far the work was, MB resident then)."""

    seen: list[tuple[float, float]] = field(default_factory=list)

    def add(self, progress: float, rss_mb: float) -> None:
        """Note one sample."""
        self.seen.append((progress, rss_mb))

    @property
    def last_mb(self) -> float:
        """The memory at the end."""
        return self.seen[-1][1]

    @property
    def peak_mb(self) -> float:
        """The most there was."""
        return max(mb for _, mb in self.seen)

    @property
    def growth(self) -> float:
        """What the second half of the work made of the memory that the first had reached: 1.0 is flat."""
        return _growth(self.seen)

    @property
    def flat(self) -> bool:
        """Whether the second half added next to nothing."""
        return self.growth <= GROWTH_MAX


def _growth(seen: Sequence[tuple[float, float]]) -> float:
    half = (seen[0][0] + seen[-1][0]) / 2
    first = [mb for progress, mb in seen if progress <= half]
    second = [mb for progress, mb in seen if progress > half]
    return max(second) / max(first) if first and second else 1.0


def watched(words: Sequence[str | Path], environment: dict[str, str]) -> tuple[float, Samples]:
    """Run a command to its end; return the seconds it took and its memory over time.

    Raises:
        NotRightError: it failed.
    """
    samples = Samples()
    began = time.perf_counter()
    with subprocess.Popen(
        words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        while process.poll() is None:
            found = rss_mb(process.pid)
            if found:
                samples.add(time.perf_counter() - began, found)
            time.sleep(SAMPLE_EVERY_S)
        seconds = time.perf_counter() - began
        assert process.stderr is not None
        said = process.stderr.read()
    if process.returncode != 0:
        raise NotRightError(f"{' '.join(map(str, words[:5]))} failed: {said.strip()}")
    return seconds, samples


def rss_mb(pid: int) -> float:
    """Return the memory resident of a process, in MB; 0 when it has gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except FileNotFoundError:
        return 0
    return next((int(line.split()[1]) / 1000 for line in status.splitlines() if line.startswith("VmRSS:")), 0)
