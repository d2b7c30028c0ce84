"""What people who look into a node ask its kernel, and are told: Debug questions of our own (PROTOCOL 4.6).

Bodies are not in them: of a message the beginning of its ipc, of a payload its mime type and size.
"""

from __future__ import annotations

import attrs

from kernel.address import ProcessId
from kernel.message import KernelMessage, Request
from kernel.variants import U8, U32, U64, struct, unit

LONGEST_IPC = 400
MOST_KEPT = 10_000
"""Events, by a node that is traced."""

# -- questions


@struct("MayMessage")
@attrs.frozen
class AskMayMessage:
    """Whether a local process may send to another one, and by which rule."""

    source: ProcessId
    target: ProcessId


@struct("Trace")
@attrs.frozen
class AskTrace:
    """What happened lately. `keep`: from now on keep so many events, 0 for none; None changes nothing."""

    keep: U32 | None = None


@unit("DeadLetters")
@attrs.frozen
class AskDeadLetters:
    """What could be brought back to nobody."""


@struct("Verbosity")
@attrs.frozen
class SetVerbosity:
    """From now on show what `process` (None: everybody) prints up to `level`, 0 to 3; None: nothing of it."""

    process: ProcessId | None
    level: U8 | None


# -- answers


@unit("Verbosity")
@attrs.frozen
class VerbositySet:
    """Done."""


@attrs.frozen
class LoggedMessage:
    """`digest` is over ipc and payload, of which only the beginning of the ipc is kept. `size` is theirs, in bytes."""

    id: int
    source: str
    target: str
    request: bool
    rsvp: str | None
    expects: int | None
    ipc: str
    payload: str | None
    """Its mime type and size."""
    size: int
    digest: str


@attrs.frozen
class TracedEvent:
    """`kind` is that of a `kernel.events.Event`; `at` in seconds since the epoch."""

    at: float
    kind: str
    subject: str
    note: str
    message: LoggedMessage | None


@struct("MayMessage")
@attrs.frozen
class MayMessageIs:
    """`why` names the rule, or what is missing and the manifest line that would grant it."""

    allowed: bool
    why: str


@struct("Trace")
@attrs.frozen
class TraceIs:
    """`keeps` is how many events the node keeps from now on; `events` are those kept up to now, oldest first."""

    keeps: U32
    events: tuple[TracedEvent, ...]


@attrs.frozen
class BuriedMessage:
    """`at` in seconds since the epoch; `to` is the process that would have received it."""

    at: float
    to: ProcessId
    why: str
    message: LoggedMessage


@struct("DeadLetters")
@attrs.frozen
class DeadLettersAre:
    """`total` counts all there ever were, `letters` are the last of them, oldest first."""

    total: U64
    letters: tuple[BuriedMessage, ...]


def logged(envelope: KernelMessage, digest: str = "") -> LoggedMessage:
    """As it is shown."""
    message, payload = envelope.message, envelope.payload
    is_request = isinstance(message, Request)
    return LoggedMessage(
        envelope.id,
        str(envelope.source),
        str(envelope.target),
        is_request,
        None if envelope.rsvp is None else str(envelope.rsvp),
        message.expects_response if isinstance(message, Request) else None,
        readable(message.ipc),
        None if payload is None else f"{payload.mime or 'no mime type'}, {len(payload.bytes)} B",
        len(message.ipc) + (0 if payload is None else len(payload.bytes)),
        digest,
    )


def readable(ipc: bytes) -> str:
    """As text in one line, cut at `LONGEST_IPC` characters; what cannot be shown is escaped."""
    text = ipc[: 4 * LONGEST_IPC].decode("utf-8", "backslashreplace")
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return shown if len(shown) <= LONGEST_IPC else shown[: LONGEST_IPC - 1] + "…"
