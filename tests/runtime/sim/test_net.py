"""The simulated network: time, order, what is drawn, crashes, and routers."""

from __future__ import annotations

import attrs
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from runtime.sim.choices import Choice, Choices, TapeChoices
from runtime.sim.net_link import CAPACITY
from runtime.sim.wires import Exponential
from sys_processes.devices import LinkFailed
from tests.support.net_world import record_of
from tests.support.wire_bench import A, B, Bench, bench, heard, pings, silent

# -- time and order


async def test_a_packet_takes_its_time_and_a_dial_goes_there_and_back():
    on = bench()
    on.net.link(A, B).latency(0.5)
    began = trio.current_time()
    near, far = await on.pair()
    assert trio.current_time() - began == pytest.approx(1.0)
    await near.send(b"x")
    assert trio.current_time() - began == pytest.approx(1.0)
    assert await far.receive() == b"x"
    assert trio.current_time() - began == pytest.approx(1.5)


async def test_the_two_directions_are_set_apart():
    on = bench()
    on.net.link(A, B, both=False).latency(2.0)
    near, far = await on.pair()
    began = trio.current_time()
    await far.send(b"x")
    await near.receive()
    assert trio.current_time() == began
    await near.send(b"x")
    await far.receive()
    assert trio.current_time() == pytest.approx(began + 2.0)


@given(st.integers(0, 2**32), st.booleans())
async def test_whatever_the_latency_order_stays_and_bytes_come_in_any_pieces(seed, pieces):
    on = bench(seed=seed)
    on.net.every_link().latency(Exponential(0.1)).pieces(pieces)
    near, far = await on.pair()
    await pings(near, range(30))
    await near.aclose()
    assert await heard(far) == list(range(30))
    assert await far.receive() == b""


async def test_a_narrow_wire_takes_its_time_for_every_byte():
    on = bench()
    on.net.link(A, B).bandwidth(1000)
    near, far = await on.pair()
    began = trio.current_time()
    await near.send(b"x" * 500)
    await near.send(b"x" * 500)
    await far.receive()
    assert trio.current_time() - began == pytest.approx(0.5)
    await far.receive()
    assert trio.current_time() - began == pytest.approx(1.0)


async def test_a_sender_waits_for_room():
    on = bench()
    near, far = await on.pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(near.send, b"x" * 3 * CAPACITY)
        await trio.testing.wait_all_tasks_blocked()
        assert len(nursery.child_tasks) == 1
        for _ in range(3):
            await far.receive()


# -- what is drawn


async def test_a_network_on_which_nothing_can_happen_asks_nothing():
    on = bench(seed=1)
    near, far = await on.pair()
    await pings(near, range(5))
    await near.aclose()
    assert await heard(far) == [0, 1, 2, 3, 4]
    assert (on.choices.tape, on.told()) == ([], [])


async def test_the_harmless_choices_are_a_network_on_which_nothing_happens():
    on = bench()
    on.net.every_link().loss(0.5).dup(0.5).reorder(0.5).latency(0, 1)
    near, far = await on.pair()
    await pings(near, range(5))
    assert await heard(far) == [0, 1, 2, 3, 4]
    assert on.told() == []


async def test_loss_doubling_and_overtaking_happen_as_often_as_said_and_are_told():
    on = bench(seed=3)
    near, far = await on.pair()
    on.net.link(A, B, both=False).loss(0.2)
    await pings(near, range(500))
    found = await heard(far)
    assert found == sorted(found)
    assert 60 < 500 - len(found) < 140
    assert sum(line.startswith(f"lost {A} {B} ping") for line in on.told()) == 500 - len(found)
    on.trace.entries.clear()
    on.net.link(A, B, both=False).loss(0).dup(0.2)
    await pings(near, range(500))
    found = await heard(far)
    assert 60 < len(found) - 500 < 140
    assert sum(line.startswith(f"doubled {A} {B} ping") for line in on.told()) == len(found) - 500
    on.trace.entries.clear()
    on.net.link(A, B, both=False).dup(0).reorder(0.2, late=0.5)
    await pings(near, range(500))
    found = await heard(far)
    assert found != sorted(found)
    assert sorted(found) == list(range(500))
    assert 60 < sum(line.startswith(f"delayed {A} {B} ping") for line in on.told()) < 140


@given(st.integers(0, 2**32))
async def test_one_seed_has_one_course_and_its_tape_repeats_it(seed):
    async def course(on: Bench) -> tuple[list[int], list[str]]:
        on.net.every_link().loss(0.1).dup(0.1).reorder(0.1).latency(0, 0.1)
        near, far = await on.pair()
        await pings(near, range(20))
        return await heard(far), on.told()

    one = bench(seed=seed)
    found = await course(one)
    again = Bench(Choices(TapeChoices(one.choices.tape, strict=True)))
    assert await course(again) == found
    assert again.choices.error is None


async def test_a_greeting_is_neither_doubled_nor_overtaken():
    on = bench(seed=1)
    near, far = await on.pair()
    on.net.link(A, B).dup(1.0).reorder(1.0)
    bye = b"\0\0\0\x08\x81\xa1t\xa3bye\xc0"
    await near.send(bye)
    assert await far.receive() == bye
    assert await silent(far)


async def test_a_lost_first_packet_of_a_dial_is_sent_again():
    on = bench([Choice("loss alice.uq bob.uq", 1001, 1000)])
    on.net.link(A, B, both=False).loss(0.5)
    began = trio.current_time()
    await on.pair()
    assert trio.current_time() - began == pytest.approx(1.0)


# -- crashes


async def test_a_dead_process_resets_its_links_after_their_latency_and_refuses():
    on = bench()
    on.net.every_link().latency(1.0)
    near, far = await on.pair()
    on.net.crash(B)
    began = trio.current_time()
    with pytest.raises(trio.ClosedResourceError):
        await far.receive()
    with pytest.raises(trio.BrokenResourceError):
        await near.receive()
    assert trio.current_time() == pytest.approx(began + 1.0)
    with pytest.raises(LinkFailed, match=r"nobody listens at bob\.uq:8080"):
        await on.nodes[A].dial(record_of(B))
    with pytest.raises(trio.ClosedResourceError):
        await on.nodes[B].accept()


async def test_a_dead_machine_tells_nobody_and_answers_nobody_until_it_is_back():
    on = bench()
    near, _ = await on.pair()
    on.net.crash(B, silent=True)
    await near.send(b"x")
    assert await silent(near)
    with trio.move_on_after(60) as scope:
        await on.nodes[A].dial(record_of(B))
    assert scope.cancelled_caught
    on.boot(B)
    await near.send(b"who are you?")
    with pytest.raises(trio.BrokenResourceError):
        await near.receive()
    again, far = await on.pair()
    await again.send(b"x")
    assert await far.receive() == b"x"


async def test_a_node_that_boots_again_has_nothing_of_its_former_life():
    on = bench()
    near, _ = await on.pair()
    waiting = await on.nodes[A].dial(record_of(B))
    former = on.nodes[B]
    on.boot(B)
    assert former.closed
    for link in (near, waiting):
        with pytest.raises(trio.BrokenResourceError):
            await link.receive()
    await on.pair()


async def test_crashing_a_node_that_never_was_is_no_error():
    on = bench()
    on.net.crash("dave.uq")
    assert on.told() == []


# -- who has no address, and ways on which nothing is proven


async def test_nobody_dials_who_is_nowhere():
    on = bench()
    on.net.links_of("dave.uq", None, b"d" * 32)
    for record, where in (
        (record_of("erin.uq"), r"erin\.uq:8080"),
        (attrs.evolve(record_of(B), address=None), "no address"),
    ):
        with pytest.raises(LinkFailed, match=f"nobody listens at {where}"):
            await on.nodes[A].dial(record)


async def test_a_plain_way_is_not_taken_for_a_link_and_proves_nothing():
    on = bench()
    near = await on.nodes[A].reach(record_of(B))
    link = await on.nodes[A].dial(record_of(B))
    far, other = await on.nodes[B].accept_plain(), await on.nodes[B].accept()
    assert (near.proven_key, far.proven_key, link.proven_key) == (None, None, record_of(B).public_key)
    await near.send(b"plain")
    await link.send(b"link")
    assert (await far.receive(), await other.receive()) == (b"plain", b"link")
    await near.abort()
    await near.abort()
    with pytest.raises(trio.ClosedResourceError):
        await near.receive()
    with pytest.raises(trio.BrokenResourceError):
        await far.receive()
    waits = await on.nodes[A].reach(record_of(B))
    on.nodes[B].close()
    with pytest.raises(trio.BrokenResourceError):
        await waits.receive()
    with pytest.raises(trio.ClosedResourceError):
        await on.nodes[B].accept_plain()
