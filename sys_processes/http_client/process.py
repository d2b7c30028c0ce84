"""Asks servers of the outside world for processes of this node (PROTOCOL 7.1)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeAlias

import trio

from kernel.address import Address
from kernel.codec import Err, Malformed
from kernel.message import Message, Payload
from kernel.ports import Init
from kernel.process_exited import ProcessExited
from kernel.syscalls import current
from sys_processes._exits import hear_of_exits
from sys_processes._queues import Queues
from sys_processes._serve import Answer, Later, Outcome, serve
from sys_processes.devices import Dialer
from sys_processes.http_client.core import MOST_BODY, Refused, checked, in_words, modern, refusal
from sys_processes.http_client.protocol import (
    ANY_REQUEST,
    HTTP_CLIENT_ANSWER,
    LOCAL,
    SECONDS,
    AnyRequest,
    ExecuteRequestFailed,
    HttpClientError,
    MalformedRequest,
    OutgoingHttpRequest,
    WebSocketClose,
    WebSocketOpen,
    WebSocketPush,
    WsCloseFailed,
    WsOpenFailed,
    WsPushUnknownChannel,
)
from sys_processes.http_client.sockets import Sockets
from sys_processes.http_client.transport import fetch

MOST_REQUESTS = 1000
"""Under way at a time, of all processes."""

_Asked: TypeAlias = AnyRequest | ProcessExited
_Plain: TypeAlias = OutgoingHttpRequest | WebSocketOpen | WebSocketPush | WebSocketClose


class _HttpClient:
    def __init__(self, dialer: Dialer, most_body: int) -> None:
        self._dialer = dialer
        self._most_body = most_body
        self._sockets = Sockets(dialer)
        self._queues: Queues[Answer] = Queues()
        self._under_way = 0

    def decode(self, message: Message) -> _Asked:
        return ProcessExited.from_message(message) or ANY_REQUEST.decode(message.ipc)

    async def handle(self, message: Message, request: _Asked) -> Outcome:
        """Requests run beside each other; what a process says of one socket happens in its order."""
        if isinstance(request, ProcessExited):
            for leave in self._sockets.gone(Address(message.source.node, request.id)):
                current().start_soon(leave)
            return None
        plain, payload = modern(request), message.payload()
        work = partial(self._do, message.source, request, plain, payload)
        if isinstance(plain, OutgoingHttpRequest):
            if self._under_way >= MOST_REQUESTS:
                text = f"{MOST_REQUESTS} requests are under way on this node: ask again later"
                return Answer(refusal(request, ExecuteRequestFailed(text)))
            return Later(partial(self._answer, message, request, plain, work))
        source, size = message.source.process, len(payload.bytes) if payload else 0
        if not self._queues.has_room(source, size):
            return Answer(refusal(request, _too_late(plain)))
        in_turn = self._queues.enter(source, size, work, lane=plain.channel_id)
        return Later(partial(self._answer, message, request, plain, in_turn))

    async def _answer(
        self, message: Message, request: AnyRequest, plain: _Plain, work: Callable[[], Awaitable[Answer]]
    ) -> Answer:
        self._under_way += 1
        seconds = message.expects_response or SECONDS
        try:
            # A little less, so that the answer comes before the asker's time is up.
            with trio.move_on_after(seconds * 0.95):
                return await work()
            return Answer(refusal(request, _too_late(plain, seconds)))
        except Refused as refused:
            return Answer(refusal(request, refused.error))
        finally:
            self._under_way -= 1

    async def _do(
        self, source: Address, request: AnyRequest, plain: _Plain, payload: Payload | None
    ) -> Answer:
        match plain:
            case OutgoingHttpRequest():
                body = None if payload is None else payload.bytes
                local = plain.local and current().has_capability(LOCAL)
                head, content = await fetch(
                    self._dialer, checked(plain), body, local=local, most_body=self._most_body
                )
                return Answer(in_words(request, head), Payload(None, content))
            case WebSocketOpen():
                local = plain.local and current().has_capability(LOCAL)
                await self._sockets.open(source, plain, local=local)
            case WebSocketPush():
                await self._sockets.push(source, plain, payload)
            case WebSocketClose():
                await self._sockets.close(source, plain)
        return Answer(in_words(request, None))

    def malformed(self, error: Malformed) -> bytes:
        return HTTP_CLIENT_ANSWER.encode(Err(MalformedRequest()))

    def foreign(self) -> bytes:
        """F-83: no other node uses us to reach our network."""
        return HTTP_CLIENT_ANSWER.encode(Err(MalformedRequest()))

    def failed(self, error: Exception) -> bytes:
        return HTTP_CLIENT_ANSWER.encode(Err(ExecuteRequestFailed(f"{type(error).__name__}: {error}")))


def _too_late(plain: _Plain, seconds: float = 0) -> HttpClientError:
    match plain:
        case OutgoingHttpRequest():
            return ExecuteRequestFailed(f"{plain.url}: no whole answer within {seconds:g} s")
        case WebSocketOpen():
            return WsOpenFailed(plain.url)
        case WebSocketPush():
            return WsPushUnknownChannel(plain.channel_id)
        case WebSocketClose():
            return WsCloseFailed(plain.channel_id)


def make(dialer: Dialer, most_body: int = MOST_BODY) -> Init:
    """`most_body`: bytes of the largest body that is fetched."""

    async def init(our: Address) -> None:
        hear_of_exits()
        await serve(_HttpClient(dialer, most_body))

    return init
