"""Keys and values in memory, with crashes."""

from __future__ import annotations

from collections.abc import Sequence

import trio

from kernel.address import PackageId
from runtime.sim.kept_open import KeptOpen
from runtime.sim.workers import Pause
from sys_processes.devices import DatabaseName, EngineFailed, KeyWrite, NoDatabase


class MemoryEngine:
    """`sys_processes.devices.Engine` of a simulated node.

    Each call takes one `pause` before it happens, in one step; one that changes something takes another one before it
    returns, so that a crash may come between the change and the news of it. While `broken` holds a text, every call
    raises it as `EngineFailed`: a dead controller. While `full`, every change does, and nothing of it happens; what is
    there can be read, and removed. `damaged` is why some databases cannot be used. The `pause` may be replaced.
    """

    def __init__(self, pause: Pause = trio.lowlevel.checkpoint) -> None:
        self.broken: str | None = None
        self.full = False
        self.damaged: dict[DatabaseName, str] = {}
        self.pause = pause
        self._crashed = False
        self._kept: dict[DatabaseName, dict[bytes, bytes]] = {}
        self._open = KeptOpen(lambda name: None)

    def crash(self) -> MemoryEngine:
        """The engine as the next boot finds it. Calls to this one raise `EngineFailed` from now on."""
        found = MemoryEngine(self.pause)
        found.full = self.full
        found.damaged = dict(self.damaged)
        found._kept = {name: dict(pairs) for name, pairs in self._kept.items()}
        self._crashed = True
        return found

    @property
    def closings(self) -> int:
        return self._open.closings

    async def keep_open(self, most: int) -> None:
        self._open.keep(most)

    async def make(self, name: DatabaseName) -> None:
        await self._reach(name)
        if name not in self._kept:
            self._check_room(name)
        self._kept.setdefault(name, {})
        await self._done(name)

    async def exists(self, name: DatabaseName) -> bool:
        await self._reach(name)
        return name in self._kept

    async def names(self, package: PackageId) -> list[DatabaseName]:
        await self._reach(package)
        return sorted((name for name in self._kept if name.package == package), key=str)

    async def get(self, name: DatabaseName, key: bytes) -> bytes | None:
        await self._reach(name)
        pairs = self._pairs(name)
        self._open.use(name)
        return pairs.get(key)

    async def write(self, name: DatabaseName, batch: Sequence[KeyWrite]) -> None:
        await self._reach(name)
        pairs = self._pairs(name)
        self._open.use(name)
        self._check_room(name)
        for key, value in batch:
            if value is None:
                pairs.pop(key, None)
            else:
                pairs[key] = value
        await self._done(name)

    async def remove(self, name: DatabaseName) -> None:
        await self._reach(name)
        self._pairs(name)
        del self._kept[name]
        self._open.drop(name)
        await self._done(name)

    def _pairs(self, name: DatabaseName) -> dict[bytes, bytes]:
        if name not in self._kept:
            raise NoDatabase(name)
        if name in self.damaged:
            raise EngineFailed(f"{name}: {self.damaged[name]}")
        return self._kept[name]

    def _check_room(self, name: DatabaseName) -> None:
        if self.full:
            raise EngineFailed(f"{name}: the disk is full", of_disk=True)

    async def _reach(self, name: DatabaseName | PackageId) -> None:
        self._check(name)
        await self.pause()
        self._check(name)

    async def _done(self, name: DatabaseName) -> None:
        await self.pause()
        if self._crashed:
            raise EngineFailed(f"{name}: the disk lost its power", of_disk=True)

    def _check(self, name: DatabaseName | PackageId) -> None:
        if self._crashed:
            raise EngineFailed(f"{name}: the disk lost its power", of_disk=True)
        if self.broken is not None:
            raise EngineFailed(f"{name}: {self.broken}", of_disk=True)
