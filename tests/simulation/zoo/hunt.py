"""Looks for a planted bug as for an unknown one: seed by seed, and then for the fewest faults that show it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from math import inf
from pathlib import Path

import attrs

from runtime.sim.choices import Choice, Source
from runtime.sim.report import Report
from runtime.sim.run import run
from runtime.sim.shrink import Budget, Outcome, attempt_like, is_fault, shrink
from tests.simulation.zoo.base import STORM
from tests.simulation.zoo.plant import Bug, Workload

MOST_SEEDS = 500
MOST_FAULTS = 5
FAILURES = 8
"""That are shrunk of one bug: one and the same may show in simple worlds and in wild ones."""
ATTEMPTS = 300
"""To leave faults out of one failure."""
TABLE = Path(__file__).parents[3] / "docs" / "bug-zoo.md"


@attrs.frozen
class Found:
    """`seed` is the first that fails so that few faults show it, `faults` how many choices of something going wrong are
    left of it. `shown` is the name of what does not hold there.
    """

    bug: Bug
    seed: int
    faults: int
    shown: str

    def row(self) -> str:
        bug = self.bug
        return (
            f"| {bug.part} | {bug.name} | {bug.text} | {bug.workload.__name__} "
            f"| {self.shown} | {self.seed} | {self.faults} |"
        )


class NotFound(Exception):
    """No seed shows the bug."""


def course(workload: Workload, seed: int, source: Source | None = None) -> Report:
    return run(workload, seed=seed, choices=source, faults=STORM, keep_trace=False)


def shown_by(report: Report) -> str:
    return str(report.verdict) if report.violation is None else report.violation.name


def hunt(bug: Bug, seeds: int = MOST_SEEDS) -> Found:
    """The first failure that few faults show, or the one that the fewest show of the first `FAILURES`. Raises
    `NotFound`.
    """
    found: list[Found] = []
    with bug.planted():
        for seed in range(seeds):
            failure = course(bug.workload, seed)
            if failure.is_failure:
                left = _faults_left(bug.workload, failure)
                found.append(Found(bug, seed, left, shown_by(failure)))
                if left <= MOST_FAULTS or len(found) == FAILURES:
                    break
    if not found:
        raise NotFound(
            f"{bug.name!r} was not found by {bug.workload.__name__} with the seeds 0 to {seeds - 1}"
        )
    return min(found, key=lambda one: one.faults)


class _Enough(Exception):
    """No fault can be left out by itself any more; messages and delays may stay."""


def _faults_left(workload: Workload, failure: Report) -> int:
    """How many are needed for the same failure, as far as shrinking finds out."""
    like = attempt_like(failure, lambda source: course(workload, failure.seed, source))
    least: float = inf

    def attempt(tape: Sequence[Choice]) -> Outcome:
        nonlocal least
        if _faults_in(tape) >= least:
            raise _Enough
        outcome = like(tape)
        if outcome.failed:
            least = min(least, _faults_in(outcome.tape))
        return outcome

    with suppress(_Enough):
        shrink(failure.tape, attempt, budget=Budget(ATTEMPTS))
    return int(least)


def _faults_in(tape: Sequence[Choice]) -> int:
    return sum(choice.value != 0 and is_fault(choice.label) for choice in tape)


_ROW = re.compile(r"^\| (.+) \| (.+) \| (.+) \| (\w+) \| (.+) \| (\d+) \| (\d+) \|$", re.MULTILINE)


def table_rows() -> list[tuple[str, ...]]:
    """Part, name, text, workload, what showed it, seed and faults, as docs/bug-zoo.md has them."""
    return [match.groups() for match in _ROW.finditer(TABLE.read_text(encoding="utf-8"))]


def write_table(found: list[Found]) -> None:
    """In the place of the rows that are there."""
    before, _, rest = TABLE.read_text(encoding="utf-8").partition("|---|---|---|---|---|---|---|\n")
    after = rest.partition("\n\n")[2]
    rows = "\n".join(one.row() for one in found)
    text = f"{before}|---|---|---|---|---|---|---|\n{rows}\n" + (f"\n{after}" if after else "")
    TABLE.write_text(text, encoding="utf-8")
