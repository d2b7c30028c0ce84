"""The disk on which the simulated databases of kv, or those of sqlite, lie: slow, full, broken, or without power."""

from __future__ import annotations

from typing import Generic, TypeVar

import trio

from kernel.address import PackageId
from runtime.sim.kept_open import KeptOpen
from runtime.sim.workers import Pause
from sys_processes.devices import DatabaseName, EngineFailed, NoDatabase

KeptT = TypeVar("KeptT")


class DatabaseDisk(Generic[KeptT]):
    """What `Engine` and `Databases` have in common when they are simulated.

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
        self._kept: dict[DatabaseName, KeptT] = {}
        self._open = KeptOpen(self._close_one)

    @property
    def closings(self) -> int:
        return self._open.closings

    async def keep_open(self, most: int) -> None:
        self._open.keep(most)

    async def exists(self, name: DatabaseName) -> bool:
        await self._reach(name)
        return name in self._kept

    async def names(self, package: PackageId) -> list[DatabaseName]:
        await self._reach(package)
        return sorted((name for name in self._kept if name.package == package), key=str)

    async def remove(self, name: DatabaseName) -> None:
        await self._reach(name)
        if name not in self._kept:
            raise NoDatabase(name)
        self._open.drop(name)
        self._close_one(name)
        del self._kept[name]
        await self._done(name)

    async def _make(self, name: DatabaseName, empty: KeptT) -> None:
        await self._reach(name)
        if name not in self._kept:
            self._check_room(name)
        self._kept.setdefault(name, empty)
        await self._done(name)

    def _close_one(self, name: DatabaseName) -> None:
        """It is no longer kept open."""

    def _used(self, name: DatabaseName) -> KeptT:
        """Raises `NoDatabase`, `EngineFailed`."""
        if name not in self._kept:
            raise NoDatabase(name)
        if name in self.damaged:
            raise EngineFailed(f"{name}: {self.damaged[name]}")
        self._open.use(name)
        return self._kept[name]

    def _lies_on(self, disk: DatabaseDisk[KeptT]) -> None:
        """The same one, after its power came back."""
        self.full = disk.full
        self.damaged = dict(disk.damaged)

    def _check_room(self, name: DatabaseName) -> None:
        if self.full:
            raise EngineFailed(f"{name}: the disk is full", of_disk=True)

    async def _reach(self, name: DatabaseName | PackageId) -> None:
        self._check(name)
        await self.pause()
        self._check(name)

    async def _done(self, name: DatabaseName) -> None:
        await self.pause()
        self._check_power(name)

    def _check(self, name: DatabaseName | PackageId) -> None:
        self._check_power(name)
        if self.broken is not None:
            raise EngineFailed(f"{name}: {self.broken}", of_disk=True)

    def _check_power(self, name: DatabaseName | PackageId) -> None:
        if self._crashed:
            raise EngineFailed(f"{name}: the disk lost its power", of_disk=True)
