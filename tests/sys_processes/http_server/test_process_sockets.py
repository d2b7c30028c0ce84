"""A whole node behind a real TCP door on 127.0.0.1."""

from __future__ import annotations

import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from runtime.listener import TcpListener
from runtime.sim.clients import HttpClient, WsClient, open_websocket, request_bytes, upgrade_bytes
from sys_processes.http_server.protocol import Bind, WebSocketClose, WebSocketPush, WsMessageType
from tests.support.web_app import App
from tests.support.web_node import APP, WebNode, node_behind

pytestmark = pytest.mark.real_clock

CLIENTS = 50
PATH = f"/{APP}/x"
TEXT = WsMessageType.Text


@asynccontextmanager
async def real_node(app: App) -> AsyncIterator[WebNode]:
    listener = await TcpListener.open("127.0.0.1", 0)
    async with node_behind(listener) as web:
        await web.started(app, APP, Bind("/x", authenticated=False, local_only=False, cache=False))
        yield web


async def connect(web: WebNode) -> trio.SocketStream:
    assert isinstance(web.listener, TcpListener)
    return await trio.open_tcp_stream("127.0.0.1", web.listener.port)


async def registered(web: WebNode, *, binary: bool = False) -> tuple[WsClient, int]:
    client = await open_websocket(await connect(web))
    frame = web.register_frame()
    await client.send(frame.encode() if binary else frame)
    answer = await client.receive()
    assert isinstance(answer, str)
    return client, int(answer.removeprefix('{"channel_id":').removesuffix("}"))


def reset(stream: trio.abc.Stream) -> None:
    assert isinstance(stream, trio.SocketStream)
    stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stream.socket.close()


async def test_calls_are_answered_one_after_the_other_on_one_connection() -> None:
    async with real_node(App(lambda call, body: (200, {}, body))) as web:
        client = HttpClient(await connect(web))
        for body in (b"", b"small", bytes(1_000_000)):
            assert (await client.ask("POST", PATH, body)).body == body
        await client.close()


@pytest.mark.parametrize("binary", [False, True])
async def test_frames_come_back_after_a_register_as_text_or_as_bytes(binary: bool) -> None:
    """C-120, C-121, C-126, C-129."""
    app = App(echo=True)
    async with real_node(app) as web:
        client, channel_id = await registered(web, binary=binary)
        frames: list[str | bytes] = ["text", b"\0\xff", "\u00e9", bytes(200_000)]
        for frame in frames:
            await client.send(frame)
            assert await client.receive() == frame
        assert (await client.close()).code == 1000
        await app.until(lambda: app.closed() == [channel_id])
        app.check_law(all_closed=True)


@pytest.mark.parametrize(
    "sent", [b"", b"GET /", request_bytes("POST", PATH, content_length="9"), upgrade_bytes("/")], ids=len
)
async def test_a_reset_before_there_is_a_channel_harms_nobody(sent: bytes) -> None:
    app = App()
    async with real_node(app) as web:
        for _ in range(5):
            stream = await connect(web)
            await stream.send_all(sent)
            reset(stream)
        client = HttpClient(await connect(web))
        assert (await client.ask("GET", PATH)).status == 200
        await client.close()


@pytest.mark.parametrize("after", ["idle", "half a frame", "pushes", "a call"])
async def test_a_reset_of_an_open_channel_is_told_once(after: str) -> None:
    """C-128."""
    app = App()
    async with real_node(app) as web:
        client, channel_id = await registered(web)
        match after:
            case "half a frame":
                await client.raw(b"\x81\xfe\x7f")
            case "pushes":
                for _ in range(20):
                    await app.ask(WebSocketPush(channel_id, WsMessageType.Binary), bytes(100_000))
            case "a call":
                beside = await connect(web)
                app.hold()
                await beside.send_all(request_bytes("GET", PATH))
                reset(beside)
        reset(client.stream)
        app.open.set()
        await app.until(lambda: channel_id in app.closed())
        app.check_law(all_closed=True)


async def test_fifty_clients_at_once_each_get_their_own() -> None:
    app = App(echo=True)
    async with real_node(app) as web:

        async def visit(number: int) -> None:
            client, _ = await registered(web, binary=bool(number % 2))
            for turn in range(10):
                await client.send(f"{number}.{turn}")
            assert [await client.receive() for _ in range(10)] == [f"{number}.{turn}" for turn in range(10)]
            http = HttpClient(await connect(web))
            assert (await http.ask("GET", PATH)).body == b"ok"
            await http.close()
            if number % 3:
                await client.close()
            else:
                reset(client.stream)

        async with trio.open_nursery() as nursery:
            for number in range(CLIENTS):
                nursery.start_soon(visit, number)
        await app.until(lambda: len(app.closed()) == CLIENTS)
        assert len(app.opened()) == CLIENTS
        app.check_law(all_closed=True)


async def test_the_process_closes_and_dies_and_the_node_stops_with_the_codes_that_say_so() -> None:
    """C-135, C-146."""
    app, other = App(), App()
    ends: list[int | None] = []

    async def listen(client: WsClient) -> None:
        ends.append((await client.ended()).code)

    async with trio.open_nursery() as nursery, real_node(app) as web:
        closed, channel_id = await registered(web)
        assert await app.ask(WebSocketClose(channel_id)) is None
        assert (await closed.ended()).code == 1000
        orphan, _ = await registered(web)
        app.crash()
        assert (await orphan.ended()).code == 1001
        await web.started(other)
        last, _ = await registered(web)
        nursery.start_soon(listen, last)
    assert ends == [1001]
    other.check_law(all_closed=True)
