"""What only connections in memory can do: buffers of a chosen size, drawn segments, a reset at once."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from runtime.sim.chance import SeededChance
from runtime.sim.listener import MemoryListener
from runtime.sim.stream import MemoryStream, stream_pair


async def received(stream: MemoryStream) -> list[bytes]:
    chunks: list[bytes] = []
    while chunk := await stream.receive_some():
        chunks.append(chunk)
    return chunks


async def test_the_client_shows_as_the_peer_it_names() -> None:
    listener = MemoryListener("http://10.0.0.1:80")
    client = listener.connect("[2001:db8::1]:7")
    server = await listener.accept()
    assert server.peer == "[2001:db8::1]:7"
    assert client.peer == "10.0.0.1:80"


async def test_a_sender_waits_as_soon_as_the_buffer_is_full() -> None:
    first, second = stream_pair(capacity=4)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(first.send_all, b"abcdefghij")
        await trio.testing.wait_all_tasks_blocked()
        assert await second.receive_some() == b"abcd"
        assert await second.receive_some() == b"efgh"
        assert await second.receive_some() == b"ij"


async def test_drawn_segments_split_reads_but_lose_and_reorder_nothing() -> None:
    async def split(seed: int) -> list[bytes]:
        first, second = stream_pair(chance=SeededChance(seed))
        await first.send_all(bytes(range(200)))
        await first.send_eof()
        return await received(second)

    chunks = await split(1)
    assert len(chunks) > 1
    assert b"".join(chunks) == bytes(range(200))
    assert await split(1) == chunks


async def test_a_reset_loses_what_was_under_way() -> None:
    first, second = stream_pair()
    await first.send_all(b"lost")
    first.reset()
    with pytest.raises(trio.BrokenResourceError):
        await second.receive_some()
    with pytest.raises(trio.ClosedResourceError):
        await first.receive_some()


async def test_a_full_backlog_refuses_and_a_closing_door_resets_who_waits_in_it() -> None:
    listener = MemoryListener(backlog=1)
    client = listener.connect()
    with pytest.raises(ConnectionRefusedError):
        listener.connect()
    await listener.aclose()
    with pytest.raises(trio.BrokenResourceError):
        await client.receive_some()


async def test_accept_raises_what_it_is_told_to_until_that_is_over() -> None:
    listener = MemoryListener()
    listener.connect()
    listener.refused = OSError("too many open files")
    with pytest.raises(OSError, match="too many open files"):
        await listener.accept()
    listener.refused = None
    await listener.accept()


async def test_a_listener_that_dies_resets_everybody() -> None:
    listener = MemoryListener()
    accepted, waiting = listener.connect(), listener.connect()
    await listener.accept()
    gone = [listener.connect() for _ in range(200)]
    for client in gone:
        client.reset()
    listener.die()
    for client in (accepted, waiting):
        with pytest.raises(trio.BrokenResourceError):
            await client.receive_some()
    with pytest.raises(ConnectionRefusedError):
        listener.connect()
    with pytest.raises(trio.ClosedResourceError):
        await listener.accept()
