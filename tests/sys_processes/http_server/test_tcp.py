"""What only real sockets do: resets, and unread bytes that would cause one."""

from __future__ import annotations

import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from sys_processes.http_server.connection import serve_connection
from sys_processes.http_server.limits import Limits
from tests.support.streams import PeerStream
from tests.sys_processes.http_server.serving import UPGRADE, Client, EchoSite
from tests.sys_processes.http_server.test_frame_lane import frame

pytestmark = pytest.mark.real_clock
POST = b"POST /p HTTP/1.1\r\nHost: h\r\n"


@asynccontextmanager
async def serving(limits: Limits) -> AsyncIterator[tuple[Client, EchoSite]]:
    """One connection over 127.0.0.1, which must have ended at the end of the block."""
    site = EchoSite()
    [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener, trio.open_nursery() as nursery:
        client = await trio.open_tcp_stream("127.0.0.1", listener.socket.getsockname()[1])
        server = PeerStream(await listener.accept())
        nursery.start_soon(serve_connection, server, site, limits)
        yield Client(client, server, site), site
        await client.aclose()


async def test_a_refusal_arrives_although_the_client_is_still_sending() -> None:
    async with serving(Limits()) as (client, _):
        replies: list[int] = []

        async def listen() -> None:
            replies.append((await client.reply())[0])

        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen)
            await client.send(POST + b"Content-Length: 100000000\r\n\r\n")
            for _ in range(50):
                await client.send(b"x" * 100_000)
        assert replies == [413]


async def test_a_close_code_arrives_although_the_client_is_still_sending() -> None:
    async with serving(Limits(message_bytes=1000)) as (client, site):
        await client.send(UPGRADE)
        await client.read_until(b"\r\n\r\n")
        await client.send(frame(0x82, b"x" * 3_000_000))
        assert (await client.read_exactly(4))[2:] == (1009).to_bytes(2, "big")
    assert [closed.code for closed in site.closes] == [1009]


@pytest.mark.parametrize(
    "sent", [b"", POST, POST + b"Content-Length: 9\r\n\r\n", UPGRADE, UPGRADE + b"\x81"], ids=len
)
async def test_a_real_reset_ends_the_connection_and_nothing_else(sent: bytes) -> None:
    async with serving(Limits()) as (client, site):
        if sent:
            await client.send(sent)
        if sent.startswith(UPGRADE):
            await client.read_until(b"\r\n\r\n")
        assert isinstance(client.stream, trio.SocketStream)
        client.stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert site.failures == []
    assert [closed.code for closed in site.closes] == ([1006] if sent.startswith(UPGRADE) else [])
