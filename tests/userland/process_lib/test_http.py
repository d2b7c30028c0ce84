from __future__ import annotations

from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.address import Address
from kernel.message import Message, Payload
from kernel.message import Request as RawRequest
from kernel.message import Response as RawResponse
from tests.support.golden import golden
from tests.support.recording_syscalls import (
    RecordingSyscalls,
    recording,
    request_message,
    response_message,
)
from userland.process_lib import http
from userland.process_lib.http import (
    HttpServerError,
    HttpServerRequest,
    Malformed,
    PathBindError,
    WebSocketPush,
    WsMessageType,
)

SERVER = Address.from_str("fake.dev@http_server:sys:nectar")
OK = b'{"Ok":null}'


def _answered(calls: RecordingSyscalls, ipc: bytes = OK) -> None:
    calls.answers.append(response_message(SERVER, calls.our, ipc))


def _asked(ipc: bytes) -> RawRequest:
    """Calls to modules of the runtime wait 5 s (PROTOCOL 5.7)."""
    return RawRequest(expects_response=5, ipc=ipc)


async def test_each_bind_asks_our_own_http_server():
    with recording() as calls:
        for _ in range(4):
            _answered(calls)
        await http.bind_http_path("/games")
        await http.bind_http_static_path("/", False, True, "text/html", b"<p>")
        await http.bind_http_static_path("/", False, True, b"plain")
        await http.bind_ws_path("/")
    static = _asked(golden("process_lib/bind_http_static_path"))
    assert calls.sent() == [
        (SERVER, _asked(golden("process_lib/bind_http_path")), None, None),
        (SERVER, static, None, Payload("text/html", b"<p>")),
        (SERVER, static, None, Payload(None, b"plain")),
        (SERVER, _asked(golden("process_lib/bind_ws_path")), None, None),
    ]


async def test_flags_that_are_given_are_sent():
    with recording() as calls:
        for _ in range(3):
            _answered(calls)
        await http.bind_http_path("/a", authenticated=False, local_only=True)
        await http.bind_ws_path("/b", False, True)
        await http.bind_ws_path("/c", extension=True)
    sent = [request.ipc for _, request, _, _ in calls.sent()]
    assert sent == [
        b'{"Bind":{"path":"/a","authenticated":false,"local_only":true,"cache":false}}',
        b'{"WebSocketBind":{"path":"/b","authenticated":false,"encrypted":true}}',
        b'{"WebSocketBind":{"path":"/c","authenticated":true,"encrypted":false,"extension":true}}',
    ]


async def test_what_was_bound_is_unbound():
    with recording() as calls:
        _answered(calls)
        _answered(calls)
        await http.unbind_http_path("/games")
        await http.unbind_ws_path("/")
    assert [request for _, request, _, _ in calls.sent()] == [
        _asked(golden("process_lib/unbind_http_path")),
        _asked(golden("process_lib/unbind_ws_path")),
    ]


async def test_a_refused_bind_raises_with_the_servers_error():
    with recording() as calls:
        _answered(calls, b'{"Err":{"PathBindError":{"error":"only homepage binds /"}}}')
        with pytest.raises(HttpServerError, match=r"/games.*only homepage binds /") as caught:
            await http.bind_http_path("/games")
    assert caught.value.error == PathBindError("only homepage binds /")


@pytest.mark.parametrize("answer", [b"", b"{}", b'{"Ok":1}', b'{"Err":"Unheard"}'])
async def test_an_unreadable_answer_is_an_error_of_the_server(answer):
    with recording() as calls:
        _answered(calls, answer)
        with pytest.raises(HttpServerError, match="unreadable") as caught:
            await http.bind_http_path("/games")
    assert isinstance(caught.value.error, Malformed)


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        ((None, "<p>"), r"text\.encode\(\)"),
        (("text/html", "<p>"), r"text\.encode\(\)"),
        (("text/html", 5), r"bytes\(value\)"),
        ((5, b"<p>"), "mime type is text or None"),
    ],
)
async def test_static_content_must_be_bytes(arguments, hint):
    with recording() as calls, pytest.raises(TypeError, match=hint):
        await http.bind_http_static_path("/", True, False, *arguments)
    assert calls.calls == []


async def test_a_static_path_without_content_is_refused_before_it_is_sent():
    with recording() as calls, pytest.raises(TypeError, match="content to serve"):
        await http.bind_http_static_path("/", True, False, "text/html")  # type: ignore[call-overload]
    assert calls.calls == []


def test_a_response_carries_status_and_headers_as_ipc_and_the_body_as_payload():
    with recording() as calls:
        http.send_response(200, {"Content-Type": "text/html"}, b"<p>")
        http.send_response(404)
    assert [arguments for _, arguments in calls.calls] == [
        (RawResponse(ipc=golden("process_lib/send_response")), Payload(None, b"<p>")),
        (RawResponse(ipc=b'{"status":404,"headers":{}}'), Payload(None, b"")),
    ]


@pytest.mark.parametrize(
    ("arguments", "error", "hint"),
    [
        (("200",), TypeError, "number such as 200"),
        ((True,), TypeError, "number such as 200"),
        ((99999,), ValueError, "200 to 999"),
        ((101,), ValueError, "200 to 999"),
        ((200, {"X": 5}), TypeError, "write {'X': '5'}"),
        ((200, {5: "X"}), TypeError, "write {'5': 'X'}"),
    ],
)
def test_a_response_that_http_cannot_say_is_refused_at_the_call(arguments, error, hint):
    with recording() as calls, pytest.raises(error, match=hint):
        http.send_response(*arguments)
    assert calls.calls == []


def test_a_status_of_the_standard_library_is_one():
    with recording() as calls:
        http.send_response(HTTPStatus.CREATED)
    assert calls.calls[0][1][0] == RawResponse(ipc=b'{"status":201,"headers":{}}')


CHANNEL = 3735928559
TEXT = WsMessageType.Text
PAYLOAD = Payload("text/plain", b"hi")


@pytest.mark.parametrize(
    ("push", "node"),
    [
        (lambda: http.send_ws_push("other.dev", CHANNEL, TEXT, PAYLOAD), "other.dev"),
        (
            lambda: http.send_ws_push(
                node="other.dev", channel_id=CHANNEL, message_type=TEXT, payload=PAYLOAD
            ),
            "other.dev",
        ),
        (
            lambda: http.send_ws_push(Address("other.dev", "a:b:c"), CHANNEL, TEXT, PAYLOAD),
            "other.dev",
        ),
        (lambda: http.send_ws_push(CHANNEL, "Text", PAYLOAD), "fake.dev"),
        (lambda: http.send_ws_push(CHANNEL, TEXT, PAYLOAD), "fake.dev"),
        (lambda: http.send_ws_push(channel_id=CHANNEL, message_type=TEXT, payload=PAYLOAD), "fake.dev"),
        (lambda: http.send_ws_push(CHANNEL, TEXT, payload=PAYLOAD), "fake.dev"),
        (lambda: http.send_ws_push(CHANNEL, message_type=TEXT, payload=PAYLOAD), "fake.dev"),
    ],
)
def test_a_push_goes_to_the_node_given_or_to_ours_and_wants_no_answer(push, node):
    """PROTOCOL 5.6: the seed's four arguments and the later three; 5.7: exactly this ipc, the payload untouched."""
    with recording() as calls:
        push()
    raw = RawRequest(ipc=golden("process_lib/send_ws_push"))
    assert calls.sent() == [(Address(node, "http_server:sys:nectar"), raw, None, PAYLOAD)]


@given(st.integers(0, 2**32 - 1), st.sampled_from(WsMessageType))
def test_a_push_is_what_the_shared_shape_reads(channel_id, message_type):
    with recording() as calls:
        http.send_ws_push(channel_id, message_type, Payload())
    found = HttpServerRequest.from_bytes(calls.sent()[0][1].ipc)
    assert found == WebSocketPush(channel_id, message_type)


@pytest.mark.parametrize(
    "arguments",
    [
        (CHANNEL, TEXT, b"bytes"),
        (CHANNEL, TEXT),
        (CHANNEL, "Text", Payload(bytes="hello")),
        ("n", CHANNEL, TEXT, None),
        (-1, TEXT, PAYLOAD),
        (2**32, TEXT, PAYLOAD),
        ("n", "7", TEXT, PAYLOAD),
        ("n", None, TEXT, PAYLOAD),
        (b"n", CHANNEL, TEXT, PAYLOAD),
    ],
)
def test_a_push_without_channel_or_payload_is_refused(arguments):
    with (
        recording() as calls,
        pytest.raises(TypeError, match=r"write Payload\(bytes=|WebSocketOpen|node's name"),
    ):
        http.send_ws_push(*arguments)
    assert calls.calls == []


CHANNELS = {"/": {9, 7}, "/other": {1}}


@pytest.mark.parametrize(
    ("push", "node"),
    [
        (lambda: http.ws_push_all_channels(CHANNELS, "/", TEXT, PAYLOAD), "fake.dev"),
        (
            lambda: http.ws_push_all_channels(
                channels=CHANNELS, path="/", message_type=TEXT, payload=PAYLOAD
            ),
            "fake.dev",
        ),
        (lambda: http.ws_push_all_channels("other.dev", CHANNELS, "/", TEXT, PAYLOAD), "other.dev"),
        (
            lambda: http.ws_push_all_channels(Address("other.dev", "a:b:c"), CHANNELS, "/", TEXT, PAYLOAD),
            "other.dev",
        ),
    ],
)
def test_a_push_to_all_reaches_each_channel_of_the_path_in_order(push, node):
    with recording() as calls:
        push()
    assert {target.node for target, _, _, _ in calls.sent()} == {node}
    sent = [HttpServerRequest.from_bytes(request.ipc) for _, request, _, _ in calls.sent()]
    assert sent == [WebSocketPush(7, TEXT), WebSocketPush(9, TEXT)]


def test_a_push_to_all_of_a_path_without_channels_sends_nothing():
    with recording() as calls:
        http.ws_push_all_channels({}, "/", TEXT, PAYLOAD)
    assert calls.calls == []


@pytest.mark.parametrize("arguments", [([7], "/", TEXT, PAYLOAD), ("n", [7], "/", TEXT, PAYLOAD)])
def test_a_push_to_all_wants_the_channels_by_path(arguments):
    with recording() as calls, pytest.raises(TypeError, match="channels by path"):
        http.ws_push_all_channels(*arguments)
    assert calls.calls == []


@pytest.mark.parametrize(
    ("name", "mime"),
    [
        ("index.html", "text/html"),
        ("a/b.c/STYLE.CSS", "text/css"),
        ("app.min.js", "text/javascript"),
        ("logo.svg", "image/svg+xml"),
        ("README", "application/octet-stream"),
        (".html", "application/octet-stream"),
        ("a.html/data", "application/octet-stream"),
        ("data.xyz", "application/octet-stream"),
        ("", "application/octet-stream"),
    ],
)
def test_the_mime_type_follows_from_the_extension(name, mime):
    assert http.get_mime_type(name) == mime


OUR = Address.from_str("fake.dev@app:app:me")
FRAME = WebSocketPush(7, WsMessageType.Text).to_bytes()


def test_what_our_http_server_brings_is_of_the_web():
    message = request_message(SERVER, OUR, RawRequest(ipc=FRAME))
    assert http.of_the_web(message) == WebSocketPush(7, WsMessageType.Text)


@pytest.mark.parametrize(
    "message",
    [
        request_message(SERVER, OUR, RawRequest(ipc=b'{"Number":10}')),
        request_message(SERVER, OUR, RawRequest(ipc=b"\xff")),
        request_message(Address.from_str("bob.dev@http_server:sys:nectar"), OUR, RawRequest(ipc=FRAME)),
        request_message(Address.from_str("fake.dev@other:app:me"), OUR, RawRequest(ipc=FRAME)),
        response_message(SERVER, OUR, FRAME),
    ],
    ids=["injected", "injected bytes", "another node", "another process", "response"],
)
def test_nothing_else_is_of_the_web(message: Message):
    assert http.of_the_web(message) is None
