"""What a process pushes reaches its client whole and in order, whether it goes out at once or has to wait."""

from __future__ import annotations

import pytest
import trio

from kernel.message import Payload, Request
from kernel.syscalls import current
from runtime.sim.clients import SocketEnded
from sys_processes.http_server.protocol import ACTION, WebSocketPush, WsMessageType
from tests.support.web_app import SERVER, App
from tests.support.web_node import settle, web_node

Pushes = list[tuple[WsMessageType, bytes]]

TEXT, BINARY, PING, CLOSE = (
    WsMessageType.Text,
    WsMessageType.Binary,
    WsMessageType.Ping,
    WsMessageType.Close,
)


async def push_all(app: App, channel_id: int, pushes: Pushes) -> None:
    """In one step of the process."""

    async def job() -> None:
        for kind, data in pushes:
            ipc = ACTION.encode(WebSocketPush(channel_id, kind))
            current().send_request(SERVER, Request(ipc=ipc), None, Payload(None, data))

    await app.do(job)


@pytest.mark.parametrize("capacity", [40, 300, 1000, 65536])
async def test_frames_larger_than_the_room_of_a_client_arrive_whole_and_in_order(capacity: int) -> None:
    async with web_node(capacity=capacity) as web:
        app = await web.started(App())
        socket, channel_id = await web.registered()
        await settle()
        pushes: Pushes = [
            (BINARY, bytes([size % 251]) * size) if size % 2 else (TEXT, b"%d" % size * (size // 4))
            for size in (1, 200, 333, 70_001, 4, 2_000, 9)
        ]
        await push_all(app, channel_id, pushes)
        for kind, data in pushes:
            assert await socket.receive() == (data if kind is BINARY else data.decode())


async def test_a_frame_of_which_a_part_is_out_is_finished_before_pongs_and_the_close() -> None:
    async with web_node(capacity=100) as web:
        app = await web.started(App())
        socket, channel_id = await web.registered()
        await settle()
        await push_all(app, channel_id, [(BINARY, bytes(150))])
        await settle()
        await socket.send_ping(b"in between")
        await push_all(app, channel_id, [(PING, b"ours"), (TEXT, b"last"), (CLOSE, b"")])
        assert await socket.receive() == bytes(150)
        assert await socket.receive() == "last"
        with pytest.raises(SocketEnded) as ended:
            await socket.receive()
        assert ended.value.code == 1000
        assert (socket.pongs, socket.pings) == ([b"in between"], [b"ours"])


async def test_a_push_behind_one_that_waits_does_not_overtake_it() -> None:
    async with web_node(capacity=100) as web:
        app = await web.started(App())
        socket, channel_id = await web.registered()
        await settle()
        for number in range(20):
            await push_all(app, channel_id, [(TEXT, b"%03d" % number * 40)])
            await settle()
        for number in range(20):
            assert await socket.receive() == f"{number:03d}" * 40


async def test_a_channel_whose_client_keeps_up_has_no_task_for_what_waits() -> None:
    """Ten thousand idle channels are two tasks each: of the connection, and of its reader."""
    async with web_node() as web:
        app = await web.started(App(echo=True))
        await web.registered()
        await settle()
        before = trio.lowlevel.current_statistics().tasks_living
        opened = [await web.registered() for _ in range(5)]
        for socket, channel_id in opened:
            await push_all(app, channel_id, [(TEXT, b"pushed")])
            assert await socket.receive() == "pushed"
            await socket.send("echoed")
            assert await socket.receive() == "echoed"
        await settle()
        assert trio.lowlevel.current_statistics().tasks_living - before == 2 * len(opened)


async def test_a_channel_that_had_to_wait_once_keeps_its_order_and_its_end() -> None:
    async with web_node(capacity=100) as web:
        app = await web.started(App())
        socket, channel_id = await web.registered()
        await settle()
        await push_all(app, channel_id, [(BINARY, bytes(5000))])
        assert await socket.receive() == bytes(5000)
        await settle()
        await push_all(app, channel_id, [(TEXT, b"small"), (PING, b"p"), (TEXT, b"x" * 500), (CLOSE, b"")])
        assert await socket.receive() == "small"
        assert await socket.receive() == "x" * 500
        assert (await socket.ended()).code == 1000
        await settle()
        app.check_law(all_closed=True)
