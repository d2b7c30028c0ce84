"""Child processes that end with their parent (docs/processes.md, "Child processes")."""

from __future__ import annotations

from collections.abc import Mapping

from kernel.address import ProcessId
from kernel.process import Process


def attach(parent: Process, child: Process) -> None:
    """From now on the child ends with this run of its parent."""
    child.parent = parent.pid
    if parent.offspring is None:
        parent.offspring = {}
    parent.offspring[child.pid] = None


def leave(processes: Mapping[ProcessId, Process], child: Process) -> Process | None:
    """It is no more. Its parent, if that has no other child process left."""
    parent = processes.get(child.parent) if child.parent is not None else None
    if parent is None or parent.offspring is None or child.pid not in parent.offspring:
        return None
    del parent.offspring[child.pid]
    return None if parent.offspring else parent


def descendants(processes: Mapping[ProcessId, Process], process: Process) -> list[Process]:
    """All that end with it, each behind those that end with that one."""
    # No recursion: nothing bounds how deep it goes.
    found: list[Process] = []
    waiting = [process]
    while waiting:
        offspring = [processes[pid] for pid in waiting.pop().offspring or ()]
        found += offspring
        waiting += offspring
    found.reverse()
    return found
