"""The door to the network: one TCP address."""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Iterable

import trio
from trio.lowlevel import checkpoint, notify_closing, wait_readable

from runtime.stream import TcpStream

SEARCHED_PORTS = range(8080, 9000)

_BACKLOG = 4096
_ADVICE = {
    errno.EADDRINUSE: "another program listens there; give another --port, or --port 0 for a free one",
    errno.EACCES: "ports below 1024 need rights that this program has not; give a --port above",
    errno.EADDRNOTAVAIL: "this machine has no such address; give another --bind",
}
# What accept says about a connection that died before it was taken: nobody's business, the next one is asked
# for.
_GONE = {
    code
    for name in (
        "ECONNABORTED",
        "EHOSTDOWN",
        "EHOSTUNREACH",
        "ENETDOWN",
        "ENETUNREACH",
        "ENONET",
        "ENOPROTOOPT",
        "EPERM",
        "EPROTO",
    )
    if (code := getattr(errno, name, None)) is not None
}


class CannotListen(Exception):
    """No listener was opened; the text says where, why, and what to try."""


class TcpListener:
    """`sys_processes.devices.Listener` of a real node. Open with `open`."""

    def __init__(self, door: socket.socket) -> None:
        door.setblocking(False)
        self._door = door
        address: tuple[str, int] = door.getsockname()[:2]
        self._port = address[1]
        self._url = f"http://{_reachable(address[0])}:{self._port}"

    @classmethod
    async def open(
        cls, host: str = "127.0.0.1", port: int | None = None, *, search: Iterable[int] = SEARCHED_PORTS
    ) -> TcpListener:
        """Listens on the first address of the host, IPv4 before IPv6.

        Port 0 is any free one; without a port the first free one of `search`. Raises `CannotListen`.
        """
        address, family = await _resolve(host)
        if port is not None:
            return cls(_listen(address, family, port))
        tried = 0
        for candidate in search:
            tried += 1
            try:
                return cls(_listen(address, family, candidate))
            except CannotListen as refusal:
                cause = refusal.__cause__
                if not isinstance(cause, OSError) or cause.errno not in {errno.EADDRINUSE, errno.EACCES}:
                    raise
        raise CannotListen(f"cannot listen on {host}: none of {tried} ports is free; give --port 0")

    @property
    def url(self) -> str:
        return self._url

    @property
    def port(self) -> int:
        return self._port

    async def accept(self) -> TcpStream:
        await checkpoint()
        while True:
            if self._door.fileno() == -1:
                raise trio.ClosedResourceError("this listener was closed")
            try:
                connection, address = self._door.accept()
            except BlockingIOError:
                await wait_readable(self._door)
            except OSError as failure:
                if failure.errno not in _GONE:
                    raise
            else:
                return TcpStream(connection, _peer(address))

    async def aclose(self) -> None:
        if self._door.fileno() != -1:
            notify_closing(self._door)
            self._door.close()
        await checkpoint()


async def _resolve(host: str) -> tuple[str, socket.AddressFamily]:
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    try:
        found = await trio.socket.getaddrinfo(
            bare or "0.0.0.0",  # noqa: S104 - the caller asked for all addresses
            None,
            type=socket.SOCK_STREAM,
            flags=socket.AI_PASSIVE,
        )
    except (OSError, UnicodeError) as failure:
        raise CannotListen(
            f"cannot listen on {host!r}: {failure}; --bind takes an address like 127.0.0.1"
        ) from failure
    family, _, _, _, address = min(found, key=lambda entry: entry[0] != socket.AF_INET)
    return str(address[0]), family


def _listen(address: str, family: socket.AddressFamily, port: int) -> socket.socket:
    if not 0 <= port <= 65535:
        raise CannotListen(f"cannot listen on port {port}: ports go from 1 to 65535, and 0 picks a free one")
    try:
        return socket.create_server((address, port), family=family, backlog=_BACKLOG)
    except OSError as failure:
        why = _ADVICE.get(failure.errno or 0, "give another --bind or --port")
        raise CannotListen(f"cannot listen on {_bracketed(address)}:{port}: {failure}; {why}") from failure


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _reachable(host: str) -> str:
    """Where a client of this machine knocks when we listen on that address; all addresses include
    loopback.
    """
    address = ipaddress.ip_address(host.partition("%")[0])
    if not address.is_unspecified:
        return _bracketed(host)
    return "127.0.0.1" if address.version == 4 else "[::1]"


def _peer(address: tuple[str, int] | tuple[str, int, int, int]) -> str:
    return f"{_bracketed(address[0])}:{address[1]}"
