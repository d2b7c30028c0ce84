"""Faults of a run: they strike, are told, and end for good."""

from __future__ import annotations

from functools import partial

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.sim.choices import TapeChoices
from runtime.sim.nemeses import Crash, Partition, Pause, every_kind
from runtime.sim.scheduler import run_deterministic
from runtime.sim.storm import Fault
from runtime.sim.world import World
from tests.support.storm_bench import BOOT_SECONDS, Chosen, Ground, seeded, taped
from tests.support.worlds import echo, passes


async def test_the_harmless_choices_are_a_run_without_faults():
    ground = Ground(TapeChoices([]))
    await ground.storm.run(every_kind(), 300.0)
    assert (ground.lines(), ground.trace.entries) == ([], [])
    assert ground.is_calm()
    assert len(ground.choices.tape) > 100


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.floats(0, 200))
async def test_whatever_has_struck_is_healed_for_good(seed, after):
    ground = seeded(seed)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ground.storm.run, every_kind())
        await trio.sleep(after)
        await ground.storm.heal_all()
        told = len(ground.storm.faults)
        assert ground.is_calm()
        await trio.sleep(1000.0)
        assert ground.is_calm()
    assert len(ground.storm.faults) == told
    assert all(fault.ended is not None for fault in ground.storm.faults)


@settings(max_examples=10)
@given(st.integers(0, 2**32))
def test_a_tape_brings_the_same_faults(seed):
    async def told(ground: Ground) -> list[str]:
        await ground.storm.run(every_kind(), 100.0)
        return ground.lines()

    one = seeded(seed)
    again = taped(one.choices.tape)
    assert run_deterministic(told, one, seed=seed) == run_deterministic(told, again, seed=seed)


async def test_after_its_time_a_storm_is_over_and_nodes_are_back():
    ground = Ground(Chosen(fault_crash=2))
    await ground.storm.run([Crash(every=10.0, lasts=(30.0, 60.0))], 20.0)
    assert trio.current_time() == pytest.approx(20.0 + BOOT_SECONDS)
    assert (ground.lines(), ground.nodes["b"].boots) == (["5.000-20.500 crash b"], ["flushed"])
    assert ground.is_calm()


async def test_a_node_that_the_test_brought_back_is_left_alone():
    ground = Ground(Chosen(fault_crash=1))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ground.storm.run, [Crash()])
        await trio.sleep(10.1)
        assert (ground.storm.up, list(ground.storm.down)) == (["b", "c"], ["a"])
        await ground.nodes["a"].restart("all")
        await ground.storm.heal_all()
    assert ground.nodes["a"].boots == ["all"]
    assert ground.storm.faults[0].ended is not None


async def test_several_storms_end_together():
    ground = Ground(Chosen(fault_pause=1, fault_partition=1))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ground.storm.run, [Pause(lasts=(1000.0, 1000.0))])
        nursery.start_soon(ground.storm.run, [Partition(lasts=(1000.0, 1000.0))])
        await trio.sleep(6.0)
        assert ground.nodes["a"].is_paused
        assert ground.net.is_troubled
        await ground.storm.heal_all()
        assert ground.is_calm()
    assert sorted(ground.lines()) == ["5.000-6.000 partition b | a, c", "5.000-6.000 pause a"]


async def test_healing_in_the_midst_of_a_boot_waits_for_it():
    ground = Ground(Chosen(fault_crash=1))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ground.storm.run, [Crash(every=10.0, lasts=(1.0, 1.0))])
        await trio.sleep(6.0 + BOOT_SECONDS / 2)
        assert not ground.nodes["a"].is_up
        await ground.storm.heal_all()
        assert trio.current_time() == pytest.approx(6.0 + BOOT_SECONDS)
        assert ground.nodes["a"].boots == ["flushed"]


def test_a_node_whose_disk_fails_while_it_boots_is_booted_again():
    async def fails(w: World) -> None:
        node = await w.node("a.nec", [echo])
        node.store.pause = partial(trio.sleep, 0.5)
        w.storm.crash("a.nec")
        w.start_soon(w.storm.restart, "a.nec", "flushed")
        await w.sleep(0.7)
        node.store.broken = "the disk is full"
        await w.sleep(20.0)
        assert node.runs == 3
        await node.ask("echo")

    passes(fails)


def test_a_node_that_still_boots_is_no_victim_and_its_boot_is_waited_for():
    async def boots(w: World) -> None:
        node = await w.node("a.nec", [echo])
        node.store.pause = partial(trio.sleep, 0.5)
        w.storm.crash("a.nec")
        w.start_soon(node.restart)
        await w.sleep(0.7)
        assert (w.storm.up, node.is_up, node.is_booting) == ([], False, True)
        assert any("a.nec is booting" in line for line in w.waiting(None))
        await w.storm.restart("a.nec", "flushed")
        assert (w.storm.up, node.runs) == (["a.nec"], 2)
        await node.ask("echo")

    passes(boots)


def test_a_node_that_is_crashed_while_a_fault_boots_it_is_booted_again():
    async def crashes(w: World) -> None:
        node = await w.node("a.nec", [echo])
        node.store.pause = partial(trio.sleep, 0.5)
        w.storm.crash("a.nec")
        w.start_soon(w.storm.restart, "a.nec", "flushed")
        await w.sleep(0.7)
        node.crash()
        await w.sleep(20.0)
        await node.ask("echo")

    passes(crashes)


def test_a_fault_is_told_in_a_line():
    assert Fault("crash", "a", 1.5).line() == "1.500- crash a"
    assert Fault("crash", "a", 1.5, 2.0).line() == "1.500-2.000 crash a"
    assert Fault("cut", "a | b", 1.5, 1.5).line() == "1.500 cut a | b"


async def test_a_storm_ends_when_its_scope_does_and_undoes_what_it_did():
    ground = Ground(Chosen(fault_crash=1, fault_pause=2))
    scope = trio.CancelScope()
    async with trio.open_nursery() as nursery:
        nemeses = [Crash(every=10.0, lasts=(100.0, 100.0)), Pause(lasts=(1000.0, 1000.0))]
        nursery.start_soon(partial(ground.storm.run, nemeses, scope=scope))
        await trio.sleep(8.0)
        assert not ground.nodes["a"].is_up
        scope.cancel()
    assert ground.is_calm()
    assert ground.nodes["a"].boots == ["flushed"]


async def test_a_fault_says_by_names_what_it_was():
    ground = Ground(Chosen(fault_crash=1, fault_partition=1))
    await ground.storm.run(
        [Crash(every=10.0, lasts=(1.0, 1.0), keep="all"), Partition(every=10.0)], seconds=9
    )
    told = {fault.kind: fault.args for fault in ground.storm.faults}
    assert told == {
        "crash": {"node": "a", "keep": "all"},
        "partition": {"left": ["b"], "right": ["a", "c"], "oneway": False},
    }
