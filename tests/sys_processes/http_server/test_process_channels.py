"""Open channels through a whole node: frames both ways, and who may push (PROTOCOL 6.3, 6.12)."""

from __future__ import annotations

import pytest

from sys_processes.http_server.protocol import (
    ACTION,
    NoPayload,
    WebSocketClose,
    WebSocketOpen,
    WebSocketPush,
    WebSocketPushError,
    WsMessageType,
)
from tests.support.web_app import App
from tests.support.web_node import APP, settle, web_node

TEXT, BINARY, PING, PONG, CLOSE = WsMessageType
NAMESAKE = f"bob.uq@{APP}"
NOT_FOUND = WebSocketPushError("WebSocket channel not found")
NOT_OWNED = WebSocketPushError("WebSocket channel not owned by this process")
CLOSED = WebSocketPushError("WebSocket channel closed")
TOO_LONG = WebSocketPushError("Ping and Pong messages must be 125 bytes or less")


# -- frames


async def test_the_clients_frames_reach_the_process_in_order_with_their_type_and_bytes() -> None:
    """C-126, C-127."""
    async with web_node() as web:
        app = await web.started(App())
        socket, channel_id = await web.registered()
        frames: list[str | bytes] = ["text", b"\0\xff", "", b"", "\u00e9\U0001f600", bytes(200_000)]
        for frame in frames:
            await socket.send(frame)
        await settle()
        assert app.pushed(channel_id) == [
            (TEXT, frame.encode()) if isinstance(frame, str) else (BINARY, frame) for frame in frames
        ]
        pushes = [each for each in app.heard if not isinstance(each.what, WebSocketOpen)]
        assert {(each.message.metadata, each.message.wants_response) for each in pushes} == {("ws", False)}


async def test_a_message_in_many_pieces_is_one_push_and_pings_between_them_are_answered() -> None:
    async with web_node() as web:
        app = await web.started(App())
        socket, channel_id = await web.registered()
        mask = b"\x80\0\0\0\0"
        for first, data in ((0x01, b"a"), (0x00, b"b"), (0x89, b"?"), (0x00, b""), (0x80, b"c")):
            await socket.raw(bytes([first, 0x80 | len(data)]) + mask[1:] + data)
        await settle()
        assert app.pushed(channel_id) == [(TEXT, b"abc")]
        await app.tell(WebSocketPush(channel_id, TEXT), b"done")
        assert await socket.receive() == "done"
        assert socket.pongs == [b"?"]


async def test_pings_pongs_and_closes_of_the_client_are_not_pushed() -> None:
    async with web_node() as web:
        app = await web.started(App())
        socket, channel_id = await web.registered()
        await socket.send_ping(b"1")
        await socket.raw(b"\x8a\x80\0\0\0\0")
        end = await socket.close()
        await settle()
        assert (end.code, socket.pongs) == (1000, [b"1"])
        assert [each.what for each in app.heard] == [
            WebSocketOpen("/", channel_id),
            WebSocketClose(channel_id),
        ]


async def test_pushes_reach_the_client_in_order_with_their_type_and_bytes() -> None:
    """C-129."""
    async with web_node() as web:
        app = await web.started(App())
        socket, channel_id = await web.registered()
        pushed = [(TEXT, b"text"), (BINARY, bytes(range(256))), (TEXT, b""), (BINARY, bytes(100_000))]
        for kind, data in pushed:
            assert await app.ask(WebSocketPush(channel_id, kind), data) is None
        assert [await socket.receive() for _ in pushed] == ["text", bytes(range(256)), "", bytes(100_000)]


async def test_text_that_is_no_utf8_reaches_the_client_with_replacements() -> None:
    async with web_node() as web:
        app = await web.started(App())
        socket, channel_id = await web.registered()
        assert await app.ask(WebSocketPush(channel_id, TEXT), b"a\xffb") is None
        assert await socket.receive() == "a\ufffdb"


@pytest.mark.parametrize("kind", [PING, PONG])
async def test_a_ping_of_125_bytes_is_sent_and_of_126_refused(kind: WsMessageType) -> None:
    """C-132."""
    async with web_node() as web:
        app = await web.started(App())
        socket, channel_id = await web.registered()
        assert await app.ask(WebSocketPush(channel_id, kind), bytes(126)) == TOO_LONG
        assert await app.ask(WebSocketPush(channel_id, kind), bytes(125)) is None
        assert await app.ask(WebSocketPush(channel_id, TEXT), b"after") is None
        assert await socket.receive() == "after"
        assert [*socket.pings, *socket.pongs] == [bytes(125)]


async def test_a_push_without_payload_is_refused() -> None:
    """C-134."""
    async with web_node() as web:
        app = await web.started(App())
        _, channel_id = await web.registered()
        assert await app.ask(WebSocketPush(channel_id, TEXT)) == NoPayload()
        assert await app.ask(WebSocketPush(channel_id, PING)) == NoPayload()


async def test_what_is_no_action_is_answered_with_what_was_sent() -> None:
    async with web_node() as web:
        app = await web.started(App())
        error = await app.ask(b"no action")
        assert str(error) == "BadRequest(req='no action')"
        assert await app.ask(WebSocketOpen("/", 1)) == WebSocketPushError(
            "WebSocketOpen is not a valid request"
        )


async def test_pushes_that_want_no_answer_get_none_whatever_becomes_of_them() -> None:
    """F-50."""
    async with web_node() as web:
        app = await web.started(App())
        socket, channel_id = await web.registered()
        await app.tell(WebSocketPush(channel_id, TEXT), b"one")
        await app.tell(WebSocketPush(7, TEXT), b"nobody")
        await app.tell(WebSocketClose(channel_id))
        assert await socket.receive() == "one"
        await settle()
        assert (app.answers, app.errors) == ([], [])


# -- whose channel it is


async def test_a_push_to_an_unknown_channel_or_to_one_that_was_closed_is_refused() -> None:
    """C-131, F-51."""
    async with web_node() as web:
        app = await web.started(App())
        socket, channel_id = await web.registered()
        assert await app.ask(WebSocketPush(channel_id ^ 1, TEXT), b"x") == NOT_FOUND
        assert await app.ask(WebSocketClose(channel_id ^ 1)) == NOT_FOUND
        await socket.close()
        await settle()
        assert await app.ask(WebSocketPush(channel_id, TEXT), b"x") == NOT_FOUND


async def test_a_process_neither_pushes_to_nor_closes_a_channel_of_another() -> None:
    """C-130, C-135."""
    async with web_node() as web:
        app = await web.started(App(echo=True))
        thief = await web.started(App(), "thief:app:alice.uq")
        socket, channel_id = await web.registered()
        for kind in (TEXT, BINARY, PING, CLOSE):
            assert await thief.ask(WebSocketPush(channel_id, kind), b"x") == NOT_OWNED
        assert await thief.ask(WebSocketClose(channel_id)) == NOT_OWNED
        await socket.send("mine")
        assert await socket.receive() == "mine"
        assert (thief.heard, app.closed()) == ([], [])


async def test_the_namesake_on_another_node_pushes_but_does_not_close() -> None:
    """C-136, F-52."""
    async with web_node() as web:
        app = await web.started(App(echo=True))
        socket, channel_id = await web.registered()
        pushed = ACTION.encode(WebSocketPush(channel_id, BINARY))
        assert await web.from_node(NAMESAKE, pushed, b"from afar") == b'{"Ok":null}'
        assert await socket.receive() == b"from afar"
        answer = await web.from_node(NAMESAKE, ACTION.encode(WebSocketClose(channel_id)), None)
        assert answer is not None
        assert b"WebSocket channel not found" in answer
        answer = await web.from_node("bob.uq@thief:app:bob.uq", pushed, b"x")
        assert answer is not None
        assert b"not owned" in answer
        await socket.send("still open")
        assert await socket.receive() == "still open"
        assert app.closed() == []
