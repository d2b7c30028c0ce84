"""What TLS is to real links: on a channel of a simulated router, what was changed, left out or moved is found.

Nothing is secret: nobody in a world tries to read it. Each record is a 4-byte length, a digest over its place and its
bytes, and the bytes; the first one of the server is its key.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress

import trio

from sys_processes.devices import Channel, LinkFailed

PIECE = 32 * 1024
CLOSE_SECONDS = 1.0
_LENGTH, _DIGEST = 4, 8
_SERVER, _CLIENT = b"server", b"client"
_GOODBYE = b""


class SealedLink:
    """`sys_processes.devices.Link` on a channel, which it owns. Made by `seal`."""

    def __init__(self, channel: Channel, *, server: bool) -> None:
        self.key: bytes | None = None
        self._channel = channel
        self._ours, self._theirs = (_SERVER, _CLIENT) if server else (_CLIENT, _SERVER)
        self._sent = self._received = 0
        self._buffer = bytearray()
        self._ended = False
        self._broken: str | None = None
        self._closed = False

    @property
    def proven_key(self) -> bytes | None:
        return self.key

    async def send(self, data: bytes) -> None:
        self._check()
        for start in range(0, len(data), PIECE):
            await self._write(data[start : start + PIECE])
        await trio.lowlevel.checkpoint()

    async def _write(self, data: bytes) -> None:
        record = len(data).to_bytes(_LENGTH, "big") + _digest(self._ours, self._sent, data) + data
        self._sent += 1
        try:
            await self._channel.send(record)
        except trio.Cancelled:
            # Half of it may be gone, and what followed would be taken for the rest.
            self._broken = "a record was cut short"
            raise
        except trio.ClosedResourceError as error:
            self._check()
            raise trio.BrokenResourceError(str(error)) from error

    async def receive(self) -> bytes:
        self._check()
        while not self._ended:
            record = self._take()
            if record is None:
                await self._read()
            elif record == _GOODBYE:
                self._ended = True
            else:
                await trio.lowlevel.checkpoint()
                return record
        await trio.lowlevel.checkpoint()
        return b""

    async def _read(self) -> None:
        try:
            data = await self._channel.receive()
        except trio.ClosedResourceError as error:
            self._check()
            raise trio.BrokenResourceError(str(error)) from error
        self._check()
        if not data:
            self._broken = "the connection ended without a goodbye"
            self._check()
        self._buffer += data

    def _take(self) -> bytes | None:
        """The next whole record. Raises `trio.BrokenResourceError` for one that the other side did not write there."""
        buffer = self._buffer
        if len(buffer) < _LENGTH:
            return None
        length = int.from_bytes(buffer[:_LENGTH], "big")
        if length > PIECE:
            self._broken = f"a record of {length} bytes"
            self._check()
        end = _LENGTH + _DIGEST + length
        if len(buffer) < end:
            return None
        digest, data = bytes(buffer[_LENGTH : _LENGTH + _DIGEST]), bytes(buffer[_LENGTH + _DIGEST : end])
        del buffer[:end]
        if digest != _digest(self._theirs, self._received, data):
            self._broken = "a record that the other side did not write there"
            self._check()
        self._received += 1
        return data

    async def aclose(self) -> None:
        """What was sent still arrives, where the other side takes it within `CLOSE_SECONDS`."""
        if self._closed:
            await trio.lowlevel.checkpoint()
            return
        try:
            if self._broken is None:
                with trio.move_on_after(CLOSE_SECONDS), suppress(trio.BrokenResourceError):
                    await self._write(_GOODBYE)
        finally:
            self._closed = True
            await self._channel.aclose()

    def _check(self) -> None:
        if self._closed:
            raise trio.ClosedResourceError("this link was closed on our side")
        if self._broken is not None:
            raise trio.BrokenResourceError(self._broken)

    async def greet(self, key: bytes | None) -> None:
        """Show the key, or be shown one. Raises `trio.BrokenResourceError`."""
        if key is not None:
            await self._write(key)
        else:
            self.key = await self.receive()


def _digest(side: bytes, place: int, data: bytes) -> bytes:
    return hashlib.blake2b(place.to_bytes(8, "big") + data, digest_size=_DIGEST, key=side).digest()


async def seal(channel: Channel, key: bytes | None) -> SealedLink:
    """`key` on the side that shows one, the server's. Raises `LinkFailed`; then the channel is cut."""
    link = SealedLink(channel, server=key is not None)
    try:
        await link.greet(key)
    except trio.BrokenResourceError as error:
        await channel.abort()
        raise LinkFailed(str(error)) from error
    except BaseException:
        with trio.CancelScope(shield=True):
            await channel.abort()
        raise
    return link
