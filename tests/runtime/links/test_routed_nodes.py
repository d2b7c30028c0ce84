"""Whole nodes without an address and their router, over TLS, WebSocket frames and TCP."""

from __future__ import annotations

from itertools import count

import pytest
import trio
import trio.testing

from kernel.address import Address
from kernel.message import Payload, SendError, SendErrorKind
from sys_processes.devices import Links
from sys_processes.net.protocol import NET
from tests.support.bad_router import BadRouter, Harm, How
from tests.support.kernel_node import Puppet
from tests.support.linked_nodes import LinkedWorld, linked_world
from tests.support.net_world import outcome

pytestmark = pytest.mark.real_clock

A, B, C, D = "alice.uq", "bob.uq", "carol.uq", "dave.uq"
numbers = count()
ROUTED = {C: (B,), D: (B,)}


async def up(world: LinkedWorld, node: str, of: str) -> None:
    """Return once there is a link."""
    asker = await world.nodes[node].puppet(f"asker{next(numbers)}")
    while f"{of} up" not in (await asker.ask(Address(node, NET), b"peers")).ipc.decode():
        await trio.testing.wait_all_tasks_blocked(0.01)


async def connected(world: LinkedWorld) -> None:
    """All that are routed, with their router."""
    with trio.fail_after(10):
        for name in world.routed:
            await up(world, name, B)
            await up(world, B, name)


async def talk(a: Puppet, b: Puppet, payload: bytes = b"") -> None:
    asked = a.begin_ask(b, b"hi", payload=Payload(None, payload))
    message = await b.receive()
    assert (message.source, message.ipc) == (a.address, b"hi")
    assert message.payload() == Payload(None, payload)
    await b.respond(b"hello")
    assert (await asked.result()).ipc == b"hello"


async def test_two_routed_nodes_talk_through_the_router_that_they_share():
    """C-170, C-164."""
    async with linked_world(B, C, D, routed=ROUTED, passages={B: 1}) as world:
        await connected(world)
        c, d = await world.nodes[C].puppet(), await world.nodes[D].puppet()
        await talk(c, d)
        await talk(d, c, bytes(range(256)) * 20_000)
        await talk(await world.nodes[B].puppet(), c)


async def test_the_router_cannot_read_what_it_passes_on():
    routers: list[BadRouter] = []

    def tap(links: Links) -> Links:
        routers.append(BadRouter(links))
        return routers[0]

    async with linked_world(C, D, routed=ROUTED, passages={B: 1}) as world:
        await world.boot(B, wrap=tap)
        await connected(world)
        c, d = await world.nodes[C].puppet(), await world.nodes[D].puppet()
        await talk(c, d, b"a secret")
        seen = bytes(routers[0].seen)
        assert len(seen) > 1000
        assert b"a secret" not in seen
        # Of the names, it was told who wants whom; the greeting itself is inside.
        assert seen.count(C.encode()) == seen.count(D.encode()) == 1


@pytest.mark.parametrize("how", How)
async def test_a_router_that_changes_what_it_passes_on_is_found_out_and_the_nodes_recover(how):
    async with linked_world(C, D, routed=ROUTED, passages={B: 2}) as world:
        harms = [Harm(how, 3)]
        await world.boot(B, wrap=lambda links: BadRouter(links, *harms))
        await connected(world)
        c, d = await world.nodes[C].puppet(), await world.nodes[D].puppet()
        told: list[object] = []

        async def answer() -> None:
            while True:
                await d.receive()
                await d.respond(b"hello")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(answer)
            with trio.fail_after(30):
                while told[-1:] != [b"hello"]:
                    told.append(await outcome(c.begin_ask(d)))
            nursery.cancel_scope.cancel()
        assert all(error == b"hello" or isinstance(error, SendError) for error in told)


async def test_a_router_that_is_killed_is_offline_in_time_and_everything_flows_again_when_it_is_back():
    """C-168."""
    async with linked_world(B, C, D, routed=ROUTED, passages={B: 1}) as world:
        await connected(world)
        c, d = await world.nodes[C].puppet(), await world.nodes[D].puppet()
        await talk(c, d)
        await world.kill(B)
        with trio.fail_after(6):
            error = await outcome(c.begin_ask(d))
        assert isinstance(error, SendError)
        assert error.kind is SendErrorKind.Offline
        await world.boot(B)
        await connected(world)
        await talk(c, d)
        assert await d.unread() == []


async def test_a_target_that_is_killed_is_offline_in_time():
    """C-168."""
    async with linked_world(A, B, C, routed={C: (B,)}, passages={B: 1}) as world:
        await connected(world)
        a, c = await world.nodes[A].puppet(), await world.nodes[C].puppet()
        await talk(a, c)
        await world.kill(C)
        for _ in range(2):
            with trio.fail_after(6):
                error = await outcome(a.begin_ask(c))
            assert isinstance(error, SendError)
            assert error.kind is SendErrorKind.Offline
