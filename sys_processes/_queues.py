"""Requests that wait for their turn, each sender's in order, and nobody behind the queue of another (F-81)."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import attrs
import trio

from kernel.address import ProcessId

T = TypeVar("T")

MOST_REQUESTS = 1000
MOST_BYTES = 64 << 20


@attrs.define(eq=False)
class _Queue:
    """The events are those of the requests that wait, in order; the one whose turn it is has none."""

    requests: int = 0
    held: int = 0
    waiting: deque[trio.Event] = attrs.Factory(deque)


class Queues(Generic[T]):
    """A queue for each process, with room for `MOST_REQUESTS` and `MOST_BYTES` of them."""

    def __init__(self) -> None:
        self._queues: dict[ProcessId, _Queue] = {}

    def has_room(self, process: ProcessId, size: int) -> bool:
        """An empty queue takes anything."""
        queue = self._queues.get(process)
        return queue is None or (queue.requests < MOST_REQUESTS and queue.held + size <= MOST_BYTES)

    def enter(
        self, process: ProcessId, size: int, work: Callable[[], Awaitable[T]]
    ) -> Callable[[], Awaitable[T]]:
        """Take the next place. What is returned does the work when its turn comes; it must be called, once."""
        queue = self._queues.get(process)
        turn: trio.Event | None = None
        if queue is None:
            queue = self._queues[process] = _Queue()
        else:
            turn = trio.Event()
            queue.waiting.append(turn)
        queue.requests += 1
        queue.held += size

        async def in_turn() -> T:
            try:
                if turn is not None:
                    await turn.wait()
                return await work()
            finally:
                self._leave(process, queue, size)

        return in_turn

    def _leave(self, process: ProcessId, queue: _Queue, size: int) -> None:
        queue.requests -= 1
        queue.held -= size
        if queue.waiting:
            queue.waiting.popleft().set()
        else:
            del self._queues[process]
