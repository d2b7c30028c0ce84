"""What the kernel tells an observer: one value per event, in the one global order of the node.

The trace, the diagrams and the digest of a simulated run are made of these. Off, it costs one attribute test.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from hashlib import sha256

import attrs

from kernel.address import ProcessId
from kernel.message import KernelMessage, Request, SendError


class EventKind(enum.StrEnum):
    SENT = (
        "sent"  # a process, or the kernel, handed a message over; what became of it follows in the same step
    )
    HELD = "held"  # a message waits until a person who steps lets it go on
    APPENDED = "appended"  # a message or error went into a mailbox
    ANSWERED = "answered"  # an awaited answer or error went straight to the task that waits
    TAKEN = "taken"  # a process took a message or error out of its mailbox
    RETURNED = "returned"  # a message came back to its sender
    FORGOTTEN = "forgotten"  # who waited for the answer to this request was cancelled
    DEAD_LETTER = "dead-letter"
    FIRED = "fired"  # a deadline passed
    DREW = "drew"  # chance was asked
    CREATED = "created"
    STARTED = "started"
    ENDING = "ending"  # somebody asked a process to end
    EXITED = "exited"
    GRANTED = "granted"
    REVOKED = "revoked"
    PRINTED = "printed"
    NOTED = "noted"


@attrs.frozen
class Event:
    """`subject` is the process it happened to, or that did it; `at` is on trio's clock, in seconds.

    The note of SENT says `awaited`, `privileged` or both, of RETURNED and of a TAKEN error the reason, of CREATED
    `public`, `system` or both, and `ends-with` the process that it ends with, of GRANTED and REVOKED the capability,
    of ENDING the cause, and `kept` when what it granted is not taken back. `error` is what a RETURNED message comes
    back as.
    """

    kind: EventKind
    at: float
    subject: ProcessId | None
    message: KernelMessage | None
    note: str
    error: SendError | None = None

    def line(self) -> str:
        """One line of text, the same for the same event in every run."""
        parts = [f"{self.at:.6f}", self.kind.value, str(self.subject or "-")]
        message = self.message
        if message is not None:
            form = "request" if isinstance(message.message, Request) else "response"
            digest = sha256(message.message.ipc)
            if message.payload is not None:
                digest.update(b"\0" + (message.payload.mime or "").encode() + b"\0" + message.payload.bytes)
            parts += [form, str(message.id), f"{message.source} -> {message.target}", digest.hexdigest()[:16]]
        if self.note:
            parts.append(self.note)
        return " ".join(parts)


def shown(value: int) -> str:
    """A draw in hex, of a long one the digest."""
    text = f"{value:x}"
    return text if len(text) <= 32 else sha256(text.encode()).hexdigest()[:32]


Observer = Callable[[Event], None]
