"""pgbench's TPC-B on the benchmark's own PostgreSQL: what its makers measure it by, without any HTTP."""

import re
import statistics
import subprocess
import tempfile
from pathlib import Path

from measurement import Measurement, NotRightError, percentile
from postgres import Postgres

DATABASE = "tpcb"
SCALE = 50
"""Branches; more than the clients, so that they seldom wait for each other's row."""
THREADS = 2
"""Of pgbench itself: on two cores it is faster with two than with one, so it gets two."""
FIELDS_LATENCY = 2


def prepare(server: Postgres) -> None:
    """Fill pgbench's tables."""
    server.create(DATABASE)
    words = [server.pgbench(), "--initialize", "--quiet", f"--scale={SCALE}", server.url(DATABASE)]
    _run(words, Path.cwd())


def measure(server: Postgres, connections: int, seconds: int) -> Measurement:
    """Run TPC-B with prepared statements, and return transactions a second and their latencies.

    Raises:
        NotRightError: a transaction failed.
    """
    words = [
        server.pgbench(),
        "--no-vacuum",
        "--protocol=prepared",
        f"--client={connections}",
        f"--jobs={THREADS}",
        f"--time={seconds}",
        "--log",  # one line for each transaction: where the percentiles come from
        server.url(DATABASE),
    ]
    with tempfile.TemporaryDirectory(prefix="amcash-bench-tpcb-") as name:
        text = _run(words, Path(name))
        microseconds = sorted(
            int(line.split()[FIELDS_LATENCY]) for log in Path(name).iterdir() for line in log.open(encoding="ascii")
        )
    rate, failed = re.search(r"^tps = ([\d.]+)", text, re.MULTILINE), re.search(r"failed transactions: (\d+)", text)
    assert rate
    if failed and int(failed[1]):
        raise NotRightError(f"pgbench had failed transactions:\n{text}")
    return Measurement(
        per_s=float(rate[1]),
        requests=len(microseconds),
        ms={name: percentile(microseconds, share) / 1000 for name, share in Measurement.PERCENTILES.items()},
        mean_ms=statistics.fmean(microseconds) / 1000,
    )


def _run(words: list[str | Path], folder: Path) -> str:
    done = subprocess.run(words, check=False, capture_output=True, text=True, cwd=folder)
    if done.returncode != 0:
        raise NotRightError(f"pgbench failed: {done.stderr.strip()}")
    return done.stdout
