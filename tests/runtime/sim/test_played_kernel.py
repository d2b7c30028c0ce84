"""A kernel on which a record is played: mailboxes give the recorded message, time passes only when told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
import pytest
import trio

from kernel.address import Address, ProcessId
from kernel.kernel import Ports
from kernel.lifecycle import NewProcess
from kernel.mailbox import Limits
from kernel.message import KernelMessage, Message, OnExit, Request, Response, SendError
from kernel.ports import Init
from kernel.process import Process
from kernel.syscalls import current
from runtime.sim.chance import SeededChance
from runtime.sim.console import MemoryConsole
from runtime.sim.played_kernel import PlayedKernel, PlayedMailbox, id_of, refusal_of, stand_in
from runtime.sim.store import MemoryStore
from tests.support.kernel_node import NODE
from tests.support.shelf import Code, Shelf
from userland.process_lib.testing._ports import Seals

APP, MODULE = ProcessId("app", "app", "me"), ProcessId("module", "sys", "nectar")
FAR = Address("bob.uq", ProcessId("x", "y", "z"))


@attrs.define
class Lines:
    """A `Script` of one step."""

    taken: int | None = None
    id: int = 77

    def next_taken(self) -> int | None:
        return self.taken

    def next_id(self) -> int:
        return self.id


def envelope(number: int, ipc: bytes = b"") -> KernelMessage:
    return KernelMessage(number, FAR, Address(NODE, APP), None, Request(ipc=ipc))


def test_a_mailbox_gives_the_message_of_the_record_whatever_came_first():
    script = Lines()
    mailbox = PlayedMailbox(Limits(), script)
    for number in (1, 2, 3):
        mailbox.put(envelope(number, b"x" * number))
    assert mailbox.take_nowait() is None
    script.taken = 2
    found = mailbox.take_nowait()
    assert found is not None
    assert (id_of(found), len(mailbox)) == (2, 2)
    assert mailbox.remove(9) is None


async def test_the_wait_for_a_message_ends_with_the_one_of_the_record():
    mailbox = PlayedMailbox(Limits(), Lines(taken=3))
    for number in (1, 3):
        mailbox.put(envelope(number))
    assert id_of(await mailbox.take()) == 3


@attrs.frozen
class Played:
    kernel: PlayedKernel
    script: Lines
    outcomes: list[Message | SendError]

    def start(self, init: Init) -> Process:
        new = NewProcess(APP, Code(init), "", OnExit.none(), public=True)
        process = self.kernel.lifecycle.create(new)
        self.kernel.play_mailbox(APP)
        self.kernel.lifecycle.start(process)
        return process

    async def asking(self) -> None:
        """A process of a package that waits for an answer of the module."""

        async def init(our: Address) -> None:
            request = Request(expects_response=1)
            try:
                answer = await current().send_and_await_response(Address(NODE, MODULE), request)
                self.outcomes.append(answer)
            except SendError as error:
                self.outcomes.append(error)

        self.start(init)
        await trio.testing.wait_all_tasks_blocked()


@asynccontextmanager
async def played() -> AsyncIterator[Played]:
    script = Lines()
    ports = Ports(SeededChance(1), MemoryStore(), Seals(NODE), Shelf(), MemoryConsole(), lambda: 0.0)
    kernel = PlayedKernel(NODE, ports, script)
    async with trio.open_nursery() as nursery:
        await nursery.start(kernel.run)
        kernel.add_module(MODULE, stand_in, public=True)
        kernel.play_mailbox(MODULE)
        yield Played(kernel, script, [])
        nursery.cancel_scope.cancel()


async def test_ids_are_those_of_the_record_and_answers_come_from_it():
    async with played() as run:
        await run.asking()
        assert list(run.kernel.router.open) == [77]
        run.kernel.played.bring_response(
            KernelMessage(77, Address(NODE, MODULE), Address(NODE, APP), None, Response(ipc=b"answer"))
        )
        await trio.testing.wait_all_tasks_blocked()
        (answer,) = run.outcomes
        assert isinstance(answer, Message)
        assert answer.ipc == b"answer"


async def test_deadlines_fire_only_when_they_are_told():
    async with played() as run:
        await run.asking()
        await trio.sleep(100)
        assert run.outcomes == []
        run.kernel.played.expire(77)
        run.kernel.played.expire(77)
        await trio.testing.wait_all_tasks_blocked()
        (error,) = run.outcomes
        assert isinstance(error, SendError)
        assert error.reason == "deadline_passed"


async def test_a_message_comes_back_once_as_it_did():
    async with played() as run:
        await run.asking()
        refusal = refusal_of("Offline", "node_unreachable", "far away")
        for _ in range(2):
            run.kernel.played.give_up(APP, None, refusal, 77, definite=True)
        await trio.testing.wait_all_tasks_blocked()
        (error,) = run.outcomes
        assert isinstance(error, SendError)
        assert (error.kind, error.detail, error.definite) == ("Offline", "far away", True)


async def test_who_gave_up_waiting_hears_nothing():
    async with played() as run:
        await run.asking()
        run.kernel.played.drop(77)
        assert not run.kernel.router.open


@pytest.mark.parametrize("number", [1, 2])
async def test_a_request_from_outside_lies_in_the_mailbox_until_the_record_has_it_taken(number: int):
    heard: list[bytes] = []

    async def init(our: Address) -> None:
        heard.append((await current().receive()).ipc)

    async with played() as run:
        run.start(init)
        run.kernel.played.bring_request(envelope(number, b"hello"))
        assert len(run.kernel.mailbox(APP) or ()) == 1
        run.script.taken = number
        await trio.testing.wait_all_tasks_blocked()
        assert heard == [b"hello"]
        assert run.kernel.mailbox(ProcessId("no", "such", "process")) is None
