"""Who stands between tasks and what they wait for is asked at each wait, and decides when the task goes on."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TypeVar

import pytest
import trio

from kernel.address import Address
from kernel.message import OnExit, Payload, Request, Response, SendError
from kernel.process import Process
from kernel.syscalls import current
from tests.support.kernel_node import NODE, KernelNode, kernel_node
from tests.support.shelf import Code

T = TypeVar("T")


class Written:
    """`kernel.turns.Turns` that lets everything through and writes it down."""

    def __init__(self) -> None:
        self.said: list[str] = []

    async def begin(self, process: Process, number: int) -> None:
        self.said.append(f"{process.pid.process} begins {number}")

    async def wait(self, process: Process, why: str, waiting: Coroutine[object, object, T]) -> T:
        name = f"{process.pid.process} {why}"
        self.said.append(name)
        try:
            return await waiting
        finally:
            self.said.append(f"{name} is over")


def watched(node: KernelNode) -> Written:
    turns = node.kernel.router.turns = Written()
    return turns


async def test_the_main_task_and_its_children_are_told_by_number():
    async def nothing() -> None:
        pass

    async def init(our: Address) -> None:
        current().start_soon(nothing)
        current().start_soon(nothing)
        await current().receive()

    async with kernel_node() as node:
        turns = watched(node)
        await node.start("a", init)
        assert [said for said in turns.said if "begins" in said] == [
            "a begins 0",
            *sorted(["a begins 1", "a begins 2"], key=turns.said.index),
        ]


async def test_receiving_is_a_wait_only_when_nothing_is_there():
    heard: list[bytes] = []

    async def init(our: Address) -> None:
        while True:
            heard.append((await current().receive()).ipc)

    async with kernel_node() as node:
        turns = watched(node)
        await node.start("a", init)
        teller = await node.puppet("teller")
        address = Address(NODE, node.kernel.standings()[0].id)

        def tell(calls: object) -> None:
            for ipc in (b"1", b"2"):
                current().send_request(address, Request(ipc=ipc))

        await teller.do(tell)
        assert heard == [b"1", b"2"]
        assert [said for said in turns.said if said.startswith("a receive")] == [
            "a receive",
            "a receive is over",
            "a receive",
        ]


async def test_waiting_for_an_answer_names_the_request():
    asked: list[int] = []

    async def answers(our: Address) -> None:
        asked.append((await current().receive()).id)
        current().send_response(Response(), Payload(None, b"p"))

    async def asks(our: Address) -> None:
        await current().send_and_await_response(Address(NODE, "b:test:test"), Request(expects_response=5))
        with pytest.raises(SendError):
            await current().send_and_await_response(Address(NODE, "no:x:y"), Request(expects_response=5))

    async with kernel_node() as node:
        turns = watched(node)
        await node.start("b", answers)
        await node.start("a", asks)
        waits = [said for said in turns.said if said.startswith("a ") and "begins" not in said]
        assert waits == [f"a answer {asked[0]}", f"a answer {asked[0]} is over", "a turn", "a turn is over"]


async def test_sleep_spawn_and_state_are_waits():
    async def init(our: Address) -> None:
        await current().sleep(0.5)
        await current().spawn("child", "child.py", OnExit.none())
        await current().spawn("kept", "child.py", OnExit.restart())
        with pytest.raises(SendError):
            await current().get_state()

    async def child(our: Address) -> None:
        await current().receive()

    async with kernel_node() as node:
        node.programs.at["child.py"] = Code(child)
        turns = watched(node)
        await node.start("a", init)
        await trio.sleep(1)
        waits = [said for said in turns.said if said.startswith("a ") and not said.endswith("over")]
        assert waits == ["a begins 0", "a sleep 0.5", "a code", "a turn", "a code", "a saved", "a turn"]


async def test_a_wait_that_is_cancelled_is_over():
    async def init(our: Address) -> None:
        with trio.move_on_after(1):
            await current().receive()
        await current().receive()

    async with kernel_node() as node:
        turns = watched(node)
        await node.start("a", init)
        await trio.sleep(2)
        assert turns.said == ["a begins 0", "a receive", "a receive is over", "a receive"]


async def test_who_decides_holds_a_task_back():
    """A message is there, and the task still waits."""
    go = trio.Event()
    heard: list[bytes] = []

    class Gate(Written):
        async def wait(self, process: Process, why: str, waiting: Coroutine[object, object, T]) -> T:
            await go.wait()
            return await super().wait(process, why, waiting)

    async def init(our: Address) -> None:
        heard.append((await current().receive()).ipc)

    async with kernel_node() as node:
        node.kernel.router.turns = Gate()
        process = await node.start("a", init)
        envelope = Request(ipc=b"late")
        teller = await node.puppet("teller")
        teller.begin(lambda calls: calls.send_request(process.address, envelope))
        await node.settle()
        assert heard == []
        go.set()
        await node.settle()
        assert heard == [b"late"]


async def test_senders_that_wait_for_room_and_for_their_window_say_so():
    async with kernel_node() as node:
        turns = watched(node)
        reader = await node.puppet("reader")
        sender = await node.puppet("sender")
        begun = [
            sender.begin(lambda calls: calls.send_paced(reader.address, Request(), window=1))
            for _ in range(2)
        ]
        await node.settle()
        assert "sender window" in turns.said
        assert "sender window is over" not in turns.said
        await reader.receive()
        for doing in begun:
            await doing.result()
        assert "sender window is over" in turns.said
