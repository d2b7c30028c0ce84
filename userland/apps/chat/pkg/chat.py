"""A chat of everybody who is logged in to this node, and of the chats of other nodes.

`GET /messages?since=ID` and `POST /messages` over HTTP; over sockets, and as messages of other processes, the requests
of `wire`. What is said is answered, and goes to every open socket, once it is kept: not before. Another node may say
something; what was said here it cannot read.
"""

from functools import partial
from urllib.parse import quote

from userland.process_lib import (
    Address,
    Message,
    Payload,
    Response,
    SendError,
    await_message,
    get_state,
    homepage,
    http,
    now,
    println,
    sleep,
)

from .model import History, Unreadable
from .room import Room
from .wire import (
    ReadHistory,
    ReadSetAside,
    Refused,
    Reply,
    Send,
    messages_answer,
    parse_post,
    parse_request,
    parse_since,
    parse_visit,
)

PICTURE = (
    "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 48 48'><rect width='48' height='48' rx='11' fill='#8a4b00'/>"
    "<path d='M13 13h22a3 3 0 0 1 3 3v14a3 3 0 0 1-3 3H25l-8 6v-6h-4a3 3 0 0 1-3-3V16a3 3 0 0 1 3-3z' fill='#fff'/>"
    "</svg>"
)
HEADERS = {"Content-Type": "application/json", "Cache-Control": "no-store"}


async def init(our: Address) -> None:
    room = Room(our, await read_history())
    await open_to_the_web(our)
    while True:
        try:
            await hear(room, await await_message())
        except SendError as error:
            println(f"came back: {error}")


async def read_history() -> History:
    """What cannot be understood is set aside, never thrown away. Waits for as long as the disk does not answer."""
    while True:
        try:
            state = await get_state()
            break
        except SendError as error:
            println(f"the history cannot be read yet: {error}")
            await sleep(1)
    if state is None:
        return History()
    try:
        return History.from_bytes(state)
    except Unreadable as error:
        println(f'set the history aside, for it is unreadable: {error}; send "SetAside" to get its bytes')
        return History.anew(state, str(error), now())


async def open_to_the_web(our: Address) -> None:
    """Without the web there is still a chat for messages, so nothing that fails here ends the process."""
    try:
        await http.bind_http_path("/messages")
        await http.serve_ui(our, "ui")
        homepage.add_to_homepage("Chat", icon=f"data:image/svg+xml,{quote(PICTURE)}", path="/")
    except (http.HttpServerError, http.VfsError, SendError) as error:
        println(f"not on the web: {error}")


# -- who asks


async def hear(room: Room, message: Message) -> None:
    payload = message.payload() or Payload()
    match http.of_the_web(message):
        case http.Http(request):
            await hear_http(room, request, payload.bytes)
        case http.WebSocketOpen(_, channel_id):
            room.enter(channel_id)
        case http.WebSocketPush(channel_id):
            await answer(room, payload.bytes, partial(push, channel_id), channel_id)
        case http.WebSocketClose(channel_id):
            room.leave(channel_id)
        case None if message.is_request():
            node = None if message.is_local() else message.source.node
            await answer(room, message.ipc, respond if message.wants_response else ignore, node=node)


async def hear_http(room: Room, request: http.IncomingHttpRequest, body: bytes) -> None:
    try:
        match request.method, request.path():
            case "POST", "/messages":
                await room.say(parse_post(body), respond_http)
            case "GET" | "HEAD", "/messages":
                since = parse_since(request.query_params.get("since", "0"))
                respond_http(200, history_since(room, since))
            case method, "/messages":
                refuse_method(method, "GET, HEAD, POST")
            case method, _:
                # http_server shows the page on every other GET.
                refuse_method(method, "GET, HEAD")
    except Refused as refused:
        respond_http(refused.status, refused.to_bytes())


async def answer(
    room: Room, asked: bytes, reply: Reply, channel_id: int | None = None, node: str | None = None
) -> None:
    """`node` is the other node that asks, if one does."""
    try:
        match parse_request(asked) if node is None else parse_visit(asked):
            case Send() as send:
                await room.say(send, reply, channel_id, node)
            case ReadHistory(since):
                reply(200, history_since(room, since))
            case ReadSetAside():
                reply(200, b'{"set_aside":%b}' % room.history.set_aside)
    except Refused as refused:
        reply(refused.status, refused.to_bytes())


def history_since(room: Room, number: int) -> bytes:
    return messages_answer(room.history.since(number), room.history.last)


# -- how they are answered


def respond_http(status: int, body: bytes) -> None:
    http.send_response(status, HEADERS, body)


def refuse_method(method: str, allowed: str) -> None:
    refused = Refused(405, f"{method} is not possible here; {allowed} are")
    http.send_response(refused.status, HEADERS | {"Allow": allowed}, refused.to_bytes())


def respond(status: int, body: bytes) -> None:
    Response().ipc(body).send()


def push(channel_id: int, status: int, body: bytes) -> None:
    # A message that is kept goes to every socket, so its sender hears of it anyway.
    if status != 201:
        http.send_ws_push(channel_id, http.WsMessageType.Text, Payload(None, body))


def ignore(status: int, body: bytes) -> None:
    """Who asked wants no answer."""
