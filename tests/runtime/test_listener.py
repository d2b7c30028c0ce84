"""Opening a TCP listener: hosts, ports, refusals."""

from __future__ import annotations

import errno
import socket

import pytest
import trio

from runtime.listener import CannotListen, TcpListener

pytestmark = pytest.mark.real_clock


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


async def test_port_0_picks_a_free_one() -> None:
    first, second = await TcpListener.open(port=0), await TcpListener.open(port=0)
    assert first.port != second.port
    await first.aclose()
    await second.aclose()


async def test_a_taken_port_is_refused_with_what_to_try() -> None:
    taken = await TcpListener.open(port=0)
    with pytest.raises(CannotListen, match=rf"127\.0\.0\.1:{taken.port}: .*in use.*--port 0"):
        await TcpListener.open(port=taken.port)
    await taken.aclose()


async def test_a_port_can_be_listened_on_again_at_once() -> None:
    first = await TcpListener.open(port=0)
    client = await trio.open_tcp_stream("127.0.0.1", first.port)
    server = await first.accept()
    await server.aclose()
    await client.aclose()
    await first.aclose()
    again = await TcpListener.open(port=first.port)
    await again.aclose()


async def test_without_a_port_the_first_free_one_is_taken() -> None:
    taken, free = await TcpListener.open(port=0), await TcpListener.open(port=0)
    await free.aclose()
    found = await TcpListener.open(search=[taken.port, free.port])
    assert found.port == free.port
    with pytest.raises(CannotListen, match="none of 2 ports is free; give --port 0"):
        await TcpListener.open(search=[taken.port, free.port])
    await found.aclose()
    await taken.aclose()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "0.0.0.0", ""])
async def test_the_url_of_any_ipv4_host_reaches_the_door(host: str) -> None:
    door = await TcpListener.open(host, 0)
    assert door.url == f"http://127.0.0.1:{door.port}"
    client = await trio.open_tcp_stream("127.0.0.1", door.port)
    server = await door.accept()
    for stream in (client, server):
        await stream.aclose()
    await door.aclose()


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
@pytest.mark.parametrize("host", ["::1", "[::1]", "::"])
async def test_the_url_and_the_peer_of_an_ipv6_host_stand_in_brackets(host: str) -> None:
    door = await TcpListener.open(host, 0)
    assert door.url == f"http://[::1]:{door.port}"
    client = await trio.open_tcp_stream("::1", door.port)
    server = await door.accept()
    assert server.peer is not None
    assert server.peer.startswith("[::1]:")
    for stream in (client, server):
        await stream.aclose()
    await door.aclose()


@pytest.mark.parametrize("host", ["203.0.113.7", "no such host", "\udc80", "x" * 70 + ".example"])
async def test_a_host_that_is_not_ours_is_refused_by_name(host: str) -> None:
    with pytest.raises(CannotListen, match="--bind"):
        await TcpListener.open(host, 0)


async def test_a_port_out_of_range_is_refused() -> None:
    with pytest.raises(CannotListen, match="70000"):
        await TcpListener.open(port=70000)


async def test_too_many_open_files_concern_one_accept_only() -> None:
    class Door(socket.socket):
        refused = True

        def accept(self):
            if self.refused:
                self.refused = False
                raise OSError(errno.EMFILE, "Too many open files")
            return super().accept()

    raw = Door(socket.AF_INET, socket.SOCK_STREAM)
    raw.bind(("127.0.0.1", 0))
    raw.listen()
    door = TcpListener(raw)
    client = await trio.open_tcp_stream("127.0.0.1", door.port)
    with pytest.raises(OSError, match="Too many open files"):
        await door.accept()
    server = await door.accept()
    for stream in (client, server):
        await stream.aclose()
    await door.aclose()


async def test_a_connection_that_died_in_the_queue_is_passed_over() -> None:
    class Door(socket.socket):
        dead = 2

        def accept(self):
            if self.dead:
                self.dead -= 1
                raise OSError(errno.ECONNABORTED, "gone")
            return super().accept()

    raw = Door(socket.AF_INET, socket.SOCK_STREAM)
    raw.bind(("127.0.0.1", 0))
    raw.listen()
    door = TcpListener(raw)
    client = await trio.open_tcp_stream("127.0.0.1", door.port)
    server = await door.accept()
    for stream in (client, server):
        await stream.aclose()
    await door.aclose()
