"""A WebSocket to a server: trio-websocket, with an end where its handshake has none, and control frames heard."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import trio
from trio_websocket import ConnectionClosed, ConnectionRejected, WebSocketConnection
from wsproto import WSConnection
from wsproto.connection import ConnectionType
from wsproto.events import Ping, Pong
from wsproto.utilities import LocalProtocolError

from sys_processes.devices import ByteStream, Dialer
from sys_processes.http_client.core import MOST_BODY
from sys_processes.http_server.protocol import WsMessageType

_PORTS = {"ws": 80, "wss": 443}
_QUEUED = 64
"""Messages that wait for the process; then the socket is not read."""


class OpenRefused(Exception):
    """The server took no WebSocket; the text says what it did instead."""


class SocketGone(Exception):
    """It is closed, or it broke."""


class ServerSocket(WebSocketConnection):
    """Made by `opened`. `control` is called for each ping and pong; pings are answered without it."""

    def __init__(
        self,
        stream: ByteStream,
        host: str,
        path: str,
        headers: list[tuple[bytes, bytes]],
        control: Callable[[WsMessageType], Awaitable[None]],
    ) -> None:
        super().__init__(
            stream,  # type: ignore[arg-type] # it asks for less than trio's Stream
            WSConnection(ConnectionType.CLIENT),
            host=host,
            path=path,
            client_extra_headers=headers,
            message_queue_size=_QUEUED,
            max_message_size=MOST_BODY,
        )
        self._control = control

    async def read_to_end(self, opening: trio.CancelScope) -> None:
        """Its reader. It ends, or raises, before the handshake is over when there is none."""
        try:
            await self._reader_task()
        finally:
            opening.cancel()

    async def wait_open(self) -> None:
        await self._open_handshake.wait()

    @property
    def is_open(self) -> bool:
        return self._open_handshake.is_set()

    async def receive(self) -> str | bytes:
        """Raises `SocketGone`."""
        try:
            return await self.get_message()
        except ConnectionClosed:
            raise SocketGone from None

    async def send(self, kind: WsMessageType, data: bytes) -> None:
        """Raises `SocketGone`; UnicodeDecodeError for text that is none."""
        try:
            match kind:
                case WsMessageType.Text:
                    await self.send_message(data.decode())
                case WsMessageType.Binary:
                    await self.send_message(data)
                case WsMessageType.Ping:
                    await self._send(Ping(payload=data))
                case WsMessageType.Pong:
                    await self._send(Pong(payload=data))
                case WsMessageType.Close:
                    await self.aclose()
        except (ConnectionClosed, LocalProtocolError):
            raise SocketGone from None

    async def _handle_ping_event(self, event: Ping) -> None:
        await super()._handle_ping_event(event)
        await self._control(WsMessageType.Ping)

    async def _handle_pong_event(self, event: Pong) -> None:
        await super()._handle_pong_event(event)
        await self._control(WsMessageType.Pong)


@asynccontextmanager
async def opened(
    dialer: Dialer,
    url: str,
    headers: tuple[tuple[str, str], ...],
    control: Callable[[WsMessageType], Awaitable[None]],
    *,
    local: bool,
) -> AsyncIterator[ServerSocket]:
    """Until the end of the block, and for as long as it takes. Raises `OpenRefused`, and what the dialer raises."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    stream = await dialer.dial(host, port, local=local)
    try:
        if parts.scheme == "wss":
            stream = await dialer.secure(stream, host)
        path = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
        raw = [(name.encode("ascii"), value.encode("latin-1")) for name, value in headers]
        socket = ServerSocket(stream, parts.netloc.rpartition("@")[2], path, raw, control)
        async with trio.open_nursery() as nursery:
            with trio.CancelScope() as opening:
                nursery.start_soon(socket.read_to_end, opening)
                await socket.wait_open()
            if not socket.is_open:
                raise OpenRefused("it closed the connection instead of opening a WebSocket")
            try:
                yield socket
            finally:
                nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        rejected = group.subgroup(ConnectionRejected)
        if rejected is not None:
            raise OpenRefused(f"it answered with {_status(rejected)}") from None
        only = group.exceptions[0] if len(group.exceptions) == 1 else None
        raise (only or group) from None
    finally:
        with trio.CancelScope(shield=True):
            await stream.aclose()


def _status(group: BaseException) -> str:
    while isinstance(group, BaseExceptionGroup):
        group = group.exceptions[0]
    return f"status {group.status_code}" if isinstance(group, ConnectionRejected) else "a refusal"
