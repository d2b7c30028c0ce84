"""Files in memory, with crashes."""

from __future__ import annotations

import errno

import trio

from runtime.disk import error, parts_of
from runtime.sim.choices import Choices
from runtime.sim.file_tree import FileNode, Folder, Keep, Parts, Rename, copy_of, node_at, size_of, torn
from runtime.sim.workers import Pause
from sys_processes.devices import FileInfo, FileType


def _folder(root: Folder, parts: list[str], path: str, *, create: bool = False) -> Folder:
    here = root
    for part in parts:
        if create and part not in here.entries:
            here.entries[part] = Folder()
        match here.entries.get(part):
            case None:
                raise error(errno.ENOENT, path)
            case Folder() as below:
                here = below
            case _:
                raise error(errno.ENOTDIR, path)
    return here


def _node(root: Folder, path: str) -> FileNode:
    parts = parts_of(path)
    if not parts:
        return root
    found = _folder(root, parts[:-1], path).entries.get(parts[-1])
    if found is None:
        raise error(errno.ENOENT, path)
    return found


LARGEST_FILE = 1 << 30
"""Bytes: all of a file is in memory, holes included."""


class MemoryDisk:
    """`sys_processes.devices.Disk` of a simulated node; it has no symlinks.

    Each call takes one `pause`, which may be replaced, then happens in one step. While `broken` holds an errno, every
    call raises it (EIO: the disk is dead). While there is a `capacity`, in bytes, a write that goes beyond it raises
    ENOSPC and changes nothing.
    """

    def __init__(self, pause: Pause = trio.lowlevel.checkpoint) -> None:
        self.broken: int | None = None
        self.capacity: int | None = None
        self.pause = pause
        self._crashed = False
        self._live = Folder()
        self._durable = Folder()
        self._renames: list[Rename] = []

    @property
    def size(self) -> int:
        """Bytes in all files."""
        return size_of(self._live)

    def crash(self, keep: Keep | Choices = "flushed") -> MemoryDisk:
        """The disk as the next boot finds it. Calls to this one raise EIO from now on; to ask again, with another
        `keep`, is no error.

        `flushed`: without all that was not synced, as after a power cut at its worst. `all`: as the system had it, as a
        killed process leaves it. `nothing`: another machine. With `Choices`, any part of what was not synced is there,
        and files may be torn; the harmless choices are `flushed`.
        """
        found = MemoryDisk(self.pause)
        found.capacity = self.capacity
        match keep:
            case "flushed":
                found._live = self._durable.copy()
            case "all":
                found._live = self._live.copy()
            case "nothing":
                pass
            case Choices():
                found._live = torn(self._durable, self._live, self._renames, keep)
        found._durable = found._live.copy()
        self._crashed = True
        return found

    async def read(self, path: str) -> bytes:
        await self._reach(path)
        return self._file(path)

    async def write(self, path: str, data: bytes) -> None:
        await self._reach(path)
        self._put(path, bytes(data), create=True)

    async def touch(self, path: str) -> None:
        await self._reach(path)
        try:
            self._file(path)
        except FileNotFoundError:
            self._put(path, b"", create=True)

    async def read_at(self, path: str, offset: int, length: int) -> bytes:
        await self._reach(path)
        return self._file(path)[offset : offset + length]

    async def write_at(self, path: str, offset: int, data: bytes) -> None:
        await self._reach(path)
        before = self._file(path)
        if data:
            self._check_size(path, offset + len(data))
            self._put(path, before[:offset].ljust(offset, b"\0") + data + before[offset + len(data) :])

    async def set_len(self, path: str, size: int) -> None:
        await self._reach(path)
        before = self._file(path)
        self._check_size(path, size)
        self._put(path, before[:size].ljust(size, b"\0"))

    async def copy(self, old: str, new: str) -> None:
        await self._reach(old)
        data = self._file(old)
        if parts_of(old) != parts_of(new):
            self._put(new, data)

    async def unlink(self, path: str) -> None:
        await self._reach(path)
        parts = parts_of(path)
        if not parts:
            raise error(errno.EBUSY, path)
        found = _node(self._live, path)
        if isinstance(found, Folder) and found.entries:
            raise error(errno.ENOTEMPTY, path)
        del _folder(self._live, parts[:-1], path).entries[parts[-1]]

    def _file(self, path: str) -> bytes:
        found = _node(self._live, path)
        if isinstance(found, Folder):
            raise error(errno.EISDIR, path)
        return found

    @staticmethod
    def _check_size(path: str, size: int) -> None:
        if size > LARGEST_FILE:
            raise error(errno.EFBIG, path)

    def _put(self, path: str, data: bytes, *, create: bool = False) -> None:
        parts = parts_of(path)
        if not parts:
            raise error(errno.EISDIR, path)
        folder = _folder(self._live, parts[:-1], path, create=create)
        before = folder.entries.get(parts[-1], b"")
        if isinstance(before, Folder):
            raise error(errno.EISDIR, path)
        if self.capacity is not None and len(data) > max(
            len(before), len(before) + self.capacity - self.size
        ):
            raise error(errno.ENOSPC, path)
        folder.entries[parts[-1]] = data

    async def list(self, path: str) -> list[tuple[str, FileType]]:
        await self._reach(path)
        folder = _folder(self._live, parts_of(path), path)
        return sorted((name, _type_of(below)) for name, below in folder.entries.items())

    async def info(self, path: str) -> FileInfo:
        await self._reach(path)
        found = _node(self._live, path)
        return FileInfo(_type_of(found), 0 if isinstance(found, Folder) else len(found))

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
        self._note_rename(old_parts, new_parts)

    async def sync(self, path: str) -> None:
        await self._reach(path)
        found = _node(self._live, path)
        parts = parts_of(path)
        self._forget_renames(parts)
        if not parts:
            self._durable = self._live.copy()
            return
        folder = self._durable
        for part in parts[:-1]:
            # What was a file here when last synced has been replaced by a folder since.
            if not isinstance(folder.entries.get(part), Folder):
                folder.entries[part] = Folder()
            folder = _folder(folder, [part], path)
        folder.entries[parts[-1]] = copy_of(found)

    def _note_rename(self, old: Parts, new: Parts) -> None:
        """If what was moved is there after a crash, perhaps by the name to which it was moved before."""
        if node_at(self._durable, old) is not None or any(_overlap(old, names[1]) for names in self._renames):
            self._renames.append((old, new))

    def _forget_renames(self, synced: Parts) -> None:
        """Those of a place that is synced, and those before them, are not for a crash to decide any more."""
        for place in reversed(range(len(self._renames))):
            if any(_overlap(synced, name) for name in self._renames[place]):
                del self._renames[: place + 1]
                return

    async def _reach(self, path: str) -> None:
        self._check(path)
        await self.pause()
        self._check(path)

    def _check(self, path: str) -> None:
        if self._crashed:
            raise error(errno.EIO, path)
        if self.broken is not None:
            raise error(self.broken, path)


def _type_of(node: FileNode) -> FileType:
    return FileType.Directory if isinstance(node, Folder) else FileType.File


def _overlap(one: Parts, other: Parts) -> bool:
    """Whether one is the other, or below it."""
    return all(a == b for a, b in zip(one, other, strict=False))


def _check_replace(
    moved: FileNode, there: FileNode | None, old: list[str], new: list[str], path: str
) -> None:
    """The rules of rename(2)."""
    if isinstance(moved, Folder) and new[: len(old)] == old:
        raise error(errno.EINVAL, path)
    if isinstance(there, Folder):
        if old[: len(new)] == new:
            raise error(errno.ENOTEMPTY, path)
        if not isinstance(moved, Folder):
            raise error(errno.EISDIR, path)
        if there.entries:
            raise error(errno.ENOTEMPTY, path)
    elif there is not None and isinstance(moved, Folder):
        raise error(errno.ENOTDIR, path)
