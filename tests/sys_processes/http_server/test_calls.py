"""HTTP calls: what a process is told, what is made of its answer; and actions from bytes to answers."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.address import Address, ProcessId
from kernel.codec import OK
from kernel.jsontext import parse
from kernel.message import Payload
from sys_processes.http_server.actions import answer, perform
from sys_processes.http_server.bindings import HttpBinding, PathTable
from sys_processes.http_server.calls import Answers, BadQuery, app_reply, incoming, query_params, static_reply
from sys_processes.http_server.channels import Channel, Channels
from sys_processes.http_server.patterns import Pattern
from sys_processes.http_server.settings import HttpSettings
from sys_processes.http_server.static import StaticContent
from tests.sys_processes.http_server.heads import head

APP = Address("alice.uq", "p:k:u")
BINDING = HttpBinding(APP.process, "/p:k:u/x", authenticated=False, local_only=False)


def test_a_process_is_told_the_call_in_the_words_of_all_eras() -> None:
    """C-098, C-099."""
    request = head("PUT", "/p:k:u/x/?id=bob.uq&q=a+b%26c", peer="10.0.0.1:7", host="H:1", X_Thing="Y")
    told = incoming(request, BINDING).request()
    assert told.method == "PUT"
    assert told.source_socket_addr == "10.0.0.1:7"
    assert told.raw_path == told.url() == "http://H:1/p:k:u/x"
    assert (told.path(), told.bound_path(), told.bound_path("p:k:u")) == ("/x", "/p:k:u/x", "/x")
    assert told.headers == {"host": "H:1", "x-thing": "Y"}
    assert (told.query_params, told.url_params) == ({"id": "bob.uq", "q": "a b&c"}, {})


def test_a_pattern_is_told_as_bound_with_what_it_captures() -> None:
    """C-100."""
    pattern = Pattern.parse("/p:k:u/:id", "/p:k:u")
    binding = HttpBinding(APP.process, pattern.text, authenticated=False, local_only=False, pattern=pattern)
    call = incoming(head(target="/p:k:u/a%20b/?id=7"), binding).request()
    assert (call.bound_path(), call.url_params) == ("/p:k:u/:id", {"id": "a%20b"})
    assert call.query_params == {"id": "7"}


def test_the_path_is_told_as_it_was_asked() -> None:
    """C-099."""
    told = incoming(head(target="/p%3Ak%3Au/x%20y//"), BINDING).request()
    assert told.raw_path == "http://localhost:8080/p%3Ak%3Au/x%20y/"


def test_a_client_without_host_called_localhost() -> None:
    request = head(target="/p:k:u/x")
    del request.fields["host"]
    assert incoming(request, BINDING).request().raw_path == "http://localhost/p:k:u/x"


def test_a_header_value_that_is_not_visible_ascii_is_empty() -> None:
    """C-098."""
    told = incoming(head(x_name="J\xfcrgen", accept="a/b"), BINDING).request()
    assert (told.headers["x-name"], told.headers["accept"]) == ("", "a/b")


@pytest.mark.parametrize(
    ("query", "params"),
    [
        (None, {}),
        ("", {}),
        ("a=1&a=2", {"a": "2"}),
        ("a", {"a": ""}),
        ("a=&b=%3D", {"a": "", "b": "="}),
        ("a+b=c+d%2B", {"a b": "c d+"}),
        ("a=%C3%A9", {"a": "é"}),
        ("a=b=c", {"a": "b=c"}),
        ("a;b=1", {"a;b": "1"}),
    ],
)
def test_query_parameters(query: str | None, params: dict[str, str]) -> None:
    """C-098."""
    assert query_params(query) == params


@pytest.mark.parametrize("query", ["%", "a=%2", "a=%zz", "a=%FF", "&".join(["a=1"] * 1001)])
def test_a_query_that_cannot_be_read_is_told_apart(query: str) -> None:
    with pytest.raises(BadQuery):
        query_params(query)


@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=40))
def test_every_query_is_read_or_told_apart(query: str) -> None:
    with contextlib.suppress(BadQuery):
        assert len(query_params(query)) <= query.count("&") + 1


def test_cached_content_is_served_to_readers_only() -> None:
    """C-089."""
    content = StaticContent.of(Payload("text/css", b"a{}"))
    cached = HttpBinding(APP.process, "/p:k:u/x", False, False, content)
    for method in ("GET", "HEAD"):
        assert static_reply(head(method), cached) is content.whole
    assert static_reply(head("POST"), cached) is None
    assert static_reply(head("GET"), BINDING) is None


def test_the_answer_of_a_process_is_its_payload_under_its_status_and_headers() -> None:
    reply = app_reply(b'{"status":201,"headers":{"Content-Type":"a/b","X":"y"}}', Payload("c/d", b"body"))
    assert reply is not None
    assert (reply.status, reply.body) == (201, b"body")
    assert reply.headers == [("content-type", "a/b"), ("x", "y")]


@pytest.mark.parametrize(
    ("mime", "headers"),
    [("text/html", [("content-type", "text/html")]), ("application/octet-stream", []), (None, [])],
)
def test_the_mime_of_the_payload_stands_in_for_a_missing_content_type(
    mime: str | None, headers: list[tuple[str, str]]
) -> None:
    reply = app_reply(b'{"status":200,"headers":{}}', Payload(mime, b""))
    assert reply is not None
    assert reply.headers == headers


def test_an_answer_without_payload_has_an_empty_body() -> None:
    reply = app_reply(b'{"status":204,"headers":{}}', None)
    assert reply is not None
    assert reply.body == b""


@pytest.mark.parametrize(
    "ipc",
    [b"", b"ok", b"{}", b'{"status":200}', b'{"status":"200","headers":{}}']
    + [b'{"status":%d,"headers":{}}' % status for status in (0, 99, 100, 199, 1000, 70000)],
)
def test_what_is_no_response_or_has_no_final_status_gives_no_reply(ipc: bytes) -> None:
    """C-097."""
    assert app_reply(ipc, Payload(None, b"x")) is None


# -- actions


def node() -> tuple[PathTable, Channels]:
    paths = PathTable("alice.uq", can_message=lambda _: True, is_running=lambda _: True)
    return paths, Channels("alice.uq", HttpSettings(), lambda _: 5, lambda owner, channel_id: None)


def opened(channels: Channels) -> Channel:
    seat = channels.admit()
    assert seat is not None
    channel = channels.open(seat, ProcessId("p", "k", "u"), "/", lambda: None, announce=False)
    assert isinstance(channel, Channel)
    return channel


def asked(ipc: bytes, payload: Payload | None = None) -> object:
    paths, channels = node()
    return parse(answer(perform(ipc, APP, payload, paths, channels)))


def test_each_action_is_done_and_answered_ok() -> None:
    """C-087."""
    paths, channels = node()
    channel = opened(channels)
    for ipc in (
        b'{"Bind":{"path":"/x","authenticated":false,"local_only":false,"cache":false}}',
        b'{"WebSocketBind":{"path":"/","authenticated":true}}',
        b'{"WebSocketPush":{"channel_id":%d,"message_type":"Text"}}' % channel.id,
        b'{"WebSocketClose":%d}' % channel.id,
    ):
        assert answer(perform(ipc, APP, Payload(None, b"x"), paths, channels)) == OK
    assert paths.route("/p:k:u/x") is not None
    assert channel.take() is not None
    assert channel.ending is not None
    for ipc in (b'{"Unbind":{"path":"/x"}}', b'{"WebSocketUnbind":{"path":"/"}}'):
        assert answer(perform(ipc, APP, None, paths, channels)) == OK
    assert paths.route("/p:k:u/x") is None


def test_what_cannot_be_read_is_given_back() -> None:
    assert asked(b"nonsense \xff") == {"Err": {"BadRequest": {"req": "nonsense \ufffd"}}}
    assert asked(b'{"BindWs":{"path":"/","authenticated":true,"local_only":false}}') == {
        "Err": {"BadRequest": {"req": '{"BindWs":{"path":"/","authenticated":true,"local_only":false}}'}}
    }
    shown = asked(b"x" * 100_000)
    assert shown == {"Err": {"BadRequest": {"req": "x" * 4096}}}


def test_refusals_keep_their_exact_texts() -> None:
    """C-088, C-131, C-134."""
    assert asked(b'{"Bind":{"path":"/x","authenticated":false,"local_only":false,"cache":true}}') == {
        "Err": "NoPayload"
    }
    assert asked(b'{"WebSocketClose":1}') == {
        "Err": {"WebSocketPushError": {"error": "WebSocket channel not found"}}
    }
    assert asked(b'{"WebSocketPush":{"channel_id":1,"message_type":"Text"}}') == {"Err": "NoPayload"}
    for form in (b"1", b'{"path":"/","channel_id":1}'):
        assert asked(b'{"WebSocketOpen":%b}' % form) == {
            "Err": {"WebSocketPushError": {"error": "WebSocketOpen is not a valid request"}}
        }
    bad = asked(b'{"SecureBind":{"path":"/x y","cache":false}}')
    assert isinstance(bad, dict)
    assert "PathBindError" in bad["Err"]


def test_what_is_remembered_of_answers_is_small_whatever_their_payloads_are_called() -> None:
    answers = Answers()
    for number in range(10):
        assert (
            answers.reply(b'{"status":200,"headers":{}}', Payload("a" * 100_000 + str(number), b""))
            is not None
        )
    assert sum(len(ipc) + len(mime or "") for ipc, mime in answers._known) < 10_000
