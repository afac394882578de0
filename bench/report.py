"""What a run found, for people as a table and for programs as JSON."""

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from figures import Results, Row
from measurement import Measurement

STYLES = {"pass": "green", "falls short": "red", "not measured": "yellow", "": "dim"}


def show(console: Console, rows: Sequence[Row], results: Results, facts: Mapping[str, object]) -> None:
    """Print the table of figures, and below it what they were made of."""
    table = Table(title="Figures: medians of alternating pairs", title_justify="left")
    table.add_column("Figure", overflow="fold", max_width=58)
    table.add_column("Found", justify="right", no_wrap=True)
    table.add_column("Bar", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("Made of", overflow="fold")
    for row in rows:
        found = (
            "" if row.value is None else f"{row.value:.2f}{row.unit}" if not row.unit else f"{row.value:.0f} {row.unit}"
        )
        table.add_row(
            row.title, found, str(row.bar or ""), f"[{STYLES[row.verdict] or 'none'}]{row.verdict}", row.detail
        )
    console.print(table)
    absolute = Table(title="Runs: medians (absolute figures say little on a shared machine)", title_justify="left")
    for heading in ("Run", "per second", *Measurement.PERCENTILES):
        absolute.add_column(heading, justify="left" if heading == "Run" else "right")
    for run, measured in sorted(results.items()):
        cells = [f"{statistics.median(one.ms[name] for one in measured):.2f} ms" for name in Measurement.PERCENTILES]
        absolute.add_row(str(run), f"{statistics.median(one.per_s for one in measured):,.0f}", *cells)
    console.print(absolute)
    console.print(", ".join(f"{name} {value}" for name, value in facts.items()), highlight=False)


def write(path: Path, rows: Sequence[Row], results: Results, facts: Mapping[str, object]) -> None:
    """Write everything that was measured."""
    document = {
        "facts": facts,
        "figures": [
            {
                "key": row.key,
                "title": row.title,
                "value": None if row.value is None else round(row.value, 3),
                "unit": row.unit or "ratio",
                "bar": None if row.bar is None else row.bar.value,
                "bar_is": None if row.bar is None else "at most" if row.bar.at_most else "at least",
                "verdict": row.verdict,
                "detail": row.detail,
            }
            for row in rows
        ],
        "runs": {
            str(run): [
                {"per_s": round(one.per_s, 1), "requests": one.requests, "mean_ms": round(one.mean_ms, 3), **one.ms}
                for one in measured
            ]
            for run, measured in sorted(results.items())
        },
    }
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
