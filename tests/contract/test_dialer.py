"""What every Dialer does, the one on TCP and the one of a simulated world."""

from __future__ import annotations

from abc import ABC, abstractmethod

import pytest
import trio

from runtime.dialer import TcpDialer, leads_home
from runtime.listener import TcpListener
from runtime.sim.dialer import SimDialer
from runtime.sim.listener import MemoryListener
from sys_processes.devices import Dialer, DialFailed, Listener

pytestmark = pytest.mark.real_clock


class Bench(ABC):
    """A server of this machine, and the way to it."""

    host: str
    port: int

    @abstractmethod
    async def open(self) -> tuple[Dialer, Listener]: ...


class TcpBench(Bench):
    host = "127.0.0.1"

    async def open(self) -> tuple[Dialer, Listener]:
        listener = await TcpListener.open("127.0.0.1", 0)
        self.port = int(listener.url.rpartition(":")[2])
        return TcpDialer(), listener


class MemoryBench(Bench):
    host, port = "alice.nec", 80

    async def open(self) -> tuple[Dialer, Listener]:
        listener = MemoryListener()

        def connect(name: str):
            if name != "alice.nec":
                raise ConnectionRefusedError(None, "nobody there")
            return listener.connect()

        return SimDialer("alice.nec", connect, lambda name: True), listener


@pytest.fixture(params=[TcpBench, MemoryBench])
def bench(request: pytest.FixtureRequest) -> Bench:
    made: Bench = request.param()
    return made


async def test_bytes_go_both_ways_to_the_end(bench: Bench) -> None:
    dialer, listener = await bench.open()
    stream = await dialer.dial(bench.host, bench.port, local=True)
    server = await listener.accept()
    assert stream.peer is not None
    await stream.send_all(b"hello")
    assert await server.receive_some(100) == b"hello"
    await server.send_all(b"you")
    await server.aclose()
    assert await stream.receive_some(100) == b"you"
    assert await stream.receive_some(100) == b""
    await stream.aclose()
    await listener.aclose()


async def test_this_machine_is_not_reached_by_who_does_not_say_so(bench: Bench) -> None:
    """F-83."""
    dialer, listener = await bench.open()
    for host in (bench.host, "localhost"):
        with pytest.raises(DialFailed, match='"local": true'):
            await dialer.dial(host, bench.port, local=False)
    await listener.aclose()


async def test_who_is_not_there_cannot_be_reached(bench: Bench) -> None:
    dialer, listener = await bench.open()
    await listener.aclose()
    with pytest.raises(DialFailed, match="cannot be reached"):
        await dialer.dial(bench.host, bench.port, local=True)
    with pytest.raises(DialFailed, match=r"nobody\.invalid"):
        await dialer.dial("nobody.invalid", 80, local=False)


async def test_a_server_without_tls_has_none(bench: Bench) -> None:
    dialer, listener = await bench.open()
    stream = await dialer.dial(bench.host, bench.port, local=True)
    server = await listener.accept()

    async def answer_in_clear() -> None:
        await server.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer_in_clear)
        with pytest.raises(DialFailed, match="no TLS with"):
            await dialer.secure(stream, bench.host)
    await stream.aclose()
    await server.aclose()
    await listener.aclose()


@pytest.mark.parametrize(
    ("address", "home"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("0.0.0.0", True),
        ("169.254.169.254", True),
        ("224.0.0.1", True),
        ("::1", True),
        ("::", True),
        ("fe80::1%eth0", True),
        ("::ffff:127.0.0.1", True),
        ("93.184.216.34", False),
        ("10.255.255.254", False),
        ("2606:2800:220:1::1", False),
    ],
)
def test_addresses_of_this_machine_are_known(address: str, home: bool) -> None:
    assert leads_home(address) is home
