"""What travels: `Payload`, `Request`, `Response`, the envelope `KernelMessage`, and `Message`, a process's view of it.

Values are built once and never changed afterwards. `Request`, `Response` and `KernelMessage` are not frozen by attrs
because they are made on the hot path, where freezing costs three times the construction.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import attrs

from kernel.address import Address, ProcessId, to_process_id
from kernel.capability import Capability, SignedCapability

if TYPE_CHECKING:
    from kernel.process import OpenRequest, Window


@attrs.define(frozen=True)
class Payload:
    """Bytes that ride beside a message's ipc, with a mime type or none. `LazyLoadBlob` in later eras."""

    mime: str | None = None
    bytes: bytes = b""


@attrs.define
class Request:
    """`expects_response` is a number of whole seconds, or None when no answer is wanted."""

    inherit: bool = False
    expects_response: int | None = None
    ipc: bytes = b""
    metadata: str | None = None
    capabilities: tuple[Capability, ...] = ()

    @property
    def body(self) -> bytes:
        return self.ipc


@attrs.define
class Response:
    inherit: bool = False
    ipc: bytes = b""
    metadata: str | None = None
    capabilities: tuple[Capability, ...] = ()

    @property
    def body(self) -> bytes:
        return self.ipc


class _InTransit:
    """The kernel's notes on an envelope, which never travel. Defaults of a class, because setting them costs."""

    size = 0
    answers: OpenRequest | None = None
    responded = False
    window: Window | None = None


@attrs.define(eq=False, slots=False)
class KernelMessage(_InTransit):
    """The envelope (PROTOCOL 2.3). The kernel owns it from the send to the delivery.

    `context` is filled by the receiving kernel.
    """

    id: int
    source: Address
    target: Address
    rsvp: Address | None
    message: Request | Response
    payload: Payload | None = None
    context: bytes | None = None


def size_of(envelope: KernelMessage) -> int:
    """What it takes of a mailbox: bytes of ipc and payload."""
    payload = envelope.payload
    return len(envelope.message.ipc) + (len(payload.bytes) if payload is not None else 0)


class SendErrorKind(enum.StrEnum):
    Offline = "Offline"
    Timeout = "Timeout"

    def is_offline(self) -> bool:
        return self is SendErrorKind.Offline

    def is_timeout(self) -> bool:
        return self is SendErrorKind.Timeout


class Reason(enum.StrEnum):
    """Why a message came back (PROTOCOL 0.4)."""

    no_such_process = "no_such_process"
    capability_missing = "capability_missing"
    mailbox_full = "mailbox_full"
    too_large = "too_large"
    process_exited = "process_exited"
    node_unreachable = "node_unreachable"
    link_refused = "link_refused"
    deadline_passed = "deadline_passed"


class Message:
    """A received message as its process sees it (PROTOCOL 2.7 and 5.5). Read-only."""

    __slots__ = ("_envelope",)

    def __init__(self, envelope: KernelMessage) -> None:
        self._envelope = envelope

    def is_request(self) -> bool:
        return self._envelope.message.__class__ is Request

    @property
    def id(self) -> int:
        """Correlates a Response with its Request; of use in logs only."""
        return self._envelope.id

    @property
    def source(self) -> Address:
        return self._envelope.source

    @property
    def target(self) -> Address:
        return self._envelope.target

    @property
    def ipc(self) -> bytes:
        return self._envelope.message.ipc

    body = ipc

    @property
    def metadata(self) -> str | None:
        return self._envelope.message.metadata

    @property
    def expects_response(self) -> int | None:
        """Seconds the sender waits; None when it does not, and for Responses."""
        message = self._envelope.message
        return message.expects_response if isinstance(message, Request) else None

    @property
    def wants_response(self) -> bool:
        """Whether a Response to this would reach anybody: an answer is expected here or at an rsvp (PROTOCOL 3.3)."""
        envelope = self._envelope
        message = envelope.message
        return isinstance(message, Request) and (
            message.expects_response is not None or envelope.rsvp is not None
        )

    @property
    def inherit(self) -> bool:
        return self._envelope.message.inherit

    @property
    def context(self) -> bytes | None:
        """What was given with the Request that this answers; None for Requests."""
        return self._envelope.context

    @property
    def capabilities(self) -> tuple[SignedCapability, ...]:
        """Attached by the sender and verified by our kernel."""
        return tuple(c for c in self._envelope.message.capabilities if isinstance(c, SignedCapability))

    def payload(self) -> Payload | None:
        """As `get_payload()` was at delivery."""
        return self._envelope.payload

    blob = payload

    def envelope(self) -> KernelMessage:
        """As the kernel moves it: what a carrier to other nodes sends on."""
        return self._envelope

    def is_local(self) -> bool:
        """Whether it came from a process of the receiver's own node."""
        return self._envelope.source.node == self._envelope.target.node

    def is_process(self, process: ProcessId | str | tuple[str, str, str]) -> bool:
        return self._envelope.source.process == to_process_id(process)

    def __repr__(self) -> str:
        kind = "Request" if self.is_request() else "Response"
        return f"<{kind} {self.source} -> {self.target} ipc={self.ipc[:60]!r}>"


class SendError(Exception):
    """A message that came back (PROTOCOL 0.4, 2.4, 3.7).

    `reason` says why, `detail` what to do about it; `definite` is True when the message certainly was not handled.
    `message` is the failed message, labelled with its target as source; `context` is what was sent with it.
    """

    def __init__(
        self,
        kind: SendErrorKind,
        reason: Reason,
        *,
        target: Address,
        message: Message,
        payload: Payload | None,
        context: bytes | None = None,
        definite: bool,
        detail: str,
    ) -> None:
        super().__init__(f"{kind} ({reason}) from {target}: {detail}")
        self.kind = kind
        self.reason = reason
        self.target = target
        self.message = message
        self.payload = payload
        self.context = context
        self.definite = definite
        self.detail = detail


class OnExitKind(enum.StrEnum):
    NONE = "None"
    RESTART = "Restart"
    REQUESTS = "Requests"


ExitRequest = tuple[Address, Request, Payload | None]


@attrs.frozen
class OnExit:
    """What happens when a process ends (PROTOCOL 2.6 and 4.7). Build with `none()`, `restart()`, `requests([...])`."""

    kind: OnExitKind
    entries: tuple[ExitRequest, ...] = ()

    @classmethod
    def none(cls) -> OnExit:
        return OnExit(OnExitKind.NONE)

    @classmethod
    def restart(cls) -> OnExit:
        return OnExit(OnExitKind.RESTART)

    @classmethod
    def requests(cls, entries: list[ExitRequest] | tuple[ExitRequest, ...]) -> OnExit:
        """Each entry is `(address, request, payload or None)`; `expects_response` is forced to None when it fires."""
        return OnExit(OnExitKind.REQUESTS, tuple(entries))

    def is_none(self) -> bool:
        return self.kind is OnExitKind.NONE

    def is_restart(self) -> bool:
        return self.kind is OnExitKind.RESTART

    def is_requests(self) -> bool:
        return self.kind is OnExitKind.REQUESTS

    def get_requests(self) -> tuple[ExitRequest, ...] | None:
        return self.entries if self.is_requests() else None

    def add_request(self, entry: ExitRequest) -> OnExit:
        """A new value with the entry added. Raises ValueError unless this is `requests`."""
        if not self.is_requests():
            raise ValueError(f"add_request needs OnExit.requests([...]), this is {self.kind}")
        return OnExit(self.kind, (*self.entries, entry))
