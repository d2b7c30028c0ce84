"""The kernel's notice that a process has ended, as it travels (docs/processes.md, "Death notices")."""

from __future__ import annotations

import enum

import attrs

from kernel.address import ProcessId
from kernel.capability import KERNEL
from kernel.codec import Shape, struct
from kernel.message import Message

_WHEN_ANY = {"omit_default": True}


class EndedBy(enum.StrEnum):
    """`kernel.exits.ExitCause`, as it is written."""

    Done = "Done"
    Cancelled = "Cancelled"
    Timeout = "Timeout"
    Killed = "Killed"
    Crash = "Crash"


@struct
@attrs.frozen
class ProcessExited:
    """One run of a process is over. `error` is what a crash raised; `restarts`: another run follows."""

    id: ProcessId
    cause: EndedBy
    error: str | None = attrs.field(default=None, metadata=_WHEN_ANY)
    restarts: bool = attrs.field(default=False, metadata=_WHEN_ANY)

    @classmethod
    def from_message(cls, message: Message) -> ProcessExited | None:
        """The notice that the kernel of this node sent; None for every other message. Raises `Malformed`."""
        if (
            message.ipc.startswith(b'{"ProcessExited"')
            and message.source.process == KERNEL
            and message.is_local()
            and message.is_request()
        ):
            return PROCESS_EXITED.decode(message.ipc)
        return None


PROCESS_EXITED: Shape[ProcessExited] = Shape(ProcessExited)
