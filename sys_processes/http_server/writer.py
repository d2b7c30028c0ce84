"""The writing half of a channel: from what its process pushes to the socket of its client."""

from __future__ import annotations

import contextlib

import trio

from sys_processes.http_server.bell import Bell
from sys_processes.http_server.channels import Channel
from sys_processes.http_server.coding import Frame
from sys_processes.http_server.protocol import WsMessageType
from sys_processes.http_server.websocket import Socket, SocketClosed


class Writer:
    """Sends what waits in a channel. `wake` is the channel's.

    A frame for a client that keeps up is sent in the step of its push. What has to wait is sent by a task, made when
    it is first wanted: most channels of a node are idle or keep up, and never have one. The end of the channel or of
    its owner stops the reading of the socket at once; that of the channel also limits the time of what is being sent.
    """

    __slots__ = (
        "_bell", "_channel", "_close_seconds", "_ended", "_idle", "_limit", "_problem", "_reading", "_socket",
    )  # fmt: skip

    def __init__(self, socket: Socket, close_seconds: float) -> None:
        self._socket = socket
        self._close_seconds = close_seconds
        self._channel: Channel | None = None
        self._limit: trio.CancelScope | None = None
        self._bell: Bell | None = None
        """Of the one that sends what waits; None while there is none."""
        self._ended: trio.Event | None = None
        self._problem: Exception | None = None
        self._idle = True

    def begin(self, channel: Channel, reading: trio.CancelScope) -> None:
        """`reading` is of whoever reads the socket. What waits already is sent."""
        self._channel = channel
        self._reading = reading
        while self._sent_at_once(channel):
            pass
        if (
            channel.first() is not None
            or channel.ending is not None
            or channel.orphaned
            or self._socket.unsent
        ):
            self.wake()

    def wake(self) -> None:
        channel = self._channel
        if channel is None or (self._idle and self._sent_at_once(channel)):
            return
        self._idle = False
        ending = channel.ending
        if ending is not None or channel.orphaned:
            self._reading.cancel()
        if ending is not None:
            grace = self._close_seconds if ending.flush else 0.0
            limit = self._limit_scope()
            limit.deadline = min(limit.deadline, trio.current_time() + grace)
        if self._bell is not None:
            self._bell.ring()
        elif not self._reading.cancel_called:
            self._bell = Bell()
            self._ended = trio.Event()
            self._socket.start_soon(self._run_beside, channel, self._ended)

    def _sent_at_once(self, channel: Channel) -> bool:
        """Send the one frame of a channel for which nothing waits. False: a task is wanted, for this or the rest."""
        frame = channel.first()
        if frame is None or channel.ending is not None or channel.orphaned:
            return False
        kind = frame.kind
        text = kind is WsMessageType.Text
        if (text or kind is WsMessageType.Binary) and self._socket.try_send(frame.data, text=text):
            channel.take()
            return not self._socket.unsent
        return False

    def cut(self) -> None:
        """The socket is gone: nothing can be sent any more."""
        self._limit_scope().cancel()

    async def finish(self) -> None:
        """Until the channel has ended and what had to be sent is sent, or the socket is gone."""
        if self._ended is not None:
            await self._ended.wait()
        elif self._channel is not None:
            self._bell = Bell()
            await self._run(self._channel, self._bell)
        if self._problem is not None:
            raise self._problem

    def _limit_scope(self) -> trio.CancelScope:
        if self._limit is None:
            self._limit = trio.CancelScope()
        return self._limit

    async def _run_beside(self, channel: Channel, ended: trio.Event) -> None:
        """What goes wrong is raised by `finish`: the socket's own task says goodbye."""
        assert self._bell is not None
        try:
            await self._run(channel, self._bell)
        except Exception as problem:  # noqa: BLE001 - handed on
            self._problem = problem
        finally:
            ended.set()
        self._reading.cancel()

    async def _run(self, channel: Channel, bell: Bell) -> None:
        with self._limit_scope(), contextlib.suppress(SocketClosed):
            await self._send_all(channel, bell)

    async def _send_all(self, channel: Channel, bell: Bell) -> None:
        while True:
            frame = channel.take()
            if frame is not None:
                await self._send(frame)
            elif channel.ending is not None:
                return
            else:
                await self._socket.flush()
                self._idle = channel.first() is None
                try:
                    await bell.wait()
                finally:
                    self._idle = False

    async def _send(self, frame: Frame) -> None:
        socket = self._socket
        match frame.kind:
            case WsMessageType.Text:
                await socket.send_text_bytes(frame.data)
            case WsMessageType.Ping:
                await socket.ping(frame.data)
            case WsMessageType.Pong:
                await socket.pong(frame.data)
            case _:
                await socket.send_binary(frame.data)
