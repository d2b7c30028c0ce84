"""A direct link: TLS on WebSocket frames on TCP."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import trio

from runtime.links.frame_stream import FrameStream
from runtime.links.tls import PROTOCOL, shown_key
from runtime.links.tls_stream import TlsStream

CLOSE_SECONDS = 1.0
"""For the other side to take the last words and leave."""

_ENDED = (ssl.SSLError, trio.BrokenResourceError, trio.ClosedResourceError)


class DirectLink:
    """`sys_processes.devices.Link`. Made by `begin`; `ended` is set once it is closed on our side."""

    def __init__(self, stream: TlsStream, proven_key: bytes | None) -> None:
        self.ended = trio.Event()
        self._stream = stream
        self._proven_key = proven_key
        self._closed = False

    @property
    def proven_key(self) -> bytes | None:
        return self._proven_key

    async def send(self, data: bytes) -> None:
        self._check()
        with self._named():
            await self._stream.send_all(data)

    async def receive(self) -> bytes:
        self._check()
        with self._named():
            return await self._stream.receive_some()

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
                await self._stream.aclose()
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
    """What `TlsStream` found, in one line."""
    below = error.__cause__ or error
    if isinstance(below, ssl.SSLEOFError):
        return "the connection ended without a goodbye"
    if isinstance(below, ssl.SSLError):
        return f"TLS: {(below.reason or str(below)).lower().replace('_', ' ')}"
    return str(below) or "the connection was lost"


async def begin(stream: FrameStream, context: ssl.SSLContext, *, server: bool) -> DirectLink:
    """Make the keys of a new link. Raises `trio.BrokenResourceError`. It sets no time limit."""
    secured = TlsStream(stream, context, server=server)
    try:
        await secured.do_handshake()
    except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
        raise trio.BrokenResourceError(cause(error)) from error
    tls = secured.tls
    if tls.selected_alpn_protocol() != PROTOCOL:
        raise trio.BrokenResourceError(f"TLS, but not for {PROTOCOL}")
    key = None if server else shown_key(tls.getpeercert(binary_form=True))
    return DirectLink(secured, key)
