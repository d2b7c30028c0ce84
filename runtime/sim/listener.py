"""The door to a simulated node."""

from __future__ import annotations

import errno
import os
from collections import deque

import trio
from trio.lowlevel import ParkingLot, checkpoint

from kernel.ports import Chance
from runtime.sim.stream import BUFFER, MemoryStream, stream_pair


class MemoryListener:
    """`sys_processes.devices.Listener` of a simulated node; clients come in by `connect`."""

    def __init__(
        self,
        url: str = "http://127.0.0.1:8080",
        *,
        capacity: int = BUFFER,
        backlog: int = 4096,
        chance: Chance | None = None,
    ) -> None:
        self.refused: OSError | None = None
        self._url = url
        self._capacity = capacity
        self._backlog = backlog
        self._chance = chance
        self._open: list[MemoryStream] = []
        self._tidy_at = 64
        self._arrived: deque[MemoryStream] = deque()
        self._waiting = ParkingLot()
        self._closed = False

    @property
    def url(self) -> str:
        return self._url

    def connect(self, peer: str = "127.0.0.1:5000") -> MemoryStream:
        """A client's end of a new connection, usable at once; the node sees the client as `peer`.

        Raises ConnectionRefusedError when closed, or when the backlog is full.
        """
        if self._closed or len(self._arrived) >= self._backlog:
            raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED), self._url)
        address = self._url.removeprefix("http://")
        client, server = stream_pair(address, peer, capacity=self._capacity, chance=self._chance)
        self._note(server)
        self._arrived.append(server)
        self._waiting.unpark()
        return client

    def _note(self, stream: MemoryStream) -> None:
        if len(self._open) >= self._tidy_at:
            self._open = [stream for stream in self._open if not stream.is_over]
            self._tidy_at = max(64, 2 * len(self._open))
        self._open.append(stream)

    async def accept(self) -> MemoryStream:
        """While `refused` holds an error (too many open files), raises that."""
        await checkpoint()
        while not self._closed:
            if self.refused is not None:
                raise self.refused
            if self._arrived:
                return self._arrived.popleft()
            await self._waiting.park()
        raise trio.ClosedResourceError("this listener was closed")

    async def aclose(self) -> None:
        """Connections not accepted yet are reset."""
        self._closed = True
        while self._arrived:
            self._arrived.popleft().reset()
        self._waiting.unpark_all()
        await checkpoint()

    def die(self) -> None:
        """As when the program is killed: every connection is reset, those that were accepted too."""
        self._closed = True
        self._arrived.clear()
        for stream in self._open:
            stream.reset()
        self._open.clear()
        self._waiting.unpark_all()
