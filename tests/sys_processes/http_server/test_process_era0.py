"""Clients of November 2023 at the door of a whole node (PROTOCOL 6.14, 6.15)."""

from __future__ import annotations

import pytest
import trio

from kernel.jsontext import JsonValue, dump, parse
from runtime.sim.clients import WsClient
from sys_processes.http_server.protocol import WebSocketClose, WebSocketOpen, WebSocketPush, WsMessageType
from sys_processes.http_server.settings import HttpSettings
from tests.support.module_node import OneKey
from tests.support.sealed_client import Secret, check_signature, modulus, unsealed
from tests.support.web_app import NODE, App
from tests.support.web_node import APP, WebNode, settle, web_node

TEXT, BINARY = WsMessageType.Text, WsMessageType.Binary
ENCRYPTOR = "/encryptor:sys:nectar"
NAME = "chess-1"
BODY = dump({"channel_id": NAME, "public_key_hex": modulus()})
REFUSED = (1008, "invalid registration")
UNREADABLE = (1008, "unreadable frame")


def credentials(web: WebNode) -> dict[str, JsonValue]:
    return {"auth_token": web.token(), "ws_auth_token": web.token(), "channel_id": NAME}


def message(web: WebNode, json: JsonValue, process: str = APP, **changed: JsonValue) -> bytes:
    target: JsonValue = {"node": NODE, "process": process}
    return dump({"WsMessage": {**credentials(web), "target": target, "json": json, **changed}})


def sealed_message(web: WebNode, frame: bytes) -> bytes:
    target: JsonValue = {"node": NODE, "process": APP}
    parts = {"encrypted": frame[:-12].decode("latin-1"), "nonce": frame[-12:].decode("latin-1")}
    return dump({"EncryptedWsMessage": {**credentials(web), "target": target, **parts}})


async def registered(web: WebNode) -> WsClient:
    socket = await web.websocket("/")
    await socket.send(dump({"WsRegister": credentials(web)}))
    return socket


async def exchanged(web: WebNode) -> Secret:
    reply = await web.http("POST", ENCRYPTOR, BODY, cookie=web.cookie())
    assert reply.status == 201
    answer = parse(reply.body)
    assert isinstance(answer, dict)
    check_signature(answer["signed_public_key"])
    return Secret(unsealed(answer["encrypted_secret"]))


async def end_after(socket: WsClient, *frames: str | bytes) -> tuple[int | None, str]:
    for frame in frames:
        await socket.send(frame)
    end = await socket.ended()
    return end.code, end.reason


# -- the routes


async def test_a_channel_keeps_its_secret() -> None:
    async with web_node() as web:
        assert await exchanged(web) == await exchanged(web)


async def test_a_key_is_taken_from_this_machine_with_a_login_only() -> None:
    async with web_node() as web:
        cookie = web.cookie()
        assert (await web.http("POST", ENCRYPTOR, BODY)).status == 401
        assert (await web.http("POST", ENCRYPTOR, BODY, cookie=cookie, peer="10.0.0.1:5")).status == 403
        assert (
            await web.http("POST", ENCRYPTOR, BODY, cookie=cookie, origin="http://evil.example")
        ).status == 403
        assert (await web.http("POST", ENCRYPTOR, b"{}", cookie=cookie)).status == 400
        assert (await web.http("POST", ENCRYPTOR, cookie=cookie)).status == 400
        assert (await web.http("POST", ENCRYPTOR, bytes(20_000), cookie=cookie)).status == 413
        refused = await web.http("GET", ENCRYPTOR, cookie=cookie)
        assert (refused.status, refused.header("allow")) == (405, "POST")


async def test_the_key_of_our_node_is_open_to_all_and_that_of_others_is_not_here() -> None:
    async with web_node() as web:
        reply = await web.http("GET", f"/qns_indexer:qns_indexer:nectar/node/{NODE}", peer="10.0.0.1:5")
        assert reply.status == 200
        assert parse(reply.body) == {"name": NODE, "public_key": f"0x{OneKey().public_key.hex()}"}
        assert (await web.http("GET", "/qns_indexer:qns_indexer:nectar/node/bob.uq")).status == 404
        assert (await web.http("GET", "/qns_indexer:qns_indexer:nectar/node/")).status == 404
        assert (await web.http("POST", f"/qns_indexer:qns_indexer:nectar/node/{NODE}", b"x")).status == 405


# -- the socket


async def test_the_first_message_opens_a_channel_of_its_process() -> None:
    """C-122, C-126, C-128."""
    async with web_node() as web:
        app = await web.started(App())
        socket = await registered(web)
        await settle()
        assert app.heard == []
        await socket.send(message(web, {"a": 1}))
        await socket.send(message(web, "two").decode())
        await settle()
        [opened] = app.opened()
        assert opened == WebSocketOpen("/", opened.channel_id)
        assert app.pushed(opened.channel_id) == [(TEXT, b'{"a":1}'), (TEXT, b'"two"')]
        await app.tell(WebSocketPush(opened.channel_id, TEXT), b'{"b":2}')
        assert await socket.receive() == b'{"b":2}'
        await socket.close()
        await settle()
        assert app.closed() == [opened.channel_id]
        app.check_law(all_closed=True)


async def test_who_sends_sealed_is_answered_sealed() -> None:
    """C-143."""
    async with web_node() as web:
        app = await web.started(App(echo=True))
        secret = await exchanged(web)
        socket = await registered(web)
        await socket.send(message(web, "plain"))
        assert await socket.receive() == b'"plain"'
        for data in (b"", b"hello", bytes(range(256)) * 100):
            await socket.send(sealed_message(web, secret.seal(data)))
            assert secret.open(await socket.receive()) == data
        [opened] = app.opened()
        assert app.pushed(opened.channel_id)[1] == (BINARY, b"")
        assert await app.ask(WebSocketClose(opened.channel_id)) is None
        assert (await socket.ended()).code == 1000


async def test_a_channel_may_begin_sealed() -> None:
    async with web_node() as web:
        app = await web.started(App(echo=True))
        secret = await exchanged(web)
        socket = await registered(web)
        await socket.send(sealed_message(web, secret.seal(b"first")))
        assert secret.open(await socket.receive()) == b"first"
        assert app.pushed(app.opened()[0].channel_id) == [(BINARY, b"first")]


@pytest.mark.parametrize(
    "spoiled",
    [
        lambda web: message(web, 1, "other:app:alice.uq"),
        lambda web: message(web, 1, auth_token="bad"),
        lambda web: message(web, 1, channel_id="chess-2"),
        lambda web: message(web, 1, target={"node": "bob.uq", "process": APP}),
        lambda web: sealed_message(web, bytes(40)),
        lambda web: b"no JSON",
        lambda web: "{}",
    ],
)
async def test_a_bad_message_ends_the_channel_and_the_process_hears_of_it_once(spoiled: object) -> None:
    """C-128."""
    assert callable(spoiled)
    async with web_node() as web:
        app, other = await web.started(App()), await web.started(App(), "other:app:alice.uq")
        await exchanged(web)
        socket = await registered(web)
        assert await end_after(socket, message(web, 1), spoiled(web), message(web, 2)) == UNREADABLE
        await settle()
        [opened] = app.opened()
        assert (app.pushed(opened.channel_id), app.closed()) == ([(TEXT, b"1")], [opened.channel_id])
        assert other.heard == []
        app.check_law(all_closed=True)


@pytest.mark.parametrize(
    "first",
    [
        lambda web: message(web, 1, "stopped:app:alice.uq"),
        lambda web: message(web, 1, "kernel:sys:nectar"),
        lambda web: message(web, 1, auth_token="bad"),
        lambda web: message(web, 1, target={"node": "bob.uq", "process": APP}),
        lambda web: web.register_frame(),
    ],
)
async def test_a_first_message_that_settles_nothing_closes_the_socket_unheard(first: object) -> None:
    """C-123, C-125."""
    assert callable(first)
    async with web_node() as web:
        app = await web.started(App())
        assert await end_after(await registered(web), first(web)) == REFUSED
        assert app.heard == []


async def test_a_bad_token_or_another_path_is_refused_at_the_register() -> None:
    """C-123."""
    async with web_node() as web:
        await web.started(App())
        bad = dump({"WsRegister": {**credentials(web), "auth_token": "bad"}})
        assert await end_after(await web.websocket("/"), bad) == REFUSED
        good = dump({"WsRegister": credentials(web)})
        assert await end_after(await web.websocket(f"/{APP}"), good) == REFUSED


async def test_who_has_registered_may_be_silent_for_long_and_takes_no_place_of_the_others() -> None:
    async with web_node(HttpSettings(max_unregistered=2)) as web:
        app = await web.started(App())
        waiting = [await registered(web) for _ in range(2)]
        await settle()
        third = await registered(web)
        assert (await third.ended()).code == 1013
        await web.registered()
        await trio.sleep(3600)
        for socket in waiting:
            await socket.send(message(web, "at last"))
        await settle()
        assert len(app.opened()) == 3


async def test_who_waits_is_told_when_the_node_stops() -> None:
    ends: list[int | None] = []

    async def listen(socket: WsClient) -> None:
        ends.append((await socket.ended()).code)

    async with trio.open_nursery() as nursery, web_node() as web:
        nursery.start_soon(listen, await registered(web))
        await settle()
    assert ends == [1001]
