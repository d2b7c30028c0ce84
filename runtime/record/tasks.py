"""Names for the tasks of processes that are the same in a run and in its replay."""

from __future__ import annotations

from contextvars import ContextVar

import attrs
import trio.abc
from trio.lowlevel import Task, current_task

from kernel.address import ProcessId
from kernel.errors import OutsideProcess
from kernel.syscalls import process as current_process

_name: ContextVar[str] = ContextVar("recorded_task")

Actor = tuple[ProcessId, str]
"""A process of a package, and which task of it (`runtime.record.lines`)."""


@attrs.define
class _Runs:
    """Of one process: how often it was started, and how many tasks this run has started by itself."""

    run: int = 0
    tasks: int = 0


class TaskNames(trio.abc.Instrument):
    """Of one node, while it is an instrument of its trio. `modules` are the processes of the runtime, which have no
    names here.
    """

    def __init__(self) -> None:
        self.modules: dict[ProcessId, None] = {}
        self._runs: dict[ProcessId, _Runs] = {}

    def _of(self, pid: ProcessId) -> _Runs:
        return self._runs.setdefault(pid, _Runs())

    def started(self, pid: ProcessId) -> None:
        """A new run of it."""
        runs = self._of(pid)
        runs.run += 1
        runs.tasks = 0

    def main(self, pid: ProcessId) -> str:
        return f"{self._of(pid).run}.0"

    def task_spawned(self, task: Task) -> None:
        """In a nursery of a process's own. One that the kernel starts is named again by `begin`."""
        actor = self.actor()
        if actor is not None:
            runs = self._of(actor[0])
            runs.tasks += 1
            task.context.run(_name.set, f"{runs.run}.n{runs.tasks}")

    def begin(self, pid: ProcessId, number: int) -> str:
        """The current task is that one of the process's."""
        name = f"{self._of(pid).run}.{number}"
        _name.set(name)
        return name

    def current(self, pid: ProcessId) -> str:
        """The current task, which is one of the process's. The code of its module runs before `init` begins."""
        return _name.get(None) or self.main(pid)

    def actor(self) -> Actor | None:
        """Who acts; None when it is the node itself, or a module of the runtime."""
        host = current_process.get()
        if host is None:
            return None
        try:
            current_task()
            pid = host.our.process
        except (OutsideProcess, RuntimeError):
            # Between the steps of tasks, as when a deadline passes.
            return None
        return None if pid in self.modules else (pid, self.current(pid))
