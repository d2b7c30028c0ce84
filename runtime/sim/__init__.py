"""The deterministic world, in which unmodified actors, system processes and nodes run under virtual time (DESIGN 7)."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from runtime.sim.choices import Choice, Choices, SeedChoices, TapeChoices
from runtime.sim.explore import explore
from runtime.sim.faults import Faults
from runtime.sim.properties import matching
from runtime.sim.report import Report, Verdict
from runtime.sim.run import replay, run, run_twice
from runtime.sim.sim_node import SimNode
from runtime.sim.testing import sim_test
from runtime.sim.violation import Violation
from runtime.sim.world import World

if TYPE_CHECKING:
    from runtime.sim.hypothesis_world import given_world
    from runtime.sim.sim_machine import SimMachine

__all__ = [
    "Choice",
    "Choices",
    "Faults",
    "Report",
    "SeedChoices",
    "SimMachine",
    "SimNode",
    "TapeChoices",
    "Verdict",
    "Violation",
    "World",
    "explore",
    "given_world",
    "matching",
    "replay",
    "run",
    "run_twice",
    "sim_test",
]


_LATER = {"given_world": "runtime.sim.hypothesis_world", "SimMachine": "runtime.sim.sim_machine"}
"""What needs Hypothesis is imported when it is used: to import that takes longer than a small world."""


def __getattr__(name: str) -> object:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LATER[name]), name)
