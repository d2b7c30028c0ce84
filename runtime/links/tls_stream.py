"""TLS over a stream of frames, on `ssl`'s memory buffers.

`trio.SSLStream` does the same one record of 16 KiB at a time, with a pass of the scheduler for each. A large message is
hundreds of records: here all that a read of the socket brought are opened at once, and several are sealed per write.
"""

from __future__ import annotations

import ssl
from contextlib import suppress

import trio
from trio.lowlevel import cancel_shielded_checkpoint, checkpoint, checkpoint_if_cancelled

from runtime.links.frame_stream import FrameStream

RECORD = 16 * 1024
"""The most that one record holds (RFC 8446 section 5.1)."""
PIECE = 7 * RECORD
"""Bytes that are sealed, and opened, at a time.

`ssl`'s buffers keep the size that they once had, for as long as the link lasts; and what is larger than 128 KiB
the C library takes from the system anew each time, which costs more than the cipher.
"""


class TlsStream:
    """Owns the stream of frames. One task receives, one sends. A send that is cancelled half-way breaks it.

    Once it is broken, for whatever reason, calls raise `trio.BrokenResourceError` with that as its cause.
    """

    def __init__(self, stream: FrameStream, context: ssl.SSLContext, *, server: bool) -> None:
        self._stream = stream
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=server)
        self._failure: Exception | None = None
        self._ended = False
        """The other side has said goodbye."""

    @property
    def tls(self) -> ssl.SSLObject:
        """For what was agreed on; not to read or write."""
        return self._tls

    async def do_handshake(self) -> None:
        """Raises `trio.BrokenResourceError`, `trio.ClosedResourceError`."""
        done = False
        while not done:
            try:
                self._tls.do_handshake()
                done = True
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLError as error:
                self._break(error)
            await self._flush()
            if not done:
                self._put(b"".join(await self._stream.receive_parts()))

    async def send_all(self, data: bytes) -> None:
        """Of any length; all of it has left when this returns."""
        await checkpoint_if_cancelled()
        with memoryview(data) as view:
            for start in range(0, len(view), PIECE):
                self._check()
                with view[start : start + PIECE] as piece:
                    self._seal(piece)
                await self._flush()

    async def receive_some(self) -> bytes:
        """All that has come; nothing at the end. A receive that is cancelled loses nothing."""
        await checkpoint_if_cancelled()
        self._check()
        # What came behind the handshake is in the buffer already.
        opened = self._open()
        if opened or self._ended:
            await cancel_shielded_checkpoint()
        while not (opened or self._ended):
            self._check()
            opened = await self._take()
            if self._outgoing.pending:
                await self._flush()
        return opened[0] if len(opened) == 1 else b"".join(opened)

    async def aclose(self) -> None:
        """Says goodbye and waits for the connection's end, which the caller limits."""
        if self._failure is None:
            try:
                with suppress(ssl.SSLError):
                    self._tls.unwrap()
                with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                    await self._flush()
            except BaseException:
                await trio.aclose_forcefully(self._stream)
                raise
        await self._stream.aclose()

    # -- out

    def _seal(self, data: memoryview) -> None:
        try:
            self._tls.write(data)
        except ssl.SSLError as error:
            self._break(error)

    async def _flush(self) -> None:
        if self._outgoing.pending:
            await self._send(self._outgoing.read())
        else:
            await checkpoint()

    async def _send(self, sealed: bytes) -> None:
        """In the order in which they were sealed: nothing waits between that and the stream's own queue."""
        try:
            await self._stream.send_all(sealed)
        except trio.Cancelled:
            # The other side will miss a record, and TLS ends there.
            self._failure = trio.BrokenResourceError("an earlier send was cut short")
            raise
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            self._failure = error
            raise

    # -- in

    def _put(self, came: bytes | memoryview) -> None:
        if came:
            self._incoming.write(came)
        else:
            self._incoming.write_eof()

    async def _take(self) -> list[bytes]:
        """What the whole records hold that are there after the next read."""
        opened: list[bytes] = []
        for part in await self._stream.receive_parts() or [b""]:
            with memoryview(part) as view:
                for start in range(0, len(view) or 1, PIECE):
                    with view[start : start + PIECE] as piece:
                        self._put(piece)
                    if self._failure is None:
                        opened += self._open()
        return opened

    def _open(self) -> list[bytes]:
        """The whole records in the buffer. What is wrong behind them is raised by the next call."""
        incoming, read = self._incoming, self._tls.read
        opened: list[bytes] = []
        try:
            while incoming.pending or incoming.eof:
                record = read(RECORD)
                if not record:
                    self._ended = True
                    break
                opened.append(record)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            self._failure = error
        return opened

    # -- the end

    def _break(self, error: ssl.SSLError) -> None:
        self._failure = error
        self._check()

    def _check(self) -> None:
        if self._failure is not None:
            raise trio.BrokenResourceError from self._failure
