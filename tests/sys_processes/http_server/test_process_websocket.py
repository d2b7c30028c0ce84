"""Sockets that register, through a whole node (PROTOCOL 6.12)."""

from __future__ import annotations

import contextlib

import pytest
import trio

from kernel.address import Address
from kernel.mailbox import Limits
from sys_processes.http_server.protocol import (
    WebSocketOpen,
    WsMessageType,
)
from sys_processes.http_server.settings import HttpSettings
from tests.support.web_app import App
from tests.support.web_node import APP, WebNode, settle, web_node

TEXT, BINARY = WsMessageType.Text, WsMessageType.Binary
ROOT = f"/{APP}/"


async def refused_register(web: WebNode, frame: str | bytes, path: str = "/") -> tuple[int | None, str]:
    socket = await web.websocket(path)
    await socket.send(frame)
    end = await socket.ended()
    return end.code, end.reason


REFUSED = (1008, "invalid registration")


@pytest.mark.parametrize("binary", [False, True])
async def test_a_register_as_text_or_as_bytes_gets_its_channel_as_text(binary: bool) -> None:
    """C-120, C-121, C-122."""
    async with web_node() as web:
        app = await web.started(App())
        socket = await web.websocket("/")
        frame = web.register_frame()
        await socket.send(frame.encode() if binary else frame)
        answer = await socket.receive()
        [opened] = app.opened()
        assert opened == WebSocketOpen("/", opened.channel_id)
        assert 0 < opened.channel_id < 2**32
        assert answer == f'{{"channel_id":{opened.channel_id}}}'
        heard = app.heard[0]
        assert (heard.body, heard.message.metadata, heard.message.wants_response) == (None, "ws", False)
        assert heard.message.source == Address.from_str("alice.uq@http_server:sys:nectar")


async def test_a_client_may_send_before_it_is_told_its_channel() -> None:
    async with web_node() as web:
        app = await web.started(App())
        socket = await web.websocket("/")
        await socket.send(web.register_frame())
        await socket.send("first")
        await socket.send(b"second")
        await socket.receive()
        await settle()
        [opened] = app.opened()
        assert app.pushed(opened.channel_id) == [(TEXT, b"first"), (BINARY, b"second")]


async def test_the_process_knows_the_channel_before_the_client_is_told() -> None:
    """C-122."""
    async with web_node() as web:
        app = await web.started(App())
        app.hold()
        socket, channel_id = await web.registered()
        [process] = [p for p in web.node.kernel.router.processes.values() if str(p.pid) == APP]
        assert len(process.mailbox) == 1
        app.open.set()
        await settle()
        assert app.opened() == [WebSocketOpen("/", channel_id)]
        del socket


async def test_a_process_with_a_full_mailbox_gets_no_channel_and_the_client_no_id() -> None:
    """C-122."""
    async with web_node() as web:
        app = App()
        web.start(app, limits=Limits(messages=1))
        await settle()
        app.hold()
        first, _ = await web.registered()
        second = await web.websocket("/")
        await second.send(web.register_frame())
        with pytest.raises(Exception, match="1013") as caught:
            await second.receive()
        assert getattr(caught.value, "code", None) == 1013
        app.open.set()
        await first.send("still here")
        await settle()
        [opened] = app.opened()
        assert app.pushed(opened.channel_id) == [(TEXT, b"still here")]
        await settle()
        app.check_law()
        assert app.closed() == []


@pytest.mark.parametrize(
    "change",
    [
        lambda web: "{",
        lambda web: b"\xff\xfe",
        lambda web: "hello",
        lambda web: "",
        lambda web: "[" * 10_000,
        lambda web: "x" * 100_000,
        lambda web: web.register_frame().replace('"encrypted":false', '"other":1'),
        lambda web: web.register_frame().replace('"auth_token"', '"token"'),
        lambda web: web.register_frame().replace('"target_process"', '"process"'),
        lambda web: web.register_frame().replace("false", '"no"'),
        lambda web: web.register_frame("no process id"),
        lambda web: web.register_frame("a@b:c:d"),
        lambda web: web.register_frame(token="e30.e30.e30"),
        lambda web: web.register_frame(token=""),
        lambda web: web.register_frame(token=web.token("bob.uq")),
        lambda web: web.register_frame(token=web.token(secret=bytes(32))),
        lambda web: web.register_frame(token=web.token(age=27 * 7 * 24 * 3600)),
    ],
)
async def test_a_first_frame_that_is_no_valid_register_closes_the_socket_unheard(change: object) -> None:
    """C-123."""
    assert callable(change)
    async with web_node() as web:
        app = await web.started(App())
        assert await refused_register(web, change(web)) == REFUSED
        assert app.heard == []
        assert "refused a register" in web.logged()


async def test_without_a_register_the_socket_is_closed_after_10_seconds() -> None:
    """C-124, F-64."""
    async with web_node() as web:
        app = await web.started(App())
        socket = await web.websocket("/")
        started = trio.current_time()
        await socket.send_ping(b"awake")
        end = await socket.ended()
        assert (end.code, trio.current_time() - started) == (1008, 10)
        assert (socket.pongs, app.heard) == ([b"awake"], [])


async def test_a_register_that_comes_a_byte_at_a_time_is_too_late() -> None:
    """C-124."""
    async with web_node(HttpSettings(register_timeout=3)) as web:
        await web.started(App())
        socket = await web.websocket("/")
        started = trio.current_time()
        trickle = b"\x81\xfe\x00\xff\x00\x00\x00\x00" + web.register_frame().encode()

        async def drip() -> None:
            for byte in trickle:
                with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                    await socket.raw(bytes([byte]))
                await trio.sleep(1)

        web.nursery.start_soon(drip)
        end = await socket.ended()
        assert (end.code, trio.current_time() - started) == (1008, 3)


async def test_a_register_for_a_process_that_does_not_run_is_refused() -> None:
    """C-125, F-65."""
    async with web_node() as web:
        assert await refused_register(web, web.register_frame()) == REFUSED
        app = await web.started(App())
        app.crash()
        await settle()
        assert await refused_register(web, web.register_frame()) == REFUSED
        assert "app:app:alice.uq does not run" in web.console.text


async def test_a_register_for_a_process_that_does_not_let_http_server_in_is_refused() -> None:
    async with web_node() as web:
        app = App()
        web.start(app, public=False)
        assert await refused_register(web, web.register_frame()) == REFUSED
        assert app.heard == []
        assert "grant_capabilities" in web.console.text


async def test_a_second_register_is_an_ordinary_push() -> None:
    async with web_node() as web:
        app = await web.started(App())
        socket, channel_id = await web.registered()
        frame = web.register_frame()
        await socket.send(frame)
        await settle()
        assert app.pushed(channel_id) == [(TEXT, frame.encode())]


async def test_the_129th_socket_without_a_channel_is_sent_away_and_those_with_one_do_not_count() -> None:
    async with web_node() as web:
        await web.started(App())
        registered = [await web.registered() for _ in range(10)]
        waiting = [await web.websocket("/") for _ in range(128)]
        end = await (await web.websocket("/")).ended()
        assert (end.code, end.reason) == (1013, "too many sockets")
        await waiting[0].send(web.register_frame())
        await waiting[0].receive()
        assert (await web.websocket("/")) is not None
        waiting[1].stream.reset()  # type: ignore[attr-defined]
        await settle()
        late, _ = await web.registered()
        del registered, late


async def test_beyond_the_channels_of_the_node_a_register_is_sent_away() -> None:
    """`ws.max_channels`."""
    async with web_node(HttpSettings(max_channels=2)) as web:
        app = await web.started(App())
        sockets = [await web.registered() for _ in range(2)]
        third = await web.websocket("/")
        await third.send(web.register_frame())
        assert (await third.ended()).code == 1013
        assert len(app.opened()) == 2
        await sockets[0][0].close()
        await web.registered()


async def test_channel_ids_are_never_reused() -> None:
    async with web_node() as web:
        app = await web.started(App())
        for _ in range(50):
            socket, _ = await web.registered()
            await socket.close()
        await settle()
        assert len({opened.channel_id for opened in app.opened()}) == 50
        app.check_law(all_closed=True)
