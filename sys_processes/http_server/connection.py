"""One client connection: HTTP requests answered in order until it ends or becomes a WebSocket.

Knows streams and a `Site`; neither kernel nor processes.
"""

from __future__ import annotations

import enum
import functools
import math
from typing import Protocol, assert_never

import attrs
import trio

from sys_processes.devices import ByteStream
from sys_processes.http_server.http1 import BadRequest, RequestHead, RequestParser
from sys_processes.http_server.limits import Limits
from sys_processes.http_server.linger import close_after_last_words
from sys_processes.http_server.link_path import switching
from sys_processes.http_server.replies import HttpReply, encode_reply, reply_parts, text_reply
from sys_processes.http_server.room import Room
from sys_processes.http_server.upgrade import Accept, HandOver, check_upgrade, is_proposed
from sys_processes.http_server.websocket import Socket, serve_websocket

READ_BYTES = 64 * 1024
WRITE_BYTES = 256 * 1024
DEADLINE_SLACK = 5.0
"""A deadline that is right to within this is not moved: moving one costs more than parsing a small request."""


class Site(Protocol):
    """What is served. Calls for one connection come one after the other, from its task.

    An exception (not a cancellation) from `exchange`, `upgrade` or `websocket` ends that connection alone: the client
    gets 500 or close code 1011, and `failed` hears of it.
    """

    def max_body(self, head: RequestHead) -> int | HttpReply:
        """Asked before a body is read: how many bytes it may have, or at once the reply that refuses it.

        With a reply the body is not read and the connection ends.
        """

    async def exchange(self, head: RequestHead, body: bytes) -> HttpReply:
        """Answer a request. The body is whole and within `max_body`; `b""` when there is none."""

    async def upgrade(self, head: RequestHead) -> HttpReply | Accept | HandOver:
        """Decide on a well-formed WebSocket upgrade. A reply refuses it and ends the connection."""

    async def websocket(self, head: RequestHead, socket: Socket) -> None:
        """Run an accepted socket. When this returns it is closed, with 1000 unless `socket.close` said otherwise."""

    def failed(self, head: RequestHead, error: Exception) -> None:
        """A call of this site raised."""

    def not_understood(self, peer: str | None, problem: str) -> None:
        """A client sent what is no request, and its connection ends."""


class _Phase(enum.Enum):
    IDLE = "idle"
    HEAD = "head"
    BODY = "body"
    EXCHANGE = "exchange"
    WRITE = "write"


@attrs.frozen
class _Upgrade:
    head: RequestHead
    early: bytes
    """What came behind the head."""
    accept: Accept | HandOver


class _Refused(Exception):
    """The site's own reply ends the connection."""

    def __init__(self, reply: HttpReply) -> None:
        super().__init__(reply.status)
        self.reply = reply


_OF_SOCKETS = ("host", "origin", "sec-websocket-key")
_INTERNAL_ERROR = text_reply(500, "internal error")
_NO_ROOM = text_reply(503, "too many bodies are being received; try again", [("retry-after", "5")])
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


async def serve_connection(
    stream: ByteStream,
    site: Site,
    limits: Limits,
    conversations: dict[Conversation, None] | None = None,
    room: Room | None = None,
) -> None:
    """Serve one connection to its end and close it. Raises for nothing a client does.

    It stands in `conversations` until it ends or becomes a WebSocket; its bodies are in `room`, which connections
    share. Cancelled, it closes at once. DESIGN 5.
    """
    try:
        shared = {} if conversations is None else conversations
        upgrade = await _converse(Conversation(stream, site, limits, room or Room()), shared)
        if upgrade is not None:
            await _serve_upgrade(stream, site, upgrade, limits)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        pass
    finally:
        await stream.aclose()


async def _converse(conversation: Conversation, conversations: dict[Conversation, None]) -> _Upgrade | None:
    conversations[conversation] = None
    try:
        return await conversation.run()
    finally:
        conversation.drop_body()
        del conversations[conversation]


async def _serve_upgrade(stream: ByteStream, site: Site, upgrade: _Upgrade, limits: Limits) -> None:
    accept = upgrade.accept
    if isinstance(accept, HandOver):
        with trio.move_on_after(limits.write_seconds) as writing:
            await stream.send_all(switching(upgrade.head))
        if not writing.cancelled_caught:
            await accept.serve(stream, upgrade.early)
        return
    await serve_websocket(
        stream,
        accept,
        upgrade.head,
        upgrade.early,
        functools.partial(site.websocket, upgrade.head),
        functools.partial(site.failed, upgrade.head),
        limits,
    )


class Conversation:
    """The HTTP part of a connection. One cancel scope spans it; its deadline follows the phase."""

    def __init__(self, stream: ByteStream, site: Site, limits: Limits, room: Room) -> None:
        self._stream = stream
        self._site = site
        self._limits = limits
        self._room = room
        self._taken = 0
        """Of the room."""
        self._parser = RequestParser(stream.peer)
        self._scope = trio.CancelScope()
        self._deadline = math.inf
        self._phase = _Phase.IDLE
        self.head: RequestHead | None = None
        """Of the request that is being read or answered."""
        self._last_word: HttpReply | None = None

    def hurry(self, seconds: float, last_word: HttpReply) -> None:
        """The call that is being answered gets so many seconds; it is told `last_word` when they are over."""
        self._last_word = last_word
        self._scope.deadline = self._deadline = min(self._deadline, trio.current_time() + seconds)

    async def run(self) -> _Upgrade | None:
        """Until the client leaves or is refused (None), or its upgrade is accepted."""
        refusal: HttpReply | None = None
        with self._scope as scope:
            try:
                return await self._requests()
            except BadRequest as bad:
                self._site.not_understood(self._stream.peer, bad.problem)
                refusal = text_reply(bad.status, bad.problem, bad.headers)
            except _Refused as refused:
                refusal = refused.reply
        if scope.cancelled_caught:
            exchange = self._phase is _Phase.EXCHANGE
            refusal = (self._last_word if exchange else None) or _too_late(self._phase)
        if refusal is not None:
            # Outside of the scope: the refusal has a time of its own.
            await self._refuse(refusal)
        return None

    async def _requests(self) -> _Upgrade | None:
        self._move_deadline(self._limits.head_seconds)
        parser = self._parser
        while True:
            self.head = None
            head = parser.head() or await self._wait_head()
            if head is None:
                return None
            self.head = head
            if "expect" in head.fields:
                _check_expectation(head)
            if head.length == 0:
                if "upgrade" in head.fields and head.upgrade_websocket:
                    return await self._decide_upgrade(head)
                await self._reply(await self._ask(head, b""), head)
            else:
                # In no variable of ours, which would keep the body until the next request.
                await self._reply(await self._ask(head, await self._wait_body(head)), head)
                self.drop_body()
            if not head.keep_alive:
                await close_after_last_words(self._stream, self._limits.linger_seconds)
                return None

    async def _wait_head(self) -> RequestHead | None:
        """None when the client left between two requests."""
        parser = self._parser
        self._phase = _Phase.IDLE
        while True:
            if parser.partial and self._phase is _Phase.IDLE:
                self._phase = _Phase.HEAD
                self._move_deadline(self._limits.head_seconds)
            data = await self._stream.receive_some(READ_BYTES)
            if not data:
                if parser.partial:
                    raise BadRequest(400, "the connection ended inside a head")
                return None
            parser.feed(data)
            head = parser.head()
            if head is not None:
                return head

    async def _wait_body(self, head: RequestHead) -> bytes:
        if head.upgrade_websocket:
            raise BadRequest(400, "a WebSocket upgrade has no body")
        try:
            allowed = self._site.max_body(head)
        except Exception as error:  # noqa: BLE001 - as in _ask
            self._site.failed(head, error)
            allowed = _INTERNAL_ERROR
        if isinstance(allowed, HttpReply):
            raise _Refused(allowed)
        parser = self._parser
        received = parser.unread
        body = parser.body(allowed)
        if body is not None:
            return body
        self._phase = _Phase.BODY
        limits = self._limits
        started = trio.current_time()
        self._move_deadline(limits.body_seconds)
        if received == 0 and head.version == "1.1" and head.header("expect") is not None:
            await self._stream.send_all(_CONTINUE)
        while True:
            data = await self._receive_of_body()
            parser.feed(data)
            body = parser.body(allowed)
            if body is not None:
                return body
            received += len(data)
            due = started + limits.body_seconds + received / limits.body_rate
            if due - self._deadline > DEADLINE_SLACK:
                self._scope.deadline = self._deadline = due

    async def _receive_of_body(self) -> bytes | bytearray:
        data = await self._stream.receive_some(READ_BYTES)
        if not data:
            raise BadRequest(400, "the connection ended inside a body")
        if not self._room.take(len(data)):
            raise _Refused(_NO_ROOM)
        self._taken += len(data)
        return data

    def drop_body(self) -> None:
        """Nobody wants it any more."""
        self._parser.drop_body()
        self._room.give_back(self._taken)
        self._taken = 0

    async def _ask(self, head: RequestHead, body: bytes) -> HttpReply:
        self._phase = _Phase.EXCHANGE
        if self._deadline - trio.current_time() < self._limits.exchange_seconds:
            self._move_deadline(
                max(self._limits.exchange_seconds, self._limits.idle_seconds) + DEADLINE_SLACK
            )
        try:
            return await self._site.exchange(head, body)
        except Exception as error:  # noqa: BLE001 - one request's trouble must not reach other connections
            self._site.failed(head, error)
            return _INTERNAL_ERROR

    async def _decide_upgrade(self, head: RequestHead) -> _Upgrade:
        check_upgrade(head)
        self._phase = _Phase.EXCHANGE
        self._move_deadline(self._limits.exchange_seconds)
        try:
            decision = await self._site.upgrade(head)
        except Exception as error:  # noqa: BLE001 - as in _ask
            self._site.failed(head, error)
            decision = _INTERNAL_ERROR
        if isinstance(decision, Accept) and not is_proposed(decision.subprotocol, head):
            self._site.failed(
                head, ValueError(f"subprotocol {decision.subprotocol!r} was not proposed by the client")
            )
            decision = _INTERNAL_ERROR
        if isinstance(decision, HttpReply):
            raise _Refused(decision)
        return _Upgrade(_for_a_socket(head), self._parser.leftover(), decision)

    async def _reply(self, reply: HttpReply, head: RequestHead) -> None:
        lines, body = reply_parts(reply, head.method, keep_alive=head.keep_alive, version=head.version)
        self._phase = _Phase.WRITE
        if len(body) <= WRITE_BYTES:
            # One deadline for this small write and for the wait for the next request, moved once in a while.
            lowest = trio.current_time() + self._limits.idle_seconds
            if not lowest <= self._deadline <= lowest + DEADLINE_SLACK:
                self._scope.deadline = self._deadline = lowest + DEADLINE_SLACK
            await self._stream.send_all(lines + body)
        else:
            self._move_deadline(self._limits.write_seconds)
            await self._stream.send_all(lines)
            view = memoryview(body)
            for at in range(0, len(body), WRITE_BYTES):
                self._move_deadline(self._limits.write_seconds)
                await self._stream.send_all(view[at : at + WRITE_BYTES])
            self._move_deadline(self._limits.idle_seconds)

    async def _refuse(self, reply: HttpReply) -> None:
        method = "GET" if self.head is None else self.head.method
        data = encode_reply(reply, method=method, keep_alive=False)
        with trio.move_on_after(self._limits.write_seconds) as writing:
            await self._stream.send_all(data)
        if not writing.cancelled_caught:
            await close_after_last_words(self._stream, self._limits.linger_seconds)

    def _move_deadline(self, seconds: float) -> None:
        self._scope.deadline = self._deadline = trio.current_time() + seconds


def _for_a_socket(head: RequestHead) -> RequestHead:
    """Without what only the decision needed: thousands of sockets may stay open, and a browser sends many headers."""
    kept = {name: head.fields[name] for name in _OF_SOCKETS if name in head.fields}
    return attrs.evolve(head, headers=[], fields=kept, query=None, memo=None)


def _check_expectation(head: RequestHead) -> None:
    """RFC 9110 section 10.1.1: HTTP/1.0 expects nothing."""
    expected = head.fields["expect"]
    if head.version == "1.1" and expected.lower() != "100-continue":
        raise BadRequest(417, f"Expect {expected[:80]!r}; only '100-continue' can be met")


def _too_late(phase: _Phase) -> HttpReply | None:
    """What a client hears whose time is over; None where nobody listens."""
    match phase:
        case _Phase.HEAD:
            return text_reply(408, "the head did not arrive in time")
        case _Phase.BODY:
            return text_reply(408, "the body arrived too slowly")
        case _Phase.EXCHANGE:
            return text_reply(503, "no answer in time")
        case _Phase.IDLE | _Phase.WRITE:
            return None
        case _:
            assert_never(phase)
