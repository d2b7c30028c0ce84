"""The client half of `process_lib.http`, from one node of a simulated world to another's web server."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.sim import Verdict, World, run
from tests.support.sim_home import package
from userland.process_lib import http
from userland.process_lib.testing import ActorTest, HttpCall

SERVER = """
from userland.process_lib import *

async def init(our):
    await http.bind_http_path("/echo", False, False)
    await http.bind_ws_path("/", False)
    while True:
        message = await await_message()
        match http.of_the_web(message):
            case http.Http(request):
                body = get_payload().bytes
                http.send_response(201 if request.method == "POST" else 200, {"x-said": "yes"}, b"[1," + body + b"2]")
            case http.WebSocketPush(channel_id, kind):
                http.send_ws_push(channel_id, kind, get_payload())
"""

CLIENT = """
import json
from userland.process_lib import *

async def init(our):
    found = None
    while True:
        word = (await await_message()).ipc.decode()
        try:
            if word in ("post", "socket"):
                # What is heard meanwhile takes the place of the message that is answered.
                Response().ipc(b"begun").send()
                found = await ask(our, word)
            else:
                Response().ipc(repr(found if word == "found" else await ask(our, word)).encode()).send()
        except http.HttpClientError as error:
            Response().ipc(repr(error.error).encode()).send()

async def ask(our, word):
    if word == "get":
        found = await http.send_request_await_response("GET", "http://bob.nec/server:server:me/echo")
        return found.status, found.headers["X-Said"], found.json()
    if word == "post":
        http.send_request("POST", "http://bob.nec/server:server:me/echo", {}, 10, "3,")
        found = http.response_of(await await_message())
        return found.status, found.text()
    if word == "socket":
        await http.open_ws_connection_and_await("ws://bob.nec/server:server:me/", None, 7)
        http.send_ws_client_push(7, WsMessageType.Text, Payload(bytes=b"over"))
        http.send_ws_client_push(our.node, 7, WsMessageType.Binary, Payload(bytes=b"and out"))
        said = []
        for _ in range(2):
            message = await await_message()
            event = http.of_a_server(message)
            said.append((event.channel_id, event.message_type.value, message.payload().bytes))
        await http.close_ws_connection_and_await(our.node, 7)
        return said
    if word == "closed":
        await http.close_ws_connection_and_await(7)
    if word == "late":
        return await http.send_request_await_response("GET", "http://bob.nec/server:server:me/echo", timeout=10)
    if word == "home":
        return await http.send_request_await_response("GET", "http://alice.nec/", local=True)
    return await http.send_request_await_response("GET", "gopher://x/")
"""
RIGHTS = {
    "request_capabilities": ["http_client:sys:nectar"],
    "grant_capabilities": ["http_client:sys:nectar", "http_server:sys:nectar"],
}

SAID = {
    "get": "(200, 'yes', [1, 2])",
    "post": "(201, '[1,3,2]')",
    "socket": "[(7, 'Text', b'over'), (7, 'Binary', b'and out')]",
    "closed": "WsCloseFailed(channel_id=7)",
    "bad": "BadUrl(url='gopher://x/')",
}


async def nodes(w: World):
    alice = await w.node("alice.nec", [package(CLIENT, name="client", public=True, **RIGHTS)])
    web = {
        "request_capabilities": ["http_server:sys:nectar"],
        "grant_capabilities": ["http_server:sys:nectar"],
    }
    await w.node("bob.nec", [package(SERVER, name="server", **web)])
    return alice


@pytest.mark.parametrize("seed", range(3))
def test_it_asks_posts_and_talks(seed: int) -> None:
    answers = {}

    async def asks(w: World) -> None:
        alice = await nodes(w)
        for word in ("get", "post", "socket", "closed", "home", "bad"):
            answers[word] = (await alice.ask("client:client:me", word.encode())).ipc.decode()
            if answers[word] == "begun":
                await w.sleep(1)
                answers[word] = (await alice.ask("client:client:me", b"found")).ipc.decode()

    assert run(asks, seed=seed).verdict is Verdict.OK
    assert "is this machine" in answers.pop("home")
    assert answers == SAID


def test_in_a_plain_test_it_hears_the_same(tmp_path: Path) -> None:
    (tmp_path / "client.py").write_text(CLIENT)
    echo = "http://bob.nec/server:server:me/echo"

    def serve(call: HttpCall) -> http.FetchedResponse:
        status = 201 if call.method == "POST" else 200
        return http.FetchedResponse(status, {"x-said": "yes"}, b"[1," + call.body + b"2]")

    answers: dict[str, str] = {}
    servers = {echo: serve, "ws://bob.nec/server:server:me/": lambda frame: frame.bytes}
    with ActorTest(tmp_path / "client.py", our="client:client:me", servers=servers) as actor:
        for word in ("get", "post", "closed", "bad", "home"):
            answers[word] = actor.send(word, expects_response=5).ipc.decode()
            if answers[word] == "begun":
                answers[word] = actor.send("found", expects_response=5).ipc.decode()
        assert actor.send("socket", expects_response=5).ipc == b"begun"
        assert [frame.bytes for frame in actor.server_frames(7)] == [b"over", b"and out"]
        # What a scripted server echoes as bytes is no text.
        found = actor.send("found", expects_response=5).ipc.decode()
        answers["socket"] = found.replace("'Binary', b'over'", "'Text', b'over'")
    # The world's own servers are elsewhere; one of this name is not served here.
    assert "this test has no such server" in answers.pop("home")
    assert answers == SAID


def test_in_a_partition_it_waits_as_long_as_it_may_and_no_longer() -> None:
    async def asks(w: World) -> None:
        alice = await nodes(w)
        with w.net.partition("alice.nec", "bob.nec"):
            began = w.now
            answer = await alice.ask("client:client:me", b"late")
            assert b"no whole answer within 10 s" in answer.ipc
            assert w.now - began < 10
        assert b"200" in (await alice.ask("client:client:me", b"get")).ipc

    assert run(asks).verdict is Verdict.OK


def test_a_server_that_crashes_ends_requests_and_sockets() -> None:
    async def asks(w: World) -> None:
        alice = await nodes(w)
        await alice.ask("client:client:me", b"get")
        w.nodes["bob.nec"].crash()
        assert b"cannot be reached" in (await alice.ask("client:client:me", b"get")).ipc

    assert run(asks).verdict is Verdict.OK
