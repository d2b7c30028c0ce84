"""Binding and unbinding of paths, one call each (PROTOCOL 5.6, 6.3)."""

from __future__ import annotations

from typing import overload

from kernel.message import Payload
from sys_processes.http_server.protocol import Bind, Unbind, WebSocketBind, WebSocketUnbind
from userland.process_lib._http_ask import ask
from userland.process_lib._payloads import check_payload


async def bind_http_path(path: str, authenticated: bool = True, local_only: bool = False) -> None:
    """Receive HTTP calls to `/{our process id}{path}` as `Http` requests. Binding again replaces the flags.

    `authenticated` wants a login cookie, `local_only` a caller on this machine. Raises `HttpServerError`, `SendError`.
    """
    await ask(Bind(path, authenticated, local_only, cache=False))


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
    payload = static_content(content_type, content)
    await ask(Bind(path, authenticated, local_only, cache=True), payload)


def static_content(content_type: str | bytes | None, content: bytes | None) -> Payload:
    """The last two arguments of `bind_http_static_path`; alone in the place of the type, bytes are the content."""
    if isinstance(content_type, bytes):
        content_type, content = None, content_type
    if content is None or isinstance(content, str):
        raise TypeError(
            "bind_http_static_path needs the content to serve, as bytes, for its last argument; "
            'write bind_http_static_path(path, authenticated, local_only, "text/html", text.encode())'
        )
    payload = Payload(content_type, content)
    check_payload("bind_http_static_path", payload)
    return payload


async def bind_ws_path(
    path: str, authenticated: bool = True, encrypted: bool = False, extension: bool = False
) -> None:
    """Receive WebSockets that clients open on `/{our process id}{path}`. Raises `HttpServerError`, `SendError`."""
    await ask(WebSocketBind(path, authenticated, encrypted, extension))


async def unbind_http_path(path: str) -> None:
    """Receive no more calls of `path`. One that is not bound is no error. Raises as `bind_http_path`."""
    await ask(Unbind(path))


async def unbind_ws_path(path: str) -> None:
    """Let nobody open a socket on `path` any more; open channels stay. Raises as `unbind_http_path`."""
    await ask(WebSocketUnbind(path))
