"""Each kind of fault: what it does, how long, and that nothing of it stays."""

from __future__ import annotations

from contextlib import AbstractContextManager

import pytest
import trio

from kernel.address import PackageId
from kernel.ports import Put, StoreFailed
from runtime.sim.nemeses import (
    ClockJump,
    Crash,
    Cut,
    DiskFull,
    Dup,
    Loss,
    Partition,
    Pause,
    Reorder,
    SlowDisk,
    SlowLinks,
    every_kind,
    full_disk,
    paused,
    slow_disk,
)
from runtime.sim.storm import Nemesis
from sys_processes.devices import DatabaseName, EngineFailed
from tests.support.net_world import record_of
from tests.support.storm_bench import BOOT_SECONDS, Chosen, Ground, seeded

MOST = 1000
"""Of a choice in thousandths."""

GAMES = DatabaseName(PackageId("chess", "nectar"), "games")


async def strike(ground: Ground, nemesis: Nemesis) -> float:
    """How long it took."""
    began = trio.current_time()
    await nemesis.strike(ground.storm)
    return trio.current_time() - began


@pytest.mark.parametrize("nemesis", every_kind(), ids=lambda nemesis: nemesis.kind)
async def test_the_harmless_choice_is_that_nothing_happens(nemesis):
    ground = Ground(Chosen())
    assert await strike(ground, nemesis) == 0.0
    assert len(ground.choices.tape) == 1
    assert (ground.lines(), ground.trace.entries, ground.is_calm()) == ([], [], True)


@pytest.mark.parametrize("nemesis", every_kind(), ids=lambda nemesis: nemesis.kind)
async def test_a_stronger_one_strikes_more_often_or_worse_and_a_world_without_nodes_is_spared(nemesis):
    assert nemesis.stronger(0) == nemesis
    assert nemesis.stronger(2).every == nemesis.every / 4
    ground = seeded(1)
    ground.nodes.clear()
    await strike(ground, nemesis)
    assert ground.lines() == []


@pytest.mark.parametrize(
    ("choices", "told"),
    [
        ({"fault_partition": 1}, "b | a, c"),
        ({"fault_partition": 3}, "b, c | a"),
        ({"fault_partition": 2, "fault_partition_direction": 1}, "c > a, b"),
        ({"fault_partition": 2, "fault_partition_direction": 2}, "a, b > c"),
    ],
)
async def test_a_partition_parts_two_groups_for_its_time(choices, told):
    ground = Ground(Chosen(**choices, fault_partition_lasts=MOST))
    assert await strike(ground, Partition(lasts=(2.0, 7.0))) == pytest.approx(7.0)
    assert [fault.what for fault in ground.storm.faults] == [told]
    assert [entry.kind.value for entry in ground.trace.entries] == ["partitioned", "healed"]
    assert ground.is_calm()


async def test_of_many_nodes_one_is_parted_from_the_rest():
    names = [f"n{number}" for number in range(12)]
    ground = Ground(Chosen(fault_partition=4), *names)
    assert await strike(ground, Partition(lasts=(2.0, 7.0))) == pytest.approx(2.0)
    assert ground.storm.faults[0].what.startswith("n3 | n0, n1")


async def test_a_cut_ends_the_links_of_two_nodes():
    ground = Ground(Chosen(fault_cut=2), "alice.uq", "bob.uq", "carol.uq")
    links = ground.net.links_of("alice.uq", "alice.uq:8080", b"k")
    stays, cut = [await links.dial(record_of(name)) for name in ("bob.uq", "carol.uq")]
    assert await strike(ground, Cut()) == 0.0
    with pytest.raises(trio.BrokenResourceError):
        await cut.send(b"x")
    await stays.send(b"x")
    assert ground.lines() == ["0.000 cut alice.uq | carol.uq"]


@pytest.mark.parametrize(("keep", "found"), [(0, "flushed"), (1, "all"), (2, "drawn")])
async def test_a_crash_kills_a_node_and_boots_it_on_what_is_chosen(keep, found):
    ground = Ground(Chosen(fault_crash=3, fault_crash_keep=keep))
    assert await strike(ground, Crash(lasts=(4.0, 9.0))) == pytest.approx(4.0 + BOOT_SECONDS)
    assert ground.nodes["c"].boots == [found]
    assert ground.lines() == ["0.000-4.500 crash c"]


async def test_no_more_nodes_are_down_than_may_be():
    ground = Ground(Chosen(fault_crash=1, fault_crash_keep=0))
    ground.storm.crash("c")
    assert await strike(ground, Crash()) == 0.0
    assert await strike(ground, Crash(keep="all", most_down=2)) > 0.0
    assert ground.nodes["a"].boots == ["all"]


async def test_a_pause_ends_also_when_it_is_cancelled_or_its_node_dies():
    ground = Ground(Chosen(fault_pause=1))
    with trio.move_on_after(1.0):
        await strike(ground, Pause(lasts=(5.0, 5.0)))
    assert ground.is_calm()
    assert ground.lines() == ["0.000-1.000 pause a"]
    ground = Ground(Chosen(fault_pause=1))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(strike, ground, Pause(lasts=(5.0, 5.0)))
        await trio.sleep(1.0)
        assert ground.nodes["a"].is_paused
        ground.nodes["a"].crash()


async def test_a_clock_jumps_either_way_and_is_right_once_all_is_healed():
    ground = Ground(Chosen(fault_clock=1, fault_clock_jump=MOST, fault_clock_back=1))
    await strike(ground, ClockJump(most=100.0))
    assert ground.nodes["a"].clock.offset == -100.0
    assert ground.lines() == ["0.000 clock a -100 s"]
    assert ground.trace.entries[0].line() == "0 a 0.000000 clock -100.000 s, 1 s a second"
    await ground.storm.heal_all()
    assert ground.is_calm()


@pytest.mark.parametrize("nemesis", [SlowLinks(), Loss(), Dup(), Reorder()], ids=lambda nemesis: nemesis.kind)
@pytest.mark.parametrize(("chosen", "told"), [(1, "everywhere"), (2, "a > b"), (4, "b > a")])
async def test_bad_weather_is_everywhere_or_in_one_direction_for_its_time(nemesis, chosen, told):
    ground = Ground(Chosen(**{f"fault_{nemesis.kind}": chosen, f"fault_{nemesis.kind}_lasts": MOST}))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(strike, ground, nemesis)
        await trio.sleep(1.0)
        assert ground.net.is_troubled
    assert ground.lines() == [f"0.000-20.000 {nemesis.kind} {told}"]
    assert ground.is_calm()


async def test_a_full_disk_takes_as_much_as_is_left_and_its_store_nothing():
    ground = Ground(Chosen(fault_full_disk=1, fault_full_disk_room=98))
    node = ground.nodes["a"]
    await node.disk.write("file", b"12345")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(strike, ground, DiskFull(room=100))
        await trio.sleep(0.1)
        with pytest.raises(OSError, match="No space left"):
            await node.disk.write("other", b"123")
        await node.disk.write("other", b"12")
        node.store.apply([Put("t", "k", b"")])
        with pytest.raises(StoreFailed, match="the disk is full"):
            await node.store.flush()
        with pytest.raises(EngineFailed, match="games of chess:nectar: the disk is full") as told:
            await node.engine.make(GAMES)
        assert told.value.of_disk
        with pytest.raises(EngineFailed, match="the disk is full"):
            await node.databases.make(GAMES)
        node.crash()
        await node.restart("flushed")
        assert node.disk.capacity is not None
        assert node.engine.full
        assert node.databases.full
    assert ground.is_calm()
    assert ground.lines() == ["0.000-1.000 full disk a, 2 bytes left"]
    assert [entry.note for entry in ground.trace.entries] == ["full but for 2 bytes", "no longer full"]


async def test_a_slow_disk_takes_its_time_until_it_is_over_whatever_life_its_node_is_in():
    ground = Ground(Chosen(fault_slow_disk=2, disk_slow=MOST))
    node = ground.nodes["b"]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(strike, ground, SlowDisk(most=0.75))
        await trio.sleep(0.1)
        began = trio.current_time()
        await node.disk.write("file", b"")
        assert trio.current_time() == pytest.approx(began + 0.75)
        assert node.engine.pause is node.databases.pause is node.disk.pause
        node.crash()
        await node.restart("flushed")
    assert ground.is_calm()
    assert ground.lines() == ["0.000-1.000 slow disk b"]


@pytest.mark.parametrize("first", [1.0, 3.0])
async def test_faults_of_one_kind_that_overlap_last_until_the_last_has_ended(first):
    """Which of the two began first does not matter, nor which ends first."""
    ground = Ground(Chosen())
    node = ground.nodes["a"]

    async def last(fault: AbstractContextManager[object], after: float, until: float) -> None:
        await trio.sleep(after)
        with fault:
            await trio.sleep(until - after)

    async with trio.open_nursery() as nursery:
        for after, until in ((0.0, first), (0.5, 4.0 - first)):
            nursery.start_soon(last, paused(ground.storm, "a"), after, until)
            nursery.start_soon(last, full_disk(ground.storm, "a", 100), after, until)
            nursery.start_soon(last, slow_disk(ground.storm, "a", 1.0), after, until)
        await trio.sleep(2.0)
        assert (node.is_paused, node.disk.capacity, node.store.broken) == (True, 100, "the disk is full")
        assert node.disk.pause is node.store.pause is not trio.lowlevel.checkpoint
        await trio.sleep(1.5)
        assert ground.is_calm()


def test_times_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="every is more than 0 seconds, got 0"):
        Pause(every=0)
    with pytest.raises(ValueError, match=r"lasts is the least and the most seconds, got \(2, 1\)"):
        Pause(lasts=(2, 1))
