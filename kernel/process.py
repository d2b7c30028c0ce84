"""One process in the kernel's table, the requests it has open, and what each of its tasks remembers."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import attrs

from kernel.address import Address, ProcessId
from kernel.capability import KERNEL, MESSAGING, NETWORK, Capability
from kernel.exits import Backoff, ExitCause
from kernel.mailbox import DEFAULT_LIMITS, Limits, Mailbox
from kernel.parking import Sleep, wake

if TYPE_CHECKING:
    from collections.abc import Callable

    import trio
    from trio.lowlevel import Task

    from kernel.message import KernelMessage, OnExit, Payload, SendError
    from kernel.ports import Program


class ProcessState(enum.StrEnum):
    STARTING = "starting"
    RUNNING = "running"
    WAITING = "waiting"
    ENDED = "ended"


class Holdings:
    """The capabilities one process holds, with the signature of those from other nodes.

    Messaging to local processes and the network capability, which every send asks for, have an index of their own.
    """

    __slots__ = ("_node", "_others", "_signatures", "messaging", "network")

    def __init__(self, node: str) -> None:
        self._node = node
        self.messaging: dict[ProcessId, None] = {}
        self.network = False
        self._others: dict[Address, dict[str, None]] | None = None
        self._signatures: dict[Capability, bytes] | None = None

    def add(self, capability: Capability, signature: bytes | None = None) -> None:
        issuer = capability.issuer
        if issuer.node == self._node and capability.params == MESSAGING:
            self.messaging[issuer.process] = None
        elif self._is_network(capability):
            self.network = True
        else:
            if self._others is None:
                self._others = {}
            self._others.setdefault(issuer, {})[capability.params] = None
            if signature is not None:
                if self._signatures is None:
                    self._signatures = {}
                self._signatures[Capability(issuer, capability.params)] = signature

    def drop(self, capability: Capability) -> None:
        issuer = capability.issuer
        if issuer.node == self._node and capability.params == MESSAGING:
            self.messaging.pop(issuer.process, None)
        elif self._is_network(capability):
            self.network = False
        elif self._others is not None and issuer in self._others:
            self._others[issuer].pop(capability.params, None)
            if not self._others[issuer]:
                del self._others[issuer]

    def drop_issued_by(self, issuer: Address) -> bool:
        """Revoke everything from one issuer; says whether there was anything."""
        held = issuer.node == self._node and issuer.process in self.messaging
        if held:
            del self.messaging[issuer.process]
        if self._others is not None and self._others.pop(issuer, None) is not None:
            held = True
        return held

    def _is_network(self, capability: Capability) -> bool:
        """Signed or not, which two are not equal."""
        issuer = capability.issuer
        return capability.params == NETWORK and issuer.node == self._node and issuer.process == KERNEL

    def holds(self, capability: Capability) -> bool:
        issuer = capability.issuer
        if issuer.node == self._node and capability.params == MESSAGING:
            return issuer.process in self.messaging
        if self._is_network(capability):
            return self.network
        return self._others is not None and capability.params in self._others.get(issuer, ())

    def signature(self, capability: Capability) -> bytes | None:
        """The foreign issuer's signature, for one that came from another node."""
        if self._signatures is None:
            return None
        return self._signatures.get(Capability(capability.issuer, capability.params))

    def all(self) -> list[Capability]:
        """In a fixed order: messaging by grant, network, then the others by issuer."""
        held = [Capability(Address(self._node, process), MESSAGING) for process in self.messaging]
        if self.network:
            held.append(Capability.network(self._node))
        for issuer, params in (self._others or {}).items():
            held.extend(Capability(issuer, text) for text in params)
        return held


class Window:
    """How many of one task's paced messages still wait in mailboxes, and the task if it waits for one to be taken."""

    __slots__ = ("task", "waiting")

    def __init__(self) -> None:
        self.waiting = 0
        self.task: Task | None = None

    def taken(self) -> None:
        self.waiting -= 1
        task = self.task
        if task is not None:
            self.task = None
            wake(task)

    def left(self) -> None:
        self.task = None


class TaskState:
    """What the kernel remembers of one task of a process (docs/processes.md, task rules)."""

    __slots__ = (
        "asking",
        "attached",
        "credit",
        "credit_at",
        "latest",
        "payload",
        "prompting",
        "sleep",
        "task",
        "window",
    )

    def __init__(self, task: Task | None) -> None:
        self.task = task
        self.prompting: KernelMessage | None = None
        self.payload: Payload | None = None
        self.latest: Payload | None = None
        self.attached: tuple[Capability, ...] = ()
        self.window: Window | None = None
        self.asking: OpenRequest | None = None
        self.credit = 0
        self.credit_at: Mailbox | None = None
        self.sleep: Sleep | None = None

    def fork(self, task: Task | None) -> TaskState:
        """For a child task: same prompting message and payload, nothing else."""
        child = TaskState(task)
        child.prompting = self.prompting
        child.payload = self.payload
        child.latest = self.latest
        return child


class _Unsettled:
    """What an open request begins with. Defaults of a class, because setting them costs."""

    holder: Process | None = None
    settled = False
    task: Task | None = None
    outcome: KernelMessage | SendError | None = None


@attrs.define(eq=False, slots=False)
class OpenRequest(_Unsettled):
    """A Request whose answer is awaited. Exactly one of answer, error, abandonment settles it.

    `holder` is the process that has the Request now: after a relay no longer its target. `awaited`: the outcome goes to
    the task that waits, not into the mailbox.
    """

    owner: Process
    envelope: KernelMessage
    context: bytes | None
    snapshot: KernelMessage | None
    awaited: bool
    expired: Callable[[OpenRequest], None]

    @property
    def id(self) -> int:
        return self.envelope.id

    def fire(self) -> None:
        self.expired(self)

    def give(self, outcome: KernelMessage | SendError) -> None:
        """To the task that waits, now or later."""
        self.owner.answered += 1
        self.outcome = outcome
        task = self.task
        if task is not None:
            self.task = None
            wake(task)


class Process:
    """One run of a process. A restart makes a new one that takes over the holdings.

    `children` are the scopes of its child tasks, `offspring` the child processes that end with it; `parent` is the one
    that it ends with. `over`: its tasks have ended, and what it still waits for are its child processes. `watchers` are
    told of its end, `watches` are those of whose end it is told.
    """

    __slots__ = (
        "abandoned",
        "accepts",
        "address",
        "answered",
        "asked",
        "backoff",
        "begun",
        "cause",
        "children",
        "ended",
        "ending",
        "first_receive",
        "holdings",
        "joining",
        "last_error",
        "mailbox",
        "offspring",
        "on_exit",
        "over",
        "owed",
        "paced",
        "parent",
        "path",
        "pid",
        "program",
        "public",
        "revokes",
        "scope",
        "source",
        "started_at",
        "state",
        "system",
        "watchers",
        "watches",
    )

    def __init__(
        self,
        address: Address,
        program: Program | None,
        *,
        path: str,
        on_exit: OnExit,
        public: bool,
        holdings: Holdings,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self.address = address
        self.pid = address.process
        self.program = program
        self.path = path
        self.source: bytes | None = None
        self.on_exit = on_exit
        self.public = public
        self.system = False
        self.holdings = holdings
        self.mailbox = Mailbox(limits)
        self.answered = 0
        self.state = ProcessState.STARTING
        self.accepts = True
        self.scope: trio.CancelScope | None = None
        self.children: dict[trio.CancelScope, None] | None = None
        self.begun = 0
        self.over = False
        self.joining: Task | None = None
        self.parent: ProcessId | None = None
        self.offspring: dict[ProcessId, None] | None = None
        self.watchers: dict[Process, None] | None = None
        self.watches: dict[Process, None] | None = None
        self.owed: dict[int, OpenRequest] | None = None
        self.backoff: Backoff | None = None
        self.started_at = 0.0
        self.paced = 0
        self.cause = ExitCause.DONE
        self.asked: ExitCause | None = None
        self.revokes = True
        self.abandoned = False
        self.ending = False
        self.last_error: str | None = None
        self.ended: trio.Event | None = None
        self.first_receive: trio.Event | None = None

    def successor(self) -> Process:
        """The next run of the same process."""
        process = Process(
            self.address,
            self.program,
            path=self.path,
            on_exit=self.on_exit,
            public=self.public,
            holdings=self.holdings,
            limits=self.mailbox.limits,
        )
        process.source = self.source
        process.system = self.system
        process.parent = self.parent
        process.last_error = self.last_error
        return process

    def record_cause(self, cause: ExitCause, error: str | None = None) -> None:
        """Keep the one of greater precedence."""
        if cause >= self.cause:
            self.cause = cause
            if error is not None:
                self.last_error = error

    def enter(self, state: ProcessState) -> None:
        self.state = state
        self.accepts = state is ProcessState.RUNNING or state is ProcessState.STARTING
