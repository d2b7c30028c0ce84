"""A client of a node, in bytes: HTTP and WebSocket over any stream, well behaved only when told to be."""

from __future__ import annotations

from contextlib import suppress

import attrs
import trio
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, Pong, TextMessage
from wsproto.utilities import LocalProtocolError

KEY = "dGhlIHNhbXBsZSBub25jZQ=="


@attrs.frozen
class Reply:
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]

    def header(self, name: str) -> str | None:
        return next(iter(self.all(name)), None)


class ConnectionGone(Exception):
    """The node closed the connection; `received` is what came of the reply."""

    def __init__(self, received: bytes) -> None:
        super().__init__(f"the connection ended with {received!r}")
        self.received = received


class SocketEnded(Exception):
    """The WebSocket is over; `code` is None when no close frame came."""

    def __init__(self, code: int | None, reason: str) -> None:
        super().__init__(f"{code} {reason!r}")
        self.code = code
        self.reason = reason


def request_bytes(method: str, path: str, body: bytes | None = None, **headers: str | None) -> bytes:
    """`content_type="x"` is the header `content-type: x`, None leaves one out. The Host is `localhost:8080`.

    A body gets its Content-Length.
    """
    lines: dict[str, str | None] = {"host": "localhost:8080"}
    if body is not None:
        lines["content-length"] = str(len(body))
    lines |= {name.replace("_", "-"): value for name, value in headers.items()}
    text = f"{method} {path} HTTP/1.1\r\n"
    text += "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value is not None)
    return f"{text}\r\n".encode("latin-1") + (body or b"")


@attrs.define
class HttpClient:
    """One connection. `reply` reads what answers the oldest request."""

    stream: trio.abc.HalfCloseableStream
    buffer: bytearray = attrs.Factory(bytearray)

    async def send(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def ask(self, method: str, path: str, body: bytes | None = None, **headers: str | None) -> Reply:
        await self.send(request_bytes(method, path, body, **headers))
        return await self.reply(method)

    async def reply(self, method: str = "GET") -> Reply:
        """Raises `ConnectionGone`, trio.BrokenResourceError."""
        while b"\r\n\r\n" not in self.buffer:
            await self._more()
        size = self.buffer.index(b"\r\n\r\n") + 4
        status_line, *lines = bytes(self.buffer[: size - 4]).decode("latin-1").split("\r\n")
        del self.buffer[:size]
        headers = [(name.lower(), value) for name, _, value in (line.partition(": ") for line in lines)]
        reply = Reply(int(status_line.split(" ")[1]), headers, b"")
        wanted = int(reply.header("content-length") or 0) if method != "HEAD" and reply.status != 101 else 0
        while len(self.buffer) < wanted:
            await self._more()
        body = bytes(self.buffer[:wanted])
        del self.buffer[:wanted]
        return attrs.evolve(reply, body=body)

    async def _more(self) -> None:
        data = await self.stream.receive_some(65536)
        if not data:
            raise ConnectionGone(bytes(self.buffer))
        self.buffer += data

    async def rest(self) -> bytes:
        """All until the node ends its side."""
        try:
            while True:
                await self._more()
        except ConnectionGone as gone:
            self.buffer.clear()
            return gone.received

    async def close(self) -> None:
        await self.stream.aclose()


class WsClient:
    """An open WebSocket. It answers pings and closes while it `receive`s, and only then."""

    def __init__(self, stream: trio.abc.HalfCloseableStream, early: bytes) -> None:
        self.stream = stream
        self.pings: list[bytes] = []
        self.pongs: list[bytes] = []
        self._frames = Connection(ConnectionType.CLIENT)
        self._events: list[Event] = []
        self._text = ""
        self._binary = b""
        if early:
            self._take(early)

    def _take(self, data: bytes | None) -> None:
        self._frames.receive_data(data)
        self._events += self._frames.events()

    async def send(self, data: str | bytes) -> None:
        event: Event = TextMessage(data) if isinstance(data, str) else BytesMessage(data)
        await self.raw(self._frames.send(event))

    async def send_ping(self, payload: bytes = b"") -> None:
        await self.raw(self._frames.send(Ping(payload)))

    async def raw(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def receive(self) -> str | bytes:
        """The next whole message. Raises `SocketEnded`."""
        while True:
            while not self._events:
                await self._read()
            message = await self._answered(self._events.pop(0))
            if message is not None:
                return message

    async def _read(self) -> None:
        try:
            data = await self.stream.receive_some(65536)
        except trio.BrokenResourceError:
            raise SocketEnded(None, "reset") from None
        if not data:
            raise SocketEnded(None, "ended")
        self._take(bytes(data))

    async def _answered(self, event: Event) -> str | bytes | None:
        match event:
            case TextMessage():
                self._text += event.data
                if event.message_finished:
                    text, self._text = self._text, ""
                    return text
            case BytesMessage():
                self._binary += bytes(event.data)
                if event.message_finished:
                    binary, self._binary = self._binary, b""
                    return binary
            case Ping():
                self.pings.append(bytes(event.payload))
                await self.raw(self._frames.send(event.response()))
            case Pong():
                self.pongs.append(bytes(event.payload))
            case CloseConnection():
                await self._say_goodbye_too(event)
                raise SocketEnded(int(event.code), event.reason or "")
        return None

    async def _say_goodbye_too(self, event: CloseConnection) -> None:
        try:
            await self.raw(self._frames.send(event.response()))
        except Exception as error:  # noqa: BLE001 - we closed first, or the node is gone already
            del error
        await self.stream.aclose()

    async def ended(self) -> SocketEnded:
        """How the node ends the socket; messages before are read and dropped."""
        try:
            while True:
                await self.receive()
        except SocketEnded as end:
            return end

    async def leave(self) -> None:
        """Say goodbye if that can still be done, and go without waiting for the other side."""
        with suppress(LocalProtocolError, trio.BrokenResourceError, trio.ClosedResourceError):
            await self.raw(self._frames.send(CloseConnection(1000)))
        await self.stream.aclose()

    async def close(self, code: int = 1000) -> SocketEnded:
        """The whole closing handshake, ours first."""
        await self.raw(self._frames.send(CloseConnection(code)))
        end = await self.ended()
        await self.stream.aclose()
        return end


class UpgradeRefused(Exception):
    def __init__(self, reply: Reply) -> None:
        super().__init__(f"{reply.status} {reply.body!r}")
        self.reply = reply


async def open_websocket(
    stream: trio.abc.HalfCloseableStream, path: str = "/", **headers: str | None
) -> WsClient:
    """Raises `UpgradeRefused` with the node's answer."""
    client = HttpClient(stream)
    await client.send(upgrade_bytes(path, "GET", **headers))
    reply = await client.reply()
    if reply.status != 101:
        raise UpgradeRefused(reply)
    return WsClient(stream, bytes(client.buffer))


def upgrade_bytes(path: str = "/", method: str = "GET", **headers: str | None) -> bytes:
    """A well-formed upgrade, but for what `headers` change."""
    asked: dict[str, str | None] = {
        "connection": "Upgrade",
        "upgrade": "websocket",
        "sec_websocket_key": KEY,
        "sec_websocket_version": "13",
    }
    return request_bytes(method, path, None, **(asked | headers))
