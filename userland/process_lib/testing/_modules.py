"""The modules of the runtime that a tested process meets, as scripts of scripted processes."""

from __future__ import annotations

from pathlib import Path

import attrs

from kernel.address import Address, PackageId, ProcessId
from kernel.codec import OK, Err
from kernel.message import Message, Payload
from kernel.message import Request as RawRequest
from kernel.syscalls import current
from sys_processes.homepage.protocol import DONE, HOMEPAGE_REQUEST, Add, Remove
from sys_processes.http_server.protocol import (
    ACTION,
    ANSWER,
    CHANNEL_NOT_FOUND,
    METADATA_WS,
    Bind,
    NoPayload,
    WebSocketBind,
    WebSocketClose,
    WebSocketPush,
    WsMessageType,
)
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


@attrs.frozen
class Frame:
    """What the actor pushed to the client of a channel."""

    channel_id: int
    message_type: WsMessageType
    bytes: bytes
    mime: str | None = None

    @property
    def text(self) -> str:
        return self.bytes.decode()


class HttpServer:
    """Takes every binding and every push, and notes them. Closes channels as the real one does."""

    def __init__(self) -> None:
        self.bound: list[Bind | WebSocketBind] = []
        self.content: dict[str, Payload] = {}
        self.frames: list[Frame] = []
        self.channels: dict[int, None] = {}

    def answer(self, message: Message) -> bytes | None:
        found = self._obey(message)
        return found if message.wants_response else None

    def _obey(self, message: Message) -> bytes:
        action = ACTION.decode(message.ipc)
        payload = message.payload()
        match action:
            case Bind(path=path, cache=cache):
                if cache and payload is None:
                    return ANSWER.encode(Err(NoPayload()))
                self.bound.append(action)
                if cache and payload is not None:
                    self.content[path] = payload
            case WebSocketBind():
                self.bound.append(action)
            case WebSocketPush(channel_id, WsMessageType.Close) | WebSocketClose(channel_id):
                return self._close(message.source, channel_id)
            case WebSocketPush(channel_id, message_type):
                if payload is None:
                    return ANSWER.encode(Err(NoPayload()))
                self.frames.append(Frame(channel_id, message_type, payload.bytes, payload.mime))
            case _:
                pass
        return OK

    def _close(self, owner: Address, channel_id: int) -> bytes:
        if channel_id not in self.channels:
            return ANSWER.encode(Err(CHANNEL_NOT_FOUND))
        del self.channels[channel_id]
        closed = RawRequest(ipc=WebSocketClose(channel_id).to_bytes(), metadata=METADATA_WS)
        current().send_request(owner, closed)
        return OK


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
