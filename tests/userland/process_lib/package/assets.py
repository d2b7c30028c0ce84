# ruff: noqa: INP001 - a user's package
"""An actor that gives out its files itself."""

from __future__ import annotations

from userland.process_lib import (
    Address,
    HttpServerRequest,
    VfsError,
    await_message,
    handle_ui_asset_request,
    http,
)


async def init(our: Address) -> None:
    await http.bind_http_path("/")
    while True:
        match HttpServerRequest.from_bytes((await await_message()).ipc):
            case http.Http(request):
                try:
                    await handle_ui_asset_request(our, "ui", request.path())
                except VfsError:
                    http.send_response(404)
