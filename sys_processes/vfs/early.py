"""Does what E1 asks for in its own words (PROTOCOL 7.3, `early_protocol`).

What lies on top of a package there lies in its drive `top` here, because our paths name a drive: `/a` is
`/{package}/top/a`, and `/pkg/a` is `/{package}/pkg/a`. The handle of a file is a number made of its path.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

import attrs

from kernel.address import PackageId, ProcessId, ProcessIdParseError
from kernel.codec import Err
from kernel.message import Payload
from sys_processes._serve import Answer
from sys_processes._zip import BadZip, CheckedZip
from sys_processes.devices import Disk, FileType, Workers
from sys_processes.vfs.core import BadPath, DrivePath, resolve_in_drive
from sys_processes.vfs.early_protocol import (
    DRIVE_ANSWER,
    Add,
    Append,
    ChunkIs,
    Delete,
    Dir,
    DriveAction,
    DriveAnswer,
    EarlyRequest,
    Entry,
    EntryIs,
    ExistingFile,
    GetEntry,
    GetEntryLength,
    GetFileChunk,
    GetHash,
    GetPath,
    HashIs,
    LengthIs,
    New,
    NewFile,
    Ok,
    PathIs,
    Problem,
    Rename,
    SetSize,
    Unreadable,
    WriteOffset,
    ZipArchive,
)
from sys_processes.vfs.on_disk import size_of_file
from sys_processes.vfs.protocol import LARGEST_READ, MIME

TOP = "top"
MOST_LOOKED_AT = 10_000
"""Entries of a package, to find the path of a handle."""


class _Refused(Exception):
    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.value)
        self.problem = problem


def _answer(answer: DriveAnswer, data: bytes | None = None) -> Answer:
    return Answer(DRIVE_ANSWER.encode(answer), None if data is None else Payload(MIME, data))


_OK = _answer(Ok())

# -- places


def file_at(package: PackageId, path: str) -> DrivePath:
    """Raises `BadPath`."""
    names = _names(path)
    if not names:
        raise BadPath(path, "that is no file")
    return _in_drive(package, names if len(names) > 1 else [TOP, *names])


def folder_at(package: PackageId, path: str) -> DrivePath | None:
    """None: the package itself, whose folders are drives. Raises `BadPath`."""
    names = _names(path)
    return _in_drive(package, names) if names else None


def _names(path: str) -> list[str]:
    return [name for name in path.split("/") if name not in ("", ".")]


def _in_drive(package: PackageId, names: list[str]) -> DrivePath:
    return resolve_in_drive("/".join(("", str(package), *names)))


def early_path(place: str) -> str:
    """How a path on the disk is called here."""
    _, drive, *names = place.split("/")
    return "/" + "/".join(names if drive == TOP and len(names) == 1 else [drive, *names])


def handle_of(place: str) -> int:
    """Of a path on the disk: 64 bits, as many as each reader of JSON takes."""
    return int.from_bytes(sha256(place.encode()).digest()[:8], "big")


# -- doing it


@attrs.frozen
class _Asker:
    process: ProcessId
    package: PackageId
    data: bytes | None

    def content(self) -> bytes:
        if self.data is None:
            raise _Refused(Problem.BadPayload)
        return self.data


class Drives:
    """`may` says whether a process may write at a place (True), or read there; `changed` is told of each path on the
    disk where another file is from now on, or none.
    """

    def __init__(
        self,
        disk: Disk,
        workers: Workers,
        may: Callable[[ProcessId, DrivePath, bool], bool],
        changed: Callable[[str], None],
    ) -> None:
        self._disk = disk
        self._workers = workers
        self._may = may
        self._changed = changed

    async def serve(self, source: ProcessId, request: EarlyRequest, payload: Payload | None) -> Answer:
        if isinstance(request, Unreadable):
            return _answer(Err(Problem.BadJson))
        try:
            package = PackageId.from_str(request.drive)
        except ProcessIdParseError:
            return _answer(Err(Problem.BadDriveName))
        asker = _Asker(source, package, None if payload is None else payload.bytes)
        try:
            return await self._do(asker, request.action)
        except _Refused as refused:
            return _answer(Err(refused.problem))
        except BadPath:
            return _answer(Err(Problem.BadDescriptor))
        except BadZip:
            return _answer(Err(Problem.BadPayload))
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return _answer(Err(Problem.EntryNotFound))
        except OSError:
            return _answer(Err(Problem.PersistError))

    async def _do(self, asker: _Asker, action: DriveAction) -> Answer:
        match action:
            case New():
                await self._disk.make_folder(
                    self._checked(asker, _in_drive(asker.package, [TOP]), write=True)
                )
            case Add(path, kind):
                await self._add(asker, path, kind)
            case Rename(path, new_path):
                old, new = self._file(asker, path, write=True), self._file(asker, new_path, write=True)
                await self._disk.rename(old, new)
                self._changed(old)
                self._changed(new)
            case Delete(path):
                await self._delete(asker, path)
            case WriteOffset() | Append() | SetSize():
                await self._change(asker, action)
            case _:
                return await self._look(asker, action)
        return _OK

    def _file(self, asker: _Asker, path: str, *, write: bool) -> str:
        """On the disk. Raises `BadPath`, `_Refused`."""
        return self._checked(asker, file_at(asker.package, path), write=write)

    def _checked(self, asker: _Asker, place: DrivePath, *, write: bool) -> str:
        if not self._may(asker.process, place, write):
            raise _Refused(Problem.NoCap)
        return place.on_disk

    # -- changes

    async def _add(self, asker: _Asker, path: str, kind: NewFile | Dir | ExistingFile | ZipArchive) -> None:
        match kind:
            case NewFile():
                await self._put(self._file(asker, path, write=True), asker.content())
            case Dir():
                folder = folder_at(asker.package, path)
                if folder is not None:
                    await self._disk.make_folder(self._checked(asker, folder, write=True))
            case ExistingFile(handle):
                target, known = self._file(asker, path, write=True), await self._path_of(asker, handle)
                if known is None:
                    raise _Refused(Problem.EntryNotFound)
                await self._put(target, await self._whole(known))
            case ZipArchive():
                await self._unzip(asker, path.strip("/").rpartition("/")[0])

    async def _put(self, place: str, data: bytes) -> None:
        await self._disk.write(place, data)
        self._changed(place)

    async def _unzip(self, asker: _Asker, folder: str) -> None:
        """All of it is looked at before anything is written."""
        found = await self._workers.run(CheckedZip, asker.content())
        await self._workers.run(found.check)
        targets = {path: self._file(asker, f"{folder}/{path}", write=True) for path in found.paths}
        for path, target in targets.items():
            await self._put(target, await self._workers.run(found.read, path))

    async def _delete(self, asker: _Asker, path: str) -> None:
        place = await self._there(asker, path, write=True)
        if place is None:
            raise _Refused(Problem.BadDescriptor)
        await self._disk.info(place)
        await self._disk.remove(place)
        self._changed(place)

    async def _change(self, asker: _Asker, action: WriteOffset | Append | SetSize) -> None:
        match action:
            case WriteOffset(path, offset):
                place = self._file(asker, path, write=True)
                await size_of_file(self._disk, place)
                await self._disk.write_at(place, offset, asker.content())
            case Append(path):
                place = self._file(asker, path, write=True)
                await self._disk.write_at(place, await size_of_file(self._disk, place), asker.content())
            case SetSize(path, size):
                await self._disk.set_len(self._file(asker, path, write=True), size)

    # -- looking

    async def _look(
        self, asker: _Asker, action: GetPath | GetHash | GetEntry | GetFileChunk | GetEntryLength
    ) -> Answer:
        match action:
            case GetPath(handle):
                known = await self._path_of(asker, handle)
                return _answer(PathIs(None if known is None else early_path(known)))
            case GetHash(path):
                place = self._file(asker, path, write=False)
                await size_of_file(self._disk, place)
                return _answer(HashIs(handle_of(place)))
            case GetEntry(path):
                return await self._entry(asker, path)
            case GetFileChunk(path, offset, length):
                place = self._file(asker, path, write=False)
                rest = max(0, await size_of_file(self._disk, place) - offset)
                data = await self._disk.read_at(place, offset, _readable(min(length, rest))) if rest else b""
                return _answer(ChunkIs(), data)
            case GetEntryLength(path):
                return _answer(LengthIs(await size_of_file(self._disk, self._file(asker, path, write=False))))

    async def _entry(self, asker: _Asker, path: str) -> Answer:
        place = await self._there(asker, path, write=False)
        if place is None:
            return _answer(EntryIs(Entry(False, await self._on_top(asker))))
        info = await self._disk.info(place)
        if info.file_type is FileType.File:
            return _answer(EntryIs(Entry(True, ())), await self._whole(place))
        names = await self._disk.list(place)
        return _answer(EntryIs(Entry(False, tuple(early_path(f"{place}/{name}") for name, _ in names))))

    async def _there(self, asker: _Asker, path: str, *, write: bool) -> str | None:
        """A file if there is one, else a folder; None is the package itself."""
        folder = folder_at(asker.package, path)
        if folder is None:
            self._checked(asker, _in_drive(asker.package, [TOP]), write=write)
            return None
        file = file_at(asker.package, path)
        if await self._is_file(file.on_disk):
            return self._checked(asker, file, write=write)
        return self._checked(asker, folder, write=write)

    async def _on_top(self, asker: _Asker) -> tuple[str, ...]:
        names = [name for name, _ in await self._listed(str(asker.package)) if name != TOP]
        files = [name for name, _ in await self._listed(f"{asker.package}/{TOP}")]
        return tuple(f"/{name}" for name in sorted({*names, *files}))

    async def _path_of(self, asker: _Asker, handle: int) -> str | None:
        """On the disk, of a file of the package that the asker may read."""
        folders, seen = [str(asker.package)], 0
        while folders and seen < MOST_LOOKED_AT:
            folder = folders.pop()
            for name, kind in await self._listed(folder):
                place = f"{folder}/{name}"
                seen += 1
                if kind is FileType.Directory:
                    folders.append(place)
                elif kind is FileType.File and handle_of(place) == handle:
                    return self._checked(asker, resolve_in_drive(f"/{place}"), write=False)
        return None

    async def _listed(self, folder: str) -> list[tuple[str, FileType]]:
        try:
            return await self._disk.list(folder)
        except (FileNotFoundError, NotADirectoryError):
            return []

    async def _is_file(self, place: str) -> bool:
        try:
            return (await self._disk.info(place)).file_type is FileType.File
        except (FileNotFoundError, NotADirectoryError):
            return False

    async def _whole(self, place: str) -> bytes:
        _readable(await size_of_file(self._disk, place))
        return await self._disk.read(place)


def _readable(length: int) -> int:
    """Raises `_Refused` for more than one answer holds: it is read piece by piece."""
    if length > LARGEST_READ:
        raise _Refused(Problem.InternalError)
    return length
