"""Rounds: ours and the reference in turns, and what comes out of them."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Measured:
    """One run of one side: how many units in how many seconds, every one of them checked."""

    count: int
    seconds: float
    notes: Mapping[str, float] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        return self.count / self.seconds


@dataclass(frozen=True)
class Row:
    """`bar` is the least ratio ours / reference that is good enough; `limits` are bars for notes of `Outcome.notes`.

    A side raises when a count or a content is wrong.
    """

    name: str
    unit: str
    bar: float
    ours: Callable[[], Measured]
    reference: Callable[[], Measured]
    limits: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    row: Row
    ratios: Sequence[float]
    ours: Sequence[Measured]
    reference: Sequence[Measured]

    @property
    def ratio(self) -> float:
        return statistics.median(self.ratios)

    def notes(self) -> dict[str, float]:
        """Medians of what each side noted, as `side.note`; where both did, also the difference as
        `beyond.note` and the quotient as `times.note`.
        """
        found: dict[str, float] = {}
        for side, runs in (("ours", self.ours), ("reference", self.reference)):
            for key in runs[0].notes:
                found[f"{side}.{key}"] = statistics.median(run.notes[key] for run in runs)
        for key in set(self.ours[0].notes) & set(self.reference[0].notes):
            found[f"beyond.{key}"] = found[f"ours.{key}"] - found[f"reference.{key}"]
            found[f"times.{key}"] = found[f"ours.{key}"] / found[f"reference.{key}"]
        return dict(sorted(found.items()))

    def passed(self) -> bool:
        notes = self.notes()
        within = all(
            notes[key] >= limit if key.endswith("rate") else notes[key] <= limit
            for key, limit in self.row.limits.items()
        )
        return self.ratio >= self.row.bar and within

    def json(self) -> str:
        return json.dumps(
            {
                "row": self.row.name,
                "ratio": round(self.ratio, 3),
                "low": round(min(self.ratios), 3),
                "high": round(max(self.ratios), 3),
                "bar": self.row.bar,
                "passed": self.passed(),
                "ours": round(statistics.median(run.rate for run in self.ours), 1),
                "reference": round(statistics.median(run.rate for run in self.reference), 1),
                "unit": self.row.unit,
                "rounds": len(self.ratios),
                "checked": sum(run.count for run in (*self.ours, *self.reference)),
                "limits": dict(self.row.limits),
                "notes": {key: round(value, 2) for key, value in self.notes().items()},
            }
        )


def run(row: Row, rounds: int) -> Outcome:
    """The side that begins changes from round to round, so that a drift of the machine favours neither."""
    ours: list[Measured] = []
    reference: list[Measured] = []
    turns = [(row.reference, reference), (row.ours, ours)]
    for number in range(rounds):
        for measure, runs in turns if number % 2 == 0 else reversed(turns):
            runs.append(measure())
    ratios = [mine.rate / other.rate for mine, other in zip(ours, reference, strict=True)]
    return Outcome(row, ratios, ours, reference)


def table(outcomes: Sequence[Outcome]) -> str:
    lines = [
        f"{'row':<40} {'ratio':>7} {'spread':>15} {'bar':>6}  {'ours':>12} {'reference':>12}  unit",
    ]
    for outcome in outcomes:
        spread = f"{min(outcome.ratios):.2f}-{max(outcome.ratios):.2f}"
        ours = statistics.median(run.rate for run in outcome.ours)
        reference = statistics.median(run.rate for run in outcome.reference)
        mark = "" if outcome.passed() else "  BELOW"
        lines.append(
            f"{outcome.row.name:<40} {outcome.ratio:>7.2f} {spread:>15} {outcome.row.bar:>6.2f}  "
            f"{ours:>12,.0f} {reference:>12,.0f}  {outcome.row.unit}{mark}"
        )
        lines += [f"    {key} {value:,.2f}" for key, value in outcome.notes().items()]
    return "\n".join(lines)
