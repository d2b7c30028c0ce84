"""Bytes that one program reads as one request and another as two; and what comes behind a request that was refused."""

from __future__ import annotations

import h11
import pytest
import trio

from runtime.sim.clients import HttpClient, request_bytes, upgrade_bytes
from sys_processes.http_server.protocol import Bind
from sys_processes.http_server.settings import HttpSettings
from tests.support.web_node import APP, PASSWORD, settle
from tests.sys_processes.http_server.harm import PATH, unharmed

START = f"POST {PATH} HTTP/1.1\r\nhost: localhost:8080\r\n".encode()
CHUNKED = START + b"transfer-encoding: chunked\r\n\r\n"
HIDDEN = request_bytes("GET", f"{PATH}?hidden=1")


def h11_refuses(data: bytes) -> bool:
    """Whether h11 reads no whole request in it."""
    server = h11.Connection(h11.SERVER)
    server.receive_data(data)
    try:
        while True:
            event = server.next_event()
            if isinstance(event, h11.EndOfMessage):
                return False
            if event is h11.NEED_DATA:
                return True
    except h11.RemoteProtocolError:
        return True


REFUSED_BY_ALL = [
    START + b"content-length: 4\r\ntransfer-encoding: identity\r\n\r\nabcd",
    START + b"content-length: 1\r\ncontent-length: 4\r\n\r\nabcd",
    START + b"content-length: 4, 5\r\n\r\nabcd",
    START + b"content-length: +4\r\n\r\nabcd",
    START + b"content-length: 0x4\r\n\r\nabcd",
    START + b"content-length: 4 4\r\n\r\nabcd",
    START + b"content-length: \r\n\r\n",
    START + b"content-length : 4\r\n\r\nabcd",
    START + b"content-length\t: 4\r\n\r\nabcd",
    b"POST / HTTP/1.1\r\n content-length: 4\r\nhost: a\r\n\r\nabcd",
    START + b"x\0y: 1\r\n\r\n",
    START + b"x: a\0b\r\n\r\n",
    START + b"x: a\rb\r\n\r\n",
    START + b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
    START + b"transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    START + b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    START + b"host: other\r\n\r\n",
    CHUNKED + b"g\r\n",
    CHUNKED + b"-1\r\n\r\n",
    CHUNKED + b"0x1\r\na\r\n0\r\n\r\n",
    CHUNKED + b"\r\n0\r\n\r\n",
    CHUNKED + b" 1\r\na\r\n0\r\n\r\n",
    CHUNKED + b"1\r\nab\r\n0\r\n\r\n",
    CHUNKED + b"1\r\na0\r\n\r\n",
    CHUNKED + b"fffffffffffffffffffff\r\n",
]
"""Each is refused by h11 too."""

REFUSED_BY_US = [
    START + b"content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    START + b"transfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n0\r\n\r\n",
    START + b"content-length: 4\r\ncontent-length: 4\r\n\r\nabcd",
    START + b"content-length: 4, 4\r\n\r\nabcd",
    START + b"x: 1\n\r\n",
    START + b"x: 1\ncontent-length: 4\r\n\r\nabcd",
    START.replace(b"\r\n", b"\n") + b"\n",
    START + b"x: 1\r\n folded\r\n\r\n",
    START + b"transfer-encoding: chunked\r\n chunked\r\n\r\n0\r\n\r\n",
    CHUNKED + b"1\na\r\n0\r\n\r\n",
    CHUNKED + b"1 \r\na\r\n0\r\n\r\n",
    START.replace(b"1.1", b"1.0") + b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
]
"""h11 reads some of them, kindly; somebody in front of us might read them in another way."""


@pytest.mark.parametrize("data", REFUSED_BY_ALL)
def test_the_oracle_refuses_them_too(data: bytes) -> None:
    assert h11_refuses(data)


@pytest.mark.parametrize("data", REFUSED_BY_ALL + REFUSED_BY_US)
async def test_what_can_be_read_in_two_ways_is_answered_once_and_what_hides_behind_it_never(
    data: bytes,
) -> None:
    async with unharmed() as (web, app):
        client = web.client()
        await client.send(data + HIDDEN)
        reply = await client.reply()
        assert reply.status in {400, 501}
        assert reply.header("connection") == "close"
        assert await client.rest() == b""
        await client.close()
        assert app.heard == []


@pytest.mark.parametrize(
    "body",
    [
        b"3\r\nabc\r\n0\r\n\r\n",
        b"3;name=value\r\nabc\r\n0;last\r\n\r\n",
        b'3;name="a;b"\r\nabc\r\n0\r\n\r\n',
        b"0000003\r\nabc\r\n000\r\n\r\n",
        b"1\r\na\r\n2\r\nbc\r\n0\r\nx-trailer: 1\r\n\r\n",
    ],
)
async def test_chunks_and_their_extensions_are_read_and_the_next_request_stays_one(body: bytes) -> None:
    async with unharmed() as (web, app):
        assert not h11_refuses(CHUNKED + body)
        client = web.client()
        await client.send(CHUNKED + body + HIDDEN)
        assert [(await client.reply()).status for _ in range(2)] == [200, 200]
        await client.close()
        assert [(call.method, heard) for call, heard in app.calls()] == [("POST", b"abc"), ("GET", b"")]
        assert app.calls()[1][0].query_params == {"hidden": "1"}


# -- behind what was refused, and what was answered


@pytest.mark.parametrize(
    ("first", "status"),
    [
        (request_bytes("POST", PATH, content_length="2000"), 413),
        (request_bytes("POST", f"/{APP}/nothing", content_length="20"), 404),
        (request_bytes("POST", "/login", bytes(17_000)), 413),
        (request_bytes("PUT", "/login", b"x"), 405),
        (request_bytes("POST", "/rpc:sys:nectar/message", b"{}"), 401),
        (upgrade_bytes(f"/{APP}/nothing"), 404),
        (upgrade_bytes("/", origin="http://evil.example"), 403),
        (upgrade_bytes("/", sec_websocket_version="8"), 426),
    ],
)
async def test_what_is_pipelined_behind_a_refused_request_is_not_heard(first: bytes, status: int) -> None:
    """A body that was not read is no request, and a client that was refused has to begin anew."""
    async with unharmed(HttpSettings(max_body=1000)) as (web, app):
        client = web.client()
        await client.send(first + HIDDEN)
        reply = await client.reply()
        assert reply.status == status
        assert await client.rest() == b""
        await client.close()
        assert app.heard == []


async def test_what_is_pipelined_behind_an_answer_without_a_body_is_served() -> None:
    async with unharmed() as (web, app):
        client = web.client()
        await client.send(request_bytes("GET", f"/{APP}/nothing") + HIDDEN)
        assert [(await client.reply()).status for _ in range(2)] == [404, 200]
        await client.close()
        assert len(app.calls()) == 1


# -- around an upgrade


async def test_a_byte_behind_the_head_of_an_upgrade_begins_a_frame() -> None:
    async with unharmed() as (web, _):
        client = web.client()
        frame = b"\x81\x80\0\0\0\0"
        await client.send(upgrade_bytes("/") + frame[:1])
        assert (await client.reply()).status == 101
        await client.send(frame[1:])
        # An empty register: refused, and so it was read as a frame.
        assert (await client.rest())[:4] == b"\x88\x16" + (1008).to_bytes(2, "big")
        await client.close()


async def test_a_request_behind_the_head_of_an_upgrade_is_a_bad_frame_and_no_request() -> None:
    async with unharmed() as (web, app):
        client = web.client()
        await client.send(upgrade_bytes("/") + HIDDEN)
        assert (await client.reply()).status == 101
        received = await client.rest()
        assert received[:1] == b"\x88"
        assert received[2:4] == (1002).to_bytes(2, "big")
        await client.close()
        assert app.heard == []


# -- clients that end their side


async def test_who_ends_their_side_before_a_request_is_let_go_without_a_word() -> None:
    async with unharmed() as (web, _):
        client = web.client()
        await client.stream.send_eof()
        assert await client.rest() == b""
        await client.close()


async def test_who_ends_their_side_behind_a_request_is_answered() -> None:
    async with unharmed() as (web, app):
        client = web.client()
        await client.send(HIDDEN)
        await client.stream.send_eof()
        assert (await client.reply()).status == 200
        assert await client.rest() == b""
        await client.close()
        assert len(app.calls()) == 1


@pytest.mark.parametrize("size", [1, 40, len(HIDDEN) - 1])
async def test_who_ends_their_side_inside_a_head_is_refused(size: int) -> None:
    async with unharmed() as (web, app):
        client = web.client()
        await client.send(HIDDEN[:size])
        await client.stream.send_eof()
        assert (await client.reply()).status == 400
        await client.close()
        assert app.heard == []


# -- guesses


async def test_a_flood_of_logins_is_told_when_to_come_back_and_holds_up_nobody() -> None:
    """PROTOCOL 6.8: 429 with Retry-After."""
    async with unharmed() as (web, app):
        await app.ask(Bind("/mine", authenticated=True, local_only=False, cache=False))
        cookie = await web.login()
        replies: list[tuple[int, str | None]] = []

        async def guess(client: HttpClient) -> None:
            reply = await client.ask("POST", "/login", b'{"password":"guess"}')
            replies.append((reply.status, reply.header("retry-after")))

        async with trio.open_nursery() as nursery:
            for number in range(200):
                nursery.start_soon(guess, web.client(f"10.0.0.{number}:1"))
            await settle()
            started = trio.current_time()
            assert (await web.http("GET", f"/{APP}/mine", cookie=cookie)).status == 200
            assert trio.current_time() == started
        assert [status for status, _ in replies].count(401) == 5
        late = [seconds for status, seconds in replies if status == 429]
        assert len(late) == 195
        assert all(0 < int(seconds or 0) <= 60 for seconds in late)
        await trio.sleep(60)
        assert (await web.login(PASSWORD)) != ""
