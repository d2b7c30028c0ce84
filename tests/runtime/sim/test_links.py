"""Links in memory: order, pieces, delays, cuts and ends."""

from __future__ import annotations

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from runtime.sim.chance import SeededChance
from runtime.sim.links import CAPACITY, LinkFate, LinkNetwork
from sys_processes.devices import LinkFailed
from tests.support.net_world import record_of

BOB = record_of("bob.uq")


async def linked(fate: LinkFate | None = None, chance: SeededChance | None = None):
    """Both ends of a link to bob."""
    network = LinkNetwork(fate=None if fate is None else lambda number: fate, chance=chance)
    links = network.node("bob.uq:8080", BOB.public_key)
    near = await network.open(BOB)
    return network, near, await links.accept()


async def read_all(link) -> bytes:
    found = b""
    while data := await link.receive():
        found += data
    return found


@given(st.lists(st.binary(max_size=300), max_size=8), st.integers(0, 2**32))
async def test_bytes_arrive_in_order_in_any_pieces(sent, seed):
    _, near, far = await linked(chance=SeededChance(seed))
    for data in sent:
        await near.send(data)
    await near.aclose()
    assert await read_all(far) == b"".join(sent)


async def test_the_dialled_side_is_proven_and_the_other_is_not():
    _, near, far = await linked()
    assert (near.proven_key, far.proven_key) == (BOB.public_key, None)


async def test_bytes_take_their_time():
    _, near, far = await linked(LinkFate(delay=2))
    began = trio.current_time()
    await near.send(b"x")
    assert trio.current_time() == began
    assert await far.receive() == b"x"
    assert trio.current_time() == began + 2


@pytest.mark.parametrize("budget", [0, 1, 5])
async def test_a_link_is_cut_after_so_many_bytes(budget):
    _, near, far = await linked(LinkFate(there=budget))
    with pytest.raises(trio.BrokenResourceError):
        await near.send(b"123456")
    with pytest.raises(trio.BrokenResourceError):
        await far.receive()
    with pytest.raises(trio.BrokenResourceError):
        await far.send(b"x")


async def test_a_sender_waits_for_room_and_goes_on_when_there_is_some():
    _, near, far = await linked()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(near.send, b"x" * 3 * CAPACITY)
        await trio.testing.wait_all_tasks_blocked()
        assert len(nursery.child_tasks) == 1
        assert len(await far.receive()) == CAPACITY
        nursery.start_soon(read_all, far)
        await trio.testing.wait_all_tasks_blocked()
        await near.aclose()


async def test_a_deaf_link_brings_nothing_and_says_nothing():
    network, near, far = await linked()
    network.deafen_all()
    await near.send(b"x")
    with trio.move_on_after(100) as scope:
        await far.receive()
    assert scope.cancelled_caught


async def test_cutting_all_is_noticed_by_who_waits():
    network, near, far = await linked()
    async with trio.open_nursery() as nursery:

        async def expect_cut(link) -> None:
            with pytest.raises(trio.BrokenResourceError):
                await link.receive()

        nursery.start_soon(expect_cut, near)
        nursery.start_soon(expect_cut, far)
        await trio.testing.wait_all_tasks_blocked()
        network.cut_all()


async def test_after_a_close_what_was_sent_arrives_and_the_other_side_cannot_send():
    _, near, far = await linked()
    await near.send(b"last words")
    await near.aclose()
    await near.aclose()
    assert await read_all(far) == b"last words"
    with pytest.raises(trio.BrokenResourceError):
        await far.send(b"x")
    for call in (near.receive, lambda: near.send(b"x")):
        with pytest.raises(trio.ClosedResourceError):
            await call()


async def test_dials_that_fail():
    network = LinkNetwork(fate=lambda number: LinkFate(refused=number == 0, hanging=number == 1))
    links = network.node("bob.uq:8080", BOB.public_key)
    with pytest.raises(LinkFailed, match=r"nobody listens at bob\.uq:8080"):
        await links.dial(BOB)
    with trio.move_on_after(60) as scope:
        await links.dial(BOB)
    assert scope.cancelled_caught
    with pytest.raises(LinkFailed):
        await links.dial(record_of("carol.uq"))
    links.close()
    with pytest.raises(LinkFailed):
        await links.dial(BOB)


async def test_a_node_that_closes_cuts_what_it_did_not_accept_and_ends_the_wait():
    network = LinkNetwork()
    links = network.node("bob.uq:8080", BOB.public_key)
    near = await network.open(BOB)
    again = network.node("bob.uq:8080", BOB.public_key)
    with pytest.raises(trio.ClosedResourceError):
        await links.accept()
    with pytest.raises(trio.BrokenResourceError):
        await near.receive()
    async with trio.open_nursery() as nursery:

        async def expect_closed() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await again.accept()

        nursery.start_soon(expect_closed)
        await trio.testing.wait_all_tasks_blocked()
        again.close()
