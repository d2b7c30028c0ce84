"""The stream under an accepted WebSocket: first a head written for it, then what the client sent, less the messages."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import trio

from sys_processes.devices import ByteStream
from sys_processes.http_server.frame_lane import FrameLane
from sys_processes.http_server.limits import Limits
from sys_processes.http_server.linger import close_after_last_words
from sys_processes.http_server.message_queue import MessageQueue

PIECES_PER_PASS = 32
"""For wsproto, out of one read; then other tasks run: a read holds thousands of empty frames."""


class TooBig(Exception):
    """The client announced a frame that is longer than a message may be."""


@runtime_checkable
class _Eager(Protocol):
    """What a stream of a real or a simulated node can do beyond `ByteStream`."""

    def try_send(self, data: bytes | bytearray | memoryview) -> int:
        """Send what fits at once; how many bytes that were. 0 while another task sends."""


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
        self._pieces = 0
        self._opening = opening
        self._early = early
        self._released: trio.Event | None = trio.Event()
        self._closed = False
        self._torn = False
        self._eager = stream if isinstance(stream, _Eager) else None
        self._unsent = b""
        self._linger_seconds = limits.linger_seconds
        self.linger = False
        """Whether `aclose` first lets the client read what it did wrong."""

    def release(self) -> None:
        """The upgrade is accepted."""
        if self._released is not None:
            self._released.set()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """What wsproto must see; whole messages go into the queue on the way, waiting while it is full.

        Raises `TooBig`, behind the messages that came before.
        """
        opening, self._opening = self._opening, b""
        if opening:
            return opening
        if self._released is not None:
            await self._released.wait()
            self._released = None
        while not (self._closed or self._lane.too_big):
            if self._more:
                data = b""
                await self._let_others_run()
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
        raise trio.ClosedResourceError if self._closed else TooBig

    async def _let_others_run(self) -> None:
        self._pieces += 1
        if self._pieces % PIECES_PER_PASS == 0:
            await trio.lowlevel.checkpoint()

    @property
    def unsent(self) -> bool:
        """Whether the rest of a frame that `try_send` took still waits: call `send_all`, with `b""` for instance."""
        return bool(self._unsent)

    def try_send(self, frame: bytes) -> bool:
        """Take a whole frame without waiting, or nothing of it.

        What the other side has no room for goes out in front of the next `send_all`.
        """
        if self._eager is None or self._torn or self._unsent or self._closed:
            return False
        try:
            sent = self._eager.try_send(frame)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return False
        if sent:
            self._unsent = frame[sent:]
        return sent > 0

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        if self._torn:
            raise trio.BrokenResourceError("an earlier frame was cut short")
        self._torn = True
        if self._unsent:
            data, self._unsent = self._unsent + data, b""
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
