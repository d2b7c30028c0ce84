"""The WebSocket half of the server: from an accepted upgrade to the end of its channel (PROTOCOL 6.12-6.15).

Each socket has two tasks. One reads: it registers, forwards what the client says, and tells the process of the end, all
in order. The other writes what the process pushes. The table of channels decides everything.
"""

from __future__ import annotations

import contextlib
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
from sys_processes.http_server.bell import Bell
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
from sys_processes.http_server.coding import Coding, Frame, Sealed, Unreadable
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


class _Writer:
    """Sends what waits in a channel. `wake` is the channel's.

    A frame for a client that keeps up is sent in the step of its push. What has to wait is sent by a task, made when
    it is first wanted: most channels of a node are idle or keep up, and never have one. The end of the channel or of
    its owner stops the reading of the socket at once; that of the channel also limits the time of what is being sent.
    """

    __slots__ = (
        "_bell", "_channel", "_close_seconds", "_ended", "_idle", "_limit", "_problem", "_reading", "_socket",
    )  # fmt: skip

    def __init__(self, socket: Socket, close_seconds: float) -> None:
        self._socket = socket
        self._close_seconds = close_seconds
        self._channel: Channel | None = None
        self._limit: trio.CancelScope | None = None
        self._bell: Bell | None = None
        """Of the one that sends what waits; None while there is none."""
        self._ended: trio.Event | None = None
        self._problem: Exception | None = None
        self._idle = True

    def begin(self, channel: Channel, reading: trio.CancelScope) -> None:
        """`reading` is of whoever reads the socket. What waits already is sent."""
        self._channel = channel
        self._reading = reading
        while self._sent_at_once(channel):
            pass
        if (
            channel.first() is not None
            or channel.ending is not None
            or channel.orphaned
            or self._socket.unsent
        ):
            self.wake()

    def wake(self) -> None:
        channel = self._channel
        if channel is None or (self._idle and self._sent_at_once(channel)):
            return
        self._idle = False
        ending = channel.ending
        if ending is not None or channel.orphaned:
            self._reading.cancel()
        if ending is not None:
            grace = self._close_seconds if ending.flush else 0.0
            limit = self._limit_scope()
            limit.deadline = min(limit.deadline, trio.current_time() + grace)
        if self._bell is not None:
            self._bell.ring()
        elif not self._reading.cancel_called:
            self._bell = Bell()
            self._ended = trio.Event()
            self._socket.start_soon(self._run_beside, channel, self._ended)

    def _sent_at_once(self, channel: Channel) -> bool:
        """Send the one frame of a channel for which nothing waits. False: a task is wanted, for this or the rest."""
        frame = channel.first()
        if frame is None or channel.ending is not None or channel.orphaned:
            return False
        kind = frame.kind
        text = kind is WsMessageType.Text
        if (text or kind is WsMessageType.Binary) and self._socket.try_send(frame.data, text=text):
            channel.take()
            return not self._socket.unsent
        return False

    def cut(self) -> None:
        """The socket is gone: nothing can be sent any more."""
        self._limit_scope().cancel()

    async def finish(self) -> None:
        """Until the channel has ended and what had to be sent is sent, or the socket is gone."""
        if self._ended is not None:
            await self._ended.wait()
        elif self._channel is not None:
            self._bell = Bell()
            await self._run(self._channel, self._bell)
        if self._problem is not None:
            raise self._problem

    def _limit_scope(self) -> trio.CancelScope:
        if self._limit is None:
            self._limit = trio.CancelScope()
        return self._limit

    async def _run_beside(self, channel: Channel, ended: trio.Event) -> None:
        """What goes wrong is raised by `finish`: the socket's own task says goodbye."""
        assert self._bell is not None
        try:
            await self._run(channel, self._bell)
        except Exception as problem:  # noqa: BLE001 - handed on
            self._problem = problem
        finally:
            ended.set()
        self._reading.cancel()

    async def _run(self, channel: Channel, bell: Bell) -> None:
        with self._limit_scope(), contextlib.suppress(SocketClosed):
            await self._send_all(channel, bell)

    async def _send_all(self, channel: Channel, bell: Bell) -> None:
        while True:
            frame = channel.take()
            if frame is not None:
                await self._send(frame)
            elif channel.ending is not None:
                return
            else:
                await self._socket.flush()
                self._idle = channel.first() is None
                try:
                    await bell.wait()
                finally:
                    self._idle = False

    async def _send(self, frame: Frame) -> None:
        socket = self._socket
        match frame.kind:
            case WsMessageType.Text:
                await socket.send_text_bytes(frame.data)
            case WsMessageType.Ping:
                await socket.ping(frame.data)
            case WsMessageType.Pong:
                await socket.pong(frame.data)
            case _:
                await socket.send_binary(frame.data)


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
        writer = _Writer(socket, self._door.limits.close_seconds)
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
        self, socket: Socket, channel: Channel, writer: _Writer, target: Address, start: _Start
    ) -> None:
        """Until either side ends it."""
        # The process's turn comes first: it has heard of the channel when the client does.
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
