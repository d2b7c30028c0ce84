"""Content served without its process: validators, conditions, and ranges held against a slow reading of RFC 9110."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.message import Payload
from sys_processes.http_server.replies import HttpReply, encode_reply
from sys_processes.http_server.static import StaticContent, byte_range
from tests.sys_processes.http_server.heads import head

BODY = bytes(range(10))
CONTENT = StaticContent.of(Payload("text/css", BODY))
ETAG = CONTENT.etag


def field(reply: HttpReply, name: str) -> str | None:
    return dict(reply.headers).get(name)


def test_the_whole_content_has_its_mime_as_given_and_a_strong_validator() -> None:
    """C-089."""
    for mime, told in (
        ("text/html", "text/html"),
        ("text/css; charset=latin-1", "text/css; charset=latin-1"),
    ):
        reply = StaticContent.of(Payload(mime, BODY)).reply(head())
        assert (reply.status, reply.body, field(reply, "content-type")) == (200, BODY, told)
        assert field(reply, "etag") == ETAG
        assert not ETAG.startswith("W/")
        assert field(reply, "accept-ranges") == "bytes"
    assert field(StaticContent.of(Payload(None, b"")).reply(head()), "content-type") == "text/plain"


def test_other_bytes_have_another_validator() -> None:
    assert StaticContent.of(Payload("text/css", BODY + b"x")).etag != ETAG


def test_a_call_makes_nothing_anew() -> None:
    replies = [CONTENT.reply(head(method)) for method in ("GET", "HEAD", "GET")]
    assert all(reply is replies[0] and reply.lines is not None for reply in replies)


def test_a_mime_that_is_no_header_text_is_left_out() -> None:
    reply = StaticContent.of(Payload("text/html\r\nset-cookie: a=b", BODY)).reply(head())
    assert b"set-cookie" not in encode_reply(reply)


@pytest.mark.parametrize(
    "known", ["{}", "W/{}", '"other", {}', '"other",W/{}', "*", " * ", '"a,b", {} , "c"']
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_who_has_the_content_already_is_told_so_without_it(known: str, method: str) -> None:
    reply = CONTENT.reply(head(method, if_none_match=known.format(ETAG)))
    assert (reply.status, reply.body, field(reply, "etag")) == (304, b"", ETAG)
    assert b"content-length" not in encode_reply(reply, method=method)


@pytest.mark.parametrize("known", ['"other"', "", ETAG.strip('"'), f'"x{ETAG.strip(chr(34))}"', '"*"'])
def test_who_has_something_else_gets_the_whole(known: str) -> None:
    assert CONTENT.reply(head(if_none_match=known)) is CONTENT.whole


def test_a_condition_comes_before_a_range() -> None:
    assert CONTENT.reply(head(if_none_match=ETAG, range="bytes=0-1")).status == 304


@pytest.mark.parametrize(
    ("wanted", "body", "told"),
    [
        ("bytes=0-0", b"\0", "bytes 0-0/10"),
        ("bytes=2-4", b"\2\3\4", "bytes 2-4/10"),
        ("bytes=8-", b"\x08\x09", "bytes 8-9/10"),
        ("bytes=-3", b"\7\x08\x09", "bytes 7-9/10"),
        ("bytes=-99", BODY, "bytes 0-9/10"),
        ("Bytes= 9-99999999999999999999 ", b"\x09", "bytes 9-9/10"),
        ("bytes=0000000000000000000000000-0", b"\0", "bytes 0-0/10"),
    ],
)
def test_a_range_gives_a_part(wanted: str, body: bytes, told: str) -> None:
    reply = CONTENT.reply(head(range=wanted))
    assert (reply.status, reply.body, field(reply, "content-range")) == (206, body, told)
    assert (field(reply, "etag"), field(reply, "content-type")) == (ETAG, "text/css")
    assert b"content-length: %d\r\n" % len(body) in encode_reply(reply)


@pytest.mark.parametrize("wanted", ["bytes=10-", "bytes=10-20", "bytes=-0", f"bytes={'9' * 5000}-"])
def test_a_range_beyond_the_content_gives_416_and_its_size(wanted: str) -> None:
    reply = CONTENT.reply(head(range=wanted))
    assert (reply.status, field(reply, "content-range")) == (416, "bytes */10")


@pytest.mark.parametrize(
    "wanted",
    [
        "", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=4-2", "bytes=0-1,3-4", "bytes=0-1, 3-4", "lines=0-1",
        "bytes=1", "bytes=--1", "bytes=+1-2", "bytes=0x1-2", "bytes=1-2-3", "bytes=\xb2-\xb3", "bytes =0-1",
    ],
)  # fmt: skip
def test_several_ranges_and_nonsense_give_the_whole(wanted: str) -> None:
    assert CONTENT.reply(head(range=wanted)) is CONTENT.whole


def test_a_range_is_for_get_only() -> None:
    assert CONTENT.reply(head("HEAD", range="bytes=0-1")) is CONTENT.whole


def test_nothing_has_no_parts() -> None:
    empty = StaticContent.of(Payload(None, b""))
    assert empty.reply(head(range="bytes=-5")) is empty.whole
    assert empty.reply(head(range="bytes=0-")).status == 416


@pytest.mark.parametrize(
    ("copy", "status"),
    [(ETAG, 206), (f"W/{ETAG}", 200), ('"other"', 200), ("Tue, 15 Nov 1994 12:45:26 GMT", 200), ("", 200)],
)
def test_a_part_is_given_only_of_the_copy_that_is_meant(copy: str, status: int) -> None:
    assert CONTENT.reply(head(range="bytes=0-1", if_range=copy)).status == status


def slow_range(first: int | None, last: int | None, size: int) -> list[int] | None:
    """The positions asked for, found by looking at each."""
    if first is None:
        assert last is not None
        return [at for at in range(size) if size - at <= last]
    if last is not None and last < first:
        return None
    return [at for at in range(size) if at >= first and (last is None or at <= last)]


@given(st.integers(0, 12) | st.none(), st.integers(0, 12) | st.none(), st.integers(0, 10))
def test_a_range_is_the_positions_that_are_asked_for(first: int | None, last: int | None, size: int) -> None:
    text = f"bytes={'' if first is None else first}-{'' if last is None else last}"
    found = byte_range(text, size)
    if (first is None and last is None) or (first is None and size == 0 and last != 0):
        assert found is None
        return
    expected = slow_range(first, last, size)
    assert (None if found is None else list(found)) == expected


@given(st.text("bytes=0123456789-, \t", max_size=20))
def test_any_range_gives_the_whole_a_part_or_416(text: str) -> None:
    reply = CONTENT.reply(head(range=text))
    assert reply.status in {200, 206, 416}
    assert reply.body in BODY or reply.status == 416
