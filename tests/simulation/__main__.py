"""Tell stories: `python -m simulation --seed 1 --seeds 20000`, in the folder `tests` or with it in PYTHONPATH.

One line replays a failing seed and shows everything that happens in it: `python -m simulation --seed 4711 --trace`.
`--bugs` plants each known bug in turn and prints the first seed that finds it.
"""

# ruff: noqa: T201 -- a program prints

import argparse
import multiprocessing
import sys
import time
import warnings
from collections import Counter

from simulation.bugs import BUGS
from simulation.story import Place, tell_story

SEEDS_A_PIECE = 25
BUG_SEEDS_MAX = 2_000


def arguments(words=None):
    parser = argparse.ArgumentParser(prog="simulation", description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--seeds", type=int, default=1, help="how many, one after another")
    parser.add_argument("--workers", type=int, default=1, help="processes to share them")
    parser.add_argument("--trace", action="store_true", help="print what happens")
    parser.add_argument("--bug", choices=BUGS, help="plant this bug, and see it found")
    parser.add_argument("--bugs", action="store_true", help="plant each bug in turn, and print who finds it")
    return parser.parse_args(words)


def replaying(seed, bug=None):
    """The line that shows a seed again."""
    planted = "" if bug is None else f" --bug {bug}"
    return f"cd tests && ../.venv/bin/python -m simulation --seed {seed} --trace{planted}"


def first_finder(bug, first, most):
    """Return the result of the first seed that finds a bug, None where none does."""
    place = Place()
    try:
        with BUGS[bug]():
            for seed in range(first, first + most):
                result = tell_story(seed, place)
                if result.failure is not None:
                    return result
    finally:
        place.close()
    return None


def show_bugs(options):
    missed = []
    found = {}
    with multiprocessing.get_context("fork").Pool(options.workers) as pool:
        waiting = {bug: pool.apply_async(first_finder, (bug, options.seed, BUG_SEEDS_MAX)) for bug in BUGS}
        for bug, result in waiting.items():
            found[bug] = result.get()
            if found[bug] is None:
                missed.append(bug)
            tells = "NOT FOUND" if found[bug] is None else f"{found[bug].seed:>5}  {found[bug].failure[:60]}"
            print(f"{bug:<46} {tells}", flush=True)
    print(f"simulation: {len(BUGS) - len(missed)} of {len(BUGS)} planted bugs found within {BUG_SEEDS_MAX:,} seeds")
    return bool(missed)


def piece(first, seeds):
    """Tell a few stories in a row; return their number of operations, the failures and what was seen."""
    place = Place()
    calls, failures, seen = 0, [], Counter()
    for seed in range(first, first + seeds):
        result = tell_story(seed, place)
        calls += result.calls
        seen.update(result.seen)
        if result.failure is not None:
            failures.append((seed, result.failure))
    place.close()
    return calls, failures, seen


def tell_many(options):
    began, last = time.monotonic(), options.seed + options.seeds
    pieces = [(first, min(SEEDS_A_PIECE, last - first)) for first in range(options.seed, last, SEEDS_A_PIECE)]
    told = calls = failed = 0
    seen = Counter()
    with multiprocessing.get_context("fork").Pool(options.workers) as pool:
        for seeds, operations, failures, saw in pool.imap_unordered(_piece, pieces):
            told, calls = told + seeds, calls + operations
            seen.update(saw)
            for seed, failure in failures:
                failed += 1
                print(f"seed {seed}: {failure[:600]}\n  {replaying(seed)}", flush=True)
            if told % 1_000 < seeds:
                print(_summary(told, calls, failed, time.monotonic() - began), file=sys.stderr, flush=True)
    kinds = ("cancelled", "purged", "spared by a purge", "perhaps sent")
    print("simulation: " + ", ".join(f"{seen[kind]:,} {kind}" for kind in kinds))
    print(_summary(told, calls, failed, time.monotonic() - began))
    return bool(failed)


def _piece(what):
    first, seeds = what
    return seeds, *piece(first, seeds)


def _summary(seeds, calls, failed, seconds):
    return (
        f"simulation: {seeds} seeds, {calls:,} operations, {failed} failures, "
        f"{round(calls / max(seconds, 0.001)):,} operations/s"
    )


def tell_one(options):
    place = Place()
    began = time.monotonic()
    try:
        if options.bug is None:
            result = tell_story(options.seed, place, print)
        else:
            with BUGS[options.bug]():
                result = tell_story(options.seed, place, print)
    finally:
        place.close()
    print(f"seed {result.seed}: {result.failure or 'every promise was kept'}")
    print(_summary(1, result.calls, int(result.failure is not None), time.monotonic() - began))
    return result.failure is not None


def main():
    warnings.simplefilter("error")
    options = arguments()
    if options.bugs:
        return show_bugs(options)
    return tell_one(options) if options.trace or options.bug else tell_many(options)


if __name__ == "__main__":
    sys.exit(main())
