"""The RPC route through a whole node (PROTOCOL 6.10, F-60 to F-62)."""

from __future__ import annotations

import base64

import pytest
import trio

from kernel.jsontext import JsonValue, dump, parse
from kernel.message import Message, Payload, Response
from kernel.syscalls import current
from runtime.sim.clients import Reply
from sys_processes.http_server.settings import HttpSettings
from tests.support.web_app import App
from tests.support.web_node import APP, RPC_TOKEN, WebNode, web_node

PATH = "/rpc:sys:nectar/message"
BEARER = f"Bearer {RPC_TOKEN}"
ASK: dict[str, JsonValue] = {"process": APP, "ipc": "hello", "expects_response": 15}


class Answering(App):
    """Keeps the Requests of programs and answers them."""

    def __init__(self, *, answers: bool = True, payload: Payload | None = None) -> None:
        super().__init__()
        self.got: list[tuple[bytes, str | None, Payload | None]] = []
        self._answers = answers
        self._payload = payload

    def _hear(self, message: Message) -> None:
        self.got.append((message.ipc, message.metadata, current().get_payload()))
        if self._answers and message.wants_response:
            current().send_response(Response(ipc=b"ok"), self._payload)


async def call(
    web: WebNode, body: dict[str, JsonValue] | bytes, path: str = PATH, **headers: str | None
) -> Reply:
    given: dict[str, str | None] = {"authorization": BEARER}
    raw = body if isinstance(body, bytes) else dump(body)
    return await web.http("POST", path, raw, **(given | headers))


async def test_a_call_delivers_its_message_and_returns_the_answer() -> None:
    """C-115."""
    async with web_node() as web:
        app = Answering(payload=Payload(None, b"\1\2\3"))
        await web.started(app)
        data = base64.b64encode(b"attached").decode()
        reply = await call(web, ASK | {"metadata": "m", "mime": "text/x", "data": data})
        assert (reply.status, reply.header("content-type")) == (200, "text/html")
        assert parse(reply.body) == {
            "ipc": list(b"ok"),
            "payload": {"mime": None, "bytes": list(base64.b64encode(b"\1\2\3"))},
        }
        assert app.got == [(b"hello", "m", Payload("text/x", b"attached"))]


async def test_a_call_in_later_words_is_answered_in_them() -> None:
    """C-116."""
    async with web_node() as web:
        await web.started(Answering())
        asked: dict[str, JsonValue] = {"process": APP, "body": "hello", "expects_response": 15}
        reply = await call(web, asked, "/rpc:distro:sys/message")
        assert parse(reply.body) == {"body": list(b"ok"), "lazy_load_blob": None}


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b'{"ipc":"x"}',
        b'{"process":"no id"}',
        b'{"process":"a:b:c:d"}',
        b'{"process":"a:b:c","data":"no base64!"}',
        b'{"process":"a:b:c","ipc":"x","body":"x"}',
        b'{"process":"a:b:c","expects_response":-1}',
        b'{"process":"a:b:c","expects_response":"1"}',
    ],
)
async def test_an_unreadable_call_gives_400_and_says_why(body: bytes) -> None:
    """C-117, F-61."""
    async with web_node() as web:
        reply = await call(web, body)
        assert reply.status == 400
        answer = parse(reply.body)
        assert isinstance(answer, dict)
        assert answer["error"]


@pytest.mark.parametrize(
    "headers", [{"peer": "192.168.0.7:1"}, {"x_forwarded_for": "10.0.0.1"}, {"host": "rebound.example"}]
)
async def test_a_call_from_elsewhere_gives_403(headers: dict[str, str]) -> None:
    """C-117, F-60."""
    async with web_node(HttpSettings(rpc_open=True)) as web:
        app = Answering()
        await web.started(app)
        assert (await call(web, ASK, PATH, **headers)).status == 403
        assert app.got == []


async def test_a_call_that_expects_nothing_is_sent_and_answered_at_once_with_nothing() -> None:
    """C-118."""
    async with web_node() as web:
        app = Answering(answers=False)
        await web.started(app)
        started = trio.current_time()
        reply = await call(web, {"process": APP, "ipc": "hello"})
        assert (reply.status, reply.body, trio.current_time()) == (200, b"", started)
        assert app.got == [(b"hello", None, None)]


@pytest.mark.parametrize(("asked", "waited"), [(3, 3.0), (600, 15.0)])
async def test_a_call_without_answer_gives_408_after_the_shorter_time(asked: int, waited: float) -> None:
    async with web_node() as web:
        await web.started(Answering(answers=False))
        started = trio.current_time()
        assert (await call(web, ASK | {"expects_response": asked})).status == 408
        assert trio.current_time() - started == waited


async def test_a_call_of_an_unreachable_node_gives_503() -> None:
    async with web_node() as web:
        web.node.kernel.router.processes.pop(
            next(p for p in web.node.kernel.router.processes if p.process == "net")
        )
        assert (await call(web, ASK | {"node": "bob.uq"})).status == 503


async def test_a_call_to_another_node_is_handed_to_the_network() -> None:
    async with web_node() as web:
        reply = await call(web, {"node": "bob.uq", "process": APP, "ipc": "hello"})
        assert reply.status == 200
        [envelope] = web.to_other_nodes
        assert str(envelope.target) == f"bob.uq@{APP}"
        assert str(envelope.source) == "alice.uq@http_server:sys:nectar"


async def test_a_process_that_grants_nothing_cannot_be_called() -> None:
    async with web_node() as web:
        app = Answering()
        web.start(app, public=False)
        assert (await call(web, ASK)).status == 408
        assert app.got == []


async def test_nobody_calls_without_proving_who_it_is() -> None:
    """F-62."""
    async with web_node() as web:
        app = Answering()
        await web.started(app)
        for headers in (
            {"authorization": None},
            {"authorization": "Bearer wrong"},
            {"authorization": f"Basic {RPC_TOKEN}"},
            {"authorization": "Bearer"},
            {"authorization": None, "cookie": "nectar-auth_alice.uq=forged"},
        ):
            refused = await call(web, ASK, PATH, **headers)
            assert (refused.status, refused.header("www-authenticate")) == (401, "Bearer")
        assert app.got == []
        assert (await call(web, ASK, authorization=None, cookie=web.cookie())).status == 200


async def test_an_open_route_lets_in_programs_that_show_nothing_and_nobody_else() -> None:
    """F-62."""
    async with web_node(HttpSettings(rpc_open=True)) as web:
        await web.started(Answering())
        assert (await call(web, ASK, authorization=None)).status == 200
        assert (await call(web, ASK, authorization="Bearer wrong")).status == 401
        page = {"authorization": None, "origin": "http://localhost:8080", "content_type": "application/json"}
        assert (await call(web, ASK, PATH, **page)).status == 401


async def test_a_page_of_another_site_cannot_call_even_with_the_cookie() -> None:
    """C-119, F-60, F-62."""
    async with web_node() as web:
        app = Answering()
        await web.started(app)
        given: dict[str, str | None] = {"authorization": None, "cookie": web.cookie()}
        ours: dict[str, str | None] = given | {"origin": "http://localhost:8080"}
        evil = given | {"origin": "http://evil.example", "content_type": "application/json"}
        assert (await call(web, ASK, PATH, **evil)).status == 403
        assert (await call(web, ASK, PATH, **(ours | {"content_type": "text/plain"}))).status == 415
        assert app.got == []
        assert (await call(web, ASK, PATH, **(ours | {"content_type": "application/json"}))).status == 200


async def test_other_methods_give_405() -> None:
    async with web_node() as web:
        refused = await web.http("GET", PATH, authorization=BEARER)
        assert (refused.status, refused.header("allow")) == (405, "POST")


async def test_a_call_may_be_larger_than_any_other_body_but_only_for_those_who_may_call() -> None:
    async with web_node(HttpSettings(max_body=1000)) as web:
        app = Answering()
        await web.started(app)
        data = base64.b64encode(bytes(100_000)).decode()
        assert (await call(web, ASK | {"data": data})).status == 200
        assert app.got[0][2] == Payload(None, bytes(100_000))
        client = web.client()
        await client.send(
            b"POST %s HTTP/1.1\r\nhost: localhost\r\ncontent-length: 90000000\r\n\r\n" % PATH.encode()
        )
        assert (await client.reply()).status == 401  # before a byte of the body was read


async def test_a_process_killed_during_a_call_ends_it_at_once() -> None:
    async with web_node() as web:
        app = Answering(answers=False)
        await web.started(app)
        replies: list[int] = []

        async def ask() -> None:
            replies.append((await call(web, ASK)).status)

        started = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await trio.testing.wait_all_tasks_blocked()
            await web.kill()
        assert (replies, trio.current_time()) == ([408], started)
