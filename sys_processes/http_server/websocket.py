"""A WebSocket on an accepted upgrade: trio-websocket with its races closed and its detours shortened.

trio-websocket reads, wsproto decodes. On the way of each message trio-websocket has a lock, a channel and five copies:
the queue and the framing of outgoing messages are ours. It also ends a connection without a close frame on a protocol
error, raises into the nursery for a ping behind a close (its issue 184), and waits without end for a peer that does not
answer a close (182): each is met here.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Awaitable, Callable
from typing import TypeVarTuple, Unpack

import trio
import wsproto
from trio_websocket import CloseReason, ConnectionClosed, WebSocketConnection
from wsproto.connection import ConnectionState
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, TextMessage
from wsproto.utilities import LocalProtocolError

from sys_processes.devices import ByteStream
from sys_processes.http_server import masking
from sys_processes.http_server.http1 import RequestHead
from sys_processes.http_server.limits import Limits
from sys_processes.http_server.message_queue import MessageInlet, MessageQueue
from sys_processes.http_server.replay import ReplayStream, TooBig
from sys_processes.http_server.upgrade import Accept

Ts = TypeVarTuple("Ts")

READ_BYTES = 64 * 1024 + 64
"""A message of 64 KiB fits with its header."""
CONTROL_BYTES = 125
_ABNORMAL = 1006
_TEXT, _BINARY, _PING, _PONG = 0x81, 0x82, 0x89, 0x8A


class SocketClosed(Exception):
    """The socket is closed or closing: by the client, by us, or cut off.

    `code` is 1006 when the connection broke without a close frame, 1005 when the client's had no code. `clean` tells
    whether both sides said goodbye.
    """

    def __init__(self, code: int, reason: str, clean: bool) -> None:
        super().__init__(f"{code} {reason!r} ({'clean' if clean else 'not clean'})")
        self.code = code
        self.reason = reason
        self.clean = clean


class _Connection(WebSocketConnection):
    """trio-websocket's connection; what it overrides is listed in `_OVERRIDDEN`."""

    fault: str | None = None
    """Why it was closed, where that is the client's fault."""

    def __init__(self, stream: ReplayStream, queue: MessageQueue, limits: Limits) -> None:
        super().__init__(
            stream, wsproto.WSConnection(wsproto.ConnectionType.SERVER), receive_buffer_size=READ_BYTES
        )
        self._replay = stream
        self._max_message_size = limits.message_bytes
        self._partial: bytearray | None = None
        """The beginning of a message that comes in pieces: one buffer, so that empty pieces cost nothing."""
        self.queue = queue
        self._recv_channel = queue  # type: ignore[assignment]
        self._send_channel = MessageInlet(queue)  # type: ignore[assignment]
        self.opened = False
        self.reader_ended = trio.Event()

    async def open(self, subprotocol: str | None) -> None:
        """Raises `ConnectionClosed`."""
        request = await self._get_request()
        await request.accept(subprotocol=subprotocol)
        # The frame codec alone does from here on; the handshake with its parser weighs as much as all the rest.
        self._wsproto = self._wsproto.connection  # type: ignore[assignment]
        self.opened = True
        self._replay.release()

    async def read(self, failed: Callable[[Exception], None], handshake: trio.CancelScope) -> None:
        """The reader task. Ends with the connection, and the handshake with it; raises nothing."""
        try:
            await self._read_to_the_end()
        except (LocalProtocolError, ConnectionClosed, trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        except Exception as error:  # noqa: BLE001 - a reader's trouble must not reach other connections
            failed(error)
        finally:
            self._reader_running = False
            self._close_handshake.set()
            self.queue.end()
            if not self.opened:
                handshake.cancel()
            self.reader_ended.set()
            await self._replay.aclose()

    async def _read_to_the_end(self) -> None:
        try:
            await self._reader_task()
        except TooBig:
            await self._close_too_big()

    async def _close_too_big(self) -> None:
        await self.close_for(1009, f"a message of more than {self._max_message_size} bytes")

    def closed_error(self) -> SocketClosed:
        clean = self._wsproto.state is ConnectionState.CLOSED
        closed = self._close_reason
        if closed is None:
            return SocketClosed(_ABNORMAL, "", clean)
        return SocketClosed(int(closed.code), closed.reason or "", clean)

    def try_transmit(self, first: int, payload: bytes) -> bool:
        """Send one unfragmented frame in this step, or nothing of it."""
        return self._close_reason is None and self._replay.try_send(_frame(first, payload))

    async def transmit(self, first: int, payload: bytes) -> None:
        """Send one unfragmented frame. Raises `SocketClosed`."""
        await self._transmit(_frame(first, payload))

    async def flush(self) -> None:
        """Send the rest of a frame that was taken. Raises `SocketClosed`."""
        if self._replay.unsent:
            await self._transmit(b"")

    @property
    def unsent(self) -> bool:
        return self._replay.unsent

    async def _transmit(self, frame: bytes) -> None:
        if self._close_reason is not None:
            raise self.closed_error()
        try:
            await self._write(frame)
        except ConnectionClosed:
            raise self.closed_error() from None

    async def close_for(self, code: int, reason: str) -> None:
        """Close for a fault of the client, which gets the time to read why."""
        self._close_reason = CloseReason(code, reason)
        self.fault = f"{code} {reason}"
        self._replay.linger = True
        self.queue.end()
        await self._send(CloseConnection(code=code, reason=reason))
        await self._close_stream()

    async def _send(self, event: Event) -> None:
        await self._write(self._wsproto.send(event))

    async def _write(self, frame: bytes) -> None:
        lock = self._stream_lock
        try:
            # Without a turn of the scheduler: in it the reader could close the stream before our close frame is out.
            lock.acquire_nowait()
        except trio.WouldBlock:
            await lock.acquire()
        try:
            await self._replay.send_all(frame)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            await self._abort_web_socket()
            raise ConnectionClosed(self._close_reason) from None
        finally:
            lock.release()

    async def _handle_message_event(self, event: BytesMessage | TextMessage) -> None:
        # A piece of a fragmented message: whole ones took the fast lane.
        if self._close_reason is not None:
            return
        data = event.data
        if self._partial is None:
            self._partial = bytearray()
        self._partial += data.encode() if isinstance(data, str) else data
        if len(self._partial) > self._max_message_size:
            self._partial = None
            await self._close_too_big()
        elif event.message_finished:
            whole = bytes(self._partial)
            self._partial = None
            await self.queue.put(whole.decode() if isinstance(data, str) else whole)

    async def _handle_ping_event(self, event: Ping) -> None:
        # Once a close frame is out, wsproto raises for a pong.
        if self._wsproto.state is ConnectionState.OPEN:
            await super()._handle_ping_event(event)

    async def _handle_close_connection_event(self, event: CloseConnection) -> None:
        if self._wsproto.state is ConnectionState.OPEN:
            # Not the client's: wsproto could not parse what it sent.
            await self.close_for(int(event.code), event.reason or "")
            return
        if self._close_reason is None:
            self._close_reason = CloseReason(event.code, event.reason or None)
        self.queue.end()
        async with self._stream_lock:
            # Whoever sends now, our own close frame perhaps, is not cut off by the closing of the stream.
            pass
        await super()._handle_close_connection_event(event)


_OVERRIDDEN = (
    "_reader_task",
    "_get_request",
    "_send",
    "_abort_web_socket",
    "_close_stream",
    "_handle_message_event",
    "_handle_ping_event",
    "_handle_close_connection_event",
)


def check_base() -> None:
    """Raises RuntimeError when trio-websocket has changed inside."""
    missing = [name for name in _OVERRIDDEN if not callable(getattr(WebSocketConnection, name, None))]
    if missing:
        raise RuntimeError(f"trio-websocket no longer has {', '.join(missing)}; adapt websocket.py to it")


class Socket:
    """One open WebSocket of a client. One task at a time receives; any may send."""

    def __init__(self, connection: _Connection, limits: Limits, tasks: trio.Nursery) -> None:
        self._connection = connection
        self._close_seconds = limits.close_seconds
        self._tasks = tasks

    def start_soon(self, task: Callable[[Unpack[Ts]], Awaitable[object]], *args: *Ts) -> None:
        """A task beside the one that receives. It must raise nothing, and is cancelled when the socket is closed."""
        self._tasks.start_soon(task, *args)

    async def receive(self) -> str | bytes:
        """The next text or binary message, whole. Those that came before the close are given first.

        Pings are answered meanwhile; while `Limits.queue_messages` wait here, the socket is not read. Raises
        `SocketClosed`.
        """
        message = await self._connection.queue.get()
        if message is None:
            raise self._connection.closed_error()
        return message

    def try_send(self, payload: bytes, *, text: bool) -> bool:
        """Send a whole message without waiting, text as UTF-8; False when nothing of it was sent.

        True with `unsent` means: call `flush` before long.
        """
        return self._connection.try_transmit(_TEXT if text else _BINARY, payload)

    @property
    def fault(self) -> str | None:
        """The code and reason of a close that is the client's fault."""
        return self._connection.fault

    @property
    def unsent(self) -> bool:
        """Whether the rest of a message that `try_send` sent still waits."""
        return self._connection.unsent

    async def flush(self) -> None:
        """Send that rest. Raises as `send_text`."""
        await self._connection.flush()

    async def send_text(self, text: str) -> None:
        """Lone surrogates become `?`. Raises `SocketClosed`. Cancelled half-way, it leaves the socket useless."""
        await self._connection.transmit(_TEXT, text.encode("utf-8", "replace"))

    async def send_text_bytes(self, text: bytes) -> None:
        """`send_text` for what is UTF-8 already."""
        await self._connection.transmit(_TEXT, text)

    async def send_binary(self, data: bytes) -> None:
        """As `send_text`."""
        await self._connection.transmit(_BINARY, data)

    async def ping(self, payload: bytes = b"") -> None:
        """Does not wait for the pong. Raises `SocketClosed`, and ValueError beyond 125 bytes."""
        await self._connection.transmit(_PING, _control(payload))

    async def pong(self, payload: bytes = b"") -> None:
        """One that nobody asked for; pings are answered without it. Raises as `ping`."""
        await self._connection.transmit(_PONG, _control(payload))

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Say goodbye and return when the connection is gone: at the latest when `Limits.close_seconds` are over.

        Messages not yet received are dropped. Raises nothing; closing twice is fine, the first code counts.
        """
        with trio.move_on_after(self._close_seconds):
            await self._connection.aclose(code, reason or None)
            await self._connection.reader_ended.wait()


def _frame(first: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        return bytes((first, size)) + payload
    if size < 65536:
        return struct.pack("!BBH", first, 126, size) + payload
    return struct.pack("!BBQ", first, 127, size) + payload


def _control(payload: bytes) -> bytes:
    if len(payload) > CONTROL_BYTES:
        raise ValueError(f"a control frame of {len(payload)} bytes; at most {CONTROL_BYTES} fit")
    return payload


async def serve_websocket(
    stream: ByteStream,
    accept: Accept,
    head: RequestHead,
    early: bytes,
    run: Callable[[Socket], Awaitable[None]],
    failed: Callable[[Exception], None],
    limits: Limits,
) -> None:
    """Accept the upgrade in `head`, run the socket, and close it. `early` is what the client sent behind the head.

    `run` may end by `SocketClosed`; any other exception closes with 1011 and goes to `failed`.
    """
    queue = MessageQueue(limits.queue_messages, limits.queue_bytes)
    replay = ReplayStream(stream, _opening(head, accept), early, queue, limits)
    connection = _Connection(replay, queue, limits)
    del head, early
    async with trio.open_nursery() as nursery:
        with trio.move_on_after(limits.handshake_seconds) as handshake:
            nursery.start_soon(connection.read, failed, handshake)
            with contextlib.suppress(ConnectionClosed):
                await connection.open(accept.subprotocol)
        del handshake
        if connection.opened:
            socket = Socket(connection, limits, nursery)
            try:
                await run(socket)
            except SocketClosed:
                pass
            except Exception as error:  # noqa: BLE001 - one socket's trouble must not reach the others
                failed(error)
                await socket.close(1011, "internal error")
            await socket.close()
        nursery.cancel_scope.cancel()


def _opening(head: RequestHead, accept: Accept) -> bytes:
    """A head that says what was checked and nothing else: the handshake code sees no other word of the client's."""
    key = head.fields["sec-websocket-key"]
    protocol = "" if accept.subprotocol is None else f"Sec-WebSocket-Protocol: {accept.subprotocol}\r\n"
    return (
        "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n{protocol}\r\n"
    ).encode("ascii")


masking.install()
check_base()
