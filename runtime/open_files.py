"""How many files the system lets this node open."""

from __future__ import annotations

import resource
from pathlib import Path

import trio

# One entry for each open file of the process that looks, on Linux and on macOS.
_FOLDER = Path("/dev/fd")


class SystemOpenFiles:
    """`sys_processes.devices.OpenFiles` of a real node."""

    def allowed(self) -> int:
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return soft if soft != resource.RLIM_INFINITY else 1 << 20

    def used(self) -> int:
        # One of them is that of the look.
        return sum(1 for _ in _FOLDER.iterdir()) - 1

    async def wait_look(self, seconds: float) -> None:
        await trio.sleep(seconds)
