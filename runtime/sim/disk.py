"""Files in memory, with crashes."""

from __future__ import annotations

import errno

import attrs
import trio

from runtime.disk import error, parts_of
from runtime.sim.store import Keep
from runtime.sim.workers import Pause
from sys_processes.devices import FileInfo, FileType


@attrs.define
class _Folder:
    entries: dict[str, _Folder | bytes] = attrs.Factory(dict)

    def copy(self) -> _Folder:
        return _Folder({name: _copy(below) for name, below in self.entries.items()})


_Node = _Folder | bytes


def _copy(node: _Node) -> _Node:
    return node.copy() if isinstance(node, _Folder) else node


def _folder(root: _Folder, parts: list[str], path: str, *, create: bool = False) -> _Folder:
    here = root
    for part in parts:
        if create and part not in here.entries:
            here.entries[part] = _Folder()
        match here.entries.get(part):
            case None:
                raise error(errno.ENOENT, path)
            case _Folder() as below:
                here = below
            case _:
                raise error(errno.ENOTDIR, path)
    return here


def _node(root: _Folder, path: str) -> _Node:
    parts = parts_of(path)
    if not parts:
        return root
    found = _folder(root, parts[:-1], path).entries.get(parts[-1])
    if found is None:
        raise error(errno.ENOENT, path)
    return found


class MemoryDisk:
    """`sys_processes.devices.Disk` of a simulated node; it has no symlinks.

    Each call takes one `pause`, then happens in one step. While `broken` holds an errno, every call raises it
    (ENOSPC: the disk is full).
    """

    def __init__(self, pause: Pause = trio.lowlevel.checkpoint) -> None:
        self.broken: int | None = None
        self._pause = pause
        self._crashed = False
        self._live = _Folder()
        self._durable = _Folder()

    def crash(self, keep: Keep = "flushed") -> MemoryDisk:
        """The disk as the next boot finds it: with what was synced ("flushed"), with "all" that was written, or with
        "nothing". Calls to this one raise EIO from now on.
        """
        kept = {"flushed": self._durable, "all": self._live, "nothing": _Folder()}[keep]
        found = MemoryDisk(self._pause)
        found._live = kept.copy()
        found._durable = kept.copy()
        self._crashed = True
        return found

    async def read(self, path: str) -> bytes:
        await self._reach(path)
        found = _node(self._live, path)
        if isinstance(found, _Folder):
            raise error(errno.EISDIR, path)
        return found

    async def write(self, path: str, data: bytes) -> None:
        await self._reach(path)
        parts = parts_of(path)
        if not parts:
            raise error(errno.EISDIR, path)
        folder = _folder(self._live, parts[:-1], path, create=True)
        if isinstance(folder.entries.get(parts[-1]), _Folder):
            raise error(errno.EISDIR, path)
        folder.entries[parts[-1]] = bytes(data)

    async def list(self, path: str) -> list[tuple[str, FileType]]:
        await self._reach(path)
        folder = _folder(self._live, parts_of(path), path)
        return sorted((name, _type_of(below)) for name, below in folder.entries.items())

    async def info(self, path: str) -> FileInfo:
        await self._reach(path)
        found = _node(self._live, path)
        return FileInfo(_type_of(found), 0 if isinstance(found, _Folder) else len(found))

    async def make_folder(self, path: str) -> None:
        await self._reach(path)
        _folder(self._live, parts_of(path), path, create=True)

    async def remove(self, path: str) -> None:
        await self._reach(path)
        parts = parts_of(path)
        if not parts:
            raise error(errno.EBUSY, path)
        try:
            folder = _folder(self._live, parts[:-1], path)
        except (FileNotFoundError, NotADirectoryError):
            return
        folder.entries.pop(parts[-1], None)

    async def rename(self, old: str, new: str) -> None:
        await self._reach(old)
        old_parts, new_parts = parts_of(old), parts_of(new)
        if not old_parts or not new_parts:
            raise error(errno.EBUSY, old)
        source = _folder(self._live, old_parts[:-1], old)
        target = _folder(self._live, new_parts[:-1], new)
        moved = _node(self._live, old)
        if old_parts == new_parts:
            return
        _check_replace(moved, target.entries.get(new_parts[-1]), old_parts, new_parts, new)
        del source.entries[old_parts[-1]]
        target.entries[new_parts[-1]] = moved

    async def sync(self, path: str) -> None:
        await self._reach(path)
        found = _node(self._live, path)
        parts = parts_of(path)
        if not parts:
            self._durable = self._live.copy()
            return
        folder = self._durable
        for part in parts[:-1]:
            # What was a file here when last synced has been replaced by a folder since.
            if not isinstance(folder.entries.get(part), _Folder):
                folder.entries[part] = _Folder()
            folder = _folder(folder, [part], path)
        folder.entries[parts[-1]] = _copy(found)

    async def _reach(self, path: str) -> None:
        self._check(path)
        await self._pause()
        self._check(path)

    def _check(self, path: str) -> None:
        if self._crashed:
            raise error(errno.EIO, path)
        if self.broken is not None:
            raise error(self.broken, path)


def _type_of(node: _Node) -> FileType:
    return FileType.Directory if isinstance(node, _Folder) else FileType.File


def _check_replace(moved: _Node, there: _Node | None, old: list[str], new: list[str], path: str) -> None:
    """The rules of rename(2)."""
    if isinstance(moved, _Folder) and new[: len(old)] == old:
        raise error(errno.EINVAL, path)
    if isinstance(there, _Folder):
        if old[: len(new)] == new:
            raise error(errno.ENOTEMPTY, path)
        if not isinstance(moved, _Folder):
            raise error(errno.EISDIR, path)
        if there.entries:
            raise error(errno.ENOTEMPTY, path)
    elif there is not None and isinstance(moved, _Folder):
        raise error(errno.ENOTDIR, path)
