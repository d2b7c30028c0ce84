"""A process that asks another node's web server through http_client: pages, several at once, and sockets."""

from __future__ import annotations

import json
from contextlib import suppress

from runtime.sim.world import World
from tests.simulation.zoo.base import in_the_end, outlast, run_out
from tests.support.sim_home import package
from userland.process_lib import Address, Payload, SendError, await_message, http, sleep, start_soon

ASKER, SERVER = "a.nec", "b.nec"
PID = "asker:asker:me"
CODE = """
import json
from userland.process_lib import *

AT = "b.nec/served:world:sim"
TROUBLES = (SendError, http.HttpClientError)
wrong = []
said = {}
heard = {}

async def fetch(number):
    url = f"http://{AT}/say?after={random().randrange(300)}"
    try:
        found = await http.send_request_await_response("POST", url, timeout=10, body=b"%d" % number)
    except TROUBLES:
        return
    if found.status == 200 and found.body != b"re %d" % number:
        wrong.append(f"{number} was answered {found.text()!r}")

async def converse(channel):
    said[channel], heard[channel] = [], 0
    try:
        await http.open_ws_connection_and_await(f"ws://{AT}/", None, channel, timeout=10)
    except TROUBLES:
        # If the answer was late, it is open all the same.
        http.close_ws_connection(channel)
        del said[channel]
        return
    for number in range(1 + random().randrange(5)):
        text = f"{channel}.{number}"
        said[channel] += [f"{number + 1} {text}", f"{number + 1} {text} again"]
        http.send_ws_client_push(channel, WsMessageType.Text, Payload(bytes=text.encode()))
        if random().randrange(2):
            await sleep(random().random() / 2)
        if channel not in said:
            return

async def ask(seconds):
    number = 0
    while number < seconds:
        number += 1
        for part in range(3):
            start_soon(fetch, 10 * number + part)
        if number % 3 == 0:
            start_soon(converse, number)
        await sleep(1)

def hear(event, payload):
    channel = event.channel_id
    if channel not in said:
        return
    if isinstance(event, http.WsClientClose):
        del said[channel]
    elif event.message_type is WsMessageType.Text:
        place, heard[channel] = heard[channel], heard[channel] + 1
        wanted = said[channel][place] if place < len(said[channel]) else None
        if payload.bytes.decode() != wanted:
            wrong.append(f"expected {wanted!r}, heard {payload.bytes!r}")

async def init(our):
    start_soon(ask, 30)
    while True:
        try:
            message = await await_message()
        except SendError:
            continue
        event = http.of_a_server(message)
        if event is not None:
            hear(event, message.payload())
        else:
            Response().try_ipc({"wrong": wrong, "open": list(said)}).send()
"""
"""Fetches and talks for half a minute, and tells what it heard wrongly and which sockets it takes for open."""
RIGHTS = {"request_capabilities": ["http_client:sys:nectar"]}


async def served(our: Address) -> None:
    """Says back what it hears: on the page a moment later, on a socket twice, with the number of the frame."""
    heard: dict[int, int] = {}
    for bound in (lambda: http.bind_http_path("/say", False, False), lambda: http.bind_ws_path("/", False)):
        # If its http_server does not answer in time, there is no such page.
        with suppress(http.HttpServerError, SendError):
            await bound()
    while True:
        try:
            message = await await_message()
        except SendError:
            continue
        body = (message.payload() or Payload()).bytes
        match http.of_the_web(message):
            case http.Http(request):
                start_soon(_answer, request.query_params.get("after", "0"), body)
            case http.WebSocketPush(channel_id):
                heard[channel_id] = heard.get(channel_id, 0) + 1
                for again in (b"", b" again"):
                    frame = Payload(None, b"%d %b" % (heard[channel_id], body) + again)
                    http.send_ws_push(channel_id, http.WsMessageType.Text, frame)


async def _answer(after: str, body: bytes) -> None:
    await sleep(int(after) / 1000)
    http.send_response(200, {}, b"re " + body)


async def fetch(w: World) -> None:
    asker = await w.node(ASKER, [package(CODE, name="asker", **RIGHTS)])
    server = await w.node(SERVER, [served])
    await outlast(w)
    await run_out(w)
    # All sockets end with their server.
    await server.restart()
    await run_out(w)
    answer = await in_the_end(w, "to ask the asker", lambda: asker.ask(PID, b"?", seconds=10))
    told = json.loads(answer.ipc)  # type: ignore[attr-defined]
    if told["wrong"]:
        w.violate("answers", told["wrong"][0])
    if told["open"]:
        w.violate("sockets", f"the end of {told['open']} was never told")
