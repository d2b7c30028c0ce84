"""`HttpServer` of process_lib: what it asks of http_server, and what it remembers (PROTOCOL 5.6)."""

from __future__ import annotations

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from kernel.address import Address
from kernel.message import Payload
from kernel.message import Response as RawResponse
from sys_processes.http_server.protocol import ACTION, Bind, Unbind
from tests.support.golden import golden
from tests.support.recording_syscalls import RecordingSyscalls, recording, response_message
from userland.process_lib import (
    Http,
    HttpBindingConfig,
    HttpResponse,
    HttpServer,
    HttpServerError,
    IncomingHttpRequest,
    Malformed,
    NoPayload,
    PathBindError,
    SendError,
    WebSocketClose,
    WebSocketOpen,
    WebSocketPush,
    WsBindingConfig,
    WsMessageType,
    await_message,
    get_payload,
    http,
    sleep,
    start_soon,
)
from userland.process_lib.testing import ActorTest

SERVER = Address.from_str("fake.dev@http_server:sys:nectar")
OK = b'{"Ok":null}'
TAKEN = b'{"Err":{"PathBindError":{"error":"taken"}}}'
TEXT = WsMessageType.Text
PAGE = Payload("text/html", b"<p>")


def _answer_with(calls: RecordingSyscalls, *answers: bytes) -> None:
    calls.answers.extend(response_message(SERVER, calls.our, ipc) for ipc in answers)


def _asked(calls: RecordingSyscalls) -> list[bytes]:
    return [request.ipc for _, request, _, _ in calls.sent()]


# -- binding


def test_a_binding_wants_a_login_and_nothing_else_unless_told_otherwise():
    assert HttpBindingConfig() == HttpBindingConfig(
        authenticated=True, local_only=False, secure_subdomain=False, static_content=None
    )
    assert WsBindingConfig() == WsBindingConfig(authenticated=True, secure_subdomain=False, extension=False)


def test_a_path_cannot_be_secure_and_local_only():
    with pytest.raises(ValueError, match="leave out secure_subdomain or local_only"):
        HttpBindingConfig(local_only=True, secure_subdomain=True)


async def test_each_bind_says_what_its_config_says():
    server = HttpServer(9)
    with recording() as calls:
        _answer_with(calls, *[OK] * 8)
        await server.bind_http_path("/games")
        await server.bind_http_path("/a", HttpBindingConfig(authenticated=False, local_only=True))
        await server.bind_http_path("/b", HttpBindingConfig(static_content=PAGE))
        await server.bind_http_static_path("/", False, True, "text/html", b"<p>")
        await server.bind_http_path("/vault", HttpBindingConfig(secure_subdomain=True, static_content=PAGE))
        await server.secure_bind_http_path("/vault")
        await server.bind_ws_path("/")
        await server.bind_ws_path("/x", WsBindingConfig(authenticated=False, extension=True))
    assert _asked(calls) == [
        golden("process_lib/bind_http_path"),
        b'{"Bind":{"path":"/a","authenticated":false,"local_only":true,"cache":false}}',
        b'{"Bind":{"path":"/b","authenticated":true,"local_only":false,"cache":true}}',
        golden("process_lib/bind_http_static_path"),
        b'{"SecureBind":{"path":"/vault","cache":true}}',
        golden("http_server/action_secure_bind"),
        golden("process_lib/bind_ws_path"),
        b'{"WebSocketBind":{"path":"/x","authenticated":false,"encrypted":false,"extension":true}}',
    ]
    assert [payload for _, _, _, payload in calls.sent()] == [None, None, PAGE, PAGE, PAGE, None, None, None]
    assert {request.expects_response for _, request, _, _ in calls.sent()} == {9}


async def test_secure_sockets_are_bound_as_such():
    server = HttpServer(5)
    with recording() as calls:
        _answer_with(calls, OK, OK)
        await server.secure_bind_ws_path("/")
        await server.bind_ws_path("/", WsBindingConfig(secure_subdomain=True, extension=True))
    assert _asked(calls) == [
        golden("http_server/action_ws_secure_bind"),
        b'{"WebSocketSecureBind":{"path":"/","encrypted":false,"extension":true}}',
    ]


async def test_what_was_bound_is_modified_and_unbound_under_any_spelling_of_its_path():
    server = HttpServer(5)
    with recording() as calls:
        _answer_with(calls, *[OK] * 6)
        await server.bind_http_path("games")
        await server.modify_http_path("/games/", HttpBindingConfig(authenticated=False))
        await server.unbind_http_path("/games")
        await server.bind_ws_path("/")
        await server.modify_ws_path("/", WsBindingConfig(authenticated=False))
        await server.unbind_ws_path("")
    assert _asked(calls)[1:3] == [
        b'{"Bind":{"path":"/games/","authenticated":false,"local_only":false,"cache":false}}',
        golden("process_lib/unbind_http_path"),
    ]
    assert _asked(calls)[4] == b'{"WebSocketBind":{"path":"/","authenticated":false,"encrypted":false}}'


@pytest.mark.parametrize(
    "call",
    [
        lambda server: server.modify_http_path("/no", HttpBindingConfig()),
        lambda server: server.unbind_http_path("/no"),
        lambda server: server.modify_ws_path("/no", WsBindingConfig()),
        lambda server: server.unbind_ws_path("/no"),
        lambda server: server.modify_ws_path("/http", WsBindingConfig()),
        lambda server: server.unbind_http_path("/ws"),
        lambda server: server.unbind_http_path("/gone"),
        lambda server: server.modify_http_path("/refused", HttpBindingConfig()),
    ],
)
async def test_what_this_object_did_not_bind_is_an_error_that_asks_nobody(call):
    server = HttpServer(5)
    with recording() as calls:
        _answer_with(calls, OK, OK, OK, OK, TAKEN)
        await server.bind_http_path("/http")
        await server.bind_ws_path("/ws")
        await server.bind_http_path("/gone")
        await server.unbind_http_path("/gone")
        with pytest.raises(HttpServerError, match="taken"):
            await server.bind_http_path("/refused")
        asked = len(calls.sent())
        with pytest.raises(HttpServerError, match=r"did not bind it.*write await server\.bind_") as caught:
            await call(server)
        assert len(calls.sent()) == asked
    assert isinstance(caught.value.error, PathBindError)


# -- many at once


async def test_many_paths_are_bound_with_one_config():
    server = HttpServer(5)
    with recording() as calls:
        _answer_with(calls, OK, OK, OK)
        await server.bind_multiple_http_paths(["/a", "/b", "/a"], HttpBindingConfig(local_only=True))
        await server.unbind_http_path("/b")
    assert _asked(calls) == [
        b'{"Bind":{"path":"/a","authenticated":true,"local_only":true,"cache":false}}',
        b'{"Bind":{"path":"/b","authenticated":true,"local_only":true,"cache":false}}',
        b'{"Unbind":{"path":"/b"}}',
    ]


REFUSALS = st.lists(st.booleans(), min_size=6, max_size=6)


@given(st.lists(st.sampled_from("abcd"), min_size=1, max_size=6), st.lists(st.sampled_from("abcd")), REFUSALS)
async def test_of_many_paths_either_all_are_bound_or_all_is_as_before(asked, bound_before, refusals):
    """Against a scripted http_server that keeps a table."""
    table: dict[str, bool] = {}
    was: list[dict[str, bool]] = []
    refused = iter(refusals)
    outcome: list[bool] = []

    def http_server(message):
        match ACTION.decode(message.ipc):
            case Bind(path, authenticated):
                if was and not authenticated and next(refused, False):
                    return TAKEN
                table[path] = authenticated
            case Unbind(path):
                table.pop(path, None)
        return OK

    async def init(our):
        server = HttpServer(5)
        for path in bound_before:
            await server.bind_http_path(path)
        was.append(dict(table))
        try:
            await server.bind_multiple_http_paths(asked, HttpBindingConfig(authenticated=False))
            outcome.append(True)
        except HttpServerError:
            outcome.append(False)

    async with ActorTest(init, on={"our@http_server:sys:nectar": http_server}):
        pass
    changed = dict.fromkeys(asked, False) if outcome == [True] else {}
    assert table == was[0] | changed


async def test_a_bind_without_an_answer_is_undone_too_for_it_may_have_happened():
    heard = []

    def http_server(message):
        heard.append(ACTION.decode(message.ipc))
        return None if heard[-1] == Bind("/b", True, False, cache=False) else OK

    async def init(our):
        server = HttpServer(2)
        with pytest.raises(SendError):
            await server.bind_multiple_http_paths(["/a", "/b", "/c"])

    async with ActorTest(init, on={"our@http_server:sys:nectar": http_server}) as actor:
        await actor.advance(3)
    assert heard[2:] == [Unbind("/b"), Unbind("/a")]


# -- files


def test_files_are_served_where_the_caller_wants_them(tmp_path):
    (tmp_path / "ui").mkdir()
    (tmp_path / "ui/index.html").write_text("<p>")
    (tmp_path / "ui/app.js").write_text("1")
    (tmp_path / "site.py").write_text(
        "from userland.process_lib import HttpBindingConfig, HttpServer, await_message\n"
        "async def init(our):\n"
        "    server = HttpServer(5)\n"
        "    secure = HttpBindingConfig(secure_subdomain=True)\n"
        '    await server.serve_ui("ui", ["/", "/home"], HttpBindingConfig(authenticated=False))\n'
        '    await server.serve_file("pkg/ui/app.js", ["/x.js", "/y.js"], secure)\n'
        '    await server.serve_file_raw_path(f"/{our.package_id}/pkg/site.py", ["/source"])\n'
        '    await server.unbind_http_path("/home")\n'
        "    await await_message()\n"
    )
    with ActorTest(tmp_path / "site.py", our="site:site:me") as actor:
        assert actor.content == {
            "/": PAGE,
            "/index.html": PAGE,
            "/app.js": Payload("text/javascript", b"1"),
            "/x.js": Payload("text/javascript", b"1"),
            "/y.js": Payload("text/javascript", b"1"),
            "/source": Payload("application/octet-stream", (tmp_path / "site.py").read_bytes()),
        }
        kinds = {bound.path: type(bound).__name__ for bound in actor.bound}
    assert kinds["/"] == "Bind"
    assert kinds["/x.js"] == "SecureBind"


# -- channels


CHANNELS = st.lists(st.tuples(st.sampled_from(["/", "/a"]), st.integers(1, 5)))


@given(CHANNELS, st.lists(st.integers(1, 5)))
def test_channels_are_kept_by_path_until_they_close(opened, closed):
    server = HttpServer(5)
    expected: dict[str, set[int]] = {}
    for path, channel_id in opened:
        server.handle_websocket_open(path, channel_id)
        expected.setdefault(path, set()).add(channel_id)
    for channel_id in closed:
        server.handle_websocket_close(channel_id)
    left = {path: channels - set(closed) for path, channels in expected.items()}
    assert server.get_ws_channels() == {path: channels for path, channels in left.items() if channels}
    server.get_ws_channels().clear()
    with recording() as calls:
        server.ws_push_all_channels("/", TEXT, PAGE)
    assert _asked(calls) == [WebSocketPush(each, TEXT).to_bytes() for each in sorted(left.get("/", ()))]


# -- what arrives

CALL = IncomingHttpRequest("127.0.0.1:5", "GET", "http://localhost/a:b:c/games", {}, {})


def test_a_request_is_parsed_or_an_error_of_this_library():
    server = HttpServer(5)
    assert server.parse_request(Http(CALL).to_bytes()) == Http(CALL)
    with pytest.raises(HttpServerError, match="no request of http_server") as caught:
        server.parse_request(b'{"Hello":1}')
    assert isinstance(caught.value.error, Malformed)


def _never(*arguments):
    raise AssertionError(arguments)


def test_requests_are_dispatched_at_once_without_awaiting_when_the_functions_are_plain():
    server = HttpServer(5)
    frames = []
    with recording() as calls:
        calls.payload = Payload(None, b"hi")
        server.handle_request(WebSocketOpen("/", 7), _never, _never)
        server.handle_request(
            WebSocketPush(7, TEXT),
            _never,
            lambda channel_id, kind, payload: frames.append((channel_id, kind, payload)),
        )
        assert server.get_ws_channels() == {"/": {7}}
        server.handle_request(WebSocketClose(7), _never, _never)
        server.handle_request(
            Http(CALL), lambda call: (HttpResponse(200).header("X", call.method()), PAGE), _never
        )
        server.handle_request(Http(CALL), lambda call: (HttpResponse(404), None), _never)
    assert frames == [(7, TEXT, Payload(None, b"hi"))]
    assert server.get_ws_channels() == {}
    assert [arguments for _, arguments in calls.calls] == [
        (RawResponse(ipc=b'{"status":200,"headers":{"X":"GET"}}'), PAGE),
        (RawResponse(ipc=b'{"status":404,"headers":{}}'), Payload(None, b"")),
    ]


def test_functions_may_be_async_and_then_the_call_is_awaited():
    """On the real kernel: the answer goes to the call, whatever was awaited meanwhile."""

    async def init(our):
        server = HttpServer(5)
        await server.bind_http_path("/")

        async def answer(call):
            body = get_payload()
            assert body is not None
            await sleep(1)
            return HttpResponse(201), Payload("text/plain", body.bytes[::-1])

        async def frame(channel_id, message_type, payload):
            await sleep(1)
            server.ws_push_all_channels("/", message_type, payload)

        while True:
            message = await await_message()
            await server.handle_request(server.parse_request(message.ipc), answer, frame)

    with ActorTest(init) as actor:
        reply = actor.push_http("POST", "/", body="abc")
        assert (reply.status, reply.text, reply.mime) == (201, "cba", "text/plain")
        one, other = actor.open_channel(), actor.open_channel()
        actor.push_frame(one, "hi")
        actor.advance(1)
        assert [(frame.channel_id, frame.text) for frame in actor.frames()] == [(one, "hi"), (other, "hi")]


async def test_a_long_call_may_be_answered_in_a_task_of_its_own():
    async def init(our):
        server = HttpServer(5)
        await server.bind_http_path("/")

        async def answer(call):
            body = get_payload()
            assert body is not None
            await sleep(float(body.bytes))
            return HttpResponse(200), Payload(None, body.bytes)

        while True:
            message = await await_message()
            start_soon(server.handle_request, server.parse_request(message.ipc), answer, _never)

    async def ask(actor, seconds, done):
        done.append((await actor.push_http("POST", "/", body=seconds)).text)

    done: list[str] = []
    async with ActorTest(init) as actor, trio.open_nursery() as nursery:
        nursery.start_soon(ask, actor, "9", done)
        await trio.sleep(1)
        nursery.start_soon(ask, actor, "2", done)
    assert done == ["2", "9"]


@pytest.mark.parametrize("found", [None, HttpResponse(200), (200, b"text"), (HttpResponse(200), b"bytes")])
def test_an_answer_of_another_form_is_refused_with_what_to_write(found):
    with recording() as calls, pytest.raises(TypeError, match=r"return HttpResponse\(200\), Payload"):
        HttpServer(5).handle_request(Http(CALL), lambda call: found, _never)
    assert calls.calls == []


def test_only_what_http_server_sends_is_handled():
    with recording(), pytest.raises(TypeError, match="HttpServerRequest"):
        HttpServer(5).handle_request(b"{}", _never, _never)


async def test_a_refusal_is_told_as_by_the_functions():
    with recording() as calls:
        _answer_with(calls, b'{"Err":"NoPayload"}')
        with pytest.raises(HttpServerError) as caught:
            await HttpServer(5).bind_http_path("/")
    assert caught.value.error == NoPayload()
    assert http.HttpServer is HttpServer
