"""Keys and values in memory, with crashes."""

from __future__ import annotations

from collections.abc import Sequence

from runtime.sim.database_disk import DatabaseDisk
from sys_processes.devices import DatabaseName, KeyWrite


class MemoryEngine(DatabaseDisk[dict[bytes, bytes]]):
    """`sys_processes.devices.Engine` of a simulated node."""

    def crash(self) -> MemoryEngine:
        """The engine as the next boot finds it. Calls to this one raise `EngineFailed` from now on."""
        found = MemoryEngine(self.pause)
        found._lies_on(self)
        found._kept = {name: dict(pairs) for name, pairs in self._kept.items()}
        self._crashed = True
        return found

    async def make(self, name: DatabaseName) -> None:
        await self._make(name, {})

    async def get(self, name: DatabaseName, key: bytes) -> bytes | None:
        await self._reach(name)
        return self._used(name).get(key)

    async def write(self, name: DatabaseName, batch: Sequence[KeyWrite]) -> None:
        await self._reach(name)
        pairs = self._used(name)
        self._check_room(name)
        for key, value in batch:
            if value is None:
                pairs.pop(key, None)
            else:
                pairs[key] = value
        await self._done(name)
