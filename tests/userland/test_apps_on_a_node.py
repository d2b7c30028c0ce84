"""The chat and the fibonacci app behind the real http_server, over node restarts and power cuts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kernel.ports import StoreFailed
from runtime.options import example_packages
from runtime.packages import read_package
from runtime.sim.clients import WsClient
from runtime.sim.disk import MemoryDisk
from runtime.sim.store import MemoryStore
from tests.support.sim_network import SimNetwork
from tests.support.web_node import WebNode, settle, web_node

PACKAGES = [read_package(folder) for folder in example_packages()]
CHAT = "chat:chat:nectar"
FIBONACCI = "fibonacci:fibonacci:nectar"


async def post(web: WebNode, text: str) -> dict[str, Any]:
    body = json.dumps({"text": text, "author": "alice"}).encode()
    reply = await web.http("POST", f"/{CHAT}/messages", body, cookie=web.cookie())
    assert reply.status == 201, reply
    return json.loads(reply.body)["message"]


async def history(web: WebNode, since: int = 0) -> list[dict[str, Any]]:
    reply = await web.http("GET", f"/{CHAT}/messages?since={since}", cookie=web.cookie())
    assert (reply.status, reply.header("content-type")) == (200, "application/json")
    return json.loads(reply.body)["messages"]


async def hear(socket: WsClient) -> dict[str, Any]:
    frame = await socket.receive()
    assert isinstance(frame, str)
    return json.loads(frame)


async def test_the_chat_goes_to_every_socket_however_it_came_in() -> None:
    """C-120, C-126, C-129, C-141."""
    async with web_node(packages=PACKAGES) as web:
        one, _ = await web.registered(CHAT)
        other, _ = await web.registered(CHAT, f"/{CHAT}/")
        first = await post(web, "over http")
        await one.send('{"Send":{"text":"text frame","author":"one","tag":"7"}}')
        assert await hear(one) == {"message": first}
        second = await hear(one)
        assert (second["message"]["text"], second["tag"]) == ("text frame", "7")
        await other.send(b'{"Send":{"text":"binary frame","author":"other"}}')
        assert [(await hear(other))["message"]["text"] for _ in range(3)] == [
            "over http", "text frame", "binary frame",
        ]  # fmt: skip
        await other.send("nonsense")
        assert "error" in await hear(other)
        assert (await hear(one))["message"] == (await history(web))[-1]


async def test_the_chat_wants_a_login() -> None:
    """C-091, C-092, C-123."""
    async with web_node(packages=PACKAGES) as web:
        for path in ("", "/messages", "/chat.js"):
            assert (await web.http("GET", f"/{CHAT}{path}")).status == 307
        refused = await web.http("POST", f"/{CHAT}/messages", b'{"text":"hi"}')
        assert refused.status == 401
        socket = await web.websocket("/")
        await socket.send(web.register_frame(CHAT, "no.real.token"))
        assert (await socket.ended()).code == 1008
        assert await history(web) == []


async def test_the_page_of_the_chat_and_what_it_loads_are_served() -> None:
    async with web_node(packages=PACKAGES) as web:
        for path, kind in (("", "text/html"), ("/chat.js", "text/javascript"), ("/chat.css", "text/css")):
            reply = await web.http("GET", f"/{CHAT}{path}", cookie=web.cookie())
            assert reply.status == 200
            assert (reply.header("content-type") or "").startswith(kind)


async def test_a_chat_that_reads_nothing_is_let_go_and_the_others_hear_everything() -> None:
    """C-137."""
    async with web_node(packages=PACKAGES, capacity=4096) as web:
        await web.registered(CHAT)
        reader, _ = await web.registered(CHAT)
        for n in range(40):
            assert (await post(web, "x" * 4000))["id"] == n + 1
            assert (await hear(reader))["message"]["id"] == n + 1


async def test_the_history_is_there_after_a_restart_of_the_node() -> None:
    store, disk = MemoryStore(), MemoryDisk()
    async with web_node(packages=PACKAGES, store=store, disk=disk) as web:
        said = [await post(web, "a"), await post(web, "b")]
    async with web_node(store=store.crash(), disk=disk.crash()) as web:
        await settle()
        assert await history(web) == said
        assert (await post(web, "c"))["id"] == 3
        assert [message["text"] for message in await history(web, 1)] == ["b", "c"]


async def test_what_was_answered_is_there_after_a_power_cut() -> None:
    store, disk = MemoryStore(), MemoryDisk()
    with pytest.RaisesGroup(StoreFailed):  # what a stop would still write goes nowhere
        async with web_node(packages=PACKAGES, store=store, disk=disk) as web:
            said = [await post(web, str(n)) for n in range(5)]
            store, disk = store.crash(), disk.crash()
    async with web_node(store=store, disk=disk) as web:
        await settle()
        assert await history(web) == said


async def test_fibonacci_answers_over_http() -> None:
    """C-103."""
    async with web_node(packages=PACKAGES) as web:
        found = await web.http("GET", f"/{FIBONACCI}/10", cookie=web.cookie())
        assert (found.status, json.loads(found.body)) == (200, {"Number": 55})
        page = await web.http("GET", f"/{FIBONACCI}", cookie=web.cookie())
        assert (page.status, b"<title>Fibonacci</title>" in page.body) == (200, True)
        assert (await web.http("GET", f"/{FIBONACCI}/x", cookie=web.cookie())).status == 400
        assert (await web.http("GET", f"/{FIBONACCI}/10")).status == 307


async def test_two_nodes_chat_with_each_other() -> None:
    """C-164."""
    network = SimNetwork("alice.uq", "bob.uq")
    async with network.booted("alice.uq", *PACKAGES) as alice, network.booted("bob.uq", *PACKAGES) as bob:
        send = {"Send": {"text": "good morning", "author": "Alice", "to": "bob.uq"}}
        told = json.loads(await alice.ask(CHAT, json.dumps(send)))
        assert told == {"delivered": {"to": "bob.uq", "id": 1}}
        [heard] = json.loads(await bob.ask(CHAT, '"History"'))["messages"]
        assert (heard["author"], heard["node"], heard["text"]) == ("Alice", "alice.uq", "good morning")
        assert "error" in json.loads(await alice.ask(CHAT, '"History"', node="bob.uq"))
        injected = json.loads(await bob.ask(CHAT, '{"Send":{"text":"and to you"}}', node="alice.uq"))
        assert (injected["message"]["author"], injected["message"]["node"]) == ("bob.uq", "bob.uq")
        assert json.loads(await alice.ask(CHAT, '"History"'))["last"] == 1
