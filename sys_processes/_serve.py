"""The loop that every module of the runtime shares: decode, handle, encode, reply (PROTOCOL 7, "General").

It answers exactly the Requests that want an answer. Responses sent to a module are dropped, messages that come back are
noted, and what goes wrong while one Request is handled is that Request's trouble only: nothing ends the loop.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

import attrs

from kernel.codec import Malformed
from kernel.message import Message, Payload, Response, SendError
from kernel.syscalls import current


@attrs.frozen
class Answer:
    ipc: bytes
    payload: Payload | None = None


@attrs.frozen
class Later:
    """An answer that takes a while: `work` runs in a task of its own, and the loop goes on."""

    work: Callable[[], Awaitable[Answer]]


Outcome = Answer | Later | None

RequestT = TypeVar("RequestT")


class Module(Protocol[RequestT]):
    """What one module makes of its Requests. The three kinds of bad news are in its own error vocabulary."""

    def decode(self, message: Message) -> RequestT:
        """Raises `Malformed`."""

    async def handle(self, message: Message, request: RequestT) -> Outcome:
        """In order of arrival, one at a time: what must stay in order happens here, what may overlap in a `Later`.

        None: nobody could hear an answer.
        """

    def malformed(self, error: Malformed) -> bytes: ...

    def foreign(self) -> bytes:
        """For a Request of another node, which is not even decoded."""

    def failed(self, error: Exception) -> bytes:
        """For a Request whose handling raised: the disk broke, or this code has a bug."""


async def serve(module: Module[RequestT]) -> None:
    """Never returns."""
    node = current()
    while True:
        try:
            message = await node.receive()
        except SendError as error:
            node.print_to_terminal(2, f"came back: {error}")
            continue
        if not message.is_request():
            continue
        match await outcome_of(module, message):
            case Later(work):
                node.start_soon(_reply_later, module, message, work)
            case Answer() as answer:
                reply(message, answer)


async def outcome_of(module: Module[RequestT], message: Message) -> Outcome:
    """What the module makes of a Request, if it is one that it listens to. Raises nothing."""
    if not message.is_local():
        current().print_to_terminal(1, f"ignored a request of {message.source}: other nodes have no say here")
        return Answer(module.foreign())
    try:
        request = module.decode(message)
    except Malformed as error:
        current().print_to_terminal(2, f"malformed request of {message.source}: {error}")
        return Answer(module.malformed(error))
    try:
        return await module.handle(message, request)
    except Exception as error:  # noqa: BLE001 - the crash barrier
        return _failed(module, message, error)


async def answer_later(
    module: Module[RequestT], message: Message, work: Callable[[], Awaitable[Answer]]
) -> Answer:
    """The answer, or the module's word for what went wrong. Raises nothing."""
    try:
        return await work()
    except Exception as error:  # noqa: BLE001 - the crash barrier
        return _failed(module, message, error)


async def _reply_later(
    module: Module[RequestT], message: Message, work: Callable[[], Awaitable[Answer]]
) -> None:
    reply(message, await answer_later(module, message, work))


def _failed(module: Module[RequestT], message: Message, error: Exception) -> Answer:
    current().print_to_terminal(0, f"failed to handle a request of {message.source}: {error!r}")
    return Answer(module.failed(error))


def reply(message: Message, answer: Answer) -> None:
    if message.wants_response:
        current().send_response(Response(ipc=answer.ipc), answer.payload)
