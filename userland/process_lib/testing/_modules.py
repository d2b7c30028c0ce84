"""The modules of the runtime that a tested process meets, http_server apart, as scripts of scripted processes."""

from __future__ import annotations

from pathlib import Path

from kernel.address import PackageId, ProcessId
from kernel.codec import Err
from kernel.message import Message, Payload
from kernel.syscalls import current
from sys_processes.homepage.protocol import DONE, HOMEPAGE_REQUEST, Add, Remove
from sys_processes.state.protocol import (
    BACKED_UP,
    DELETED,
    GOT,
    SET,
    STATE_FAILURE,
    STATE_REQUEST,
    DeleteState,
    GetState,
    NotFound,
    SetState,
)
from sys_processes.timer.protocol import SetTimer, decode_timer
from sys_processes.vfs.protocol import (
    MIME,
    VFS_REQUEST,
    VFS_RESPONSE,
    DirEntry,
    DiskError,
    Entries,
    FileMetadata,
    FileType,
    Metadata,
    Read,
    ReadDir,
)
from userland.process_lib._builders import Response


class Homepage:
    """Notes who is on the start page."""

    def __init__(self) -> None:
        self.entries: dict[ProcessId, Add] = {}

    def answer(self, message: Message) -> bytes | None:
        source = message.source.process
        match HOMEPAGE_REQUEST.decode(message.ipc):
            case Add() as add:
                self.entries[source] = add
            case Remove():
                self.entries.pop(source, None)
            case _:
                return None
        return DONE


class States:
    """State in memory."""

    def __init__(self) -> None:
        self.values: dict[ProcessId, bytes] = {}

    def answer(self, message: Message) -> bytes | Response:
        match STATE_REQUEST.decode(message.ipc):
            case GetState(process):
                if process not in self.values:
                    return STATE_FAILURE.encode(Err(NotFound(process)))
                return Response().ipc(GOT).payload(Payload(None, self.values[process]))
            case SetState(process):
                self.values[process] = (message.payload() or Payload()).bytes
                return SET
            case DeleteState(process):
                self.values.pop(process, None)
                return DELETED
        return BACKED_UP


class Files:
    """The drive `pkg` of the package under test is the folder of the tested file."""

    def __init__(self, package: PackageId, root: Path | None) -> None:
        self._drive = f"{package}/pkg"
        self._root = root

    def answer(self, message: Message) -> bytes | Response:
        request = VFS_REQUEST.decode(message.ipc)
        drive, inside = self._drive, request.path.strip("/")
        if self._root is None or (inside != drive and not inside.startswith(f"{drive}/")):
            text = f"{request.path} is not in /{drive}, the folder of the file under test"
            return VFS_RESPONSE.encode(Err(DiskError(text)))
        path = self._root / inside[len(drive) + 1 :]
        try:
            match request.action:
                case Read():
                    return (
                        Response().ipc(VFS_RESPONSE.encode(Read())).payload(Payload(MIME, path.read_bytes()))
                    )
                case ReadDir():
                    entries = [DirEntry(f"{inside}/{p.name}", _kind(p)) for p in sorted(path.iterdir())]
                    return VFS_RESPONSE.encode(Entries(tuple(entries)))
                case Metadata():
                    return VFS_RESPONSE.encode(FileMetadata(_kind(path), path.stat().st_size))
        except OSError as error:
            return VFS_RESPONSE.encode(Err(DiskError(str(error))))


def _kind(path: Path) -> FileType:
    return FileType.Directory if path.is_dir() else FileType.File


async def timer(message: Message) -> bytes | None:
    """Answers when the time is over."""
    request = decode_timer(message.ipc)
    if not isinstance(request, SetTimer):
        return None
    await current().sleep(request.ms / 1000)
    return b""
