"""Clients and processes that mean harm: whoever causes trouble hears why, and everybody else notices nothing."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Awaitable, Callable

import pytest
import trio

from runtime.sim.clients import ConnectionGone, HttpClient, request_bytes, upgrade_bytes
from runtime.sim.listener import MemoryListener
from runtime.sim.stream import MemoryStream
from sys_processes.http_server.complaints import LINES
from sys_processes.http_server.protocol import IncomingHttpRequest, WebSocketPush, WsMessageType
from sys_processes.http_server.settings import HttpSettings
from tests.support.web_app import App, push
from tests.support.web_node import APP, WebNode, settle, web_node
from tests.sys_processes.http_server.harm import OPEN, PATH, unharmed

TEXT, BINARY = WsMessageType.Text, WsMessageType.Binary


# -- bytes that are no HTTP


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"\0" * 100, 400),
        (b"GET\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\n\r\n", 505),
        (b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nbad header\r\n\r\n", 400),
        (b"POST /login HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n", 400),
        (b"POST /login HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", 400),
        (b"POST /login HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"a" * 200_000 + b"\r\n\r\n", 431),
        (b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nhost: a\r\n\r\n", 414),
    ],
)
async def test_what_is_no_request_is_refused_and_the_connection_closed(sent: bytes, status: int) -> None:
    async with unharmed() as (web, app):
        client = web.client()
        web.nursery.start_soon(ignoring, client.send, sent)
        reply = await client.reply()
        assert reply.status in {status, 431}
        assert await client.rest() == b""
        assert "a bad request of 127.0.0.1:5000: " in web.logged()
        await client.close()
        assert app.heard == []


async def test_a_flood_of_bad_requests_does_not_fill_the_log() -> None:
    async with unharmed() as (web, _app):
        for _ in range(200):
            client = web.client()
            await client.send(b"GET\r\n\r\n")
            assert (await client.reply()).status == 400
            await client.close()
        assert web.logged().count("a bad request of") == LINES


async def ignoring(call: Callable[[bytes], Awaitable[None]], data: bytes) -> None:
    with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        await call(data)


async def test_a_body_that_is_too_large_gives_413_before_or_while_it_comes() -> None:
    async with unharmed(HttpSettings(max_body=1000)) as (web, app):
        told = web.client()
        await told.send(request_bytes("POST", PATH, content_length="1001"))
        assert (await told.reply()).status == 413
        untold = web.client()
        await untold.send(request_bytes("POST", PATH, transfer_encoding="chunked"))
        web.nursery.start_soon(ignoring, untold.send, b"400\r\n" + bytes(1024) + b"\r\n")
        assert (await untold.reply()).status == 413
        assert app.heard == []


async def test_a_query_that_cannot_be_read_gives_400() -> None:
    async with unharmed() as (web, app):
        for query in ("%zz", "a=%ff", "&".join(f"p{n}=1" for n in range(1001))):
            assert (await web.http("GET", f"{PATH}?{query}")).status == 400
        assert app.heard == []


# -- slow clients


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (request_bytes("GET", PATH), 408),
        (upgrade_bytes("/"), 408),
        (request_bytes("POST", PATH, bytes(500)), 408),
    ],
)
async def test_a_client_that_sends_a_byte_a_second_is_told_that_it_is_too_late(
    data: bytes, status: int
) -> None:
    async with unharmed() as (web, app):
        client = web.client()
        head = len(data) - 500 if data.endswith(bytes(500)) else 0

        async def drip() -> None:
            await client.send(data[:head])
            for byte in data[head:]:
                await client.send(bytes([byte]))
                await trio.sleep(1)

        async def all_of_it() -> None:
            with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                await drip()

        web.nursery.start_soon(all_of_it)
        started = trio.current_time()
        assert (await client.reply()).status == status
        assert trio.current_time() - started < 60
        assert app.heard == []


async def test_a_client_that_says_nothing_is_let_go() -> None:
    async with unharmed() as (web, _):
        silent = web.connect()
        with trio.fail_after(60):
            assert await silent.receive_some() == b""


async def test_a_client_that_does_not_read_its_answer_is_let_go() -> None:
    async def big(web: WebNode, app: App) -> None:
        app.answer = lambda call, body: (200, {}, bytes(5_000_000))
        client = web.client()
        await client.send(request_bytes("GET", PATH))
        await trio.sleep(60)
        with pytest.raises((ConnectionGone, trio.BrokenResourceError)):
            await client.reply()

    async with unharmed() as (web, app):
        await big(web, app)


async def test_hundreds_of_idle_connections_hold_up_nobody() -> None:
    async with unharmed() as (web, _):
        streams = [web.connect(f"10.0.{number // 250}.{number % 250}:1") for number in range(500)]
        for number, stream in enumerate(streams):
            await stream.send_all(request_bytes("GET", PATH)[: number % 40])
        assert (await web.http("GET", PATH)).status == 200


# -- connections cut in every state


async def cut_in(web: WebNode, *data: bytes) -> None:
    stream = web.connect()
    for piece in data:
        await stream.send_all(piece)
        await settle()
    stream.reset()


@pytest.mark.parametrize(
    "pieces",
    [
        [],
        [b"G"],
        [b"GET / HTTP/1.1\r\nhost:"],
        [request_bytes("POST", PATH, content_length="10") + b"half"],
        [request_bytes("POST", PATH, content_length="10", expect="100-continue")],
        [request_bytes("GET", f"/{APP}/never")],
        [request_bytes("POST", "/login", b'{"password":"x"}')],
        [upgrade_bytes("/")[:60]],
        [upgrade_bytes("/")],
        [upgrade_bytes("/"), b"\x81"],
        [upgrade_bytes("/"), b"\x81\xfe\x01\x00\0\0\0\0{"],
        [b"\xff"],
    ],
)
@pytest.mark.parametrize("settled", [False, True])
async def test_a_reset_in_any_state_before_a_channel_leaves_nothing(
    pieces: list[bytes], settled: bool
) -> None:
    async with unharmed() as (web, _):
        stream = web.connect()
        for piece in pieces:
            await stream.send_all(piece)
            if settled:
                await settle()
        stream.reset()


async def test_a_reset_during_a_call_leaves_the_process_to_its_answer() -> None:
    async with unharmed() as (web, app):
        app.hold()
        await cut_in(web, request_bytes("GET", PATH))
        app.open.set()
        await settle()
        assert len(app.calls()) == 1


@pytest.mark.parametrize(
    "after", ["nothing", "frames", "half a frame", "a close frame", "a push", "a large push"]
)
async def test_a_reset_of_an_open_channel_is_told_once(after: str) -> None:
    """C-128."""
    async with unharmed() as (web, app):
        for settled in (False, True):
            socket, channel_id = await web.registered()
            match after:
                case "frames":
                    for _ in range(10):
                        await socket.send(b"x")
                case "half a frame":
                    await socket.raw(b"\x81\xfe\x7f")
                case "a close frame":
                    await socket.raw(b"\x88\x80\0\0\0\0")
                case "a push":
                    await app.tell(WebSocketPush(channel_id, TEXT), b"x")
                case "a large push":
                    await app.tell(WebSocketPush(channel_id, BINARY), bytes(1_000_000))
            if settled:
                await settle()
            assert isinstance(socket.stream, MemoryStream)
            socket.stream.reset()
            await trio.sleep(30)
            assert app.closed().count(channel_id) == 1


# -- frames that break the rules


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (b"\x81\x01x", 1002),  # not masked
        (b"\xf1\x80\0\0\0\0", 1002),  # reserved bits
        (b"\x83\x80\0\0\0\0", 1002),  # unknown opcode
        (b"\x89\xfe\x00\x7e\0\0\0\0" + bytes(126), 1002),  # a ping of 126 bytes
        (b"\x80\x80\0\0\0\0", 1002),  # a continuation of nothing
        (b"\x81\x82\0\0\0\0\xff\xff", 1007),  # no UTF-8
        (
            b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0" + bytes(1001),
            1009,
        ),  # eight exbibytes announced
        (b"\x82\xfe\x03\xe9\0\0\0\0" + bytes(1001), 1009),
        ((b"\x02\xfe\x01\xf4\0\0\0\0" + bytes(500)) + (b"\x80\xfe\x01\xf5\0\0\0\0" + bytes(501)), 1009),
    ],
)
@pytest.mark.parametrize("registered", [False, True])
async def test_a_frame_that_breaks_the_rules_ends_its_socket_with_the_code_that_says_why(
    frame: bytes, code: int, registered: bool
) -> None:
    async with unharmed(HttpSettings(max_body=1000)) as (web, app):
        socket = (await web.registered())[0] if registered else await web.websocket("/")
        web.nursery.start_soon(ignoring, socket.raw, frame)
        assert (await socket.ended()).code == code
        await settle()
        assert len(app.closed()) == registered
        assert f"closed the WebSocket of 127.0.0.1:5000 at /: {code}" in web.logged()


async def test_a_flood_of_pings_and_of_empty_pieces_is_survived() -> None:
    async with unharmed() as (web, app):
        socket, channel_id = await web.registered()
        received = trio.Event()

        async def read() -> None:
            assert await socket.receive() == "done"
            received.set()

        web.nursery.start_soon(read)
        await socket.raw(b"\x89\x80\0\0\0\0" * 5_000)
        await socket.raw(b"\x01\x80\0\0\0\0" + b"\x00\x80\0\0\0\0" * 5_000 + b"\x80\x81\0\0\0\0!")
        await settle()
        assert app.pushed(channel_id) == [(TEXT, b"!")]
        await app.tell(WebSocketPush(channel_id, TEXT), b"done")
        await received.wait()
        assert len(socket.pongs) == 5_000
        await socket.close()


async def test_a_client_that_goes_on_talking_after_the_close_is_cut() -> None:
    async with unharmed() as (web, app):
        socket, channel_id = await web.registered()

        async def talk() -> None:
            while True:
                await ignoring(socket.send, b"and another thing")
                await trio.sleep(0.1)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(talk)
            await trio.sleep(1)
            await app.tell(WebSocketPush(channel_id, WsMessageType.Close), b"")
            await trio.sleep(30)
            nursery.cancel_scope.cancel()
        assert app.closed() == [channel_id]


# -- processes that mean harm


async def test_a_process_that_floods_http_server_harms_its_own_messages_only() -> None:
    async with unharmed() as (web, app):
        socket, channel_id = await web.registered()

        async def flood() -> None:
            for _ in range(70_000):
                push(7, TEXT, b"")
            push(channel_id, TEXT, b"after the flood")

        await app.do(flood)
        await settle()
        assert len(app.errors) > 4_000
        assert {error.reason for error in app.errors} == {"mailbox_full"}
        await app.tell(WebSocketPush(channel_id, TEXT), b"heard")
        assert await socket.receive() == "heard"
        await socket.close()


async def test_a_thousand_calls_that_nobody_answers_end_by_themselves() -> None:
    def silent(call: IncomingHttpRequest, body: bytes) -> None:
        return None

    async with unharmed() as (web, app):
        app.answer = silent
        clients = [web.client() for _ in range(1000)]
        for client in clients:
            await client.send(request_bytes("GET", PATH))
        assert {(await client.reply()).status for client in clients} == {408}
        for client in clients:
            await client.close()


# -- the machine


async def test_a_door_that_cannot_take_connections_for_a_while_opens_again() -> None:
    async with unharmed() as (web, _):
        assert isinstance(web.listener, MemoryListener)
        web.listener.refused = OSError(errno.EMFILE, "too many open files")
        client = web.client()
        await client.send(request_bytes("GET", PATH))
        await trio.sleep(1)
        assert "too many open files" in web.console.text
        web.listener.refused = None
        assert (await client.reply()).status == 200


@pytest.mark.parametrize("seed", range(6))
async def test_a_call_pending_when_the_node_stops_is_answered(seed: int) -> None:
    """PROTOCOL 6.7: 503."""
    statuses: list[int] = []

    async def read(client: HttpClient) -> None:
        statuses.append((await client.reply()).status)

    async with trio.open_nursery() as nursery:
        async with web_node(seed=seed) as web:
            await web.started(App(lambda call, body: None), APP, OPEN)
            for _ in range(5):
                client = web.client()
                await client.send(request_bytes("GET", PATH))
                nursery.start_soon(read, client)
            await settle()
            started = trio.current_time()
        assert trio.current_time() - started <= 4
    assert statuses == [503] * 5
