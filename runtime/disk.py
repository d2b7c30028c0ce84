"""Files of the machine, below one folder.

A path is walked one folder at a time from the root's own descriptor, each step refusing symlinks, so that
neither a path nor a link planted meanwhile leads out of the root. Files are replaced by renaming a finished
temporary file over them; temporary files live in a folder of their own under the root, which nobody can name
and which `open` empties.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import BinaryIO, ParamSpec, TypeVar

from sys_processes.devices import FileInfo, FileType, Workers

P = ParamSpec("P")
T = TypeVar("T")

SCRATCH = ".nectar-scratch"
DEEPEST = 128
LONGEST = 255
_PIECE = 1 << 20
"""Bytes of a file that are in memory while it is copied."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Without O_NONBLOCK, opening a pipe that somebody left there would wait for its other end.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CHANGE = os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def error(code: int, path: str) -> OSError:
    """The OSError subclass of that errno, with the system's words for it."""
    return OSError(code, os.strerror(code), path)


def parts_of(path: str) -> list[str]:
    """The names in a path; `[]` is the root. Raises OSError: EINVAL if it is not normalised, ENAMETOOLONG."""
    if not path:
        return []
    parts = path.split("/")
    if parts[0] == SCRATCH or "\0" in path or any(part in {"", ".", ".."} for part in parts):
        raise error(errno.EINVAL, path)
    if len(parts) > DEEPEST or any(len(os.fsencode(part)) > LONGEST for part in parts):
        raise error(errno.ENAMETOOLONG, path)
    return parts


def _type_of(mode: int) -> FileType:
    if stat.S_ISREG(mode):
        return FileType.File
    if stat.S_ISDIR(mode):
        return FileType.Directory
    return FileType.Symlink if stat.S_ISLNK(mode) else FileType.Other


class _Tree:
    """The blocking half."""

    def __init__(self, root: Path) -> None:
        self._root = os.path.realpath(root)
        self._names = count()

    def prepare(self) -> None:
        Path(self._root).mkdir(parents=True, exist_ok=True)
        with self._folder([]) as root:
            _remove_below(root, SCRATCH)
            os.mkdir(SCRATCH, mode=0o700, dir_fd=root)

    def read(self, path: str) -> bytes:
        with self._file(path, _READ) as descriptor, os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read()

    def write(self, path: str, data: bytes) -> None:
        with self._replacing(path, create=True) as file:
            file.write(data)

    def touch(self, path: str) -> None:
        with self._file(path, _CHANGE | os.O_CREAT, create=True):
            pass

    def read_at(self, path: str, offset: int, length: int) -> bytes:
        with self._file(path, _READ) as descriptor:
            there = os.fstat(descriptor).st_size - offset
            return os.pread(descriptor, min(length, there), offset) if there > 0 else b""

    def write_at(self, path: str, offset: int, data: bytes) -> None:
        with self._file(path, _CHANGE) as descriptor:
            rest = memoryview(data)
            while rest:
                written = os.pwrite(descriptor, rest, offset)
                offset, rest = offset + written, rest[written:]

    def set_len(self, path: str, size: int) -> None:
        with self._file(path, _CHANGE) as descriptor:
            os.ftruncate(descriptor, size)

    def copy(self, old: str, new: str) -> None:
        with self._file(old, _READ) as descriptor, os.fdopen(descriptor, "rb", closefd=False) as source:
            if parts_of(old) != parts_of(new):
                with self._replacing(new) as target:
                    shutil.copyfileobj(source, target, _PIECE)

    def unlink(self, path: str) -> None:
        with self._parent(path, errno.EBUSY) as (folder, name):
            if stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                os.rmdir(name, dir_fd=folder)
            else:
                os.unlink(name, dir_fd=folder)

    def entries(self, path: str) -> list[tuple[str, FileType]]:
        parts = parts_of(path)
        found: list[tuple[str, FileType]] = []
        with self._folder(parts) as folder, os.scandir(folder) as entries:
            for entry in entries:
                with suppress(UnicodeEncodeError):
                    entry.name.encode()
                    found.append((entry.name, _type_of(entry.stat(follow_symlinks=False).st_mode)))
        return sorted(pair for pair in found if parts or pair[0] != SCRATCH)

    def info(self, path: str) -> FileInfo:
        if not parts_of(path):
            return FileInfo(FileType.Directory, 0)
        with self._parent(path, errno.EINVAL) as (folder, name):
            found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        kind = _type_of(found.st_mode)
        return FileInfo(kind, found.st_size if kind is FileType.File else 0)

    def make_folder(self, path: str) -> None:
        with self._folder(parts_of(path), create=True):
            pass

    def remove(self, path: str) -> None:
        with (
            suppress(FileNotFoundError, NotADirectoryError),
            self._parent(path, errno.EBUSY) as (folder, name),
        ):
            _remove_below(folder, name)

    def rename(self, old: str, new: str) -> None:
        if not parts_of(old) or not parts_of(new):
            raise error(errno.EBUSY, old)
        with (
            self._parent(old, errno.EBUSY) as (from_folder, from_name),
            self._parent(new, errno.EBUSY) as (to_folder, to_name),
        ):
            os.rename(from_name, to_name, src_dir_fd=from_folder, dst_dir_fd=to_folder)

    def sync(self, path: str) -> None:
        parts = parts_of(path)
        if parts:
            with self._parent(path, errno.EINVAL) as (folder, name):
                _sync_below(folder, name)
        else:
            with self._folder([]) as root:
                _sync_all(root)
        # A file is only there after a power cut if each folder above knows the name of the next.
        for depth in reversed(range(len(parts))):
            with self._folder(parts[:depth]) as folder:
                os.fsync(folder)

    @contextmanager
    def _file(self, path: str, flags: int, *, create: bool = False) -> Iterator[int]:
        """Open, and a file: no folder, pipe or device."""
        with self._parent(path, errno.EISDIR, create=create) as (folder, name):
            descriptor = os.open(name, flags, 0o666, dir_fd=folder)
            try:
                mode = os.fstat(descriptor).st_mode
                if not stat.S_ISREG(mode):
                    raise error(errno.EISDIR if stat.S_ISDIR(mode) else errno.EINVAL, path)
                yield descriptor
            finally:
                os.close(descriptor)

    @contextmanager
    def _replacing(self, path: str, *, create: bool = False) -> Iterator[BinaryIO]:
        """A new file, which takes the place of an older one when the block ends well."""
        with (
            self._parent(path, errno.EISDIR, create=create) as (folder, name),
            self._folder([SCRATCH]) as scratch,
        ):
            temporary = str(next(self._names))
            try:
                with os.fdopen(os.open(temporary, _CREATE, 0o666, dir_fd=scratch), "wb") as file:
                    yield file
                os.rename(temporary, name, src_dir_fd=scratch, dst_dir_fd=folder)
            except BaseException:
                with suppress(FileNotFoundError):
                    os.unlink(temporary, dir_fd=scratch)
                raise

    @contextmanager
    def _folder(self, parts: list[str], *, create: bool = False) -> Iterator[int]:
        descriptor = os.open(self._root, _FOLDER)
        try:
            for part in parts:
                if create:
                    with suppress(FileExistsError):
                        os.mkdir(part, dir_fd=descriptor)
                below = os.open(part, _FOLDER, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = below
            yield descriptor
        finally:
            os.close(descriptor)

    @contextmanager
    def _parent(self, path: str, root_error: int, *, create: bool = False) -> Iterator[tuple[int, str]]:
        parts = parts_of(path)
        if not parts:
            raise error(root_error, path)
        with self._folder(parts[:-1], create=create) as folder:
            yield folder, parts[-1]


def _remove_below(folder: int, name: str) -> None:
    """Whatever is at the name, or nothing. A symlink goes, what it points to stays."""
    with suppress(FileNotFoundError):
        if stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            shutil.rmtree(name, dir_fd=folder)
        else:
            os.unlink(name, dir_fd=folder)


def _sync_below(folder: int, name: str) -> None:
    kind = _type_of(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    if kind is FileType.File:
        descriptor = os.open(name, _READ, dir_fd=folder)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    elif kind is FileType.Directory:
        descriptor = os.open(name, _FOLDER, dir_fd=folder)
        try:
            _sync_all(descriptor)
        finally:
            os.close(descriptor)


def _sync_all(folder: int) -> None:
    for name in os.listdir(folder):
        # A file that disappears meanwhile needs no sync.
        with suppress(FileNotFoundError):
            _sync_below(folder, name)
    os.fsync(folder)


class FolderDisk:
    """`sys_processes.devices.Disk` of a real node. Open with `open`.

    Names that are no UTF-8 are not listed, and the size of what is no file is 0.
    """

    def __init__(self, tree: _Tree, workers: Workers) -> None:
        self._tree = tree
        self._workers = workers

    @classmethod
    async def open(cls, root: Path, workers: Workers) -> FolderDisk:
        """Makes the root if it is missing. Raises OSError."""
        tree = _Tree(root)
        await workers.run(tree.prepare)
        return cls(tree, workers)

    async def read(self, path: str) -> bytes:
        return await self._do(path, self._tree.read, path)

    async def write(self, path: str, data: bytes) -> None:
        await self._do(path, self._tree.write, path, data)

    async def list(self, path: str) -> list[tuple[str, FileType]]:
        return await self._do(path, self._tree.entries, path)

    async def info(self, path: str) -> FileInfo:
        return await self._do(path, self._tree.info, path)

    async def make_folder(self, path: str) -> None:
        await self._do(path, self._tree.make_folder, path)

    async def remove(self, path: str) -> None:
        await self._do(path, self._tree.remove, path)

    async def unlink(self, path: str) -> None:
        await self._do(path, self._tree.unlink, path)

    async def touch(self, path: str) -> None:
        await self._do(path, self._tree.touch, path)

    async def read_at(self, path: str, offset: int, length: int) -> bytes:
        return await self._do(path, self._tree.read_at, path, offset, length)

    async def write_at(self, path: str, offset: int, data: bytes) -> None:
        await self._do(path, self._tree.write_at, path, offset, data)

    async def set_len(self, path: str, size: int) -> None:
        await self._do(path, self._tree.set_len, path, size)

    async def copy(self, old: str, new: str) -> None:
        await self._do(old, self._tree.copy, old, new)

    async def rename(self, old: str, new: str) -> None:
        await self._do(old, self._tree.rename, old, new)

    async def sync(self, path: str) -> None:
        await self._do(path, self._tree.sync, path)

    async def _do(self, path: str, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await self._workers.run(work, *args, **kwargs)
        except OSError as failure:
            # It names the step of the walk that failed, which tells a caller nothing.
            raise error(failure.errno or errno.EIO, path) from failure
