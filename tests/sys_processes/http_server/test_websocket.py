"""An accepted WebSocket, driven by wsproto or trio-websocket as the client, on virtual time."""

from __future__ import annotations

import attrs
import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st
from trio_websocket import WebSocketConnection, wrap_client_stream
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Message, Ping, Pong, TextMessage
from wsproto.utilities import LocalProtocolError

from sys_processes.http_server import websocket
from sys_processes.http_server.connection import serve_connection
from sys_processes.http_server.limits import Limits
from sys_processes.http_server.websocket import Socket, SocketClosed
from tests.support.streams import connection, stalling_connection
from tests.sys_processes.http_server.serving import UPGRADE, Client, EchoSite, serving
from tests.sys_processes.http_server.test_frame_lane import frame

MIB = 1 << 20


@attrs.define
class Talker:
    """A client behind its upgrade. Answers neither pings nor closes by itself."""

    client: Client
    wsproto: Connection = attrs.Factory(lambda: Connection(ConnectionType.CLIENT))
    waiting: list[Event] = attrs.Factory(list)

    async def send(self, event: Event) -> None:
        await self.client.send(bytes(self.wsproto.send(event)))

    async def event(self) -> Event | None:
        """The next event, messages joined; None when the server ended the stream."""
        parts: list[str | bytes] = []
        while True:
            while not self.waiting:
                data = bytes(self.client.buffer) or bytes(await self.client.stream.receive_some())
                self.client.buffer.clear()
                if not data:
                    return None
                self.wsproto.receive_data(data)
                self.waiting += self.wsproto.events()
            event = self.waiting.pop(0)
            if not isinstance(event, Message):
                return event
            parts.append(event.data)
            if event.message_finished:
                return type(event)(data=type(event.data)().join(parts))

    async def closed_with(self) -> tuple[int, str | None]:
        """The server's close frame, after whatever else it sent; then it must end the stream."""
        while not isinstance(event := await self.event(), CloseConnection):
            assert event is not None, "the server ended without a close frame"
        return int(event.code), event.reason


async def talker(client: Client, early: bytes = b"") -> Talker:
    await client.send(UPGRADE + early)
    assert (await client.read_until(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
    return Talker(client)


def text(event: Event | None) -> str:
    assert isinstance(event, TextMessage)
    return event.data


async def test_texts_and_bytes_come_back_as_they_went() -> None:
    async with serving() as client:
        ours = await talker(client)
        await ours.send(TextMessage(data="grüß"))
        assert text(await ours.event()) == "grüß"
        await ours.send(BytesMessage(data=b"\xff\0"))
        assert await ours.event() == BytesMessage(data=b"\xff\0")
        await ours.send(CloseConnection(code=1000))
        assert await ours.closed_with() == (1000, "")
    assert [closed.clean for closed in client.site.closes] == [True]


@given(
    sizes=st.lists(st.sampled_from([0, 1, 125, 126, 127, 65535, 65536, 70000]), min_size=1, max_size=4),
    cuts=st.lists(st.integers(1, 70000), max_size=5),
)
async def test_messages_of_any_size_cut_anywhere_come_back(sizes: list[int], cuts: list[int]) -> None:
    async with serving() as client:
        ours = await talker(client)
        messages = [bytes((index,)) * size for index, size in enumerate(sizes)]
        data = b"".join(bytes(ours.wsproto.send(BytesMessage(data=message))) for message in messages)
        for cut in cuts:
            if data[:cut]:
                await client.send(data[:cut])
                await trio.testing.wait_all_tasks_blocked()
            data = data[cut:]
        if data:
            await client.send(data)
        for message in messages:
            assert await ours.event() == BytesMessage(data=message)


async def test_frames_sent_behind_the_head_before_the_answer_are_not_lost() -> None:
    """trio-websocket's handshake would choke on them."""
    async with serving() as client:
        ours = await talker(client, early=frame(0x81, b"one") + frame(0x81, b"two")[:4])
        await client.send(frame(0x81, b"two")[4:])
        assert [text(await ours.event()) for _ in range(2)] == ["one", "two"]


@pytest.mark.parametrize(("early", "code"), [(b"x", 1006), (b"\r\n", 1002), (b"\0", 1006)])
async def test_stray_bytes_behind_the_upgrade_harm_nobody(early: bytes, code: int) -> None:
    async with serving() as client:
        await talker(client, early)
        await client.stream.send_eof()
        await client.ended.wait()
        assert [closed.code for closed in client.site.closes] == [code]
        assert client.site.failures == []


async def test_fragments_are_joined_around_a_ping() -> None:
    async with serving() as client:
        ours = await talker(client)
        await ours.send(TextMessage(data="a", message_finished=False))
        await ours.send(Ping(payload=b"p"))
        await ours.send(TextMessage(data="", message_finished=False))
        await ours.send(TextMessage(data="b", message_finished=True))
        assert await ours.event() == Pong(payload=b"p")
        assert text(await ours.event()) == "ab"


async def test_a_real_client_speaks_with_us() -> None:
    ends = connection()
    async with serving(ends=ends) as client, trio.open_nursery() as nursery:
        theirs = await wrap_client_stream(nursery, client.stream, "localhost", "/ws")  # type: ignore[arg-type]
        await theirs.send_message("hello")
        assert await theirs.get_message() == "hello"
        await theirs.ping(b"are you there")
        await theirs.aclose(4000, "enough")
    assert [(closed.code, closed.reason, closed.clean) for closed in client.site.closes] == [
        (4000, "enough", True)
    ]


# The client closes, or vanishes.


@pytest.mark.parametrize(("payload", "code"), [(b"", 1005), (b"\x03\xe9", 1001), (b"\x0f\xa0bye", 4000)])
async def test_the_site_hears_what_came_before_the_close_and_how_the_client_closed(
    payload: bytes, code: int
) -> None:
    heard: list[str | bytes | int] = []

    async def listen(socket: Socket) -> None:
        try:
            while True:
                heard.append(await socket.receive())
        except SocketClosed as closed:
            heard.append(closed.code)
            heard.append(closed.clean)

    async with serving(EchoSite(socket=listen)) as client:
        await talker(client)
        await client.send(frame(0x82, b"last") + frame(0x88, payload) + frame(0x82, b"after"))
        assert await client.rest() == frame(0x88, payload, masked=False)
        await client.ended.wait()
        assert heard == [b"last", code, True]


@pytest.mark.parametrize("how", ["reset", "close", "half-close"])
@pytest.mark.parametrize("early", [b"", b"\x81", frame(0x81, b"abc")[:7], frame(0x01, b"abc")], ids=len)
async def test_a_client_may_vanish_at_any_byte(how: str, early: bytes) -> None:
    async with serving() as client:
        await talker(client, early)
        if how == "reset":
            client.server.reset()
        elif how == "close":
            await client.stream.aclose()
        else:
            await client.stream.send_eof()
        await client.ended.wait()
        assert [(closed.code, closed.clean) for closed in client.site.closes] == [(1006, False)]
        assert client.site.failures == []


async def test_a_client_that_vanishes_while_it_is_written_to_is_closed_for_the_site() -> None:
    ended: list[SocketClosed] = []

    async def chatter(socket: Socket) -> None:
        try:
            while True:
                await socket.send_text("x" * 100)
        except SocketClosed as closed:
            ended.append(closed)

    async with serving(EchoSite(socket=chatter), ends=stalling_connection()) as client:
        await client.send(UPGRADE)
        await client.read_until(b"xxx")
        client.server.reset()
        await client.ended.wait()
        assert [closed.code for closed in ended] == [1006]


async def test_a_ping_behind_our_close_raises_nowhere() -> None:
    """trio-websocket issue 184."""

    async def leave(socket: Socket) -> None:
        await socket.receive()
        await socket.close(4001, "go")

    async with serving(EchoSite(socket=leave)) as client:
        ours = await talker(client)
        await ours.send(TextMessage(data="x"))
        assert await ours.closed_with() == (4001, "go")
        await client.send(frame(0x89, b"") + frame(0x81, b"late") + frame(0x88, b"\x0f\xa1"))
        assert await ours.event() is None
        assert client.site.failures == []


# We close.


async def test_the_end_of_the_site_closes_with_1000() -> None:
    async def at_once(socket: Socket) -> None:
        await socket.send_text("bye")

    async with serving(EchoSite(socket=at_once)) as client:
        ours = await talker(client)
        assert text(await ours.event()) == "bye"
        assert (await ours.closed_with())[0] == 1000


async def test_a_site_that_raises_closes_with_1011() -> None:
    async def broken(socket: Socket) -> None:
        raise LookupError("socket")

    async with serving(EchoSite(socket=broken)) as client:
        ours = await talker(client)
        assert (await ours.closed_with())[0] == 1011
        assert [repr(error) for error in client.site.failures] == ["LookupError('socket')"]


@pytest.mark.parametrize("behaviour", ["silent", "talking", "not reading", "half-closed", "gone"])
async def test_closing_ends_in_time_whatever_the_client_does(behaviour: str) -> None:
    """trio-websocket issue 182."""
    seconds: list[float] = []

    async def close_at_ten(socket: Socket) -> None:
        await trio.sleep(10)
        await socket.close(1001, "shutdown")
        seconds.append(trio.current_time())
        with pytest.raises(SocketClosed):
            await socket.send_text("x")
        with pytest.raises(SocketClosed):
            await socket.receive()
        await socket.close()

    ends = stalling_connection() if behaviour == "not reading" else connection()
    async with serving(EchoSite(socket=close_at_ten), ends=ends) as client, trio.open_nursery() as nursery:
        await talker(client)
        start = trio.current_time()
        if behaviour == "talking":

            async def talk() -> None:
                try:
                    while True:
                        await client.send(frame(0x81, b"x") + frame(0x89, b""))
                        await trio.sleep(0.5)
                except trio.BrokenResourceError:
                    pass

            nursery.start_soon(talk)
        elif behaviour == "half-closed":
            await client.stream.send_eof()
        elif behaviour == "gone":
            await trio.sleep(9)
            client.server.reset()
        await client.ended.wait()
        assert seconds[0] - start <= 10 + Limits().close_seconds
        assert client.site.failures == []


async def test_a_close_that_meets_the_clients_close_is_no_trouble() -> None:
    async def close_now(socket: Socket) -> None:
        await socket.close(4002)

    async with serving(EchoSite(socket=close_now)) as client:
        ours = await talker(client, early=frame(0x88, b"\x0f\xa3"))
        assert (await ours.closed_with())[0] in (4002, 4003)


async def test_a_cancelled_send_leaves_no_half_frame_for_the_next() -> None:
    async def interrupted(socket: Socket) -> None:
        with trio.move_on_after(1):
            await socket.send_text("cut")
        with pytest.raises(SocketClosed):
            await socket.send_text("next")

    async with serving(EchoSite(socket=interrupted), ends=stalling_connection()) as client:
        await client.send(UPGRADE)
        await client.read_until(b"\r\n\r\n")
        await trio.sleep(2)
        assert await client.rest() in (b"", frame(0x81, b"cut", masked=False))
        assert client.site.failures == []


# What the client does wrong.


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(0x81, b"\xff"), 1007),
        (frame(0x01, b"\xff"), 1007),
        (frame(0x01, b"\xc3") + frame(0x80, b"x"), 1007),
        (frame(0x88, b"\x03\xe8\xff"), 1007),
        (frame(0x81, b"x", masked=False), 1002),
        (frame(0x83, b"x"), 1002),
        (frame(0xC1, b"x"), 1002),
        (frame(0x80, b"x"), 1002),
        (frame(0x01, b"x") + frame(0x81, b"y"), 1002),
        (frame(0x09, b"x"), 1002),
        (frame(0x88, b"\x03"), 1002),
        (frame(0x88, b"\x03\xed"), 1002),
        (b"\x89\xfe\x00\x7e" + b"\0" * 130, 1002),
        (b"\x81\xfe\x00\x05" + b"\0" * 9, 1002),
        (b"\x82\xff\xff" + b"\0" * 11, 1002),
        (b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", 1002),
    ],
)
async def test_a_broken_frame_is_answered_with_its_close_code(data: bytes, code: int) -> None:
    async with serving() as client:
        ours = await talker(client)
        await ours.send(TextMessage(data="good"))
        await client.send(data + frame(0x81, b"never heard"))
        assert text(await ours.event()) == "good"
        assert (await ours.closed_with())[0] == code
        assert await ours.event() is None
        assert [(closed.code, closed.clean) for closed in client.site.closes] == [(code, False)]


@pytest.mark.parametrize("first", [0x81, 0x82], ids=["text", "binary"])
@pytest.mark.parametrize("fragments", [1, 3])
async def test_a_message_that_is_too_big_closes_with_1009(first: int, fragments: int) -> None:
    limits = Limits(message_bytes=1000)
    good = "ä" * 500
    async with serving(limits=limits) as client:
        ours = await talker(client)
        await client.send(frame(0x81, good.encode()))
        assert text(await ours.event()) == good
        if fragments == 1:
            await client.send(frame(first, b"x" * 1001))
        else:
            await client.send(frame(first & 0x7F, b"x" * 500) + frame(0, b"x" * 500) + frame(0x80, b"x"))
        assert (await ours.closed_with())[0] == 1009
        await client.send(frame(0x81, b"still sending"))
        await client.stream.send_eof()
        await client.ended.wait()
        assert [closed.code for closed in client.site.closes] == [1009]


@pytest.mark.parametrize("size", [1001, 1 << 40, (1 << 63) - 1])
@pytest.mark.parametrize("first", [0x81, 0x82, 0x01, 0x02])
async def test_a_frame_that_announces_too_much_is_not_waited_for(first: int, size: int) -> None:
    async with serving(limits=Limits(message_bytes=1000)) as client:
        ours = await talker(client)
        length = b"\xfe" + size.to_bytes(2, "big") if size < 65536 else b"\xff" + size.to_bytes(8, "big")
        await client.send(frame(0x81, b"good"))
        assert text(await ours.event()) == "good"
        await client.send(bytes((first,)) + length + bytes(4))
        assert (await ours.closed_with())[0] == 1009
        assert [closed.code for closed in client.site.closes] == [1009]


async def test_the_default_limit_is_ten_mebibytes() -> None:
    async with serving() as client:
        ours = await talker(client)
        await client.send(frame(0x82, b"x" * 10 * MIB))
        event = await ours.event()
        assert isinstance(event, BytesMessage)
        assert len(event.data) == 10 * MIB
        await client.send(frame(0x82, b"x" * (10 * MIB + 1)))
        assert (await ours.closed_with())[0] == 1009


async def test_endless_empty_fragments_take_no_memory() -> None:
    async def measure(socket: Socket) -> None:
        assert await socket.receive() == "a"

    async with serving(EchoSite(socket=measure)) as client:
        ours = await talker(client)
        await client.send(frame(0x01, b"a") + frame(0x00, b"") * 10_000 + frame(0x80, b""))
        assert (await ours.closed_with())[0] == 1000


# A slow site, a slow client.


async def test_pings_are_answered_while_the_site_is_slow() -> None:
    async def slow(socket: Socket) -> None:
        await trio.sleep(1000)
        assert [await socket.receive() for _ in range(60)] == [str(index) for index in range(60)]

    async with serving(EchoSite(socket=slow)) as client:
        ours = await talker(client)
        for index in range(60):
            await ours.send(TextMessage(data=str(index)))
        await ours.send(Ping(payload=b"alive"))
        assert await ours.event() == Pong(payload=b"alive")
        assert trio.current_time() < 100
        assert (await ours.closed_with())[0] == 1000
        assert client.site.failures == []


async def test_a_client_that_floods_a_slow_site_is_not_read() -> None:
    sent = 0
    taken: list[str | bytes] = []

    async def slow(socket: Socket) -> None:
        await trio.sleep(1000)
        while len(taken) < 500:
            taken.append(await socket.receive())

    async with (
        serving(EchoSite(socket=slow), ends=stalling_connection()) as client,
        trio.open_nursery() as nursery,
    ):
        await talker(client)

        async def flood() -> None:
            nonlocal sent
            for index in range(500):
                await client.send(frame(0x81, str(index).encode()))
                sent += 1

        nursery.start_soon(flood)
        await trio.testing.wait_all_tasks_blocked()
        assert sent <= Limits().queue_messages + 1
        await client.read_until(b"\x88")
        assert taken == [str(index) for index in range(500)]


async def test_large_messages_fill_the_queue_by_their_bytes() -> None:
    sent = 0

    async def slow(socket: Socket) -> None:
        await trio.sleep(100)

    limits = Limits(queue_bytes=3000, close_seconds=1)
    async with serving(EchoSite(socket=slow), limits, stalling_connection()) as client:
        await talker(client)
        with trio.move_on_after(50):
            while True:
                await client.send(frame(0x82, b"x" * 1000))
                sent += 1
        assert sent <= 4


async def test_two_tasks_may_not_receive_at_once() -> None:
    async def twice(socket: Socket) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(socket.receive)
            await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(trio.BusyResourceError):
                await socket.receive()
            nursery.cancel_scope.cancel()
        assert await socket.receive() == "still works"

    async with serving(EchoSite(socket=twice)) as client:
        ours = await talker(client)
        await trio.testing.wait_all_tasks_blocked()
        await ours.send(TextMessage(data="still works"))
        assert (await ours.closed_with())[0] == 1000
        assert client.site.failures == []


async def test_many_tasks_may_send_at_once() -> None:
    async def chorus(socket: Socket) -> None:
        async with trio.open_nursery() as nursery:
            for index in range(20):
                nursery.start_soon(socket.send_text, f"{index:02}" * 100)

    async with serving(EchoSite(socket=chorus), ends=stalling_connection()) as client:
        ours = await talker(client)
        heard = sorted([text(await ours.event()) for _ in range(20)])
        assert heard == [f"{index:02}" * 100 for index in range(20)]
        assert (await ours.closed_with())[0] == 1000


async def test_control_frames_of_the_site() -> None:
    async def control(socket: Socket) -> None:
        await socket.ping(b"hi")
        await socket.pong(b"ho")
        with pytest.raises(ValueError, match="at most 125"):
            await socket.ping(b"x" * 126)
        await socket.send_text("lone \ud800")
        await socket.close(1001, "ü" * 100)

    async with serving(EchoSite(socket=control)) as client:
        ours = await talker(client)
        assert await ours.event() == Ping(payload=b"hi")
        assert await ours.event() == Pong(payload=b"ho")
        assert text(await ours.event()) == "lone ?"
        code, reason = await ours.closed_with()
        assert (code, (reason or "").strip("ü")) == (1001, "")


async def test_a_handshake_that_cannot_be_answered_ends_after_its_time() -> None:
    async with serving(ends=stalling_connection()) as client:
        await client.send(UPGRADE)
        start = trio.current_time()
        await client.ended.wait()
        assert trio.current_time() - start == pytest.approx(10)


async def test_a_shutdown_closes_the_socket_at_once() -> None:
    client, server = connection()
    site = EchoSite()
    await client.send_all(UPGRADE)
    with trio.move_on_after(1) as shutdown:
        await serve_connection(server, site, Limits())
    assert shutdown.cancelled_caught
    assert trio.current_time() - shutdown.deadline == 0
    assert server.closed


def test_a_trio_websocket_that_changed_inside_is_refused_loudly(monkeypatch: pytest.MonkeyPatch) -> None:
    websocket.check_base()
    monkeypatch.delattr(WebSocketConnection, "_get_request")
    with pytest.raises(RuntimeError, match="_get_request"):
        websocket.check_base()


def test_wsproto_still_raises_for_a_pong_behind_a_close() -> None:
    """Why the connection asks before it answers a ping."""
    server = Connection(ConnectionType.SERVER)
    server.send(CloseConnection(code=1000))
    with pytest.raises(LocalProtocolError):
        server.send(Pong(payload=b""))
