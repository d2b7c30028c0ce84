"""Strict order within a lane, none between lanes (F-81)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

import trio

LaneT = TypeVar("LaneT", bound=Hashable)
T = TypeVar("T")


class Lanes(Generic[LaneT]):
    """Pieces of work, each in a lane: at most `limit` of them exist at a time."""

    def __init__(self, limit: int = 1000) -> None:
        self._last: dict[LaneT, trio.Event] = {}
        self._room = trio.Semaphore(limit)

    async def enter(self, lane: LaneT, work: Callable[[], Awaitable[T]]) -> Callable[[], Awaitable[T]]:
        """Wait for room and take the lane's next place. What is returned does the work when its turn comes.

        It must be called, once.
        """
        await self._room.acquire()
        before = self._last.get(lane)
        done = self._last[lane] = trio.Event()

        async def in_turn() -> T:
            try:
                if before is not None:
                    await before.wait()
                return await work()
            finally:
                done.set()
                if self._last[lane] is done:
                    del self._last[lane]
                self._room.release()

        return in_turn
