"""The simulated network: partitions, what is held, rules, cuts, and the end of all that."""

from __future__ import annotations

from math import inf

import pytest
import trio

from runtime.sim.wires import Cut, Deliver, Drop, Dup, Pass
from sys_processes.net.frames import Ack, Ping, encode
from tests.support.net_world import record_of
from tests.support.wire_bench import A, B, C, bench, heard, silent

# -- partitions


async def test_in_a_partition_packets_are_lost_those_under_way_too_and_nobody_is_told():
    """P84"""
    on = bench()
    on.net.every_link().latency(1.0)
    near, far = await on.pair()
    await near.send(encode(Ping(1)))
    partition = on.net.partition({A}, {B, C})
    await near.send(encode(Ping(2)))
    await far.send(encode(Ping(3)))
    assert await silent(far)
    assert await silent(near)
    partition.heal()
    partition.heal()
    await near.send(encode(Ping(4)))
    assert await heard(far) == [4]
    assert on.told() == [
        f"partitioned {A} | {B}, {C}",
        f"lost {A} {B} ping 1 (partition)",
        f"lost {A} {B} ping 2 (partition)",
        f"lost {B} {A} ping 3 (partition)",
        f"healed {A} | {B}, {C}",
    ]


async def test_what_had_arrived_before_a_partition_is_read_in_it():
    on = bench()
    on.net.every_link().latency(1.0)
    near, far = await on.pair()
    await near.send(b"x")
    await trio.sleep(1.0)
    with on.net.partition(A):
        assert await far.receive() == b"x"


async def test_a_partition_one_way_leaves_the_other():
    on = bench()
    near, far = await on.pair()
    with on.net.partition(A, B, oneway=True):
        await near.send(b"x")
        await far.send(b"y")
        assert await near.receive() == b"y"
        assert await silent(far)
    assert on.told() == [
        f"partitioned {A} {B} {A} > {B}",
        f"lost {A} {B} bytes 1 of 1 bytes (partition)",
        f"healed {A} {B} {A} > {B}",
    ]


async def test_partitions_may_overlap_and_end_in_any_order():
    on = bench()
    near, far = await on.pair()
    first, second = on.net.partition(A), on.net.partition(A, B)
    first.heal()
    await near.send(b"lost")
    second.heal()
    await near.send(b"x")
    assert await far.receive() == b"x"


async def test_a_dial_into_a_partition_hangs_until_it_heals():
    on = bench()
    partition = on.net.partition(A, B, oneway=True)
    for dialler, record in ((A, record_of(B)), (B, record_of(A))):
        with trio.move_on_after(60) as scope:
            await on.nodes[dialler].dial(record)
        assert scope.cancelled_caught
    async with trio.open_nursery() as nursery:
        nursery.start_soon(on.pair)
        await trio.sleep(5)
        partition.heal()


async def test_a_close_that_was_lost_is_found_out_by_who_sends_afterwards():
    on = bench()
    near, far = await on.pair()
    with on.net.partition(A):
        await near.aclose()
        assert await silent(far)
        await far.send(b"lost")
    await far.send(b"x")
    with pytest.raises(trio.BrokenResourceError):
        await far.receive()


async def test_a_partition_with_a_node_on_both_sides_or_nobody_on_the_left_is_refused():
    on = bench()
    for left, right in (({A, B}, {B, C}), ((), {A})):
        with pytest.raises(ValueError, match="a partition has nodes on its left"):
            on.net.partition(left, right)


# -- holding, rules, cuts


async def test_what_is_held_stays_under_way_until_it_is_released_in_order():
    on = bench()
    on.net.every_link().latency(1.0)
    near, far = await on.pair()
    await near.send(encode(Ping(1)))
    hold = on.net.hold(A, B)
    await near.send(encode(Ping(2)))
    await near.aclose()
    assert await silent(far)
    assert [(packet.kind, packet.due) for packet in on.net.in_flight()] == [
        ("ping", inf), ("ping", inf), ("end", inf)
    ]  # fmt: skip
    hold.release()
    assert await heard(far, 0.0) == []
    assert await heard(far) == [1, 2]
    assert on.told() == [f"held {A} {B}", f"released {A} {B}"]


async def test_what_is_under_way_can_be_seen():
    on = bench()
    on.net.link(A, B).latency(2.0)
    near, far = await on.pair()
    await near.send(encode(Ping(1)) + encode(Ack(2)))
    [ping, ack] = on.net.in_flight()
    assert (ping.source, ping.target, ping.kind, ack.kind) == (A, B, "ping", "ack")
    assert ping.due == pytest.approx(trio.current_time() + 2.0)
    assert on.net.in_flight_count() == 2
    with on.net.hold(A, B):
        assert on.net.in_flight_count() == 0
    await far.receive()
    assert on.net.in_flight() == []


async def test_of_several_rules_the_first_verdict_wins_and_a_removed_one_is_not_asked():
    on = bench()
    near, far = await on.pair()
    seen: list[str] = []

    def watch(packet) -> Pass:
        seen.append(packet.kind)
        return Pass()

    with on.net.rule(watch), on.net.rule(lambda packet: Drop()), on.net.rule(lambda packet: Dup()):
        await near.send(encode(Ping(1)))
    await near.send(encode(Ping(2)))
    assert await heard(far) == [2]
    assert seen == ["ping"]
    assert on.told() == [f"lost {A} {B} ping 1 (rule)"]


async def test_a_rule_doubles_delays_or_cuts():
    on = bench()
    near, far = await on.pair()
    with on.net.rule(lambda packet: Dup()):
        await near.send(encode(Ping(1)))
    with on.net.rule(lambda packet: Deliver(3.0)):
        await near.send(encode(Ping(2)))
    await near.send(encode(Ping(3)))
    assert await heard(far) == [1, 1, 3, 2]
    with on.net.rule(lambda packet: Cut()):
        await near.send(encode(Ping(4)))
    for end in (near, far):
        with pytest.raises(trio.BrokenResourceError):
            await end.receive()
    assert on.told() == [f"doubled {A} {B} ping 1", f"cut {A} {B}"]


@pytest.mark.parametrize(
    ("verdict", "expected"), [(Drop(), []), (Dup(), [1, 1]), (Deliver(50.0), [1]), (Pass(), [1]), (None, [1])]
)
async def test_a_rule_is_asked_of_what_is_under_way(verdict, expected):
    """P84"""
    on = bench()
    on.net.every_link().latency(1.0)
    near, far = await on.pair()
    await near.send(encode(Ping(1)))
    with on.net.rule(lambda packet: verdict):
        assert await heard(far) == expected


async def test_a_rule_cuts_by_what_is_under_way():
    on = bench()
    on.net.every_link().latency(1.0)
    near, _ = await on.pair()
    await near.send(encode(Ping(1)))
    on.net.rule(lambda packet: Cut()).remove()
    with pytest.raises(trio.BrokenResourceError):
        await near.receive()


async def test_a_cut_concerns_the_links_of_two_nodes_and_both_notice():
    on = bench()
    near, far = await on.pair()
    other, _ = await on.pair(A, C)
    await near.send(b"lost")
    on.net.cut(B, A)
    for end in (near, far):
        with pytest.raises(trio.BrokenResourceError):
            await end.receive()
        with pytest.raises(trio.BrokenResourceError):
            await end.send(b"x")
    await other.send(b"x")
    assert on.told() == [f"cut {A} {B}"]


async def test_healing_ends_every_fault_and_leaves_the_latency():
    on = bench(seed=1)
    near, far = await on.pair()
    on.net.every_link().latency(1.0).loss(1.0).dup(1.0).reorder(1.0)
    on.net.partition(A)
    on.net.hold(A, B)
    on.net.rule(lambda packet: Drop())
    on.net.heal_all()
    began = trio.current_time()
    await near.send(encode(Ping(1)))
    assert await heard(far) == [1]
    assert trio.current_time() == pytest.approx(began + 100.0)
    assert [line.split()[0] for line in on.told()] == ["partitioned", "held", "healed", "released"]
