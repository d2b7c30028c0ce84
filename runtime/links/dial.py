"""The way to a node with an address: TCP, and the WebSocket upgrade on its http_server."""

from __future__ import annotations

import base64
import os
import socket

import trio
from wsproto.utilities import generate_accept_token

from runtime.links.frame_stream import FrameStream
from runtime.stream import TcpStream
from sys_processes.devices import LinkFailed
from sys_processes.http_server.link_path import LINK_PATH

_HEAD_BYTES = 8192
_READ_BYTES = 64 * 1024


async def open_frames(address: str) -> FrameStream:
    """`address` is `host:port`. Raises `LinkFailed`. It sets no time limit."""
    stream = await _connect(address)
    try:
        early = await _upgrade(stream, address)
    except BaseException as error:
        await trio.aclose_forcefully(stream)
        if isinstance(error, trio.BrokenResourceError):
            raise LinkFailed(f"{address}: {error}") from error
        raise
    return FrameStream(stream, early, client=True)


async def _connect(address: str) -> TcpStream:
    host, _, port = address.rpartition(":")
    try:
        connection = (await trio.open_tcp_stream(host.strip("[]"), int(port))).socket
    except (OSError, UnicodeError) as error:
        raise LinkFailed(f"nobody answers at {address}: {_why(error)}") from error
    return TcpStream(socket.socket(fileno=connection.detach()), address)


def _why(error: BaseException) -> str:
    """In the system's words, once where they are the same for each address of a host."""
    below = error.__cause__
    if isinstance(below, BaseExceptionGroup):
        return "; ".join(dict.fromkeys(_why(one) for one in below.exceptions))
    if isinstance(error, OSError) and error.errno is not None:
        # What comes from the resolver has numbers of its own, below 0.
        return os.strerror(error.errno) if error.errno > 0 else str(error.strerror)
    return str(error)


async def _upgrade(stream: TcpStream, address: str) -> bytes:
    """What came behind the answer. Raises `LinkFailed`, `trio.BrokenResourceError`."""
    key = base64.b64encode(os.urandom(16))
    await stream.send_all(
        b"GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n"
        % (LINK_PATH.encode(), address.encode(), key)
    )
    received = bytearray()
    while (end := received.find(b"\r\n\r\n")) < 0:
        data = await stream.receive_some(_READ_BYTES)
        received += data
        if not data or len(received) > _HEAD_BYTES:
            raise LinkFailed(f"{address} does not answer as a node does: {_shown(bytes(received))}")
    _check_answer(bytes(received[:end]), generate_accept_token(key), address)
    return bytes(received[end + 4 :])


def _check_answer(head: bytes, token: bytes, address: str) -> None:
    status, *lines = head.split(b"\r\n")
    if not status.startswith(b"HTTP/1.1 101"):
        raise LinkFailed(f"{address} takes no links: it answered {_shown(status)}")
    fields = {
        name.strip().lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)
    }
    if fields.get(b"sec-websocket-accept") != token:
        raise LinkFailed(f"{address} does not answer the upgrade to a WebSocket that was asked for")


def _shown(data: bytes) -> str:
    line = data.partition(b"\r\n")[0][:80]
    return repr(line.decode("ascii", "replace")) if line else "nothing"
