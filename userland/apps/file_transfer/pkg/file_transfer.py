"""Files of this node, and a way for nodes to fetch them from each other.

Each transfer has a worker, a process of its own, which asks the other node for one piece after the other: `worker`.
This process keeps the shelf, answers the pages (`GET`, `PUT` and `DELETE /files/NAME`, `GET /files`, `GET` and `POST
/transfers`) and the workers of other nodes, and tells every open page what changes.
"""

import json
from urllib.parse import quote, unquote

from userland.process_lib import (
    Address,
    Message,
    OnExit,
    Payload,
    Request,
    Response,
    SendError,
    SpawnError,
    await_message,
    homepage,
    http,
    println,
    sleep,
    spawn,
    start_soon,
    vfs,
)

from .names import BadName, checked
from .shelf import LARGEST_ANSWER, Shelf
from .transfers import Transfer, Transfers
from .wire import (
    CHUNK,
    Chunk,
    Get,
    ListFiles,
    ListTransfers,
    Offer,
    Refused,
    Remove,
    error_in,
    parse,
    to_json,
)

PICTURE = (
    "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 48 48'><rect width='48' height='48' rx='11' fill='#5b3f8c'/>"
    "<path d='M17 34V15m0 0-6 6m6-6 6 6M31 14v19m0 0-6-6m6 6 6-6' fill='none' stroke='#fff' stroke-width='3.5' "
    "stroke-linecap='round' stroke-linejoin='round'/></svg>"
)
MOST_AT_ONCE = 8
LONGEST_TRANSFER = 24 * 3600
ASK_SECONDS = 15
JSON = {"Content-Type": "application/json", "Cache-Control": "no-store"}


class App:
    def __init__(self, our: Address, shelf: Shelf) -> None:
        self.our = our
        self.shelf = shelf
        self.transfers = Transfers()
        self.pages: dict[int, None] = {}


async def init(our: Address) -> None:
    app = App(our, await opened(our))
    await open_to_the_web(our)
    while True:
        try:
            message = await await_message()
            # Reading a disk takes its time: nobody waits for what another one asked.
            start_soon(hear, app, message)
        except SendError as error:
            println(f"came back: {error}")


async def opened(our: Address) -> Shelf:
    """Waits for as long as the disk does not answer."""
    while True:
        try:
            return await Shelf.open(our)
        except (SendError, vfs.VfsError) as error:
            println(f"the files cannot be read yet: {error}")
            await sleep(1)


async def open_to_the_web(our: Address) -> None:
    """Without the web there are still messages, so nothing that fails here ends the process."""
    try:
        for path in ("/files", "/files/*name", "/transfers"):
            await http.bind_http_path(path)
        await http.bind_ws_path("/")
        await http.serve_ui(our, "ui")
        homepage.add_to_homepage("Files", icon=f"data:image/svg+xml,{quote(PICTURE)}", path="/")
    except (http.HttpServerError, vfs.VfsError, SendError) as error:
        println(f"not on the web: {error}")


# -- who asks


async def hear(app: App, message: Message) -> None:
    """Whatever goes wrong is that request's trouble only."""
    payload = message.payload() or Payload()
    try:
        match http.of_the_web(message):
            case http.Http(request):
                await hear_http(app, request, payload.bytes)
            case http.WebSocketOpen(_, channel_id):
                app.pages[channel_id] = None
                await show(app, channel_id)
            case http.WebSocketClose(channel_id):
                app.pages.pop(channel_id, None)
            case None if (
                message.is_request() and message.ipc.startswith(b'{"Progress"') and message.is_local()
            ):
                note_progress(app, message)
            case None if message.is_request():
                await answer(app, message)
    except SendError as error:
        println(f"came back: {error}")


async def hear_http(app: App, request: http.IncomingHttpRequest, body: bytes) -> None:
    try:
        await answer_http(app, request, body)
    except BadName as error:
        respond(400, Refused(str(error)).to_bytes())
    except Refused as refused:
        respond(refused.status, refused.to_bytes())
    except (vfs.VfsError, SendError) as error:
        respond(503, Refused(f"the disk does not do that: {error}").to_bytes())


async def answer_http(app: App, request: http.IncomingHttpRequest, body: bytes) -> None:
    path = request.path()
    match request.method, path.split("/", 2)[1:]:
        case "GET" | "HEAD", ["files"]:
            node = request.query_params.get("node")
            respond(200, to_json({"Files": await files_of(app, node or None)}))
        case "GET" | "HEAD", ["files", name]:
            await send_file(app, checked(unquote(name)))
        case "PUT" | "POST", ["files", name]:
            called = checked(unquote(name))
            await app.shelf.put(called, body)
            respond(201, to_json({"Put": called}))
            await show_all(app)
        case "DELETE", ["files", name]:
            await app.shelf.remove(checked(unquote(name)))
            respond(200, to_json({"Removed": True}))
            await show_all(app)
        case "GET" | "HEAD", ["transfers"]:
            respond(200, to_json({"Transfers": app.transfers.to_json()}))
        case "POST", ["transfers"]:
            match parse(b'{"Get":%b}' % body):
                case Get() as get:
                    respond(202, to_json({"Started": (await begin(app, get)).to_json()}))
        case method, _:
            raise Refused(f"{method} is not possible here", 405)


async def send_file(app: App, name: str) -> None:
    size = await app.shelf.size(name)
    if size > LARGEST_ANSWER:
        raise Refused(
            f"{name} has {size} bytes, more than a browser is given at once ({LARGEST_ANSWER})", 413
        )
    kind = {"Content-Type": "application/octet-stream"}
    shown = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}"}
    http.send_response(200, kind | shown, await app.shelf.read(name, 0, size))


def respond(status: int, body: bytes) -> None:
    http.send_response(status, JSON, body)


async def answer(app: App, message: Message) -> None:
    """A process of this node, or the worker of another one."""
    payload = None
    try:
        asked = parse(message.ipc)
        if isinstance(asked, Chunk):
            said, payload = await cut(app, asked)
        elif isinstance(asked, Offer):
            size = await app.shelf.size(asked.name)
            said = to_json({"Offer": {"size": size, "sha256": await app.shelf.sha256(asked.name)}})
        elif asked == ListFiles():
            said = to_json({"Files": await app.shelf.listed()})
        elif message.is_local():
            said = to_json(await done(app, asked))
        else:
            said = Refused("another node may only look and fetch").to_bytes()
    except Refused as refused:
        said = refused.to_bytes()
    except (vfs.VfsError, SendError) as error:
        said = Refused(f"the disk does not do that: {error}").to_bytes()
    if message.wants_response:
        Response().ipc(said).payload(payload).send()


async def done(app: App, asked: ListFiles | ListTransfers | Get | Remove) -> object:
    """What only processes of this node may ask for."""
    match asked:
        case ListFiles(node):
            return {"Files": await files_of(app, node)}
        case ListTransfers():
            return {"Transfers": app.transfers.to_json()}
        case Get() as get:
            return {"Started": (await begin(app, get)).to_json()}
        case Remove(name):
            await app.shelf.remove(name)
            await show_all(app)
            return {"Removed": True}


async def cut(app: App, chunk: Chunk) -> tuple[bytes, Payload]:
    size = await app.shelf.size(chunk.name)
    data = await app.shelf.read(chunk.name, chunk.offset, CHUNK)
    if chunk.offset == 0 and await app.shelf.sha256(chunk.name) != chunk.sha256:
        raise Refused(f"{chunk.name} was changed meanwhile")
    return to_json({"Chunk": {"size": size}}), Payload("application/octet-stream", data)


async def files_of(app: App, node: str | None) -> object:
    """Raises `Refused` when the other node does not answer."""
    if node is None or node == app.our.node:
        return await app.shelf.listed()
    try:
        asked = Request().target((node, app.our.process)).ipc('"Files"')
        found = json.loads((await asked.send_and_await_response(ASK_SECONDS)).ipc)
    except SendError as error:
        raise Refused(f"{node} does not answer: {error.detail or error.reason}", 502) from None
    except ValueError as error:
        raise Refused(f"{node} is no node's name: {error}") from None
    match found:
        case {"Files": [*files]}:
            return files
    raise Refused(f"{node} shows no files", 502)


# -- transfers


async def begin(app: App, get: Get) -> Transfer:
    if app.transfers.running() >= MOST_AT_ONCE:
        raise Refused(f"{MOST_AT_ONCE} transfers run already; wait for one to end", 429)
    if get.node == app.our.node:
        raise Refused("that file is here already")
    try:
        Address(get.node, app.our.process)
    except ValueError as error:
        raise Refused(f"{get.node!r:.60} is no node's name: {error}") from None
    transfer = app.transfers.begin(get.node, get.name)
    start_soon(run, app, transfer)
    await show_all(app)
    return transfer


async def run(app: App, transfer: Transfer) -> None:
    """Ends the transfer, whatever becomes of its worker."""
    try:
        worker = await spawn(None, "/worker.py", OnExit.none(), request_capabilities="All")
        job = {
            "number": transfer.number,
            "node": transfer.node,
            "name": transfer.name,
            "part": app.shelf.part(transfer.number),
        }
        asked = Request().target((app.our.node, worker)).ipc(to_json(job))
        told = await asked.send_and_await_response(LONGEST_TRANSFER)
        transfer.error = error_in(told.ipc)
        if transfer.error is None:
            transfer.kept_as = await app.shelf.take_in(transfer.number, transfer.name)
    except SpawnError as error:
        transfer.error = f"no worker could be started: {error}"
    except SendError as error:
        transfer.error = f"the worker is gone: {error.detail or error.reason}"
    except vfs.VfsError as error:
        transfer.error = f"it cannot be kept: {error}"
    transfer.state = "done" if transfer.error is None else "failed"
    try:
        if transfer.error is not None:
            await vfs.remove_file(app.shelf.part(transfer.number))
    except (vfs.VfsError, SendError):
        pass  # There was none, or the next start throws it away.
    await show_all(app)


def note_progress(app: App, message: Message) -> None:
    """A worker's word of a transfer that is over, or was before a restart, means nothing."""
    match json.loads(message.ipc):
        case {"Progress": {"number": int(number), "received": int(received), "size": int(size)}}:
            transfer = app.transfers.get(number)
            if transfer is not None and transfer.state == "running":
                transfer.received, transfer.size = received, size
                tell_pages(app, {"Transfers": app.transfers.to_json()})


# -- open pages


async def show(app: App, channel_id: int) -> None:
    for fact in ({"Files": await listed(app)}, {"Transfers": app.transfers.to_json()}):
        http.send_ws_push(channel_id, http.WsMessageType.Text, Payload(None, to_json(fact)))


async def show_all(app: App) -> None:
    if app.pages:
        tell_pages(app, {"Files": await listed(app)})
        tell_pages(app, {"Transfers": app.transfers.to_json()})


async def listed(app: App) -> object:
    try:
        return await app.shelf.listed()
    except (vfs.VfsError, SendError) as error:
        println(f"the files cannot be listed: {error}")
        return []


def tell_pages(app: App, fact: object) -> None:
    text = to_json(fact)
    for channel_id in app.pages:
        http.send_ws_push(channel_id, http.WsMessageType.Text, Payload(None, text))
