"""Which payload an outgoing message carries, and which one a process sees (PROTOCOL 3.2, 3.4)."""

from __future__ import annotations

import pytest
import trio

from kernel.address import Address
from kernel.errors import StateError
from kernel.message import OnExit, Payload, Reason, SendError
from tests.support.kernel_node import KernelNode, Puppet, kernel_node
from tests.support.shelf import Code

OLD, NEW = Payload("text/old", b"old"), Payload(None, b"new")


async def served(node: KernelNode, given: Payload | None = OLD) -> tuple[Puppet, Puppet, Puppet]:
    """a, b, c, where b has received a Request of a with the payload."""
    a, b, c = await node.puppet("a"), await node.puppet("b"), await node.puppet("c")
    await a.send(b, expects=60, payload=given)
    await b.receive()
    return a, b, c


@pytest.mark.parametrize(
    ("explicit", "inherit", "sent"),
    [(NEW, False, NEW), (NEW, True, NEW), (None, True, OLD), (None, False, None)],
)
@pytest.mark.parametrize("expects", [None, 60])
async def test_the_payload_of_a_request(explicit, inherit, sent, expects):
    """C-031, C-032, and the table of 3.2."""
    async with kernel_node() as node:
        _, b, c = await served(node)
        await b.send(c, inherit=inherit, payload=explicit, expects=expects)
        assert (await c.receive()).payload() == sent
        assert await c.payload() == sent


@pytest.mark.parametrize(
    ("explicit", "inherit", "sent"),
    [(NEW, False, NEW), (NEW, True, NEW), (None, True, OLD), (None, False, None)],
)
async def test_the_payload_of_a_response(explicit, inherit, sent):
    """C-033, F-11."""
    async with kernel_node() as node:
        a, b, _ = await served(node)
        await b.respond(inherit=inherit, payload=explicit)
        assert (await a.receive()).payload() == sent


async def test_an_empty_payload_is_a_payload():
    async with kernel_node() as node:
        _, b, c = await served(node)
        await b.send(c, inherit=True, payload=Payload())
        assert (await c.receive()).payload() == Payload(None, b"")


async def test_an_awaited_answer_is_what_an_inheriting_response_carries():
    """C-034: the file's bytes flow through."""
    async with kernel_node() as node:
        a, b, c = await served(node)
        asked = b.begin_ask(c)
        await c.receive()
        await c.respond(payload=NEW)
        await asked.result()
        await b.respond(inherit=True)
        assert (await a.receive()).payload() == NEW


async def test_a_message_without_payload_hides_the_older_one():
    """C-044, F-14."""
    async with kernel_node() as node:
        a, b, _ = await served(node)
        await a.send(b)
        await b.receive()
        assert await b.payload() is None
        assert await b.do(lambda calls: calls.last_payload()) == OLD


async def test_inheriting_after_a_message_without_payload_carries_none():
    """C-031: that of the last delivered message, which had none."""
    async with kernel_node() as node:
        a, b, c = await served(node)
        await a.send(b)
        await b.receive()
        await b.send(c, inherit=True)
        assert (await c.receive()).payload() is None


async def test_asking_for_the_payload_takes_nothing_away():
    async with kernel_node() as node:
        _, b, _ = await served(node)
        assert [await b.payload(), await b.payload()] == [OLD, OLD]


@pytest.mark.parametrize("awaited", [False, True])
async def test_an_error_hides_the_payload_and_gives_back_the_failed_one(awaited):
    """F-16."""
    async with kernel_node() as node:
        _, b, c = await served(node)
        if not awaited:
            await b.send(c, expects=1, payload=NEW)
        with pytest.raises(SendError) as caught:
            await (b.ask(c, expects=1, payload=NEW) if awaited else b.receive())
        assert caught.value.payload == NEW
        assert await b.payload() is None
        assert await b.do(lambda calls: calls.last_payload()) == OLD


async def test_a_late_answer_changes_no_payload():
    """F-14, F-15."""
    async with kernel_node() as node:
        a, b, c = await served(node)
        await b.send(c, expects=1)
        await trio.sleep(2)
        with pytest.raises(SendError):
            await b.receive()
        await a.send(b, payload=OLD)
        await b.receive()
        await c.receive()
        await c.respond(payload=NEW)
        assert await b.payload() == OLD


@pytest.mark.parametrize("call", ["get_state", "set_state", "clear_state", "spawn"])
async def test_internal_exchanges_touch_neither_prompting_message_nor_payload_nor_queue(call):
    """C-045, F-17."""
    async with kernel_node() as node:
        a, b, _ = await served(node)
        state = await node.system("state")
        await a.send(b, b"queued")
        if call == "spawn":
            node.programs.at["/child.py"] = Code(_idle)
            doing = b.begin(lambda calls: calls.spawn("child", "/child.py", OnExit.none()))
        else:
            arguments = (b"state",) if call == "set_state" else ()
            doing = b.begin(lambda calls: getattr(calls, call)(*arguments))
            asked = await state.receive()
            assert (asked.source, asked.expects_response) == (b.address, 5)
            names = {"get_state": "GetState", "set_state": "SetState", "clear_state": "DeleteState"}
            assert asked.ipc == f'{{"{names[call]}":"{b.pid}"}}'.encode()
            assert asked.payload() == (Payload(None, b"state") if arguments else None)
            await state.respond(f'"{names[call]}"'.encode(), payload=NEW)
        await doing.result()
        assert await b.payload() == OLD
        await b.respond(b"to a")
        assert (await a.receive()).ipc == b"to a"
        assert (await b.receive()).ipc == b"queued"


async def test_state_that_is_not_there_is_none_and_empty_state_is_not():
    async with kernel_node() as node:
        b = await node.puppet("b")
        state = await node.system("state")
        answers = (
            (b'{"Err":{"NotFound":null}}', None, None),
            (b'"GetState"', Payload(), b""),
            (b'"GetState"', None, b""),
            (b'"GetState"', NEW, b"new"),
        )
        for ipc, payload, expected in answers:
            doing = b.begin(lambda calls: calls.get_state())
            await state.receive()
            await state.respond(ipc, payload=payload)
            assert await doing.result() == expected


@pytest.mark.parametrize("call", ["get_state", "set_state", "clear_state"])
@pytest.mark.parametrize("answer", [b'{"Err":"NoCap"}', b"[]", b'"Else"'])
async def test_a_refusal_of_the_state_module_is_an_error_that_says_so(call, answer):
    async with kernel_node() as node:
        b = await node.puppet("b")
        state = await node.system("state")
        arguments = (b"x",) if call == "set_state" else ()
        doing = b.begin(lambda calls: getattr(calls, call)(*arguments))
        await state.receive()
        await state.respond(answer)
        with pytest.raises(StateError):
            await doing.result()


async def test_a_silent_state_module_times_out_after_five_seconds():
    """PROTOCOL 3.6."""
    async with kernel_node() as node:
        b = await node.puppet("b")
        await node.system("state")
        started = trio.current_time()
        with pytest.raises(SendError):
            await b.do(lambda calls: calls.get_state())
        assert trio.current_time() - started == pytest.approx(5)


async def test_without_a_state_module_the_call_fails_at_once():
    async with kernel_node() as node:
        b = await node.puppet("b")
        with pytest.raises(SendError) as caught:
            await b.do(lambda calls: calls.set_state(b"x"))
        assert caught.value.reason is Reason.no_such_process
        assert await b.unread() == []


async def test_a_state_module_that_answers_rubbish_does_not_end_its_caller():
    """C-172 for what the kernel itself parses."""
    async with kernel_node() as node:
        b = await node.puppet("b")
        state = await node.system("state")
        doing = b.begin(lambda calls: calls.get_state())
        await state.receive()
        await state.respond(b"\xff{")
        with pytest.raises(StateError):
            await doing.result()


async def _idle(our: Address) -> None:
    await trio.sleep_forever()
