"""What the kernel tells people who look into it (PROTOCOL 4.6, Debug)."""

from __future__ import annotations

import gc
import weakref

import pytest

from kernel import protocol as wire
from kernel.address import Address
from kernel.capability import Capability
from kernel.debug import LONGEST_IPC, MOST_KEPT, AskDeadLetters, AskMayMessage, AskTrace, readable
from kernel.message import Payload, Response, SendError
from kernel.protocol import KERNEL_ANSWER, KERNEL_COMMAND
from kernel.syscalls import current
from tests.kernel.test_kernel_commands import KERNEL, commanded
from tests.support.kernel_node import NODE, Puppet, pid_of


async def look(operator: Puppet, question):
    answer = await operator.ask(KERNEL, KERNEL_COMMAND.encode(wire.Debug(question)))
    return KERNEL_ANSWER.decode(answer.ipc).answer


@pytest.mark.parametrize(
    ("public", "granted", "allowed", "why"),
    [
        (True, False, True, "b:test:test is public"),
        (False, True, True, "a:test:test holds the messaging capability of b:test:test"),
        (False, False, False, '"b:test:test" to "request_capabilities" of a:test:test'),
    ],
)
async def test_who_may_message_whom_and_by_which_rule(public: bool, granted: bool, allowed: bool, why: str):
    async with commanded() as (node, operator):
        b = await node.puppet("b", public=public)
        await node.puppet("a", may_message=[b.address] if granted else [])
        found = await look(operator, AskMayMessage(pid_of("a"), pid_of("b")))
        assert found.allowed is allowed
        assert why in found.why


async def test_a_process_may_message_itself_as_long_as_it_keeps_that_capability():
    async with commanded() as (node, operator):
        a = await node.puppet("a", public=False)
        found = await look(operator, AskMayMessage(a.pid, a.pid))
        assert (found.allowed, found.why) == (True, "a process may message itself")
        await a.do(lambda calls: calls.drop_capabilities([Capability.messaging(a.address)]))
        found = await look(operator, AskMayMessage(a.pid, a.pid))
        assert (found.allowed, "lacks the messaging capability" in found.why) == (False, True)


async def test_modules_of_the_node_may_message_each_other():
    async with commanded() as (node, operator):
        node.kernel.add_module(pid_of("module"), _idle, public=False)
        found = await look(operator, AskMayMessage(KERNEL.process, pid_of("module")))
        assert (found.allowed, found.why) == (True, "kernel:sys:nectar is a module of the node")


@pytest.mark.parametrize(("source", "target"), [("nobody", "operator"), ("operator", "nobody")])
async def test_who_is_not_there_may_nothing(source: str, target: str):
    async with commanded() as (_, operator):
        found = await look(operator, AskMayMessage(pid_of(source), pid_of(target)))
        assert (found.allowed, "no process nobody:test:test" in found.why) == (False, True)


async def test_mailboxes_are_told_with_their_bytes_and_what_was_received():
    async with commanded() as (node, operator):
        b = await node.puppet("b", public=True)
        for ipc in (b"one", b"three", b"seven"):
            await operator.send(b, ipc)
        assert (await b.receive()).ipc == b"one"
        answer = await look(operator, wire.AskProcesses())
        (status,) = (one for one in answer.processes if one.id == b.pid)
        assert (status.mailbox, status.bytes, status.received) == (2, 10, 1)


async def test_answers_and_errors_that_a_task_awaits_count_as_received():
    async with commanded() as (node, operator):
        a, b = await node.puppets("a", "b")

        async def received() -> int:
            answer = await look(operator, wire.AskProcesses())
            (status,) = (one for one in answer.processes if one.id == a.pid)
            return status.received

        assert await received() == 0
        asked = a.begin_ask(b, b"1")
        await b.receive()
        await b.respond(b"2")
        assert (await asked.result()).ipc == b"2"
        assert await received() == 1
        with pytest.raises(SendError):
            await a.ask(Address(NODE, pid_of("nobody")), b"1")
        assert await received() == 2


async def test_nothing_is_traced_until_somebody_asks():
    async with commanded() as (node, operator):
        node.kernel.router.observer = None
        b = await node.puppet("b", public=True)
        assert (await look(operator, AskTrace())).keeps == 0
        assert node.kernel.router.observer is None
        assert (await look(operator, AskTrace(5))).keeps == 5
        await operator.send(b, b"\x00hi")
        found = await look(operator, AskTrace())
        kinds = [(event.kind, event.message.ipc) for event in found.events if event.subject == str(b.pid)]
        assert kinds == [("appended", "\\x00hi")]
        assert len(found.events) == 5
        assert all(abs(event.at - node.kernel.ports.wall_clock()) < 60 for event in found.events)


async def test_a_trace_tells_of_payloads_and_does_not_hold_them():
    async with commanded() as (node, operator):
        node.kernel.router.observer = None
        b = await node.puppet("b", public=True)
        await look(operator, AskTrace(100))
        payload = Payload("image/png", bytes(100_000))
        held = weakref.ref(payload)
        await operator.send(Address("our", b.pid), b"see", payload=payload)
        assert (await b.receive()).ipc == b"see"
        # What still has it by rights: the receiver to inherit it, the sender's last step.
        b.finish()
        found = await look(operator, AskTrace())
        del payload
        gc.collect()
        assert held() is None
        sent = [event.message for event in found.events if event.kind == "sent"]
        (message,) = (message for message in sent if message.ipc == "see")
        assert (message.target, message.payload, message.size) == (
            str(b.address),
            "image/png, 100000 B",
            100_003,
        )


async def test_a_long_note_is_cut_and_shown_in_one_line():
    async with commanded() as (node, operator):
        node.kernel.router.observer = None
        await look(operator, AskTrace(100))
        await operator.do(lambda calls: calls.print_to_terminal(0, "\x1b[2J\n" + "x" * 100_000))
        found = await look(operator, AskTrace())
        (note,) = (event.note for event in found.events if event.kind == "printed")
        assert (note[:9], len(note), note[-1]) == ("\\x1b[2J\\n", LONGEST_IPC, "…")


async def test_a_trace_is_bounded_and_ends_when_it_is_told_to():
    async with commanded() as (node, operator):
        node.kernel.router.observer = None
        assert (await look(operator, AskTrace(2**32 - 1))).keeps == MOST_KEPT
        assert (await look(operator, AskTrace(0))).keeps == 0
        assert node.kernel.router.observer is None
        assert (await look(operator, AskTrace())).events == ()


async def test_who_observed_before_goes_on_to_see_everything():
    seen: list[str] = []
    async with commanded() as (node, operator):
        node.kernel.router.observer = lambda event: seen.append(event.kind)
        for keep in (3, 5, 0):
            await look(operator, AskTrace(keep))
            before = len(seen)
            await operator.send(operator, b"hi")
            assert len(seen) > before


async def test_dead_letters_are_told_with_why():
    async with commanded() as (node, operator):
        b = await node.puppet("b", public=True)
        await operator.send(b, b"no answer wanted")
        await b.receive()
        await b.do(lambda calls: calls.send_response(Response(ipc=b"late")))
        found = await look(operator, AskDeadLetters())
        (letter,) = found.letters
        assert found.total == 1
        assert (letter.why, letter.message.ipc) == ("no response was expected", "late")
        assert (letter.message.source, letter.to) == (f"{NODE}@b:test:test", pid_of("operator"))


def test_a_long_ipc_is_cut():
    assert readable(b"x" * LONGEST_IPC) == "x" * LONGEST_IPC
    assert readable(b"x" * (LONGEST_IPC + 1)) == "x" * (LONGEST_IPC - 1) + "…"
    assert readable(b"a\nb\xff") == "a\\nb\\xff"
    assert readable("🐝".encode() * LONGEST_IPC) == "🐝" * LONGEST_IPC
    assert readable("🐝".encode() * (LONGEST_IPC + 1)) == "🐝" * (LONGEST_IPC - 1) + "…"


async def _idle(our) -> None:
    await current().receive()
