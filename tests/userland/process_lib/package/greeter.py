# ruff: noqa: INP001, TID252 - a user's package
"""An actor with a sibling, a child, state, HTTP, files: what test_testing drives."""

from __future__ import annotations

import json

from userland.process_lib import (
    Address,
    HttpServerRequest,
    Malformed,
    OnExit,
    Request,
    Response,
    SendError,
    VfsError,
    await_message,
    bind_http_path,
    get_state,
    handle_ui_asset_request,
    http,
    println,
    process_println,
    serve_ui,
    set_state,
    spawn,
)

from . import words

STARTS: list[int] = []


async def init(our: Address) -> None:
    STARTS.append(1)
    if len(STARTS) != 1:
        raise RuntimeError("module objects were not fresh")
    await bind_http_path("/")
    await serve_ui(our, "ui")
    process_println("ready")
    while True:
        try:
            message = await await_message()
        except SendError as error:
            println("came back:", error.reason)
            continue
        if message.is_process("http_server:sys:nectar"):
            await answer_browser(our, message.ipc)
        elif message.is_request():
            await obey(message.ipc)


async def answer_browser(our: Address, ipc: bytes) -> None:
    try:
        match HttpServerRequest.from_bytes(ipc):
            case http.Http(request):
                await handle_ui_asset_request(our, "ui", request.path())
    except VfsError:
        http.send_response(404)
    except Malformed:
        println("not for us")


async def obey(ipc: bytes) -> None:
    order = json.loads(ipc)
    match order:
        case {"greet": name}:
            await set_state(name.encode())
            Response().ipc(words.greeting(name)).send()
        case "who":
            Response().ipc(await get_state() or b"nobody").send()
        case "spawn":
            child = await spawn("child", "child.py", OnExit.none())
            Response().ipc(str(child)).send()
        case {"relay": target}:
            answer = await Request().target(target).ipc(b"relayed").send_and_await_response(5)
            Response().ipc(answer.ipc).send()
        case {"tell": target}:
            Request().target(target).ipc(b"told").send()
        case _:
            raise ValueError(f"no such order: {order}")
