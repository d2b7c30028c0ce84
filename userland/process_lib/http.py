"""Serving HTTP and WebSockets (PROTOCOL 5.6): what a process says to `http_server:sys:nectar`; and asking servers of
the outside world (5.7): what it says to `http_client:sys:nectar`.
"""

from __future__ import annotations

from collections.abc import Mapping

from kernel.codec import Malformed
from kernel.message import Message, Payload
from kernel.message import Response as RawResponse
from kernel.syscalls import current
from sys_processes.http_server.protocol import (
    HTTP_SERVER,
    BadRequest,
    Http,
    HttpResponse,
    HttpServerRequest,
    IncomingHttpRequest,
    NoPayload,
    PathBindError,
    WebSocketClose,
    WebSocketOpen,
    WebSocketPush,
    WebSocketPushError,
    WsMessageType,
)
from userland.process_lib._builders import Bytes, to_bytes
from userland.process_lib._http_ask import HttpServerError
from userland.process_lib._http_bind import (
    bind_http_path,
    bind_http_static_path,
    bind_ws_path,
    unbind_http_path,
    unbind_ws_path,
)
from userland.process_lib._http_client import (
    FetchedResponse,
    HttpClientError,
    WsClientClose,
    WsClientPush,
    close_ws_connection,
    close_ws_connection_and_await,
    of_a_server,
    open_ws_connection,
    open_ws_connection_and_await,
    response_of,
    send_request,
    send_request_await_response,
    send_ws_client_push,
)
from userland.process_lib._http_push import send_ws_push, ws_push_all_channels
from userland.process_lib._http_server import HttpBindingConfig, HttpServer, WsBindingConfig
from userland.process_lib._http_ui import handle_ui_asset_request, serve_index_html, serve_ui
from userland.process_lib._mime import get_mime_type
from userland.process_lib._vfs import VfsError

__all__ = [
    "BadRequest",
    "FetchedResponse",
    "Http",
    "HttpBindingConfig",
    "HttpClientError",
    "HttpResponse",
    "HttpServer",
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
    "WsBindingConfig",
    "WsClientClose",
    "WsClientPush",
    "WsMessageType",
    "bind_http_path",
    "bind_http_static_path",
    "bind_ws_path",
    "close_ws_connection",
    "close_ws_connection_and_await",
    "get_mime_type",
    "handle_ui_asset_request",
    "of_a_server",
    "of_the_web",
    "open_ws_connection",
    "open_ws_connection_and_await",
    "response_of",
    "send_request",
    "send_request_await_response",
    "send_response",
    "send_ws_client_push",
    "send_ws_push",
    "serve_index_html",
    "serve_ui",
    "unbind_http_path",
    "unbind_ws_path",
    "ws_push_all_channels",
]


def of_the_web(message: Message) -> HttpServerRequest | None:
    """The call, the frame, or the news of a channel that our own http_server brings with this message.

    None for every other message, also for one that a person injects (`nectar inject-message`): http_server brings that
    too. Raises nothing. The body or the frame is `message.payload()`.
    """
    if not (message.is_request() and message.is_local() and message.is_process(HTTP_SERVER)):
        return None
    try:
        return HttpServerRequest.from_bytes(message.ipc)
    except Malformed:
        return None


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
