"""The stream under an accepted WebSocket: first a head written for it, then what the client sent, less the messages."""

from __future__ import annotations

import trio

from sys_processes.devices import ByteStream
from sys_processes.http_server.frame_lane import FrameLane
from sys_processes.http_server.limits import Limits
from sys_processes.http_server.linger import close_after_last_words
from sys_processes.http_server.message_queue import MessageQueue


class ReplayStream(trio.abc.Stream):
    """Gives `opening`, waits for `release`, then gives `early` and what is read, as far as it is for wsproto.

    Bytes behind the head must not arrive before the upgrade is accepted: the handshake parser would choke on them.
    """

    def __init__(
        self,
        stream: ByteStream,
        opening: bytes,
        early: bytes,
        queue: MessageQueue,
        limits: Limits,
    ) -> None:
        self._stream = stream
        self._queue = queue
        self._lane = FrameLane(limits.message_bytes)
        self._more = False
        """Whether the lane may hold more without reading."""
        self._opening = opening
        self._early = early
        self._released: trio.Event | None = trio.Event()
        self._closed = False
        self._torn = False
        self._linger_seconds = limits.linger_seconds
        self.linger = False
        """Whether `aclose` first lets the client read what it did wrong."""

    def release(self) -> None:
        """The upgrade is accepted."""
        if self._released is not None:
            self._released.set()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """What wsproto must see; whole messages go into the queue on the way, waiting while it is full."""
        opening, self._opening = self._opening, b""
        if opening:
            return opening
        if self._released is not None:
            await self._released.wait()
            self._released = None
        while not self._closed:
            if self._more:
                data = b""
            elif self._early:
                data, self._early = self._early, b""
            else:
                data = bytes(await self._stream.receive_some(max_bytes))
                if not data:
                    return b""
            messages, piece = self._lane.take(data)
            self._more = bool(piece)
            for message in messages:
                if not self._queue.add(message):
                    await self._queue.wait_room()
            if piece:
                return piece
        raise trio.ClosedResourceError

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        if self._torn:
            raise trio.BrokenResourceError("an earlier frame was cut short")
        self._torn = True
        await self._stream.send_all(data)
        # Not reached when cancelled half-way: what follows half a frame would be read as its rest.
        self._torn = False

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        """The first call may linger, a second one cuts."""
        if self._closed or self._torn or not self.linger:
            self._closed = True
            await self._stream.aclose()
        else:
            self._closed = True
            await close_after_last_words(self._stream, self._linger_seconds)
