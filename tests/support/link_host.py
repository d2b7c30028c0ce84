"""Direct links of one node behind the web server's own handling of connections, without a kernel."""

from __future__ import annotations

import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from runtime.links.direct import DirectLinks
from runtime.listener import TcpListener
from runtime.sim.chance import SeededChance
from runtime.stream import TcpStream
from sys_processes.devices import ByteStream
from sys_processes.http_server.connection import serve_connection
from sys_processes.http_server.http1 import RequestHead
from sys_processes.http_server.limits import Limits
from sys_processes.http_server.link_path import LINK_PATH, decide_link
from sys_processes.http_server.replies import HttpReply, text_reply
from sys_processes.http_server.upgrade import HandOver
from sys_processes.http_server.websocket import Socket
from sys_processes.net.protocol import IdentityRecord
from tests.support.net_world import identity_of, record_of

UPGRADE = (
    b"GET /net HTTP/1.1\r\nHost: bob\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


class OnlyLinks:
    """A `Site` with nothing but `/net`."""

    def __init__(self, links: DirectLinks) -> None:
        self._links = links
        self.failures: list[Exception] = []

    def max_body(self, head: RequestHead) -> int | HttpReply:
        return 0

    async def exchange(self, head: RequestHead, body: bytes) -> HttpReply:
        return text_reply(404, "not found")

    async def upgrade(self, head: RequestHead) -> HttpReply | HandOver:
        return decide_link(head, self._links) if head.path == LINK_PATH else text_reply(404, "not found")

    async def websocket(self, head: RequestHead, socket: Socket) -> None:
        raise AssertionError("no socket is accepted here")

    def failed(self, head: RequestHead, error: Exception) -> None:
        self.failures.append(error)

    def not_understood(self, peer: str | None, problem: str) -> None: ...


def make_links(name: str, **options: int) -> DirectLinks:
    return DirectLinks(identity_of(name).network_key, SeededChance(1), **options)


class LinkHost:
    """Listens for links on a port of this machine. `record` is how others know the node."""

    def __init__(self, name: str, links: DirectLinks, listener: TcpListener) -> None:
        self.links = links
        self.listener = listener
        self.record: IdentityRecord = record_of(name, address=f"127.0.0.1:{listener.port}")
        self.connections: list[TcpStream] = []
        self.site = OnlyLinks(links)

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            while True:
                stream = await self.listener.accept()
                self.connections.append(stream)
                nursery.start_soon(self.serve, stream)

    async def serve(self, stream: ByteStream) -> None:
        await serve_connection(stream, self.site, Limits())

    async def cut_all(self) -> None:
        """As a cable that breaks, and both sides notice."""
        for stream in self.connections:
            if stream._socket.fileno() != -1:
                stream._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            await stream.aclose()


@asynccontextmanager
async def link_host(name: str = "bob.uq", *, links: DirectLinks | None = None) -> AsyncIterator[LinkHost]:
    host = LinkHost(name, links or make_links(name), await TcpListener.open("127.0.0.1", 0))
    failure: BaseException | None = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(host.run)
        # Kept out of the nursery, which would wrap it into a group.
        try:
            yield host
        except BaseException as error:  # noqa: BLE001 - raised again below
            failure = error
        nursery.cancel_scope.cancel()
    host.links.close()
    await host.listener.aclose()
    if failure is not None:
        raise failure
    assert host.site.failures == []
