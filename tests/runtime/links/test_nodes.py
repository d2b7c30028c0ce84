"""Two whole nodes that reach each other over TLS, WebSocket frames and TCP."""

from __future__ import annotations

import pytest
import trio

from kernel.message import Payload, Reason, SendError, SendErrorKind
from sys_processes.net.envelopes import LARGEST
from tests.support.linked_nodes import linked_world
from tests.support.net_world import identity_of, outcome

pytestmark = pytest.mark.real_clock

A, B = "alice.uq", "bob.uq"


async def test_a_request_and_its_response_cross_with_all_their_parts():
    """C-164."""
    async with linked_world(A, B) as world:
        a, b = await world.nodes[A].puppet(), await world.nodes[B].puppet("b")
        asked = a.begin_ask(b, b"hi", payload=Payload("text/plain", b"p" * 100_000))
        message = await b.receive()
        assert (message.source, message.ipc) == (a.address, b"hi")
        assert message.payload() == Payload("text/plain", b"p" * 100_000)
        await b.respond(b"hello")
        answer = await asked.result()
        assert (answer.ipc, answer.source) == (b"hello", b.address)


async def test_both_sides_use_the_link_that_one_of_them_dialled():
    async with linked_world(A, B) as world:
        a, b = await world.nodes[A].puppet(), await world.nodes[B].puppet("b")
        await a.send(b, b"one")
        assert (await b.receive()).ipc == b"one"
        await b.send(a, b"two")
        assert (await a.receive()).ipc == b"two"
        # Bob has never dialled: nothing of the kind came to Alice's door.
        assert not world.nodes[A].links.accepted
        assert world.nodes[B].links.accepted == 1


async def test_a_large_payload_crosses_and_a_larger_one_comes_back_while_the_link_goes_on():
    """C-167."""
    async with linked_world(A, B) as world:
        a, b = await world.nodes[A].puppet(), await world.nodes[B].puppet("b")
        large = bytes(range(256)) * (10_000_000 // 256)
        await a.send(b, b"large", payload=Payload(None, large))
        assert (await b.receive()).payload() == Payload(None, large)
        error = await outcome(a.begin_ask(b, b"x" * (LARGEST + 1)))
        assert isinstance(error, SendError)
        assert (error.kind, error.reason) == (SendErrorKind.Timeout, Reason.too_large)
        await a.send(b, b"still here")
        assert (await b.receive()).ipc == b"still here"
        assert world.nodes[B].links.accepted == 1


@pytest.mark.parametrize("impostor", [A, B])
async def test_a_node_with_another_key_than_the_registered_one_is_refused(impostor):
    """C-166: the accepting side is found out by its certificate, the dialling one by its proof."""
    async with linked_world() as world:
        for name in (A, B):
            await world.boot(name, identity=identity_of("mallory.uq") if name == impostor else None)
        a, b = await world.nodes[A].puppet(), await world.nodes[B].puppet("b")
        error = await outcome(a.begin_ask(b))
        assert isinstance(error, SendError)
        assert (error.kind, error.reason, error.definite) == (
            SendErrorKind.Offline,
            Reason.link_refused,
            True,
        )
        assert await b.unread() == []


async def test_a_stopped_peer_is_offline_within_six_seconds_and_there_again_once_it_runs():
    """C-168."""
    async with linked_world(A, B) as world:
        a, b = await world.nodes[A].puppet(), await world.nodes[B].puppet("b")
        await a.send(b, b"first")
        assert (await b.receive()).ipc == b"first"
        await world.kill(B)
        with trio.fail_after(6):
            error = await outcome(a.begin_ask(b))
        assert isinstance(error, SendError)
        assert error.kind is SendErrorKind.Offline
        await world.boot(B)
        b = await world.nodes[B].puppet("b")
        asked = a.begin_ask(b, b"again")
        assert (await b.receive()).ipc == b"again"
        await b.respond(b"here")
        assert (await asked.result()).ipc == b"here"


async def test_an_open_link_does_not_hold_up_a_node_that_shuts_down():
    async with linked_world(A, B) as world:
        a, b = await world.nodes[A].puppet(), await world.nodes[B].puppet("b")
        await a.send(b, b"first")
        assert (await b.receive()).ipc == b"first"
        bob = world.nodes[B]
        await bob.listener.aclose()
        with trio.fail_after(1):
            await bob.door.drained.wait()
        await a.send(b, b"the link goes on meanwhile")
        assert (await b.receive()).ipc == b"the link goes on meanwhile"
