"""The long campaign of `scripts/sim`: no workload fails without a bug, and every bug of the zoo is found and shrunk."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys

from runtime.sim.explore import SeededRun, explore
from runtime.sim.run import run
from tests.simulation.zoo.base import STORM
from tests.simulation.zoo.bugs import BUGS, WORKLOADS
from tests.simulation.zoo.hunt import MOST_FAULTS, Found, NotFound, hunt, write_table


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/sim", description=__doc__)
    parser.add_argument("seeds", nargs="?", type=int, default=2000, help="of each workload")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--write", action="store_true", help="write what was found into docs/bug-zoo.md")
    wanted = parser.parse_args()
    clean = holds(range(wanted.first, wanted.first + wanted.seeds))
    caught = catches(write=wanted.write)
    return 0 if clean and caught else 1


def holds(seeds: range) -> bool:
    """No seed makes any workload fail."""
    failed = False
    for workload in WORKLOADS:
        attempt = SeededRun.of(workload, run, faults=STORM, keep_trace=False)
        summary = explore(attempt, seeds, stop_at_first=False, progress=sys.stderr)
        print(f"{workload.__name__}: {summary.text()}", flush=True)
        failed = failed or bool(summary.failures)
    return not failed


def _hunted(place: int) -> Found | str:
    try:
        return hunt(BUGS[place])
    except NotFound as error:
        return str(error)


def _seen(place: int) -> tuple[int, int, str] | str:
    """What can leave the process."""
    found = _hunted(place)
    return found if isinstance(found, str) else (found.seed, found.faults, found.shown)


def catches(*, write: bool) -> bool:
    """Every bug is found, and shown by few faults."""
    found: list[Found] = []
    with multiprocessing.get_context("fork").Pool(len(os.sched_getaffinity(0))) as pool:
        for bug, seen in zip(BUGS, pool.imap(_seen, range(len(BUGS)), chunksize=1), strict=True):
            if isinstance(seen, str):
                print(f"NOT FOUND: {seen}", flush=True)
                continue
            found.append(Found(bug, *seen))
            print(found[-1].row(), flush=True)
    if write and len(found) == len(BUGS):
        write_table(found)
    many = [one.bug.name for one in found if one.faults > MOST_FAULTS]
    if many:
        print(f"more than {MOST_FAULTS} faults are left of: {', '.join(many)}")
    print(f"{len(found)} of {len(BUGS)} bugs found")
    return len(found) == len(BUGS) and not many


if __name__ == "__main__":
    sys.exit(main())
