"""The picture of a run: throughput against connections, and latency percentiles, each system in one colour."""

import statistics
from pathlib import Path

import matplotlib as mpl

from figures import CONNECTIONS, CURVE, CURVE_OF, Results, Run
from measurement import Measurement

mpl.use("svg")
mpl.rcParams["svg.hashsalt"] = "amcash"  # the same figures make the same file
from matplotlib import pyplot as plt  # noqa: E402 -- the backend is chosen first
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter  # noqa: E402

NAMES = {
    ("postgresql", "redeem"): ("amcash on PostgreSQL: redeem", "#1f5fa8", "-"),
    ("sqlite", "redeem"): ("amcash on SQLite: redeem", "#1d8a5b", "-"),
    ("postgresql", "inquire"): ("amcash on PostgreSQL: inquire", "#1f5fa8", ":"),
    ("pgbench", "tpcb"): ("pgbench TPC-B, no HTTP", "#777777", "--"),
    ("plain", "redeem"): ("plain alternative: redeem", "#b5482a", "-"),
}


def draw(results: Results, path: Path) -> bool:
    """Draw what was measured into `path`; False where there is nothing to draw."""
    shown = [kind for kind in CURVE_OF if any((run.system, run.endpoint) == kind for run in results)]
    if not shown:
        return False
    figure, (throughput, latency) = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained")
    for kind in shown:
        label, colour, line = NAMES[kind]
        style = {"color": colour, "linestyle": line, "marker": "o", "markersize": 4, "label": label}
        points = [(count, results[Run(*kind, count)]) for count in CURVE if results.get(Run(*kind, count))]
        throughput.plot(
            [count for count, _ in points],
            [statistics.median(one.per_s for one in measured) for _, measured in points],
            **style,
        )
        measured = results.get(Run(*kind, CONNECTIONS))
        if measured:
            names = list(Measurement.PERCENTILES)
            latency.plot(names, [statistics.median(one.ms[name] for one in measured) for name in names], **style)
    _finish(throughput, "Throughput", "connections", "a second")
    throughput.set_xscale("log", base=2)
    throughput.set_xticks(CURVE, [str(count) for count in CURVE])
    _finish(latency, f"Latency with {CONNECTIONS} connections", "percentile", "milliseconds")
    handles, labels = throughput.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    plt.close(figure)
    return True


def _finish(axes: Axes, title: str, across: str, up: str) -> None:
    axes.set_title(title, loc="left", fontweight="bold")
    axes.set_xlabel(across)
    axes.set_ylabel(f"{up} (logarithmic)")
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _at: f"{value:,.10g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.grid(visible=True, which="both", color="#eeeeee")
    axes.spines[["top", "right"]].set_visible(False)
