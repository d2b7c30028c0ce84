"""Lineage: ids, answers, contexts (PROTOCOL 3.1, 3.3-3.6)."""

from __future__ import annotations

import pytest
import trio

from kernel.address import Address
from kernel.errors import AlreadyResponded, NoPromptingMessage
from kernel.events import EventKind
from kernel.kernel import BadNodeName
from kernel.message import Reason, Request, SendError
from runtime.sim.chance import SeededChance
from tests.support.kernel_node import NODE, kernel_node, make_kernel


def request(seconds: int = 60) -> Request:
    return Request(expects_response=seconds)


@pytest.mark.parametrize("node", ["our", "", "a b", "a@b", "a/b", "ü"])
def test_a_node_has_a_safe_name_that_is_not_our(node):
    """C-011."""
    with pytest.raises(BadNodeName, match="cannot be called"):
        make_kernel(node=node)


async def test_our_as_a_node_means_the_node_itself():
    """C-010."""
    async with kernel_node() as node:
        a, b, _ = await node.puppets("a", "b", "c")
        await a.send(Address("our", b.pid), b"hello")
        message = await b.receive()
        assert (message.source, message.target) == (a.address, b.address)
        assert message.source.node == NODE


async def test_a_later_name_of_a_module_reaches_it():
    """C-012."""
    async with kernel_node() as node:
        a = await node.puppet("a")
        server = await node.system("http_server", public=True)
        await a.send(Address("our", "http-server:distro:sys"), b"hello")
        assert (await server.receive()).target == server.address


async def test_a_literal_process_of_the_later_name_comes_first():
    """C-012."""
    async with kernel_node() as node:
        a = await node.puppet("a")
        server = await node.system("http_server", public=True)
        literal = await node.puppet("http-server:distro:sys")
        await a.send(literal, b"hello")
        assert (await literal.receive()).ipc == b"hello"
        assert node.mailbox(server.pid) == 0


# -- the table of 3.1


@pytest.mark.parametrize("prompted", [False, True])
async def test_row_1_a_plain_request_has_a_fresh_id_and_no_rsvp(prompted):
    """C-023, C-030."""
    async with kernel_node() as node:
        a, b, c = await node.puppets("a", "b", "c")
        first = None
        if prompted:
            await a.send(b, b"first", expects=60)
            first = await b.receive()
        await b.send(c)
        seen = (await c.receive()).envelope()
        assert seen.rsvp is None
        assert seen.id not in {0, first and first.id}


async def test_row_2_a_request_that_expects_opens_an_id_with_our_rsvp():
    """C-023, C-029."""
    async with kernel_node() as node:
        a, b, c = await node.puppets("a", "b", "c")
        await a.send(b, expects=60)
        prompting = await b.receive()
        await b.send(c, expects=60)
        seen = (await c.receive()).envelope()
        assert seen.rsvp == b.address
        assert seen.id != prompting.id


@pytest.mark.parametrize("expects", [None, 60])
async def test_rows_3_and_6_inheriting_from_nothing_is_a_fresh_id(expects):
    """C-026."""
    async with kernel_node() as node:
        _, b, c = await node.puppets("a", "b", "c")
        await b.send(c, inherit=True, expects=expects)
        seen = (await c.receive()).envelope()
        assert seen.id != 0
        assert seen.rsvp == (None if expects is None else b.address)


async def test_row_4_a_relay_of_a_plain_request_keeps_its_id():
    """C-024."""
    async with kernel_node() as node:
        a, b, c = await node.puppets("a", "b", "c")
        await a.send(b)
        prompting = await b.receive()
        await b.send(c, inherit=True)
        seen = (await c.receive()).envelope()
        assert (seen.id, seen.rsvp, seen.source) == (prompting.id, None, b.address)


async def test_row_5_a_relay_keeps_id_and_rsvp():
    """C-024."""
    async with kernel_node() as node:
        a, b, c = await node.puppets("a", "b", "c")
        await a.send(b, expects=60)
        prompting = await b.receive()
        await b.send(c, inherit=True)
        seen = (await c.receive()).envelope()
        assert (seen.id, seen.rsvp, seen.source) == (prompting.id, a.address, b.address)


@pytest.mark.parametrize("first_expects", [None, 60])
async def test_row_7_inherit_and_expect_is_a_fresh_id_with_our_rsvp(first_expects):
    """C-025, F-10."""
    async with kernel_node() as node:
        a, b, c = await node.puppets("a", "b", "c")
        await a.send(b, expects=first_expects)
        prompting = await b.receive()
        await b.send(c, inherit=True, expects=60)
        seen = (await c.receive()).envelope()
        assert seen.id != prompting.id
        assert seen.rsvp == b.address


async def test_the_ids_of_a_thousand_open_requests_differ():
    """C-023."""
    async with kernel_node() as node:
        a, b, _ = await node.puppets("a", "b", "c")
        for _ in range(1000):
            await a.begin(lambda calls: calls.send_request(b.address, request())).result()
        ids = [event.message.id for event in node.seen(EventKind.APPENDED, b) if event.message]
        assert len(dict.fromkeys(ids)) == 1000
        assert 0 not in ids


class PoorChance(SeededChance):
    """Draws nothing but 0, 1, 2 and 3."""

    def bits(self, label: str, n: int) -> int:
        if label != "message ids":
            return super().bits(label, n)
        return int.from_bytes(b"".join(bytes([number % 4]) + bytes(7) for number in range(n // 64)), "little")


async def test_an_id_that_is_open_is_not_used_again_however_poor_the_chance():
    """C-023: never 0, never one that is open."""
    async with kernel_node(chance=PoorChance(1)) as node:
        a, b = await node.puppets("a", "b")
        for _ in range(2):
            await a.send(b, expects=60)
        for _ in range(5):
            await a.send(b)
        ids = [message.id for message in await b.unread()]
        assert len(dict.fromkeys(ids[:2])) == 2
        assert 0 not in ids
        assert not [number for number in ids[2:] if number in ids[:2]]


# -- answers and contexts


async def test_the_answer_to_a_relay_goes_to_the_origin_with_its_id_and_context():
    """C-027, C-028."""
    async with kernel_node() as node:
        a, b, c = await node.puppets("a", "b", "c")
        await a.send(b, b"question", expects=60, context=b"mine")
        asked = await b.receive()
        await b.send(c, b"passed on", inherit=True)
        await c.receive()
        await c.respond(b"answer")
        answer = await a.receive()
        assert (answer.ipc, answer.id, answer.context) == (b"answer", asked.id, b"mine")
        assert answer.source == c.address
        assert node.mailbox(b.pid) == 0


async def test_a_chain_of_relays_answers_the_origin():
    """C-027."""
    async with kernel_node() as node:
        a, b, c = await node.puppets("a", "b", "c")
        d = await node.puppet("d")
        asked = a.begin_ask(b)
        for here, there in ((b, c), (c, d)):
            await here.receive()
            await here.send(there, inherit=True)
        await d.receive()
        await d.respond(b"deep")
        assert (await asked.result()).ipc == b"deep"


async def test_a_context_comes_back_with_the_error():
    """C-035."""
    async with kernel_node() as node:
        a, b, _ = await node.puppets("a", "b", "c")
        await a.send(b, expects=1, context=b"kept")
        await trio.sleep(2)
        with pytest.raises(SendError) as caught:
            await a.receive()
        assert caught.value.context == b"kept"
        assert caught.value.reason is Reason.deadline_passed
        assert caught.value.definite is False


async def test_a_context_without_an_expected_answer_is_lost_with_a_word():
    """PROTOCOL 3.1."""
    async with kernel_node() as node:
        a, b, _ = await node.puppets("a", "b", "c")
        await a.send(b, context=b"lost")
        assert (await b.receive()).context is None
        assert any(line.verbosity == 1 and "context" in line.text for line in node.console.recent())


async def test_a_requester_never_sees_a_context_of_the_responder():
    """C-036: the kernel fills the context from its own table."""
    async with kernel_node() as node:
        a, b, _ = await node.puppets("a", "b", "c")
        await a.send(b, expects=60)
        await b.receive()
        await b.respond(b"x")
        assert (await a.receive()).context is None


async def test_a_response_to_nothing_raises_and_sends_nothing():
    """C-037."""
    async with kernel_node() as node:
        a = await node.puppet("a")
        with pytest.raises(NoPromptingMessage):
            await a.respond(b"x")
        assert not node.seen(EventKind.APPENDED)


async def test_a_second_response_raises_and_sends_nothing():
    """C-038."""
    async with kernel_node() as node:
        a, b, _ = await node.puppets("a", "b", "c")
        await a.send(b, expects=60)
        await b.receive()
        await b.respond(b"one")
        with pytest.raises(AlreadyResponded):
            await b.respond(b"two")
        assert [m.ipc for m in await a.unread()] == [b"one"]
        assert not node.dead_letters()


async def test_a_response_nobody_expects_reaches_nobody():
    """C-039."""
    async with kernel_node() as node:
        a, b, _ = await node.puppets("a", "b", "c")
        await a.send(b)
        await b.receive()
        await b.respond(b"unasked")
        assert await a.unread() == []
        assert [letter.message.message.ipc for letter in node.dead_letters()] == [b"unasked"]
        assert any(line.verbosity == 1 and "expects none" in line.text for line in node.console.recent())


async def test_one_responder_of_a_relayed_request_is_heard():
    """C-038 across a relay: whoever answers first settles the id, the other is counted."""
    async with kernel_node() as node:
        a, b, c = await node.puppets("a", "b", "c")
        await a.send(b, expects=60)
        await b.receive()
        await b.send(c, inherit=True)
        await b.respond(b"first")
        await c.receive()
        await c.respond(b"second")
        assert [m.ipc for m in await a.unread()] == [b"first"]
        assert [letter.message.message.ipc for letter in node.dead_letters()] == [b"second"]


async def test_the_prompting_request_is_back_after_ones_own_answer():
    """C-046."""
    async with kernel_node() as node:
        a, b, c = await node.puppets("a", "b", "c")
        await a.send(b, b"original", expects=60)
        await b.receive()
        await b.send(c, expects=60)
        await c.receive()
        await c.respond()
        await b.receive()
        await b.respond(b"late but right")
        assert (await a.receive()).ipc == b"late but right"


async def test_after_an_answer_without_snapshot_there_is_nothing_to_respond_to():
    """PROTOCOL 3.4: prompting is never a Response."""
    async with kernel_node() as node:
        _, b, c = await node.puppets("a", "b", "c")
        await b.send(c, expects=60)
        await c.receive()
        await c.respond()
        await b.receive()
        with pytest.raises(NoPromptingMessage):
            await b.respond()


async def test_the_prompting_request_is_back_after_an_error():
    """C-046, PROTOCOL 3.4."""
    async with kernel_node() as node:
        a, b, c = await node.puppets("a", "b", "c")
        await a.send(b, expects=60)
        await b.receive()
        await b.send(c, expects=1)
        await a.send(b, b"another")
        await trio.sleep(2)
        assert (await b.receive()).ipc == b"another"
        with pytest.raises(SendError):
            await b.receive()
        await b.respond(b"to the first")
        assert (await a.receive()).ipc == b"to the first"
