"""The stream of bytes that the WebSocket frames of a connection carry, in both directions."""

from __future__ import annotations

import contextlib

import trio

from runtime.links.frames import FRAME_LIMIT, BadFrames, FrameReader, FrameWriter
from sys_processes.devices import ByteStream

LEAST_READ, MOST_READ = 16 * 1024, 256 * 1024
"""Bytes that are read at a time: more while more is there than fits."""


class FrameStream(trio.abc.Stream):
    """On a connection behind its upgrade, which it owns. `early` was read from it already.

    One task at a time receives, one sends. A send that is cancelled half-way breaks the stream.
    """

    def __init__(self, stream: ByteStream, early: bytes, *, client: bool) -> None:
        self._stream = stream
        self._early = early
        self._reader = FrameReader(masked=not client)
        self._writer = FrameWriter(masked=client)
        self._room = LEAST_READ
        self._ended = False
        """The other side has said all."""
        self._sending = trio.Lock()
        self._torn = False
        self._broken: str | None = None

    @property
    def peer(self) -> str | None:
        return self._stream.peer

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """As much as came; `max_bytes` is not needed here. Nothing at the end."""
        return b"".join(await self.receive_parts())

    async def receive_parts(self) -> list[bytes]:
        """The same, frame by frame."""
        while not self._ended:
            data: bytes | bytearray
            if self._early:
                data, self._early = self._early, b""
            else:
                data = await self._receive()
            parts = self._read(data)
            if self._reader.ping is not None and not self._sending.locked():
                await self._write(b"")
            if parts:
                return parts
        await trio.lowlevel.checkpoint()
        return []

    async def _receive(self) -> bytes | bytearray:
        data = await self._stream.receive_some(self._room)
        if len(data) == self._room:
            self._room = min(4 * self._room, MOST_READ)
        elif 4 * len(data) < self._room:
            self._room = LEAST_READ
        return data

    def _read(self, data: bytes | bytearray) -> list[bytes]:
        self._check()
        try:
            parts = self._reader.parts(data)
        except BadFrames as error:
            self._broken = str(error)
            raise trio.BrokenResourceError(self._broken) from None
        self._ended = not data or self._reader.ended
        return parts

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        if len(data) <= FRAME_LIMIT:
            await self._write(self._writer.data(data))
            return
        with memoryview(data) as view:
            for start in range(0, len(view), FRAME_LIMIT):
                with view[start : start + FRAME_LIMIT] as piece:
                    frame = self._writer.data(piece)
                await self._write(frame)

    async def _write(self, frame: bytes) -> None:
        """A whole frame, and before it what is owed to a ping."""
        try:
            self._sending.acquire_nowait()
        except trio.WouldBlock:
            await self._sending.acquire()
        try:
            self._check()
            if self._torn:
                raise trio.BrokenResourceError("an earlier frame was cut short")
            if self._reader.ping is not None:
                frame = self._writer.pong(self._reader.ping) + frame
                self._reader.ping = None
            self._torn = True
            await self._stream.send_all(frame)
            # Not reached when cancelled half-way: what follows half a frame would be read as its rest.
            self._torn = False
        finally:
            self._sending.release()

    def _check(self) -> None:
        if self._broken is not None:
            raise trio.BrokenResourceError(self._broken)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        """What was sent still arrives: the connection stays until the other side ends it. The caller limits that."""
        try:
            if self._broken is None and not self._torn:
                await self._part()
        finally:
            await self._stream.aclose()

    async def _part(self) -> None:
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError, trio.BusyResourceError):
            await self._write(self._writer.close())
            if not self._ended:
                # To close with unread bytes would reset the connection: the other side would lose what it has not read.
                await self._stream.send_eof()
                while await self._stream.receive_some(LEAST_READ):
                    pass
