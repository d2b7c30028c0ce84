"""What processes ask of http_server, from bytes to the answer (PROTOCOL 6.3)."""

from __future__ import annotations

from typing import Final

from kernel.address import Address
from kernel.codec import OK, Err, Malformed
from kernel.message import Payload
from sys_processes.http_server.bindings import PathTable
from sys_processes.http_server.channels import Channels
from sys_processes.http_server.era3 import is_later, later_error, wants_extension
from sys_processes.http_server.protocol import (
    ACTION,
    ANSWER,
    OPEN_NOT_VALID,
    BadRequest,
    Bind,
    EarlyError,
    HttpServerError,
    SecureBind,
    Unbind,
    WebSocketBind,
    WebSocketClose,
    WebSocketOpen,
    WebSocketPush,
    WebSocketSecureBind,
    WebSocketUnbind,
)

_SHOWN: Final = 4096


def perform(
    ipc: bytes, source: Address, payload: Payload | None, paths: PathTable, channels: Channels
) -> HttpServerError | None:
    """Do what the Request of `source` asks. None when it is done; the error is in the words of who asks."""
    error = _done(ipc, source, payload, paths, channels)
    if error is None or not is_later(ipc) or wants_extension(ipc):
        return error
    return later_error(error, bad_source=paths.source_problem(source) is not None)


def _done(
    ipc: bytes, source: Address, payload: Payload | None, paths: PathTable, channels: Channels
) -> EarlyError | None:
    try:
        action = ACTION.decode(ipc)
    except Malformed:
        return BadRequest(ipc[:_SHOWN].decode("utf-8", "replace"))
    match action:
        case WebSocketPush():
            return channels.push(source, action, payload)
        case Bind() | SecureBind():
            return paths.bind(source, action, payload)
        case Unbind():
            return paths.unbind(source, action)
        case WebSocketBind() | WebSocketSecureBind():
            return paths.bind_socket(source, action)
        case WebSocketUnbind():
            return paths.unbind_socket(source, action)
        case WebSocketClose(channel_id):
            return channels.close(source, channel_id)
        case WebSocketOpen():
            return OPEN_NOT_VALID


def answer(error: HttpServerError | None) -> bytes:
    """The ipc of the Response."""
    return OK if error is None else ANSWER.encode(Err(error))
