"""Connections in memory, as `sys_processes.devices.ByteStream`."""

from __future__ import annotations

import trio
import trio.testing

MemoryStream = trio.StapledStream[trio.testing.MemorySendStream, trio.testing.MemoryReceiveStream]


class PeerStream(trio.abc.HalfCloseableStream):
    """A stream with a name for the other side, and a way to break it as a TCP reset does."""

    def __init__(self, inner: trio.abc.HalfCloseableStream, peer: str | None = "127.0.0.1:51234") -> None:
        self._inner = inner
        self._peer = peer
        self._broken = False
        self._waiting: list[trio.CancelScope] = []
        self.closed = False

    @property
    def peer(self) -> str | None:
        return self._peer

    def reset(self) -> None:
        """From now on every operation raises BrokenResourceError, those under way too."""
        self._broken = True
        for scope in self._waiting:
            scope.cancel()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        data: bytes | bytearray = b""
        with self._breakable():
            data = await self._inner.receive_some(max_bytes)
        self._check()
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        self._check()
        with self._breakable():
            await self._inner.send_all(data)
        self._check()

    async def wait_send_all_might_not_block(self) -> None:
        self._check()
        await self._inner.wait_send_all_might_not_block()

    async def send_eof(self) -> None:
        self._check()
        await self._inner.send_eof()

    async def aclose(self) -> None:
        self.closed = True
        await self._inner.aclose()

    def _check(self) -> None:
        if self._broken:
            raise trio.BrokenResourceError("reset by the test")

    def _breakable(self) -> trio.CancelScope:
        scope = trio.CancelScope()
        if self._broken:
            scope.cancel()
        self._waiting.append(scope)
        return scope


def connection(peer: str | None = "127.0.0.1:51234") -> tuple[MemoryStream, PeerStream]:
    """The client's end and the server's. Nothing ever blocks a sender."""
    client, server = trio.testing.memory_stream_pair()
    return client, PeerStream(server, peer)


def stalling_connection(
    peer: str | None = "127.0.0.1:51234",
) -> tuple[trio.abc.HalfCloseableStream, PeerStream]:
    """The same, but a sender waits until the other side has read all it sent."""
    client, server = trio.testing.lockstep_stream_pair()
    return client, PeerStream(server, peer)
