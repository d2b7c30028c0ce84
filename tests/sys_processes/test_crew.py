from __future__ import annotations

import attrs
import trio
import trio.testing

from kernel.address import Address
from kernel.codec import Malformed
from kernel.message import Message, Request
from kernel.syscalls import current
from sys_processes._crew import MOST_IDLE, serve_in_turns
from sys_processes._serve import Answer, Later, Outcome
from tests.support.module_node import ask, module, module_node

ALICE = "alice:test:alice.uq"


@attrs.define
class Slow:
    """Answers in so many seconds, with what it was asked; `now` at once, `bad` and `worse` not at all."""

    order: list[bytes] = attrs.Factory(list)
    tasks: set[object] = attrs.Factory(set)

    def decode(self, message: Message) -> bytes:
        if message.ipc == b"malformed":
            raise Malformed("$", "no")
        return message.ipc

    async def handle(self, message: Message, request: bytes) -> Outcome:
        self.order.append(request)
        self.tasks.add(trio.lowlevel.current_task())
        match request:
            case b"now":
                return Answer(b"at once")
            case b"nothing":
                return None
            case b"bad":
                raise ZeroDivisionError

        async def work() -> Answer:
            if request == b"worse":
                raise ZeroDivisionError
            await current().sleep(int(request))
            return Answer(request)

        return Later(work)

    def malformed(self, error: Malformed) -> bytes:
        return b"malformed"

    def foreign(self) -> bytes:
        return b"foreign"

    def failed(self, error: Exception) -> bytes:
        return b"failed"


def slow_module(slow: Slow):
    async def init(our: Address) -> None:
        await serve_in_turns(slow)

    return {"slow": (init, True)}


async def test_everything_is_answered_and_nothing_ends_the_loop() -> None:
    slow = Slow()

    async def script() -> None:
        for said, heard in (
            (b"now", b"at once"),
            (b"malformed", b"malformed"),
            (b"bad", b"failed"),
            (b"worse", b"failed"),
            (b"1", b"1"),
        ):
            assert (await ask("slow", said)).ipc == heard
        current().send_request(module("slow"), Request(ipc=b"nothing"))
        assert (await ask("slow", b"now")).ipc == b"at once"

    async with module_node(slow_module(slow)) as node:
        await node.as_process(ALICE, script)
        assert await node.from_another_node("slow", Request(False, 5, b"1")) == [b"foreign"]


async def test_requests_are_handled_in_order_and_answered_as_soon_as_they_are_done() -> None:
    slow = Slow()

    async def script() -> None:
        for seconds in (b"3", b"1", b"2", b"now"):
            current().send_request(module("slow"), Request(False, 9, seconds), context=seconds)
        answers = [await current().receive() for _ in range(4)]
        assert [answer.context for answer in answers] == [b"now", b"1", b"2", b"3"]
        assert [answer.ipc for answer in answers] == [b"at once", b"1", b"2", b"3"]

    async with module_node(slow_module(slow)) as node:
        await node.as_process(ALICE, script)
    assert slow.order == [b"3", b"1", b"2", b"now"]


async def test_the_same_tasks_serve_again_and_a_crowd_of_them_goes_home() -> None:
    slow = Slow()

    async def one_by_one() -> None:
        for _ in range(20):
            await ask("slow", b"1")

    async def at_once() -> None:
        for _ in range(50):
            current().send_request(module("slow"), Request(False, 9, b"1"))
        for _ in range(50):
            assert (await current().receive()).ipc == b"1"

    async with module_node(slow_module(slow)) as node:
        await node.as_process(ALICE, one_by_one)
        assert len(slow.tasks) == 2
        await node.as_process(ALICE, at_once)
        slow.tasks.clear()
        await node.as_process(ALICE, at_once)
        crowd = slow.tasks.copy()
        await trio.testing.wait_all_tasks_blocked()
        slow.tasks.clear()
        await node.as_process(ALICE, at_once)
        assert len(slow.tasks & crowd) <= MOST_IDLE + 2
