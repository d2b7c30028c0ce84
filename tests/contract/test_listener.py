"""What every Listener and its connections do, over TCP and in memory."""

from __future__ import annotations

import socket
import struct
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import attrs
import pytest
import trio
import trio.testing

from runtime.listener import TcpListener
from runtime.sim.listener import MemoryListener
from runtime.sim.stream import MemoryStream
from runtime.stream import SENDS_PER_PASS, TcpStream

pytestmark = pytest.mark.real_clock

Door = TcpListener | MemoryListener
ServerEnd = TcpStream | MemoryStream
ClientEnd = trio.SocketStream | MemoryStream

BIG = 20_000_000


class Bench(ABC):
    """Opens doors, knocks, and cuts connections."""

    @abstractmethod
    async def open(self) -> Door: ...

    @abstractmethod
    async def connect(self, door: Door) -> ClientEnd: ...

    @abstractmethod
    def reset(self, client: ClientEnd) -> None:
        """Cut the connection from the client's side so that the server sees a TCP reset."""

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[tuple[ServerEnd, ClientEnd]]:
        door = await self.open()
        client = await self.connect(door)
        server = await door.accept()
        try:
            yield server, client
        finally:
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(client)
                await trio.aclose_forcefully(server)
                await door.aclose()


class TcpBench(Bench):
    async def open(self) -> TcpListener:
        return await TcpListener.open("127.0.0.1", 0)

    async def connect(self, door: Door) -> trio.SocketStream:
        assert isinstance(door, TcpListener)
        return await trio.open_tcp_stream("127.0.0.1", door.port)

    def reset(self, client: ClientEnd) -> None:
        assert isinstance(client, trio.SocketStream)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.socket.close()


@attrs.define
class MemoryBench(Bench):
    async def open(self) -> MemoryListener:
        return MemoryListener()

    async def connect(self, door: Door) -> MemoryStream:
        assert isinstance(door, MemoryListener)
        return door.connect()

    def reset(self, client: ClientEnd) -> None:
        assert isinstance(client, MemoryStream)
        client.reset()


@pytest.fixture(params=["tcp", "memory"])
def bench(request: pytest.FixtureRequest) -> Bench:
    return TcpBench() if request.param == "tcp" else MemoryBench()


async def read_all(stream: ServerEnd | ClientEnd) -> bytes:
    found = bytearray()
    while chunk := await stream.receive_some():
        found += chunk
    return bytes(found)


async def send_often(stream: ServerEnd) -> None:
    """The system learns only from its first send that nobody listens any more."""
    for _ in range(100):
        await stream.send_all(b"anyone?")


async def test_bytes_go_both_ways(bench: Bench) -> None:
    async with bench.connection() as (server, client):
        await client.send_all(b"hello")
        assert await server.receive_some() == b"hello"
        await server.send_all(bytearray(b"good "))
        await server.send_all(memoryview(b"day"))
        await server.send_all(b"")
        await server.send_eof()
        assert await read_all(client) == b"good day"


async def test_a_read_gives_at_most_what_was_asked_for(bench: Bench) -> None:
    async with bench.connection() as (server, client):
        await client.send_all(b"abcdef")
        assert await server.receive_some(2) == b"ab"
        assert await server.receive_some(100) == b"cdef"
        with pytest.raises(ValueError, match="max_bytes"):
            await server.receive_some(0)


async def test_the_peer_is_an_address_and_a_port(bench: Bench) -> None:
    async with bench.connection() as (server, _client):
        assert server.peer is not None
        host, _, port = server.peer.rpartition(":")
        assert host == "127.0.0.1"
        assert 0 < int(port) < 65536


async def test_more_than_fits_under_way_waits_for_the_reader(bench: Bench) -> None:
    data = bytes(range(256)) * (BIG // 256)
    async with bench.connection() as (server, client):
        sent = trio.Event()

        async def send() -> None:
            await server.send_all(data)
            sent.set()
            await server.send_eof()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            assert await client.receive_some(1) == data[:1]
            assert not sent.is_set()
            assert await read_all(client) == data[1:]


async def test_a_half_closed_connection_still_carries_the_other_direction(bench: Bench) -> None:
    async with bench.connection() as (server, client):
        await client.send_all(b"request")
        await client.send_eof()
        assert await read_all(server) == b"request"
        assert await server.receive_some() == b""
        await server.send_all(b"answer")
        await server.send_eof()
        await server.send_eof()
        assert await read_all(client) == b"answer"
        with pytest.raises(trio.ClosedResourceError):
            await server.send_all(b"more")
        with pytest.raises(trio.ClosedResourceError):
            server.try_send(b"more")


async def test_a_closed_client_is_an_end_for_the_reader_and_a_break_for_the_writer(bench: Bench) -> None:
    async with bench.connection() as (server, client):
        await client.send_all(b"bye")
        await client.aclose()
        assert await read_all(server) == b"bye"
        with pytest.raises(trio.BrokenResourceError):
            await send_often(server)
        with pytest.raises(trio.BrokenResourceError):
            server.try_send(b"anyone?")


async def test_a_reset_breaks_a_waiting_reader_and_all_that_follows(bench: Bench) -> None:
    async with bench.connection() as (server, client):
        async with trio.open_nursery() as nursery:

            async def receive() -> None:
                with pytest.raises(trio.BrokenResourceError):
                    await server.receive_some()

            nursery.start_soon(receive)
            await trio.testing.wait_all_tasks_blocked()
            bench.reset(client)
        for _ in range(2):
            with pytest.raises(trio.BrokenResourceError):
                await server.receive_some()
            with pytest.raises(trio.BrokenResourceError):
                await server.send_all(b"x")
            with pytest.raises(trio.BrokenResourceError):
                await server.send_eof()


async def test_a_reset_breaks_a_waiting_writer(bench: Bench) -> None:
    async with bench.connection() as (server, client), trio.open_nursery() as nursery:

        async def send() -> None:
            with pytest.raises(trio.BrokenResourceError):
                await server.send_all(bytes(BIG))

        nursery.start_soon(send)
        await trio.testing.wait_all_tasks_blocked()
        bench.reset(client)


async def test_closing_with_unread_bytes_resets_the_connection(bench: Bench) -> None:
    async with bench.connection() as (server, client):
        await client.send_all(b"unread")
        await server.receive_some(1)
        await server.aclose()
        with pytest.raises(trio.BrokenResourceError):
            await read_all(client)


async def test_closing_our_side_ends_our_own_waits(bench: Bench) -> None:
    async with bench.connection() as (server, _client):
        async with trio.open_nursery() as nursery:

            async def receive() -> None:
                with pytest.raises(trio.ClosedResourceError):
                    await server.receive_some()

            async def send() -> None:
                with pytest.raises(trio.ClosedResourceError):
                    await server.send_all(bytes(BIG))

            nursery.start_soon(receive)
            nursery.start_soon(send)
            await trio.testing.wait_all_tasks_blocked()
            await server.aclose()
        await server.aclose()
        calls: list[Callable[[], Awaitable[object]]] = [
            server.receive_some,
            lambda: server.send_all(b"x"),
            server.send_eof,
            server.wait_send_all_might_not_block,
        ]
        for call in calls:
            with pytest.raises(trio.ClosedResourceError):
                await call()
        with pytest.raises(trio.ClosedResourceError):
            server.try_send(b"x")


async def test_two_readers_or_two_writers_at_once_are_told_so(bench: Bench) -> None:
    async with bench.connection() as (server, _client), trio.open_nursery() as nursery:
        nursery.start_soon(server.receive_some)
        nursery.start_soon(server.send_all, bytes(BIG))
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(trio.BusyResourceError):
            await server.receive_some()
        with pytest.raises(trio.BusyResourceError):
            await server.send_all(b"x")
        with pytest.raises(trio.BusyResourceError):
            await server.send_eof()
        with pytest.raises(trio.BusyResourceError):
            await server.wait_send_all_might_not_block()
        assert server.try_send(b"x") == 0
        nursery.cancel_scope.cancel()


async def test_a_cancelled_call_leaves_no_trace_when_nothing_was_done(bench: Bench) -> None:
    async with bench.connection() as (server, client):
        with trio.CancelScope() as scope:
            scope.cancel()
            await server.send_all(b"never")
        assert scope.cancelled_caught
        with trio.move_on_after(0.001):
            await server.receive_some()
        await client.send_all(b"still")
        assert await server.receive_some() == b"still"
        await server.send_all(b"here")
        await server.send_eof()
        assert await read_all(client) == b"here"


async def test_try_send_takes_what_fits_and_then_nothing(bench: Bench) -> None:
    async with bench.connection() as (server, client):
        data = bytes(1_000_000)
        total = 0
        while sent := server.try_send(data):
            total += sent
        assert total > 0
        got = 0
        while got < total:
            got += len(await client.receive_some())
        assert got == total
        await server.wait_send_all_might_not_block()
        assert server.try_send(b"x") == 1


async def test_a_busy_sender_lets_others_step(bench: Bench) -> None:
    async with bench.connection() as (server, _client), trio.open_nursery() as nursery:
        stepped = trio.Event()

        async def other() -> None:
            stepped.set()

        nursery.start_soon(other)
        for _ in range(2 * SENDS_PER_PASS):
            await server.send_all(b"x")
        assert stepped.is_set()


async def test_connections_are_accepted_in_order_and_independent(bench: Bench) -> None:
    door = await bench.open()
    clients = [await bench.connect(door) for _ in range(5)]
    servers = [await door.accept() for _ in range(5)]
    for number, client in enumerate(clients):
        await client.send_all(b"%d" % number)
    bench.reset(clients[0])
    assert [await server.receive_some() for server in servers[1:]] == [b"1", b"2", b"3", b"4"]
    for stream in (*clients, *servers):
        await stream.aclose()
    await door.aclose()


async def test_a_closed_door_ends_accept_and_refuses_clients(bench: Bench) -> None:
    door = await bench.open()
    async with trio.open_nursery() as nursery:

        async def accept() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await door.accept()

        nursery.start_soon(accept)
        await trio.testing.wait_all_tasks_blocked()
        await door.aclose()
    await door.aclose()
    with pytest.raises(trio.ClosedResourceError):
        await door.accept()
    with pytest.raises(OSError, match=r"(?i)refused|connect"):
        await bench.connect(door)


async def test_the_url_says_how_to_reach_the_door(bench: Bench) -> None:
    door = await bench.open()
    assert door.url.startswith("http://127.0.0.1:")
    assert int(door.url.rpartition(":")[2]) > 0
    await door.aclose()
