"""The kernel's wire shapes: envelopes, errors (PROTOCOL 2.3, 2.4, 2.7), debug values (2.8), kernel commands (4.6)."""

from __future__ import annotations

import enum

import attrs

from kernel import debug
from kernel.address import Address, ProcessId
from kernel.capability import Capability, SignedCapability
from kernel.codec import U8, U32, U64, Err, Ok, Shape, carry, newtype, struct, tuple_variant, unit
from kernel.message import KernelMessage, OnExit, Payload, Request, Response, SendErrorKind

PAYLOAD: Shape[Payload] = Shape(Payload)
REQUEST: Shape[Request] = Shape(Request)
RESPONSE: Shape[Response] = Shape(Response)
CAPABILITY: Shape[Capability] = Shape(Capability)
SIGNED_CAPABILITY: Shape[SignedCapability] = Shape(SignedCapability)
ON_EXIT: Shape[OnExit] = Shape(OnExit)
SEND_ERROR_KIND: Shape[SendErrorKind] = Shape(SendErrorKind)

_PAYLOAD = {"also": ("lazy_load_blob",)}
_IPC = {"also": ("body",)}
_ON_EXIT = {"also": ("on_panic",)}
_WHEN_ANY = {"omit_default": True}

# -- messages


@newtype("Request")
@attrs.frozen
class RequestMessage:
    request: Request


@tuple_variant("Response")
@attrs.frozen
class ResponseMessage:
    """What a sender puts into `context` is discarded by the receiving kernel, which fills it from its own table."""

    response: Response
    context: bytes | None


WireMessage = RequestMessage | ResponseMessage
MESSAGE: Shape[WireMessage] = Shape(WireMessage)


@attrs.frozen
class _Envelope:
    """`signed_capabilities` is E1's: always written null. What others put there joins the message's own."""

    id: U64
    source: Address
    target: Address
    rsvp: Address | None
    message: WireMessage
    payload: Payload | None = attrs.field(metadata=_PAYLOAD)
    signed_capabilities: tuple[SignedCapability, ...] | None


def wire_message(message: Request | Response, context: bytes | None = None) -> WireMessage:
    """`context` belongs to a Response only."""
    return RequestMessage(message) if isinstance(message, Request) else ResponseMessage(message, context)


def _envelope(value: KernelMessage) -> _Envelope:
    message = wire_message(value.message, value.context)
    return _Envelope(value.id, value.source, value.target, value.rsvp, message, value.payload, None)


def _kernel_message(form: _Envelope) -> KernelMessage:
    message: Request | Response
    match form.message:
        case RequestMessage(request):
            message, context = request, None
        case ResponseMessage(response, context):
            message = response
    if form.signed_capabilities:
        both = (*message.capabilities, *form.signed_capabilities)
        message = attrs.evolve(message, capabilities=both)
    return KernelMessage(form.id, form.source, form.target, form.rsvp, message, form.payload, context)


carry(KernelMessage, _Envelope, _envelope, _kernel_message)
KERNEL_MESSAGE: Shape[KernelMessage] = Shape(KernelMessage)


# A message as a process sees it.


@struct("Request")
@attrs.frozen
class SeenRequest:
    source: Address
    expects_response: U64 | None
    ipc: bytes = attrs.field(metadata=_IPC)
    metadata: str | None
    capabilities: tuple[Capability, ...] = attrs.field(default=(), metadata=_WHEN_ANY)


@struct("Response")
@attrs.frozen
class SeenResponse:
    source: Address
    ipc: bytes = attrs.field(metadata=_IPC)
    metadata: str | None
    context: bytes | None
    capabilities: tuple[Capability, ...] = attrs.field(default=(), metadata=_WHEN_ANY)


SeenMessage = SeenRequest | SeenResponse
SEEN_MESSAGE: Shape[SeenMessage] = Shape(SeenMessage)

# -- errors. `kernel.message.SendError` is the exception a process gets; these are what is written of it.


@attrs.frozen
class FailedSend:
    """The record `SendError`."""

    kind: SendErrorKind
    target: Address
    message: WireMessage
    payload: Payload | None = attrs.field(metadata=_PAYLOAD)


@attrs.frozen
class WrappedSendError:
    """`id` is the failed message's; `source` the process that gets the error."""

    id: U64
    source: Address
    error: FailedSend


FAILED_SEND: Shape[FailedSend] = Shape(FailedSend)
WRAPPED_SEND_ERROR: Shape[WrappedSendError] = Shape(WrappedSendError)

# -- print and debug values


@unit
@attrs.frozen
class Toggle: ...


@unit
@attrs.frozen
class Step: ...


@unit
@attrs.frozen
class ToggleStepthrough: ...


@unit
@attrs.frozen
class ToggleEventLoop: ...


@newtype
@attrs.frozen
class ToggleEventLoopForProcess:
    process: ProcessId


DebugCommand = Toggle | Step | ToggleStepthrough | ToggleEventLoop | ToggleEventLoopForProcess
DEBUG_COMMAND: Shape[DebugCommand] = Shape(DebugCommand)


@newtype("U8")
@attrs.frozen
class Verbosity:
    level: U8


@unit
@attrs.frozen
class Muted: ...


ProcessVerbosity = Verbosity | Muted
PROCESS_VERBOSITY: Shape[ProcessVerbosity] = Shape(ProcessVerbosity)

# -- commands to kernel:sys:nectar


@unit
@attrs.frozen
class Booted: ...


@unit
@attrs.frozen
class Shutdown: ...


@struct
@attrs.frozen
class InitializeProcess:
    """`wasm_bytes_handle` is a path; in E1 the number of a stored file."""

    id: ProcessId
    wasm_bytes_handle: str | int
    wit_version: U32 | None
    on_exit: OnExit = attrs.field(metadata=_ON_EXIT)
    initial_capabilities: tuple[Capability, ...]
    public: bool


@struct
@attrs.frozen
class GrantCapabilities:
    target: ProcessId
    capabilities: tuple[Capability, ...]


@struct
@attrs.frozen
class DropCapabilities:
    target: ProcessId
    capabilities: tuple[Capability, ...]


@struct
@attrs.frozen
class SetOnExit:
    target: ProcessId
    on_exit: OnExit = attrs.field(metadata=_ON_EXIT)


@newtype
@attrs.frozen
class RunProcess:
    id: ProcessId


@newtype
@attrs.frozen
class KillProcess:
    id: ProcessId


@unit("ProcessMap")
@attrs.frozen
class AskProcessMap: ...


@newtype("Process")
@attrs.frozen
class AskProcess:
    id: ProcessId


@struct("HasCap")
@attrs.frozen
class AskHasCap:
    on: ProcessId
    cap: Capability


@unit("Processes")
@attrs.frozen
class AskProcesses:
    """Ours: who runs, in what state."""


DebugQuestion = AskProcessMap | AskProcess | AskHasCap | AskProcesses | debug.Question


@newtype("Debug")
@attrs.frozen
class Debug:
    question: DebugQuestion


KernelCommand = (
    Booted
    | Shutdown
    | InitializeProcess
    | GrantCapabilities
    | DropCapabilities
    | SetOnExit
    | RunProcess
    | KillProcess
    | Debug
)
KERNEL_COMMAND: Shape[KernelCommand] = Shape(KernelCommand)

# -- its answers


@unit
@attrs.frozen
class InitializedProcess: ...


@unit
@attrs.frozen
class InitializeProcessError: ...


@unit
@attrs.frozen
class StartedProcess: ...


@unit
@attrs.frozen
class RunProcessError: ...


@newtype
@attrs.frozen
class KilledProcess:
    id: ProcessId


class Refusal(enum.StrEnum):
    NoSuchProcess = "NoSuchProcess"
    MalformedRequest = "MalformedRequest"


@attrs.frozen
class ProcessRecord:
    """What is kept of a process."""

    wasm_bytes_handle: str | int
    wit_version: U32 | None
    on_exit: OnExit = attrs.field(metadata=_ON_EXIT)
    capabilities: tuple[Capability, ...]
    public: bool


class ProcessState(enum.StrEnum):
    starting = "starting"
    running = "running"
    waiting = "waiting"
    ended = "ended"


@attrs.frozen
class ProcessStatus:
    """`mailbox` counts messages not received yet, `bytes` their ipc and payloads, `received` all that it got so far."""

    id: ProcessId
    state: ProcessState
    mailbox: U64
    restarts: U64
    last_error: str | None
    bytes: U64 = 0
    received: U64 = 0


@newtype("ProcessMap")
@attrs.frozen
class ProcessMapIs:
    processes: dict[ProcessId, ProcessRecord]


@newtype("Process")
@attrs.frozen
class ProcessIs:
    """None when there is no such process."""

    process: ProcessRecord | None


@newtype("HasCap")
@attrs.frozen
class HasCapIs:
    """None when there is no such process."""

    held: bool | None


@newtype("Processes")
@attrs.frozen
class ProcessesAre:
    processes: tuple[ProcessStatus, ...]


DebugAnswer = ProcessMapIs | ProcessIs | HasCapIs | ProcessesAre | debug.Answer


@newtype("Debug")
@attrs.frozen
class DebugIs:
    answer: DebugAnswer


KernelAnswer = (
    InitializedProcess
    | InitializeProcessError
    | StartedProcess
    | RunProcessError
    | KilledProcess
    | DebugIs
    | Ok[None]
    | Err[Refusal]
)
KERNEL_ANSWER: Shape[KernelAnswer] = Shape(KernelAnswer)
