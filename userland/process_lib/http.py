"""Serving HTTP and WebSockets (PROTOCOL 5.6): what a process says to `http_server:sys:nectar`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import overload
from urllib.parse import unquote

from kernel.address import Address
from kernel.codec import Err, Malformed
from kernel.message import Payload
from kernel.message import Request as RawRequest
from kernel.message import Response as RawResponse
from kernel.syscalls import current
from sys_processes.http_server.protocol import (
    ACTION,
    ANSWER,
    HTTP_SERVER,
    BadRequest,
    Bind,
    Http,
    HttpResponse,
    HttpServerAction,
    HttpServerRequest,
    IncomingHttpRequest,
    NoPayload,
    PathBindError,
    WebSocketBind,
    WebSocketClose,
    WebSocketOpen,
    WebSocketPush,
    WebSocketPushError,
    WsMessageType,
)
from sys_processes.http_server.protocol import HttpServerError as Refusal
from userland.process_lib._builders import Bytes, Request, Response, to_bytes
from userland.process_lib._mime import get_mime_type
from userland.process_lib._payloads import check_payload
from userland.process_lib._vfs import VfsError, list_files, read_file

__all__ = [
    "BadRequest",
    "Http",
    "HttpResponse",
    "HttpServerError",
    "HttpServerRequest",
    "IncomingHttpRequest",
    "Malformed",
    "NoPayload",
    "PathBindError",
    "VfsError",
    "WebSocketClose",
    "WebSocketOpen",
    "WebSocketPush",
    "WebSocketPushError",
    "WsMessageType",
    "bind_http_path",
    "bind_http_static_path",
    "bind_ws_path",
    "get_mime_type",
    "handle_ui_asset_request",
    "send_response",
    "send_ws_push",
    "serve_index_html",
    "serve_ui",
    "ws_push_all_channels",
]

SECONDS = 5
"""How long a call to http_server waits."""


class HttpServerError(Exception):
    """http_server refused. `.error` is its answer: `BadRequest`, `NoPayload`, `PathBindError` or `WebSocketPushError`.

    It is `Malformed` when the answer could not be read.
    """

    def __init__(self, asked: str, error: Refusal | Malformed) -> None:
        super().__init__(f"{asked}: {error}")
        self.error = error


@lru_cache(maxsize=256)
def _server(node: str) -> Address:
    return Address(node, HTTP_SERVER)


async def _ask(action: HttpServerAction, payload: Payload | None = None) -> None:
    builder = Request().target(_server(current().our.node)).ipc(ACTION.encode(action)).payload(payload)
    message = await builder.send_and_await_response(SECONDS)
    try:
        answer = ANSWER.decode(message.ipc)
    except Malformed as problem:
        raise HttpServerError(f"{action}: http_server's answer is unreadable", problem) from None
    if isinstance(answer, Err):
        raise HttpServerError(f"{action} was refused", answer.error)


# -- binding


async def bind_http_path(path: str, authenticated: bool = True, local_only: bool = False) -> None:
    """Receive HTTP calls to `/{our process id}{path}` as `Http` requests. Binding again replaces the flags.

    `authenticated` wants a login cookie, `local_only` a caller on this machine. Raises `HttpServerError`, `SendError`.
    """
    await _ask(Bind(path, authenticated, local_only, cache=False))


@overload
async def bind_http_static_path(
    path: str, authenticated: bool, local_only: bool, content_type: str | None, content: bytes
) -> None: ...


@overload
async def bind_http_static_path(
    path: str, authenticated: bool, local_only: bool, content: bytes, /
) -> None: ...


async def bind_http_static_path(
    path: str,
    authenticated: bool,
    local_only: bool,
    content_type: str | bytes | None,
    content: bytes | None = None,
) -> None:
    """Have http_server answer GET and HEAD of `path` with `content`; other methods arrive as with `bind_http_path`.

    Without `content_type` it is served as `text/plain`. Raises `HttpServerError`, `SendError`.
    """
    if isinstance(content_type, bytes):
        content_type, content = None, content_type
    if content is None or isinstance(content, str):
        raise TypeError(
            "bind_http_static_path needs the content to serve, as bytes, for its last argument; "
            'write bind_http_static_path(path, authenticated, local_only, "text/html", text.encode())'
        )
    payload = Payload(content_type, content)
    check_payload("bind_http_static_path", payload)
    await _ask(Bind(path, authenticated, local_only, cache=True), payload)


async def bind_ws_path(path: str, authenticated: bool = True, encrypted: bool = False) -> None:
    """Receive WebSockets that clients open on `/{our process id}{path}`. Raises `HttpServerError`, `SendError`."""
    await _ask(WebSocketBind(path, authenticated, encrypted))


# -- answering and pushing


def _status(status: object) -> int:
    if not isinstance(status, int) or isinstance(status, bool):
        raise TypeError(f"a status is a number such as 200, got {status!r}")
    if not 200 <= status <= 999:
        raise ValueError(f"the status of an answer is 200 to 999, got {status}")
    return int(status)


def _headers(headers: Mapping[str, str] | None) -> dict[str, str]:
    found = {} if headers is None else dict(headers)
    for name, value in found.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise TypeError(
                f"headers are text, got {name!r}: {value!r}; write {{{str(name)!r}: {str(value)!r}}}"
            )
    return found


def send_response(status: int, headers: Mapping[str, str] | None = None, body: Bytes = b"") -> None:
    """Answer the HTTP call that is the prompting message. Raises `NoPromptingMessage`, `AlreadyResponded`.

    Raises TypeError and ValueError for what is no final status (200 to 999) or no header.
    """
    response = HttpResponse(_status(status), _headers(headers))
    data = body if body.__class__ is bytes else to_bytes(body, "payload_bytes")
    current().send_response(RawResponse(False, response.to_bytes()), Payload(None, data))


# The last few thousand channels' ipc: a push is the hottest call of a chat or a game.
@lru_cache(maxsize=4096)
def _push(channel_id: int, message_type: WsMessageType) -> RawRequest:
    if channel_id.__class__ is not int or not 0 <= channel_id < 1 << 32:
        raise TypeError(f"a channel_id is the number that came with WebSocketOpen, got {channel_id!r}")
    return RawRequest(ipc=ACTION.encode(WebSocketPush(channel_id, WsMessageType(message_type))))


@overload
def send_ws_push(channel_id: int, message_type: WsMessageType, payload: Payload) -> None: ...


@overload
def send_ws_push(
    node: str | Address, channel_id: int, message_type: WsMessageType, payload: Payload
) -> None: ...


def send_ws_push(  # type: ignore[misc]  # a number in the place of the node is the channel
    node: object = None, channel_id: object = None, message_type: object = None, payload: object = None
) -> None:
    """Send `payload` to the client of a channel: `(channel_id, type, payload)`, or with the owner's node in front.

    The node may be given as `our`.
    What cannot be delivered comes back through `await_message` as a `SendError`; of a channel that has gone, its
    `WebSocketClose` tells. Raises TypeError for what is no channel or no Payload.
    """
    if node.__class__ is int:
        payload = payload or message_type
        message_type = channel_id or message_type
        channel_id, node = node, None
    if not isinstance(payload, Payload):
        raise TypeError(f"send_ws_push takes a Payload last, got {payload!r}; write Payload(bytes=b'..')")
    check_payload("send_ws_push", payload)
    if isinstance(node, Address):
        node = node.node
    if node is not None and not isinstance(node, str):
        raise TypeError(f"send_ws_push takes a channel_id or a node's name first, got {node!r}")
    call = current()
    call.send_request(_server(node or call.our.node), _push(channel_id, message_type), None, payload)


def ws_push_all_channels(
    channels: Mapping[str, Iterable[int]], path: str, message_type: WsMessageType, payload: Payload
) -> None:
    """`send_ws_push` to each channel that is kept under `path`, lowest number first; none is fine."""
    for channel_id in sorted(channels.get(path, ())):
        send_ws_push(channel_id, message_type, payload)


# -- files of the package


def _folder(our: Address, directory: str) -> str:
    return f"/{our.package_id}/pkg/{directory.strip('/')}".rstrip("/")


async def serve_index_html(our: Address, directory: str) -> None:
    """Have http_server serve `pkg/{directory}/index.html` at `/`, to those who are logged in.

    Raises `VfsError`, `HttpServerError`, `SendError`.
    """
    content = await read_file(f"{_folder(our, directory)}/index.html")
    await bind_http_static_path("/", True, False, "text/html", content)


async def serve_ui(our: Address, directory: str) -> None:
    """`serve_index_html`, and every file below `pkg/{directory}` at its path. Raises as that does."""
    folder = _folder(our, directory)
    await serve_index_html(our, directory)
    for path in await list_files(folder):
        content = await read_file(path)
        await bind_http_static_path(path.removeprefix(folder), True, False, get_mime_type(path), content)


async def handle_ui_asset_request(our: Address, directory: str, path: str) -> None:
    """Answer the HTTP call that is the prompting message with the file that it asks for.

    `path` is `request.path()`, or any URL or path with our process id in it; `/` asks for `index.html`.
    Raises `VfsError` for what is no file below `pkg/{directory}`, and then nothing is answered; `SendError`.
    """
    _, found, below = path.partition(str(our.process))
    asked = unquote(below if found else path).strip("/") or "index.html"
    if ".." in asked.split("/"):
        raise VfsError(f"{path} is not below {directory}", "a path with '..' in it is never served")
    await read_file(f"{_folder(our, directory)}/{asked}")
    response = HttpResponse(200, {"Content-Type": get_mime_type(asked)})
    Response().ipc(response.to_bytes()).inherit(True).send()
