"""Asking the vfs (PROTOCOL 7.3): what `vfs` and the web functions share."""

from __future__ import annotations

from typing import TypeAlias

from kernel.address import Address
from kernel.codec import Err, Malformed
from kernel.message import Message, Payload
from kernel.syscalls import current
from sys_processes.vfs.protocol import (
    VFS,
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

SECONDS = 5

Problem: TypeAlias = Refusal | Malformed | str


class VfsError(Exception):
    """The vfs refused. `.error` is its answer: `NoReadCap`, `ParseError`, `DiskError` and so on.

    `Malformed` when the answer could not be read, text when it was of another kind than asked for.
    """

    def __init__(self, asked: str, error: Problem) -> None:
        super().__init__(f"{asked}: {error}")
        self.error = error


def vfs_request(path: str, action: VfsAction) -> Request:
    """A Request to our node's vfs, to be sent as it is or with a payload."""
    request = Request().target(Address(current().our.node, VFS))
    return request.ipc(VFS_REQUEST.encode(VfsRequest(path, action)))


def parse_response(body: bytes) -> VfsResponse:
    """What the vfs answered. Raises `VfsError`."""
    return _answer("the vfs", body)


async def ask(
    path: str, action: VfsAction, data: bytes | None = None, timeout: int = SECONDS
) -> tuple[VfsResponse, Message]:
    """Raises `VfsError`, `SendError`."""
    request = vfs_request(path, action)
    if data is not None:
        request = request.payload(Payload(None, data))
    message = await request.send_and_await_response(timeout)
    return _answer(f"{type(action).__name__} of {path}", message.ipc), message


def _answer(asked: str, body: bytes) -> VfsResponse:
    try:
        answer = VFS_RESPONSE.decode(body)
    except Malformed as problem:
        raise VfsError(f"{asked}: the vfs's answer is unreadable", problem) from None
    if isinstance(answer, Err):
        raise VfsError(f"{asked} was refused", answer.error)
    return answer


async def read_file(path: str) -> bytes:
    """The whole file, which is also the last payload from now on. Raises `VfsError`, `SendError`."""
    _, message = await ask(path, Read())
    payload = message.payload()
    return b"" if payload is None else payload.bytes


async def list_files(folder: str) -> list[str]:
    """The paths of all files below, each with a leading slash, in the vfs's order. Raises as `read_file`."""
    answer, _ = await ask(folder, ReadDir())
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
