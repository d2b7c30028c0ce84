"""A process that a test moves: what the test does on a node, it does as this process, with all that kernel checks."""

from __future__ import annotations

import inspect
import math
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar, cast

import trio

from kernel.address import Address, ProcessId
from kernel.message import Message, Payload, Request, SendError
from kernel.syscalls import Syscalls, current

T = TypeVar("T")
Step = Callable[[Syscalls], Awaitable[T] | T]

MOVER = ProcessId("test", "world", "sim")
ASK_SECONDS = 60


class NodeDown(Exception):
    """The node does not run, or stopped running before it had done what it was asked."""


class _Doing(Generic[T]):
    """One step, under way. Whoever comes first ends it: the process that did it, or the end of the node."""

    def __init__(self, step: Step[T]) -> None:
        self._step = step
        self._value: T | None = None
        self._error: BaseException | None = None
        self.done = trio.Event()

    async def run(self) -> None:
        try:
            value = self._step(current())
            if inspect.isawaitable(value):
                value = await value
        except Exception as error:  # noqa: BLE001 - raised again where the test waits for it
            self.end(error)
        except BaseException:
            self.end(NodeDown("the process of the test was ended before it had done this"))
            raise
        else:
            self._value = value
            self.end(None)

    def end(self, error: BaseException | None) -> None:
        if not self.done.is_set():
            self._error = error
            self.done.set()

    def result(self) -> T:
        if self._error is not None:
            raise self._error
        return cast("T", self._value)


class Mover:
    """Of one run of a node. `inbox` is everything that was sent to it and is no awaited answer, oldest first."""

    def __init__(self) -> None:
        self.inbox: list[Message | SendError] = []
        self._open: dict[_Doing[object], None] = {}
        self._steps, self._told = trio.open_memory_channel[_Doing[object]](math.inf)

    async def init(self, our: Address) -> None:
        del our
        calls = current()
        calls.start_soon(self._listen)
        async for doing in self._told:
            calls.start_soon(doing.run)

    async def _listen(self) -> None:
        calls = current()
        while True:
            try:
                self.inbox.append(await calls.receive())
            except SendError as error:
                self.inbox.append(error)

    async def do(self, step: Step[T]) -> T:
        """Let the process do it in a task of its own, beside all that it still does. What the step returns or raises;
        raises `NodeDown` when the node crashes meanwhile.
        """
        doing = _Doing(step)
        key = cast("_Doing[object]", doing)
        self._open[key] = None
        try:
            self._steps.send_nowait(key)
            await doing.done.wait()
        finally:
            del self._open[key]
        return doing.result()

    async def send(self, to: Address, ipc: bytes, payload: Payload | None, seconds: int | None) -> None:
        request = Request(expects_response=seconds, ipc=ipc)
        await self.do(lambda calls: calls.send_request(to, request, None, payload))

    async def ask(self, to: Address, ipc: bytes, payload: Payload | None, seconds: int) -> Message:
        request = Request(expects_response=seconds, ipc=ipc)
        return await self.do(lambda calls: calls.send_and_await_response(to, request, payload))

    def end(self, error: BaseException) -> None:
        """Whoever waits for this process waits no longer."""
        for doing in list(self._open):
            doing.end(error)
