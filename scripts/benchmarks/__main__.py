"""`scripts/bench [--rounds N] [WORD]...`: the rows whose name contains one of the words, or all."""

from __future__ import annotations

import argparse
import sys

from scripts.benchmarks.link_rows import link_rows
from scripts.benchmarks.rounds import run, table
from scripts.benchmarks.rows import message_rows, network_rows
from scripts.benchmarks.sim_rows import sim_rows
from scripts.benchmarks.store_rows import store_rows


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often each side runs (default 5)")
    parser.add_argument("words", nargs="*", metavar="WORD", help="only rows whose name contains it")
    chosen = parser.parse_args()
    rows = [
        row
        for row in (*message_rows(), *network_rows(), *link_rows(), *sim_rows(), *store_rows())
        if not chosen.words or any(word in row.name for word in chosen.words)
    ]
    outcomes = []
    for row in rows:
        outcome = run(row, chosen.rounds)
        print(outcome.json(), flush=True)
        outcomes.append(outcome)
    print(table(outcomes))
    return 0 if outcomes and all(outcome.passed() for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
