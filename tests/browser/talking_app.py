"""The app that the pages of these tests come from and talk to."""

from __future__ import annotations

from pathlib import Path

from tests.support.live_node import write_package

APP = "app:app:me"
PAGE = f"/{APP}/"
COOKIE = "nectar-auth_fake.dev"

CODE = '''
"""Does what a page asks for in JSON; says back what else it hears, and in which type of frame that came."""

import json

from userland.process_lib import (
    Address, Http, HttpServerRequest, Malformed, Payload, SendError, WebSocketOpen, WebSocketPush, WsMessageType,
    await_message, http,
)

PAGE = b"""<!doctype html><meta charset="utf-8"><title>A page</title><h1>A page</h1>
<script src="/our.js"></script><script type="module" src="/client.js"></script>"""


async def init(our: Address) -> None:
    await http.bind_http_static_path("/", False, False, "text/html; charset=utf-8", PAGE)
    await http.bind_http_path("/answers")
    await http.bind_ws_path("/bound")
    await http.bind_ws_path("/greeting")
    await http.bind_ws_path("/sealed", encrypted=True)
    recent: list[str] = []
    while True:
        try:
            message = await await_message()
            request = HttpServerRequest.from_bytes(message.ipc)
        except (SendError, Malformed):
            continue
        payload = (message.payload() or Payload()).bytes
        match request:
            case Http(call):
                answer(call, payload)
            case WebSocketOpen("/greeting" | "/sealed" as path, channel_id):
                http.send_ws_push(our.node, channel_id, WsMessageType.Text, Payload(bytes=path.encode()))
            case WebSocketPush(channel_id, kind):
                obey(our, channel_id, kind, payload, recent)


def answer(call, body: bytes) -> None:
    status = int(call.query_params["status"])
    said = {"method": call.method, "body": body.decode(), "type": call.headers.get("content-type")}
    match status:
        case 204:
            http.send_response(204)
        case 200:
            http.send_response(200, {"Content-Type": "application/json"}, json.dumps(said).encode())
        case _:
            http.send_response(status, {"Content-Type": "text/plain"}, b"said in words")


def obey(our: Address, channel_id: int, kind: WsMessageType, payload: bytes, recent: list[str]) -> None:
    def push(kind: WsMessageType, given: bytes) -> None:
        http.send_ws_push(our.node, channel_id, kind, Payload(bytes=given))

    try:
        asked = json.loads(payload)
    except ValueError:
        asked = None
    match asked:
        case {"text": text}:
            push(WsMessageType.Text, text.encode())
        case {"bytes": numbers}:
            push(WsMessageType.Binary, bytes(numbers))
        case {"recent": count}:
            push(WsMessageType.Text, json.dumps(recent[-count:]).encode())
        case {"close": True}:
            push(WsMessageType.Close, b"")
        case {"crash": True}:
            raise RuntimeError("as asked")
        case _:
            recent.append(payload.decode("latin-1"))
            push(WsMessageType.Text, json.dumps({"heard": recent[-1], "type": kind.value}).encode())
'''


def heard(text: str, kind: str = "Binary") -> dict[str, str]:
    """What it says back."""
    return {"heard": text, "type": kind}


def package(folder: Path) -> Path:
    rights = ["http_server:sys:nectar"]
    return write_package(folder, CODE, request_capabilities=rights, grant_capabilities=rights)
