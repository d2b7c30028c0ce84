"""Files and folders of packages (PROTOCOL 5.7, 7.3).

    drive = await vfs.create_drive(our.package_id, "data")
    async with vfs.open_file(f"{drive}/saved", create=True) as file:
        await file.append(b"one more line\\n")
        await file.sync_all()

Paths are `/package:publisher/drive/..`. What is written is durable after `sync_all`. A process is somewhere in each of
its files, each process for itself. Every call raises `VfsError` and `SendError`; `timeout` is the whole seconds that
each call waits at most. A process of another package needs the capabilities of
`{"process": "vfs:sys:nectar", "params": {"kind": "read", "drive": "/package:publisher/drive"}}`.
"""

from __future__ import annotations

from collections.abc import Generator
from types import TracebackType
from typing import Final, Self, TypeVar

import attrs

from kernel.address import PackageId
from sys_processes.vfs.protocol import (
    VFS,
    AddCapFailed,
    AddZip,
    Append,
    CloseFile,
    CopyFile,
    CreateDir,
    CreateDirAll,
    CreateDrive,
    CreateFile,
    Current,
    Digest,
    DirEntry,
    DiskError,
    End,
    Entries,
    ExactLength,
    FileMetadata,
    FileType,
    Hash,
    Len,
    Length,
    MalformedRequest,
    Metadata,
    NewOffset,
    NoBlob,
    NoReadCap,
    NoWriteCap,
    OpenFile,
    ParseError,
    Read,
    ReadDir,
    ReadExact,
    ReadToEnd,
    ReadToString,
    RemoveDir,
    RemoveDirAll,
    RemoveFile,
    Rename,
    Seek,
    SetLen,
    Sought,
    Start,
    SyncAll,
    Text,
    UnzipError,
    VfsAction,
    VfsResponse,
    Write,
    WriteAll,
)
from userland.process_lib._builders import Bytes
from userland.process_lib._database_calls import to_bytes, to_package_id
from userland.process_lib._vfs import SECONDS, VfsError, ask, parse_response, vfs_request

T = TypeVar("T")

__all__ = [
    "VFS",
    "AddCapFailed",
    "DirEntry",
    "Directory",
    "DiskError",
    "File",
    "FileMetadata",
    "FileType",
    "MalformedRequest",
    "NoBlob",
    "NoReadCap",
    "NoWriteCap",
    "ParseError",
    "SeekFrom",
    "UnzipError",
    "VfsError",
    "add_zip",
    "create_dir_all",
    "create_drive",
    "create_file",
    "metadata",
    "open_dir",
    "open_file",
    "parse_response",
    "remove_dir",
    "remove_dir_all",
    "remove_file",
    "remove_path",
    "rename",
    "vfs_request",
]


class SeekFrom:
    """`SeekFrom.Start(0)`, `SeekFrom.End(-4)`, `SeekFrom.Current(4)`."""

    Start: Final = Start
    End: Final = End
    Current: Final = Current


@attrs.frozen
class File:
    """A file that was opened; as an async context manager it is closed at the end of the block."""

    path: str
    timeout: int = SECONDS

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            await self.close()
        # Otherwise there may be no time left to wait; the vfs forgets us when we end.

    async def close(self) -> None:
        """Forgets where we are in it."""
        await self._ask(CloseFile())

    # -- the whole

    async def read(self) -> bytes:
        """All of it, wherever we are in it. `VfsError` for more than 32 MiB: read those piece by piece."""
        return await self._bytes(Read())

    async def write(self, data: Bytes) -> None:
        """Replaces it, whole or not at all. We are at its end then."""
        await self._ask(Write(), to_bytes("what a file holds", data))

    async def metadata(self) -> FileMetadata:
        return _of(FileMetadata, await self._ask(Metadata()), self.path)

    async def len(self) -> int:
        return _of(Length, await self._ask(Len()), self.path).len

    async def set_len(self, size: int) -> None:
        """Cuts it off, or fills it up with zeros."""
        await self._ask(SetLen(size))

    async def hash(self) -> bytes:
        """SHA-256."""
        return _of(Digest, await self._ask(Hash()), self.path).sha256

    async def copy(self, path: str) -> File:
        """The file at `path` then, in the place of another one."""
        await self._ask(CopyFile(path))
        return File(path, self.timeout)

    async def sync_all(self) -> None:
        """Returns when it is durable."""
        await self._ask(SyncAll())

    # -- from where we are

    async def read_to_end(self) -> bytes:
        return await self._bytes(ReadToEnd())

    async def read_to_string(self) -> str:
        """`VfsError` for what is no UTF-8."""
        return _of(Text, await self._ask(ReadToString()), self.path).text

    async def read_exact(self, length: int) -> bytes:
        """`VfsError`, and we stay where we are, when there are fewer."""
        return await self._bytes(ReadExact(ExactLength(length)))

    async def read_into(self, buffer: bytearray | memoryview) -> int:
        """Fills the buffer. As `read_exact`."""
        data = await self.read_exact(len(buffer))
        buffer[:] = data
        return len(data)

    read_at = read_into

    async def write_all(self, data: Bytes) -> None:
        """Over what is there. We are behind it then."""
        await self._ask(WriteAll(), to_bytes("what a file holds", data))

    write_at = write_all

    async def append(self, data: Bytes) -> None:
        """At its end, where we are then."""
        await self._ask(Append(), to_bytes("what a file holds", data))

    async def seek(self, to: Start | End | Current | int) -> int:
        """Where we are then, from the beginning; a bare number is `SeekFrom.Start`."""
        where = Start(to) if isinstance(to, int) else to
        found = _of(Sought, await self._ask(Seek(where)), self.path).to
        return found.new_offset if isinstance(found, NewOffset) else found

    async def _ask(self, action: VfsAction, data: bytes | None = None) -> VfsResponse:
        answer, _ = await ask(self.path, action, data, self.timeout)
        return answer

    async def _bytes(self, action: VfsAction) -> bytes:
        answer, message = await ask(self.path, action, None, self.timeout)
        _of(Read, answer, self.path)
        payload = message.payload()
        return b"" if payload is None else payload.bytes


def _of(kind: type[T], answer: VfsResponse, path: str) -> T:
    """Raises `VfsError` for an answer of another kind."""
    if isinstance(answer, kind):
        return answer
    raise VfsError(path, f"the answer is {answer!r}")


@attrs.frozen
class Directory:
    path: str
    timeout: int = SECONDS

    async def read(self) -> list[DirEntry]:
        """What is in it, in the order of names. The paths have no leading slash."""
        answer, _ = await ask(self.path, ReadDir(), None, self.timeout)
        return list(_of(Entries, answer, self.path).entries)


class _Opening:
    """`await` it for the file, or open it for a block: `async with vfs.open_file(path, create=True) as file`."""

    def __init__(self, path: str, action: VfsAction, timeout: int) -> None:
        self._file = File(path, timeout)
        self._action = action

    async def _open(self) -> File:
        await ask(self._file.path, self._action, None, self._file.timeout)
        return self._file

    def __await__(self) -> Generator[object, object, File]:
        return self._open().__await__()

    async def __aenter__(self) -> File:
        return await self._open()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._file.__aexit__(kind, error, trace)


async def create_drive(package_id: PackageId | str, drive: str, timeout: int = SECONDS) -> str:
    """Its path. Ours alone: of our own package. An existing one is no error."""
    path = f"/{to_package_id(package_id)}/{drive}"
    await ask(path, CreateDrive(), None, timeout)
    return path


def open_file(path: str, create: bool = False, timeout: int = SECONDS) -> _Opening:
    """From its beginning. With `create` it is made where it is missing, with its folders."""
    return _Opening(path, OpenFile(create), timeout)


def create_file(path: str, timeout: int = SECONDS) -> _Opening:
    """An empty one, also in the place of one that is there."""
    return _Opening(path, CreateFile(), timeout)


async def remove_file(path: str, timeout: int = SECONDS) -> None:
    await ask(path, RemoveFile(), None, timeout)


async def open_dir(path: str, create: bool = False, timeout: int = SECONDS) -> Directory:
    """With `create` it is made where it is missing; the folder that it is in must be there."""
    if create and not await _is_folder(path, timeout):
        await ask(path, CreateDir(), None, timeout)
    elif not create:
        await ask(path, ReadDir(), None, timeout)
    return Directory(path, timeout)


async def create_dir_all(path: str, timeout: int = SECONDS) -> Directory:
    """With all folders above it. An existing one is no error."""
    await ask(path, CreateDirAll(), None, timeout)
    return Directory(path, timeout)


async def remove_dir(path: str, timeout: int = SECONDS) -> None:
    """An empty one."""
    await ask(path, RemoveDir(), None, timeout)


async def remove_dir_all(path: str, timeout: int = SECONDS) -> None:
    """With all that is in it."""
    await ask(path, RemoveDirAll(), None, timeout)


async def remove_path(path: str, timeout: int = SECONDS) -> None:
    """A file, or a folder with all that is in it."""
    found = await metadata(path, timeout)
    is_folder = found.file_type is FileType.Directory
    await ask(path, RemoveDirAll() if is_folder else RemoveFile(), None, timeout)


async def metadata(path: str, timeout: int = SECONDS) -> FileMetadata:
    answer, _ = await ask(path, Metadata(), None, timeout)
    return _of(FileMetadata, answer, path)


async def rename(path: str, new_path: str, timeout: int = SECONDS) -> None:
    """Replaces a file at `new_path`. The folder of `new_path` must be there."""
    await ask(path, Rename(new_path), None, timeout)


async def add_zip(path: str, data: bytes, timeout: int = SECONDS) -> None:
    """Unpacks it below the path. `VfsError` with `UnzipError` when anything in it leads elsewhere or is broken."""
    await ask(path, AddZip(), data, timeout)


async def _is_folder(path: str, timeout: int) -> bool:
    try:
        found = await metadata(path, timeout)
    except VfsError as error:
        if isinstance(error.error, DiskError):
            return False
        raise
    return found.file_type is FileType.Directory
