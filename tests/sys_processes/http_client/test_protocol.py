"""PROTOCOL 7.1, word for word."""

from __future__ import annotations

import pytest

from kernel.codec import Err, Malformed, Ok
from kernel.message import Payload
from sys_processes.http_client.protocol import (
    ANY_REQUEST,
    CONTROL_BYTES,
    EARLY_ANSWER,
    EARLY_SOCKET_ANSWER,
    HTTP_CLIENT_ACTION,
    HTTP_CLIENT_ANSWER,
    HTTP_CLIENT_REQUEST,
    AnyRequest,
    BadMethod,
    BadUrl,
    BadVersion,
    BuildRequestFailed,
    CloseFailed,
    EarlyAnswer,
    EarlyBadRequest,
    EarlyClose,
    EarlyOpen,
    EarlyPush,
    EarlySocketAnswer,
    ExecuteRequestFailed,
    Head,
    Http,
    HttpAnswer,
    HttpClientAnswer,
    HttpClientError,
    MalformedRequest,
    OpenFailed,
    OutgoingHttpRequest,
    PushFailed,
    RequestFailed,
    WebSocketAck,
    WebSocketClose,
    WebSocketOpen,
    WebSocketPush,
    WsCloseFailed,
    WsOpenFailed,
    WsPushBadText,
    WsPushNoBlob,
    WsPushUnknownChannel,
    refused,
    refused_push,
)
from sys_processes.http_server.protocol import WsMessageType
from tests.support.golden import golden

URL = "wss://example.org/"


@pytest.mark.parametrize(
    ("name", "request_"),
    [
        ("http_client/bare", OutgoingHttpRequest("GET", "https://example.org/", None, {"accept": "*/*"})),
        ("http_client/http", Http(OutgoingHttpRequest("POST", "https://example.org/", "HTTP/1.1"))),
        ("http_client/ws_open", WebSocketOpen(URL, {}, 1)),
        ("http_client/ws_push", WebSocketPush(1, WsMessageType.Text)),
        ("http_client/ws_close", WebSocketClose(1)),
        ("http_client/early_open", EarlyOpen(URL, {}, 1)),
        ("http_client/early_push", EarlyPush(1, WsMessageType.Text)),
        ("http_client/early_close", EarlyClose(1)),
        ("http_client/http_local", Http(OutgoingHttpRequest("GET", "http://localhost/", local=True))),
        ("http_client/ws_open_local", WebSocketOpen("ws://localhost/", {}, 1, local=True)),
    ],
)
def test_requests_are_the_golden_lines(name: str, request_: AnyRequest) -> None:
    assert ANY_REQUEST.encode(request_) == golden(name)
    assert ANY_REQUEST.decode(golden(name)) == request_


def test_a_request_without_version_or_headers_has_none() -> None:
    assert ANY_REQUEST.decode(b'{"method":"GET","url":"http://x/"}') == OutgoingHttpRequest(
        "GET", "http://x/"
    )


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("http_client/http_ok", Ok(HttpAnswer(Head(200, {})))),
        ("http_client/ws_ack", Ok(WebSocketAck())),
        ("http_client/bad_method", Err(BadMethod("G T"))),
        ("http_client/bad_url", Err(BadUrl("gopher://example.org/"))),
        ("http_client/bad_version", Err(BadVersion("HTTP/4"))),
        ("http_client/malformed", Err(MalformedRequest())),
        ("http_client/build_failed", Err(BuildRequestFailed("'a b' is no name of a header"))),
        ("http_client/execute_failed", Err(ExecuteRequestFailed("reset"))),
        ("http_client/ws_open_failed", Err(WsOpenFailed(URL))),
        ("http_client/ws_push_unknown", Err(WsPushUnknownChannel(1))),
        ("http_client/ws_push_no_blob", Err(WsPushNoBlob())),
        ("http_client/ws_push_bad_text", Err(WsPushBadText())),
        ("http_client/ws_close_failed", Err(WsCloseFailed(1))),
    ],
)
def test_answers_are_the_golden_lines(name: str, answer: HttpClientAnswer) -> None:
    assert HTTP_CLIENT_ANSWER.encode(answer) == golden(name)
    assert HTTP_CLIENT_ANSWER.decode(golden(name)) == answer


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("http_client/bare_ok", Ok(Head(200, {"Content-Type": "text/html"}))),
        ("http_client/bad_method", Err(BadMethod("G T"))),
        ("http_client/bad_request", Err(EarlyBadRequest("'\\n' is no value of a header (a)"))),
        ("http_client/request_failed", Err(RequestFailed("reset"))),
    ],
)
def test_answers_of_the_first_eras_are_the_golden_lines(name: str, answer: EarlyAnswer) -> None:
    assert EARLY_ANSWER.encode(answer) == golden(name)
    assert EARLY_ANSWER.decode(golden(name)) == answer


@pytest.mark.parametrize(
    ("name", "result"),
    [
        ("http_client/early_socket_ok", Ok(None)),
        ("http_client/open_failed", Err(OpenFailed(URL))),
        ("http_client/push_failed", Err(PushFailed(1))),
        ("http_client/close_failed", Err(CloseFailed(1))),
    ],
)
def test_answers_about_early_sockets_are_the_golden_lines(
    name: str, result: Ok[None] | Err[OpenFailed | PushFailed | CloseFailed]
) -> None:
    answer = EarlySocketAnswer(1, result)
    assert EARLY_SOCKET_ANSWER.encode(answer) == golden(name)
    assert EARLY_SOCKET_ANSWER.decode(golden(name)) == answer


def test_what_is_heard_is_the_golden_lines() -> None:
    frame, end = WebSocketPush(1, WsMessageType.Binary), WebSocketClose(1)
    assert HTTP_CLIENT_REQUEST.encode(frame) == golden("http_client/heard_frame")
    assert HTTP_CLIENT_REQUEST.encode(end) == golden("http_client/ws_close")
    with pytest.raises(Malformed):
        HTTP_CLIENT_ACTION.decode(golden("http_client/early_open"))


def asked(**fields: object) -> OutgoingHttpRequest:
    known: dict[str, object] = {"method": "GET", "url": "http://x.org/", "version": None, "headers": {}}
    return OutgoingHttpRequest(**{**known, **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (asked(), None),
        (asked(url="https://x.org:8443/a?b#c", version="HTTP/2.0", headers={"a": ""}), None),
        (asked(method="G T"), BadMethod("G T")),
        (asked(version="HTTP/4"), BadVersion("HTTP/4")),
        (asked(url="ws://x.org/"), BadUrl("ws://x.org/")),
        (asked(url="http:///"), BadUrl("http:///")),
        (asked(url="http://x.org:0/"), BadUrl("http://x.org:0/")),
        (asked(url="http://x.org:99999/"), BadUrl("http://x.org:99999/")),
        (asked(url="http://[x.org/"), BadUrl("http://[x.org/")),
        (asked(url="http://x.org/ HTTP/1.1"), BadUrl("http://x.org/ HTTP/1.1")),
        (asked(url="http://x.org/\r\na: b"), BadUrl("http://x.org/\r\na: b")),
        (asked(headers={"a b": "x"}), BuildRequestFailed("'a b' is no name of a header")),
        (asked(headers={"a": "\n"}), BuildRequestFailed("'\\n' is no value of a header (a)")),
        (WebSocketOpen(URL, {}, 1), None),
        (WebSocketOpen("https://x.org/", {}, 1), BadUrl("https://x.org/")),
        (WebSocketOpen(URL, {"": "x"}, 1), BuildRequestFailed("'' is no name of a header")),
    ],
)
def test_what_no_server_is_asked(
    request_: OutgoingHttpRequest | WebSocketOpen, error: HttpClientError | None
) -> None:
    assert refused(request_) == error


@pytest.mark.parametrize(
    ("kind", "data", "error"),
    [
        (WsMessageType.Text, "ä".encode(), None),
        (WsMessageType.Text, b"\xff", WsPushBadText()),
        (WsMessageType.Text, None, WsPushNoBlob()),
        (WsMessageType.Binary, b"\xff", None),
        (WsMessageType.Binary, None, WsPushNoBlob()),
        (WsMessageType.Ping, None, None),
        (WsMessageType.Pong, b"x" * CONTROL_BYTES, None),
        (WsMessageType.Close, b"x" * (CONTROL_BYTES + 1), WsPushBadText()),
    ],
)
def test_what_is_no_frame(
    kind: WsMessageType, data: bytes | None, error: WsPushBadText | WsPushNoBlob | None
) -> None:
    payload = None if data is None else Payload(None, data)
    assert refused_push(WebSocketPush(1, kind), payload) == error
