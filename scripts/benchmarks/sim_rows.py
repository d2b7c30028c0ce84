"""The rows about simulated worlds. Times are those of one core, but for the search."""

from __future__ import annotations

from scripts.benchmarks.rounds import Row
from scripts.benchmarks.rows import in_python

INSIDE = 40_000
ACROSS = 4_000
WORLDS = 20
SEEDS = 60


def sim_rows() -> list[Row]:
    return [
        Row(
            "sim: messages in one node, traced or not", "messages/s", 0.6,
            lambda: in_python("sim_world", "inside", INSIDE, "traced"),
            lambda: in_python("sim_world", "inside", INSIDE),
            {"reference.rate": 12_000},
        ),
        Row(
            "sim: messages across nodes, traced or not", "messages/s", 0.6,
            lambda: in_python("sim_world", "across", ACROSS, "traced"),
            lambda: in_python("sim_world", "across", ACROSS),
        ),
        Row(
            "sim: worlds of three nodes, and of none", "worlds/s", 0.0,
            lambda: in_python("sim_world", "three", WORLDS),
            lambda: in_python("sim_world", "none", WORLDS),
            {"ours.ms": 30},
        ),
        Row(
            "sim: a search two seeds at a time, and one", "seeds/s", 1.8,
            lambda: in_python("sim_world", "together", SEEDS),
            lambda: in_python("sim_world", "search", SEEDS),
        ),
    ]  # fmt: skip
