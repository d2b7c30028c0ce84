"""Who waits for whom, a line each: what a world that cannot go on says."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import trio

from kernel.process import OpenRequest, ProcessState
from runtime.sim.sim_node import SimNode

_HERE = str(Path(__file__).parent)
_TRIO = str(Path(trio.__file__).parent)


def waiting(nodes: Iterable[SimNode], test: trio.lowlevel.Task | None) -> tuple[str, ...]:
    """The test's task, every open request, and the processes that wait for a message."""
    where = None if test is None else _place(test)
    lines = [] if where is None else [f"the test waits {where}"]
    idle: list[str] = []
    for node in nodes:
        if not node.is_up:
            lines.append(f"{node.name} is {'booting' if node.is_booting else 'down'}")
            continue
        if node.paused:
            lines.append(f"{node.name} is paused")
        router = node.kernel.router
        lines += [_request(node, entry) for entry in router.open.values()]
        idle += [
            str(process.address)
            for process in router.processes.values()
            if not process.system and process.state is ProcessState.RUNNING and process.mailbox.is_awaited
        ]
    if idle:
        lines.append(f"wait for a message: {', '.join(idle)}")
    return tuple(lines)


def _request(node: SimNode, entry: OpenRequest) -> str:
    holder, envelope = entry.holder, entry.envelope
    asker = f"{node.name}@{entry.owner.pid}"
    ipc = envelope.message.ipc[:40]
    if holder is None or (holder.address == envelope.target):
        return f"{asker} waits for {envelope.target} to answer {ipc!r}"
    return f"{asker} waits for {envelope.target} to answer {ipc!r}; {holder.address} has the request"


def _place(task: trio.lowlevel.Task) -> str | None:
    """Where the task waits: the innermost line that is neither the simulator's nor trio's. A scenario has none."""
    found = None
    for frame, line in task.iter_await_frames():
        file = frame.f_code.co_filename
        if not file.startswith((_HERE, _TRIO)):
            found = f"in {frame.f_code.co_name} ({file}:{line})"
    return found
