"""The way to servers of the outside world: names, TCP, and TLS with the system's trust in certificates."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from contextlib import suppress

import trio

from runtime.stream import TcpStream
from sys_processes.devices import ByteStream, DialFailed
from sys_processes.http_client.protocol import not_for_processes

_EACH_SECONDS = 10.0
"""For one address of a name, when there are others."""

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def leads_home(address: str) -> bool:
    """Whether a connection to that IP address ends on this machine, or where only its own link leads."""
    found: _Address = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    if found.is_loopback or found.is_link_local or found.is_unspecified or found.is_multicast:
        return True
    # Only an address of one's own can be bound.
    family = socket.AF_INET if found.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as probe, suppress(OSError):
        probe.bind((str(found), 0))
        return True
    return False


class TcpDialer:
    """`sys_processes.devices.Dialer` of a real node."""

    def __init__(self, trusted: ssl.SSLContext | None = None) -> None:
        self._trusted = trusted

    async def dial(self, host: str, port: int, *, local: bool) -> ByteStream:
        addresses = await _resolved(host, port)
        allowed = [address for address in addresses if local or not leads_home(address)]
        if not allowed:
            raise DialFailed(not_for_processes(f"{host} ({addresses[0]})"))
        why = ""
        for address in allowed:
            # The address that was looked at is the one that is dialled: the name may mean another one by then.
            with trio.move_on_after(_EACH_SECONDS if len(allowed) > 1 else float("inf")) as limit:
                try:
                    return await _connected(address, port)
                except OSError as error:
                    why = error.strerror or str(error)
            if limit.cancelled_caught:
                why = f"no answer within {_EACH_SECONDS:g} s"
        raise DialFailed(f"{host}:{port} cannot be reached: {why}")

    async def secure(self, stream: ByteStream, host: str) -> ByteStream:
        if self._trusted is None:
            self._trusted = ssl.create_default_context()
        tls: trio.SSLStream[trio.abc.Stream] = trio.SSLStream(
            stream,  # type: ignore[arg-type] # it asks for less than trio's Stream
            self._trusted,
            server_hostname=host,
            https_compatible=True,
        )
        try:
            await tls.do_handshake()
        except (trio.BrokenResourceError, ssl.SSLError) as error:
            cause = error.__cause__ or error
            why = getattr(cause, "verify_message", "") or getattr(cause, "reason", "") or str(cause)
            raise DialFailed(f"no TLS with {host}: {why or 'the connection broke'}") from None
        return TlsStream(tls, stream.peer)


class TlsStream:
    """`sys_processes.devices.ByteStream` over TLS, which has no half close."""

    def __init__(self, tls: trio.SSLStream[trio.abc.Stream], peer: str | None) -> None:
        self._tls = tls
        self._peer = peer

    @property
    def peer(self) -> str | None:
        return self._peer

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self._tls.receive_some(max_bytes)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._tls.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._tls.wait_send_all_might_not_block()

    async def send_eof(self) -> None:
        await self._tls.aclose()

    async def aclose(self) -> None:
        await self._tls.aclose()


async def _resolved(host: str, port: int) -> list[str]:
    """Its IP addresses, each once. Raises `DialFailed`."""
    try:
        found = await trio.socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise DialFailed(f"{host} is no known name: {error}") from None
    return list(dict.fromkeys(str(address[4][0]) for address in found))


async def _connected(address: str, port: int) -> TcpStream:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    connecting = trio.socket.socket(family, socket.SOCK_STREAM)
    try:
        await connecting.connect((address, port))
    except BaseException:
        connecting.close()
        raise
    shown = f"[{address}]:{port}" if family == socket.AF_INET6 else f"{address}:{port}"
    return TcpStream(_detached(connecting), shown)


def _detached(connected: trio.socket.SocketType) -> socket.socket:
    return socket.socket(connected.family, connected.type, connected.proto, fileno=connected.detach())
