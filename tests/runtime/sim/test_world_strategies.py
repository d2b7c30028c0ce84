"""Strategies for worlds: all they make can be used, and they shrink to the harmless."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import attrs
import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

from runtime.sim.choices import Choices, SeedChoices, TapeChoices
from runtime.sim.faults import Faults
from runtime.sim.nemeses import Cut, Loss, Partition
from runtime.sim.report import Verdict
from runtime.sim.run import run
from runtime.sim.wires import Fixed, LinkSettings
from runtime.sim.world import World
from runtime.sim.world_strategies import (
    NAMES,
    Topology,
    fault_plans,
    latencies,
    link_settings,
    nemeses,
    node_names,
    topologies,
)
from tests.support.worlds import echo

T = TypeVar("T")


def smallest(strategy: st.SearchStrategy[T], holds: Callable[[T], bool] = lambda value: True) -> T:
    return find(strategy, holds, settings=settings(max_examples=50))


def test_each_shrinks_to_the_harmless():
    assert smallest(node_names()) == ("alice.nec",)
    assert smallest(latencies()) == Fixed(0.0)
    assert smallest(link_settings()) == LinkSettings()
    assert smallest(topologies()) == Topology(("alice.nec",))
    assert smallest(topologies(2, 3)) == Topology(("alice.nec", "bob.nec"))
    assert smallest(nemeses()) == Partition(every=1.0, lasts=(0.0, 0.0))
    assert smallest(fault_plans()) == Faults.none()


def test_what_is_needed_stays_alone():
    def lossy(topology: Topology) -> bool:
        return any(link.loss for link in topology.links.values())

    found = smallest(topologies(), lossy)
    assert len(found.names) == 2
    [link] = found.links.values()
    assert attrs.evolve(link, loss=0.0) == LinkSettings()
    plan = smallest(fault_plans(), lambda plan: any(isinstance(one, Loss) for one in plan.nemeses))
    assert plan == Faults.of(Loss(every=1.0, lasts=(0.0, 0.0)), seconds=1.0)


@given(latencies(0.5), st.integers(0, 99))
def test_no_latency_is_negative(latency, seed):
    assert latency.draw(Choices(SeedChoices(seed)), "latency") >= 0.0


@given(fault_plans((Cut, Loss), most=2, seconds=9.0))
def test_a_plan_has_each_kind_once_and_only_those_asked_for(plan):
    kinds = [nemesis.kind for nemesis in plan.nemeses]
    assert len(kinds) == len(set(kinds))
    assert set(kinds) <= {"cut", "loss"}
    assert not kinds or plan.seconds <= 9.0


@pytest.mark.parametrize(("least", "most"), [(-1, 2), (3, 2), (1, len(NAMES) + 1)])
def test_a_world_of_no_possible_size_is_refused(least, most):
    with pytest.raises(ValueError, match="there are 8 names"):
        node_names(least, most)


@settings(max_examples=5)
@given(topologies(2, 3, links=st.just(LinkSettings(latency=Fixed(0.25)))))
def test_a_topology_boots_its_nodes_on_its_links(topology):
    async def asks(w: World) -> None:
        nodes = await topology.boot(w, [echo])
        assert [node.name for node in nodes] == list(topology.names)
        first, second = nodes[0], nodes[1]
        await first.ask(second.address("echo"))  # they are linked now
        before = w.now
        await first.ask(second.address("echo"))
        slow = sum(pair in topology.links for pair in [(first.name, second.name), (second.name, first.name)])
        assert (w.now - before) == pytest.approx(0.25 * slow, abs=0.01)

    report = run(asks, choices=TapeChoices([]))
    assert report.verdict is Verdict.OK, report.violation
