"""Connections in memory that behave like TCP between two programs.

Bounded buffers, half close, and the rule that surprises: whoever closes with unread bytes resets the
connection, and what the other side had not read yet is lost with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import trio
from trio.lowlevel import ParkingLot, checkpoint

from kernel.ports import Chance

READ_SIZE = 65536
BUFFER = 65536


class _Way:
    """One direction of a connection: bytes under way and who waits for them or for room."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.bytes = bytearray()
        self.ended = False  # the writer sends no more
        self.deaf = False  # the reader is gone
        self.cut = False  # the connection was reset
        self.readers = ParkingLot()
        self.writers = ParkingLot()

    def wake(self) -> None:
        self.readers.unpark_all()
        self.writers.unpark_all()


class MemoryStream(trio.abc.HalfCloseableStream):
    """`sys_processes.devices.ByteStream` of a simulated node, and its client's end. Made in pairs by
    `stream_pair`.
    """

    def __init__(self, incoming: _Way, outgoing: _Way, peer: str | None, chance: Chance | None) -> None:
        self._incoming = incoming
        self._outgoing = outgoing
        self._peer = peer
        self._chance = chance
        self._closed = False
        self._receiving = False
        self._sending = False

    @property
    def peer(self) -> str | None:
        return self._peer

    @property
    def is_over(self) -> bool:
        """Closed on our side, or cut."""
        return self._closed or self._incoming.cut

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        if max_bytes is None:
            max_bytes = READ_SIZE
        elif max_bytes < 1:
            raise ValueError(f"max_bytes must be at least 1, got {max_bytes}")
        if self._receiving:
            raise trio.BusyResourceError("another task is receiving from this connection")
        self._check()
        self._receiving = True
        try:
            await checkpoint()
            self._check()
            while not self._incoming.bytes and not self._incoming.ended:
                await self._incoming.readers.park()
                self._check()
        finally:
            self._receiving = False
        return self._take(max_bytes)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        with self._sender():
            await checkpoint()
            rest = bytes(data)
            while True:
                self._check_sender()
                rest = rest[self._put(rest) :]
                if not rest:
                    return
                await self._outgoing.writers.park()

    def try_send(self, data: bytes | bytearray | memoryview) -> int:
        """As `runtime.stream.TcpStream.try_send`."""
        if self._sending:
            return 0
        self._check_sender()
        return self._put(bytes(data))

    async def wait_send_all_might_not_block(self) -> None:
        with self._sender():
            await checkpoint()
            # Like a socket, which is writable once it is broken: the next send says so.
            way = self._outgoing
            while not (self._closed or way.cut or way.deaf or self._room()):
                await way.writers.park()
            if self._closed:
                self._check()

    async def send_eof(self) -> None:
        with self._sender(ended=True):
            await checkpoint()
            self._check()
            self._outgoing.ended = True
            self._outgoing.wake()

    async def aclose(self) -> None:
        self.close()
        await checkpoint()

    def close(self) -> None:
        """What `aclose` does, at once."""
        if self._closed:
            return
        if self._incoming.bytes:
            self.reset()
            return
        self._closed = True
        self._outgoing.ended = True
        self._incoming.deaf = True
        self._wake()

    def reset(self) -> None:
        """Cut the connection like a TCP reset: the other side's calls raise `trio.BrokenResourceError`; ours
        is closed.
        """
        self._closed = True
        for way in (self._incoming, self._outgoing):
            way.cut = True
            way.bytes.clear()
        self._wake()

    def _take(self, most: int) -> bytes:
        size = min(most, len(self._incoming.bytes))
        if self._chance is not None and size > 1:
            size -= self._chance.bits("segment", 32) % size
        taken = bytes(self._incoming.bytes[:size])
        del self._incoming.bytes[:size]
        if taken:
            self._incoming.writers.unpark_all()
        return taken

    def _put(self, data: bytes) -> int:
        sent = min(self._room(), len(data))
        self._outgoing.bytes += data[:sent]
        if sent:
            self._outgoing.readers.unpark_all()
        return sent

    def _room(self) -> int:
        return self._outgoing.capacity - len(self._outgoing.bytes)

    def _wake(self) -> None:
        self._incoming.wake()
        self._outgoing.wake()

    @contextmanager
    def _sender(self, *, ended: bool = False) -> Iterator[None]:
        if self._sending:
            raise trio.BusyResourceError("another task is sending on this connection")
        if ended:
            self._check()
        else:
            self._check_sender()
        self._sending = True
        try:
            yield
        finally:
            self._sending = False

    def _check_sender(self) -> None:
        self._check()
        if self._outgoing.ended:
            raise trio.ClosedResourceError("nothing can be sent after send_eof")
        if self._outgoing.deaf:
            raise trio.BrokenResourceError("connection lost: closed by the other side")

    def _check(self) -> None:
        if self._closed:
            raise trio.ClosedResourceError("this connection was closed on our side")
        if self._incoming.cut:
            raise trio.BrokenResourceError("connection lost: reset by the other side")


def stream_pair(
    peer_of_first: str | None = None,
    peer_of_second: str | None = None,
    *,
    capacity: int = BUFFER,
    chance: Chance | None = None,
) -> tuple[MemoryStream, MemoryStream]:
    """The two ends of a connection; `capacity` bytes fit under way in each direction.

    With a `chance`, a read may return less than has arrived: TCP keeps no boundaries.
    """
    there, back = _Way(capacity), _Way(capacity)
    first = MemoryStream(back, there, peer_of_first, chance)
    return first, MemoryStream(there, back, peer_of_second, chance)
