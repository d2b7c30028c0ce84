"""A database of keys and values that people look at and change in a browser, and processes by messages.

`GET /keys?prefix=..&after=..` lists keys, `GET`, `PUT` and `DELETE /values/KEY` are about one. A message may be
`{"Keys":{"prefix":".."}}`, `{"Get":"key"}`, `{"Set":{"key":"..","value":".."}}` or `{"Delete":"key"}`. Every open page
is told `{"Changed":"key"}`.
"""

import json
from urllib.parse import quote, unquote

from userland.process_lib import (
    Address,
    Message,
    Payload,
    Response,
    SendError,
    await_message,
    homepage,
    http,
    kv,
    println,
    sleep,
)

from .shelf import PAGE, Entry, Refused, Shelf, checked

PICTURE = (
    "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 48 48'><rect width='48' height='48' rx='11' fill='#7a3b2e'/>"
    "<circle cx='18' cy='24' r='7' fill='none' stroke='#fff' stroke-width='3.5'/>"
    "<path d='M25 24h14v6M33 24v5' fill='none' stroke='#fff' stroke-width='3.5'/></svg>"
)
JSON = {"Content-Type": "application/json", "Cache-Control": "no-store"}
BYTES = {"Content-Type": "application/octet-stream", "Cache-Control": "no-store"}
MOST_LISTED = 500


class App:
    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        self.pages: dict[int, None] = {}

    def changed(self, key: str) -> None:
        text = to_json({"Changed": key})
        for channel_id in self.pages:
            http.send_ws_push(channel_id, http.WsMessageType.Text, Payload(None, text))


async def init(our: Address) -> None:
    app = App(await opened(our))
    await open_to_the_web(our)
    while True:
        try:
            await hear(app, await await_message())
        except SendError as error:
            println(f"came back: {error}")


async def opened(our: Address) -> Shelf:
    """Waits for as long as kv does not answer."""
    while True:
        try:
            return await Shelf.open(our)
        except (SendError, kv.KvError) as error:
            println(f"the database cannot be opened yet: {error}")
            await sleep(1)


async def open_to_the_web(our: Address) -> None:
    """Without the web there are still messages, so nothing that fails here ends the process."""
    try:
        await http.bind_http_path("/keys")
        await http.bind_http_path("/values/*key")
        await http.bind_ws_path("/")
        await http.serve_ui(our, "ui")
        homepage.add_to_homepage("Keys", icon=f"data:image/svg+xml,{quote(PICTURE)}", path="/")
    except (http.HttpServerError, http.VfsError, SendError) as error:
        println(f"not on the web: {error}")


async def hear(app: App, message: Message) -> None:
    payload = message.payload() or Payload()
    match http.of_the_web(message):
        case http.Http(request):
            await hear_http(app, request, payload.bytes)
        case http.WebSocketOpen(_, channel_id):
            app.pages[channel_id] = None
        case http.WebSocketClose(channel_id):
            app.pages.pop(channel_id, None)
        case None if message.is_request():
            said = await answered(app, message.ipc)
            if message.wants_response:
                Response().ipc(said).send()


# -- over HTTP


async def hear_http(app: App, request: http.IncomingHttpRequest, body: bytes) -> None:
    try:
        await answer_http(app, request, body)
    except Refused as refused:
        http.send_response(refused.status, JSON, to_json({"Error": refused.text}))
    except (kv.KvError, SendError) as error:
        http.send_response(503, JSON, to_json({"Error": f"the database does not do that: {error}"}))


async def answer_http(app: App, request: http.IncomingHttpRequest, body: bytes) -> None:
    path = request.path()
    key = unquote(path.removeprefix("/values/")) if path.startswith("/values/") else None
    match request.method, key:
        case "GET" | "HEAD", None:
            asked = request.query_params
            listed = keys_of(
                app, asked.get("prefix", ""), asked.get("after", ""), asked.get("limit", str(PAGE))
            )
            http.send_response(200, JSON, to_json(listed))
        case "GET" | "HEAD", str(key):
            http.send_response(200, BYTES, await app.shelf.get(checked(key)))
        case "PUT", str(key):
            await app.shelf.set(checked(key), body)
            http.send_response(200, JSON, to_json({"Set": key}))
            app.changed(key)
        case "DELETE", str(key):
            await app.shelf.delete(checked(key))
            http.send_response(200, JSON, to_json({"Deleted": key}))
            app.changed(key)
        case method, _:
            raise Refused(f"{method} is not possible here", 405)


def keys_of(app: App, prefix: str, after: str, limit: str) -> object:
    if not (limit.isascii() and limit.isdigit() and 0 < int(limit) <= MOST_LISTED):
        raise Refused(f"{limit[:20]!r} is no limit from 1 to {MOST_LISTED}")
    found, more = app.shelf.page(prefix, after, int(limit))
    return {"Keys": [shown(entry) for entry in found], "more": more, "total": len(app.shelf)}


def shown(entry: Entry) -> dict[str, object]:
    return {"key": entry.key, "size": entry.size}


# -- by messages


async def answered(app: App, ipc: bytes) -> bytes:
    try:
        return to_json(await done(app, json.loads(ipc.decode())))
    except Refused as refused:
        return to_json({"Error": refused.text})
    except (kv.KvError, SendError) as error:
        return to_json({"Error": f"the database does not do that: {error}"})
    except (ValueError, RecursionError) as error:
        return to_json({"Error": f"that is no JSON: {error}"})


async def done(app: App, asked: object) -> object:
    match asked:
        case {"Keys": {"prefix": str(prefix)}}:
            return keys_of(app, prefix, "", str(MOST_LISTED))
        case {"Get": str(key)}:
            return {"Value": (await app.shelf.get(checked(key))).decode(errors="replace")}
        case {"Set": {"key": str(key), "value": str(value)}}:
            await app.shelf.set(checked(key), value.encode(errors="replace"))
            app.changed(key)
            return {"Set": key}
        case {"Delete": str(key)}:
            await app.shelf.delete(checked(key))
            app.changed(key)
            return {"Deleted": key}
    raise Refused(
        'ask {"Keys":{"prefix":""}}, {"Get":"key"}, {"Set":{"key":"a","value":"b"}} or {"Delete":"key"}'
    )


def to_json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode(errors="replace")
