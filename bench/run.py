"""`make bench`: one run, side by side; ratios as a table, everything as JSON, the curves as a picture.

    make bench                            # under 10 minutes
    make bench ARGS='--quick'             # a glance: 2 seconds a run
    make bench ARGS='--full'              # with 1 million members, 3 million transfers, 1 million redemptions
    make bench ARGS='--only redeem-echo-sqlite'

How to read it: docs/benchmarks.md.
"""

import argparse
import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

import figures
import load
import machine
import members
import memory
import picture
import report
import servers
from figures import CURVE, CURVE_OF, Ratio, Row, Run
from measurement import Measurement, NotRightError
from postgres import PostgresError
from systems import MEMBERS_BIG, Systems

RESULTS = Path(__file__).parent / "results"
QUICK_SECONDS = 2
REDEMPTIONS_FULL = 1_000_000
MEMORY_RUN_SECONDS = 30
MEMORY_OF = ("sqlite", "postgresql")
"""The systems whose memory is judged; the others are variants of them."""
DISK_PATIENCE_S = 300
"""How long a disk may take to become as fast as before, after the big ledgers were written."""
WIDTH_OF_FILE = 140
console = Console(stderr=True, highlight=False)


def main() -> None:
    """Read the options, measure, report; exit 1 where something could not be measured or was not right."""
    options = _options()
    if not load.is_installed():
        sys.exit(load.MISSING)
    RESULTS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="amcash-bench-", dir=options.folder) as name, ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL runs as somebody else where we are root
        kind = machine.file_system(folder)
        if kind == "tmpfs":
            sys.exit(f"{folder.parent} is in memory, where an fsync costs nothing: name another with --folder")
        bench = Bench(options, folder, stack)
        bench.measure()
        bench.report()
    sys.exit(1 if bench.systems.broken else 0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_SECONDS} seconds a run, no load of a million")
    parser.add_argument("--full", action="store_true", help="also what takes long to prepare: needs 30 GB of disk")
    parser.add_argument("--seconds", type=int, help="of one run; default 5")
    parser.add_argument("--pairs", type=int, default=3, help="alternating pairs a figure; default 3")
    parser.add_argument("--only", default="", metavar="KEY,KEY", help=f"of: {', '.join(figures.KEYS)}")
    parser.add_argument("--folder", type=Path, help="where ledgers are made; default: the system's for temporary files")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="also put the picture there (.svg or .png)")
    options = parser.parse_args()
    options.only = [key for key in options.only.split(",") if key]
    unknown = [key for key in options.only if key not in figures.KEYS]
    if unknown:
        parser.error(f"--only knows no {unknown[0]!r}; it knows {', '.join(figures.KEYS)}")
    if options.quick and options.full:
        parser.error("--quick leaves out what --full adds: give one of them")
    options.seconds = options.seconds or (QUICK_SECONDS if options.quick else 5)
    return options


class Bench:
    """One run of the benchmark."""

    def __init__(self, options: argparse.Namespace, folder: Path, stack: ExitStack) -> None:
        self._options = options
        self._folder = folder
        wanted = figures.wanted(options.only, full=options.full)
        self._ratios = [ratio for ratio in wanted if not ratio.full_only]
        self._big_ratios = [ratio for ratio in wanted if ratio.full_only]
        self._results: dict[Run, list[Measurement]] = defaultdict(list)
        self._beside_big: dict[Run, list[Measurement]] = defaultdict(list)
        self._loads: list[Row] = []
        self._began = time.perf_counter()
        self._facts: dict[str, object] = {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds_a_run": options.seconds,
            "pairs": options.pairs,
            **machine.describe(folder),
        }
        self.systems = Systems(folder, options.seconds, stack, self._tell)

    def measure(self) -> None:
        """Do everything that was asked for, and prove the ledgers afterwards.

        What writes gigabytes comes last: a disk is busy with them for longer than it says.
        """
        self._measure_pairs(self._ratios, self._results)
        if self._wants(figures.CURVE_KEY):
            for run in (Run(*kind, count) for count in CURVE for kind in CURVE_OF):
                if run not in self._results:
                    self._measure(run, self._results)
        if self._big_ratios or (self._wants(figures.LOAD) and not self._options.quick):
            calm_ms = machine.fsync_ms(self._folder)
            self._load_millions()
            self._wait_for_the_disk(calm_ms)
        if self._big_ratios:
            with machine.in_memory(self._folder) as size:
                self._tell(f"{size / 1e9:.1f} GB of ledgers are in the system's memory")
                self._measure_pairs(self._big_ratios, self._beside_big)
        if self._wants(figures.MEMORY) and self._options.full:
            self._redeem_a_million()
        self.systems.prove()
        self._facts |= machine.describe_after(self._folder)
        self._facts["took_s"] = round(time.perf_counter() - self._began)
        if "postgres" in self.systems.__dict__:
            self._facts["postgresql"] = self.systems.postgres.version
            self._facts["postgresql_checkpoints"] = self.systems.postgres.checkpoints

    def report(self) -> None:
        """Print the table, write JSON and the picture."""
        rows = [
            *figures.rows(self._ratios, self._results, self.systems.broken),
            *figures.rows(self._big_ratios, self._beside_big, self.systems.broken),
            *self._memory_rows(),
            *self._loads,
        ]
        runs = self._beside_big | self._results
        report.write(RESULTS / "latest.json", rows, runs, self._facts)
        drawn = picture.draw(self._results, RESULTS / "latest.svg")
        self._tell(f"written: {RESULTS / 'latest.json'}" + (f", {RESULTS / 'latest.svg'}" if drawn else ""))
        if drawn and self._options.picture:
            picture.draw(self._results, self._options.picture)
        report.show(_wide(), rows, runs, self._facts)

    def _wants(self, key: str) -> bool:
        return not self._options.only or key in self._options.only

    def _tell(self, words: str) -> None:
        console.print(f"[dim]{time.perf_counter() - self._began:5.0f} s[/]  {words}")

    def _measure_pairs(self, ratios: Sequence[Ratio], results: dict[Run, list[Measurement]]) -> None:
        round_ = figures.round_of(ratios)
        for number in range(self._options.pairs):
            for run in round_ if number % 2 == 0 else reversed(round_):
                self._measure(run, results)

    def _measure(self, run: Run, results: dict[Run, list[Measurement]]) -> None:
        measured = self.systems.measure(run)
        if measured is not None:
            results[run].append(measured)
            self._tell(
                f"{run}: {measured.per_s:,.0f}/s, p50 {measured.ms['p50']:.2f} ms, p99 {measured.ms['p99']:.2f} ms"
            )

    def _wait_for_the_disk(self, calm_ms: float) -> None:
        os.sync()
        until = time.perf_counter() + DISK_PATIENCE_S
        while machine.fsync_ms(self._folder) > 2 * calm_ms and time.perf_counter() < until:
            time.sleep(5)
        self._tell("the disk has calmed down" if time.perf_counter() < until else "the disk is still busy")

    def _load_millions(self) -> None:
        """Time `amcash load` of a million members; with --full, go on to make them the big ledgers."""
        for system in ("sqlite", "postgresql"):
            title = f"`amcash load` of 1 million members, {system}"
            try:
                database = self.systems.new_database(f"{system}-big")
                self._tell(f"loading {MEMBERS_BIG:,} members, {system}")
                programme, csv = members.write(self._folder, MEMBERS_BIG)
                servers.amcash("migrate", "--database", database)
                servers.amcash("load", programme, "--database", database)
                servers.add_client(database)
                words = [sys.executable, "-m", "amcash", "load", csv, "--database", database]
                seconds, samples = memory.watched(words, servers.environment())
                detail = f"{samples.peak_mb:.0f} MB at most, second half ÷ first {samples.growth:.2f}"
                row = Row(figures.LOAD, title, seconds, "s", figures.LOAD_BAR, detail, flat=samples.flat)
                if self._options.full:
                    self._tell(f"redeeming {2 * MEMBERS_BIG:,} times, {system}")
                    self.systems.grow(database)
                    self.systems.serve(f"{system}-big", database, MEMBERS_BIG)
            except (NotRightError, PostgresError) as error:
                self.systems.broken[f"{system}-big"] = str(error)
                row = Row(figures.LOAD, title, None, "s", figures.LOAD_BAR, str(error))
            self._loads.append(row)

    def _redeem_a_million(self) -> None:
        for system, server in self.systems.amcash().items():
            while system in MEMORY_OF and server.redeemed < REDEMPTIONS_FULL and system not in self.systems.broken:
                if self.systems.measure(Run(system, "redeem"), MEMORY_RUN_SECONDS) is not None:
                    self._tell(f"{system}: {server.redeemed:,} redemptions, {server.rss_mb:.0f} MB")

    def _memory_rows(self) -> list[Row]:
        if not self._wants(figures.MEMORY):
            return []
        rows = []
        for system, server in self.systems.amcash().items():
            samples = server.memory
            if system not in MEMORY_OF or not samples.seen:
                continue
            title = f"resident memory after {server.redeemed:,} redemptions, {system}"
            judged = server.redeemed >= REDEMPTIONS_FULL
            detail = f"{samples.peak_mb:.0f} MB at most, second half ÷ first {samples.growth:.2f}"
            detail += "" if judged else "; too few to judge whether it is flat: --full"
            flat = samples.flat or not judged
            rows.append(Row(figures.MEMORY, title, samples.last_mb, "MB", figures.MEMORY_BAR, detail, flat=flat))
        return rows


def _wide() -> Console:
    """Return standard output; wide enough for the table where it is a file."""
    out = Console(highlight=False)
    return out if out.is_terminal else Console(highlight=False, width=WIDTH_OF_FILE)


if __name__ == "__main__":
    main()
