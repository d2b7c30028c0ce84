"""The HTTP loop of one connection, on virtual time."""

from __future__ import annotations

import gc
import tracemalloc

import attrs
import pytest
import trio
import trio.testing

from sys_processes.http_server.connection import serve_connection
from sys_processes.http_server.http1 import RequestHead
from sys_processes.http_server.limits import Limits
from sys_processes.http_server.replies import HttpReply
from sys_processes.http_server.room import Room
from sys_processes.http_server.upgrade import Accept
from tests.support.streams import connection, stalling_connection
from tests.sys_processes.http_server.serving import ASK, KEY, UPGRADE, VERSION, Client, EchoSite, serving

GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
POST = b"POST /p HTTP/1.1\r\nHost: h\r\n"


def get(target: str) -> bytes:
    return f"GET {target} HTTP/1.1\r\nHost: h\r\n\r\n".encode()


async def test_a_connection_answers_one_request_after_the_other() -> None:
    async with serving() as client:
        for index in range(3):
            await client.send(get(f"/{index}"))
            assert await client.reply() == (
                200,
                b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n",
                f"GET /{index} ".encode(),
            )


async def test_pipelined_requests_are_answered_in_order() -> None:
    async def slower_first(head: RequestHead, body: bytes) -> HttpReply:
        await trio.sleep(10 - int(head.path[1:]))
        return HttpReply(200, [], head.path.encode() + body)

    async with serving(EchoSite(answer=slower_first)) as client:
        body = POST.replace(b"/p", b"/1") + b"Content-Length: 1\r\n\r\n!"
        await client.send(get("/0") + body + get("/2") + get("/3")[:10])
        assert [(await client.reply())[2] for _ in range(3)] == [b"/0", b"/1!", b"/2"]
        await client.send(get("/3")[10:])
        assert (await client.reply())[2] == b"/3"


async def test_a_request_byte_by_byte_is_the_same_request() -> None:
    async with serving() as client:
        for byte in POST + b"Transfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n0\r\n\r\n":
            await client.send(bytes((byte,)))
        assert (await client.reply())[2] == b"POST /p abc"


async def test_head_gets_the_length_and_no_body() -> None:
    async with serving() as client:
        await client.send(GET.replace(b"GET", b"HEAD") + GET)
        status, head, _ = await client.reply(body=False)
        assert (status, b"content-length: 8\r\n" in head) == (200, True)
        assert (await client.reply())[2] == b"GET /a "


@pytest.mark.parametrize("status", [204, 304])
async def test_replies_without_body_keep_the_connection_in_step(status: int) -> None:
    async def empty(head: RequestHead, body: bytes) -> HttpReply:
        return HttpReply(status if head.path == "/0" else 200, [], b"body")

    async with serving(EchoSite(answer=empty)) as client:
        await client.send(get("/0") + get("/1"))
        assert (await client.reply(body=False))[0] == status
        assert (await client.reply())[2] == b"body"


@pytest.mark.parametrize(
    ("request_bytes", "word"),
    [
        (b"GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", b"connection: close"),
        (b"GET /a HTTP/1.0\r\n\r\n", b"connection: close"),
    ],
)
async def test_a_client_that_wants_to_close_is_closed(request_bytes: bytes, word: bytes) -> None:
    async with serving() as client:
        await client.send(request_bytes + GET)
        status, head, _ = await client.reply()
        assert status == 200
        assert word in head
        assert await client.rest() == b""
        assert client.site.requests == ["GET /a"]


async def test_an_old_client_may_keep_the_connection() -> None:
    async with serving() as client:
        await client.send(b"GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        assert b"connection: keep-alive" in (await client.reply())[1]
        await client.send(GET)
        assert (await client.reply())[0] == 200


async def test_a_client_that_ended_its_side_still_gets_its_answer() -> None:
    async with serving() as client:
        await client.send(GET)
        await client.stream.send_eof()
        assert (await client.reply())[0] == 200
        assert await client.rest() == b""


# Bodies.


async def test_a_waiting_client_is_told_to_go_on_once_the_body_is_wanted() -> None:
    async with serving() as client:
        await client.send(POST + b"Content-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        assert await client.read_until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        await client.send(b"abc")
        assert (await client.reply())[2] == b"POST /p abc"


async def test_nobody_is_told_to_go_on_who_did_or_who_has_nothing_to_send() -> None:
    async with serving() as client:
        await client.send(POST + b"Content-Length: 3\r\nExpect: 100-continue\r\n\r\na")
        await trio.testing.wait_all_tasks_blocked()
        await client.send(b"bc")
        assert (await client.reply())[0] == 200
        await client.send(POST + b"Expect: 100-continue\r\n\r\n")
        assert (await client.reply())[0] == 200


async def test_a_body_that_is_not_wanted_is_refused_before_it_is_sent() -> None:
    async with serving(EchoSite(allowed=HttpReply(401, [], b"login"))) as client:
        await client.send(POST + b"Content-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        assert (await client.reply())[::2] == (401, b"login")
        assert await client.rest() == b""
        assert client.site.requests == []


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"Expect: 200-ok\r\n\r\n", 417),
        (b"Content-Length: 1001\r\n\r\n", 413),
        (b"Content-Length: 1001\r\nExpect: 100-continue\r\n\r\n", 413),
        (b"Transfer-Encoding: chunked\r\n\r\nffff\r\n", 413),
        (b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"Bad\r\n\r\n", 400),
    ],
)
async def test_a_refused_request_gets_a_status_and_a_line_of_text(head: bytes, status: int) -> None:
    async with serving() as client:
        await client.send(POST + head)
        found, reply, body = await client.reply()
        assert found == status
        assert b"connection: close\r\n" in reply
        assert b"content-type: text/plain" in reply
        assert body.endswith(b"\n")
        assert await client.rest() == b""
        assert client.site.requests == []


async def test_a_refusal_reaches_a_client_that_is_still_sending() -> None:
    async with serving(ends=stalling_connection()) as client:
        replies: list[int] = []

        async def listen() -> None:
            replies.append((await client.reply())[0])

        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen)
            await client.send(POST + b"Content-Length: 100000000\r\n\r\n")
            for _ in range(20):
                await client.send(b"x" * 65536)
        assert replies == [413]


async def test_a_client_that_never_stops_sending_is_cut_after_the_linger_time() -> None:
    async with serving() as client:
        await client.send(POST + b"Content-Length: 5000\r\n\r\n")
        assert (await client.reply())[0] == 413
        start = trio.current_time()
        await trickle(client, b"x" * 1000, 0.1)
        assert trio.current_time() - start == pytest.approx(Limits().linger_seconds, abs=0.2)


async def test_what_the_head_says_may_decide_the_limit_of_a_body() -> None:
    @attrs.define
    class PathSite(EchoSite):
        def max_body(self, head: RequestHead) -> int | HttpReply:
            return 5000 if head.path == "/p" else 1

    async with serving(PathSite()) as client:
        await client.send(POST + b"Content-Length: 5000\r\n\r\n" + b"x" * 5000)
        assert (await client.reply())[0] == 200
        await client.send(POST.replace(b"/p", b"/q") + b"Content-Length: 2\r\n\r\nxx")
        assert (await client.reply())[0] == 413


# Time.


async def seconds_until_closed(client: Client) -> float:
    start = trio.current_time()
    await client.ended.wait()
    return trio.current_time() - start


async def trickle(client: Client, data: bytes, seconds: float) -> None:
    try:
        for byte in data:
            await client.send(bytes((byte,)))
            await trio.sleep(seconds)
    except trio.BrokenResourceError:
        pass


async def test_a_client_that_says_nothing_is_closed_without_a_word() -> None:
    async with serving() as client:
        assert await seconds_until_closed(client) == pytest.approx(10)
        assert await client.rest() == b""


async def test_a_head_that_stalls_gets_408() -> None:
    async with serving() as client:
        await client.send(GET[:-2])
        assert (await client.reply())[0] == 408
        assert await client.rest() == b""


@pytest.mark.parametrize("first", [b"", GET], ids=["new", "kept"])
async def test_a_client_that_sends_one_byte_of_its_head_a_second_is_cut(first: bytes) -> None:
    async with serving() as client:
        await client.send(first)
        if first:
            await client.reply()
            await trio.sleep(50)
        start = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trickle, client, get("/" + "x" * 100), 1)
            assert (await client.reply())[0] == 408
            assert trio.current_time() - start == pytest.approx(10, abs=1.1)
            nursery.cancel_scope.cancel()


async def test_a_client_that_sends_one_byte_of_its_body_a_second_is_cut() -> None:
    async with serving() as client:
        await client.send(POST + b"Content-Length: 900\r\n\r\n")
        start = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trickle, client, b"x" * 900, 1)
            assert (await client.reply())[0] == 408
            assert trio.current_time() - start == pytest.approx(30, abs=1.1)
            nursery.cancel_scope.cancel()


async def test_a_steady_body_may_take_longer() -> None:
    async with serving(EchoSite(allowed=10_000_000)) as client:
        await client.send(POST + b"Content-Length: 2000000\r\n\r\n")
        for _ in range(100):
            await client.send(b"x" * 20_000)
            await trio.sleep(1)
        assert (await client.reply())[0] == 200


async def test_an_idle_connection_is_closed_after_its_time() -> None:
    async with serving() as client:
        for _ in range(5):
            await client.send(GET)
            await client.reply()
            await trio.sleep(70)
        assert 0 <= await seconds_until_closed(client) <= 10.1
        assert await client.rest() == b""


async def test_an_exchange_may_take_its_time_even_on_an_old_connection() -> None:
    async def slow(head: RequestHead, body: bytes) -> HttpReply:
        await trio.sleep(59)
        return HttpReply(200)

    async with serving(EchoSite(answer=slow)) as client:
        for _ in range(4):
            await trio.sleep(5)
            await client.send(GET)
            assert (await client.reply())[0] == 200
            await trio.sleep(60)


async def test_an_exchange_without_end_gets_503() -> None:
    async def never(head: RequestHead, body: bytes) -> HttpReply:
        await trio.sleep_forever()
        raise AssertionError

    async with serving(EchoSite(answer=never)) as client:
        await client.send(GET)
        assert (await client.reply())[0] == 503


@pytest.mark.parametrize("size", [100, 3_000_000])
async def test_a_client_that_does_not_read_is_cut(size: int) -> None:
    async def large(head: RequestHead, body: bytes) -> HttpReply:
        return HttpReply(200, [], b"x" * size)

    async with serving(EchoSite(answer=large), ends=stalling_connection()) as client:
        await client.send(GET)
        assert await seconds_until_closed(client) <= 81


async def test_a_client_that_reads_slowly_gets_all() -> None:
    async def large(head: RequestHead, body: bytes) -> HttpReply:
        return HttpReply(200, [], b"x" * 3_000_000)

    async with serving(EchoSite(answer=large), ends=stalling_connection()) as client:
        await client.send(GET)
        total = 0
        while total < 3_000_000:
            total += len(await client.stream.receive_some(100_000))
            await trio.sleep(9)


# The client goes away.

STATES = {
    "before a byte": b"",
    "inside a head": GET[:5],
    "inside a body": POST + b"Content-Length: 10\r\n\r\nabc",
    "inside a chunk": POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab",
    "during the exchange": GET,
    "while it is refused": b"\0",
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("how", ["reset", "close", "half-close"])
async def test_a_client_may_vanish_in_any_state(state: str, how: str) -> None:
    async def slow(head: RequestHead, body: bytes) -> HttpReply:
        await trio.sleep(5)
        return HttpReply(200)

    async with serving(EchoSite(answer=slow)) as client:
        if STATES[state]:
            await client.send(STATES[state])
        await trio.testing.wait_all_tasks_blocked()
        if how == "reset":
            client.server.reset()
        elif how == "close":
            await client.stream.aclose()
        else:
            await client.stream.send_eof()
        await client.ended.wait()
        assert client.site.failures == []


async def test_a_reset_while_the_answer_is_written_ends_the_connection() -> None:
    async with serving(ends=stalling_connection()) as client:
        await client.send(GET)
        await trio.testing.wait_all_tasks_blocked()
        client.server.reset()
        await client.ended.wait()


async def test_a_head_cut_short_by_a_half_close_is_named() -> None:
    async with serving() as client:
        await client.send(GET[:8])
        await client.stream.send_eof()
        assert (await client.reply())[::2] == (400, b"the connection ended inside a head\n")


# The site fails.


@pytest.mark.parametrize("step", ["max_body", "exchange", "upgrade"])
async def test_a_site_that_raises_gives_500_and_is_reported(step: str) -> None:
    class BrokenSite(EchoSite):
        pass

    def broken(*_: object) -> HttpReply:
        raise LookupError(step)

    async def broken_async(*_: object) -> HttpReply:
        return broken()

    setattr(BrokenSite, step, broken if step == "max_body" else broken_async)
    site = BrokenSite()
    async with serving(site) as client:
        if step == "upgrade":
            await client.send(UPGRADE)
        else:
            await client.send(POST + b"Content-Length: 1\r\n\r\nx")
        assert (await client.reply())[::2] == (500, b"internal error\n")
        assert [repr(error) for error in site.failures] == [f"LookupError('{step}')"]


async def test_a_failed_exchange_does_not_end_the_connection() -> None:
    async def fail_once(head: RequestHead, body: bytes) -> HttpReply:
        if head.path == "/0":
            raise LookupError
        return HttpReply(200)

    async with serving(EchoSite(answer=fail_once)) as client:
        await client.send(get("/0") + get("/1"))
        assert [(await client.reply())[0] for _ in range(2)] == [500, 200]


# Upgrades.


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"POST /ws HTTP/1.1\r\n" + ASK + KEY + VERSION + b"\r\n", 400),
        (b"GET /ws HTTP/1.0\r\n" + ASK + KEY + VERSION + b"\r\n", 400),
        (b"GET /ws HTTP/1.1\r\n" + ASK + VERSION + b"\r\n", 400),
        (b"GET /ws HTTP/1.1\r\n" + ASK + VERSION + b"Sec-WebSocket-Key: c2hvcnQ=\r\n\r\n", 400),
        (b"GET /ws HTTP/1.1\r\n" + ASK + VERSION + b"Sec-WebSocket-Key: no base64 at all!!!!\r\n\r\n", 400),
        (b"GET /ws HTTP/1.1\r\n" + ASK + KEY + KEY + VERSION + b"\r\n", 400),
        (b"GET /ws HTTP/1.1\r\n" + ASK + KEY + b"\r\n", 400),
        (b"GET /ws HTTP/1.1\r\n" + ASK + KEY + b"Sec-WebSocket-Version: 8\r\n\r\n", 426),
        (b"GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n" + KEY + VERSION + b"\r\n", 400),
        (
            b"GET /ws HTTP/1.1\r\nHost:\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            + KEY
            + VERSION
            + b"\r\n",
            400,
        ),
        (b"GET /ws HTTP/1.1\r\n" + ASK + KEY + VERSION + b"Content-Length: 1\r\n\r\nx", 400),
    ],
)
async def test_a_malformed_upgrade_is_refused_and_closed(data: bytes, status: int) -> None:
    async with serving() as client:
        await client.send(data)
        found, head, _ = await client.reply()
        assert found == status
        assert (b"sec-websocket-version: 13\r\n" in head) == (b"Sec-WebSocket-Version: 13" not in data)
        assert await client.rest() == b""
        assert client.site.closes == []


async def test_the_site_may_refuse_an_upgrade_with_a_reply() -> None:
    async with serving(EchoSite(decision=HttpReply(403, [("x-why", "origin")]))) as client:
        await client.send(UPGRADE)
        status, head, _ = await client.reply()
        assert (status, b"x-why: origin\r\n" in head, await client.rest()) == (403, True, b"")


async def test_an_upgrade_comes_after_ordinary_requests() -> None:
    async with serving() as client:
        await client.send(GET + UPGRADE)
        assert (await client.reply())[0] == 200
        status, head, _ = await client.reply()
        assert status == 101
        assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head


async def test_another_upgrade_is_an_ordinary_request() -> None:
    async with serving() as client:
        await client.send(b"GET /a HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n" + GET)
        assert [(await client.reply())[0] for _ in range(2)] == [200, 200]


async def test_a_subprotocol_is_named_when_the_client_proposed_it() -> None:
    proposing = UPGRADE[:-2] + b"Sec-WebSocket-Protocol: a, b\r\n\r\n"
    async with serving(EchoSite(decision=Accept("b"))) as client:
        await client.send(proposing)
        assert b"Sec-WebSocket-Protocol: b\r\n" in (await client.reply())[1]
    async with serving(EchoSite(decision=Accept("c"))) as client:
        await client.send(proposing)
        assert (await client.reply())[0] == 500
        assert len(client.site.failures) == 1


async def test_a_shutdown_closes_the_connection_at_once() -> None:
    client, server = connection()
    with trio.move_on_after(1) as shutdown:
        await serve_connection(server, EchoSite(), Limits())
    assert shutdown.cancelled_caught
    assert server.closed
    assert await client.receive_some() == b""


async def test_a_connection_that_ends_inside_a_body_keeps_nothing_of_it() -> None:
    size = 4_000_000
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for framing in (
            b"Content-Length: %d\r\n\r\n" % (size + 1),
            b"Transfer-Encoding: chunked\r\n\r\nffffff\r\n",
        ):
            async with serving(EchoSite(allowed=1 << 24)) as client:
                await client.send(POST + framing)
                for _ in range(size // 100_000):
                    await client.send(bytes(100_000))
                    await trio.testing.wait_all_tasks_blocked()
        assert tracemalloc.get_traced_memory()[0] - before < size / 2
    finally:
        tracemalloc.stop()
        gc.enable()


async def test_bodies_of_all_connections_share_a_room_that_is_given_back() -> None:
    room, site, size = Room(1000), EchoSite(), 800
    head, body = POST + b"Content-Length: %d\r\n\r\n" % size, bytes(size)
    async with serving(site, room=room) as first, serving(site, room=room) as second:
        await first.send(head)
        await trio.testing.wait_all_tasks_blocked()
        await first.send(body[1:])
        await trio.testing.wait_all_tasks_blocked()
        await second.send(head)
        await trio.testing.wait_all_tasks_blocked()
        await second.send(body[1:])
        status, refusal, _ = await second.reply()
        assert (status, b"retry-after" in refusal) == (503, True)
        assert await second.rest() == b""
        await first.send(body[:1])
        assert (await first.reply())[0] == 200
        await first.send(head + body[1:])
        await trio.testing.wait_all_tasks_blocked()
    async with serving(site, room=room) as third:
        await third.send(head)
        await trio.testing.wait_all_tasks_blocked()
        await third.send(body)
        assert (await third.reply())[0] == 200
    assert room.take(1000)


@pytest.mark.parametrize("chunked", [False, True])
async def test_an_idle_connection_keeps_nothing_of_its_last_body(chunked: bool) -> None:
    size = 4_000_000

    async def count(head: RequestHead, body: bytes) -> HttpReply:
        return HttpReply(200, [], str(len(body)).encode())

    tracemalloc.start()
    try:
        async with serving(EchoSite(allowed=size, answer=count)) as client:
            before = tracemalloc.get_traced_memory()[0]
            framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % size
            await client.send(POST + framing + b"\r\n\r\n" + (b"%x\r\n" % size if chunked else b""))
            for _ in range(size // 100_000):
                await client.send(bytes(100_000))
            await client.send(b"\r\n0\r\n\r\n" if chunked else b"")
            assert (await client.reply())[2] == str(size).encode()
            await trio.testing.wait_all_tasks_blocked()
            held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held - before < size / 2
    assert peak - before < 2.5 * size
