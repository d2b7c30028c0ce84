"""The WebSocket half of the server: from an accepted upgrade to the end of its channel (PROTOCOL 6.12-6.15).

The task of each socket reads: it registers, forwards what the client says, and tells the process of the end, all in
order. A `Writer` sends what the process pushes. The table of channels decides everything.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import attrs
import trio

from kernel.address import Address, ProcessId
from kernel.message import Payload, Request
from kernel.syscalls import current
from sys_processes.http_server import era0, pages
from sys_processes.http_server.access import Refuse, check_upgrade
from sys_processes.http_server.bindings import PathTable, RegisterRoute, SocketBinding
from sys_processes.http_server.channels import (
    CLIENT_LEFT,
    NOT_REGISTERED,
    SHUTDOWN,
    TOO_MANY,
    UNREADABLE,
    Channel,
    Channels,
    Ending,
    Seat,
)
from sys_processes.http_server.coding import Coding, Sealed, Unreadable
from sys_processes.http_server.complaints import Kind
from sys_processes.http_server.door import Door
from sys_processes.http_server.encryption import NONCE_BYTES, SECRET_BYTES, Cipher, ClientKey, Exchange
from sys_processes.http_server.http1 import RequestHead
from sys_processes.http_server.protocol import (
    METADATA_WS,
    REGISTERED_ENCRYPTED,
    REQUEST,
    WebSocketClose,
    WebSocketOpen,
    WebSocketPush,
    WsEncryptedRegisterResponse,
    WsMessageType,
)
from sys_processes.http_server.register import Deliver, RefuseRegister, Registered, Swallow
from sys_processes.http_server.replies import HttpReply
from sys_processes.http_server.tokens import Session
from sys_processes.http_server.upgrade import Accept
from sys_processes.http_server.websocket import Socket, SocketClosed
from sys_processes.http_server.writer import Writer

UNDELIVERED_PUSHES = 64
"""Of one channel in its process's mailbox; then its socket is not read."""


class Owed:
    """The channels whose process must still be told of their end."""

    def __init__(self) -> None:
        self._owed: dict[int, ProcessId] = {}
        self._telling: dict[int, tuple[ProcessId, trio.CancelScope]] = {}

    def forget(self, owner: ProcessId) -> None:
        """It has ended: what it was not told by now, its successor must not hear."""
        for channel_id in [channel_id for channel_id, process in self._owed.items() if process == owner]:
            del self._owed[channel_id]
        for process, telling in self._telling.values():
            if process == owner:
                telling.cancel()

    def note(self, owner: ProcessId, channel_id: int) -> None:
        self._owed[channel_id] = owner

    async def settle(self, target: Address, channel_id: int) -> None:
        """Tell the process of the end of its channel, if that is owed; returns when it is in its mailbox."""
        if self._owed.pop(channel_id, None) is None:
            return
        node = current()
        closed = Request(False, None, REQUEST.encode(WebSocketClose(channel_id)), METADATA_WS)
        if node.has_room(target.process, len(closed.ipc)):
            # In this same step, so that a cancellation of http_server itself cannot come between.
            node.send_request(target, closed)
            return
        with trio.CancelScope() as telling:
            self._telling[channel_id] = target.process, telling
            try:
                await node.send_paced(target, closed)
            finally:
                del self._telling[channel_id]


@attrs.frozen
class _Start:
    """How a channel begins: `announce`d by its id or, with a `key`, by the answer that also holds its secret.

    On a `bound` path its first frame may still be a register. `early` is a message that came before it.
    """

    owner: ProcessId
    path: str
    announce: bool
    bound: bool = False
    key: ClientKey | None = None
    coding: Coding | None = None
    early: str | bytes | None = None


class Sockets:
    """One for all connections. `owed` is what the table of channels calls with the ends it decides; `complain` takes
    what clients do wrong.
    """

    def __init__(
        self,
        door: Door,
        paths: PathTable,
        channels: Channels,
        owed: Owed,
        named: era0.NamedDoor,
        complain: Callable[[Kind, str], None],
    ) -> None:
        self._complain = complain
        self._door = door
        self._paths = paths
        self._channels = channels
        self._owed = owed
        self._named = named
        self._rules = named.rules
        self._trusted = door.settings.trusted_origins()
        self._nameless = 0
        """Sockets that registered and have not named a process yet."""
        self._registering: dict[trio.CancelScope, None] = {}
        self._shut_down = False

    def decide(self, head: RequestHead, session: Session) -> HttpReply | Accept:
        """On a well-formed upgrade."""
        paths = self._paths
        verdict = check_upgrade(
            head, paths.socket_route(head.path), session, self._trusted, paths.subdomain(head.host)
        )
        if not isinstance(verdict, Refuse):
            return Accept()
        self._complain(
            Kind.UPGRADE,
            f"refused {head.peer} a WebSocket at {head.path}: {verdict.status}, {verdict.reason}",
        )
        return pages.refusal(head, verdict.status, verdict.reason)

    def shut_down(self) -> None:
        """End all sockets, those that have no channel yet too."""
        self._shut_down = True
        for time in self._registering:
            time.cancel()
        self._channels.shut_down()

    async def run(self, head: RequestHead, socket: Socket) -> None:
        """To the end of the socket."""
        route = self._paths.socket_route(head.path)
        seat = self._channels.admit()
        if seat is None:
            ending = SHUTDOWN if self._shut_down else TOO_MANY
            await socket.close(ending.code, ending.reason)
            return
        try:
            if isinstance(route, SocketBinding) and not route.encrypted:
                path = route.opened_path(head.path)
                start: _Start | None = _Start(route.process, path, announce=False, bound=True)
            elif route is not None:
                start = await self._registered(socket, seat, route, head.path)
            else:
                start = None  # the process behind the bridge has ended since the upgrade
            if start is not None:
                await self._serve(socket, seat, start)
        finally:
            seat.leave()
            if socket.fault is not None:
                self._complain(
                    Kind.FRAME, f"closed the WebSocket of {head.peer} at {head.path}: {socket.fault}"
                )

    async def _registered(
        self, socket: Socket, seat: Seat, route: SocketBinding | RegisterRoute, requested: str
    ) -> _Start | None:
        """What the client registers for; None when it does not in time, or may not: the socket is closed."""
        message = await self._message(socket, self._door.settings.register_timeout)
        ending = NOT_REGISTERED
        if message is not None:
            match self._first_frame(message, route):
                case Registered(target, key):
                    path = route.opened_path(requested) if isinstance(route, SocketBinding) else "/"
                    return _Start(target, path, announce=key is None, key=key)
                case era0.NamedChannel() as channel:
                    start = await self._met(socket, seat, channel)
                    if isinstance(start, _Start):
                        return start
                    ending = start
                case RefuseRegister(problem):
                    self._complain(Kind.REGISTER, f"refused a register: {problem}")
        if self._shut_down:
            ending = SHUTDOWN
        await socket.close(ending.code, ending.reason)
        return None

    async def _message(self, socket: Socket, seconds: float) -> str | bytes | None:
        """The next one of a socket without a channel; None when it does not come in time, or we shut down."""
        with trio.move_on_after(seconds) as time:
            self._registering[time] = None
            try:
                return await socket.receive()
            finally:
                del self._registering[time]
        return None

    def _first_frame(
        self, message: str | bytes, route: SocketBinding | RegisterRoute
    ) -> Registered | era0.NamedChannel | RefuseRegister:
        if isinstance(route, SocketBinding):
            return self._rules.first_encrypted_frame(message, route.process)
        named = era0.first_frame(message, self._named) if route.target is None else None
        return named or self._rules.first_frame(message, route.target)

    async def _met(self, socket: Socket, seat: Seat, channel: era0.NamedChannel) -> _Start | Ending:
        """Wait for the message that names the process, as long as it takes: who waits here has logged in."""
        if self._nameless >= self._door.settings.max_unregistered:
            return TOO_MANY
        seat.leave()
        self._nameless += 1
        try:
            message = await self._message(socket, math.inf)
        finally:
            self._nameless -= 1
        if message is None:
            return SHUTDOWN
        try:
            target = channel.meet(message)
        except Unreadable as problem:
            self._complain(Kind.REGISTER, f"refused a first message: {problem}")
            return NOT_REGISTERED
        return _Start(target, "/", announce=False, coding=channel, early=message)

    async def _serve(self, socket: Socket, seat: Seat, start: _Start) -> None:
        writer = Writer(socket, self._door.limits.close_seconds)
        opened = self._channels.open(seat, start.owner, start.path, writer.wake, announce=start.announce)
        if isinstance(opened, Ending):
            await socket.close(opened.code, opened.reason)
            return
        target = Address(self._rules.node, start.owner)
        opened.coding = start.coding
        try:
            if start.key is not None:
                self._encrypt(opened, start.key)
            if self._announce(opened, target):
                await self._converse(socket, opened, writer, target, start)
            else:
                self._channels.refuse(opened)
        finally:
            self._channels.gone(opened)
            await self._end(socket, opened, target)

    def _announce(self, channel: Channel, target: Address) -> bool:
        """WebSocketOpen goes into the mailbox before the client hears of its channel, or not at all (C-122)."""
        node = current()
        ipc = REQUEST.encode(WebSocketOpen(channel.path, channel.id))
        if not node.has_room(target.process, len(ipc)) or not node.can_message(target):
            return False
        node.send_request(target, Request(False, None, ipc, METADATA_WS))
        return True

    def _encrypt(self, channel: Channel, key: ClientKey) -> None:
        """Tell the client its secret; all that is pushed from now on is sealed with it."""
        node = current()
        secret = node.secret("channel secret", SECRET_BYTES)
        exchange = Exchange.of(key, secret, self._door.keys.sign)
        answer = WsEncryptedRegisterResponse(
            channel.id, exchange.encrypted_secret, exchange.signed_public_key, exchange.signed_secret
        )
        cipher = Cipher(secret, functools.partial(node.secret, "channel nonce", NONCE_BYTES))
        self._channels.encrypt(channel, Sealed(cipher), REGISTERED_ENCRYPTED.encode(answer))

    async def _converse(
        self, socket: Socket, channel: Channel, writer: Writer, target: Address, start: _Start
    ) -> None:
        """Until either side ends it."""
        # The process's turn comes first, so that it has heard of the channel when the client does. It runs in the next
        # pass of the scheduler, before or after us: only in the pass behind that one it certainly has.
        await trio.lowlevel.checkpoint()
        await trio.lowlevel.checkpoint()
        with trio.CancelScope() as reading:
            writer.begin(channel, reading)
            try:
                await self._read(socket, channel, target, start)
            except SocketClosed:
                writer.cut()
        await writer.finish()

    async def _read(self, socket: Socket, channel: Channel, target: Address, start: _Start) -> None:
        node = current()
        text, binary = (
            Request(False, None, REQUEST.encode(WebSocketPush(channel.id, kind)), METADATA_WS)
            for kind in (WsMessageType.Text, WsMessageType.Binary)
        )
        message = await socket.receive() if start.early is None else start.early
        if start.bound:
            match self._rules.first_bound_frame(message, channel.owner):
                case Swallow(key):
                    if key is not None:
                        self._encrypt(channel, key)
                    message = await socket.receive()
                case RefuseRegister(problem):
                    self._complain(Kind.REGISTER, f"refused a register: {problem}")
                    self._channels.end(channel, NOT_REGISTERED)
                    await trio.sleep_forever()
                case Deliver():
                    pass
        while (coding := channel.coding) is not None:
            try:
                kind, data = coding.incoming(message)
            except Unreadable as problem:
                self._complain(Kind.FRAME, f"closed a WebSocket of {channel.owner}: {problem}")
                self._channels.end(channel, UNREADABLE)
                await trio.sleep_forever()
            request = text if kind is WsMessageType.Text else binary
            await node.send_paced(target, request, None, Payload(None, data), window=UNDELIVERED_PUSHES)
            message = await socket.receive()
        while True:
            if isinstance(message, str):
                request, payload = text, Payload(None, message.encode())
            else:
                request, payload = binary, Payload(None, message)
            await node.send_paced(target, request, None, payload, window=UNDELIVERED_PUSHES)
            message = await socket.receive()

    async def _end(self, socket: Socket, channel: Channel, target: Address) -> None:
        """Say goodbye to both sides at once: neither waits for the other."""
        ending = channel.ending or CLIENT_LEFT
        async with trio.open_nursery() as nursery:
            nursery.start_soon(socket.close, ending.code, ending.reason)
            await self._owed.settle(target, channel.id)
