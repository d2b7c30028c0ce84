"""A wake-up for one task: rung any number of times, it wakes once."""

from __future__ import annotations

from trio.lowlevel import Task, current_task

from kernel.parking import Sleep, make_sleep, sleep, wake


class Bell:
    """One task at a time waits. A ring while nobody waits is kept."""

    __slots__ = ("_rung", "_sleep", "_task")

    def __init__(self) -> None:
        self._task: Task | None = None
        self._rung = False
        self._sleep: Sleep | None = None

    def ring(self) -> None:
        task = self._task
        if task is None:
            self._rung = True
        else:
            self._task = None
            wake(task)

    async def wait(self) -> None:
        """Return once it was rung since the last wait."""
        if not self._rung:
            self._task = current_task()
            if self._sleep is None:
                self._sleep = make_sleep(self._left)
            await sleep(self._sleep)
        self._rung = False

    def _left(self) -> None:
        self._task = None
