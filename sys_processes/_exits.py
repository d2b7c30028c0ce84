"""How a module hears that a process has ended which had something there."""

from __future__ import annotations

from kernel.address import ProcessId
from kernel.syscalls import current


def hear_of_exits() -> None:
    """From now on the kernel sends this process a `kernel.process_exited.ProcessExited` for each."""
    current().watch_exits(_the_notice_is_soon_enough)


def _the_notice_is_soon_enough(process: ProcessId) -> None:
    """The kernel's message comes after all that the process had sent."""
