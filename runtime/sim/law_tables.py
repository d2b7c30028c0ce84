"""What the laws know of one life of a node, rebuilt from its events alone: its processes, rights and open requests."""

from __future__ import annotations

import attrs

from kernel.address import Address, ProcessId
from kernel.admission import STATE, VFS
from kernel.capability import KERNEL, MESSAGING, NETWORK
from kernel.codec import Malformed
from kernel.message import KernelMessage, Request
from sys_processes.timer.protocol import TIMER, SetTimer, decode_timer

_UNCHECKED = (KERNEL, STATE, VFS)

Life = tuple[Address, int]
"""A sender, and which life of its node."""
Place = tuple[Life, int]
"""In the order of what that sender sends: the number of the entry that tells the send."""


@attrs.define(eq=False)
class LawProcess:
    """`unread` are the messages in its mailbox, with their place in the order of their sender; `errors` is how many
    errors of each id lie there. `arrived` and `taken` say, for each life of a sender, how far its sends have come.
    """

    pid: ProcessId
    public: bool
    system: bool
    messaging: str
    """The capability that allows to message it, as events name it."""
    parent: str
    """The process that it ends with, if there is one."""
    accepts: bool = True
    ending: bool = False
    held: dict[str, None] = attrs.Factory(dict)
    unread: dict[KernelMessage, Place] = attrs.Factory(dict)
    errors: dict[int, int] = attrs.Factory(dict)
    arrived: dict[Life, int] = attrs.Factory(dict)
    taken: dict[Life, int] = attrs.Factory(dict)

    def drop_error(self, number: int) -> bool:
        """One error of that id leaves the mailbox; says whether there was one."""
        left = self.errors.pop(number, 0) - 1
        if left > 0:
            self.errors[number] = left
        return left >= 0


@attrs.define(eq=False)
class Opened:
    """A request that waits for its outcome. `rings` is when its timer is to ring, if it asks for one."""

    owner: ProcessId
    number: int
    at: float
    deadline: float
    awaited: bool
    rings: float | None


@attrs.define(eq=False)
class LawNode:
    """One life of a node. `boot` counts them. `sending` was sent in this step, and has no outcome yet."""

    name: str
    boot: int
    processes: dict[ProcessId, LawProcess] = attrs.Factory(dict)
    offspring: dict[str, dict[ProcessId, None]] = attrs.Factory(dict)
    """By parent."""
    open: dict[int, Opened] = attrs.Factory(dict)
    sent: dict[KernelMessage, int] = attrs.Factory(dict)
    """Local ones that have not come to a mailbox, with the numbers of their sends."""
    held: dict[KernelMessage, None] = attrs.Factory(dict)
    """Those that were sent and wait for a step."""
    sending: KernelMessage | None = None
    sending_number: int = 0
    privileged: bool = False
    paused: bool = False
    resumed: float = -1.0
    """When it was last set going again, in virtual seconds."""

    def process(self, pid: ProcessId | None) -> LawProcess | None:
        return None if pid is None else self.processes.get(pid)

    def create(self, pid: ProcessId, words: str) -> None:
        messaging = f"{self.name}@{pid}^{MESSAGING}"
        flags, _, parent = words.partition("ends-with ")
        former = self.processes.get(pid)
        if former is not None:
            self.offspring.get(former.parent, {}).pop(pid, None)
        if parent:
            self.offspring.setdefault(parent, {})[pid] = None
        self.processes[pid] = LawProcess(pid, "public" in flags, "system" in flags, messaging, parent)

    def revoke(self, process: LawProcess, note: str) -> None:
        """`note` is a capability, or says that all of one issuer are meant."""
        of_all = note.removeprefix("all issued by ")
        if of_all == note:
            process.held.pop(note, None)
            return
        start = f"{self.name}@{of_all}^"
        process.held = {held: None for held in process.held if not held.startswith(start)}

    def outlives(self, parent: LawProcess) -> LawProcess | None:
        """A process that is to end with that one, and was not asked to."""
        offspring = (self.processes[pid] for pid in self.offspring.get(str(parent.pid), ()))
        return next((p for p in offspring if p.accepts and not p.ending), None)

    def may_message(self, sender: LawProcess, receiver: LawProcess) -> bool:
        """PROTOCOL 4.2, computed from what was told of grants, not from the kernel's tables."""
        return (
            receiver.public
            or receiver.messaging in sender.held
            or (sender.system and (receiver.system or sender.pid in _UNCHECKED))
        )

    def has_network(self, process: LawProcess) -> bool:
        return f"{self.name}@{KERNEL}^{NETWORK}" in process.held

    def opened(self, message: KernelMessage, number: int, at: float, *, awaited: bool) -> Opened | None:
        """For a request that expects a response; None for every other message."""
        request = message.message
        if not isinstance(request, Request) or request.expects_response is None:
            return None
        seconds = request.expects_response
        rings = None
        if message.target.process == TIMER:
            rings = _rings(request.ipc, at, seconds)
        return Opened(message.source.process, number, at, at + seconds, awaited, rings)


def _rings(ipc: bytes, at: float, seconds: int) -> float | None:
    """When a timer of that request is to ring; None when it is none, or asks for more time than it waits."""
    try:
        request = decode_timer(ipc)
    except Malformed:
        return None
    if isinstance(request, SetTimer) and request.ms < seconds * 1000:
        return at + request.ms / 1000
    return None
