"""How a module hears that a process has ended which had something there."""

from __future__ import annotations

import attrs

from kernel.address import ProcessId
from kernel.capability import KERNEL
from kernel.codec import Shape, struct
from kernel.message import Message
from kernel.syscalls import current


@struct("ProcessExited")
@attrs.frozen
class Exited:
    """The kernel's notice, which comes after everything that the process had sent."""

    id: ProcessId


EXITED: Shape[Exited] = Shape(Exited)


def exit_notice(message: Message) -> Exited | None:
    """The kernel's word that a process has ended, if it is that. Raises `Malformed`."""
    if message.ipc.startswith(b'{"ProcessExited"') and message.source.process == KERNEL:
        return EXITED.decode(message.ipc)
    return None


def hear_of_exits() -> None:
    """From now on the kernel sends such notices to this process."""
    current().watch_exits(_the_notice_is_soon_enough)


def _the_notice_is_soon_enough(process: ProcessId) -> None:
    """The kernel's message comes after all that the process had sent."""
