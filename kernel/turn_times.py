"""How long the tasks of each process ran, measured while somebody wants to know: it costs a part of every turn."""

from __future__ import annotations

import trio

from kernel.address import ProcessId
from kernel.process import Process
from kernel.syscalls import process as current_process


class TurnTimes(trio.abc.Instrument):
    """Of one node. A turn is what a task does between two waits; work in threads is in none."""

    def __init__(self, node: str) -> None:
        self._node = node
        self._used: dict[ProcessId, float] = {}
        self._measures = False
        self._until = 0.0
        self._began = 0.0

    def measure(self, seconds: float) -> None:
        """From now on for so long."""
        now = trio.current_time()
        self._until = now + seconds
        if not self._measures:
            self._measures = True
            self._began = now
            trio.lowlevel.add_instrument(self)

    def used(self, processes: dict[ProcessId, Process]) -> dict[ProcessId, float]:
        """Of those that are there, the seconds that were ever measured; the others are forgotten."""
        self._used = {pid: self._used.get(pid, 0.0) for pid in processes}
        return self._used

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self._began = trio.current_time()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        now = trio.current_time()
        # The one trio run of a simulated world has the processes of all nodes.
        host = task.context.get(current_process)
        if host is not None and host.our.node == self._node:
            pid = host.our.process
            self._used[pid] = self._used.get(pid, 0.0) + now - self._began
        if now >= self._until:
            self._measures = False
            trio.lowlevel.remove_instrument(self)
