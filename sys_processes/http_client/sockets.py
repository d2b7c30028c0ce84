"""The sockets that processes have opened: who owns which, what is heard on them, and their end (PROTOCOL 7.1)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import attrs
import trio

from kernel.address import Address
from kernel.message import Payload, Request
from kernel.syscalls import current
from sys_processes.devices import Dialer, DialFailed
from sys_processes.http_client.core import (
    MOST_CHANNELS,
    Refused,
    check_push,
    checked_headers,
)
from sys_processes.http_client.protocol import (
    HTTP_CLIENT,
    HTTP_CLIENT_REQUEST,
    HttpClientRequest,
    WebSocketClose,
    WebSocketOpen,
    WebSocketPush,
    WsCloseFailed,
    WsOpenFailed,
    WsPushUnknownChannel,
)
from sys_processes.http_client.websocket import OpenRefused, ServerSocket, SocketGone, opened
from sys_processes.http_server.protocol import WsMessageType

_UNDELIVERED = 64
"""Frames of one socket in its process's mailbox; then the socket is not read."""
_CLOSE_SECONDS = 5.0
_MIMES = {str: "text/plain", bytes: "application/octet-stream"}


@attrs.define(eq=False)
class _Channel:
    owner: Address
    number: int
    scope: trio.CancelScope
    opened: trio.Event
    socket: ServerSocket | None = None
    error: str = ""
    parted: trio.Event = attrs.Factory(trio.Event)
    left: bool = False
    """By its owner, who hears no more of it."""


class Sockets:
    """Of one run of the process."""

    def __init__(self, dialer: Dialer) -> None:
        self._dialer = dialer
        self._channels: dict[tuple[Address, int], _Channel] = {}

    async def open(self, owner: Address, asked: WebSocketOpen, *, local: bool) -> None:
        """Returns when it is open. Raises `Refused`."""
        headers = checked_headers(asked)
        if not current().can_message(owner):
            self._say(
                f"{owner} cannot hear of a socket: its manifest needs "
                f'"grant_capabilities": ["{HTTP_CLIENT}"], or "public": true'
            )
            raise Refused(WsOpenFailed(asked.url))
        key = owner, asked.channel_id
        before = self._channels.get(key)
        if before is not None:
            await self._leave(before)
        if sum(1 for there, _ in self._channels if there == owner) >= MOST_CHANNELS:
            self._say(f"{owner} has {MOST_CHANNELS} sockets open already: WebSocketClose some")
            raise Refused(WsOpenFailed(asked.url))
        channel = self._channels[key] = _Channel(owner, asked.channel_id, trio.CancelScope(), trio.Event())

        async def live() -> None:
            with channel.scope:
                await self._live(channel, asked.url, headers, local=local)
            channel.opened.set()
            if self._channels.get(key) is channel:
                del self._channels[key]
            if channel.socket is not None and not channel.left:
                await self._tell(channel, WebSocketClose(channel.number))

        current().start_soon(live)
        try:
            await channel.opened.wait()
        except trio.Cancelled:
            channel.left = True
            channel.scope.cancel()
            raise
        if channel.socket is None:
            self._say(f"no WebSocket to {asked.url} for {owner}: {channel.error or 'it was given up'}")
            raise Refused(WsOpenFailed(asked.url))

    async def _live(
        self, channel: _Channel, url: str, headers: tuple[tuple[str, str], ...], *, local: bool
    ) -> None:
        async def control(kind: WsMessageType) -> None:
            await self._tell(channel, WebSocketPush(channel.number, kind))

        try:
            async with opened(self._dialer, url, headers, control, local=local) as socket:
                channel.socket = socket
                channel.opened.set()
                await self._hear_all(channel, socket)
                if channel.left:
                    # Who leaves still waits for the server's goodbye, which the socket's reader hears.
                    await channel.parted.wait()
        except (DialFailed, OpenRefused) as error:
            channel.error = str(error)

    async def _hear_all(self, channel: _Channel, socket: ServerSocket) -> None:
        try:
            while True:
                await self._hear(channel, await socket.receive())
        except SocketGone:
            return

    async def _hear(self, channel: _Channel, message: str | bytes) -> None:
        kind = WsMessageType.Text if isinstance(message, str) else WsMessageType.Binary
        data = message.encode() if isinstance(message, str) else bytes(message)
        payload = Payload(_MIMES[str if isinstance(message, str) else bytes], data)
        await self._tell(channel, WebSocketPush(channel.number, kind), payload)

    @staticmethod
    async def _tell(channel: _Channel, what: HttpClientRequest, payload: Payload | None = None) -> None:
        request = Request(ipc=HTTP_CLIENT_REQUEST.encode(what))
        await current().send_paced(channel.owner, request, None, payload, window=_UNDELIVERED)

    async def push(self, owner: Address, asked: WebSocketPush, payload: Payload | None) -> None:
        """Returns when it is on its way. Raises `Refused`."""
        channel = self._channels.get((owner, asked.channel_id))
        if channel is None or channel.socket is None:
            raise Refused(WsPushUnknownChannel(asked.channel_id))
        check_push(asked, payload)
        if asked.message_type is WsMessageType.Close:
            await self._leave(channel)
            return
        try:
            await channel.socket.send(asked.message_type, payload.bytes if payload is not None else b"")
        except SocketGone:
            raise Refused(WsPushUnknownChannel(asked.channel_id)) from None
        except trio.Cancelled:
            # Half a frame may have been sent.
            channel.scope.cancel()
            raise

    async def close(self, owner: Address, asked: WebSocketClose) -> None:
        """Raises `Refused`."""
        channel = self._channels.get((owner, asked.channel_id))
        if channel is None:
            raise Refused(WsCloseFailed(asked.channel_id))
        await self._leave(channel)

    async def _leave(self, channel: _Channel) -> None:
        channel.left = True
        self._channels.pop((channel.owner, channel.number), None)
        if channel.socket is not None:
            with trio.move_on_after(_CLOSE_SECONDS):
                await channel.socket.aclose()
        channel.parted.set()
        channel.scope.cancel()

    def gone(self, owner: Address) -> list[Callable[[], Awaitable[None]]]:
        """What is left to do when the process has ended: to close its sockets."""
        theirs = [channel for (there, _), channel in self._channels.items() if there == owner]
        for channel in theirs:
            channel.left = True
        return [lambda channel=channel: self._leave(channel) for channel in theirs]  # type: ignore[misc]

    @staticmethod
    def _say(text: str) -> None:
        current().print_to_terminal(1, text)
