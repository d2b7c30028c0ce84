"""Says back what it hears.

A Request gets its own ipc and payload for an answer, an HTTP call its own body, a WebSocket frame comes back in the
type it came in. GET shows a page to try the last two.
"""

from urllib.parse import quote

from userland.process_lib import (
    Address,
    Message,
    Payload,
    Response,
    SendError,
    await_message,
    homepage,
    http,
    println,
)

DIRECTORY = "ui"
PICTURE = (
    "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 48 48'><rect width='48' height='48' rx='11' fill='#0b6e6e'/>"
    "<path d='M23 17a10 10 0 0 1 0 14M29 12a17 17 0 0 1 0 24' fill='none' stroke='#fff' stroke-width='3.5' "
    "stroke-linecap='round'/><circle cx='16' cy='24' r='4' fill='#fff'/></svg>"
)
ICON = f"data:image/svg+xml,{quote(PICTURE)}"


async def init(our: Address) -> None:
    await open_to_the_web(our)
    while True:
        try:
            echo(await await_message())
        except SendError as error:
            println(f"came back: {error}")


async def open_to_the_web(our: Address) -> None:
    """Without the web there is still an echo for messages, so nothing that fails here ends the process."""
    try:
        await http.bind_ws_path("/")
        await show_page(our)
    except (http.HttpServerError, SendError) as error:
        println(f"not on the web: {error}")


async def show_page(our: Address) -> None:
    """Where there is no page, calls are answered all the same."""
    try:
        await http.serve_index_html(our, DIRECTORY)
    except http.VfsError:
        await http.bind_http_path("/")
    else:
        homepage.add_to_homepage("Echo", icon=ICON, path="/")


def echo(message: Message) -> None:
    payload = message.payload() or Payload()
    match http.of_the_web(message):
        case http.Http(request):
            kind = request.headers.get("content-type", "application/octet-stream")
            http.send_response(200, {"Content-Type": kind}, payload.bytes)
        case http.WebSocketPush(channel_id, message_type):
            http.send_ws_push(channel_id, message_type, payload)
        case None if message.is_request() and message.wants_response:
            Response().ipc(message.ipc).payload(message.payload()).send()
