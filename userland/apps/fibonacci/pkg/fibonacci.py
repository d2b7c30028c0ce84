"""Answers `{"Number":10}` with `{"Number":55}` and `{"Numbers":[1,2,10]}` with `{"Numbers":[1,1,55]}`.

`GET /10` answers `{"Number":55}`, and `/` shows a page. A number above 2^53 - 1, which JavaScript cannot hold, is given
as text: `{"Number":"14472334024676221"}`. What cannot be answered gets `{"Error":".."}`.
"""

import json
from urllib.parse import quote

from userland.process_lib import (
    Address,
    Message,
    Response,
    SendError,
    await_message,
    homepage,
    http,
    println,
)

from .sequence import LARGEST, fibonacci

DIRECTORY = "ui"
PICTURE = (
    "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 48 48'><rect width='48' height='48' rx='11' fill='#3d4f9f'/>"
    "<path d='M38 37H10V14h28zM24 14v23M24 28h14M31 14v14M24 21h7' fill='none' stroke='#fff' stroke-width='3'/></svg>"
)
MOST_AT_ONCE = 50
EXACT_IN_JAVASCRIPT = 2**53 - 1


class Refused(ValueError):
    """The asker's mistake, in words for the asker."""


async def init(our: Address) -> None:
    await open_to_the_web(our)
    while True:
        try:
            await hear(our, await await_message())
        except SendError as error:
            println(f"came back: {error}")


async def open_to_the_web(our: Address) -> None:
    """Without the web there are still numbers for messages, so nothing that fails here ends the process."""
    try:
        await http.bind_http_path("/")
        homepage.add_to_homepage("Fibonacci", icon=f"data:image/svg+xml,{quote(PICTURE)}", path="/")
    except (http.HttpServerError, SendError) as error:
        println(f"not on the web: {error}")


async def hear(our: Address, message: Message) -> None:
    match http.of_the_web(message):
        case http.Http(request):
            await answer_http(our, request)
        case None if message.is_request() and message.wants_response:
            Response().ipc(answered(message.ipc)).send()


async def answer_http(our: Address, request: http.IncomingHttpRequest) -> None:
    path = request.path()
    if request.method not in {"GET", "HEAD"}:
        respond(405, {"Error": f"{request.method} is not possible here; GET is"}, {"Allow": "GET, HEAD"})
    elif path == "/":
        await show_page(our)
    else:
        try:
            respond(200, {"Number": number(n_of(path[1:]))})
        except Refused as refused:
            respond(400, {"Error": str(refused)})


async def show_page(our: Address) -> None:
    try:
        await http.handle_ui_asset_request(our, DIRECTORY, "/")
    except http.VfsError as error:
        respond(503, {"Error": f"the page cannot be read: {error}"})


def respond(status: int, answer: object, headers: dict[str, str] | None = None) -> None:
    kind = {"Content-Type": "application/json"}
    http.send_response(status, kind | (headers or {}), to_json(answer))


def answered(ipc: bytes) -> bytes:
    try:
        match json.loads(ipc.decode()):
            case {"Number": n, **others} if not others:
                answer: object = {"Number": number(n)}
            case {"Numbers": [*ns], **others} if not others and len(ns) <= MOST_AT_ONCE:
                answer = {"Numbers": [number(n) for n in ns]}
            case _:
                wanted = f'ask {{"Number":10}} or {{"Numbers":[1,2,10]}}, at most {MOST_AT_ONCE} of them'
                answer = {"Error": wanted}
    except Refused as refused:
        answer = {"Error": str(refused)}
    except (ValueError, RecursionError) as error:
        answer = {"Error": f"that is no JSON: {error}"}
    return to_json(answer)


def n_of(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > len(str(LARGEST)):
        raise Refused(f"n is a whole number from 0 to {LARGEST}, not {json.dumps(text[:60])}")
    return int(text)


def number(n: object) -> int | str:
    if not isinstance(n, int) or isinstance(n, bool) or not 0 <= n <= LARGEST:
        raise Refused(f"n is a whole number from 0 to {LARGEST}, not {shown(n)}")
    found = fibonacci(n)
    return found if found <= EXACT_IN_JAVASCRIPT else str(found)


def shown(value: object) -> str:
    return "an object or a list" if isinstance(value, dict | list) else json.dumps(value)[:60]


def to_json(answer: object) -> bytes:
    return json.dumps(answer, separators=(",", ":")).encode()
