"""A scenario that failed, written back with the faults that made it fail, each at its exact time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from runtime.sim.choices import TapeChoices
from runtime.sim.report import Report
from runtime.sim.run import run
from runtime.sim.scenario import Scenario, scenario_of
from runtime.sim.scenarios.written import Tables, explicit, moved, toml_text
from runtime.sim.shrink import manner
from runtime.sim.subject import Subject, subject_of
from runtime.sim.world import World

MOST_RUNS = 200
"""To find the faults that it does not need."""


def written_back(subject: Subject, scenario: Scenario, failed: Report, folder: Path) -> str | None:
    """The text of a scenario for that folder, which fails as the run did; None when chance has a part in it that no
    plan of faults tells: then the tape alone repeats it.
    """
    worlds: list[World] = []
    rules = subject.rules.copy()
    rules["prepare"] = [*rules.get("prepare", ()), worlds.append]
    again = run(subject.test, seed=failed.seed, choices=TapeChoices(failed.tape), **rules)
    if not worlds or manner(again) != manner(failed):
        return None
    planned = explicit(scenario.tables, worlds[0].storm.faults, again.trace.entries)
    world = planned["world"]
    assert isinstance(world, dict)
    world["seed"] = failed.seed
    if subject.until is not None:
        world["until"] = subject.until
    for choices in ("harmless", "seed"):
        world["choices"] = choices
        if _fails(planned, scenario, failed):
            break
    else:
        return None
    _drop_faults(planned, scenario, failed)
    _drop_empty(planned)
    said = "" if failed.violation is None else f": {failed.violation.name}: {failed.violation.text}"
    comment = (
        f"What is left of {scenario.name} with seed {failed.seed}.",
        f"{failed.verdict}{' '.join(said.split()):.200}",
    )
    return toml_text(moved(planned, scenario.folder, folder), (*comment, ""))


def _fails(planned: Tables, scenario: Scenario, failed: Report) -> bool:
    subject = subject_of(scenario_of(planned, scenario.name, scenario.folder), scenario.name)
    return manner(subject.run(failed.seed)) == manner(failed)


def _drop_faults(planned: Tables, scenario: Scenario, failed: Report) -> None:
    """Those without which it fails, too."""
    runs = 0
    for faults in _fault_lists(planned):
        place = 0
        while place < len(faults) and runs < MOST_RUNS:
            dropped = faults.pop(place)
            runs += 1
            if not _fails(planned, scenario, failed):
                faults.insert(place, dropped)
                place += 1


def _fault_lists(planned: Tables) -> Iterator[list[object]]:
    phases = planned["phase"]
    assert isinstance(phases, list)
    for phase in phases:
        yield phase["fault"]


def _drop_empty(planned: Tables) -> None:
    phases = planned["phase"]
    assert isinstance(phases, list)
    for phase in phases:
        if not phase["fault"]:
            del phase["fault"]
