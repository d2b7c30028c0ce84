"""What browsers do to an actor in a test. Where their calls end is in tests/contract/test_web_paths.py."""

from __future__ import annotations

import pytest

from kernel.message import Payload
from tests.support.golden import golden
from userland.process_lib import (
    HttpServerRequest,
    Request,
    WebSocketClose,
    WebSocketOpen,
    WebSocketPush,
    WsMessageType,
    await_message,
    get_payload,
    http,
)
from userland.process_lib.testing import ActorTest, Frame

GREETER = "greeter:greeter:nectar"


def _bytes() -> bytes:
    payload = get_payload()
    assert payload is not None
    return payload.bytes


def test_ui_files_are_served_under_their_mime_types():
    with ActorTest("package/greeter.py", our=GREETER) as actor:
        assert {path: content.mime for path, content in actor.content.items()} == {
            "/": "text/html",
            "/css/my%20style.css": "text/css",
            "/index.html": "text/html",
        }
        assert actor.content["/"].bytes == b"<h1>hi</h1>\n"
        assert actor.bound[0].path == "/"


@pytest.mark.parametrize(
    ("path", "status", "mime", "body"),
    [
        ("/", 200, "text/html", b"<h1>hi</h1>\n"),
        ("/index.html", 200, "text/html", b"<h1>hi</h1>\n"),
        ("/css/my%20style.css", 200, "text/css", b"h1 {}\n"),
        ("/missing.html", 404, None, b""),
        ("/../greeter.py", 404, None, b""),
        ("/css/%2e%2e/%2e%2e/greeter.py", 404, None, b""),
    ],
)
def test_an_asset_request_is_answered_with_its_file_and_never_with_another(path, status, mime, body):
    """C-034: the file's bytes flow through the inheriting Response."""
    with ActorTest("package/assets.py", our=GREETER) as actor:
        answer = actor.push_http("get", path)
    assert (answer.status, answer.headers.get("Content-Type"), answer.body) == (status, mime, body)


def test_an_http_call_looks_as_http_server_makes_it():
    seen: list[tuple[str | None, int | None, HttpServerRequest]] = []

    async def answering(our):
        message = await await_message()
        seen.append((message.metadata, message.expects_response, HttpServerRequest.from_bytes(message.ipc)))
        http.send_response(201, {"X-Body": "kept"}, _bytes())

    with ActorTest(answering, our="games:chess:nectar") as actor:
        answer = actor.push_http("post", "/games/", body="e4", headers={"Accept": "*/*"}, query={"id": "7"})
    assert (answer.status, answer.headers, answer.text) == (201, {"X-Body": "kept"}, "e4")
    metadata, seconds, event = seen[0]
    request = event.request()
    assert request is not None
    assert (metadata, seconds, request.method, request.path()) == ("http", 15, "POST", "/games")
    assert request.raw_path == "http://localhost:8080/games:chess:nectar/games"
    assert request.headers == {"host": "localhost:8080", "accept": "*/*"}
    assert request.query_params == {"id": "7"}


async def chat(our):
    channels = []
    while True:
        message = await await_message()
        match HttpServerRequest.from_bytes(message.ipc):
            case WebSocketOpen(channel_id=channel_id):
                channels.append(channel_id)
            case WebSocketClose(channel_id):
                channels.remove(channel_id)
            case WebSocketPush(channel_id, _) if _bytes() == b"bye":
                http.send_ws_push(channel_id, WsMessageType.Close, Payload())
            case WebSocketPush(_, message_type):
                http.ws_push_all_channels({"/": channels}, "/", message_type, Payload(None, _bytes()))


def test_sockets_open_push_and_close():
    with ActorTest(chat) as actor:
        first, second = actor.open_channel(), actor.open_channel()
        actor.push_frame(first, "hi")
        actor.push_frame(second, b"\x00")
        actor.close_channel(second)
        actor.push_frame(first, "alone")
    text, binary = WsMessageType.Text, WsMessageType.Binary
    assert actor.frames(second) == [Frame(second, text, b"hi"), Frame(second, binary, b"\x00")]
    assert [frame.bytes for frame in actor.frames(first)] == [b"hi", b"\x00", b"alone"]
    assert actor.frames()[-1].text == "alone"


def test_a_channel_that_the_actor_closes_is_closed_once():
    with ActorTest(chat) as actor:
        channel = actor.open_channel()
        actor.push_frame(channel, "bye")
        actor.push_frame(actor.open_channel(), "anybody?")
        assert actor.frames(channel) == []


def test_what_is_pushed_to_a_channel_that_is_closed_is_refused():
    """C-131."""
    answers = []

    async def pushing(our):
        while True:
            message = await await_message()
            if isinstance(HttpServerRequest.from_bytes(message.ipc), WebSocketClose):
                push = (
                    Request()
                    .target("our@http_server:sys:nectar")
                    .ipc(WebSocketPush(1, WsMessageType.Text).to_bytes())
                )
                answers.append((await push.payload_bytes(b"late").send_and_await_response(1)).ipc)

    with ActorTest(pushing) as actor:
        actor.close_channel(actor.open_channel())
        assert actor.frames() == []
    assert answers == [golden("http_server/answer_not_found")]


async def _answering(our):
    while True:
        match HttpServerRequest.from_bytes((await await_message()).ipc):
            case http.Http(call):
                http.send_response(200, {}, f"{call.url_params} {call.query_params}".encode())


def test_an_actor_that_binds_nothing_gets_every_call_and_channel():
    with ActorTest(_answering) as actor:
        assert (
            actor.push_http("GET", "/a?x=1&y=", query={"z": "2"}).text == "{} {'x': '1', 'y': '', 'z': '2'}"
        )
        assert actor.push_http("GET", "/a", url_params={"id": "7"}).text == "{'id': '7'} {}"
        assert actor.open_channel("/anywhere") == 1


def test_a_pattern_fills_the_url_params_unless_the_test_does():
    async def binding(our):
        await http.bind_http_path("/files/:name")
        await _answering(our)

    with ActorTest(binding) as actor:
        assert actor.push_http("GET", "/files/a.txt").text == "{'name': 'a.txt'} {}"
        assert actor.push_http("GET", "/files/a.txt", url_params={}).text == "{} {}"
        assert actor.push_http("GET", "/other").status == 404


def test_a_channel_is_opened_only_where_a_socket_was_bound():
    async def binding(our):
        await http.bind_ws_path("/live", encrypted=True)
        await _answering(our)

    with ActorTest(binding) as actor:
        actor.open_channel("live/")
        actor.open_channel("/")
        with pytest.raises(
            LookupError, match=r"/other: the actor bound /live; call bind_ws_path\('/other'\)"
        ):
            actor.open_channel("/other")


def test_what_is_unbound_or_bound_again_is_seen_as_it_is_now():
    async def binding(our):
        server = http.HttpServer(5)
        await server.bind_http_static_path("/a", False, False, "text/plain", b"1")
        await server.secure_bind_http_path("/b")
        await server.secure_bind_ws_path("/")
        await server.bind_http_path("/c")
        await server.unbind_http_path("/c")
        await server.modify_http_path("/a", http.HttpBindingConfig())
        await _answering(our)

    with ActorTest(binding) as actor:
        assert [(bound.path, bound.authenticated) for bound in actor.bound] == [
            ("/b", True),
            ("/", True),
            ("/a", True),
        ]
        assert actor.content == {}


def test_a_static_bind_without_content_is_refused():
    """C-088."""
    answers = []

    async def binding(our):
        for ipc in ({"Bind": _bind(cache=True)}, {"SecureBind": {"path": "/", "cache": True}}):
            request = Request().target("our@http_server:sys:nectar").try_ipc(ipc)
            answers.append((await request.send_and_await_response(1)).ipc)

    with ActorTest(binding) as actor:
        assert actor.bound == []
    assert answers == [b'{"Err":"NoPayload"}'] * 2


def _bind(**flags):
    return {"path": "/", "authenticated": True, "local_only": False} | flags
