"""HTTP replies as bytes (PROTOCOL 6.11)."""

from __future__ import annotations

import functools
import http
import re
from collections.abc import Iterable, Mapping

import attrs

from kernel.jsontext import NotJson, parse

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t -~]*")
_OURS = frozenset(("content-length", "transfer-encoding", "connection"))
_REASONS = {int(status): status.phrase for status in http.HTTPStatus}
_CACHED_VALUE = 128


@attrs.define(eq=False)
class HttpReply:
    """What answers a request. Framing headers (`content-length`, `transfer-encoding`, `connection`) are the server's.

    A status without a final meaning (below 200 or above 999) is sent as 500. A reply may be sent many times.
    """

    status: int
    headers: list[tuple[str, str]] = attrs.Factory(list)
    body: bytes = b""
    lines: bytes | None = attrs.field(default=None, repr=False)
    """What `reply_lines` made of status and headers, when that is known already."""


def text_reply(status: int, text: str, headers: Iterable[tuple[str, str]] = ()) -> HttpReply:
    """One line of text."""
    return HttpReply(status, [("content-type", "text/plain; charset=utf-8"), *headers], f"{text}\n".encode())


def app_headers(given: Mapping[str, str]) -> list[tuple[str, str]]:
    """The headers a process gave, as they may be sent.

    Names in lower case, a later one in another case replaces the earlier; what is no header text, holds CR or LF, or is
    framing is left out. `set-cookie` holds one cookie, several on lines of their own, or a JSON array of them.
    """
    kept: dict[str, str] = {}
    cookies: list[str] = []
    for raw_name, value in given.items():
        name = raw_name.lower()
        if name == "set-cookie":
            cookies += [cookie for cookie in _cookies(value) if _VALUE.fullmatch(cookie)]
        elif name not in _OURS and _NAME.fullmatch(name) and _VALUE.fullmatch(value):
            kept[name] = value
    return [*kept.items(), *(("set-cookie", cookie) for cookie in cookies)]


def _cookies(value: str) -> list[str]:
    if value.lstrip().startswith("["):
        try:
            several = parse(value)
        except NotJson:
            several = None
        if isinstance(several, list):
            return [cookie for cookie in several if isinstance(cookie, str) and cookie]
    return [cookie.strip() for cookie in value.splitlines() if cookie.strip()]


@functools.cache
def _status_line(status: int) -> bytes:
    if not 200 <= status <= 999:
        status = 500
    return f"HTTP/1.1 {status} {_REASONS.get(status, '')}\r\n".encode("ascii")


@functools.lru_cache(maxsize=512)
def _short_line(name: str, value: str) -> bytes:
    return _line(name, value)


def _line(name: str, value: str) -> bytes:
    """Empty for what may not be sent."""
    if name.lower() in _OURS or _NAME.fullmatch(name) is None or _VALUE.fullmatch(value) is None:
        return b""
    return f"{name}: {value}\r\n".encode("ascii")


def reply_lines(reply: HttpReply) -> bytes:
    """Status line and headers as they are sent, without those of the framing."""
    parts = [_status_line(reply.status)]
    for name, value in reply.headers:
        # Cookies are secrets and differ each time: not kept.
        cached = len(value) <= _CACHED_VALUE and len(name) <= _CACHED_VALUE and name != "set-cookie"
        parts.append(_short_line(name, value) if cached else _line(name, value))
    return b"".join(parts)


def encode_reply(
    reply: HttpReply, *, method: str = "GET", keep_alive: bool = True, version: str = "1.1"
) -> bytes:
    """The reply to a request of that method and version: the head, and the body where there is one."""
    head, body = reply_parts(reply, method, keep_alive=keep_alive, version=version)
    return head + body


def reply_parts(reply: HttpReply, method: str, *, keep_alive: bool, version: str) -> tuple[bytes, bytes]:
    """The head and the body of `encode_reply`: to put together a large one takes long."""
    status = reply.status if 200 <= reply.status <= 999 else 500
    lines = reply_lines(reply) if reply.lines is None else reply.lines
    body = reply.body
    framing = b""
    if status == 204:
        body = b""
    else:
        if status != 304 or body:
            framing = b"content-length: %d\r\n" % len(body)
        if status == 304 or method == "HEAD":
            body = b""
    if not keep_alive:
        framing += b"connection: close\r\n"
    elif version == "1.0":
        framing += b"connection: keep-alive\r\n"
    return b"%b%b\r\n" % (lines, framing), body
