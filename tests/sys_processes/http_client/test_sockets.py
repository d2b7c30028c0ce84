"""Sockets that processes open to servers (PROTOCOL 7.1)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_server_stream

from kernel.jsontext import JsonValue, dump, parse
from kernel.message import Payload, Request
from kernel.syscalls import current
from runtime.sim.dialer import SimDialer
from runtime.sim.listener import MemoryListener
from sys_processes.http_client import process as http_client
from sys_processes.http_client.protocol import HTTP_CLIENT
from tests.support.module_node import NODE, ask, module, module_node

CHESS, OTHER = "chess:chess:nectar", "other:other:nectar"
Script = Callable[[], Awaitable[None]]


class EchoServer:
    """Echoes what it hears; `bye` closes, `ping` pings."""

    def __init__(self) -> None:
        self.listener = MemoryListener("http://server:80")
        self.live: list[WebSocketConnection] = []
        self.headers: list[tuple[bytes, bytes]] = []
        self.paths: list[str] = []
        self.closed: list[int] = []
        self.deaf = False

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            while True:
                nursery.start_soon(self._serve, await self.listener.accept())

    async def _serve(self, stream) -> None:
        async with trio.open_nursery() as nursery:
            request = await wrap_server_stream(nursery, stream)
            self.paths.append(request.path)
            self.headers += request.headers
            if request.path == "/no":
                await request.reject(403)
                nursery.cancel_scope.cancel()
                return
            socket = await request.accept()
            self.live.append(socket)
            try:
                while True:
                    message = await socket.get_message()
                    if self.deaf:
                        await trio.sleep_forever()
                    if message == "bye":
                        await socket.aclose()
                    elif message == "ping":
                        await socket.ping()
                    else:
                        await socket.send_message(message)
            except ConnectionClosed as error:
                self.closed.append(error.reason.code if error.reason else 0)
            self.live.remove(socket)
            nursery.cancel_scope.cancel()


def letting_it_speak(script: Script) -> Script:
    """http_client may message the process, as its manifest would say."""

    async def go() -> None:
        current().create_capability(HTTP_CLIENT, '"messaging"')
        await script()

    return go


async def run(*scripts: tuple[str, Script]) -> EchoServer:
    """One process after the other, each with a second afterwards for what is left to do."""
    server = EchoServer()

    def connect(name: str):
        if name != "server":
            raise ConnectionRefusedError(None, f"nobody is called {name}")
        return server.listener.connect()

    modules = {"http_client": (http_client.make(SimDialer(NODE, connect, lambda name: True)), True)}
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.run)
        async with module_node(modules) as node:
            for name, script in scripts:
                await node.as_process(name, letting_it_speak(script))
                await trio.sleep(1)
        nursery.cancel_scope.cancel()
    return server


async def call(action: JsonValue, data: bytes | None = None, seconds: int = 10) -> JsonValue:
    payload = None if data is None else Payload(None, data)
    return parse((await ask("http_client", dump(action), payload, seconds)).ipc)


def opening(channel: int = 1, url: str = "ws://server/echo?a=1", **headers: str) -> JsonValue:
    return {"WebSocketOpen": {"url": url, "headers": dict(headers), "channel_id": channel}}


def pushing(kind: str, channel: int = 1) -> JsonValue:
    return {"WebSocketPush": {"channel_id": channel, "message_type": kind}}


async def heard() -> tuple[JsonValue, Payload | None]:
    message = await current().receive()
    assert message.is_request()
    assert not message.wants_response
    return parse(message.ipc), message.payload()


ACK: JsonValue = {"Ok": "WebSocketAck"}


async def test_frames_go_both_ways_in_order_with_their_kinds():
    async def script() -> None:
        assert await call(opening(cookie="x=1")) == ACK
        for number in range(5):
            assert await call(pushing("Text"), b"%d" % number) == ACK
        assert await call(pushing("Binary"), b"\xff\0") == ACK
        texts = [await heard() for _ in range(5)]
        assert texts == [(pushing("Text"), Payload("text/plain", b"%d" % number)) for number in range(5)]
        assert await heard() == (pushing("Binary"), Payload("application/octet-stream", b"\xff\0"))
        began = trio.current_time()
        assert await call({"WebSocketClose": {"channel_id": 1}}) == ACK
        assert trio.current_time() == began
        assert await call(pushing("Text"), b"x") == {"Err": {"WsPushUnknownChannel": {"channel_id": 1}}}

    server = await run((CHESS, script))
    assert (b"cookie", b"x=1") in server.headers
    assert (server.paths, server.closed, server.live) == (["/echo?a=1"], [1000], [])


async def test_the_end_by_the_server_is_heard_once_and_the_channel_is_free_again():
    async def script() -> None:
        await call(opening())
        await call(pushing("Text"), b"ping")
        assert await heard() == (pushing("Ping"), None)
        await call(pushing("Text"), b"bye")
        assert await heard() == ({"WebSocketClose": {"channel_id": 1}}, None)
        assert await call({"WebSocketClose": {"channel_id": 1}}) == {
            "Err": {"WsCloseFailed": {"channel_id": 1}}
        }
        assert await call(opening()) == ACK
        await call(pushing("Ping"), b"12345")
        assert await heard() == (pushing("Pong"), None)

    await run((CHESS, script))


async def test_opening_a_channel_again_closes_the_one_before_it_without_a_word():
    async def script() -> None:
        assert await call(opening()) == ACK
        assert await call(opening(url="ws://server/second")) == ACK
        await call(pushing("Text"), b"hi")
        assert await heard() == (pushing("Text"), Payload("text/plain", b"hi"))

    server = await run((CHESS, script))
    assert (server.paths, server.closed) == (["/echo?a=1", "/second"], [1000, 1000])


async def test_channels_are_those_of_their_process_and_end_with_it():
    async def script() -> None:
        await call(opening())

    async def stranger() -> None:
        assert await call(pushing("Text"), b"x") == {"Err": {"WsPushUnknownChannel": {"channel_id": 1}}}
        assert await call({"WebSocketClose": {"channel_id": 1}}) == {
            "Err": {"WsCloseFailed": {"channel_id": 1}}
        }

    server = await run((CHESS, script), (OTHER, stranger))
    assert (server.closed, server.live) == ([1000], [])


@pytest.mark.parametrize("url", ["ws://nobody/", "ws://server/no", "wss://server/"])
async def test_what_cannot_be_opened_is_said_so(url):
    async def script() -> None:
        assert await call(opening(url=url)) == {"Err": {"WsOpenFailed": {"url": url}}}
        early: JsonValue = {"Open": {"url": url, "headers": {}, "channel_id": 7}}
        failed: JsonValue = {"Response": {"channel_id": 7, "result": {"Err": {"OpenFailed": {"url": url}}}}}
        assert await call(early) == failed
        assert await call(opening(url="http://server/")) == {"Err": {"BadUrl": {"url": "http://server/"}}}
        refused = await call(opening(url="ws://server/", x="a\nb"))
        assert "BuildRequestFailed" in refused["Err"]

    await run((CHESS, script))


async def test_pushes_that_make_no_sense_are_refused_and_the_socket_lives_on():
    async def script() -> None:
        await call(opening())
        assert await call(pushing("Text")) == {"Err": "WsPushNoBlob"}
        assert await call(pushing("Text"), b"\xff") == {"Err": "WsPushBadText"}
        assert await call(pushing("Ping"), b"x" * 126) == {"Err": "WsPushBadText"}
        assert await call(pushing("Text"), b"fine") == ACK
        assert await heard() == (pushing("Text"), Payload("text/plain", b"fine"))
        assert await call(pushing("Close")) == ACK
        assert await call(pushing("Text"), b"late") == {"Err": {"WsPushUnknownChannel": {"channel_id": 1}}}

    await run((CHESS, script))


async def test_the_words_of_e2s_runtime_are_answered_in_kind():
    async def script() -> None:
        done: JsonValue = {"Response": {"channel_id": 1, "result": {"Ok": None}}}
        assert await call({"Open": {"url": "ws://server/", "headers": {}, "channel_id": 1}}) == done
        assert await call({"Push": {"channel_id": 1, "message_type": "Text"}}, b"hi") == done
        assert await heard() == (pushing("Text"), Payload("text/plain", b"hi"))
        assert await call({"Close": {"channel_id": 1}}) == done
        failed: JsonValue = {
            "Response": {"channel_id": 1, "result": {"Err": {"CloseFailed": {"channel_id": 1}}}}
        }
        assert await call({"Close": {"channel_id": 1}}) == failed
        failed = {"Response": {"channel_id": 1, "result": {"Err": {"PushFailed": {"channel_id": 1}}}}}
        assert await call({"Push": {"channel_id": 1, "message_type": "Text"}}, b"hi") == failed

    await run((CHESS, script))


async def test_a_server_that_does_not_read_ends_its_socket_and_nobody_elses():
    server = EchoServer()
    server.deaf = True
    small = MemoryListener("http://server:80", capacity=1024)
    server.listener = small
    modules = {
        "http_client": (
            http_client.make(SimDialer(NODE, lambda name: small.connect(), lambda name: True)),
            True,
        )
    }

    async def script() -> None:
        await call(opening())
        answers = [await call(pushing("Binary"), b"x" * 500_000, seconds=10) for _ in range(4)]
        assert answers[0] == ACK
        assert answers[-1] == {"Err": {"WsPushUnknownChannel": {"channel_id": 1}}}
        assert await heard() == ({"WebSocketClose": {"channel_id": 1}}, None)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.run)
        async with module_node(modules) as node:
            await node.as_process(CHESS, letting_it_speak(script))
        nursery.cancel_scope.cancel()


async def test_a_server_that_says_nothing_is_given_up():
    silent = MemoryListener("http://server:80")
    modules = {
        "http_client": (
            http_client.make(SimDialer(NODE, lambda name: silent.connect(), lambda name: True)),
            True,
        )
    }

    async def script() -> None:
        began = trio.current_time()
        assert await call(opening(), seconds=10) == {"Err": {"WsOpenFailed": {"url": "ws://server/echo?a=1"}}}
        assert trio.current_time() - began == pytest.approx(9.5)
        with suppress(trio.TooSlowError), trio.fail_after(20):
            pytest.fail(f"heard {await heard()} of a socket that never opened")

    async with module_node(modules) as node:
        await node.as_process(CHESS, letting_it_speak(script))


async def test_a_server_that_says_nothing_holds_up_its_own_socket_only():
    server, silent = EchoServer(), MemoryListener("http://silent:80")
    doors = {"server": server.listener, "silent": silent}
    made = http_client.make(SimDialer(NODE, lambda name: doors[name].connect(), lambda name: True))
    began = trio.current_time()

    async def sends(context: bytes, action: JsonValue, data: bytes | None = None) -> None:
        payload = None if data is None else Payload(None, data)
        current().send_request(module("http_client"), Request(False, 10, dump(action)), context, payload)

    async def script() -> None:
        await sends(b"silent", opening(2, "ws://silent/"))
        await sends(b"behind it", pushing("Text", 2), b"hello")
        await sends(b"beside it", opening(1))
        await sends(b"behind that", pushing("Text", 1), b"hello")
        answers: dict[bytes | None, tuple[JsonValue, object]] = {}
        while len(answers) < 4:
            message = await current().receive()
            if not message.is_request():
                answers[message.context] = (parse(message.ipc), trio.current_time() - began)
        assert answers == {
            b"beside it": (ACK, pytest.approx(0)),
            b"behind that": (ACK, pytest.approx(0)),
            b"silent": ({"Err": {"WsOpenFailed": {"url": "ws://silent/"}}}, pytest.approx(9.5)),
            b"behind it": ({"Err": {"WsPushUnknownChannel": {"channel_id": 2}}}, pytest.approx(9.5)),
        }

    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.run)
        async with module_node({"http_client": (made, True)}) as node:
            await node.as_process(CHESS, letting_it_speak(script))
        nursery.cancel_scope.cancel()


async def test_a_process_that_does_not_read_holds_up_its_own_socket_only():
    """Frames wait at the server, not in memory without end."""
    count = 400

    async def floods() -> None:
        await call(opening())
        for number in range(count):
            ipc = dump(pushing("Text"))
            current().send_request(
                module("http_client"), Request(ipc=ipc), None, Payload(None, b"%d" % number)
            )
        await trio.sleep(5)
        assert [(await heard())[1].bytes for _ in range(count)] == [b"%d" % n for n in range(count)]

    await run((CHESS, floods))


async def test_who_does_not_let_it_speak_cannot_open_a_socket():
    silent = MemoryListener("http://server:80")
    modules = {
        "http_client": (
            http_client.make(SimDialer(NODE, lambda name: silent.connect(), lambda name: True)),
            True,
        )
    }

    async def script() -> None:
        assert await call(opening()) == {"Err": {"WsOpenFailed": {"url": "ws://server/echo?a=1"}}}

    async with module_node(modules) as node:
        await node.as_process(CHESS, script)
        assert any(
            '"grant_capabilities": ["http_client:sys:nectar"]' in line
            for line in node.console.text.split("\n")
        )
