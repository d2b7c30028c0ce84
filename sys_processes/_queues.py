"""Requests that wait for their turn, each sender's in order, and nobody behind the queue of another (F-81)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from kernel.address import ProcessId
from sys_processes._lanes import Lanes

T = TypeVar("T")

MOST_REQUESTS = 1000
MOST_BYTES = 64 << 20
# Never waited for: `has_room` is asked before.
_UNLIMITED = 1 << 30


class Queues(Generic[T]):
    """A queue for each process, with room for `MOST_REQUESTS` and `MOST_BYTES` of them."""

    def __init__(self) -> None:
        self._lanes: Lanes[ProcessId] = Lanes(_UNLIMITED)
        self._held: dict[ProcessId, tuple[int, int]] = {}

    def has_room(self, process: ProcessId, size: int) -> bool:
        """An empty queue takes anything."""
        requests, held = self._held.get(process, (0, 0))
        return not requests or (requests < MOST_REQUESTS and held + size <= MOST_BYTES)

    async def enter(
        self, process: ProcessId, size: int, work: Callable[[], Awaitable[T]]
    ) -> Callable[[], Awaitable[T]]:
        """Take the next place. What is returned does the work when its turn comes; it must be called, once."""
        in_turn = await self._lanes.enter(process, work)
        self._add(process, 1, size)

        async def counted() -> T:
            try:
                return await in_turn()
            finally:
                self._add(process, -1, -size)

        return counted

    def _add(self, process: ProcessId, requests: int, size: int) -> None:
        before = self._held.get(process, (0, 0))
        after = before[0] + requests, before[1] + size
        if after[0]:
            self._held[process] = after
        else:
            del self._held[process]
