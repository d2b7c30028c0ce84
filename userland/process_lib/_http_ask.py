"""Asking `http_server:sys:nectar` for something, and what it refuses (PROTOCOL 6.3)."""

from __future__ import annotations

from functools import lru_cache

from kernel.address import Address
from kernel.codec import Err, Malformed
from kernel.message import Payload
from kernel.syscalls import current
from sys_processes.http_server.protocol import ACTION, ANSWER, HTTP_SERVER, HttpServerAction
from sys_processes.http_server.protocol import HttpServerError as Refusal
from userland.process_lib._builders import Request

SECONDS = 5
"""How long a call to http_server waits unless it is told otherwise."""


class HttpServerError(Exception):
    """http_server refused. `.error` is its answer: `BadRequest`, `NoPayload`, `PathBindError` or `WebSocketPushError`.

    It is `Malformed` for bytes that could not be read: an answer's, or a request's that `parse_request` was given.
    """

    def __init__(self, asked: str, error: Refusal | Malformed) -> None:
        super().__init__(f"{asked}: {error}")
        self.error = error


@lru_cache(maxsize=256)
def server(node: str) -> Address:
    return Address(node, HTTP_SERVER)


async def ask(action: HttpServerAction, payload: Payload | None = None, seconds: int = SECONDS) -> None:
    """Return when it is done. Raises `HttpServerError`, `SendError`."""
    builder = Request().target(server(current().our.node)).ipc(ACTION.encode(action)).payload(payload)
    message = await builder.send_and_await_response(seconds)
    try:
        answer = ANSWER.decode(message.ipc)
    except Malformed as problem:
        raise HttpServerError(f"{action}: http_server's answer is unreadable", problem) from None
    if isinstance(answer, Err):
        raise HttpServerError(f"{action} was refused", answer.error)
