"""The stream in the frames: pings are answered on the way, and broken ends are told."""

from __future__ import annotations

import pytest
import trio
import trio.testing
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong

from runtime.links.frame_stream import FrameStream
from runtime.links.frames import FRAME_LIMIT
from tests.support.streams import connection, stalling_connection


async def test_a_ping_is_answered_while_we_wait_for_bytes():
    client, server = connection()
    other = Connection(ConnectionType.CLIENT)
    stream = FrameStream(server, b"", client=False)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stream.receive_some)
        await client.send_all(other.send(Ping(b"there?")))
        other.receive_data(await client.receive_some())
        assert [event.payload for event in other.events() if isinstance(event, Pong)] == [b"there?"]
        nursery.cancel_scope.cancel()


async def test_a_ping_while_we_send_is_answered_before_the_next_frame():
    client, server = stalling_connection()
    other = Connection(ConnectionType.CLIENT)
    stream = FrameStream(server, b"", client=False)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stream.send_all, b"first")
        nursery.start_soon(stream.receive_some)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(client.send_all, other.send(Ping(b"there?")) + other.send(BytesMessage(b"x")))
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(stream.send_all, b"second")
        wire = b""
        while b"second" not in wire:
            wire += await client.receive_some()
    other.receive_data(wire)
    kinds = [type(event) for event in other.events()]
    assert kinds == [BytesMessage, Pong, BytesMessage]


async def test_what_is_longer_than_a_frame_goes_in_several():
    client, server = connection()
    near = FrameStream(client, b"", client=True)
    far = FrameStream(server, b"", client=False)
    data = bytes(range(256)) * (2 * FRAME_LIMIT // 256 + 1)
    received = bytearray()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(near.send_all, data)
        while len(received) < len(data):
            received += await far.receive_some()
    assert received == data


async def test_what_came_behind_the_upgrade_is_read_first():
    client, server = connection()
    other = Connection(ConnectionType.CLIENT)
    early, late = other.send(BytesMessage(b"early ")), other.send(BytesMessage(b"late"))
    stream = FrameStream(server, early + late[:1], client=False)
    assert await stream.receive_some() == b"early "
    await client.send_all(late[1:] + other.send(CloseConnection(1000)))
    assert await stream.receive_some() == b"late"
    assert await stream.receive_some() == b""
    assert await stream.receive_some() == b""


async def test_bytes_that_are_no_frames_break_it_for_good():
    client, server = connection()
    stream = FrameStream(server, b"", client=False)
    await client.send_all(b"GET / HTTP/1.1\r\n")
    for _ in range(2):
        with pytest.raises(trio.BrokenResourceError, match="0x47"):
            await stream.receive_some()
        with pytest.raises(trio.BrokenResourceError, match="0x47"):
            await stream.send_all(b"x")
        await client.send_all(b"more")
    await stream.aclose()
    assert server.closed


async def test_a_send_that_was_cut_short_is_not_followed_by_another():
    client, server = stalling_connection()
    stream = FrameStream(server, b"", client=False)
    with trio.move_on_after(1):
        await stream.send_all(b"never read")
    with pytest.raises(trio.BrokenResourceError, match="cut short"):
        await stream.send_all(b"x")
    with trio.fail_after(0.5):
        await stream.aclose()
    assert server.closed
    await client.aclose()
