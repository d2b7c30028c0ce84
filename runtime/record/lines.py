"""The lines of a record, one JSON value each: what happened at a node's kernel, in its one order (docs/record.md).

Times (`at`) are on trio's clock, in seconds. A `task` is `run.number`: the how-manieth run of its process, and in it 0
for the main task, the others in the order of `start_soon`, or with an `n` before it in a nursery of the process's own.
What was said is cleaned of the node's secrets before it is written.
"""

from __future__ import annotations

import base64
import binascii

import attrs

from kernel.address import Address, ProcessId
from kernel.capability import Capability
from kernel.codec import U64, Shape, carry, struct
from kernel.message import KernelMessage, OnExit, Payload, Request, Response

FORMAT = 1


@attrs.frozen
class Blob:
    """Bytes: text where they are UTF-8, else base64."""

    data: bytes


@attrs.frozen
class _Base64:
    base64: str


def _blob_form(value: Blob) -> str | _Base64:
    try:
        return value.data.decode()
    except UnicodeDecodeError:
        return _Base64(base64.b64encode(value.data).decode())


def _blob(form: str | _Base64) -> Blob:
    if isinstance(form, str):
        return Blob(form.encode())
    try:
        return Blob(base64.b64decode(form.base64, validate=True))
    except binascii.Error as error:
        raise ValueError(f"expected base64: {error}") from None


carry(Blob, str | _Base64, _blob_form, _blob)


@attrs.frozen
class WholePayload:
    mime: str | None
    content: Blob


@attrs.frozen
class Whole:
    """A message from outside, as its process sees it. `is_request` decides whether `expects` means anything."""

    source: Address
    target: Address
    rsvp: Address | None
    is_request: bool
    inherit: bool
    expects: U64 | None
    ipc: Blob
    metadata: str | None
    capabilities: list[Capability]
    payload: WholePayload | None

    def envelope(self, number: int) -> KernelMessage:
        """With what the kernel moves."""
        capabilities = tuple(self.capabilities)
        message: Request | Response
        if self.is_request:
            message = Request(self.inherit, self.expects, self.ipc.data, self.metadata, capabilities)
        else:
            message = Response(self.inherit, self.ipc.data, self.metadata, capabilities)
        payload = None if self.payload is None else Payload(self.payload.mime, self.payload.content.data)
        return KernelMessage(number, self.source, self.target, self.rsvp, message, payload)


@attrs.frozen
class Digest:
    """Of bytes: how many, their SHA-256, and how they begin."""

    size: int
    sha256: str
    head: str


@attrs.frozen
class PayloadDigest:
    mime: str | None
    content: Digest


@attrs.frozen
class Said:
    """What a process sent, to be compared. Capabilities by name, without their signatures."""

    to: Address
    is_request: bool
    inherit: bool
    expects: U64 | None
    ipc: Digest
    metadata: str | None
    capabilities: list[str]
    payload: PayloadDigest | None


@attrs.frozen
class Failure:
    """What a wait raised; `kind` is that of a SpawnError."""

    name: str
    text: str
    kind: str | None = None


# -- the first line, and code


@struct
@attrs.frozen
class Record:
    """`epoch` is the node's wall clock at trio's time `at`."""

    format: int
    node: str
    at: float
    epoch: float
    versions: dict[str, str]


@struct
@attrs.frozen
class Code:
    """The modules of a drive, by their paths below `root`; lines that follow name them by `digest`."""

    digest: str
    root: str
    files: dict[str, str]


# -- lives


@struct
@attrs.frozen
class Created:
    """`by` made it with `spawn`, in its `task`; otherwise the node did. Without `code` it cannot be run again."""

    at: float
    process: ProcessId
    by: ProcessId | None
    task: str
    path: str
    code: str | None
    module: str
    on_exit: OnExit
    public: bool
    system: bool
    messages: int
    bytes: int
    capabilities: list[Capability]


@struct
@attrs.frozen
class Started:
    at: float
    process: ProcessId
    by: ProcessId | None


@struct
@attrs.frozen
class Ending:
    """It was asked to end. `kept`: what it granted is not taken back."""

    at: float
    process: ProcessId
    cause: str
    kept: bool


@struct
@attrs.frozen
class Exited:
    """`task` is empty for what did not end by itself: a module, what was not running, what was left after its 2 s."""

    at: float
    process: ProcessId
    task: str
    cause: str


@struct
@attrs.frozen
class Granted:
    at: float
    process: ProcessId
    by: ProcessId | None
    capability: str


@struct
@attrs.frozen
class Revoked:
    """As the kernel's event has it: one capability, or all of an issuer."""

    at: float
    process: ProcessId
    by: ProcessId | None
    capability: str


# -- what reaches processes


@struct
@attrs.frozen
class Appended:
    """Into a mailbox. `whole` for what comes from outside of the packages; the others sent it in a line before."""

    at: float
    process: ProcessId
    id: U64
    whole: Whole | None


@struct
@attrs.frozen
class Answered:
    """Straight to the task that waits. `whole` as above."""

    at: float
    process: ProcessId
    id: U64
    whole: Whole | None


@struct
@attrs.frozen
class Returned:
    at: float
    process: ProcessId
    id: U64
    kind: str
    reason: str
    definite: bool
    detail: str


@struct
@attrs.frozen
class Fired:
    """The deadline of a request of its passed."""

    at: float
    process: ProcessId
    id: U64


@struct
@attrs.frozen
class Forgotten:
    """Its task was cancelled while it waited for the answer."""

    at: float
    process: ProcessId
    id: U64


# -- what tasks of packages do, and modules take


@struct
@attrs.frozen
class Began:
    at: float
    process: ProcessId
    task: str


@struct
@attrs.frozen
class Waits:
    """`why` as in `kernel.turns`."""

    at: float
    process: ProcessId
    task: str
    why: str


@struct
@attrs.frozen
class GoesOn:
    at: float
    process: ProcessId
    task: str
    why: str
    failure: Failure | None


@struct
@attrs.frozen
class Took:
    """Out of the mailbox. `task` is empty for a module of the runtime."""

    at: float
    process: ProcessId
    task: str
    id: U64


@struct
@attrs.frozen
class Sent:
    at: float
    process: ProcessId
    task: str
    id: U64
    said: Said


@struct
@attrs.frozen
class Now:
    """A look at the node's clock: seconds since the epoch."""

    at: float
    process: ProcessId
    task: str
    value: float


@struct
@attrs.frozen
class Drew:
    """`value` in hex."""

    at: float
    process: ProcessId
    task: str
    label: str
    bits: int
    value: str


@struct
@attrs.frozen
class Seeded:
    """A generator of its own was made of this seed, in hex."""

    at: float
    process: ProcessId
    task: str
    label: str
    value: str


@struct
@attrs.frozen
class Secret:
    """Bytes fit for keys were drawn. They are not written."""

    at: float
    process: ProcessId
    task: str
    label: str
    size: int


@struct
@attrs.frozen
class Signed:
    """Made with the node's key, of bytes of this SHA-256; both in hex."""

    at: float
    data: str
    signature: str


@struct
@attrs.frozen
class Verified:
    """Whether a signature of another node was found genuine."""

    at: float
    node: str
    data: str
    signature: str
    genuine: bool


@struct
@attrs.frozen
class Ended:
    """The node stopped in order: the record is whole."""

    at: float


Step = Began | Waits | GoesOn | Took | Sent | Now | Drew | Seeded | Secret | Exited
"""What the tasks of packages do. A replay holds them to it."""

Line = (
    Record
    | Code
    | Created
    | Started
    | Ending
    | Granted
    | Revoked
    | Appended
    | Answered
    | Returned
    | Fired
    | Forgotten
    | Signed
    | Verified
    | Ended
    | Step
)
LINE: Shape[Line] = Shape(Line)
SAID: Shape[Said] = Shape(Said)
