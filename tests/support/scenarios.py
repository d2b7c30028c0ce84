"""Scenarios for tests, as text, and what playing one comes to."""

from __future__ import annotations

from pathlib import Path

from runtime.sim.report import Report
from runtime.sim.run import run
from runtime.sim.scenario import Scenario, parse_scenario
from runtime.sim.subject import subject_of

NODES = """
[[node]]
name = "alice.nec"
apps = ["echo", "chat"]
[[node]]
name = "bob.nec"
apps = ["echo", "chat"]
"""
ASKING = """
[[phase]]
title = "asking"
[[phase.workload]]
kind = "messages"
title = "saying"
from = "alice.nec"
to = "bob.nec@chat:chat:nectar"
ipc = '{"Send":{"text":"$workload $n"}}'
answer_has = '"$workload $n"'
every = 0.5
count = 4
"""
"""Requests from alice to the chat of bob."""


def scenario(text: str, *, nodes: str = NODES, folder: Path = Path()) -> Scenario:
    return parse_scenario(f"{nodes}\n{text}".encode(), "s.toml", folder)


def played(text: str, *, seed: int = 0, nodes: str = NODES) -> Report:
    """By the rules of its file. Raises what it raised, but not what it did not show."""
    subject = subject_of(scenario(text, nodes=nodes), "s.toml")
    report = run(subject.test, seed=seed, **subject.rules)
    if report.error is not None and report.verdict == "error":
        raise report.error
    return report


def notes(report: Report) -> list[str]:
    """What the world itself told: faults, and what the scenario said."""
    return [
        f"{entry.at:.1f} {entry.kind.value} {entry.node} {entry.note}".replace("  ", " ")
        for entry in report.trace.entries
        if entry.event is None and entry.kind.value not in {"booted", "lost"}
    ]
