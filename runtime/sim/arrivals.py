"""Who comes to a simulated node: what both kinds of simulated `Links` do with it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

import trio
from trio.lowlevel import ParkingLot, checkpoint

from runtime.sim.sealed_links import SealedLink, seal
from sys_processes.devices import Channel

LinkT = TypeVar("LinkT")


class Arrivals(Generic[LinkT]):
    """The accepting half of `sys_processes.devices.Links`."""

    def __init__(self, key: bytes, give_up: Callable[[LinkT], None]) -> None:
        """`give_up` is what becomes of who has arrived when nobody will accept it."""
        self.key = key
        self._give_up = give_up
        self._arrived: deque[LinkT] = deque()
        self._plain: deque[LinkT] = deque()
        self._waiting = ParkingLot()
        self._closed = False

    async def accept(self) -> LinkT:
        return await self._next(self._arrived)

    async def accept_plain(self) -> LinkT:
        """Who came by `reach`. Raises `trio.ClosedResourceError` once closed."""
        return await self._next(self._plain)

    async def secure(self, channel: Channel, *, server: bool) -> SealedLink:
        """Between the two ends of what a router passes on."""
        return await seal(channel, self.key if server else None)

    async def _next(self, arrived: deque[LinkT]) -> LinkT:
        await checkpoint()
        while not self._closed:
            if arrived:
                return arrived.popleft()
            await self._waiting.park()
        raise trio.ClosedResourceError("this node takes no more links")

    @property
    def closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        """Nobody reaches the node any more; the links that it has go on."""
        self._closed = True
        for arrived in (self._arrived, self._plain):
            while arrived:
                self._give_up(arrived.popleft())
        self._waiting.unpark_all()

    def arrive(self, link: LinkT, *, plain: bool) -> None:
        (self._plain if plain else self._arrived).append(link)
        self._waiting.unpark_all()
