"""How many files a simulated node may have open."""

from __future__ import annotations

import trio


class SimOpenFiles:
    """`sys_processes.devices.OpenFiles` of a simulated node, which are what the test says."""

    def __init__(self, allowed: int = 1024, used: int = 0) -> None:
        self._allowed = allowed
        self._used = used
        self._changed = trio.Event()

    def set(self, allowed: int, used: int) -> None:
        self._allowed, self._used = allowed, used
        changed, self._changed = self._changed, trio.Event()
        changed.set()

    def allowed(self) -> int:
        return self._allowed

    def used(self) -> int:
        return self._used

    async def wait_look(self, seconds: float) -> None:
        """However long that is: a clock that had to go on for this alone would never stand still."""
        await self._changed.wait()
