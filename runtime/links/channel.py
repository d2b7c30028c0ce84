"""Bytes in the clear on the WebSocket frames of `/net`: what is said to a router, and what it passes on."""

from __future__ import annotations

import trio

from runtime.links.frame_stream import MOST_READ, FrameStream
from runtime.links.frames import BadFrames, FrameReader
from sys_processes.devices import ByteStream

CLOSE_SECONDS = 1.0
"""For the other side to take the last words and leave."""
MOST_BEFORE = 16 * 1024
"""Bytes of frames before the first one that says anything."""


class PlainChannel:
    """`sys_processes.devices.Channel`, on frames that it owns. `ended` is set once it is closed on our side."""

    def __init__(self, frames: FrameStream) -> None:
        self.frames = frames
        self.ended = trio.Event()
        self._closed = False

    async def send(self, data: bytes) -> None:
        self._check()
        await self.frames.send_all(data)

    async def receive(self) -> bytes:
        self._check()
        return await self.frames.receive_some()

    async def aclose(self) -> None:
        if self._closed:
            await trio.lowlevel.checkpoint()
            return
        self._closed = True
        try:
            with trio.move_on_after(CLOSE_SECONDS):
                await self.frames.aclose()
        finally:
            self.ended.set()

    async def abort(self) -> None:
        if self._closed:
            await trio.lowlevel.checkpoint()
            return
        self._closed = True
        try:
            await trio.aclose_forcefully(self.frames)
        finally:
            self.ended.set()

    def _check(self) -> None:
        if self._closed:
            raise trio.ClosedResourceError("this channel was closed on our side")


async def first_byte(stream: ByteStream, early: bytes) -> tuple[int, bytes]:
    """What the first frame with anything in it begins with; and all that was read for that, which is still to be read
    as frames. Raises `trio.BrokenResourceError`.
    """
    reader = FrameReader(masked=True)
    data: bytes | bytearray = early
    read = bytearray(early)
    while True:
        try:
            said = reader.feed(data)
        except BadFrames as error:
            raise trio.BrokenResourceError(str(error)) from None
        if said:
            return said[0], bytes(read)
        if reader.ended or len(read) > MOST_BEFORE:
            raise trio.BrokenResourceError("nothing was said")
        data = await stream.receive_some(MOST_READ)
        if not data:
            raise trio.BrokenResourceError("the connection ended before anything was said")
        read += data
