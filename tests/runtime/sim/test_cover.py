"""Goals are counted in a run and over runs, and a run that exercised nothing is told."""

from __future__ import annotations

import pytest
import trio

from kernel.address import Address
from kernel.message import OnExit
from runtime.sim.cover import (
    ACROSS,
    BURIED,
    CRASHED_UNREAD,
    HEALED_OPEN,
    LATE,
    PROCESS_CRASHED,
    REASONS,
    RESTARTED,
    STANDARD_GOALS,
    Cover,
    Coverage,
    Exercise,
    StandardGoals,
    missing,
)
from runtime.sim.properties import matching
from runtime.sim.trace import Trace, WorldKind
from tests.support.kernel_node import NODE
from tests.support.law_node import law_node, law_world


def test_a_goal_is_counted_where_the_test_comes_by_and_when_entries_match():
    cover, trace = Cover("never"), Trace()
    trace.monitors.append(cover.check)
    cover.when("a crash", matching(WorldKind.CRASHED))
    cover("here")
    cover("here", reached=False)
    trace.add(1.0, "a.uq", WorldKind.CRASHED)
    trace.add(1.0, "a.uq", WorldKind.BOOTED)
    assert cover.counts == {"never": 0, "a crash": 1, "here": 1}
    assert cover.missing(["here", "never", "unheard of"]) == ("never", "unheard of")


def test_the_goals_of_many_runs_are_merged():
    coverage = Coverage()
    for counts in ({"a": 2, "b": 0}, {"a": 1}, {"a": 0, "b": 0}):
        coverage.add(counts)
    assert (coverage.times, coverage.in_runs, coverage.runs) == ({"a": 3, "b": 0}, {"a": 2, "b": 0}, 3)
    assert coverage.lines() == ["b  never in 3 runs", "a  3 times in 2 of 3 runs"]
    assert missing(["a", "b"], coverage.times) == ("b",)


async def test_a_run_in_which_nobody_sent_anything_proves_nothing():
    async with law_node() as (node, watched):
        exercise = Exercise()
        watched.trace.monitors.append(exercise.check)
        state, module = await node.system("state", public=True), await node.system("module")
        await module.send(state)
        assert "no process sent anything" in exercise.idle(faults_wanted=False)
        a = await node.puppet("a")
        await a.send(state)
        assert exercise.idle(faults_wanted=False) is None
        assert "none happened" in exercise.idle(faults_wanted=True)
        watched.say(NODE, WorldKind.PAUSED)
        assert exercise.idle(faults_wanted=True) is None
        cover = Cover()
        assert exercise.idle(faults_wanted=True, required=["x"], cover=cover) == "never covered: x"
        cover("x")
        assert exercise.idle(faults_wanted=True, required=["x"], cover=cover) is None


async def test_the_standard_goals_of_one_node():
    cover = Cover()
    async with law_node() as (node, watched):
        watched.trace.monitors.append(StandardGoals(cover).check)
        assert cover.missing(STANDARD_GOALS) == STANDARD_GOALS
        a, b = await node.puppets("a", "b")
        await a.send(Address(NODE, "gone:x:y"))
        await a.send(b, expects=1)
        watched.say("", WorldKind.HEALED)
        assert cover.counts[HEALED_OPEN] == 1
        await trio.sleep(2)
        watched.say("", WorldKind.HEALED)
        assert cover.counts[HEALED_OPEN] == 1
        await b.receive()
        await b.respond()
        fallen = await node.puppet("fallen", on_exit=OnExit.restart())
        await fallen.crash()
        await a.send(b)
        watched.say(NODE, WorldKind.BOOTED)
        watched.say(NODE, WorldKind.CRASHED)
        watched.say(NODE, WorldKind.BOOTED)
    reached = [goal for goal, count in cover.counts.items() if count]
    assert sorted(reached) == sorted(
        [HEALED_OPEN, CRASHED_UNREAD, RESTARTED, BURIED, LATE, PROCESS_CRASHED]
        + [text for reason, text in REASONS.items() if reason in {"no_such_process", "deadline_passed"}]
    )


@pytest.mark.parametrize("asks", [True, False])
async def test_an_arrival_from_another_node_is_a_goal(asks: bool):
    cover = Cover()
    async with law_world("a.uq", "b.uq") as world:
        world.watched.trace.monitors.append(StandardGoals(cover).check)
        a, b = await world.world.puppet("a.uq", "a"), await world.world.puppet("b.uq", "b")
        asked = a.begin_ask(b) if asks else None
        if asked is None:
            await a.send(b)
        await trio.sleep(1)
        await b.receive()
        if asked is not None:
            await b.respond()
            await asked.result()
    assert cover.counts[ACROSS] == (2 if asks else 1)
