"""How many of a task's paced messages may wait unread (kernel/syscalls.py, send_paced)."""

from __future__ import annotations

import pytest
import trio

from kernel.message import Reason
from kernel.syscalls import Syscalls, current
from tests.kernel.pacing import paced, receive_some, request
from tests.support.kernel_node import kernel_node


async def test_a_window_limits_what_waits_unread():
    async with kernel_node() as node:
        a, b = await node.puppets("a", "b")
        producing = a.begin(paced(b, range(20), window=4))
        await node.settle()
        assert node.mailbox(b.pid) == 4
        assert await receive_some(b, 2) == [0, 1]
        await node.settle()
        assert node.mailbox(b.pid) == 4
        assert await receive_some(b, 18) == list(range(2, 20))
        await producing.result()


async def test_a_window_opens_when_what_was_sent_comes_back():
    async with kernel_node() as node:
        a, b = await node.puppets("a", "b")
        producing = a.begin(paced(b, range(3), window=1))
        await node.settle()
        assert not producing.done.is_set()
        await node.kill(b)
        await producing.result()
        assert [error.reason for error in await a.unread()] == [
            Reason.process_exited,
            Reason.no_such_process,
            Reason.no_such_process,
        ]


async def test_each_task_has_a_window_of_its_own():
    async with kernel_node() as node:
        a, b = await node.puppets("a", "b")
        done: list[int] = []

        async def produce(first: int) -> None:
            for number in range(first, first + 3):
                await current().send_paced(b.address, request(number), window=2)
            done.append(first)

        async def step(calls: Syscalls) -> None:
            calls.start_soon(produce, 0)
            calls.start_soon(produce, 10)

        await a.do(step)
        assert node.mailbox(b.pid) == 4
        assert done == []
        assert sorted(await receive_some(b, 6)) == [0, 1, 2, 10, 11, 12]
        assert sorted(done) == [0, 10]


async def test_a_wait_for_a_window_can_be_given_up():
    async with kernel_node() as node:
        a, b = await node.puppets("a", "b")

        async def impatient(calls: Syscalls) -> None:
            await calls.send_paced(b.address, request(0), window=1)
            with trio.move_on_after(1):
                await calls.send_paced(b.address, request(1), window=1)

        await a.do(impatient)
        assert await receive_some(b, 1) == [0]
        await a.do(paced(b, range(2, 3), window=1))
        assert await receive_some(b, 1) == [2]


async def test_a_window_holds_at_least_one():
    async with kernel_node() as node:
        a, b = await node.puppets("a", "b")
        with pytest.raises(ValueError, match="at least 1"):
            await a.do(paced(b, range(1), window=0))
