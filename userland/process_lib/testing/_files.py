"""The vfs as a tested process meets it: the package's own folder, read only, and drives in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from kernel.address import PackageId
from kernel.codec import Err
from kernel.message import Message, Payload
from sys_processes.vfs import protocol as p
from userland.process_lib._builders import Response

_LOOKS = (p.Read, p.ReadDir, p.Metadata, p.Len, p.Hash, p.OpenFile, p.CloseFile)
_READS_ON = (p.ReadToEnd, p.ReadToString, p.ReadExact, p.Seek)

Answer = bytes | Response


class _Refused(Exception):
    def __init__(self, error: p.VfsError) -> None:
        super().__init__(repr(error))
        self.error = error


def _missing(path: str) -> _Refused:
    return _Refused(p.DiskError(f"No such file or directory: {path}"))


class Files:
    """The drive `pkg` of the package under test is the folder of the tested file; the others of its package are in
    memory, and a new one of them is there as soon as something is written in it. One process asks.
    """

    def __init__(self, package: PackageId, root: Path | None) -> None:
        self._package = str(package)
        self._root = root
        self._kept: dict[str, bytes] = {}
        self._folders: dict[str, None] = {}
        self._at: dict[str, int] = {}

    def answer(self, message: Message) -> Answer:
        request = p.VFS_REQUEST.decode(message.ipc)
        payload = message.payload()
        path = request.path.strip("/")
        parts = path.split("/")
        if parts[0] != self._package or len(parts) < 2 or ".." in parts:
            text = f"{request.path} is in no drive of {self._package}, the package of the file under test"
            return _encoded(Err(p.DiskError(text)))
        try:
            if parts[1] == "pkg":
                return self._packaged(path, request.action)
            return self._do(path, request.action, None if payload is None else payload.bytes)
        except _Refused as refused:
            return p.VFS_RESPONSE.encode(Err(refused.error))
        except OSError as error:
            return p.VFS_RESPONSE.encode(Err(p.DiskError(str(error))))

    # -- the package's folder

    def _packaged(self, path: str, action: p.VfsAction) -> Answer:
        drive = f"{self._package}/pkg"
        if self._root is None or not isinstance(action, (*_LOOKS, *_READS_ON)):
            text = f"/{path}: /{drive} is the folder of the file under test, which a test only reads"
            raise _Refused(p.DiskError(text))
        there = self._root / path[len(drive) + 1 :]
        match action:
            case p.ReadDir():
                entries = [p.DirEntry(f"{path}/{one.name}", _kind(one)) for one in sorted(there.iterdir())]
                return _encoded(p.Entries(tuple(entries)))
            case p.Metadata():
                return _encoded(p.FileMetadata(_kind(there), there.stat().st_size))
        return self._look(path, there.read_bytes(), action)

    # -- in memory

    def _do(self, path: str, action: p.VfsAction, data: bytes | None) -> Answer:
        match action:
            case p.Write() | p.WriteAll() | p.WriteAt() | p.Append() | p.AddZip():
                return self._write(path, action, data)
            case p.CreateFile():
                return self._put(path, 0, b"", before=b"")
            case p.OpenFile(create=True):
                return self._put(path, 0, b"", before=self._kept.get(path, b""))
            case p.SetLen(size):
                self._kept[path] = self._file(path)[:size].ljust(size, b"\0")
                return _encoded(p.Ok())
            case p.SyncAll():
                self._file(path)
                return _encoded(p.Ok())
        return self._do_with_names(path, action)

    def _do_with_names(self, path: str, action: p.VfsAction) -> Answer:
        match action:
            case p.ReadDir():
                return _encoded(p.Entries(tuple(self._list(path))))
            case p.Metadata() if path not in self._kept:
                self._list(path)
                return _encoded(p.FileMetadata(p.FileType.Directory, 0))
            case p.Rename(new_path) | p.CopyFile(new_path):
                return self._move(path, new_path.strip("/"), stays=isinstance(action, p.CopyFile))
            case p.CreateDrive() | p.CreateDir() | p.CreateDirAll():
                self._folders[path] = None
                return _encoded(p.Ok())
            case p.RemoveFile() | p.RemoveDir() | p.RemoveDirAll():
                return self._remove(path, action)
        return self._look(path, self._file(path), action)

    def _write(self, path: str, action: p.VfsAction, data: bytes | None) -> Answer:
        if data is None:
            raise _Refused(p.NoBlob())
        match action:
            case p.Write():
                return self._put(path, 0, data, before=b"")
            case p.Append():
                before = self._file(path)
                return self._put(path, len(before), data, before=before)
            case p.AddZip():
                raise _Refused(p.DiskError("zips are not unpacked in a unit test: write the files"))
        return self._put(path, self._at.get(path, 0), data, before=self._file(path))

    def _file(self, path: str) -> bytes:
        if path not in self._kept:
            raise _missing(f"/{path}")
        return self._kept[path]

    def _put(self, path: str, offset: int, data: bytes, *, before: bytes) -> Answer:
        self._kept[path] = before[:offset].ljust(offset, b"\0") + data + before[offset + len(data) :]
        self._at[path] = offset + len(data)
        return _encoded(p.Ok())

    def _list(self, folder: str) -> Sequence[p.DirEntry]:
        below = f"{folder}/"
        found: dict[str, p.FileType] = {}
        for path in (*self._folders, *self._kept):
            if path.startswith(below):
                name, _, rest = path[len(below) :].partition("/")
                is_file = not rest and path in self._kept
                found[below + name] = p.FileType.File if is_file else p.FileType.Directory
        if not found and folder not in self._folders:
            raise _missing(f"/{folder}")
        return [p.DirEntry(path, found[path]) for path in sorted(found)]

    def _move(self, path: str, new_path: str, *, stays: bool) -> Answer:
        self._kept[new_path] = self._file(path)
        self._at.pop(new_path, None)
        if not stays and new_path != path:
            del self._kept[path]
            self._at.pop(path, None)
        return _encoded(p.Ok())

    def _remove(self, path: str, action: p.VfsAction) -> Answer:
        if isinstance(action, p.RemoveFile):
            self._file(path)
        elif self._list(path) and isinstance(action, p.RemoveDir):
            raise _Refused(p.DiskError(f"Directory not empty: /{path}"))
        for kept in (self._kept, self._folders, self._at):
            for one in [one for one in kept if one == path or one.startswith(f"{path}/")]:
                kept.pop(one)
        return _encoded(p.Ok())

    # -- either

    def _look(self, path: str, content: bytes, action: p.VfsAction) -> Answer:
        match action:
            case p.Read():
                return _bytes(content)
            case p.Metadata():
                return _encoded(p.FileMetadata(p.FileType.File, len(content)))
            case p.Len():
                return _encoded(p.Length(len(content)))
            case p.Hash():
                return _encoded(p.Digest(hashlib.sha256(content).digest()))
            case p.Seek(to):
                return self._seek(path, content, to)
            case p.ReadToEnd() | p.ReadToString() | p.ReadExact():
                return self._read_on(path, content, action)
        self._at.pop(path, None)
        return _encoded(p.Ok())

    def _seek(self, path: str, content: bytes, to: p.SeekFrom | p.EarlySeek) -> Answer:
        early = isinstance(to, p.EarlySeek)
        match to.seek_from if isinstance(to, p.EarlySeek) else to:
            case p.Start(offset):
                found = offset
            case p.End(offset):
                found = len(content) + offset
            case p.Current(offset):
                found = self._at.get(path, 0) + offset
        if found < 0:
            raise _Refused(p.DiskError(f"offset {found} is no place in a file: /{path}"))
        self._at[path] = found
        return _encoded(p.Sought(found if early else p.NewOffset(found)))

    def _read_on(
        self, path: str, content: bytes, action: p.ReadToEnd | p.ReadToString | p.ReadExact
    ) -> Answer:
        rest = content[self._at.get(path, 0) :]
        if isinstance(action, p.ReadExact):
            length = action.length if isinstance(action.length, int) else action.length.length
            if length > len(rest):
                raise _Refused(
                    p.DiskError(f"{length} bytes were asked for, and {len(rest)} are left: /{path}")
                )
            rest = rest[:length]
        self._at[path] = self._at.get(path, 0) + len(rest)
        if not isinstance(action, p.ReadToString):
            return _bytes(rest)
        try:
            return _encoded(p.Text(rest.decode()))
        except UnicodeDecodeError as error:
            raise _Refused(p.DiskError(f"it is no UTF-8 text: {error}")) from None


def _encoded(answer: p.VfsResponse) -> bytes:
    return p.VFS_RESPONSE.encode(answer)


def _bytes(data: bytes) -> Response:
    return Response().ipc(_encoded(p.Read())).payload(Payload(p.MIME, data))


def _kind(path: Path) -> p.FileType:
    return p.FileType.Directory if path.is_dir() else p.FileType.File
