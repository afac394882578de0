"""One run's figures, whoever was measured; and the error of a run that does not count."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


class NotRightError(Exception):
    """Something was answered that should not have been: the run does not count. The message shows it."""


@dataclass(frozen=True)
class Measurement:
    """What a run of some seconds showed."""

    PERCENTILES: ClassVar[dict[str, float]] = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999}

    per_s: float
    requests: int
    ms: dict[str, float]
    """Latency at each of `PERCENTILES`, in milliseconds."""
    mean_ms: float


def percentile(ascending: Sequence[float], share: float) -> float:
    """Return the value below which `share` of the values lie."""
    return ascending[min(len(ascending) - 1, int(len(ascending) * share))]
