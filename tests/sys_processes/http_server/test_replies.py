"""Replies as bytes (PROTOCOL 6.11)."""

from __future__ import annotations

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sys_processes.http_server.replies import HttpReply, app_headers, encode_reply, text_reply


def read(wire: bytes, method: str = "GET") -> tuple[int, list[tuple[str, str]], bytes]:
    """What h11 as a client makes of it; raises when anything is left over."""
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method=method, target="/", headers=[("Host", "h")]))
    client.send(h11.EndOfMessage())
    client.receive_data(wire)
    response, body = client.next_event(), b""
    assert isinstance(response, h11.Response)
    while isinstance(event := client.next_event(), h11.Data):
        body += bytes(event.data)
    assert isinstance(event, h11.EndOfMessage)
    assert client.trailing_data == (b"", False)
    return response.status_code, [(name.decode(), value.decode()) for name, value in response.headers], body


@given(
    status=st.integers(-1, 1100),
    headers=st.lists(st.tuples(st.text(max_size=12), st.text(max_size=200)), max_size=5),
    body=st.binary(max_size=50),
    method=st.sampled_from(["GET", "HEAD", "POST"]),
    keep_alive=st.booleans(),
)
def test_whatever_an_app_gives_the_client_reads_one_whole_reply(
    status: int, headers: list[tuple[str, str]], body: bytes, method: str, keep_alive: bool
) -> None:
    wire = encode_reply(HttpReply(status, headers, body), method=method, keep_alive=keep_alive)
    found, got, got_body = read(wire, method)
    assert found == (status if 200 <= status <= 999 else 500)
    assert got_body == (b"" if method == "HEAD" or found in (204, 304) else body)
    assert ("connection", "close") in got or keep_alive


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x", "a\r\nset-cookie: evil=1"),
        ("x", "a\nb"),
        ("x", "a\rb"),
        ("x", "a\0b"),
        ("x", "ä"),
        ("x\r\ny", "a"),
        ("x y", "a"),
        ("", "a"),
        ("x:", "a"),
        ("Content-Length", "5"),
        ("Transfer-Encoding", "chunked"),
        ("Connection", "close"),
    ],
)
@pytest.mark.parametrize("length", [1, 200])
def test_what_is_no_header_text_and_framing_headers_are_left_out(name: str, value: str, length: int) -> None:
    value = value + "." * (length - 1)
    assert encode_reply(HttpReply(200, [(name, value), ("y", "kept")])) == (
        b"HTTP/1.1 200 OK\r\ny: kept\r\ncontent-length: 0\r\n\r\n"
    )
    assert app_headers({name: value, "y": "kept"}) == [("y", "kept")]


@pytest.mark.parametrize(
    ("value", "cookies"),
    [
        ("a=1; Path=/; HttpOnly", ["a=1; Path=/; HttpOnly"]),
        ("a=1; Path=/\nb=2\r\n\nc=3", ["a=1; Path=/", "b=2", "c=3"]),
        ('["a=1; Path=/", "b=2", 3, "c=\\r\\nx: y", ""]', ["a=1; Path=/", "b=2"]),
        ("[a=1", ["[a=1"]),
        ("", []),
    ],
)
@pytest.mark.parametrize("name", ["set-cookie", "Set-Cookie"])
def test_each_cookie_is_one_header_with_its_attributes(name: str, value: str, cookies: list[str]) -> None:
    """C-107."""
    headers = app_headers({"a": "b", name: value})
    assert headers == [("a", "b"), *(("set-cookie", cookie) for cookie in cookies)]
    assert encode_reply(HttpReply(200, headers)).count(b"set-cookie: ") == len(cookies)


def test_a_header_given_in_two_cases_is_sent_once() -> None:
    assert app_headers({"Content-Type": "a", "content-type": "b"}) == [("content-type", "b")]


@pytest.mark.parametrize(("status", "length"), [(204, False), (304, True), (200, True)])
def test_only_a_204_says_no_length(status: int, length: bool) -> None:
    wire = encode_reply(HttpReply(status, [], b"body"))
    assert (b"content-length: 4\r\n" in wire) is length
    assert wire.endswith(b"body") is (status == 200)


@pytest.mark.parametrize(
    ("status", "line"),
    [(200, b"200 OK"), (418, b"418 I'm a Teapot"), (799, b"799 "), (100, b"500 Internal Server Error")],
)
def test_the_status_line(status: int, line: bytes) -> None:
    assert encode_reply(HttpReply(status)).startswith(b"HTTP/1.1 " + line + b"\r\n")


def test_a_reply_may_be_sent_many_times() -> None:
    reply = text_reply(404, "nothing here", [("x-more", "1")])
    assert encode_reply(reply) == encode_reply(reply)
    assert encode_reply(reply, method="HEAD") == encode_reply(reply)[: -len("nothing here\n")]
    assert b"connection: keep-alive\r\n" in encode_reply(reply, version="1.0")
    assert b"connection: close\r\n" in encode_reply(reply, version="1.0", keep_alive=False)
