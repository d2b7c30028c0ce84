"""Messages to and from other nodes, with a puppet standing at net:sys:nectar (PROTOCOL 3.7, 4.2, 9.4)."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest
import trio

from kernel.address import Address
from kernel.capability import Capability
from kernel.errors import BadCapability
from kernel.mailbox import Limits
from kernel.message import KernelMessage, OnExit, Payload, Reason, Request, Response, SendError, SendErrorKind
from kernel.refusals import Refusal
from tests.support.kernel_node import NODE, KernelNode, Puppet, kernel_node

BOB = Address("bob.uq", "chat:chat:bob.uq")
UNREACHABLE = Refusal(SendErrorKind.Offline, Reason.node_unreachable, "bob is away")


@asynccontextmanager
async def linked():
    """A node with a carrier, and a process with the network capability."""
    async with kernel_node() as node:
        net = await node.system("net")
        yield node, net, await node.puppet("a", network=True, public=False)


def from_bob(
    node: KernelNode, target: Puppet, message: Request | Response, *, number: int = 77, payload=None
):
    rsvp = BOB if isinstance(message, Request) and message.expects_response is not None else None
    envelope = KernelMessage(number, BOB, target.address, rsvp, message, payload)
    return node.kernel.router.deliver_remote(envelope)


# -- going out


async def test_a_request_to_another_node_goes_to_the_carrier_as_it_is():
    async with linked() as (_, net, a):
        await a.send(BOB, b"hi", expects=60, payload=Payload("m", b"p"), metadata="md")
        envelope = (await net.receive()).envelope()
        assert (envelope.source, envelope.target, envelope.rsvp) == (a.address, BOB, a.address)
        assert envelope.message == Request(False, 60, b"hi", "md")
        assert envelope.payload == Payload("m", b"p")


async def test_the_answer_from_another_node_has_the_context():
    """C-035, C-036: what the other kernel wrote there is not looked at."""
    async with linked() as (node, net, a):
        await a.send(BOB, expects=60, context=b"mine")
        number = (await net.receive()).id
        answer = KernelMessage(number, BOB, a.address, None, Response(ipc=b"yes"), None, b"theirs")
        assert node.kernel.router.deliver_remote(answer) is None
        got = await a.receive()
        assert (got.ipc, got.context, got.source) == (b"yes", b"mine", BOB)


async def test_an_awaited_answer_from_another_node():
    async with linked() as (node, net, a):
        asked = a.begin_ask(BOB)
        number = (await net.receive()).id
        from_bob(node, a, Response(ipc=b"yes"), number=number, payload=Payload(None, b"p"))
        assert (await asked.result()).payload() == Payload(None, b"p")


@pytest.mark.parametrize("expects", [None, 60])
async def test_what_the_carrier_cannot_bring_comes_back_offline(expects):
    """C-052, F-21."""
    async with linked() as (node, net, a):
        await a.send(
            BOB, b"hi", expects=expects, context=b"c" if expects else None, payload=Payload(None, b"p")
        )
        envelope = (await net.receive()).envelope()
        node.kernel.router.undeliverable(envelope, UNREACHABLE, definite=True)
        with pytest.raises(SendError) as caught:
            await a.receive()
        error = caught.value
        assert (error.kind, error.reason, error.definite) == (
            SendErrorKind.Offline,
            Reason.node_unreachable,
            True,
        )
        assert (error.target, error.payload, error.message.ipc) == (BOB, Payload(None, b"p"), b"hi")
        assert error.context == (b"c" if expects else None)


async def test_a_refusal_of_the_peer_may_be_uncertain():
    async with linked() as (node, net, a):
        asked = a.begin_ask(BOB)
        envelope = (await net.receive()).envelope()
        lost = Refusal(SendErrorKind.Offline, Reason.node_unreachable, "lost on the way")
        node.kernel.router.undeliverable(envelope, lost, definite=False)
        with pytest.raises(SendError) as caught:
            await asked.result()
        assert caught.value.definite is False


async def test_each_request_has_one_outcome_whatever_the_carrier_says_later():
    """DESIGN 2: exactly one of answer, Timeout, Offline; the rest are dead letters."""
    async with linked() as (node, net, a):
        await a.send(BOB, expects=1)
        envelope = (await net.receive()).envelope()
        await trio.sleep(2)
        node.kernel.router.undeliverable(envelope, UNREACHABLE, definite=True)
        node.kernel.router.undeliverable(envelope, UNREACHABLE, definite=True)
        from_bob(node, a, Response(ipc=b"late"), number=envelope.id)
        [error] = await a.unread()
        assert error.reason is Reason.deadline_passed
        assert node.kernel.router.dead_letters.total == 3


async def test_a_response_that_cannot_be_brought_is_a_dead_letter():
    """PROTOCOL 3.7."""
    async with linked() as (node, net, a):
        from_bob(node, a, Request(expects_response=60))
        await a.receive()
        await a.respond(b"answer")
        envelope = (await net.receive()).envelope()
        assert (envelope.id, envelope.target, envelope.rsvp) == (77, BOB, None)
        node.kernel.router.undeliverable(envelope, UNREACHABLE, definite=True)
        assert await a.unread() == []
        assert [letter.message for letter in node.dead_letters()] == [envelope]


async def test_an_undeliverable_message_of_a_process_that_ended_is_a_dead_letter():
    async with linked() as (node, net, a):
        await a.send(BOB, b"one way")
        envelope = (await net.receive()).envelope()
        await node.kill(a)
        node.kernel.router.undeliverable(envelope, UNREACHABLE, definite=True)
        assert [letter.message for letter in node.dead_letters()] == [envelope]


@pytest.mark.parametrize("expects", [None, 60])
async def test_without_the_network_capability_nothing_goes_out(expects):
    """C-059."""
    async with linked() as (node, net, _):
        lone = await node.puppet("lone")
        assert not await lone.do(lambda calls: calls.can_message(BOB))
        await lone.send(BOB, expects=expects)
        with pytest.raises(SendError) as caught:
            await lone.receive()
        assert (caught.value.kind, caught.value.reason) == (SendErrorKind.Timeout, Reason.capability_missing)
        assert node.mailbox(net.pid) == 0
        assert any(line.verbosity == 0 and "network" in line.text for line in node.console.recent())


async def test_a_response_also_needs_the_network_capability():
    """PROTOCOL 4.2: solicited, but the network check stays."""
    async with linked() as (node, net, a):
        from_bob(node, a, Request(expects_response=60))
        await a.receive()
        await a.do(lambda calls: calls.drop_capabilities([Capability.network(NODE)]))
        await a.respond(b"answer")
        assert node.mailbox(net.pid) == 0
        assert [letter.message.message.ipc for letter in node.dead_letters()] == [b"answer"]


@pytest.mark.parametrize("expects", [None, 60])
async def test_without_a_carrier_every_other_node_is_offline(expects):
    """C-052."""
    async with kernel_node() as node:
        a = await node.puppet("a", network=True)
        await a.send(BOB, expects=expects)
        with pytest.raises(SendError) as caught:
            await a.receive()
        assert (caught.value.kind, caught.value.definite) == (SendErrorKind.Offline, True)


async def test_the_carrier_waits_for_its_restart():
    """A carrier in its back-off carries nothing: what it had not read comes back."""
    async with linked() as (node, net, a):
        net.finish()
        await node.settle()
        await a.send(BOB, b"unread", expects=60)
        net.finish()
        await node.settle()
        assert node.state(net) == "waiting"
        await a.send(BOB, b"no carrier", expects=60)
        unread, offline = await a.unread()
        assert (unread.reason, unread.definite) == (Reason.process_exited, True)
        assert offline.reason is Reason.node_unreachable


async def test_a_full_carrier_returns_the_message():
    async with kernel_node() as node:
        node.kernel.lifecycle.start(
            node.create("net:sys:nectar", _forever, limits=Limits(messages=1, bytes=10), network=True)
        )
        a = await node.puppet("a", network=True)
        await a.send(BOB, b"1")
        await a.send(BOB, b"2")
        await a.send(BOB, b"more than ten bytes")
        assert [error.reason for error in await a.unread()] == [Reason.mailbox_full, Reason.too_large]


async def test_a_response_that_a_full_carrier_does_not_take_is_a_dead_letter():
    """Its bytes count like those of every other message."""
    async with kernel_node() as node:
        node.kernel.lifecycle.start(
            node.create("net:sys:nectar", _forever, limits=Limits(bytes=10), network=True)
        )
        a = await node.puppet("a", network=True)
        for number in (1, 2):
            from_bob(node, a, Request(expects_response=60), number=number)
            await a.receive()
            await a.respond(b"12345", payload=Payload(None, b"1234"))
        assert [letter.message.id for letter in node.dead_letters()] == [2]
        assert node.mailbox(Address(NODE, "net:sys:nectar").process) == 1


async def _forever(our: Address) -> None:
    await trio.sleep_forever()


# -- coming in


async def test_another_node_needs_no_messaging_capability():
    """C-061: `a` is not public."""
    async with linked() as (node, _, a):
        assert from_bob(node, a, Request(ipc=b"hello"), payload=Payload(None, b"p")) is None
        message = await a.receive()
        assert (message.source, message.is_local(), message.payload()) == (BOB, False, Payload(None, b"p"))


async def test_the_answer_to_another_node_goes_through_the_carrier():
    async with linked() as (node, net, a):
        from_bob(node, a, Request(expects_response=60, ipc=b"q"), payload=Payload(None, b"p"))
        await a.receive()
        await a.respond(b"answer", inherit=True)
        envelope = (await net.receive()).envelope()
        assert (envelope.id, envelope.source, envelope.target) == (77, a.address, BOB)
        assert envelope.payload == Payload(None, b"p")


async def test_a_relayed_request_of_another_node_keeps_its_id_and_rsvp():
    """C-024, C-027 across nodes."""
    async with linked() as (node, net, a):
        c = await node.puppet("c", network=True)
        from_bob(node, a, Request(expects_response=60))
        await a.receive()
        await a.send(c, inherit=True)
        assert (await c.receive()).envelope().rsvp == BOB
        await c.respond(b"from c")
        envelope = (await net.receive()).envelope()
        assert (envelope.id, envelope.target, envelope.source) == (77, BOB, c.address)


@pytest.mark.parametrize("name", ["closed", "absent", "ended"])
async def test_a_message_that_is_not_taken_is_refused_to_its_node(name):
    """C-060, 9.4."""
    async with linked() as (node, _, _a):
        lone = await node.puppet("closed")
        ended = await node.puppet("ended", network=True, on_exit=OnExit.restart())
        for _ in range(2):
            ended.finish()
            await node.settle()
        target = {"closed": lone, "ended": ended, "absent": Puppet(node, Address(NODE, "no:no:no").process)}
        refusal = from_bob(node, target[name], Request(expects_response=1))
        assert refusal.kind is SendErrorKind.Timeout
        assert (
            refusal.reason
            is {
                "closed": Reason.capability_missing,
                "absent": Reason.no_such_process,
                "ended": Reason.process_exited,
            }[name]
        )
        assert node.mailbox(lone.pid) == 0


async def test_a_full_mailbox_refuses_another_node():
    async with linked() as (node, _, _a):
        b = await node.puppet("b", network=True, limits=Limits(messages=1, bytes=10))
        assert from_bob(node, b, Request(ipc=b"1")) is None
        assert from_bob(node, b, Request(ipc=b"2")).reason is Reason.mailbox_full
        assert from_bob(node, b, Request(), payload=Payload(None, b"x" * 11)).reason is Reason.too_large


async def test_other_nodes_fill_half_of_a_mailbox_and_ours_are_still_heard():
    async with linked() as (node, _, a):
        b = await node.puppet("b", network=True, limits=Limits(messages=8, bytes=100))
        refusals = [from_bob(node, b, Request(ipc=b"%d" % number)) for number in range(6)]
        assert [refusal is None for refusal in refusals] == [True] * 4 + [False] * 2
        assert "takes no more from other nodes (4 messages, 4 bytes)" in refusals[4].detail
        for _number in range(4):
            await a.send(b, b"ours")
        assert [message.ipc for message in await b.unread()] == [b"0", b"1", b"2", b"3"] + [b"ours"] * 4


async def test_a_message_of_another_node_may_be_larger_than_half_a_mailbox_but_not_two():
    async with linked() as (node, _, a):
        b = await node.puppet("b", network=True, limits=Limits(messages=8, bytes=100))
        assert from_bob(node, b, Request(ipc=b"x" * 80)) is None
        assert from_bob(node, b, Request(ipc=b"x")).reason is Reason.mailbox_full
        await a.send(b, b"ours")
        assert len(await b.unread()) == 2
        assert from_bob(node, b, Request(ipc=b"x" * 50)) is None
        assert from_bob(node, b, Request(ipc=b"x")).reason is Reason.mailbox_full


@pytest.mark.parametrize("by", ["the kernel", "the carrier"])
async def test_commands_from_another_node_are_ignored(by):
    """C-083."""
    async with kernel_node(commands=True) as node:
        a = await node.puppet("a", network=True)
        kernel = Address(NODE, "kernel:sys:nectar")
        kill = Request(expects_response=5, ipc=b'{"KillProcess":"a:test:test"}')
        refusal = node.kernel.router.deliver_remote(KernelMessage(77, BOB, kernel, BOB, kill))
        assert refusal.reason is Reason.capability_missing
        await node.settle()
        assert node.state(a) == "running"


async def test_a_stray_response_of_another_node_reaches_nobody():
    async with linked() as (node, net, a):
        b = await node.puppet("b", network=True)
        await b.send(BOB, expects=60)
        number = (await net.receive()).id
        from_bob(node, a, Response(ipc=b"not yours"), number=number)
        from_bob(node, a, Response(ipc=b"nobody's"), number=3)
        assert await a.unread() == []
        assert node.kernel.router.dead_letters.total == 2
        from_bob(node, b, Response(ipc=b"yours"), number=number)
        assert (await b.receive()).ipc == b"yours"


async def test_what_another_node_sent_to_a_process_that_ends_is_a_dead_letter():
    async with linked() as (node, _, a):
        from_bob(node, a, Request(expects_response=60, ipc=b"unread"))
        await node.kill(a)
        assert [letter.message.message.ipc for letter in node.dead_letters()] == [b"unread"]


# -- the carrier's own calls


async def test_the_carrier_delivers_and_gives_back_by_syscall():
    async with linked() as (_, net, a):
        envelope = KernelMessage(77, BOB, a.address, None, Request(ipc=b"in"))
        assert await net.do(lambda calls: calls.deliver_remote(envelope)) is None
        assert (await a.receive()).ipc == b"in"
        asked = a.begin_ask(BOB)
        out = (await net.receive()).envelope()
        await net.do(lambda calls: calls.give_back(out, UNREACHABLE, definite=False))
        with pytest.raises(SendError) as caught:
            await asked.result()
        assert (caught.value.detail, caught.value.definite) == ("bob is away", False)


async def test_nobody_but_the_carrier_may_say_what_came_from_another_node():
    async with linked() as (node, _, a):
        state = await node.system("state")
        envelope = KernelMessage(77, BOB, a.address, None, Request(ipc=b"forged"))
        for puppet in (a, state):
            with pytest.raises(BadCapability, match="net:sys:nectar"):
                await puppet.do(lambda calls: calls.deliver_remote(envelope))
            with pytest.raises(BadCapability, match="net:sys:nectar"):
                await puppet.do(lambda calls: calls.give_back(envelope, UNREACHABLE, definite=True))
        assert await a.unread() == []
