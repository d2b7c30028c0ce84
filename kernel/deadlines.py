"""All deadlines of a node: one heap, one task that sleeps on its head."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush
from math import inf
from typing import Protocol

import trio

SWEEP_FROM = 4096
SWEEP_BYTES = 32 * 1024 * 1024


class Due(Protocol):
    """Something with a deadline. `settled` ones are skipped."""

    settled: bool

    def fire(self) -> None: ...


class Alarm:
    """Calls once."""

    __slots__ = ("_call", "settled")

    def __init__(self, call: Callable[[], None]) -> None:
        self._call = call
        self.settled = False

    def fire(self) -> None:
        self._call()


class Deadlines:
    """Fires in order of time, then of `add`. Whoever needs no firing any more is marked `settled` by its owner, and
    leaves the heap when it comes up, or when the heap has doubled, or when `SWEEP_BYTES` were added.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Due]] = []
        self._count = 0
        self._sweep_at = SWEEP_FROM
        self._bytes = 0
        """Of what was added since the last sweep."""
        self._scope: trio.CancelScope | None = None

    def __len__(self) -> int:
        return sum(not entry[2].settled for entry in self._heap)

    def add(self, when: float, due: Due, size: int = 0) -> None:
        """`when` is on trio's clock, in seconds. `size` is what `due` keeps in memory, in bytes."""
        heap = self._heap
        # Those that were settled first are mostly on top: let go of them, and of the messages they hold.
        while heap and heap[0][2].settled:
            heappop(heap)
        self._count += 1
        heappush(heap, (when, self._count, due))
        self._bytes += size
        if len(heap) > self._sweep_at or self._bytes > SWEEP_BYTES:
            self._sweep()
        scope = self._scope
        if scope is not None and when < scope.deadline:
            scope.deadline = when

    def _sweep(self) -> None:
        self._heap = [entry for entry in self._heap if not entry[2].settled]
        heapify(self._heap)
        self._bytes = 0
        self._sweep_at = max(SWEEP_FROM, 2 * len(self._heap))

    async def run(self) -> None:
        """Fire what is due, for ever."""
        while True:
            with trio.CancelScope(deadline=self._heap[0][0] if self._heap else inf) as scope:
                self._scope = scope
                await trio.sleep_forever()
            self._fire_due(trio.current_time())
            # A heap full of overdue entries must not keep the other tasks from running.
            await trio.lowlevel.cancel_shielded_checkpoint()

    def _fire_due(self, now: float) -> None:
        while self._heap and self._heap[0][0] <= now:
            due = heappop(self._heap)[2]
            if not due.settled:
                due.settled = True
                due.fire()
