"""Whole nodes without an address and their routers, on memory links and virtual time."""

from __future__ import annotations

from itertools import count

import trio
import trio.testing

from kernel.message import Payload, SendError, SendErrorKind
from runtime.sim.links import LinkFate
from sys_processes.net.passages import RETURN_SECONDS
from tests.support.net_world import NetWorld, net_world, outcome

A, B, C, D, E = "alice.uq", "bob.uq", "carol.uq", "dave.uq", "eve.uq"
numbers = count()


def world_of(*names: str, routed: dict[str, tuple[str, ...]], **options: object):
    """Bob and eve let four links through each."""
    options.setdefault("passages", {B: 4, E: 4})
    return net_world(*names, routed=routed, **options)


async def state(world: NetWorld, node: str, of: str) -> str:
    shown = await world.peers(node, await world.puppet(node, f"p{next(numbers)}"))
    for line in shown.splitlines():
        name, word, *_ = line.replace(",", "").split()
        if name == of:
            return word
    return "none"


async def talk(world: NetWorld, one: str, other: str) -> None:
    """A Request and its Response cross, in both directions."""
    for source, target in ((one, other), (other, one)):
        number = next(numbers)
        a, b = await world.puppet(source, f"a{number}"), await world.puppet(target, f"b{number}")
        asked = a.begin_ask(b, b"hi", payload=Payload(None, b"p" * 100_000))
        message = await b.receive()
        assert (message.source, message.ipc) == (a.address, b"hi")
        assert message.payload() == Payload(None, b"p" * 100_000)
        await b.respond(b"hello")
        assert (await asked.result()).ipc == b"hello"


async def test_a_routed_node_talks_with_its_router_and_with_a_node_that_has_an_address():
    async with world_of(A, B, C, routed={C: (B,)}) as world:
        await talk(world, B, C)
        await talk(world, A, C)


async def test_two_routed_nodes_talk_through_the_router_that_they_share():
    """C-170."""
    async with world_of(B, C, D, routed={C: (B,), D: (B,)}) as world:
        await talk(world, C, D)
        assert await state(world, C, D) == "up"


async def test_nodes_with_different_routers_talk():
    async with world_of(B, C, D, E, routed={C: (B,), D: (E,)}) as world:
        await talk(world, C, D)


async def test_both_dial_at_once_and_nothing_is_lost():
    async with world_of(B, C, D, routed={C: (B,), D: (B,)}) as world:
        c, d = await world.puppet(C), await world.puppet(D)
        await c.send(d, b"to dave")
        await d.send(c, b"to carol")
        assert (await d.receive()).ipc == b"to dave"
        assert (await c.receive()).ipc == b"to carol"


# -- the link with the router


async def test_the_link_with_a_router_is_there_before_any_message_and_stays_when_it_is_idle():
    async with world_of(B, C, routed={C: (B,)}) as world:
        await trio.testing.wait_all_tasks_blocked()
        assert (await state(world, C, B), await state(world, B, C)) == ("up", "up")
        await trio.sleep(10_000)
        assert (await state(world, C, B), await state(world, B, C)) == ("up", "up")
        assert world.network.dials == 1


async def test_a_router_that_does_not_serve_the_node_closes_an_idle_link_and_is_dialled_anew():
    async with world_of(B, C, routed={C: (B,)}, passages={}) as world:
        await trio.sleep(2000)
        assert await state(world, C, B) == "up"
        assert world.network.dials == 2


async def test_a_router_that_is_gone_is_dialled_with_longer_and_longer_pauses_until_it_is_back():
    async with world_of(B, C, routed={C: (B,)}) as world:
        await talk(world, B, C)
        await world.kill(B)
        dials = world.network.dials
        await trio.sleep(600)
        assert await state(world, C, B) == "resting"
        # 2, 4, 8, 16 and 32 seconds, and then a minute each time; never less than three quarters of it.
        assert 10 <= world.network.dials - dials <= 20
        await world.boot(B, C)
        await trio.sleep(61)
        assert await state(world, C, B) == "up"
        await talk(world, B, C)


async def test_links_that_end_before_long_do_not_make_a_node_dial_without_end():
    async with world_of(B, C, routed={C: (B,)}) as world:
        for _ in range(300):
            await trio.sleep(1)
            world.network.cut_all()
        assert world.network.dials < 60


async def test_a_router_that_becomes_known_later_is_dialled():
    async with world_of(routed={C: (B,)}) as world:
        carol = await world.boot(C)
        await world.boot(B, C)
        await trio.sleep(10)
        assert world.network.dials == 0
        carol.registry.put(world.record(B))
        await trio.sleep(1)
        assert await state(world, C, B) == "up"


async def test_a_router_waits_for_a_node_that_has_just_lost_its_link():
    async with world_of(B, C, routed={C: (B,)}) as world:
        b, c = await world.puppet(B), await world.puppet(C)
        await b.send(c, b"one")
        assert (await c.receive()).ipc == b"one"
        world.network.cut_all()
        await b.send(c, b"two")
        assert (await c.receive()).ipc == b"two"


async def test_a_message_of_a_router_to_a_node_that_does_not_come_is_offline_in_time():
    """C-168."""
    async with world_of(B, C, routed={C: (B,)}) as world:
        b, c = await world.puppet(B), await world.puppet(C)
        await world.kill(C)
        with trio.fail_after(6):
            assert offline(await outcome(b.begin_ask(c)), "did not come within")


# -- no way


def offline(error: object, why: str) -> bool:
    assert isinstance(error, SendError)
    assert (error.kind, error.definite) == (SendErrorKind.Offline, True)
    assert why in error.detail
    return True


async def test_a_target_that_is_not_connected_is_offline_at_once():
    """C-168."""
    async with world_of(A, B, C, routed={C: (B,)}) as world:
        a, c = await world.puppet(A), await world.puppet(C)
        await world.kill(C)
        await trio.sleep(RETURN_SECONDS)
        with trio.fail_after(0.5):
            assert offline(await outcome(a.begin_ask(c)), f"{C} is not connected to {B}")


async def test_a_target_that_does_not_come_is_offline_in_time():
    """C-168."""
    async with world_of(A, B, C, routed={C: (B,)}) as world:
        a, c = await world.puppet(A), await world.puppet(C)
        await trio.testing.wait_all_tasks_blocked()
        world.network.deafen_all()
        with trio.fail_after(6):
            assert offline(await outcome(a.begin_ask(c)), "")


async def test_a_router_that_relays_for_nobody_says_so():
    async with world_of(A, B, C, routed={C: (B,)}, passages={}) as world:
        a, c = await world.puppet(A), await world.puppet(C)
        assert offline(await outcome(a.begin_ask(c)), f"{B} relays for nobody")


async def test_a_router_without_room_says_so_and_has_room_again_when_a_link_has_ended():
    async with world_of(A, B, C, D, routed={C: (B,), D: (B,)}, passages={B: 1}) as world:
        a, c, d = await world.puppet(A), await world.puppet(C), await world.puppet(D)
        await trio.testing.wait_all_tasks_blocked()
        await a.send(c, b"one")
        assert (await c.receive()).ipc == b"one"
        assert offline(await outcome(a.begin_ask(d)), "has no room")
        await world.kill(C)
        await trio.sleep(5)
        await talk(world, A, D)


async def test_a_node_that_the_router_does_not_know_gets_nowhere():
    async with world_of(routed={C: (B,)}) as world:
        await world.boot(B, C)
        await world.boot(C, A, B)
        await world.boot(A, B, C)
        a, c = await world.puppet(A), await world.puppet(C)
        await trio.testing.wait_all_tasks_blocked()
        assert offline(await outcome(a.begin_ask(c)), f"{B} does not know '{A}'")


async def test_a_node_whose_routers_are_not_known_says_what_is_missing():
    async with world_of(routed={C: (B, E), E: (B,)}) as world:
        await world.boot(C)
        await world.boot(A, C, E)
        a, c = await world.puppet(A), await world.puppet(C)
        error = await outcome(a.begin_ask(c))
        assert offline(error, f"its router {B} is not known here; its router {E} has no address itself")
        world.nodes[A].registry.put(world.record(B))
        await trio.sleep(0.1)
        assert offline(await outcome(a.begin_ask(c)), f"nobody listens at {B}:8080")


async def test_when_all_links_are_cut_at_once_nothing_comes_back():
    delay = LinkFate(delay=0.05)
    async with world_of(A, B, C, routed={C: (B,)}, fate=lambda _number: delay) as world:
        a, c = await world.puppet(A), await world.puppet(C)
        await trio.sleep(1)
        for number in range(3):
            await a.send(c, b"%d" % number)
            await trio.sleep(2)
            world.network.cut_all()
        await trio.sleep(10)
        assert [message.ipc for message in await c.unread()] == [b"0", b"1", b"2"]
        assert await a.unread() == []


# -- several routers


async def test_of_two_routers_the_one_that_is_there_is_used():
    async with world_of(A, C, E, routed={C: (B, E)}) as world:
        for name in (A, C):
            world.nodes[name].registry.put(world.record(B))
        await trio.sleep(1)
        with trio.fail_after(1):
            await talk(world, A, C)


async def test_a_router_that_does_not_answer_costs_a_second_and_no_more():
    async with world_of(A, B, C, E, routed={C: (B, E)}) as world:
        a, c = await world.puppet(A), await world.puppet(C)
        await trio.testing.wait_all_tasks_blocked()
        dials = world.network.dials
        world.network.fate = lambda number: LinkFate(hanging=number == dials)
        asked = a.begin_ask(c, b"hi")
        with trio.fail_after(1.1):
            assert (await c.receive()).ipc == b"hi"
        await c.respond(b"hello")
        assert (await asked.result()).ipc == b"hello"


async def test_a_router_can_be_cut_off_in_the_middle_and_nothing_is_lost():
    async with world_of(B, C, D, routed={C: (B,), D: (B,)}) as world:
        c, d = await world.puppet(C), await world.puppet(D)
        await trio.testing.wait_all_tasks_blocked()
        for number in range(10):
            await c.send(d, b"%d" % number)
            if number % 3 == 2:
                world.network.cut_all()
                await trio.sleep(3)
        assert [(await d.receive()).ipc for _ in range(10)] == [b"%d" % number for number in range(10)]
        assert await d.unread() == []
