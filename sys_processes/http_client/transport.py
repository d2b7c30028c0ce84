"""httpx on the node's `Dialer`: whatever it connects to goes through there, redirects too, so that an address is
looked at before anything is sent to it. Each request has a connection of its own.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Final

import attrs
import httpcore
import httpx

from sys_processes.devices import ByteStream, Dialer, DialFailed
from sys_processes.http_client.core import MOST_REDIRECTS, Checked, Refused
from sys_processes.http_client.protocol import BadUrl, BuildRequestFailed, ExecuteRequestFailed, Head

_READ: Final = 64 * 1024
_UNUSED_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""httpcore wants one to hand over; the dialer has its own."""


@attrs.define
class _Fetch:
    """One request, with all that it leads to."""

    dialer: Dialer
    local: bool
    enough: bool = False
    """Nothing more is read. The generators of httpx and httpcore end well only by an error from below."""


class _Stream(httpcore.AsyncNetworkStream):
    def __init__(self, stream: ByteStream, fetch: _Fetch, host: str) -> None:
        self._stream = stream
        self._fetch = fetch
        self._host = host

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._fetch.enough:
            raise httpcore.ReadError("enough was read")
        try:
            return bytes(await self._stream.receive_some(min(max_bytes, _READ)))
        except OSError as error:
            raise httpcore.ReadError(str(error)) from error
        except Exception as error:
            raise _broken(error, httpcore.ReadError) from error

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        try:
            await self._stream.send_all(buffer)
        except Exception as error:
            raise _broken(error, httpcore.WriteError) from error

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        try:
            secure = await self._fetch.dialer.secure(self._stream, server_hostname or self._host)
        except BaseException as error:
            # httpcore lets go of it.
            await self._stream.aclose()
            if isinstance(error, DialFailed):
                raise httpcore.ConnectError(str(error)) from error
            raise
        return _Stream(secure, self._fetch, self._host)


def _broken(error: Exception, kind: type[Exception]) -> Exception:
    """What streams raise is trio's; what comes of it here is httpcore's. Anything else is a bug, and stays one."""
    name = type(error).__name__
    return kind(str(error) or "the connection broke") if name.endswith("ResourceError") else error


class _Backend(httpcore.AsyncNetworkBackend):
    def __init__(self, fetch: _Fetch) -> None:
        self._fetch = fetch

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[object] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            stream = await self._fetch.dialer.dial(host, port, local=self._fetch.local)
        except DialFailed as error:
            raise httpcore.ConnectError(str(error)) from error
        return _Stream(stream, self._fetch, host)


class _Body(httpx.AsyncByteStream):
    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._response.aiter_stream():
            yield chunk

    async def aclose(self) -> None:
        await self._response.aclose()


class _Transport(httpx.AsyncBaseTransport):
    def __init__(self, fetch: _Fetch) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=_UNUSED_TLS,
            network_backend=_Backend(fetch),
            max_keepalive_connections=0,
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._pool.handle_async_request(
            httpcore.Request(
                method=request.method,
                url=httpcore.URL(
                    scheme=request.url.raw_scheme,
                    host=request.url.raw_host,
                    port=request.url.port,
                    target=request.url.raw_path,
                ),
                headers=request.headers.raw,
                content=request.stream,
            )
        )
        return httpx.Response(response.status, headers=response.headers, stream=_Body(response))

    async def aclose(self) -> None:
        await self._pool.aclose()


async def fetch(
    dialer: Dialer, asked: Checked, body: bytes | None, *, local: bool, most_body: int
) -> tuple[Head, bytes]:
    """The answer, as the server has sent it: nothing is unpacked. Takes as long as it takes. Raises `Refused`."""
    state = _Fetch(dialer, local)
    async with httpx.AsyncClient(
        transport=_Transport(state),
        follow_redirects=True,
        max_redirects=MOST_REDIRECTS,
        timeout=httpx.Timeout(None),  # the caller's
        trust_env=False,
    ) as client:
        try:
            headers = [(name.encode("ascii"), value.encode("latin-1")) for name, value in asked.headers]
            request = httpx.Request(asked.method, asked.url, headers=headers, content=body or None)
        except httpx.InvalidURL:
            raise Refused(BadUrl(asked.url)) from None
        except (ValueError, UnicodeError) as error:
            raise Refused(BuildRequestFailed(str(error))) from None
        try:
            response = await client.send(request, stream=True)
            try:
                return await _read(state, response, most_body)
            finally:
                await response.aclose()
        except httpx.TooManyRedirects:
            text = f"{asked.url} leads on and on: more than {MOST_REDIRECTS} redirects"
            raise Refused(ExecuteRequestFailed(text)) from None
        except (httpx.HTTPError, httpx.InvalidURL, httpcore.NetworkError, httpcore.ProtocolError) as error:
            if state.enough:
                raise _too_large(asked.url, most_body) from None
            raise Refused(
                ExecuteRequestFailed(f"{asked.url}: {str(error) or type(error).__name__}")
            ) from None


async def _read(state: _Fetch, response: httpx.Response, most: int) -> tuple[Head, bytes]:
    pieces: list[bytes] = []
    size = 0
    async for piece in response.aiter_raw():
        size += len(piece)
        if size > most:
            state.enough = True
        else:
            pieces.append(piece)
    if state.enough:
        raise _too_large(str(response.url), most)
    return Head.of(response.status_code, _headers(response)), b"".join(pieces)


def _too_large(url: str, most: int) -> Refused:
    return Refused(ExecuteRequestFailed(f"{url}: the body is larger than {most} bytes"))


def _headers(response: httpx.Response) -> Sequence[tuple[str, str]]:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in response.headers.raw]
