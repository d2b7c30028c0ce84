"""Awaiting one answer, and time limits (PROTOCOL 3.5, 3.6)."""

from __future__ import annotations

import gc
import weakref

import pytest
import trio

from kernel.address import Address
from kernel.errors import SelfRequest
from kernel.message import Payload, Request, SendError, SendErrorKind
from tests.support.kernel_node import NODE, kernel_node


def request(seconds: int = 60) -> Request:
    return Request(expects_response=seconds)


async def test_what_comes_while_awaiting_is_received_later_in_order():
    """C-040."""
    async with kernel_node() as node:
        a, b, c = await node.puppets("a", "b", "c")
        asked = a.begin_ask(b)
        await c.send(a, b"1")
        await b.send(a, b"2")
        await c.send(a, b"3")
        await b.receive()
        await b.respond(b"answer")
        assert (await asked.result()).ipc == b"answer"
        assert [m.ipc for m in await a.unread()] == [b"1", b"2", b"3"]


async def test_answers_in_reverse_order_reach_the_tasks_that_asked():
    """C-041."""
    async with kernel_node() as node:
        a, b, c = await node.puppets("a", "b", "c")
        got: list[tuple[bytes, bytes]] = []

        async def two(calls):
            async def one(target):
                answer = await calls.send_and_await_response(target, request())
                got.append((answer.source.process.process.encode(), answer.ipc))

            async with trio.open_nursery() as nursery:
                nursery.start_soon(one, b.address)
                nursery.start_soon(one, c.address)

        doing = a.begin(two)
        await b.receive()
        await c.receive()
        await c.respond(b"from c")
        await b.respond(b"from b")
        await doing.result()
        assert got == [(b"c", b"from c"), (b"b", b"from b")]


async def test_what_an_answered_request_carried_goes_without_the_garbage_collector():
    async with kernel_node() as node:
        a, b = await node.puppets("a", "b")
        carried: list[weakref.ref[Payload]] = []

        async def ask(calls):
            payload = Payload(None, b"large")
            carried.append(weakref.ref(payload))
            await calls.send_and_await_response(b.address, request(), payload)

        gc.disable()
        try:
            for _ in range(3):
                doing = a.begin(ask)
                await b.receive()
                await b.respond(b"answer")
                await doing.result()
            node.events.clear()
            assert carried[0]() is None
        finally:
            gc.enable()


async def test_an_answer_after_its_timeout_is_never_delivered():
    """C-042."""
    async with kernel_node() as node:
        a, b, _ = await node.puppets("a", "b", "c")
        await a.send(b, expects=1)
        await b.receive()
        await trio.sleep(1.5)
        await b.respond(b"late")
        [error] = await a.unread()
        assert isinstance(error, SendError)
        assert [letter.message.message.ipc for letter in node.dead_letters()] == [b"late"]


async def test_an_answer_in_the_mailbox_of_a_busy_process_beats_its_timeout():
    """C-043, F-19."""
    async with kernel_node() as node:
        a, b, _ = await node.puppets("a", "b", "c")
        await a.send(b, expects=1)
        await b.receive()
        await b.respond(b"in time")
        await trio.sleep(10)
        assert [m.ipc for m in await a.unread()] == [b"in time"]


async def test_a_request_that_comes_home_with_the_awaited_id_is_no_answer():
    """C-047, F-13."""
    async with kernel_node() as node:
        a, b, _ = await node.puppets("a", "b", "c")
        asked = a.begin_ask(b, b"boomerang")
        await b.receive()
        await b.send(a, b"back to you", inherit=True)
        assert not asked.done.is_set()
        await b.respond(b"answer")
        assert (await asked.result()).ipc == b"answer"
        assert (await a.receive()).ipc == b"back to you"


async def test_a_process_may_answer_its_own_request_that_came_home():
    """F-13: an id that is open at home is settled by whoever answers it."""
    async with kernel_node() as node:
        a, b, _ = await node.puppets("a", "b", "c")
        await a.send(b, b"boomerang", expects=60)
        await b.receive()
        await b.send(a, b"back to you", inherit=True)
        assert (await a.receive()).ipc == b"back to you"
        await a.respond(b"my own")
        assert (await a.receive()).ipc == b"my own"


@pytest.mark.parametrize("node_name", [NODE, "our"])
async def test_awaiting_oneself_raises_at_once(node_name):
    """C-048."""
    async with kernel_node() as node:
        a = await node.puppet("a")
        with pytest.raises(SelfRequest):
            await a.ask(Address(node_name, a.pid))
        assert node.mailbox(a.pid) == 0


async def test_awaiting_needs_a_time_limit():
    """PROTOCOL 3.5."""
    async with kernel_node() as node:
        a, b, _ = await node.puppets("a", "b", "c")
        with pytest.raises(ValueError, match="expects_response"):
            await a.ask(b, expects=None)
        assert node.mailbox(b.pid) == 0


@pytest.mark.parametrize("seconds", [0, 1, 7])
async def test_a_silent_target_times_out_when_the_time_is_up(seconds):
    """C-049."""
    async with kernel_node() as node:
        a, b, _ = await node.puppets("a", "b", "c")
        started = trio.current_time()
        with pytest.raises(SendError) as caught:
            await a.ask(b, b"well?", expects=seconds)
        assert trio.current_time() - started == pytest.approx(seconds)
        assert (caught.value.kind, caught.value.definite) == (SendErrorKind.Timeout, False)
        assert (caught.value.message.ipc, caught.value.message.source) == (b"well?", b.address)


async def test_many_requests_at_once_go_in_order():
    async with kernel_node() as node:
        a, b, c = await node.puppets("a", "b", "c")
        outgoing = [(t.address, request(), None, None) for t in (b, c, b)]
        await a.do(lambda calls: calls.send_requests(outgoing))
        assert (node.mailbox(b.pid), node.mailbox(c.pid)) == (2, 1)


async def test_an_await_that_is_given_up_leaves_nothing_behind():
    """The answer that comes later is a late one, and no error follows."""
    async with kernel_node() as node:
        a, b, _ = await node.puppets("a", "b", "c")

        async def impatient(calls):
            with trio.move_on_after(1):
                await calls.send_and_await_response(b.address, request())

        await a.do(impatient)
        await b.receive()
        await b.respond(b"late")
        await trio.sleep(100)
        assert await a.unread() == []
        assert len(node.dead_letters()) == 1
