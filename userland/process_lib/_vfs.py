"""Reading files of a package's own drive (PROTOCOL 7.3), as far as serving them needs it."""

from __future__ import annotations

from typing import TypeAlias

from kernel.address import Address, ProcessId
from kernel.codec import Err, Malformed
from kernel.message import Message
from kernel.syscalls import current
from sys_processes.vfs.protocol import (
    VFS_REQUEST,
    VFS_RESPONSE,
    Entries,
    FileType,
    Read,
    ReadDir,
    VfsAction,
    VfsRequest,
    VfsResponse,
)
from sys_processes.vfs.protocol import VfsError as Refusal
from userland.process_lib._builders import Request

VFS = ProcessId("vfs", "sys", "nectar")
SECONDS = 5

Problem: TypeAlias = Refusal | Malformed | str


class VfsError(Exception):
    """The vfs refused. `.error` is its answer: `NoReadCap`, `ParseError`, `DiskError` and so on.

    `Malformed` when the answer could not be read, text when it was of another kind than asked for.
    """

    def __init__(self, asked: str, error: Problem) -> None:
        super().__init__(f"{asked}: {error}")
        self.error = error


async def _ask(path: str, action: VfsAction) -> tuple[VfsResponse, Message]:
    request = Request().target(Address(current().our.node, VFS))
    message = await request.ipc(VFS_REQUEST.encode(VfsRequest(path, action))).send_and_await_response(SECONDS)
    asked = f"{type(action).__name__} of {path}"
    try:
        answer = VFS_RESPONSE.decode(message.ipc)
    except Malformed as problem:
        raise VfsError(f"{asked}: the vfs's answer is unreadable", problem) from None
    if isinstance(answer, Err):
        raise VfsError(f"{asked} was refused", answer.error)
    return answer, message


async def read_file(path: str) -> bytes:
    """The whole file, which is also the last payload from now on. Raises `VfsError`, `SendError`."""
    _, message = await _ask(path, Read())
    payload = message.payload()
    return b"" if payload is None else payload.bytes


async def list_files(folder: str) -> list[str]:
    """The paths of all files below, each with a leading slash, in the vfs's order. Raises as `read_file`."""
    answer, _ = await _ask(folder, ReadDir())
    if not isinstance(answer, Entries):
        raise VfsError(f"ReadDir of {folder}", f"the answer is {answer!r}")
    found: list[str] = []
    for entry in answer.entries:
        path = f"/{entry.path.lstrip('/')}"
        if entry.file_type is FileType.Directory:
            found += await list_files(path)
        elif entry.file_type is FileType.File:
            found.append(path)
    return found
