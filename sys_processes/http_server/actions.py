"""What processes ask of http_server, from bytes to the answer (PROTOCOL 6.3)."""

from __future__ import annotations

from typing import Final

from kernel.address import Address
from kernel.codec import OK, Err, Malformed
from kernel.message import Payload
from sys_processes.http_server.bindings import PathTable
from sys_processes.http_server.channels import Channels
from sys_processes.http_server.protocol import (
    ACTION,
    ANSWER,
    OPEN_NOT_VALID,
    BadRequest,
    Bind,
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
    """Do what the Request of `source` asks. None when it is done."""
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
