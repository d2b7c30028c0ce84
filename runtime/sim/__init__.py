"""The deterministic world, in which unmodified actors, system processes and nodes run under virtual time (DESIGN 7)."""

from runtime.sim.choices import Choice, Choices, SeedChoices, TapeChoices
from runtime.sim.explore import explore
from runtime.sim.faults import Faults
from runtime.sim.properties import matching
from runtime.sim.report import Report, Verdict
from runtime.sim.run import replay, run, run_twice
from runtime.sim.sim_node import SimNode
from runtime.sim.violation import Violation
from runtime.sim.world import World

__all__ = [
    "Choice",
    "Choices",
    "Faults",
    "Report",
    "SeedChoices",
    "SimNode",
    "TapeChoices",
    "Verdict",
    "Violation",
    "World",
    "explore",
    "matching",
    "replay",
    "run",
    "run_twice",
]
