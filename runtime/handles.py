"""Open files of databases: shared by all who use them at once, and not more of them than the system bears."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Generic, Protocol, TypeVar

import attrs
import trio

from sys_processes.devices import DatabaseName, EngineFailed, Workers


class Opened(Protocol):
    """Some files of a database."""

    @property
    def unwritable(self) -> EngineFailed | None:
        """Why it is open for reading only, if it is."""

    def close(self) -> None:
        """Blocks."""


HandleT = TypeVar("HandleT", bound=Opened)

MOST_OPEN = 64


@attrs.define(eq=False)
class _Place(Generic[HandleT]):
    """`gate` is held while the handle is opened or closed. `users` have it in their hands; `wanted` counts those who
    wait at the gate, too. `leaving`: it is about to be closed, because there are too many.
    """

    handle: HandleT | None = None
    users: int = 0
    wanted: int = 0
    leaving: bool = False
    gate: trio.Lock = attrs.Factory(trio.Lock)
    idle: trio.Event = attrs.Factory(trio.Event)


class Handles(Generic[HandleT]):
    """One handle for each database in use. Beyond `most` of them, the one that was idle longest is closed."""

    def __init__(
        self,
        workers: Workers,
        open_one: Callable[[DatabaseName], HandleT],
        most: int = MOST_OPEN,
    ) -> None:
        self._workers = workers
        self._open_one = open_one
        self._most = most
        self.closings = 0
        """How often one was closed because there were too many."""
        # In the order of last use.
        self._places: dict[DatabaseName, _Place[HandleT]] = {}

    @asynccontextmanager
    async def using(self, name: DatabaseName) -> AsyncIterator[HandleT]:
        """Raises what `open_one` raises."""
        handle = self.taken(name) or await self.take(name)
        try:
            yield handle
        finally:
            await self.give_back(name)

    @asynccontextmanager
    async def writing(self, name: DatabaseName) -> AsyncIterator[HandleT]:
        """`using`, to write. What is open for reading only is opened anew, for there may be room by now; raises why
        when that was in vain.
        """
        if self._is_unwritable(name):
            async with self.closed(name):
                pass
        async with self.using(name) as handle:
            if handle.unwritable is not None:
                raise handle.unwritable
            yield handle

    def _is_unwritable(self, name: DatabaseName) -> bool:
        place = self._places.get(name)
        return place is not None and place.handle is not None and place.handle.unwritable is not None

    @asynccontextmanager
    async def closed(self, name: DatabaseName) -> AsyncIterator[None]:
        """Once all who use it have finished: in the block it is closed, and whoever wants it waits."""
        place = self._enter(name)
        try:
            async with place.gate:
                while place.users:
                    place.idle = trio.Event()
                    await place.idle.wait()
                await self._shut(place)
                yield
        finally:
            self._leave(name, place)

    async def keep_open(self, most: int) -> None:
        """No more than so many that nobody uses, from now on."""
        self._most = most
        while await self._close_longest_idle():
            pass

    async def aclose(self) -> None:
        """Close all of them, each when nobody uses it any more."""
        for name in list(self._places):
            async with self.closed(name):
                pass

    def taken(self, name: DatabaseName) -> HandleT | None:
        """To be given back; None when it has to be waited for."""
        place = self._places.get(name)
        if place is None or place.handle is None or place.gate.locked():
            return None
        self._enter(name)
        place.users += 1
        return place.handle

    async def take(self, name: DatabaseName) -> HandleT:
        """The same, and waits. Raises what `open_one` raises."""
        place = self._enter(name)
        try:
            return await self._taken(name, place)
        except BaseException:
            self._leave(name, place)
            raise

    async def give_back(self, name: DatabaseName) -> None:
        place = self._places[name]
        place.users -= 1
        place.idle.set()
        self._leave(name, place)
        if len(self._places) > self._most and await self._close_longest_idle():
            self.closings += 1

    def _enter(self, name: DatabaseName) -> _Place[HandleT]:
        place = self._places.pop(name, None) or _Place()
        self._places[name] = place
        place.wanted += 1
        return place

    def _leave(self, name: DatabaseName, place: _Place[HandleT]) -> None:
        place.wanted -= 1
        if not place.wanted and place.handle is None:
            del self._places[name]

    async def _taken(self, name: DatabaseName, place: _Place[HandleT]) -> HandleT:
        async with place.gate:
            if place.handle is None:
                place.handle = await self._workers.run(self._open_one, name)
            place.users += 1
            return place.handle

    async def _shut(self, place: _Place[HandleT]) -> None:
        handle, place.handle, place.leaving = place.handle, None, False
        if handle is not None:
            # A handle that is forgotten while it is open keeps its files locked.
            with trio.CancelScope(shield=True):
                await self._workers.run(handle.close)

    async def _close_longest_idle(self) -> bool:
        """Whether there were too many, one of them idle."""
        opened = [
            name for name, place in self._places.items() if place.handle is not None and not place.leaving
        ]
        idle = [name for name in opened if not self._places[name].wanted]
        if len(opened) <= self._most or not idle:
            return False
        self._places[idle[0]].leaving = True
        async with self.closed(idle[0]):
            pass
        return True
