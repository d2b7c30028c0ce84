"""A trace as kernels and a world would tell it, written down by a test."""

from __future__ import annotations

import copy

from kernel.address import Address, ProcessId
from kernel.events import Event, EventKind
from kernel.message import KernelMessage, Request, Response
from runtime.sim.log_file import LogEntry, log_of
from runtime.sim.trace import Trace, WorldKind
from sys_processes.net.protocol import NET


def address(text: str) -> Address:
    """Of `node.process`."""
    node, process = text.split(".")
    return Address(f"{node}.uq", ProcessId(process, "app", "me"))


class ToldTrace:
    """Each call adds the entry of one event and returns its number. `at` is what the clock shows from then on."""

    def __init__(self) -> None:
        self.trace = Trace()
        self.at = 0.0
        self._ids = 0

    def entries(self) -> tuple[LogEntry, ...]:
        return log_of(self.trace)

    def request(self, source: str, target: str, ipc: str = "", expects: int | None = 5) -> KernelMessage:
        self._ids += 1
        own = address(source)
        return KernelMessage(
            self._ids, own, address(target), own if expects else None, Request(False, expects, ipc.encode())
        )

    @staticmethod
    def response(request: KernelMessage, ipc: str = "") -> KernelMessage:
        return KernelMessage(request.id, request.target, request.source, None, Response(ipc=ipc.encode()))

    def tell(
        self,
        node: str,
        kind: EventKind,
        process: ProcessId | None,
        message: KernelMessage | None = None,
        note: str = "",
    ) -> int:
        seen = copy.copy(message)  # each node has its own
        self.trace.observer(f"{node}.uq")(Event(kind, self.at, process, seen, note))
        return self.trace.count - 1

    def event(self, where: str, kind: EventKind, message: KernelMessage | None = None, note: str = "") -> int:
        """It happened to `node.process`."""
        return self.tell(where.split(".", maxsplit=1)[0], kind, address(where).process, message, note)

    def world(self, kind: WorldKind, node: str = "", note: str = "", other: str = "") -> int:
        names = [f"{name}.uq" if name else "" for name in (node, other)]
        self.trace.add(self.at, names[0], kind, note=note, other=names[1])
        return self.trace.count - 1

    # -- messages

    def put(self, message: KernelMessage) -> int:
        """Into the mailbox of its target, which may be on another node than its source."""
        target = message.target
        return self.tell(target.node.removesuffix(".uq"), EventKind.APPENDED, target.process, message)

    def depart(self, message: KernelMessage) -> int:
        """To another node."""
        return self.tell(message.source.node.removesuffix(".uq"), EventKind.APPENDED, NET, message)

    def answer(self, message: KernelMessage) -> int:
        """To the task that awaits it."""
        target = message.target
        return self.tell(target.node.removesuffix(".uq"), EventKind.ANSWERED, target.process, message)
