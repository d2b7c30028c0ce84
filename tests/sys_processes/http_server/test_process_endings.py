"""How channels end through a whole node: one WebSocketClose per WebSocketOpen, whoever closes (PROTOCOL 6.12)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio

from kernel.address import ProcessId
from kernel.mailbox import Limits
from kernel.message import OnExit
from runtime.sim.clients import WsClient
from runtime.sim.stream import MemoryStream
from sys_processes.http_server.channels import QUEUE_FRAMES
from sys_processes.http_server.protocol import (
    WebSocketClose,
    WebSocketPush,
    WebSocketPushError,
    WsMessageType,
)
from tests.support.web_app import App, push
from tests.support.web_node import APP, settle, web_node

TEXT, BINARY, PING, PONG, CLOSE = WsMessageType
CLOSED = WebSocketPushError("WebSocket channel closed")


async def cut(socket: WsClient) -> None:
    assert isinstance(socket.stream, MemoryStream)
    socket.stream.reset()


async def half_close(socket: WsClient) -> None:
    assert isinstance(socket.stream, MemoryStream)
    await socket.stream.send_eof()


async def vanish(socket: WsClient) -> None:
    await socket.stream.aclose()


async def break_the_rules(socket: WsClient) -> None:
    await socket.raw(b"\xff\xff\xff\xff")


# -- by the client


@pytest.mark.parametrize("leave", [WsClient.close, cut, half_close, vanish, break_the_rules])
async def test_when_the_client_leaves_the_process_is_told_once(
    leave: Callable[[WsClient], Awaitable[object]],
) -> None:
    """C-128."""
    async with web_node() as web:
        app = await web.started(App())
        socket, channel_id = await web.registered()
        await socket.send("last words")
        await leave(socket)
        await trio.sleep(60)
        assert app.closed() == [channel_id]
        if leave is not cut:
            assert app.pushed(channel_id) == [(TEXT, b"last words")]
        app.check_law(all_closed=True)


async def test_what_the_client_said_before_it_left_is_heard_before_its_end_however_slow_the_process() -> None:
    """C-127, C-128."""
    async with web_node() as web:
        app = await web.started(App())
        socket, channel_id = await web.registered()
        app.hold()
        for number in range(100):
            await socket.send(str(number))
        web.nursery.start_soon(socket.close)
        await settle()
        app.open.set()
        await settle()
        assert app.pushed(channel_id) == [(TEXT, str(number).encode()) for number in range(100)]
        assert app.closed() == [channel_id]
        app.check_law(all_closed=True)


# -- by the process


@pytest.mark.parametrize("push_close", [False, True])
async def test_the_owner_closes_and_is_told_once_and_not_again_when_the_client_answers(
    push_close: bool,
) -> None:
    """C-133, C-135."""
    async with web_node() as web:
        app = await web.started(App())
        for answers in (True, False):
            socket, channel_id = await web.registered()
            assert await app.ask(WebSocketPush(channel_id, TEXT), b"bye") is None
            if push_close:
                assert await app.ask(WebSocketPush(channel_id, CLOSE), b"") is None
            else:
                assert await app.ask(WebSocketClose(channel_id)) is None
            again = await app.ask(WebSocketPush(channel_id, TEXT), b"too late")
            assert isinstance(again, WebSocketPushError)
            assert await socket.receive() == "bye"
            if answers:
                assert (await socket.ended()).code == 1000
            await trio.sleep(60)
            assert app.closed().count(channel_id) == 1
        app.check_law(all_closed=True)


async def test_a_process_that_says_goodbye_and_ends_is_heard_by_its_clients() -> None:
    """C-146."""
    async with web_node() as web:
        app = await web.started(App())
        sockets = [await web.registered() for _ in range(3)]

        async def leave() -> None:
            for number in range(50):
                for _, channel_id in sockets:
                    push(channel_id, TEXT, str(number).encode())
            raise RuntimeError("enough")

        app.later(leave)
        for socket, _ in sockets:
            assert [await socket.receive() for _ in range(50)] == [str(number) for number in range(50)]
            assert (await socket.ended()).code == 1001


# -- by the end of the process


@pytest.mark.parametrize("how", ["killed", "crashed"])
async def test_the_sockets_of_a_process_that_dies_are_closed_and_others_stay(how: str) -> None:
    """C-146."""
    async with web_node() as web:
        app = await web.started(App())
        other = await web.started(App(echo=True), "other:app:alice.uq")
        sockets = [await web.registered() for _ in range(5)]
        stays, _ = await web.registered("other:app:alice.uq")
        if how == "killed":
            await web.kill()
        else:
            app.crash()
        assert [(await socket.ended()).code for socket, _ in sockets] == [1001] * 5
        await stays.send("still here")
        assert await stays.receive() == "still here"
        assert (app.closed(), other.closed()) == ([], [])


async def test_a_restarted_process_hears_nothing_of_the_channels_of_its_former_run() -> None:
    """C-146."""
    async with web_node() as web:
        app = App()
        web.start(app, on_exit=OnExit.restart())
        await settle()
        sockets = [await web.registered() for _ in range(3)]
        app.crash()
        codes = [(await socket.ended()).code for socket, _ in sockets]
        fresh, channel_id = await web.registered()
        await fresh.send("new")
        await settle()
        assert codes == [1001] * 3
        assert [each.what for each in app.heard if each.run == 2] == [
            app.opened()[-1],
            WebSocketPush(channel_id, TEXT),
        ]
        app.check_law()


@pytest.mark.parametrize("seed", range(8))
async def test_frames_that_wait_for_a_process_do_not_reach_its_next_run(seed: int) -> None:
    async with web_node(seed=seed) as web:
        app = App()
        web.start(app, on_exit=OnExit.restart())
        await settle()
        sockets = [await web.registered() for _ in range(4)]
        await settle()
        app.hold()
        for socket, _ in sockets:
            for _ in range(100):  # more than the window of undelivered pushes
                await socket.send("waiting")
        await settle()
        app.open.set()
        app.crash()
        for socket, _ in sockets:
            assert (await socket.ended()).code == 1001
        await settle()
        assert app.runs == 2
        assert [each for each in app.heard if each.run == 2] == []
        app.check_law()


async def test_an_end_that_waits_for_room_does_not_reach_the_next_run() -> None:
    async with web_node() as web:
        app = App()
        web.start(app, on_exit=OnExit.restart(), limits=Limits(messages=4))
        await settle()
        sockets = [await web.registered() for _ in range(4)]
        await settle()
        app.hold()
        for socket, _ in sockets:
            await socket.send("fills the mailbox")
        await settle()
        for socket, _ in sockets:
            await socket.close()
        app.crash()
        await settle()
        app.open.set()
        await settle()
        assert app.runs == 2
        assert [each for each in app.heard if each.run == 2] == []


@pytest.mark.parametrize("seed", range(8))
async def test_a_channel_opened_while_its_process_restarts_is_of_one_run_or_of_none(seed: int) -> None:
    async with web_node(seed=seed) as web:
        app = App()
        web.start(app, on_exit=OnExit.restart())
        await settle()
        waiting = [await web.websocket("/") for _ in range(20)]
        async with trio.open_nursery() as nursery:
            for socket in waiting:
                nursery.start_soon(socket.send, web.register_frame())
            app.crash()
        await settle()
        for socket in waiting:
            await vanish(socket)
        await trio.sleep(60)
        app.check_law(all_closed=True)
        assert app.runs == 2


# -- by whoever does not keep up


async def test_a_client_that_stops_reading_is_disconnected_and_the_others_notice_nothing() -> None:
    """C-137, F-67."""
    async with web_node(capacity=1024) as web:
        app = await web.started(App(echo=True))
        slow, slow_id = await web.registered()
        quick, _ = await web.registered()
        errors = [
            await app.ask(WebSocketPush(slow_id, BINARY), bytes(100)) for _ in range(QUEUE_FRAMES + 100)
        ]
        assert errors[: QUEUE_FRAMES - 100] == [None] * (QUEUE_FRAMES - 100)
        assert errors[-1] is not None
        await quick.send("hello")
        assert await quick.receive() == "hello"
        assert app.closed() == [slow_id]
        await trio.sleep(60)
        assert app.closed() == [slow_id]
        del slow


async def test_a_client_that_does_not_keep_up_is_told_so_when_it_reads_again() -> None:
    """C-137."""
    async with web_node(capacity=1024) as web:
        app = await web.started(App())
        slow, slow_id = await web.registered()
        for _ in range(3):
            await app.ask(WebSocketPush(slow_id, BINARY), bytes(9 * 1024 * 1024))
        await settle()
        assert app.closed() == [slow_id]
        assert (await slow.ended()).code in {1013, None}


async def test_a_slow_process_stops_the_reading_of_its_socket_and_pings_before_are_answered() -> None:
    async with web_node(capacity=1024) as web:
        app = await web.started(App(echo=True))
        slow, channel_id = await web.registered()
        app.hold()
        sent = 0
        await slow.send_ping(b"before")
        with trio.move_on_after(1):
            while True:
                await slow.send(bytes(100))
                sent += 1
        assert sent < 300
        [process] = [p for p in web.node.kernel.router.processes.values() if str(p.pid) == APP]
        assert len(process.mailbox) <= 64
        other = await web.started(App(echo=True), "other:app:alice.uq")
        quick, _ = await web.registered("other:app:alice.uq")
        await quick.send("hello")
        assert await quick.receive() == "hello"
        app.open.set()
        assert await slow.receive() == bytes(100)
        assert slow.pongs == [b"before"]
        for _ in range(sent - 1):
            assert await slow.receive() == bytes(100)
        assert len(app.pushed(channel_id)) >= sent
        del other


async def test_pings_are_answered_while_64_pushes_wait_for_the_process() -> None:
    async with web_node() as web:
        app = await web.started(App())
        slow, channel_id = await web.registered()
        app.hold()
        for _ in range(80):
            await slow.send("unheard")
        await slow.send_ping(b"there?")
        app.later(lambda: push_later(channel_id))
        assert await slow.receive() == "pong is before"
        assert slow.pongs == [b"there?"]
        assert app.pushed(channel_id) == []


async def push_later(channel_id: int) -> None:
    await trio.sleep(1)
    push(channel_id, TEXT, b"pong is before")


async def test_a_frame_that_can_never_fit_the_mailbox_closes_its_socket_and_says_why() -> None:
    async with web_node() as web:
        app = App()
        web.start(app, limits=Limits(bytes=10_000))
        await settle()
        socket, channel_id = await web.registered()
        await socket.send(bytes(9_000))
        await settle()
        await socket.send(bytes(11_000))
        assert (await socket.ended()).code == 1009
        await settle()
        assert app.pushed(channel_id) == [(BINARY, bytes(9_000))]
        assert app.closed() == [channel_id]
        app.check_law(all_closed=True)


# -- by the end of the server


async def test_when_the_node_stops_both_sides_hear_of_it_and_sockets_without_channel_too() -> None:
    """PROTOCOL 6.12: 1001."""
    app = App()
    ends: list[int | None] = []

    async def listen(socket: WsClient) -> None:
        ends.append((await socket.ended()).code)

    async with trio.open_nursery() as nursery, web_node() as web:
        await web.started(app)
        for _ in range(3):
            nursery.start_soon(listen, (await web.registered())[0])
        nursery.start_soon(listen, await web.websocket("/"))
        await settle()
    assert ends == [1001] * 4
    app.check_law(all_closed=True)


async def test_a_node_with_clients_that_never_answer_still_stops_and_tells_its_processes() -> None:
    app = App()
    async with web_node(capacity=64) as web:
        await web.started(app)
        _, channel_id = await web.registered()
        await app.tell(WebSocketPush(channel_id, BINARY), bytes(1000))
        started = trio.current_time()
    assert trio.current_time() - started <= 4
    assert app.closed() == [channel_id]


async def test_when_http_server_is_restarted_its_channels_end_and_their_processes_hear_of_it() -> None:
    async with web_node() as web:
        app = await web.started(App(echo=True))
        sockets = [await web.registered() for _ in range(100)]
        await web.node.kernel.kill(ProcessId.from_str("http_server:sys:nectar"))
        await settle()
        for socket, _ in sockets:
            assert (await socket.ended()).code in {None, 1001}
        app.check_law(all_closed=True)
        fresh, _ = await web.registered()
        await fresh.send("again")
        assert await fresh.receive() == "again"
