"""Reads the files of packages for those who may (PROTOCOL 7.3)."""

from __future__ import annotations

from functools import partial

from kernel.address import Address, PackageId, ProcessId, ProcessIdParseError
from kernel.capability import ROOT
from kernel.codec import Err, Malformed
from kernel.message import Message, Payload
from kernel.ports import Init
from kernel.syscalls import current
from sys_processes._lanes import Lanes
from sys_processes._serve import Answer, Later, Outcome, serve
from sys_processes.devices import Disk
from sys_processes.devices import FileType as DiskFileType
from sys_processes.vfs.core import BadPath, DrivePath, Root, owns, reading, resolve
from sys_processes.vfs.protocol import (
    MIME,
    VFS_REQUEST,
    VFS_RESPONSE,
    DirEntry,
    DiskError,
    Entries,
    FileMetadata,
    FileType,
    MalformedRequest,
    Metadata,
    NoReadCap,
    ParseError,
    Read,
    ReadDir,
    VfsAction,
    VfsError,
    VfsRequest,
    VfsResponse,
)


def _answer(response: VfsResponse, payload: Payload | None = None) -> Answer:
    return Answer(VFS_RESPONSE.encode(response), payload)


def _refusal(error: VfsError) -> Answer:
    return _answer(Err(error))


class _Vfs:
    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._lanes: Lanes[ProcessId] = Lanes()

    def decode(self, message: Message) -> VfsRequest:
        return VFS_REQUEST.decode(message.ipc)

    async def handle(self, message: Message, request: VfsRequest) -> Outcome:
        source = message.source.process
        return Later(await self._lanes.enter(source, partial(self._serve, source, request)))

    async def _serve(self, source: ProcessId, request: VfsRequest) -> Answer:
        try:
            place = resolve(request.path)
        except BadPath as error:
            return _refusal(ParseError(str(error), error.path))
        if not _may_read(source, place):
            return _refusal(NoReadCap())
        try:
            return await self._read(place, request.action)
        except OSError as error:
            return _refusal(DiskError(f"{error.strerror or error}: {request.path}"))

    async def _read(self, place: DrivePath | Root, action: VfsAction) -> Answer:
        match place, action:
            case DrivePath(), Read():
                return _answer(Read(), Payload(MIME, await self._disk.read(place.on_disk)))
            case DrivePath(), Metadata():
                info = await self._disk.info(place.on_disk)
                return _answer(FileMetadata(FileType(info.file_type.value), info.size))
            case DrivePath(), ReadDir():
                return _answer(Entries(await self._list(place.on_disk)))
            case Root(), ReadDir():
                return _answer(Entries(await self._drives()))
            case _:
                return _refusal(ParseError("the root can only be listed", "/"))

    async def _list(self, folder: str) -> tuple[DirEntry, ...]:
        names = await self._disk.list(folder)
        return tuple(DirEntry(f"{folder}/{name}", FileType(kind.value)) for name, kind in names)

    async def _drives(self) -> tuple[DirEntry, ...]:
        found: list[DirEntry] = []
        for name, kind in await self._disk.list(""):
            if kind is DiskFileType.Directory and _is_package(name):
                found += [entry for entry in await self._list(name) if entry.file_type is FileType.Directory]
        return tuple(found)

    def malformed(self, error: Malformed) -> bytes:
        return _refusal(MalformedRequest()).ipc

    def foreign(self) -> bytes:
        return _refusal(NoReadCap()).ipc

    def failed(self, error: Exception) -> bytes:
        return _refusal(DiskError(f"{type(error).__name__}: {error}")).ipc


def _may_read(source: ProcessId, place: DrivePath | Root) -> bool:
    """Of the sender whose request this task serves."""
    if owns(source, place) or current().has_capability(ROOT):
        return True
    return isinstance(place, DrivePath) and current().has_capability(reading(place))


def _is_package(name: str) -> bool:
    try:
        PackageId.from_str(name)
    except ProcessIdParseError:
        return False
    return True


def make(disk: Disk) -> Init:
    async def init(our: Address) -> None:
        await serve(_Vfs(disk))

    return init
