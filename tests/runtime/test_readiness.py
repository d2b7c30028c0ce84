"""No byte and no end is missed, whoever waits for it or not, with an epoll of our own and without one."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

from runtime import readiness
from runtime.listener import TcpListener
from runtime.stream import TcpStream

pytestmark = pytest.mark.real_clock


@pytest.fixture(params=["epoll", "trio alone"], autouse=True)
def how(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param != "epoll":
        monkeypatch.setattr(readiness, "HAS_EPOLL", False)
    return str(request.param)


@asynccontextmanager
async def pair() -> AsyncIterator[tuple[TcpStream, trio.SocketStream]]:
    listener = await TcpListener.open("127.0.0.1", 0)
    client = await trio.open_tcp_stream("127.0.0.1", listener.port)
    server = await listener.accept()
    await listener.aclose()
    async with client, server:
        yield server, client


async def test_what_came_before_anybody_read_is_read() -> None:
    async with pair() as (server, client):
        await client.send_all(b"early")
        assert await server.receive_some(100) == b"early"


async def test_what_comes_between_two_reads_is_read_by_the_second() -> None:
    async with pair() as (server, client):
        for number in range(200):
            await client.send_all(b"%d" % number)
            for _ in range(number % 5):
                await trio.lowlevel.checkpoint()
            assert await server.receive_some(100) == b"%d" % number


async def test_a_read_that_leaves_something_behind_is_followed_by_one_that_takes_it() -> None:
    async with pair() as (server, client):
        await client.send_all(b"abcdef")
        pieces = [await server.receive_some(2) for _ in range(3)]
        assert b"".join(pieces) == b"abcdef"


async def test_what_stands_behind_an_urgent_byte_is_read_too() -> None:
    """A read ends at an urgent byte though more lies behind it: that it was short proves nothing then."""
    async with pair() as (server, client):
        await client.send_all(b"first")
        assert await server.receive_some(100) == b"first"
        await client.send_all(b"before")
        await client.socket.send(b"!", socket.MSG_OOB)
        await client.send_all(b"behind")
        for _ in range(20):
            await trio.lowlevel.checkpoint()
        with trio.fail_after(5):
            assert [await server.receive_some(100) for _ in range(2)] == [b"before", b"behind"]


async def test_an_end_right_behind_the_last_bytes_is_seen_as_often_as_asked() -> None:
    async with pair() as (server, client):
        await client.send_all(b"last")
        await client.send_eof()
        assert [await server.receive_some(100) for _ in range(3)] == [b"last", b"", b""]


async def test_an_end_that_comes_while_nobody_reads_is_seen() -> None:
    async with pair() as (server, client):
        await client.send_all(b"one")
        assert await server.receive_some(100) == b"one"
        await client.send_eof()
        for _ in range(20):
            await trio.lowlevel.checkpoint()
        assert await server.receive_some(100) == b""


async def test_a_reset_is_an_error_for_who_reads() -> None:
    async with pair() as (server, client), trio.open_nursery() as nursery:
        nursery.start_soon(cut, client)
        with pytest.raises(trio.BrokenResourceError):
            await server.receive_some(100)


async def cut(client: trio.SocketStream) -> None:
    await trio.testing.wait_all_tasks_blocked()
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    await client.aclose()


async def test_a_read_that_was_cancelled_leaves_the_bytes_to_the_next() -> None:
    async with pair() as (server, client):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.receive_some, 100)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        await client.send_all(b"kept")
        assert await server.receive_some(100) == b"kept"


async def test_a_number_that_the_system_gives_again_belongs_to_the_new_socket() -> None:
    for _ in range(3):
        async with pair() as (server, client):
            await client.send_all(b"x")
            assert await server.receive_some(100) == b"x"
            async with trio.open_nursery() as nursery:
                nursery.start_soon(client.send_all, b"y")
                assert await server.receive_some(100) == b"y"


def test_each_run_of_trio_has_its_own() -> None:
    async def once() -> bytes:
        async with pair() as (server, client):
            await client.send_all(b"run")
            return await server.receive_some(100)

    assert [trio.run(once), trio.run(once)] == [b"run", b"run"]
