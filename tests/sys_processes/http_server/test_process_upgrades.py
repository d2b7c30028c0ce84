"""Sockets on bound paths, the bridge of older clients, and upgrades that are refused (PROTOCOL 6.13, 6.14)."""

from __future__ import annotations

import pytest

from runtime.sim.clients import HttpClient, UpgradeRefused, WsClient, upgrade_bytes
from sys_processes.http_server.protocol import (
    WebSocketBind,
    WebSocketUnbind,
    WsMessageType,
)
from tests.support.web_app import App
from tests.support.web_node import APP, WebNode, settle, web_node

TEXT, BINARY = WsMessageType.Text, WsMessageType.Binary
ROOT = f"/{APP}/"


async def refusal(web: WebNode, path: str = "/", **headers: str | None) -> int:
    with pytest.raises(UpgradeRefused) as caught:
        await web.websocket(path, **headers)
    return caught.value.reply.status


async def refused_code(web: WebNode, frame: str, path: str) -> int | None:
    socket = await web.websocket(path)
    await socket.send(frame)
    return (await socket.ended()).code


async def test_a_bound_path_opens_a_channel_without_a_register() -> None:
    """C-138, C-142, F-69."""
    async with web_node() as web:
        app = await web.started(App(), APP, WebSocketBind("/", True), WebSocketBind("/deep/er", True))
        cookie = await web.login()
        for path, told in ((ROOT, "/"), (f"/{APP}", "/"), (f"/{APP}/deep/er/", "/deep/er")):
            socket = await web.websocket(path, cookie=cookie)
            await socket.send("hello")
            await settle()
            opened = app.opened()[-1]
            assert opened.path == told
            assert app.pushed(opened.channel_id) == [(TEXT, b"hello")]


async def test_a_bound_path_wants_its_cookie() -> None:
    """C-139."""
    async with web_node() as web:
        app = await web.started(App(), APP, WebSocketBind("/", True), WebSocketBind("/open", False))
        assert await refusal(web, ROOT) == 401
        assert await refusal(web, ROOT, cookie="nectar-auth_alice.uq=e30.e30.e30") == 401
        assert await refusal(web, f"/{APP}/other") == 404
        assert f"refused 127.0.0.1:5000 a WebSocket at /{APP}/other: 404" in web.logged()
        await web.websocket(f"/{APP}/open")
        await settle()
        assert [opened.path for opened in app.opened()] == ["/open"]


async def test_the_register_of_an_older_client_on_a_bound_socket_is_swallowed() -> None:
    """C-140, F-70."""
    async with web_node() as web:
        app = await web.started(App(), APP, WebSocketBind("/", False))
        socket = await web.websocket(ROOT)
        await socket.send(web.register_frame().encode())
        await socket.send(b"data")
        await settle()
        [opened] = app.opened()
        assert app.pushed(opened.channel_id) == [(BINARY, b"data")]


async def test_a_bad_token_on_a_bound_socket_closes_it_and_the_process_is_told_once() -> None:
    """C-140."""
    async with web_node() as web:
        app = await web.started(App(), APP, WebSocketBind("/", False))
        socket = await web.websocket(ROOT)
        await socket.send(web.register_frame(token="e30.e30.e30"))
        assert (await socket.ended()).code == 1008
        await settle()
        [opened] = app.opened()
        assert app.closed() == [opened.channel_id]
        assert app.pushed(opened.channel_id) == []


async def test_the_bridge_takes_a_register_for_its_own_process_only() -> None:
    """C-141."""
    async with web_node() as web:
        app = await web.started(App())
        other = await web.started(App(), "other:app:alice.uq")
        for path in (ROOT, f"/{APP}"):
            socket, channel_id = await web.registered(path=path)
            await socket.send(b"move")
            await settle()
            assert app.pushed(channel_id) == [(BINARY, b"move")]
        assert await refused_code(web, web.register_frame("other:app:alice.uq"), ROOT) == 1008
        assert other.heard == []
        assert await refusal(web, "/nobody:app:alice.uq/") == 404


async def test_a_bound_pattern_opens_a_channel_and_tells_the_path_that_was_asked_for() -> None:
    """C-102, C-138, C-142."""
    async with web_node() as web:
        app = await web.started(App(), APP, WebSocketBind("/room/:id", False), WebSocketBind("/room/x", True))
        socket = await web.websocket(f"/{APP}/room/7/")
        await app.until(lambda: len(app.opened()) == 1)
        assert app.opened()[0].path == "/room/7"
        assert await refusal(web, f"/{APP}/room/x") == 401
        assert await refusal(web, f"/{APP}/room/7/8") == 404
        assert await app.ask(WebSocketUnbind("/room/:other")) is None
        assert await refusal(web, f"/{APP}/room/8") == 404
        await socket.close()


async def test_unbinding_a_socket_path_keeps_its_channels() -> None:
    async with web_node() as web:
        app = await web.started(App(echo=True), APP, WebSocketBind("/live", False))
        socket = await web.websocket(f"/{APP}/live")
        assert await app.ask(WebSocketUnbind("/live")) is None
        assert await refusal(web, f"/{APP}/live") == 404
        await socket.send("still")
        assert await socket.receive() == "still"


async def test_socket_paths_are_not_bound_from_other_nodes() -> None:
    """C-106, F-52."""
    async with web_node() as web:
        await web.started(App())
        answer = await web.from_node(
            f"bob.uq@{APP}", b'{"WebSocketBind":{"path":"/","authenticated":false,"encrypted":false}}', None
        )
        assert answer is not None
        assert b"PathBindError" in answer


# -- upgrades


@pytest.mark.parametrize("path", ["/", ROOT])
async def test_a_page_of_another_site_cannot_open_a_socket(path: str) -> None:
    """C-145, F-60."""
    async with web_node() as web:
        app = await web.started(App(), APP, WebSocketBind("/", True))
        cookie = web.cookie()
        for origin in ("http://evil.example", "null", "http://localhost:8081"):
            assert await refusal(web, path, origin=origin, cookie=cookie) == 403
        assert app.heard == []
        await web.websocket(path, origin="http://localhost:8080", cookie=cookie)


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("POST", {}, 400),
        ("GET", {"host": None}, 400),
        ("GET", {"sec_websocket_key": None}, 400),
        ("GET", {"sec_websocket_key": "short"}, 400),
        ("GET", {"sec_websocket_version": None}, 400),
        ("GET", {"sec_websocket_version": "8"}, 426),
        ("GET", {"connection": "keep-alive"}, 400),
    ],
)
async def test_a_wrong_upgrade_is_refused_and_closed(
    method: str, headers: dict[str, str | None], status: int
) -> None:
    async with web_node() as web:
        client = web.client()
        await client.send(upgrade_bytes("/", method, **headers))
        reply = await client.reply()
        assert reply.status == status
        if status == 426:
            assert reply.header("sec-websocket-version") == "13"
        assert await client.rest() == b""


async def test_an_upgrade_over_http_1_0_is_refused() -> None:
    async with web_node() as web:
        client = web.client()
        await client.send(upgrade_bytes("/").replace(b"HTTP/1.1", b"HTTP/1.0"))
        assert (await client.reply()).status == 400


async def test_frames_sent_together_with_the_upgrade_are_not_lost() -> None:
    async with web_node() as web:
        app = await web.started(App())
        sender = WsClient(web.connect(), b"")
        frames: list[bytes] = []

        async def keep(data: bytes) -> None:
            frames.append(data)

        sender.raw = keep  # type: ignore[method-assign]
        await sender.send(web.register_frame())
        await sender.send("at once")
        client = HttpClient(web.connect())
        await client.send(upgrade_bytes("/") + b"".join(frames))
        assert (await client.reply()).status == 101
        await settle()
        [opened] = app.opened()
        assert app.pushed(opened.channel_id) == [(TEXT, b"at once")]
