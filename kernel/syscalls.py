"""Everything a process may ask: the seam between a process and its node (PROTOCOL 5.1, 5.2).

The calls of the published component interface, plus tasks, time and chance. Python processes reach theirs through
`current()`; system processes use it like everybody else. Tracing, recording and limits hang on this seam.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Protocol, TypeVarTuple

from kernel.address import Address, ProcessId
from kernel.capability import Capability, SignedCapability
from kernel.errors import OutsideProcess
from kernel.message import KernelMessage, Message, OnExit, Payload, Request, Response
from kernel.ports import Init
from kernel.refusals import Refusal

if TYPE_CHECKING:
    import random

Ts = TypeVarTuple("Ts")

Outgoing = tuple[Address, Request, bytes | None, Payload | None]


class Syscalls(Protocol):
    """Bound to one process. The prompting message and the last payload belong to the calling task.

    Every call raises `OutsideProcess` from another thread and `ProcessEnded` once the process has ended.
    """

    @property
    def our(self) -> Address: ...

    # -- messages

    async def receive(self) -> Message:
        """The next message in arrival order. A Request becomes the task's prompting message; after a Response it is
        again the one that prompted the answered Request.

        Raises `SendError` for one that came back, `ReceiveConflict` while another task of the process receives.
        """

    def get_payload(self) -> Payload | None:
        """Of the message delivered last to this task; None after one without payload and after a `SendError`."""

    def last_payload(self) -> Payload | None:
        """The latest payload ever delivered to this task."""

    def send_request(
        self, target: Address, request: Request, context: bytes | None = None, payload: Payload | None = None
    ) -> None:
        """Routes at once (PROTOCOL 3.1, 3.2, 4.2). What cannot be delivered comes back through `receive`.

        `payload` None with `request.inherit` sends the last payload.
        """

    def send_requests(self, requests: Sequence[Outgoing]) -> None:
        """`send_request` for each, in order."""

    async def send_paced(
        self,
        target: Address,
        request: Request,
        context: bytes | None = None,
        payload: Payload | None = None,
        *,
        window: int | None = None,
    ) -> None:
        """`send_request` that first waits until a local target's mailbox has room.

        With `window`, also until fewer than that many of this task's paced messages wait in mailboxes.
        """

    def send_response(self, response: Response, payload: Payload | None = None) -> None:
        """Answers the task's prompting message (PROTOCOL 3.3).

        Raises `NoPromptingMessage`, or `AlreadyResponded` when it was answered before; then nothing is sent.
        """

    async def send_and_await_response(
        self,
        target: Address,
        request: Request,
        payload: Payload | None = None,
        *,
        context: bytes | None = None,
    ) -> Message:
        """Waits for the answer to this Request only; everything else stays in the mailbox. `request.expects_response`
        must be set (ValueError). Raises `SendError` when it came back or its time is up, `SelfRequest` for oneself.
        """

    # -- process

    async def get_state(self) -> bytes | None:
        """None when there is none (empty bytes are a state). Raises `StateError`, `SendError` after 5 s."""

    async def set_state(self, state: bytes) -> None:
        """Returns when it is durable. Raises as `get_state`."""

    async def clear_state(self) -> None:
        """Returns when that is durable. Raises as `get_state`."""

    async def spawn(
        self,
        name: str | None,
        path: str | Init,
        on_exit: OnExit,
        request_capabilities: Sequence[Capability] = (),
        grant_capabilities: Sequence[ProcessId | tuple[ProcessId, str]] = (),
        public: bool = False,
        *,
        detached: bool = False,
    ) -> ProcessId:
        """Create, grant and start a child in one step (PROTOCOL 4.4, 4.5). Raises `SpawnError`.

        In the place of a path, a function is the child's `init`; then `on_exit` must be None. A child ends with its
        parent, unless `detached`.
        """

    def watch(self, process: ProcessId) -> bool:
        """Ask to be told, once, when that local process ends (or this run of it): a Request of the kernel,
        `kernel.process_exited.ProcessExited`, behind everything that it had sent us.

        False when there is no such process: nothing comes then. Raises `BadCapability` when we may not message it, and
        ValueError for ourselves.
        """

    def unwatch(self, process: ProcessId) -> None:
        """A notice that lies in our mailbox stays there."""

    def set_on_exit(self, on_exit: OnExit) -> None: ...

    def get_on_exit(self) -> OnExit: ...

    def print_to_terminal(self, verbosity: int, text: str) -> None: ...

    # -- capabilities (PROTOCOL 4.3)

    def our_capabilities(self) -> list[SignedCapability]:
        """All own ones, signed on the fly, in a fixed order."""

    def get_capability(self, issuer: Address, params: str) -> SignedCapability | None: ...

    def can_message(self, target: Address) -> bool:
        """Whether a message of ours to that address would pass the capability checks."""

    def attach_capability(self, capability: Capability) -> None:
        """Onto this task's next message, whichever it is. One we do not hold is left out at the send."""

    def save_capabilities(self, capabilities: Sequence[Capability]) -> None:
        """Own-issued, correctly signed by our node, or received attached from their foreign issuer; else
        `BadCapability` and nothing is stored (F-32).
        """

    def drop_capabilities(self, capabilities: Sequence[Capability]) -> None: ...

    def has_capability(self, params: str) -> bool:
        """Whether the sender of the prompting message holds (us, params). Raises `NoPromptingMessage`."""

    def create_capability(self, to: ProcessId, params: str) -> None:
        """Give a local process (us, params). Raises `BadCapability` when it does not exist."""

    def share_capability(self, to: ProcessId, capability: Capability) -> None:
        """Give a local process one that we hold. Raises `BadCapability` when we do not, or when it is unknown."""

    # -- tasks, time, chance

    def start_soon(self, task: Callable[[*Ts], Awaitable[object]], *args: *Ts) -> None:
        """Start a child task of this process. It begins with this task's prompting message and last payload, ends with
        the process, and a crash of it is a crash of the process.
        """

    def now(self) -> float:
        """Seconds since the epoch, on the node's clock."""

    async def sleep(self, seconds: float) -> None: ...

    def random(self) -> random.Random:
        """The process's own generator."""

    def draw(self, label: str, bits: int) -> int:
        """Uniform in [0, 2**bits) from the node's Chance; `label` names the purpose in a recording."""

    def secret(self, label: str, n: int) -> bytes:
        """`n` bytes fit for keys and nonces."""

    def trace(self, label: str) -> None:
        """Note something worth seeing in the node's event log (off unless it is observed)."""

    def is_running(self, process: ProcessId) -> bool:
        """Whether a local process takes messages now (its mailbox may be full, and we may lack the capability)."""

    def has_room(self, process: ProcessId, size: int) -> bool:
        """Whether a message of `size` bytes (ipc and payload) sent in this same step would fit that local mailbox."""

    def watch_exits(self, ended: Callable[[ProcessId], None]) -> None:
        """From now on the kernel sends us `kernel.process_exited.ProcessExited` for every process that ends.

        It comes behind everything that the process had sent us. `ended` is called earlier, in the very step of the end,
        so that what we hold for this run of the process does not go to its next one. It must not make syscalls.
        Only for modules of the runtime (`BadCapability`).
        """

    def deliver_remote(self, envelope: KernelMessage) -> Refusal | None:
        """Into the mailbox of a local process, what another node sent (PROTOCOL 4.2), or why not.

        Only for the carrier `net:sys:nectar` (`BadCapability`), like `give_back`.
        """

    def give_back(self, envelope: KernelMessage, refusal: Refusal, *, definite: bool) -> None:
        """To its sender, what we received to be carried. `definite`: it certainly was not handled."""


process: ContextVar[Syscalls | None] = ContextVar("process", default=None)


def current() -> Syscalls:
    """The syscalls of the process that is running. Raises `OutsideProcess`."""
    found = process.get()
    if found is None:
        raise OutsideProcess(
            "no process runs here: call this from `async def init(our)` or a task of it, "
            "or use userland.process_lib.testing in a test"
        )
    return found
