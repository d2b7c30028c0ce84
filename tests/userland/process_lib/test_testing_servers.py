"""The servers of a plain test, as http_client brings what they say."""

from __future__ import annotations

from ast import literal_eval

import pytest
import trio

from kernel.address import Address, ProcessId
from kernel.capability import Capability
from sys_processes.http_client.protocol import LOCAL, ExecuteRequestFailed
from userland.process_lib import Payload, Response, SendError, WsMessageType, await_message, http
from userland.process_lib.testing import ActorTest, HttpCall
from userland.process_lib.testing._web import Frame

API = "https://api.example.org/v1"
FEED = "wss://feed.example.org/"


async def fetcher(our: object) -> None:
    """Fetches what it is sent, `METHOD URL TIMEOUT [BODY]`, and tells what came."""
    while True:
        method, url, timeout, *body = (await await_message()).ipc.decode().split(" ", 3)
        try:
            found = await http.send_request_await_response(
                method, url, {"x-key": "k"}, int(timeout), *body, local=method == "HOME"
            )
        except http.HttpClientError as error:
            Response().ipc(repr(error.error)).send()
        except SendError as error:
            Response().ipc(str(error.kind)).send()
        else:
            Response().ipc(repr((found.status, found.headers, found.body))).send()


def fetch(actor, what: str) -> str:
    return actor.send(what, expects_response=60).ipc.decode()


def test_a_server_is_asked_and_what_it_says_comes_back() -> None:
    calls: list[HttpCall] = []

    def server(call: HttpCall) -> object:
        calls.append(call)
        return {"you": call.text}

    with ActorTest(fetcher, servers={API: server}) as actor:
        assert fetch(actor, f"post {API}/games?a=b 5 e4") == (
            "(200, {'Content-Type': 'application/json'}, b'{\"you\":\"e4\"}')"
        )
    assert calls == [HttpCall("POST", f"{API}/games?a=b", {"x-key": "k"}, b"e4")]
    assert HttpCall("POST", API, {}, b"[1]").json() == [1]


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"\xff", "(200, {}, b'\\xff')"),
        ("text", "(200, {'Content-Type': 'text/plain; charset=utf-8'}, b'text')"),
        (http.FetchedResponse(404, {"x-why": "gone"}, b""), "(404, {'X-Why': 'gone'}, b'')"),
        (ExecuteRequestFailed("reset"), "ExecuteRequestFailed(error='reset')"),
    ],
)
def test_a_server_may_say_the_same_to_everybody(answer: object, told: str) -> None:
    with ActorTest(fetcher) as actor:
        actor.serve("http://one.example.org", answer)
        assert fetch(actor, "GET http://one.example.org/any/where 5") == told


def test_the_server_whose_url_says_most_is_asked() -> None:
    with ActorTest(
        fetcher, servers={"http://a.org": "all", "http://a.org/b": "b", "http://a.org/bc/": "c"}
    ) as actor:
        asked = [
            "http://a.org",
            "http://a.org/b",
            "http://a.org/b/x",
            "http://a.org/b?c",
            "http://a.org/bc",
            "http://a.org/bd",
        ]
        bodies = [literal_eval(fetch(actor, f"GET {url} 5"))[2].decode() for url in asked]
        assert bodies == ["all", "b", "b", "b", "c", "all"]
        assert "this test has no such server" in fetch(actor, "GET http://a.org.evil.org/ 5")


def test_a_server_that_takes_too_long_or_never_answers_is_given_up() -> None:
    async def slow(call: HttpCall) -> str:
        await trio.sleep(9)
        return "at last"

    with ActorTest(fetcher, servers={API: slow, "http://silent.org": None}) as actor:
        assert "no whole answer within 9 s" in fetch(actor, f"GET {API} 9")
        assert "at last" in fetch(actor, f"GET {API} 10")
        assert "no whole answer within 5 s" in fetch(actor, "GET http://silent.org/ 5")


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("G@T https://x.org/ 5", "BadMethod(method='G@T')"),
        ("GET gopher://x.org/ 5", "BadUrl(url='gopher://x.org/')"),
        ("GET http://localhost/ 5", "is this machine"),
        ("GET http://127.0.0.1:8080/ 5", "is this machine"),
        ("HOME http://[::1]/ 5", "is this machine"),
    ],
)
def test_what_a_node_refuses_is_refused(asked: str, told: str) -> None:
    machine = ("http://localhost", "http://127.0.0.1:8080", "http://[::1]")
    with ActorTest(fetcher, servers=dict.fromkeys(machine, "secret")) as actor:
        assert told in fetch(actor, asked)


def test_who_may_reach_this_machine_does() -> None:
    right = Capability(Address("fake.dev", ProcessId("http_client", "sys", "nectar")), LOCAL)
    with ActorTest(fetcher, capabilities=[right], servers={"http://localhost": "mine"}) as actor:
        assert "mine" in fetch(actor, "HOME http://localhost/ 5")
        assert "is this machine" in fetch(actor, "GET http://localhost/ 5")


def test_what_a_server_raises_fails_the_test() -> None:
    def server(call: HttpCall) -> str:
        raise LookupError("this answer is missing")

    with ActorTest(fetcher, servers={API: server}) as actor, pytest.raises(LookupError, match="is missing"):
        fetch(actor, f"GET {API} 5")


def test_only_urls_are_served() -> None:
    with ActorTest(fetcher) as actor:
        for url in ("api.example.org", "gopher://x.org", "http://", "wss:/x"):
            with pytest.raises(ValueError, match="is no URL of a server"):
                actor.serve(url, "")
    with pytest.raises(ValueError, match="is no URL of a server"), ActorTest(fetcher, servers={"x": ""}):
        pass


# -- sockets


async def listener(our: object) -> None:
    """Opens socket 7 at its start and says what it hears there; `open`, `push`, `leave` and so on are orders."""
    heard: list[object] = []
    await http.open_ws_connection_and_await(FEED, None, 7)
    while True:
        message = await await_message()
        event = http.of_a_server(message)
        if event is not None:
            payload = message.payload()
            heard.append((event, None if payload is None else (payload.mime, payload.bytes)))
            continue
        try:
            await obey(message.ipc.decode())
        except http.HttpClientError as error:
            heard.append(error.error)
        Response().ipc(repr(heard)).send()
        heard.clear()


async def obey(order: str) -> None:
    match order.split(" "):
        case ["open", url, channel_id]:
            await http.open_ws_connection_and_await(url, None, int(channel_id))
        case ["push", kind, text]:
            http.send_ws_client_push(7, WsMessageType(kind), Payload(bytes=text.encode()))
        case ["leave"]:
            await http.close_ws_connection_and_await(7)


def say(actor, order: str) -> str:
    return actor.send(order, expects_response=5).ipc.decode()


def test_a_socket_is_opened_talked_on_and_left() -> None:
    def feed(frame: Frame) -> str | None:
        return frame.text.upper() if frame.message_type is WsMessageType.Text else None

    with ActorTest(listener, servers={FEED: feed}) as actor:
        say(actor, "push Text hello")
        assert "('text/plain', b'HELLO')" in say(actor, "push Ping p")
        actor.push_server_frame(7, b"news")
        assert [(frame.message_type.value, frame.text) for frame in actor.server_frames(7)] == [
            ("Text", "hello"),
            ("Ping", "p"),
        ]
        assert "('application/octet-stream', b'news')" in say(actor, "")
        assert say(actor, "leave") == "[]"
        assert say(actor, "leave") == "[WsCloseFailed(channel_id=7)]"
        with pytest.raises(LookupError, match="no socket 7 open; open are: none"):
            actor.push_server_frame(7, "late")


def test_a_server_ends_a_socket() -> None:
    with ActorTest(listener, servers={FEED: None}) as actor:
        actor.close_server_channel(7)
        assert say(actor, "") == "[(WebSocketClose(channel_id=7), None)]"
        with pytest.raises(LookupError):
            actor.close_server_channel(7)


def test_who_says_close_has_left() -> None:
    with ActorTest(listener, servers={FEED: None}) as actor:
        say(actor, "push Close bye")
        assert say(actor, "leave") == "[WsCloseFailed(channel_id=7)]"


def test_a_socket_that_nobody_serves_is_not_opened() -> None:
    with ActorTest(listener, servers={FEED: None}) as actor:
        assert say(actor, "open wss://none.org/ 8") == "[WsOpenFailed(url='wss://none.org/')]"
        assert say(actor, "open http://none.org/ 8") == "[BadUrl(url='http://none.org/')]"


def test_what_a_server_of_sockets_raises_fails_the_test() -> None:
    async def feed(frame: Frame) -> str:
        await trio.sleep(1)
        raise LookupError("this answer is missing")

    with ActorTest(listener, servers={FEED: feed}) as actor:
        say(actor, "push Text hello")
        with pytest.raises(LookupError, match="is missing"):
            actor.advance(1)


async def test_a_test_on_trio_itself_awaits_the_same_calls() -> None:
    async with ActorTest(listener, servers={FEED: None}) as actor:
        await actor.push_server_frame(7, "news")
        await actor.close_server_channel(7)
        answer = await actor.send("", expects_response=5)
        assert b"news" in answer.ipc
        assert b"WebSocketClose" in answer.ipc
        assert actor.server_frames() == []
