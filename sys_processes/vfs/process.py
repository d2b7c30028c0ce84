"""Files of packages, for those who may (PROTOCOL 7.3). The requests of one process happen in the order sent (C-154),
those of others beside them. No file is held open between two requests.
"""

from __future__ import annotations

import hashlib
from functools import partial
from typing import TypeAlias

from kernel.address import Address, PackageId, ProcessId, ProcessIdParseError
from kernel.capability import ROOT
from kernel.codec import Err, Malformed
from kernel.errors import BadCapability
from kernel.message import Message, Payload
from kernel.ports import Init
from kernel.process_exited import ProcessExited
from kernel.syscalls import current
from sys_processes._crew import serve_in_turns
from sys_processes._exits import hear_of_exits
from sys_processes._queues import MOST_BYTES, MOST_REQUESTS, Queues
from sys_processes._serve import Answer, Later, Outcome
from sys_processes._zip import BadZip, CheckedZip
from sys_processes.devices import Disk, Workers
from sys_processes.devices import FileType as DiskFileType
from sys_processes.vfs.core import (
    BadOffset,
    BadPath,
    DrivePath,
    Positions,
    Root,
    check_drive,
    exact_length,
    length_of,
    owns,
    reading,
    resolve,
    resolve_in_drive,
    second_path,
    sought,
    writes,
    writing,
)
from sys_processes.vfs.early import Drives
from sys_processes.vfs.early_protocol import EarlyRequest, decode_early
from sys_processes.vfs.on_disk import size_of_file
from sys_processes.vfs.protocol import (
    LARGEST_READ,
    MIME,
    VFS_REQUEST,
    VFS_RESPONSE,
    AddCapFailed,
    AddZip,
    Append,
    CloseFile,
    CopyFile,
    CreateDir,
    CreateDirAll,
    CreateDrive,
    CreateFile,
    Digest,
    DirEntry,
    DiskError,
    EarlySeek,
    Entries,
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
    Ok,
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
    SyncAll,
    Text,
    UnzipError,
    VfsAction,
    VfsError,
    VfsRequest,
    VfsResponse,
    Write,
    WriteAll,
    WriteAt,
)

_PIECE = 1 << 20
"""Bytes of a file that are in memory while it is hashed."""
_NEEDS_PAYLOAD = (Write, WriteAll, WriteAt, Append, AddZip)

_Asked: TypeAlias = VfsRequest | EarlyRequest | ProcessExited


class _Refused(Exception):
    """What was asked cannot be done; `error` is the answer."""

    def __init__(self, error: VfsError) -> None:
        super().__init__(repr(error))
        self.error = error


def _answer(response: VfsResponse, payload: Payload | None = None) -> Answer:
    return Answer(VFS_RESPONSE.encode(response), payload)


def _bytes(data: bytes) -> Answer:
    return _answer(Read(), Payload(MIME, data))


_OK = _answer(Ok())


class _Vfs:
    def __init__(self, disk: Disk, workers: Workers) -> None:
        self._disk = disk
        self._workers = workers
        self._queues: Queues[Answer] = Queues()
        self._positions = Positions()
        self._early = Drives(disk, workers, _may_at, self._positions.forget_below)

    # -- from a message to its answer

    def decode(self, message: Message) -> _Asked:
        early = decode_early(message.ipc)
        return early or ProcessExited.from_message(message) or VFS_REQUEST.decode(message.ipc)

    async def handle(self, message: Message, request: _Asked) -> Outcome:
        if isinstance(request, ProcessExited):
            return Later(self._queues.enter(request.id, 0, partial(self._forget, request.id)))
        payload, source = message.payload(), message.source.process
        size = len(message.ipc) + (len(payload.bytes) if payload else 0)
        if not self._queues.has_room(source, size):
            text = f"{MOST_REQUESTS} requests or {MOST_BYTES} bytes of {source} wait already: await their answers first"
            return _answer(Err(DiskError(text)))
        if isinstance(request, VfsRequest):
            work = partial(self._serve, source, request, payload)
        else:
            work = partial(self._early.serve, source, request, payload)
        return Later(self._queues.enter(source, size, work))

    async def _forget(self, process: ProcessId) -> Answer:
        self._positions.forget_process(process)
        return Answer(b"")

    async def _serve(self, source: ProcessId, request: VfsRequest, payload: Payload | None) -> Answer:
        action = request.action
        try:
            place = resolve(request.path)
            _check_rights(source, place, action)
            if isinstance(place, Root):
                return await self._do_at_root(action)
            if isinstance(action, _NEEDS_PAYLOAD) and payload is None:
                return _answer(Err(NoBlob()))
            return await self._do(source, place, action, payload.bytes if payload else b"")
        except BadPath as error:
            return _answer(Err(ParseError(str(error), error.path)))
        except _Refused as refused:
            return _answer(Err(refused.error))
        except (OSError, BadOffset) as error:
            what = (error.strerror if isinstance(error, OSError) else None) or error
            return _answer(Err(DiskError(f"{what}: {request.path}")))

    async def _do_at_root(self, action: VfsAction) -> Answer:
        if not isinstance(action, ReadDir):
            raise BadPath("/", "the root can only be listed")
        return _answer(Entries(await self._drives()))

    async def _do(self, source: ProcessId, place: DrivePath, action: VfsAction, data: bytes) -> Answer:
        path = place.on_disk
        match action:
            case Read() | Metadata() | Len() | Hash() | ReadDir():
                return await self._look(path, action)
            case OpenFile() | CreateFile() | CloseFile():
                return await self._open(source, path, action)
            case Write() | WriteAll() | WriteAt() | Append() | SetLen() | SyncAll():
                return await self._write(source, path, action, data)
            case ReadToEnd() | ReadToString() | ReadExact() | Seek():
                return await self._read_on(source, path, action)
            case CreateDrive():
                return await self._make_drive(source, place)
            case CreateDir() | CreateDirAll():
                return await self._make_folder(place, action)
            case RemoveFile() | RemoveDir() | RemoveDirAll():
                return await self._remove(path, action)
            case Rename() | CopyFile():
                return await self._move(path, action)
            case AddZip():
                return await self._unzip(path, data)

    # -- looking

    async def _look(self, path: str, action: Read | Metadata | Len | Hash | ReadDir) -> Answer:
        match action:
            case Read():
                _check_readable(await size_of_file(self._disk, path))
                return _bytes(await self._disk.read(path))
            case Metadata():
                info = await self._disk.info(path)
                return _answer(FileMetadata(FileType(info.file_type.value), info.size))
            case Len():
                return _answer(Length(await size_of_file(self._disk, path)))
            case Hash():
                return _answer(Digest(await self._hash(path)))
            case ReadDir():
                return _answer(Entries(await self._list(path)))

    async def _hash(self, path: str) -> bytes:
        digest, offset = hashlib.sha256(), 0
        while piece := await self._disk.read_at(path, offset, _PIECE):
            await self._workers.run(digest.update, piece)
            offset += len(piece)
        return digest.digest()

    async def _list(self, folder: str) -> tuple[DirEntry, ...]:
        names = await self._disk.list(folder)
        return tuple(DirEntry(f"{folder}/{name}", FileType(kind.value)) for name, kind in names)

    async def _drives(self) -> tuple[DirEntry, ...]:
        found: list[DirEntry] = []
        for name, kind in await self._disk.list(""):
            if kind is DiskFileType.Directory and _is_package(name):
                found += [entry for entry in await self._list(name) if entry.file_type is FileType.Directory]
        return tuple(found)

    # -- a process in a file

    async def _open(self, source: ProcessId, path: str, action: OpenFile | CreateFile | CloseFile) -> Answer:
        match action:
            case CreateFile():
                await self._disk.write(path, b"")
            case OpenFile(create=True):
                await self._disk.touch(path)
            case OpenFile():
                await size_of_file(self._disk, path)
        self._positions.forget(source, path)
        return _OK

    async def _read_on(
        self, source: ProcessId, path: str, action: ReadToEnd | ReadToString | ReadExact | Seek
    ) -> Answer:
        position = self._positions.get(source, path)
        if isinstance(action, ReadExact) and 0 < length_of(action) <= LARGEST_READ:
            # Most of the time all of it is there, and one look at the file is enough.
            data = await self._disk.read_at(path, position, length_of(action))
            if len(data) == length_of(action):
                self._positions.put(source, path, position + len(data))
                return _bytes(data)
        size = await size_of_file(self._disk, path)
        if isinstance(action, Seek):
            position = sought(action, position, size)
            self._positions.put(source, path, position)
            return _answer(Sought(position if isinstance(action.to, EarlySeek) else NewOffset(position)))
        exact = exact_length(action, position, size) if isinstance(action, ReadExact) else None
        length = max(0, size - position) if exact is None else exact
        _check_readable(length)
        data = await self._disk.read_at(path, position, length) if length else b""
        if exact is not None and len(data) < exact:
            # Somebody else has cut it off meanwhile.
            raise BadOffset(f"{exact} bytes were asked for, and the file has {len(data)} now")
        answer = _answer(Text(_text(data))) if isinstance(action, ReadToString) else _bytes(data)
        self._positions.put(source, path, position + len(data))
        return answer

    async def _write(
        self,
        source: ProcessId,
        path: str,
        action: Write | WriteAll | WriteAt | Append | SetLen | SyncAll,
        data: bytes,
    ) -> Answer:
        match action:
            case SyncAll():
                await self._disk.sync(path)
                return _OK
            case SetLen(size):
                await self._disk.set_len(path, size)
                return _OK
            case Write():
                offset = 0
                await self._disk.write(path, data)
            case _:
                is_last = isinstance(action, Append)
                offset = (
                    await size_of_file(self._disk, path) if is_last else self._positions.get(source, path)
                )
                await self._disk.write_at(path, offset, data)
        self._positions.put(source, path, offset + len(data))
        return _OK

    # -- folders

    async def _make_drive(self, source: ProcessId, place: DrivePath) -> Answer:
        check_drive(place)
        await self._disk.make_folder(place.on_disk)
        try:
            for params in (reading(place), writing(place)):
                current().create_capability(source, params)
        except BadCapability:
            return _answer(Err(AddCapFailed()))
        return _OK

    async def _make_folder(self, place: DrivePath, action: CreateDir | CreateDirAll) -> Answer:
        if isinstance(action, CreateDir):
            await self._disk.list(place.folder)
            if await self._is_there(place.on_disk):
                raise FileExistsError(None, "File exists")
        await self._disk.make_folder(place.on_disk)
        return _OK

    async def _is_there(self, path: str) -> bool:
        try:
            await self._disk.info(path)
        except FileNotFoundError:
            return False
        return True

    async def _remove(self, path: str, action: RemoveFile | RemoveDir | RemoveDirAll) -> Answer:
        info = await self._disk.info(path)
        is_folder = info.file_type is DiskFileType.Directory
        if isinstance(action, RemoveFile) and is_folder:
            raise IsADirectoryError(None, "Is a directory")
        if not isinstance(action, RemoveFile) and not is_folder:
            raise NotADirectoryError(None, "Not a directory")
        if isinstance(action, RemoveDirAll):
            await self._disk.remove(path)
        else:
            await self._disk.unlink(path)
        self._positions.forget_below(path)
        return _OK

    async def _move(self, path: str, action: Rename | CopyFile) -> Answer:
        target = resolve_in_drive(action.new_path).on_disk
        if isinstance(action, Rename):
            await self._disk.rename(path, target)
            self._positions.forget_below(path)
        else:
            await self._disk.copy(path, target)
        self._positions.forget_below(target)
        return _OK

    async def _unzip(self, folder: str, data: bytes) -> Answer:
        """All of it is looked at before anything is written."""
        try:
            found = await self._workers.run(CheckedZip, data)
            await self._workers.run(found.check)
        except BadZip as error:
            current().print_to_terminal(1, f"a zip for {folder} was refused: {error}")
            return _answer(Err(UnzipError()))
        for path in (folder, *(f"{folder}/{path}" for path in found.folders)):
            await self._disk.make_folder(path)
        for path in found.paths:
            content = await self._workers.run(found.read, path)
            await self._disk.write(f"{folder}/{path}", content)
        return _OK

    # -- bad news

    def malformed(self, error: Malformed) -> bytes:
        return _answer(Err(MalformedRequest())).ipc

    def foreign(self) -> bytes:
        return _answer(Err(NoReadCap())).ipc

    def failed(self, error: Exception) -> bytes:
        return _answer(Err(DiskError(f"{type(error).__name__}: {error}"))).ipc


def _check_rights(source: ProcessId, place: DrivePath | Root, action: VfsAction) -> None:
    """Of the sender whose request this task serves. Raises `_Refused`, `BadPath`."""
    if isinstance(action, CreateDrive):
        # A capability for a drive does not let others make it.
        if not owns(source, place):
            raise _Refused(NoWriteCap())
        return
    if not _may(source, place, write=writes(action)):
        raise _Refused(NoWriteCap() if writes(action) else NoReadCap())
    target = second_path(action)
    if target is not None and not _may(source, resolve_in_drive(target), write=True):
        raise _Refused(NoWriteCap())


def _may_at(source: ProcessId, place: DrivePath, write: bool) -> bool:
    return _may(source, place, write=write)


def _may(source: ProcessId, place: DrivePath | Root, *, write: bool) -> bool:
    if owns(source, place) or current().has_capability(ROOT):
        return True
    if isinstance(place, Root):
        return False
    return current().has_capability(writing(place) if write else reading(place))


def _check_readable(length: int) -> None:
    if length > LARGEST_READ:
        text = f"{length} bytes are more than one answer holds ({LARGEST_READ})"
        raise _Refused(DiskError(f"{text}: read them piece by piece with ReadExact"))


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise _Refused(DiskError(f"it is no UTF-8 text: {error}")) from None


def _is_package(name: str) -> bool:
    try:
        PackageId.from_str(name)
    except ProcessIdParseError:
        return False
    return True


def make(disk: Disk, workers: Workers) -> Init:
    async def init(our: Address) -> None:
        hear_of_exits()
        await serve_in_turns(_Vfs(disk, workers))

    return init
