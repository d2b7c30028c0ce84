"""Requests that wait for their turn, each sender's in order, and nobody behind the queue of another (F-81)."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

import attrs
import trio

from kernel.address import ProcessId

T = TypeVar("T")

MOST_REQUESTS = 1000
MOST_BYTES = 64 << 20


@attrs.define(eq=False)
class _Held:
    """What a process has waiting or under way. Of each of its lanes, the events are those of the requests that wait, in
    order; the one whose turn it is has none.
    """

    requests: int = 0
    size: int = 0
    lanes: dict[Hashable, deque[trio.Event]] = attrs.Factory(dict)


class Queues(Generic[T]):
    """A queue for each process, or for each lane of it, with room for `MOST_REQUESTS` and `MOST_BYTES` of a process."""

    def __init__(self) -> None:
        self._held: dict[ProcessId, _Held] = {}

    def has_room(self, process: ProcessId, size: int) -> bool:
        """Who has nothing there may bring anything."""
        held = self._held.get(process)
        return held is None or (held.requests < MOST_REQUESTS and held.size + size <= MOST_BYTES)

    def enter(
        self, process: ProcessId, size: int, work: Callable[[], Awaitable[T]], *, lane: Hashable = None
    ) -> Callable[[], Awaitable[T]]:
        """Take the next place. What is returned does the work when its turn comes; it must be called, once. If it is
        cancelled before, its place is given up.
        """
        held = self._held.get(process)
        if held is None:
            held = self._held[process] = _Held()
        turn: trio.Event | None = None
        waiting = held.lanes.get(lane)
        if waiting is None:
            waiting = held.lanes[lane] = deque()
        else:
            turn = trio.Event()
            waiting.append(turn)
        held.requests += 1
        held.size += size

        async def in_turn() -> T:
            try:
                if turn is not None:
                    await turn.wait()
                return await work()
            finally:
                if turn is not None and not turn.is_set():
                    waiting.remove(turn)
                elif waiting:
                    waiting.popleft().set()
                else:
                    del held.lanes[lane]
                self._leave(process, held, size)

        return in_turn

    def _leave(self, process: ProcessId, held: _Held, size: int) -> None:
        held.requests -= 1
        held.size -= size
        if not held.requests:
            del self._held[process]
