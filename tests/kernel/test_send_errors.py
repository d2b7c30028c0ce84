"""What comes back, why, and what becomes of what cannot (PROTOCOL 0.4, 3.7)."""

from __future__ import annotations

import pytest
import trio

from kernel.address import Address
from kernel.capability import Capability
from kernel.mailbox import Limits
from kernel.message import Payload, Reason, Request, SendError, SendErrorKind
from tests.support.kernel_node import NODE, KernelNode, Puppet, kernel_node

GONE = Address(NODE, "gone:test:test")


async def error_of(puppet: Puppet) -> SendError:
    with pytest.raises(SendError) as caught:
        await puppet.receive()
    return caught.value


async def pair(node: KernelNode, **given) -> tuple[Puppet, Puppet]:
    return await node.puppet("a"), await node.puppet("b", **given)


@pytest.mark.parametrize("expects", [None, 60])
async def test_a_request_to_nobody_comes_back_at_once(expects):
    """C-050."""
    async with kernel_node() as node:
        a = await node.puppet("a")
        started = trio.current_time()
        await a.send(GONE, b"hello", expects=expects, payload=Payload(None, b"bytes"))
        error = await error_of(a)
        assert trio.current_time() == started
        assert (error.kind, error.reason) == (SendErrorKind.Timeout, Reason.no_such_process)
        assert (error.target, error.message.source, error.message.ipc) == (GONE, GONE, b"hello")
        assert error.message.is_request()
        assert error.payload == Payload(None, b"bytes")
        assert error.definite
        assert str(GONE.process) in error.detail


async def test_an_awaited_request_to_nobody_raises_at_once():
    """C-050."""
    async with kernel_node() as node:
        a = await node.puppet("a")
        started = trio.current_time()
        with pytest.raises(SendError) as caught:
            await a.ask(GONE)
        assert trio.current_time() == started
        assert caught.value.reason is Reason.no_such_process


@pytest.mark.parametrize("expects", [None, 60])
async def test_a_missing_capability_is_named_with_both_ids(expects):
    """C-051, C-057."""
    async with kernel_node() as node:
        a, b = await pair(node, public=False)
        started = trio.current_time()
        await a.send(b, expects=expects)
        error = await error_of(a)
        assert trio.current_time() == started
        assert (error.kind, error.reason, error.definite) == (
            SendErrorKind.Timeout,
            Reason.capability_missing,
            True,
        )
        printed = [line.text for line in node.console.recent() if line.verbosity == 0]
        assert [error.detail] == printed
        for part in (str(a.pid), str(b.pid), "messaging", "request_capabilities"):
            assert part in error.detail
        assert node.mailbox(b.pid) == 0


async def test_a_process_that_never_receives_stops_nobody_else():
    """C-053."""
    async with kernel_node() as node:
        a, b = await pair(node)
        await node.puppet("deaf")
        for _ in range(200):
            a.begin(lambda calls: calls.send_request(Address(NODE, "deaf:test:test"), Request()))
        asked = a.begin_ask(b)
        await b.receive()
        await b.respond(b"fine")
        assert (await asked.result()).ipc == b"fine"


async def test_an_answer_fits_a_full_mailbox():
    """C-054."""
    async with kernel_node() as node:
        a = await node.puppet("a", limits=Limits(messages=2, bytes=10))
        b = await node.puppet("b")
        await a.send(b, expects=60)
        await b.receive()
        for _ in range(2):
            await b.send(a, b"12345")
        await b.respond(b"more than ten bytes")
        await b.send(a, b"6")
        assert [m.ipc for m in await a.unread()] == [b"12345", b"12345", b"more than ten bytes"]
        assert (await error_of(b)).reason is Reason.mailbox_full


async def test_the_error_of_an_open_request_fits_a_full_mailbox():
    """C-054, F-20."""
    async with kernel_node() as node:
        a = await node.puppet("a", limits=Limits(messages=1))
        b = await node.puppet("b")
        await a.send(b, b"asked", expects=1)
        await b.send(a, b"fills it")
        await trio.sleep(2)
        message, error = await a.unread()
        assert (message.ipc, error.reason) == (b"fills it", Reason.deadline_passed)


async def test_messages_to_a_process_not_yet_run_are_held_in_order():
    """C-055."""
    async with kernel_node() as node:
        a = await node.puppet("a")
        b = Puppet(node, Address(NODE, "b:test:test").process)
        process = node.create("b", b.init, public=True)
        for number in b"12345":
            await a.send(b, bytes([number]))
        assert node.state(b) == "starting"
        node.kernel.lifecycle.start(process)
        assert b"".join(m.ipc for m in await b.unread()) == b"12345"


@pytest.mark.parametrize("expects", [None, 60])
async def test_what_a_process_did_not_read_comes_back_when_it_ends(expects):
    """C-056, F-24, and 0.4 for those that expect nothing."""
    async with kernel_node() as node:
        a, b = await pair(node)
        await a.send(b, b"unread", expects=expects, context=b"c" if expects else None)
        await node.kill(b)
        error = await error_of(a)
        assert (error.kind, error.reason) == (SendErrorKind.Timeout, Reason.process_exited)
        assert (error.definite, error.message.ipc) == (True, b"unread")
        assert error.context == (b"c" if expects else None)


async def test_what_a_process_read_and_did_not_answer_fails_indefinitely_when_it_ends():
    """docs/processes.md, "How a process ends"."""
    async with kernel_node() as node:
        a, b = await pair(node)
        asked = a.begin_ask(b)
        await b.receive()
        await node.kill(b)
        with pytest.raises(SendError) as caught:
            await asked.result()
        assert (caught.value.reason, caught.value.definite) == (Reason.process_exited, False)


async def test_a_relay_passes_the_duty_to_answer_on():
    """3.7: the end of who has the Request now fails it, the end of who passed it on does not."""
    async with kernel_node() as node:
        a, b = await pair(node)
        c = await node.puppet("c")
        asked = a.begin_ask(b)
        await b.receive()
        await b.send(c, inherit=True)
        await node.kill(b)
        assert not asked.done.is_set()
        await node.kill(c)
        with pytest.raises(SendError) as caught:
            await asked.result()
        assert caught.value.definite is True


async def test_a_relay_that_fails_comes_back_to_who_relayed():
    async with kernel_node() as node:
        a, b = await pair(node)
        asked = a.begin_ask(b)
        await b.receive()
        await b.send(GONE, inherit=True)
        assert (await error_of(b)).reason is Reason.no_such_process
        assert not asked.done.is_set()
        await node.kill(b)
        with pytest.raises(SendError):
            await asked.result()


async def test_a_crash_says_why_to_those_who_waited():
    async with kernel_node() as node:
        a, b = await pair(node)
        asked = a.begin_ask(b)
        await b.receive()
        await b.crash(KeyError("the board"))
        with pytest.raises(SendError, match="the board"):
            await asked.result()


async def test_an_error_after_the_timeout_is_not_delivered():
    """F-19: one outcome. The unread Request of an id that is settled goes to the dead letters."""
    async with kernel_node() as node:
        a, b = await pair(node)
        await a.send(b, b"unread", expects=1)
        await trio.sleep(2)
        assert (await error_of(a)).reason is Reason.deadline_passed
        await node.kill(b)
        assert await a.unread() == []
        assert [letter.message.message.ipc for letter in node.dead_letters()] == [b"unread"]


async def test_a_request_that_was_given_up_does_not_come_back():
    """F-19: who left the await wants no error either."""
    async with kernel_node() as node:
        a, b = await pair(node)

        async def impatient(calls):
            with trio.move_on_after(1):
                await calls.send_and_await_response(b.address, Request(expects_response=60))

        await a.do(impatient)
        await node.kill(b)
        assert await a.unread() == []


# -- limits


@pytest.mark.parametrize("expects", [None, 60])
async def test_a_full_mailbox_returns_the_message(expects):
    """PROTOCOL 0.4, F-22."""
    async with kernel_node() as node:
        a, b = await pair(node, limits=Limits(messages=2))
        for _ in range(2):
            await a.send(b)
        await a.send(b, b"third", expects=expects)
        error = await error_of(a)
        assert (error.kind, error.reason, error.definite) == (
            SendErrorKind.Timeout,
            Reason.mailbox_full,
            True,
        )
        assert error.message.ipc == b"third"
        await b.receive()
        await a.send(b, b"fits again")
        assert [m.ipc for m in await b.unread()] == [b"", b"fits again"]


async def test_bytes_count_ipc_and_payload():
    async with kernel_node() as node:
        a, b = await pair(node, limits=Limits(bytes=10))
        await a.send(b, b"12345", payload=Payload("long/mime", b"1234"))
        await a.send(b, b"12")
        assert (await error_of(a)).reason is Reason.mailbox_full
        await a.send(b, b"1")
        await a.send(b)
        assert len(await b.unread()) == 3


async def test_what_could_never_fit_is_too_large():
    async with kernel_node() as node:
        a, b = await pair(node, limits=Limits(bytes=10))
        await a.send(b, b"12345", payload=Payload(None, b"123456"))
        error = await error_of(a)
        assert (error.reason, error.definite) == (Reason.too_large, True)
        assert "manifest" in error.detail


async def test_messages_set_aside_while_awaiting_count():
    """PROTOCOL 0.4."""
    async with kernel_node() as node:
        a = await node.puppet("a", limits=Limits(messages=1))
        b = await node.puppet("b")
        a.begin_ask(b)
        await b.send(a)
        await b.send(a)
        assert (await b.receive()).source == a.address
        assert (await error_of(b)).reason is Reason.mailbox_full


async def test_errors_beyond_the_limit_of_their_receiver_are_dead_letters():
    """PROTOCOL 0.4."""
    async with kernel_node() as node:
        a = await node.puppet("a", limits=Limits(messages=2))
        for number in b"123":
            await a.send(GONE, bytes([number]))
        assert len(await a.unread()) == 2
        assert [letter.message.message.ipc for letter in node.dead_letters()] == [b"3"]


async def test_dead_letters_are_a_ring_that_counts():
    """PROTOCOL 0.4."""
    async with kernel_node() as node:
        a = await node.puppet("a", limits=Limits(messages=1))
        for number in range(1006):
            request = Request(ipc=str(number).encode())
            a.begin(lambda calls, request=request: calls.send_request(GONE, request))
        await node.settle()
        letters = node.dead_letters()
        assert node.kernel.router.dead_letters.total == 1005
        assert len(letters) == 1000
        assert (letters[0].message.message.ipc, letters[-1].message.message.ipc) == (b"6", b"1005")
        assert all(letter.to == a.pid and letter.why for letter in letters)


async def test_an_answer_to_the_dead_is_a_dead_letter():
    """DESIGN 2: nothing is dropped in silence."""
    async with kernel_node() as node:
        a, b = await pair(node)
        await a.send(b, expects=60)
        await b.receive()
        await node.kill(a)
        await b.respond(b"too late")
        assert [letter.message.message.ipc for letter in node.dead_letters()] == [b"too late"]


async def test_an_answer_to_an_earlier_run_is_a_dead_letter():
    """docs/processes.md: the open requests of a process that ended are forgotten."""
    from kernel.message import OnExit

    async with kernel_node() as node:
        a = await node.puppet("a", on_exit=OnExit.restart())
        b = await node.puppet("b")
        await a.send(b, expects=60)
        await b.receive()
        a.finish()
        await node.settle()
        assert a.runs == 2
        await b.respond(b"too late")
        assert await a.unread() == []
        assert [letter.message.message.ipc for letter in node.dead_letters()] == [b"too late"]


async def test_an_unread_error_of_a_process_that_ends_is_a_dead_letter():
    async with kernel_node() as node:
        a = await node.puppet("a")
        await a.send(GONE, b"lost")
        await node.kill(a)
        assert [letter.message.message.ipc for letter in node.dead_letters()] == [b"lost"]


async def test_an_unread_answer_of_a_process_that_ends_is_a_dead_letter():
    async with kernel_node() as node:
        a, b = await pair(node)
        await a.send(b, expects=60)
        await b.receive()
        await b.respond(b"unread")
        await node.kill(a)
        assert [letter.message.message.ipc for letter in node.dead_letters()] == [b"unread"]
        assert await b.unread() == []


async def test_unread_messages_of_senders_that_ended_are_dead_letters():
    async with kernel_node() as node:
        a, b = await pair(node)
        await a.send(b, b"one way")
        await a.send(b, b"asked", expects=60)
        await node.kill(a)
        await node.kill(b)
        assert [letter.message.message.ipc for letter in node.dead_letters()] == [b"one way", b"asked"]


async def test_a_process_that_fills_its_own_mailbox_hears_of_it_and_lives():
    async with kernel_node() as node:
        a = await node.puppet("a", limits=Limits(messages=3))
        for number in b"12345":
            await a.send(a, bytes([number]))
        assert [m.ipc for m in await a.unread()] == [b"1", b"2", b"3"]
        assert node.kernel.router.dead_letters.total == 2
        await a.send(a, b"again")
        assert (await a.receive()).ipc == b"again"


async def test_a_refused_network_send_is_told_apart():
    """C-059."""
    async with kernel_node() as node:
        a = await node.puppet("a", capabilities=[Capability.messaging(GONE)])
        await a.send(Address("bob.uq", "b:b:b"))
        error = await error_of(a)
        assert (error.kind, error.reason) == (SendErrorKind.Timeout, Reason.capability_missing)
        assert "request_networking" in error.detail
