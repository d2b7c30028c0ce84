"""Single-stepping: messages wait for a person, and nothing else changes (docs/terminal.md, "Step by step")."""

from __future__ import annotations

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.debug import AskStepping, SteppingIs
from kernel.message import KernelMessage, Message, Payload, Reason, Request, SendError
from kernel.stepping import MOST_MESSAGES, turn_off, turn_on
from tests.kernel.test_inspection import look
from tests.kernel.test_kernel_commands import commanded
from tests.kernel.test_remote import BOB
from tests.support.kernel_node import NODE, KernelNode, Puppet, kernel_node
from tests.support.law_node import law_node


def step(node: KernelNode, count: int = 1) -> list[bytes]:
    stepping = node.kernel.router.stepping
    assert stepping is not None
    return [gone.message.ipc for gone in stepping.step(count)]


def held(node: KernelNode) -> list[bytes]:
    stepping = node.kernel.router.stepping
    assert stepping is not None
    return [envelope.message.ipc for envelope in stepping.next(100)]


def fill(node: KernelNode) -> None:
    """It holds as many messages as it may."""
    turn_on(node.kernel.router)
    node.kernel.router.stepping._held.extend([(None, 0, lambda: None)] * MOST_MESSAGES)


async def ipcs(puppet: Puppet) -> list[bytes]:
    found = await puppet.unread()
    assert all(isinstance(one, Message) for one in found), found
    return [one.ipc for one in found if isinstance(one, Message)]


async def test_requests_and_answers_go_on_one_at_a_time_in_the_order_in_which_they_were_sent():
    async with law_node() as (node, watched):
        a, b, c = await node.puppets("a", "b", "c")
        turn_on(node.kernel.router)
        turn_on(node.kernel.router)
        asked = a.begin_ask(b, b"question", payload=Payload("a/b", b"with it"))
        await node.settle()
        await c.send(b, b"told")
        await node.settle()
        assert held(node) == [b"question", b"told"]
        assert await b.unread() == []
        assert step(node) == [b"question"]
        await node.settle()
        message = await b.receive()
        assert message.payload() == Payload("a/b", b"with it")
        await b.respond(b"answer")
        assert held(node) == [b"told", b"answer"]
        assert step(node, 2) == [b"told", b"answer"]
        assert (await asked.result()).ipc == b"answer"
        assert await ipcs(b) == [b"told"]
        assert step(node) == []
        assert watched.verdict() is None


async def test_turned_off_it_lets_everything_go_and_holds_no_more():
    async with law_node() as (node, watched):
        a, b = await node.puppets("a", "b")
        assert turn_off(node.kernel.router) == []
        turn_on(node.kernel.router)
        for number in range(3):
            await a.send(b, b"%d" % number)
        assert [gone.message.ipc for gone in turn_off(node.kernel.router)] == [b"0", b"1", b"2"]
        await a.send(b, b"3")
        assert await ipcs(b) == [b"0", b"1", b"2", b"3"]
        assert watched.verdict() is None


async def test_modules_go_on_among_themselves_and_with_everybody_else():
    async with law_node() as (node, watched):
        module, other = await node.system("module", public=True), await node.system("other", public=True)
        a = await node.puppet("a")
        turn_on(node.kernel.router)
        asked = a.begin_ask(module, b"from a user")
        await node.settle()
        await other.send(module, b"from a module")
        await node.settle()
        assert await module.receive()
        await module.respond(b"at once")
        assert (await asked.result()).ipc == b"at once"
        assert await ipcs(module) == [b"from a module"]
        await module.send(a, b"to a user")
        assert held(node) == [b"to a user"]
        assert watched.verdict() is None


async def test_its_time_passes_while_a_request_is_held_and_it_is_delivered_all_the_same():
    async with law_node() as (node, watched):
        a, b = await node.puppets("a", "b")
        turn_on(node.kernel.router)
        asked = a.begin_ask(b, b"late", expects=2)
        await trio.sleep(3)
        with pytest.raises(SendError) as raised:
            await asked.result()
        assert raised.value.reason is Reason.deadline_passed
        step(node)
        assert await ipcs(b) == [b"late"]
        await b.respond(b"too late")
        step(node)
        assert [letter.message.message.ipc for letter in node.dead_letters()] == [b"too late"]
        await node.kill(b)
        assert watched.verdict() is None


async def test_what_is_held_for_one_that_ends_meanwhile_comes_back():
    async with law_node() as (node, watched):
        a, b = await node.puppets("a", "b")
        turn_on(node.kernel.router)
        asked = a.begin_ask(b, b"asked", expects=100)
        await node.settle()
        c = await node.puppet("c")
        await c.send(b, b"told")
        late = await node.puppet("late")
        given_up = late.begin_ask(b, b"given up", expects=1)
        await trio.sleep(2)
        with pytest.raises(SendError):
            await given_up.result()
        await node.kill(b)
        step(node, 3)
        with pytest.raises(SendError) as raised:
            await asked.result()
        assert raised.value.definite
        [told] = await c.unread()
        assert isinstance(told, SendError)
        assert told.reason is Reason.no_such_process
        assert [letter.message.message.ipc for letter in node.dead_letters()] == [b"given up"]
        assert watched.verdict() is None


async def test_what_one_had_sent_that_ended_meanwhile_arrives():
    async with law_node() as (node, watched):
        a, b, c = await node.puppets("a", "b", "c")
        asked = c.begin_ask(a, b"question", expects=100)
        await a.receive()
        turn_on(node.kernel.router)
        await a.send(b, b"told")
        await a.respond(b"answer")
        await node.kill(a)
        step(node, 2)
        assert await ipcs(b) == [b"told"]
        assert (await asked.result()).ipc == b"answer"
        assert watched.verdict() is None


async def test_a_relay_that_is_held_does_not_end_with_the_one_that_relayed():
    async with law_node() as (node, watched):
        a, b, c = await node.puppets("a", "b", "c")
        asked = a.begin_ask(b, b"question", expects=100)
        await b.receive()
        turn_on(node.kernel.router)
        await b.send(c, b"relayed", inherit=True)
        await node.kill(b)
        step(node)
        await c.receive()
        turn_off(node.kernel.router)
        await c.respond(b"answer")
        assert (await asked.result()).ipc == b"answer"
        assert watched.verdict() is None


async def test_the_rights_of_a_message_are_those_of_its_send():
    async with law_node() as (node, watched):
        b = await node.puppet("b", public=False)
        a = await node.puppet("a", may_message=[b])
        turn_on(node.kernel.router)
        await a.send(b, b"may")
        await a.do(
            lambda calls: calls.drop_capabilities([calls.get_capability(b.address, '"messaging"').unsigned()])
        )
        await a.send(b, b"may not")
        step(node)
        assert await ipcs(b) == [b"may"]
        [refused] = await a.unread()
        assert isinstance(refused, SendError)
        assert refused.reason is Reason.capability_missing
        assert watched.verdict() is None


async def test_it_holds_no_more_than_it_can():
    async with kernel_node() as node:
        a, b = await node.puppets("a", "b")
        fill(node)
        await a.send(b, b"one more")
        [refused] = await a.unread()
        assert isinstance(refused, SendError)
        assert refused.reason is Reason.mailbox_full
        assert "`step off`" in str(refused)


async def test_an_answer_for_which_there_is_no_room_goes_on_at_once():
    async with kernel_node() as node:
        a, b = await node.puppets("a", "b")
        asked = a.begin_ask(b, b"question", expects=100)
        await b.receive()
        fill(node)
        await b.respond(b"answer")
        assert (await asked.result()).ipc == b"answer"


async def test_a_paced_sender_with_a_window_waits_while_it_is_full():
    async with law_node() as (node, watched):
        a, b = await node.puppets("a", "b")
        turn_on(node.kernel.router)
        told = [
            a.begin(lambda calls, n=n: calls.send_paced(b.address, Request(ipc=b"%d" % n), window=2))
            for n in range(3)
        ]
        await node.settle()
        assert [one.done.is_set() for one in told] == [True, True, False]
        turn_off(node.kernel.router)
        await b.receive()
        await node.settle()
        assert told[2].done.is_set()
        assert watched.verdict() is None


async def test_what_comes_from_other_nodes_is_held_too_and_verified_when_it_goes_on():
    async with kernel_node() as node:
        a, gone = await node.puppet("a", network=True), await node.puppet("gone", network=True)
        turn_on(node.kernel.router)
        for number, to in enumerate((a, gone)):
            envelope = KernelMessage(number, BOB, to.address, None, Request(ipc=b"to %d" % number), None)
            assert node.kernel.router.deliver_remote(envelope) is None
        assert await a.unread() == []
        await node.kill(gone)
        step(node, 2)
        assert await ipcs(a) == [b"to 0"]
        assert [letter.message.message.ipc for letter in node.dead_letters()] == [b"to 1"]


async def test_a_stop_of_the_node_lets_everything_go():
    async with law_node() as (node, watched):
        a, b = await node.puppets("a", "b")
        turn_on(node.kernel.router)
        asked = a.begin_ask(b, b"question", expects=100)
        await node.settle()
        await node.kernel.stop()
        assert asked.done.is_set()
        assert watched.verdict() is None


async def test_who_steps_sees_what_goes_on_and_what_comes_next():
    async with commanded() as (node, operator):
        a, b = await node.puppets("a", "b")
        assert await look(operator, AskStepping()) == SteppingIs(False, (), 0, ())
        assert await look(operator, AskStepping(on=True)) == SteppingIs(True, (), 0, ())
        for number in range(8):
            await a.send(b, b"%d" % number)
        found = await look(operator, AskStepping(step=2))
        assert ([one.ipc for one in found.gone], found.held) == (["0", "1"], 6)
        assert [(one.ipc, one.source, one.target) for one in found.next] == [
            (str(number), f"{NODE}@a:test:test", f"{NODE}@b:test:test") for number in range(2, 7)
        ]
        found = await look(operator, AskStepping(on=False))
        assert (found.on, len(found.gone), found.held) == (False, 6, 0)
        assert await ipcs(b) == [b"%d" % number for number in range(8)]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.sampled_from("ab"), st.sampled_from("ab")),
        st.tuples(st.just("step"), st.integers(0, 3), st.none()),
        st.tuples(st.just("on"), st.none(), st.none()),
        st.tuples(st.just("off"), st.none(), st.none()),
    ),
    max_size=30,
)


@settings(deadline=None)
@given(STEPS)
async def test_however_somebody_steps_everything_arrives_once_and_in_order(steps):
    async with law_node() as (node, watched):
        puppets = dict(zip("ab", await node.puppets("a", "b"), strict=True))
        sent: dict[str, list[bytes]] = {"a": [], "b": []}
        router = node.kernel.router
        for number, (what, one, other) in enumerate(steps):
            match what:
                case "send":
                    sent[other].append(b"%d" % number)
                    await puppets[one].send(puppets[other], b"%d" % number)
                case "step" if router.stepping is not None:
                    router.stepping.step(one)
                case "on":
                    turn_on(router)
                case "off":
                    turn_off(router)
        turn_off(router)
        for name, puppet in puppets.items():
            assert await ipcs(puppet) == sent[name]
        assert watched.verdict() is None
