"""Requests read from bytes; h11 is the oracle of strictness."""

from __future__ import annotations

import attrs
import h11
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sys_processes.http_server.http1 import BadRequest, RequestHead, RequestParser

LIMIT = 1000


@attrs.frozen
class Read:
    """One request as a parser saw it."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes


@attrs.frozen
class Outcome:
    requests: list[Read]
    status: int | None
    """Of the refusal that ended the reading; None when all bytes were taken or more are wanted."""


def as_h11_gives(headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(name, value.lower() if name == "transfer-encoding" else value) for name, value in headers]


def ours(pieces: list[bytes]) -> Outcome:
    parser, requests = RequestParser(), []
    head: RequestHead | None = None
    try:
        for piece in pieces:
            parser.feed(piece)
            while head is not None or (head := parser.head()) is not None:
                body = parser.body(LIMIT)
                if body is None:
                    break
                requests.append(Read(head.method, head.target, as_h11_gives(head.headers), body))
                if not head.keep_alive or head.upgrade_websocket:
                    return Outcome(requests, None)
                head = None
    except BadRequest as bad:
        return Outcome(requests, bad.status)
    return Outcome(requests, None)


def theirs(data: bytes) -> Outcome:
    """h11 on the same bytes, one connection object per request, so that only the requests are judged."""
    requests: list[Read] = []
    while data:
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
        connection.receive_data(data)
        request, body = None, b""
        try:
            while True:
                event = connection.next_event()
                if event is h11.NEED_DATA or event is h11.PAUSED:
                    return Outcome(requests, None)
                if isinstance(event, h11.Request):
                    request = event
                elif isinstance(event, h11.Data):
                    body += bytes(event.data)
                elif isinstance(event, h11.EndOfMessage):
                    break
        except h11.RemoteProtocolError as error:
            return Outcome(requests, error.error_status_hint)
        assert request is not None
        headers = [(name.decode(), value.decode("latin-1")) for name, value in request.headers]
        requests.append(Read(request.method.decode(), request.target.decode(), headers, body))
        data = connection.trailing_data[0]
        if connection.their_state is not h11.DONE:
            break
    return Outcome(requests, None)


def refused_too(h11_says: Outcome, we_say: Outcome) -> bool:
    """Whatever h11 refuses, we refuse, and never after more requests than it took."""
    return we_say.status is not None and len(we_say.requests) <= len(h11_says.requests)


TOKENS = st.text("abcXYZ-_0129", min_size=1, max_size=8)
VALUES = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_categories=["Cc"]), max_size=12
)
PLAIN_HEADERS = st.lists(st.tuples(TOKENS.map("x{}".format), VALUES), max_size=4)


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    method = draw(st.sampled_from(["GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"]))
    target = draw(st.sampled_from(["/", "/a:b:c/d%20e?x=1&y=%zz", "//x", "http://h:80/p?q", "/?"]))
    headers = [("Host", "localhost:8080"), *draw(PLAIN_HEADERS)]
    body = draw(st.binary(max_size=60))
    framing = draw(st.sampled_from(["none", "length", "chunked"]))
    if framing == "none":
        wire = b""
    elif framing == "length":
        headers.append(("Content-Length", str(len(body))))
        wire = body
    else:
        headers.append(("Transfer-Encoding", draw(st.sampled_from(["chunked", "Chunked"]))))
        size = draw(st.integers(1, 20))
        parts = [body[at : at + size] for at in range(0, len(body), size)]
        extension = draw(st.sampled_from(["", ";a=b"]))
        wire = b"".join(f"{len(part):x}{extension}\r\n".encode() + part + b"\r\n" for part in parts)
        wire += b"0\r\n" + draw(st.sampled_from([b"", b"X-Trailer: 1\r\n"])) + b"\r\n"
    order = draw(st.permutations(headers))
    blanks = st.sampled_from(["", " ", " \t"])

    def trailing(name: str) -> st.SearchStrategy[str]:
        # llhttp does not trim the coding, and what it refuses need not be taken.
        return st.just("") if name == "Transfer-Encoding" else blanks

    lines = "".join(f"{name}:{draw(blanks)}{value}{draw(trailing(name))}\r\n" for name, value in order)
    return f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode("latin-1") + wire


# fmt: off
SPICE = st.sampled_from([
    b"\n", b"\r", b"\r\n", b" ", b"\t", b":", b"\0", b"\x0b", b"\x7f", b"\xff", b",", b"#", b";", b"0", b"1", b"-",
    b"+", b"chunked", b"HTTP/1.0", b"HTTP/2.0", b"Host: b\r\n", b"Content-Length: 3\r\n", b" x: y\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip, chunked\r\n", b"Content-Length: 3, 3\r\n",
    b"Connection: close\r\n",
])
# fmt: on


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    data = draw(st.lists(requests(), min_size=1, max_size=3).map(b"".join))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(data)))
        match draw(st.sampled_from(["insert", "delete", "replace", "line"])):
            case "insert":
                data = data[:at] + draw(SPICE) + data[at:]
            case "delete":
                data = data[:at] + data[at + draw(st.integers(1, 4)) :]
            case "replace":
                data = data[:at] + draw(SPICE) + data[at + 1 :]
            case _:
                line = data.find(b"\r\n", at) + 2
                data = data[:line] + draw(SPICE) + data[line:]
    return data


@given(data=mutated())
def test_what_h11_refuses_is_refused_and_what_both_take_is_the_same(data: bytes) -> None:
    h11_says, we_say = theirs(data), ours([data])
    if h11_says.status is not None:
        assert refused_too(h11_says, we_say)
    shared = min(len(h11_says.requests), len(we_say.requests))
    assert we_say.requests[:shared] == h11_says.requests[:shared]
    assert len(we_say.requests) <= len(h11_says.requests)


@given(data=st.lists(requests(), min_size=1, max_size=4).map(b"".join))
def test_valid_requests_are_all_read_as_h11_reads_them(data: bytes) -> None:
    assert ours([data]) == theirs(data)


@given(data=mutated(), sizes=st.lists(st.integers(1, 40), max_size=20))
def test_the_pieces_in_which_bytes_come_make_no_difference(data: bytes, sizes: list[int]) -> None:
    whole = ours([data])
    assert ours([data[at : at + 1] for at in range(len(data))]) == whole
    pieces, rest = [], data
    for size in sizes:
        pieces.append(rest[:size])
        rest = rest[size:]
    assert ours([*pieces, rest]) == whole


def head_of(text: bytes) -> RequestHead:
    parser = RequestParser("10.0.0.1:5")
    parser.feed(text)
    head = parser.head()
    assert head is not None
    return head


def refusal(data: bytes, limit: int = LIMIT) -> BadRequest:
    parser = RequestParser()
    with pytest.raises(BadRequest) as caught:  # noqa: PT012 - any of the three steps may refuse
        parser.feed(data)
        if parser.head() is not None:
            parser.body(limit)
    return caught.value


GET = b"GET / HTTP/1.1\r\nHost: a\r\n"


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 4\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -3\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n", 400),
        (b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"GET / HTTP/1.1\nHost: a\n\n", 400),
        (GET + b"X: a\nY: b\r\n\r\n", 400),
        (GET + b"X: a\rY: b\r\n\r\n", 400),
        (GET + b"X: a\r\n folded\r\n\r\n", 400),
        (GET + b"X : a\r\n\r\n", 400),
        (GET + b": a\r\n\r\n", 400),
        (GET + b"X\r\n\r\n", 400),
        (GET + b"X: a\0b\r\n\r\n", 400),
        (GET + b"X\xff: a\r\n\r\n", 400),
        (GET + b"Host: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", 400),
        (b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400),
        (b"GET /\r\n\r\n", 400),
        (b"GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /#x HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET http://u@a/x HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 501),
        (b"NONSENSE / HTTP/1.1\r\nHost: a\r\n\r\n", 501),
        (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        (b"GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (b"GET / HTTX/1.1\r\nHost: a\r\n\r\n", 400),
        (b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    ],
)
def test_a_head_that_could_be_read_in_two_ways_is_refused(data: bytes, status: int) -> None:
    assert refusal(data).status == status


CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "body",
    [
        b"3\nabc\r\n0\r\n\r\n",
        b"3\r\nabcd\r\n0\r\n\r\n",
        b"3\r\nabc\n0\r\n\r\n",
        b"-1\r\n",
        b"0x3\r\nabc\r\n",
        b" 3\r\nabc\r\n",
        b"\r\n",
        b"3 \r\nabc\r\n",
        b"3\r\r\nabc\r\n",
        b"11111111111111111\r\n",
        b"3;a\x00=b\r\nabc\r\n",
        b"0\r\nbad trailer\r\n\r\n",
        b"0\r\nX: a\n\r\n",
        b"1;" + b"x" * 9000,
        b"1\r\na\r\n" * 5 + b"".join(b"1;" + b"y" * 8000 + b"\r\na\r\n" for _ in range(10)),
    ],
)
def test_broken_chunks_are_refused(body: bytes) -> None:
    assert refusal(CHUNKED + body).status == 400


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET /" + b"a" * 16 * 1024 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
        (b"GET /" + b"a" * 20 * 1024, 414),
        (GET + b"X: " + b"a" * 64 * 1024 + b"\r\n\r\n", 431),
        (GET + b"X: " + b"a" * 70 * 1024, 431),
        (GET + b"X: a\r\n" * 200 + b"\r\n", 431),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n", 413),
        (CHUNKED + b"3e9\r\n", 413),
        (CHUNKED + b"3e8\r\n" + b"a" * 1000 + b"\r\n1\r\n", 413),
    ],
)
def test_what_is_too_large_has_a_status_of_its_own(data: bytes, status: int) -> None:
    assert refusal(data).status == status


def test_limits_are_inclusive() -> None:
    long = b"GET /" + b"a" * (16 * 1024 - 1) + b" HTTP/1.1\r\nHost: a\r\n\r\n"
    assert len(head_of(long).target) == 16 * 1024
    assert len(head_of(GET + b"X: a\r\n" * 199 + b"\r\n").headers) == 200
    start = GET + b"X: "
    full = start + b"a" * (64 * 1024 - len(start) - 4) + b"\r\n\r\n"
    assert len(full) == 64 * 1024
    assert head_of(full).method == "GET"


def test_the_parts_of_a_head() -> None:
    head = head_of(
        b"GET /a%20b/?x=1?&y HTTP/1.1\r\nHOST: a:8080\r\nCookie: a=1\r\nAccept: x\r\ncookie: b=2\r\nX-Odd: \xe4\t \r\n"
        b"accept:y\r\n\r\n"
    )
    assert (head.method, head.target, head.path, head.query) == ("GET", "/a%20b/?x=1?&y", "/a%20b/", "x=1?&y")
    assert head.headers[:3] == [("host", "a:8080"), ("cookie", "a=1"), ("accept", "x")]
    assert head.header("cookie") == "a=1; b=2"
    assert head.header("accept") == "x, y"
    assert head.header("x-odd") == "ä"
    assert head.header("missing") is None
    assert (head.host, head.peer, head.version, head.length) == ("a:8080", "10.0.0.1:5", "1.1", 0)


def test_an_absolute_target_outranks_the_host_header() -> None:
    head = head_of(b"GET http://other:1/p/q?r HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (head.host, head.path, head.query) == ("other:1", "/p/q", "r")
    assert head_of(b"GET HTTP://other HTTP/1.1\r\nHost: a\r\n\r\n").path == "/"
    assert head_of(b"GET http://other?q HTTP/1.1\r\nHost: a\r\n\r\n").path == "/"
    assert head_of(b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").path == "*"


@pytest.mark.parametrize(
    ("version", "connection", "expected"),
    [
        (b"1.1", b"", True),
        (b"1.1", b"Connection: close\r\n", False),
        (b"1.1", b"Connection: x, CLOSE\r\n", False),
        (b"1.1", b"Connection: x\r\nConnection: close\r\n", False),
        (b"1.0", b"", False),
        (b"1.0", b"Connection: Keep-Alive\r\n", True),
        (b"1.0", b"Connection: keep-alive, close\r\n", False),
    ],
)
def test_who_keeps_the_connection(version: bytes, connection: bytes, expected: bool) -> None:
    head = head_of(b"GET / HTTP/" + version + b"\r\nHost: a\r\n" + connection + b"\r\n")
    assert head.keep_alive is expected


@example(early=b"\x81\x80")
@given(early=st.binary(max_size=30))
def test_bytes_behind_an_upgrade_are_left_over(early: bytes) -> None:
    parser = RequestParser()
    parser.feed(GET + b"Connection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n" + early)
    head = parser.head()
    assert head is not None
    assert head.upgrade_websocket
    assert parser.leftover() == early


def test_a_request_follows_a_body_and_an_upgrade_of_another_kind() -> None:
    data = (
        b"POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\nhi"
        + CHUNKED
        + b"2\r\nho\r\n0\r\n\r\n"
        + GET
        + b"\r\n"
    )
    assert [request.body for request in ours([data]).requests] == [b"hi", b"ho", b""]


def test_a_head_that_is_sent_again_is_the_same_request_and_another_one_is_not() -> None:
    other = GET + b"X: y\r\n\r\n"
    post = b"POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"
    data = (GET + b"\r\n") * 2 + other * 2 + GET + b"\r\n" + post * 2 + GET + b"\r\n"
    assert ours([data]) == theirs(data)
    assert [(request.method, len(request.headers), request.body) for request in ours([data]).requests] == [
        *[("GET", 1, b"")] * 2,
        *[("GET", 2, b"")] * 2,
        ("GET", 1, b""),
        *[("POST", 2, b"hi")] * 2,
        ("GET", 1, b""),
    ]


@pytest.mark.parametrize("connection", ["", "Connection: keep-alive\r\n"])
def test_what_a_client_asks_of_a_proxy_does_not_end_its_connection_to_us(connection: str) -> None:
    parser = RequestParser()
    parser.feed(f"GET /a HTTP/1.1\r\nHost: h\r\n{connection}Proxy-Connection: close\r\n\r\n".encode())
    first = parser.head()
    assert first is not None
    assert first.keep_alive
    parser.feed(b"GET /b HTTP/1.1\r\nHost: h\r\n\r\n")
    second = parser.head()
    assert second is not None
    assert second.path == "/b"
