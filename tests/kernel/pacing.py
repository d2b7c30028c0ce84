"""Numbered messages, sent with send_paced and received."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from kernel.message import Payload, Request
from kernel.syscalls import Syscalls
from tests.support.kernel_node import Puppet


def request(number: int, expects: int | None = None) -> Request:
    return Request(expects_response=expects, ipc=str(number).encode())


def paced(
    to: Puppet, numbers: range, window: int | None = None, payload: Payload | None = None
) -> Callable[[Syscalls], Awaitable[None]]:
    async def step(calls: Syscalls) -> None:
        for number in numbers:
            await calls.send_paced(to.address, request(number), None, payload, window=window)

    return step


async def receive_some(puppet: Puppet, count: int) -> list[int]:
    async def step(calls: Syscalls) -> list[int]:
        return [int((await calls.receive()).ipc) for _ in range(count)]

    return await puppet.do(step)
