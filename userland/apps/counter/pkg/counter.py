"""A counter with a replica on each of several nodes. Each counts on its own and is never in the way of the others; what
was added anywhere shows everywhere, once the nodes have heard of each other. `wire` says what it can be asked.
"""

from collections.abc import Awaitable
from urllib.parse import quote

from userland.process_lib import (
    Address,
    Message,
    Payload,
    Response,
    SendError,
    StateError,
    await_message,
    get_state,
    homepage,
    http,
    println,
    random,
)

from .replica import Replica
from .tally import Full, Tally
from .wire import (
    KEPT,
    Add,
    ReadReplicas,
    ReadValue,
    Refused,
    SetReplicas,
    parse_news,
    parse_post,
    parse_request,
    to_json,
)

PICTURE = (
    "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 48 48'><rect width='48' height='48' rx='11' fill='#7a2f6b'/>"
    "<path d='M13 12v24M19 12v24M25 12v24M31 12v24M9 31 35 17' fill='none' stroke='#fff' stroke-width='3' "
    "stroke-linecap='round'/></svg>"
)
HEADERS = {"Content-Type": "application/json", "Cache-Control": "no-store"}


async def init(our: Address) -> None:
    replica = Replica(our, await read_tally(our))
    replica.tell_all()
    await open_to_the_web(our)
    while True:
        try:
            await hear(our, replica, await await_message())
        except SendError as error:
            println(f"came back: {error}")


async def read_tally(our: Address) -> Tally:
    """A new replica has a name of its own: one that has lost its state must not count on from below its old total.

    Raises `tally.Unreadable`: nothing is thrown away, and nothing counted, until somebody has looked at it.
    """
    state = await get_state()
    if state is None:
        return Tally(f"{our.node} {random().getrandbits(64):016x}")
    return Tally.from_bytes(state)


async def open_to_the_web(our: Address) -> None:
    """Without the web there is still a counter for messages, so nothing that fails here ends the process."""
    try:
        for path in ("/add", "/value"):
            await http.bind_http_path(path)
        await http.serve_ui(our, "ui")
        homepage.add_to_homepage("Counter", icon=f"data:image/svg+xml,{quote(PICTURE)}", path="/")
    except (http.HttpServerError, http.VfsError, SendError) as error:
        println(f"not on the web: {error}")


async def hear(our: Address, replica: Replica, message: Message) -> None:
    try:
        match http.of_the_web(message):
            case http.Http(request):
                await hear_http(replica, request, (message.payload() or Payload()).bytes)
            case None if message.is_request():
                answer = await (
                    asked(replica, message.ipc) if message.is_local() else told(our, replica, message)
                )
                respond(message, answer)
    except Refused as refused:
        respond(message, to_json({"error": str(refused)}))


def respond(message: Message, answer: bytes) -> None:
    if message.wants_response:
        Response().ipc(answer).send()


async def asked(replica: Replica, ipc: bytes) -> bytes:
    """The answer. Raises `Refused`."""
    match parse_request(ipc):
        case Add(amount):
            await kept(replica.add(amount))
        case SetReplicas(others):
            await kept(replica.share(others))
            return shown_replicas(replica)
        case ReadReplicas():
            return shown_replicas(replica)
        case ReadValue():
            pass
    return shown_value(replica)


async def told(our: Address, replica: Replica, message: Message) -> bytes:
    """By another node. Raises `Refused`."""
    node, news = message.source.node, parse_news(message.ipc)
    if message.source.process != our.process or node not in replica.tally.others:
        raise Refused(403, f"{message.source} is no replica of this counter, as far as {our.node} knows")
    await kept(replica.hear(node, news))
    return KEPT


async def kept(change: Awaitable[None]) -> None:
    """Raises `Refused`."""
    try:
        await change
    except Full as error:
        raise Refused(409, str(error)) from None
    except (SendError, StateError) as error:
        raise Refused(
            503, f"the node could not keep that: {error}; look at the value, then try again"
        ) from None


def shown_value(replica: Replica) -> bytes:
    return to_json({"value": replica.tally.value})


def shown_replicas(replica: Replica) -> bytes:
    return to_json({"replicas": replica.tally.others})


# -- over HTTP


async def hear_http(replica: Replica, request: http.IncomingHttpRequest, body: bytes) -> None:
    try:
        match request.method, request.path():
            case "POST", "/add":
                await kept(replica.add(parse_post(body).amount))
            case "GET" | "HEAD", "/value":
                pass
            case method, path:
                allowed = "POST" if path == "/add" else "GET, HEAD"
                refused = to_json({"error": f"{method} is not possible here; {allowed} is"})
                http.send_response(405, HEADERS | {"Allow": allowed}, refused)
                return
        http.send_response(200, HEADERS, shown_value(replica))
    except Refused as refused:
        http.send_response(refused.status, HEADERS, to_json({"error": str(refused)}))
