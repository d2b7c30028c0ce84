"""One TCP connection, cut for a server with many small messages.

`trio.SocketStream` first tries, then waits; when nearly every read has to wait that costs a failed system
call each. Here a read waits until the socket is known to have something (`runtime.readiness`), and a send
goes straight to the socket, with a full scheduler pass only every `SENDS_PER_PASS` sends (a cancellation is
still seen at each one).
"""

from __future__ import annotations

import errno
import socket
from contextlib import suppress
from typing import NoReturn

import trio
from trio.lowlevel import (
    Task,
    checkpoint,
    checkpoint_if_cancelled,
    current_task,
    notify_closing,
    wait_readable,
    wait_writable,
)

from kernel.parking import Sleep, make_sleep, sleep, wake
from runtime.readiness import Readiness, readiness

READ_SIZE = 65536
SENDS_PER_PASS = 64


class TcpStream(trio.abc.HalfCloseableStream):
    """`sys_processes.devices.ByteStream` on an accepted socket, which it owns.

    Once one call found the connection broken, all later ones raise `trio.BrokenResourceError`.
    """

    def __init__(self, connection: socket.socket, peer: str | None) -> None:
        connection.setblocking(False)
        # Not every family has it, and a connection that is gone already refuses.
        with suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = connection
        self._peer = peer
        self._sends = 0
        self._sending = False
        self._ended = False
        self._broken: OSError | None = None
        self._readiness = readiness()
        self._watched = False
        self._receiving = False
        self._reader: Task | None = None
        self._sleep: Sleep | None = None
        self._filled = True
        """Whether there may be something to read."""
        self._plain = True
        """Whether a short read leaves nothing: until the other side ends the connection or sends an urgent byte."""

    @property
    def peer(self) -> str | None:
        return self._peer

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        if max_bytes is None:
            max_bytes = READ_SIZE
        elif max_bytes < 1:
            raise ValueError(f"max_bytes must be at least 1, got {max_bytes}")
        self._check()
        while True:
            # Raises BusyResourceError itself if another task already waits here.
            if self._readiness is None:
                await wait_readable(self._socket)
            else:
                await self._wait_filled(self._readiness)
            try:
                data = self._socket.recv(max_bytes)
            except BlockingIOError:
                self._filled = False
            except OSError as failure:
                self._fail(failure)
            else:
                # What did not fill the room emptied the socket. What comes now is told again; an end is not.
                self._filled = len(data) == max_bytes or not self._plain
                return data

    async def _wait_filled(self, watcher: Readiness) -> None:
        if self._receiving:
            raise trio.BusyResourceError("another task is receiving from this connection")
        self._receiving = True
        try:
            if not self._watched:
                watcher.add(self._socket.fileno(), self)
                self._watched = True
            if self._filled:
                await checkpoint()
            else:
                if self._sleep is None:
                    self._sleep = make_sleep(self._reader_left)
                self._reader = current_task()
                await sleep(self._sleep)
        finally:
            self._receiving = False
        self._check()

    def readable(self, plain: bool) -> None:
        """`runtime.readiness` says that something came."""
        self._filled = True
        if not plain:
            self._plain = False
        self._wake_reader()

    def _wake_reader(self) -> None:
        reader = self._reader
        if reader is not None:
            self._reader = None
            wake(reader)

    def _reader_left(self) -> None:
        self._reader = None

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        self._begin_sending()
        try:
            self._sends += 1
            if self._sends >= SENDS_PER_PASS:
                self._sends = 0
                await checkpoint()
            else:
                await checkpoint_if_cancelled()
            sent = self._send_now(data)
            if sent < len(data):
                await self._send_rest(data, sent)
        finally:
            self._sending = False

    async def _send_rest(self, data: bytes | bytearray | memoryview, sent: int) -> None:
        with memoryview(data) as view:
            while sent < len(view):
                await wait_writable(self._socket)
                with view[sent:] as rest:
                    sent += self._send_now(rest)

    def try_send(self, data: bytes | bytearray | memoryview) -> int:
        """Send what fits at once; how many bytes that were. 0 while another task is in `send_all`.

        Raises what `send_all` raises, but for `trio.BusyResourceError`. No checkpoint: the caller owes one
        now and then.
        """
        if self._sending:
            return 0
        self._check_sender()
        return self._send_now(data)

    async def wait_send_all_might_not_block(self) -> None:
        self._begin_sending()
        try:
            await wait_writable(self._socket)
        finally:
            self._sending = False

    async def send_eof(self) -> None:
        if self._ended:
            self._check()
            await checkpoint()
            return
        self._begin_sending()
        try:
            await checkpoint()
            self._socket.shutdown(socket.SHUT_WR)
            self._ended = True
        except OSError as failure:
            self._fail(failure)
        finally:
            self._sending = False

    async def aclose(self) -> None:
        if self._socket.fileno() != -1:
            notify_closing(self._socket)
            if self._watched and self._readiness is not None:
                self._readiness.remove(self._socket.fileno())
            self._socket.close()
            self._wake_reader()
        await checkpoint()

    def _send_now(self, data: bytes | bytearray | memoryview) -> int:
        try:
            return self._socket.send(data) if data else 0
        except BlockingIOError:
            return 0
        except OSError as failure:
            self._fail(failure)

    def _begin_sending(self) -> None:
        if self._sending:
            raise trio.BusyResourceError("another task is sending on this connection")
        self._check_sender()
        self._sending = True

    def _check_sender(self) -> None:
        self._check()
        if self._ended:
            raise trio.ClosedResourceError("nothing can be sent after send_eof")

    def _check(self) -> None:
        if self._socket.fileno() == -1:
            raise trio.ClosedResourceError("this connection was closed on our side")
        if self._broken is not None:
            raise trio.BrokenResourceError(f"connection lost: {self._broken}") from self._broken

    def _fail(self, failure: OSError) -> NoReturn:
        if failure.errno == errno.EBADF:
            raise trio.ClosedResourceError("this connection was closed on our side") from None
        self._broken = failure
        raise trio.BrokenResourceError(f"connection lost: {failure}") from failure
