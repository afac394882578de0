"""The figures: what is divided by what, and the bar. The only home of both.

A figure is the median of the ratios of alternating pairs: two runs beside each other in time share the weather of a
shared machine, and most of it goes out in the division.
"""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from measurement import Measurement

Results = Mapping["Run", Sequence[Measurement]]

CONNECTIONS = 32
CURVE = (1, 8, 32, 64)


@dataclass(frozen=True, order=True)
class Run:
    """What one measurement is of."""

    system: str
    endpoint: str
    connections: int = CONNECTIONS

    def __str__(self) -> str:
        """Return a short name, for people and as a key in JSON."""
        return f"{self.system} {self.endpoint} c{self.connections}"


PGBENCH = Run("pgbench", "tpcb")
PGBENCH_ALONE = Run("pgbench", "tpcb", 1)
POSTGRES = Run("postgresql", "redeem")
POSTGRES_WORKERS = Run("postgresql-workers", "redeem")
POSTGRES_ALONE = Run("postgresql", "redeem", 1)
POSTGRES_BIG = Run("postgresql-big", "redeem")
POSTGRES_PROCESS = Run("postgresql-process", "redeem")
POSTGRES_ECHO = Run("postgresql", "echo")
POSTGRES_INQUIRE = Run("postgresql", "inquire")
POSTGRES_UNDELIVERED = Run("postgresql-undelivered", "redeem")
SQLITE = Run("sqlite", "redeem")
SQLITE_ALONE = Run("sqlite", "redeem", 1)
SQLITE_BIG = Run("sqlite-big", "redeem")
SQLITE_ECHO = Run("sqlite", "echo")
SQLITE_INQUIRE = Run("sqlite", "inquire")
SQLITE_UNDELIVERED = Run("sqlite-undelivered", "redeem")
PLAIN = Run("plain", "redeem")
BARE = Run("bare", "echo")

ORDER = (
    *(SQLITE_BIG, SQLITE_UNDELIVERED, SQLITE, POSTGRES_WORKERS, PGBENCH),
    *(POSTGRES, POSTGRES_UNDELIVERED, POSTGRES_BIG, POSTGRES_PROCESS, PLAIN),
    *(POSTGRES_INQUIRE, SQLITE_INQUIRE, SQLITE_ECHO, BARE, POSTGRES_ECHO),
    *(POSTGRES_ALONE, PGBENCH_ALONE, SQLITE_ALONE),
)
"""The order of a round, every other one backwards: what is divided lies as close together as it can."""

CURVE_OF = (
    ("postgresql", "redeem"),
    ("sqlite", "redeem"),
    ("postgresql", "inquire"),
    ("pgbench", "tpcb"),
    ("plain", "redeem"),
)
"""What the picture shows, at each of the `CURVE` connections."""


@dataclass(frozen=True)
class Bar:
    """What a figure must reach: at least, or with `at_most` at most."""

    value: float
    aim: float | None = None
    at_most: bool = False

    def __str__(self) -> str:
        """Return the bar in words."""
        aim = f", aim {self.aim:g}" if self.aim is not None else ""
        return f"{'≤' if self.at_most else '≥'} {self.value:g}{aim}"

    def holds(self, value: float) -> bool:
        """Tell whether `value` reaches it."""
        return value <= self.value if self.at_most else value >= self.value


@dataclass(frozen=True)
class Ratio:
    """A figure of two runs; `bar` is None where the issue asks for none, and the figure is for reading only."""

    key: str
    title: str
    over: Run
    under: Run
    bar: Bar | None
    of_p50: bool = False
    full_only: bool = False

    def pairs(self, results: Results) -> list[float]:
        """Return the ratio of each pair that was measured."""
        pairs = zip(results.get(self.over, ()), results.get(self.under, ()), strict=False)
        if self.of_p50:
            return [over.ms["p50"] / under.ms["p50"] for over, under in pairs]
        return [over.per_s / under.per_s for over, under in pairs]


RATIOS = (
    Ratio("pgbench", "redemptions/s on PostgreSQL ÷ pgbench TPC-B tps", POSTGRES, PGBENCH, Bar(1.2, 1.5)),
    Ratio(
        "pgbench-workers",
        "redemptions/s on PostgreSQL, `--workers 2` ÷ the same pgbench tps",
        POSTGRES_WORKERS,
        PGBENCH,
        Bar(1.2, 1.5),
    ),
    Ratio("pgbench-sqlite", "redemptions/s on SQLite ÷ the same pgbench tps", SQLITE, PGBENCH, Bar(1.5, 2.0)),
    Ratio(
        "plain",
        "redemptions/s ÷ the plain alternative, both PostgreSQL, one process each",
        POSTGRES_PROCESS,
        PLAIN,
        Bar(8),
    ),
    Ratio("echo", "echoes/s on PostgreSQL ÷ the bare HTTP limit", POSTGRES_ECHO, BARE, Bar(0.5)),
    Ratio("echo-sqlite", "echoes/s on SQLite ÷ the bare HTTP limit", SQLITE_ECHO, BARE, Bar(0.5)),
    Ratio("inquire", "inquiries/s ÷ redemptions/s, PostgreSQL", POSTGRES_INQUIRE, POSTGRES, Bar(1.2)),
    Ratio("inquire-sqlite", "inquiries/s ÷ redemptions/s, SQLite", SQLITE_INQUIRE, SQLITE, None),
    Ratio("redeem-echo-sqlite", "redemptions/s ÷ echoes/s, SQLite", SQLITE, SQLITE_ECHO, None),
    Ratio(
        "delivery",
        "redemptions/s on PostgreSQL ÷ the same without delivery",
        POSTGRES,
        POSTGRES_UNDELIVERED,
        Bar(0.85),
    ),
    Ratio(
        "delivery-sqlite", "redemptions/s on SQLite ÷ the same without delivery", SQLITE, SQLITE_UNDELIVERED, Bar(0.85)
    ),
    Ratio(
        "big",
        "redemptions/s with 1 million members and 3 million transfers ÷ with 100 thousand, PostgreSQL",
        POSTGRES_BIG,
        POSTGRES,
        Bar(0.85),
        full_only=True,
    ),
    Ratio(
        "big-sqlite",
        "redemptions/s with 1 million members and 3 million transfers ÷ with 100 thousand, SQLite",
        SQLITE_BIG,
        SQLITE,
        Bar(0.85),
        full_only=True,
    ),
    Ratio(
        "single",
        "p50 of a single client's redemption, PostgreSQL ÷ pgbench -c 1 p50",
        POSTGRES_ALONE,
        PGBENCH_ALONE,
        Bar(2, at_most=True),
        of_p50=True,
    ),
    Ratio(
        "single-sqlite",
        "p50 of a single client's redemption, SQLite ÷ pgbench -c 1 p50",
        SQLITE_ALONE,
        PGBENCH_ALONE,
        None,
        of_p50=True,
    ),
)
MEMORY = "memory"
LOAD = "load"
CURVE_KEY = "curve"
KEYS = (*(ratio.key for ratio in RATIOS), MEMORY, LOAD, CURVE_KEY)
"""What `--only` may name."""

MEMORY_BAR = Bar(150, at_most=True)
"""MB resident, of an `amcash serve` after many redemptions."""
LOAD_BAR = Bar(60, at_most=True)
"""Seconds of an `amcash load` of 1 million members."""
GROWTH_MAX = 1.05
"""Memory is flat when the second half of the work adds at most this share to what the first half left."""


@dataclass(frozen=True)
class Row:
    """A line of the table: a figure as measured, or why it was not."""

    key: str
    title: str
    value: float | None
    unit: str
    bar: Bar | None
    detail: str
    flat: bool = True

    @property
    def verdict(self) -> str:
        """Whether it passes."""
        if self.value is None:
            return "not measured"
        if self.bar is None:
            return ""
        return "pass" if self.bar.holds(self.value) and self.flat else "falls short"


def wanted(only: Sequence[str], *, full: bool) -> list[Ratio]:
    """Return the ratios to measure: those that `only` names, or all; those that take long only where `full`."""
    return [ratio for ratio in RATIOS if (not only or ratio.key in only) and (full or not ratio.full_only)]


def round_of(ratios: Sequence[Ratio]) -> list[Run]:
    """Return the runs that `ratios` need, in the order of a round."""
    needed = {run for ratio in ratios for run in (ratio.over, ratio.under)}
    return [run for run in ORDER if run in needed]


def rows(ratios: Sequence[Ratio], results: Results, broken: Mapping[str, str]) -> Iterator[Row]:
    """Yield the table's line for each ratio."""
    for ratio in ratios:
        pairs = ratio.pairs(results)
        reasons = [broken[run.system] for run in (ratio.over, ratio.under) if run.system in broken]
        if reasons or not pairs:
            yield Row(ratio.key, ratio.title, None, "", ratio.bar, reasons[0] if reasons else "no pair was measured")
            continue
        detail = "pairs " + "  ".join(f"{pair:.2f}" for pair in pairs)
        yield Row(ratio.key, ratio.title, statistics.median(pairs), "", ratio.bar, detail)
