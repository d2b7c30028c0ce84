"""A process's syscalls that write down every call and answer from a script: for tests of what stands on the seam."""

from __future__ import annotations

import random as random_module
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager

from kernel.address import Address, ProcessId
from kernel.capability import Capability, SignedCapability
from kernel.message import KernelMessage, Message, OnExit, Payload, Request, Response, SendError
from kernel.ports import Init
from kernel.refusals import Refusal
from kernel.syscalls import Outgoing, Ts, process


def request_message(
    source: Address,
    target: Address,
    request: Request,
    payload: Payload | None = None,
    rsvp: Address | None = None,
) -> Message:
    return Message(KernelMessage(1, source, target, rsvp, request, payload))


def response_message(source: Address, target: Address, ipc: bytes, payload: Payload | None = None) -> Message:
    return Message(KernelMessage(1, source, target, None, Response(ipc=ipc), payload))


class RecordingSyscalls:
    """`calls` holds (name of the call, its arguments) in order. `inbox` and `answers` are what it will be told."""

    def __init__(self, our: str = "fake.dev@main:test:fake.dev") -> None:
        self._our = Address.from_str(our)
        self.calls: list[tuple[str, tuple[object, ...]]] = []
        self.inbox: deque[Message | SendError] = deque()
        self.answers: deque[Message | SendError] = deque()
        self.payload: Payload | None = None
        self.state: bytes | None = None
        self.on_exit = OnExit.none()
        self.held: list[SignedCapability] = []
        self.time = 1_700_000_000.0

    def _note(self, name: str, *arguments: object) -> None:
        self.calls.append((name, arguments))

    def sent(self) -> list[tuple[Address, Request, bytes | None, Payload | None]]:
        """What `send_request`, `send_requests`, `send_paced` and `send_and_await_response` were given, in order."""
        found = []
        for name, arguments in self.calls:
            if name in {"send_request", "send_paced", "send_and_await_response"}:
                found.append(arguments[:4])
        return found  # type: ignore[return-value]

    @property
    def our(self) -> Address:
        return self._our

    async def receive(self) -> Message:
        found = self.inbox.popleft()
        if isinstance(found, SendError):
            self.payload = None
            raise found
        self.payload = found.payload()
        return found

    def get_payload(self) -> Payload | None:
        return self.payload

    def last_payload(self) -> Payload | None:
        return self.payload

    def send_request(
        self, target: Address, request: Request, context: bytes | None = None, payload: Payload | None = None
    ) -> None:
        self._note("send_request", target, request, context, payload)

    def send_requests(self, requests: Sequence[Outgoing]) -> None:
        for each in requests:
            self.send_request(*each)

    async def send_paced(
        self,
        target: Address,
        request: Request,
        context: bytes | None = None,
        payload: Payload | None = None,
        *,
        window: int | None = None,
    ) -> None:
        self._note("send_paced", target, request, context, payload, window)

    def send_response(self, response: Response, payload: Payload | None = None) -> None:
        self._note("send_response", response, payload)

    async def send_and_await_response(
        self,
        target: Address,
        request: Request,
        payload: Payload | None = None,
        *,
        context: bytes | None = None,
    ) -> Message:
        self._note("send_and_await_response", target, request, context, payload)
        answer = self.answers.popleft()
        if isinstance(answer, SendError):
            raise answer
        self.payload = answer.payload()
        return answer

    async def get_state(self) -> bytes | None:
        return self.state

    async def set_state(self, state: bytes) -> None:
        self.state = state

    async def clear_state(self) -> None:
        self.state = None

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
        asked = (name, path, on_exit, list(request_capabilities), list(grant_capabilities), public)
        self._note("spawn", *asked, *(["detached"] if detached else []))
        return ProcessId(name, self._our.package, self._our.publisher)

    def set_on_exit(self, on_exit: OnExit) -> None:
        self.on_exit = on_exit

    def get_on_exit(self) -> OnExit:
        return self.on_exit

    def print_to_terminal(self, verbosity: int, text: str) -> None:
        self._note("print_to_terminal", verbosity, text)

    def our_capabilities(self) -> list[SignedCapability]:
        return list(self.held)

    def get_capability(self, issuer: Address, params: str) -> SignedCapability | None:
        wanted = Capability(issuer, params)
        return next((c for c in self.held if c.unsigned() == wanted), None)

    def can_message(self, target: Address) -> bool:
        return any(c.unsigned() == Capability.messaging(target) for c in self.held)

    def attach_capability(self, capability: Capability) -> None:
        self._note("attach_capability", capability)

    def save_capabilities(self, capabilities: Sequence[Capability]) -> None:
        self._note("save_capabilities", capabilities)

    def drop_capabilities(self, capabilities: Sequence[Capability]) -> None:
        self._note("drop_capabilities", capabilities)

    def has_capability(self, params: str) -> bool:
        self._note("has_capability", params)
        return True

    def create_capability(self, to: ProcessId, params: str) -> None:
        self._note("create_capability", to, params)

    def share_capability(self, to: ProcessId, capability: Capability) -> None:
        self._note("share_capability", to, capability)

    def start_soon(self, task: Callable[[*Ts], Awaitable[object]], *args: *Ts) -> None:
        self._note("start_soon", task, args)

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += seconds

    def random(self) -> random_module.Random:
        return random_module.Random(7)

    def draw(self, label: str, bits: int) -> int:
        return len(label) % (1 << bits)

    def secret(self, label: str, n: int) -> bytes:
        return bytes(n)

    def trace(self, label: str) -> None:
        self._note("trace", label)

    def is_running(self, process: ProcessId) -> bool:
        return process == self._our.process

    def has_room(self, process: ProcessId, size: int) -> bool:
        return process == self._our.process

    def watch(self, process: ProcessId) -> bool:
        self._note("watch", process)
        return process != self._our.process

    def unwatch(self, process: ProcessId) -> None:
        self._note("unwatch", process)

    def watch_exits(self, ended: Callable[[ProcessId], None]) -> None:
        self._note("watch_exits")

    def deliver_remote(self, envelope: KernelMessage) -> Refusal | None:
        self._note("deliver_remote", envelope)
        return None

    def give_back(self, envelope: KernelMessage, refusal: Refusal, *, definite: bool) -> None:
        self._note("give_back", envelope, refusal, definite)


@contextmanager
def recording(our: str = "fake.dev@main:test:fake.dev") -> Iterator[RecordingSyscalls]:
    """Make the calling code a process, as it were, whose calls are recorded."""
    syscalls = RecordingSyscalls(our)
    token = process.set(syscalls)
    try:
        yield syscalls
    finally:
        process.reset(token)
