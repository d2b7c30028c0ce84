"""How a module hears that a process has ended which had something there."""

from __future__ import annotations

from collections.abc import Callable

from kernel.address import ProcessId
from kernel.syscalls import current


def hear_of_exits(ended: Callable[[ProcessId], None] | None = None) -> None:
    """From now on the kernel sends this process a `kernel.process_exited.ProcessExited` for each; `ended` is called
    earlier, see `Syscalls.watch_exits`.
    """
    current().watch_exits(ended or _the_notice_is_soon_enough)


def _the_notice_is_soon_enough(process: ProcessId) -> None:
    """The kernel's message comes after all that the process had sent."""
