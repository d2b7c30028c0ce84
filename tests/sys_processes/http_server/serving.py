"""A site for the tests, and a client that talks to it over memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import attrs
import trio

from sys_processes.http_server.connection import serve_connection
from sys_processes.http_server.http1 import RequestHead
from sys_processes.http_server.limits import Limits
from sys_processes.http_server.replies import HttpReply
from sys_processes.http_server.room import Room
from sys_processes.http_server.upgrade import Accept
from sys_processes.http_server.websocket import Socket, SocketClosed
from tests.support.streams import PeerStream, connection

LIMITS = Limits()

KEY = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
VERSION = b"Sec-WebSocket-Version: 13\r\n"
ASK = b"Host: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"
UPGRADE = b"GET /ws HTTP/1.1\r\n" + ASK + KEY + VERSION + b"\r\n"


@attrs.define
class EchoSite:
    """Answers with method, target and body; echoes what sockets send."""

    allowed: int | HttpReply = 1000
    decision: HttpReply | Accept = attrs.Factory(Accept)
    answer: Callable[[RequestHead, bytes], Awaitable[HttpReply]] | None = None
    socket: Callable[[Socket], Awaitable[None]] | None = None
    requests: list[str] = attrs.Factory(list)
    failures: list[Exception] = attrs.Factory(list)
    problems: list[str] = attrs.Factory(list)
    closes: list[SocketClosed] = attrs.Factory(list)

    def max_body(self, head: RequestHead) -> int | HttpReply:
        return self.allowed

    async def exchange(self, head: RequestHead, body: bytes) -> HttpReply:
        self.requests.append(f"{head.method} {head.target}")
        if self.answer is not None:
            return await self.answer(head, body)
        return HttpReply(200, [], f"{head.method} {head.target} ".encode() + body)

    async def upgrade(self, head: RequestHead) -> HttpReply | Accept:
        return self.decision

    async def websocket(self, head: RequestHead, socket: Socket) -> None:
        if self.socket is not None:
            await self.socket(socket)
            return
        try:
            while True:
                message = await socket.receive()
                if isinstance(message, str):
                    await socket.send_text(message)
                else:
                    await socket.send_binary(message)
        except SocketClosed as closed:
            self.closes.append(closed)

    def not_understood(self, peer: str | None, problem: str) -> None:
        self.problems.append(problem)

    def failed(self, head: RequestHead, error: Exception) -> None:
        self.failures.append(error)


@attrs.define
class Client:
    """The other end, in bytes."""

    stream: trio.abc.HalfCloseableStream
    server: PeerStream
    site: EchoSite
    ended: trio.Event = attrs.Factory(trio.Event)
    buffer: bytearray = attrs.Factory(bytearray)

    async def send(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def read_until(self, end: bytes) -> bytes:
        """All up to and with `end`; what came when the server closed before."""
        while end not in self.buffer:
            data = await self.stream.receive_some()
            if not data:
                break
            self.buffer += data
        size = self.buffer.find(end) + len(end) if end in self.buffer else len(self.buffer)
        taken = bytes(self.buffer[:size])
        del self.buffer[:size]
        return taken

    async def read_exactly(self, size: int) -> bytes:
        while len(self.buffer) < size:
            data = await self.stream.receive_some()
            if not data:
                break
            self.buffer += data
        taken = bytes(self.buffer[:size])
        del self.buffer[:size]
        return taken

    async def reply(self, *, body: bool = True) -> tuple[int, bytes, bytes]:
        """Status, head and body of the next reply."""
        head = await self.read_until(b"\r\n\r\n")
        size = 0
        for line in head.split(b"\r\n"):
            if line.startswith(b"content-length: "):
                size = int(line.split(b": ")[1])
        return int(head.split(b" ")[1]), head, await self.read_exactly(size if body else 0)

    async def rest(self) -> bytes:
        """All until the server ends its side."""
        return await self.read_until(b"never comes")


@asynccontextmanager
async def serving(
    site: EchoSite | None = None,
    limits: Limits = LIMITS,
    ends: tuple[trio.abc.HalfCloseableStream, PeerStream] | None = None,
    room: Room | None = None,
) -> AsyncIterator[Client]:
    """A served connection; when the block ends, the client leaves and the server must end by itself."""
    ends = ends or connection()
    client = Client(*ends, site or EchoSite())

    async def serve() -> None:
        await serve_connection(client.server, client.site, limits, room=room)
        assert client.server.closed
        client.ended.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        yield client
        await client.stream.aclose()
        with trio.fail_after(1000):
            await client.ended.wait()
