"""The other processes of a test: they answer by a script, and the test speaks through them."""

from __future__ import annotations

import inspect
import math
from collections.abc import Awaitable, Callable
from typing import TypeAlias, TypeVar

import outcome
import trio

from kernel.address import Address
from kernel.message import Message, Payload, SendError
from kernel.message import Response as RawResponse
from kernel.syscalls import current
from userland.process_lib._builders import Response, serialize

T = TypeVar("T")

Reply: TypeAlias = object
"""None says nothing, a `Response` builder is sent, bytes and text become the ipc, other values JSON."""

Answer: TypeAlias = Callable[[Message], Reply]
"""May be async; then it may `sleep`, and other messages are answered meanwhile."""


def silence(message: Message) -> None:
    """The answer of who never answers."""


def always(reply: Reply) -> Answer:
    """The answer of who says the same to everything."""
    return lambda message: reply


def to_response(reply: Reply) -> tuple[RawResponse, Payload | None] | None:
    if reply is None:
        return None
    if isinstance(reply, Response):
        return reply.build()
    return Response().ipc(reply if isinstance(reply, str) else serialize(reply)).build()


class Scripted:
    """A process whose `init` this is. What its script raises is kept in `failures`, for the test to raise."""

    def __init__(self, answer: Answer, failures: list[Exception]) -> None:
        self.answer = answer
        self._failures = failures
        self._orders, self._taken = trio.open_memory_channel[Callable[[], Awaitable[None]]](math.inf)

    async def init(self, our: Address) -> None:
        current().start_soon(self._obey)
        while True:
            try:
                message = await current().receive()
            except SendError as error:
                self._failures.append(error)
                continue
            if message.is_request():
                self._hear(message)
            else:
                self.heard(message)

    def heard(self, response: Message) -> None:
        """A Response that no task of this process awaits; it says nothing to it."""

    def _hear(self, message: Message) -> None:
        try:
            found = self.answer(message)
            if inspect.isawaitable(found):
                current().start_soon(self._reply_later, found)
            else:
                self._reply(found)
        except Exception as error:  # noqa: BLE001 - a script's failure is the test's
            self._failures.append(error)

    async def _reply_later(self, found: Awaitable[Reply]) -> None:
        try:
            self._reply(await found)
        except Exception as error:  # noqa: BLE001 - as above
            self._failures.append(error)

    @staticmethod
    def _reply(found: Reply) -> None:
        response = to_response(found)
        if response is not None:
            current().send_response(*response)

    async def _obey(self) -> None:
        async for order in self._taken:
            current().start_soon(order)

    async def speak(self, call: Callable[[], Awaitable[T]]) -> T:
        """Run `call` as a task of this process. Raises what it raises."""
        done = trio.Event()
        found: list[outcome.Outcome[T]] = []

        async def order() -> None:
            found.append(await outcome.acapture(call))
            done.set()

        self._orders.send_nowait(order)
        await done.wait()
        return found[0].unwrap()
