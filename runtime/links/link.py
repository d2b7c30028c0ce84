"""A direct link: TLS on WebSocket frames on TCP."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import trio

from runtime.links.frame_stream import FrameStream
from runtime.links.tls import PROTOCOL, shown_key

PIECE = 64 * 1024
CLOSE_SECONDS = 1.0
"""For the other side to take the last words and leave."""

_ENDED = (ssl.SSLError, trio.BrokenResourceError, trio.ClosedResourceError)


class DirectLink:
    """`sys_processes.devices.Link`. Made by `begin`; `ended` is set once it is closed on our side."""

    def __init__(
        self, stream: FrameStream, tls: trio.SSLStream[FrameStream], proven_key: bytes | None
    ) -> None:
        self.ended = trio.Event()
        self._stream = stream
        self._tls = tls
        self._proven_key = proven_key
        self._closed = False

    @property
    def proven_key(self) -> bytes | None:
        return self._proven_key

    async def send(self, data: bytes) -> None:
        self._check()
        with self._named():
            if len(data) <= PIECE:
                await self._tls.send_all(data)
                return
            with memoryview(data) as view:
                for start in range(0, len(view), PIECE):
                    with view[start : start + PIECE] as piece:
                        await self._tls.send_all(piece)

    async def receive(self) -> bytes:
        self._check()
        with self._named():
            return bytes(await self._tls.receive_some())

    async def aclose(self) -> None:
        """What was sent still arrives, where the other side takes it within `CLOSE_SECONDS`. Raises nothing, also where
        http_server closes the connection meanwhile.
        """
        if self._closed:
            await trio.lowlevel.checkpoint()
            return
        self._closed = True
        try:
            with trio.move_on_after(CLOSE_SECONDS), suppress(*_ENDED):
                await self._tls.aclose()
        finally:
            self.ended.set()

    def _check(self) -> None:
        if self._closed:
            raise trio.ClosedResourceError("this link was closed on our side")

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Whatever goes wrong below is told as `Link` says, and why."""
        try:
            yield
        except (trio.BrokenResourceError, trio.ClosedResourceError, trio.BusyResourceError) as error:
            self._check()
            if isinstance(error, trio.BusyResourceError):
                raise
            raise trio.BrokenResourceError(cause(error)) from error


def cause(error: BaseException) -> str:
    """What trio's SSLStream found, in one line."""
    below = error.__cause__ or error
    if isinstance(below, ssl.SSLEOFError):
        return "the connection ended without a goodbye"
    if isinstance(below, ssl.SSLError):
        return f"TLS: {(below.reason or str(below)).lower().replace('_', ' ')}"
    return str(below) or "the connection was lost"


async def begin(stream: FrameStream, context: ssl.SSLContext, *, server: bool) -> DirectLink:
    """Make the keys of a new link. Raises `trio.BrokenResourceError`. It sets no time limit."""
    tls = trio.SSLStream(stream, context, server_side=server)
    try:
        await tls.do_handshake()
    except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
        raise trio.BrokenResourceError(cause(error)) from error
    if tls.selected_alpn_protocol() != PROTOCOL:
        raise trio.BrokenResourceError(f"TLS, but not for {PROTOCOL}")
    key = None if server else shown_key(tls.getpeercert(binary_form=True))
    return DirectLink(stream, tls, key)
