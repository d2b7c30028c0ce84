"""What people who look into a node ask its kernel, and are told: Debug questions of our own (PROTOCOL 4.6).

Bodies are not in them: of a message the beginning of its ipc, of a payload its mime type and size.
"""

from __future__ import annotations

import attrs

from kernel.address import OUR, Address, ProcessId
from kernel.message import KernelMessage, Request, size_of
from kernel.variants import U8, U32, U64, struct, unit

LONGEST_IPC = 400
MOST_KEPT = 10_000
"""Events, by a node that is traced."""
MOST_SHOWN = 1_000
"""Messages in one answer."""
LONGEST_LINE = 100_000
"""Characters of what was printed."""
MOST_PRINTED = 1_000_000
"""Characters of what was printed, in one answer."""
SHOWN_NEXT = 5
"""Messages that wait for a step."""

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


@struct("TimeUsed")
@attrs.frozen
class AskTimeUsed:
    """How long each process ran. It is measured for `measure` seconds from now on, and not before somebody asks."""

    measure: U32


@struct("Verbosity")
@attrs.frozen
class SetVerbosity:
    """From now on show what `process` (None: everybody) prints up to `level`, 0 to 3; None: nothing of it."""

    process: ProcessId | None
    level: U8 | None


@struct("Stepping")
@attrs.frozen
class AskStepping:
    """From now on hold what user processes are sent and what they answer (`on` true), or hold no more (false), or
    change nothing of that (None); and let the first `step` of those that are held go on.
    """

    on: bool | None = None
    step: U32 = 0


@struct("Log")
@attrs.frozen
class AskLog:
    """What was printed: by `process` (None: by anybody), of a verbosity up to `level`. The last `most` lines, or the
    first `most` of those after the one with the number `after`.
    """

    process: ProcessId | None = None
    level: U8 | None = None
    after: U64 | None = None
    most: U32 = MOST_SHOWN


Question = AskMayMessage | AskTrace | AskDeadLetters | AskTimeUsed | SetVerbosity | AskStepping | AskLog

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

    def line(self) -> str:
        """Who says what to whom."""
        does = "answers" if not self.request else "tells" if self.expects is None else "asks"
        payload = "" if self.payload is None else f" [{self.payload}]"
        return f"{self.source} {does} {self.target}: {self.ipc:.120}{payload}"


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


@struct("TimeUsed")
@attrs.frozen
class TimeUsedIs:
    """Of every process the seconds that it ran while measured. `at`: seconds, to compare with another answer."""

    at: float
    processes: dict[ProcessId, float]


@struct("Stepping")
@attrs.frozen
class SteppingIs:
    """`gone` are the messages that went on, `held` is how many wait, `next` are the first of them."""

    on: bool
    gone: tuple[LoggedMessage, ...]
    held: U32
    next: tuple[LoggedMessage, ...]


@attrs.frozen
class LoggedLine:
    """`at` in seconds since the epoch; `source` is an address. A text beyond `LONGEST_LINE` is cut, and says so."""

    at: float
    source: str
    verbosity: U8
    text: str


@struct("Log")
@attrs.frozen
class LogIs:
    """`lines` oldest first; what is not in them comes after `upto`. `missed` counts lines that the answer had no room
    for and, with `after`, those that the node keeps no more, whoever printed them.
    """

    lines: tuple[LoggedLine, ...]
    upto: U64
    missed: U64


Answer = MayMessageIs | TraceIs | DeadLettersAre | TimeUsedIs | VerbositySet | SteppingIs | LogIs


@attrs.define
class Glimpse:
    """What is kept of a message that was seen: nothing that holds on to what it carried. Never changed.

    Not frozen by attrs: several are made of each message of a traced node.
    """

    id: int
    source: Address
    target: Address
    rsvp: Address | None
    request: bool
    expects: int | None
    ipc: bytes
    mime: str | None
    payload: int | None
    size: int

    def logged(self, digest: str = "") -> LoggedMessage:
        """As it is shown."""
        return LoggedMessage(
            self.id,
            str(self.source),
            str(self.target),
            self.request,
            None if self.rsvp is None else str(self.rsvp),
            self.expects,
            readable(self.ipc),
            None if self.payload is None else f"{self.mime or 'no mime type'}, {self.payload} B",
            self.size,
            digest,
        )


def glimpse(envelope: KernelMessage, node: str = OUR) -> Glimpse:
    """`node` is put where the target says `our`."""
    message, payload, target = envelope.message, envelope.payload, envelope.target
    return Glimpse(
        envelope.id,
        envelope.source,
        Address(node, target.process) if target.node == OUR else target,
        envelope.rsvp,
        isinstance(message, Request),
        message.expects_response if isinstance(message, Request) else None,
        # A character has four bytes at most; one more tells that it was cut.
        message.ipc[: 4 * (LONGEST_IPC + 1)],
        None if payload is None else payload.mime,
        None if payload is None else len(payload.bytes),
        size_of(envelope),
    )


def logged(envelope: KernelMessage, digest: str = "") -> LoggedMessage:
    """As it is shown."""
    return glimpse(envelope).logged(digest)


def readable(ipc: bytes) -> str:
    """As text in one line, cut at `LONGEST_IPC` characters; what cannot be shown is escaped."""
    return one_line(ipc[: 4 * (LONGEST_IPC + 1)].decode("utf-8", "backslashreplace"))


def one_line(text: str) -> str:
    """Cut at `LONGEST_IPC` characters; what cannot be shown, or would move a terminal's cursor, is escaped."""
    escaped = without_controls(text[: LONGEST_IPC + 1])
    return escaped if len(escaped) <= LONGEST_IPC else escaped[: LONGEST_IPC - 1] + "…"


def without_controls(text: str) -> str:
    """What cannot be shown, or would move a terminal's cursor, is escaped."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
