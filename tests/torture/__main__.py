"""`python -m torture`: the long campaigns. One line a programme, goes on after a failure, exit 1 if anything failed.

python -m torture kills --database sqlite --count 200 --seed 1
python -m torture planted                 # shows that the programmes find bugs
python -m torture campaign --short        # all of them, the simulation and the model; what `make torture` runs
"""

import argparse
import asyncio
import os
import random
import subprocess
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

from torture import programmes
from torture.place import ALONE, KINDS, House
from torture.result import Result

TESTS = Path(__file__).parents[1]
LENGTHS = {  # name -> (the campaign's, the short form's)
    "seeds": (20_000, 100),
    "examples": (3_000, 100),
    "kills": (200, 5),
    "cuts": (5_000, 150),
    "commit_cuts": (500, 15),
    "duplicates": (50_000, 1_000),
    "operations": (300_000, 3_000),
}
HEAD = (
    "| Programme | What was done | Operations | Acknowledged lost | Double | Received yet cancelled | "
    "Charged yet never sent | Other findings |\n|---|---|---|---|---|---|---|---|"
)


@dataclass(frozen=True)
class Step:
    """A programme and its arguments."""

    programme: object
    words: tuple

    @property
    def name(self):
        kind = next((word for word in self.words if word in KINDS), "")
        return f"{self.programme.__name__.replace('_', ' ')} {kind}".strip()


def steps(lengths, seed):
    """Return the programmes of a campaign; what is done on both databases is shared out."""
    kills, cuts, commit_cuts, operations = (lengths[name] for name in ("kills", "cuts", "commit_cuts", "operations"))
    times = max(1, kills // 10)
    return [
        Step(programmes.kills, ("sqlite", kills, seed)),
        Step(programmes.kills, ("postgres", max(5, kills // 2), seed)),
        Step(programmes.kills, (ALONE, max(5, kills // 4), seed)),
        Step(programmes.cuts, ("sqlite", cuts - cuts // 3, seed)),
        Step(programmes.cuts, ("postgres", cuts // 3, seed)),
        Step(programmes.commit_cuts, ("postgres", commit_cuts - commit_cuts // 3, seed)),
        Step(programmes.commit_cuts, (ALONE, commit_cuts // 3, seed)),
        Step(programmes.duplicates, (lengths["duplicates"], seed)),
        Step(programmes.full_disk, (times, seed)),
        Step(programmes.failing_fsync, ("sqlite", times, seed)),
        Step(programmes.failing_fsync, ("postgres", times, seed)),
        Step(programmes.history, ("sqlite", operations - operations // 3, seed)),
        Step(programmes.history, ("postgres", operations // 3, seed)),
    ]


PLANTED = (  # bug, programme, its arguments: about the least that finds it every time
    ("answer_before_commit", programmes.kills, ("sqlite", 8)),
    ("no_idempotency_lookup", programmes.duplicates, (400,)),
    ("replays_what_is_cancelled", programmes.cuts, ("sqlite", 400)),
    ("mark_before_hand_over", programmes.cuts, ("sqlite", 200)),
    ("journal_not_read", programmes.kills, ("sqlite", 8)),
    ("journal_not_written", programmes.kills, ("sqlite", 8)),
    ("sweeper_asleep", programmes.cuts, ("sqlite", 100)),
    ("sweeper_takes_what_is_not_marked", programmes.commit_cuts, ("postgres", 160)),
    ("key_in_its_own_transaction", programmes.kills, ("sqlite", 12)),
    ("blind_resettle", programmes.commit_cuts, ("postgres", 20)),
    ("stale_inquiries", programmes.history, ("sqlite", 2_000)),
)


async def attack(house, step, planted=None):
    """Run a programme; one that breaks down has failed."""
    try:
        result = await programmes.run(step.programme, house, *step.words, planted)
    except Exception as error:  # noqa: BLE001 -- the campaign goes on
        traceback.print_exc()
        result = Result(step.name, "", 0, "")
        result.verdict.add("broken off", f"{type(error).__name__}: {error}")
    return result


def campaign(lengths, seed, *, with_planted):
    """Run everything; return whether nothing failed."""
    print(f"SEED={seed} " + " ".join(f"{name.upper()}={number}" for name, number in lengths.items()), flush=True)
    results = []
    with House() as house:
        for step in steps(lengths, seed):
            result = asyncio.run(attack(house, step))
            results.append(result)
            show(result)
    good = all(result.ok for result in results)
    told = ["-m", "simulation", "--seed", str(seed), "--workers", str(os.cpu_count() or 1)]
    good &= beside("simulation", [*told, "--seeds", str(lengths["seeds"])])
    # A pytest of its own, with a random state of its own: the seed is its as well.
    model = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "model", f"--hypothesis-seed={seed}"]
    good &= beside("model", model, AMCASH_MODEL_EXAMPLES=str(lengths["examples"]))
    if with_planted:
        good &= beside("simulation, planted bugs", [*told, "--bugs"])
        good &= planted([], seed)
    print("\n" + HEAD)
    for result in results:
        print(result.row())
    return good


def show(result):
    print(result.line(), flush=True)
    for sentence in result.verdict.sentences:
        print(f"      {sentence}", flush=True)


def beside(name, words, **environment):
    """Run a programme that has a runner of its own; say how it ended, and if badly, what it said."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, *words],
        check=False,
        cwd=TESTS,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": str(TESTS), **environment},
    )
    lines = done.stdout.strip().splitlines() or [""]
    if done.returncode:
        print(done.stdout, flush=True)
    how = "ok  " if done.returncode == 0 else "FAIL"
    print(f"{how}  {name}: {lines[-1].strip('= ')} ({time.monotonic() - began:.0f} s)", flush=True)
    return done.returncode == 0


def planted(bugs, seed):
    """Run each planted bug against its programme; return whether every one was found."""
    unfound = []
    with House() as house:
        for bug, programme, words in PLANTED:
            if bugs and bug not in bugs:
                continue
            result = asyncio.run(attack(house, Step(programme, (*words, seed)), bug))
            found = {what: number for what, number in result.verdict.found.items() if what != "broken off"}
            if not found:
                unfound.append(bug)
            what = ", ".join(f"{number} {what}" for what, number in found.items()) or "NOT FOUND"
            print(f"{bug}: {what} (by {result.name} {result.database}, {result.count:,}; {result.seconds:.0f} s)")
            sys.stdout.flush()
    return not unfound


def main():
    parser = argparse.ArgumentParser(prog="python -m torture", description=__doc__.partition("\n")[0])
    names = ("kills", "cuts", "commit_cuts", "duplicates", "full_disk", "failing_fsync", "history")
    parser.add_argument("what", choices=["campaign", "planted", *names])
    parser.add_argument("bugs", nargs="*", help="of planted: only these")
    parser.add_argument("--database", choices=KINDS, default="postgres")
    parser.add_argument("--count", type=int, default=20, help="of one programme")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--short", action="store_true", help="at most two minutes")
    for name in LENGTHS:
        parser.add_argument(f"--{name.replace('_', '-')}", type=int)
    given = parser.parse_args()
    seed = random.randrange(10**9) if given.seed is None else given.seed
    if given.what == "campaign":
        lengths = {name: both[given.short] for name, both in LENGTHS.items()}
        lengths |= {name: vars(given)[name] for name in LENGTHS if vars(given)[name] is not None}
        good = campaign(lengths, seed, with_planted=not given.short)
    elif given.what == "planted":
        good = planted(given.bugs, seed)
    else:
        programme = getattr(programmes, given.what)
        on_one = programme in {programmes.duplicates, programmes.full_disk}
        words = (given.count, seed) if on_one else (given.database, given.count, seed)
        print(f"SEED={seed}", flush=True)
        with House() as house:
            result = asyncio.run(attack(house, Step(programme, words)))
        show(result)
        good = result.ok
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
