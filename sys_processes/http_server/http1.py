"""HTTP/1.1 requests without IO: bytes in, heads and bodies out.

llhttp reads the head. Around it stands a grammar that is narrower than the parser: what a proxy in front of us could
read in another way (bare line feeds, folded lines, two lengths, a length beside a transfer coding) is refused, never
repaired.
"""

from __future__ import annotations

import io
import re

import attrs
import httptools

from sys_processes.http_server.chunked import BadChunk, ChunkedBody

HEAD_BYTES = 64 * 1024
TARGET_BYTES = 16 * 1024
HEADER_COUNT = 200
LENGTH_DIGITS = 18
REMEMBERED_BYTES = 2 * 1024

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]"
# Possessive throughout: a head is scanned once, whatever it contains.
_HEAD = re.compile(rb"%b++ [!-~]++ HTTP/1\.[01]\r\n(?:%b++:[\t -~\x80-\xff]*+\r\n)*+\r\n" % (_TOKEN, _TOKEN))
_REQUEST_LINE = re.compile(rb"%b++ ([!-~]++) HTTP/([0-9])\.([0-9])" % _TOKEN)
_BARE_LINE_FEED = re.compile(rb"(?<!\r)\n")
_TOKEN_START = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]")
_HOST = re.compile(r"[A-Za-z0-9._~%!$&'()*+,;=:\[\]-]*")
_ABSOLUTE = re.compile(r"https?://([^/?#@]+)((?:[/?][^#]*)?)", re.IGNORECASE)
_DIGITS = re.compile(r"[0-9]+")

# fmt: off
_USUAL = (
    "Host", "User-Agent", "Accept", "Accept-Encoding", "Accept-Language", "Cache-Control", "Connection",
    "Content-Length", "Content-Type", "Cookie", "Expect", "If-Modified-Since", "If-None-Match", "Origin",
    "Pragma", "Range", "Referer", "Sec-Fetch-Dest", "Sec-Fetch-Mode", "Sec-Fetch-Site", "Sec-Fetch-User",
    "Sec-WebSocket-Extensions", "Sec-WebSocket-Key", "Sec-WebSocket-Protocol", "Sec-WebSocket-Version",
    "Transfer-Encoding", "Upgrade", "Upgrade-Insecure-Requests", "X-Forwarded-For", "X-Forwarded-Proto",
)
# fmt: on
_LOWER = {spelling.encode(): name.lower() for name in _USUAL for spelling in (name, name.lower())}
_METHODS = {name.encode(): name for name in ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")}


class BadRequest(Exception):
    """What the client sent is refused; the connection ends after the answer."""

    def __init__(self, status: int, problem: str, headers: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(f"{status}: {problem}")
        self.status = status
        self.problem = problem
        self.headers = headers


@attrs.define(eq=False)
class RequestHead:
    """A request without its body. Shared and never changed once parsed."""

    method: str
    target: str
    """As sent."""
    path: str
    """Percent-escapes kept, no query; `/` when an absolute target has none, `*` for `OPTIONS *`."""
    query: str | None
    version: str
    """`1.0` or `1.1`."""
    headers: list[tuple[str, str]]
    """Lower-case names in the order sent; values without the blanks around them, as latin-1 text."""
    fields: dict[str, str]
    """The same as a map: repeated headers joined with `, `, cookies with `; ` (PROTOCOL 6.1)."""
    keep_alive: bool
    length: int | None
    """Of the body: 0 when there is none, None when it is chunked."""
    authority: str | None
    """The host of an absolute target, which outranks the Host header."""
    peer: str | None
    memo: object = attrs.field(default=None, repr=False)
    """What the site remembers of it; the next request may be the same again."""

    def header(self, name: str) -> str | None:
        """`name` in lower case."""
        return self.fields.get(name)

    @property
    def host(self) -> str | None:
        return self.authority if self.authority is not None else self.fields.get("host")

    @property
    def upgrade_websocket(self) -> bool:
        """Whether a WebSocket is asked for, rightly or wrongly."""
        upgrade = self.fields.get("upgrade")
        return upgrade is not None and "websocket" in comma_members(upgrade)


def comma_members(value: str) -> list[str]:
    """The members of a comma list, lower case."""
    return [member.strip(" \t").lower() for member in value.split(",")]


class RequestParser:
    """The requests of one connection, one after the other: `feed`, then `head`, then `body` until it is not None.

    A parser that raised `BadRequest` is done.
    """

    def __init__(self, peer: str | None = None) -> None:
        self._peer = peer
        self._data: bytes | bytearray = b""
        self._at = 0
        self._searched = 0
        self._chunked: ChunkedBody | None = None
        self._gathered: io.BytesIO | None = None
        """What is there of a body of known length. It gives the whole away without a copy, which could take long."""
        self._head: RequestHead | None = None
        self._last_raw = b""
        """Of a request without body: whoever polls sends the same head again, and it need not be read twice."""
        self._headers: list[tuple[str, str]] = []
        self._url = b""
        self._llhttp = httptools.HttpRequestParser(self)

    # What llhttp calls.

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        lower = _LOWER.get(name)
        if lower is None:
            lower = name.decode("ascii").lower()
        self._headers.append((lower, value.decode("latin-1").strip(" \t")))

    # What the connection calls.

    def feed(self, data: bytes | bytearray) -> None:
        if self._at == len(self._data):
            self._data = bytes(data)
        else:
            rest = self._data if type(self._data) is bytearray else bytearray(self._data)
            del rest[: self._at]
            rest += data
            self._data = rest
            self._searched = max(0, self._searched - self._at)
        self._at = 0

    @property
    def partial(self) -> bool:
        """Whether bytes wait that are no whole head yet."""
        return self._at < len(self._data)

    @property
    def unread(self) -> int:
        return len(self._data) - self._at

    def leftover(self) -> bytes:
        """Take what came after the last head or body."""
        rest = bytes(self._data[self._at :])
        self._data, self._at = b"", 0
        return rest

    def head(self) -> RequestHead | None:
        """The next head, or None when more bytes are needed. Raises `BadRequest`."""
        if self._at == len(self._data):
            return None
        end = self._data.find(b"\r\n\r\n", max(self._at, self._searched))
        if end < 0:
            self._check_beginning()
            return None
        end += 4
        raw = bytes(self._data[self._at : end])
        self._at = end
        self._searched = 0
        if raw == self._last_raw:
            return self._head
        if len(raw) > HEAD_BYTES or _HEAD.fullmatch(raw) is None:
            raise _why_refused(raw)
        self._head = head = self._parse(raw)
        self._last_raw = raw if head.length == 0 and len(raw) <= REMEMBERED_BYTES else b""
        return head

    def body(self, limit: int) -> bytes | None:
        """The whole body of the last head, or None when more bytes are needed.

        Raises `BadRequest`: 413 as soon as it is known to exceed `limit` bytes, 400 for broken chunks.
        """
        assert self._head is not None
        length = self._head.length
        if length is None:
            return self._chunked_body(limit)
        if length > limit:
            raise BadRequest(413, f"a body of {length} bytes; at most {limit} are taken here")
        if self._gathered is None:
            if len(self._data) - self._at >= length:
                body = bytes(self._data[self._at : self._at + length])
                self._at += length
                return body
            self._gathered = io.BytesIO()
        part = self._data[self._at : self._at + length - self._gathered.tell()]
        self._at += len(part)
        self._gathered.write(part)
        if self._gathered.tell() < length:
            return None
        body = self._gathered.getvalue()
        self._gathered = None
        return body

    def drop_body(self) -> None:
        """Let go of what is there of a body. The parser and llhttp know each other, and would keep it for long."""
        self._gathered = self._chunked = None

    def _chunked_body(self, limit: int) -> bytes | None:
        if self._chunked is None:
            self._chunked = ChunkedBody()
        rest = self.leftover()
        try:
            used = self._chunked.feed(rest, limit)
        except BadChunk as bad:
            raise BadRequest(bad.status, bad.problem) from None
        if used is None:
            return None
        self._data, self._at = rest, used
        body = self._chunked.body.getvalue()
        self._chunked = None
        return body

    def _check_beginning(self) -> None:
        """Refuse at once what can no longer become a head."""
        size = len(self._data) - self._at
        if _TOKEN_START.match(self._data, self._at) is None:
            raise BadRequest(400, "a request begins with its method; is this HTTP?")
        if _BARE_LINE_FEED.search(self._data, max(self._at, self._searched)) is not None:
            raise BadRequest(400, "a line of the head ends without a carriage return")
        if size > TARGET_BYTES and self._data.find(b"\r\n", self._at, self._at + TARGET_BYTES + 64) < 0:
            raise BadRequest(414, f"the request line is longer than {TARGET_BYTES} bytes")
        if size > HEAD_BYTES:
            raise BadRequest(431, f"the head is larger than {HEAD_BYTES} bytes")
        self._searched = max(self._at, len(self._data) - 3)

    def _parse(self, raw: bytes) -> RequestHead:
        headers: list[tuple[str, str]] = []
        self._headers = headers
        self._url = b""
        llhttp = self._llhttp
        try:
            llhttp.feed_data(raw)
        except httptools.HttpParserUpgrade:
            self._llhttp = httptools.HttpRequestParser(self)
        except httptools.HttpParserInvalidMethodError:
            raise BadRequest(
                501, f"method {raw.split(b' ', 1)[0].decode('latin-1')!r} is not known"
            ) from None
        except httptools.HttpParserError as error:
            _check_coding(headers)
            raise BadRequest(400, f"bad head: {error}") from None
        if len(headers) > HEADER_COUNT:
            raise BadRequest(431, f"{len(headers)} headers; at most {HEADER_COUNT} are read")
        head = self._build(llhttp.get_method(), llhttp.get_http_version(), headers)
        # llhttp ends a connection for `Proxy-Connection: close` too, which is none of our connection.
        if head.length != 0 or not head.keep_alive or "proxy-connection" in head.fields:
            self._llhttp = httptools.HttpRequestParser(self)
        return head

    def _build(self, method_bytes: bytes, version: str, headers: list[tuple[str, str]]) -> RequestHead:
        method = _METHODS.get(method_bytes) or method_bytes.decode("ascii")
        fields = dict(headers)
        if len(fields) != len(headers):
            fields = _joined(headers)
        host = fields.get("host")
        if host is None:
            if version == "1.1":
                raise BadRequest(400, "no Host header; HTTP/1.1 asks for one")
        elif _HOST.fullmatch(host) is None:
            raise BadRequest(400, f"Host {host[:80]!r} is no host name")
        target = self._url.decode("ascii")
        if len(target) > TARGET_BYTES:
            raise BadRequest(414, f"a target of {len(target)} bytes; at most {TARGET_BYTES} are read")
        authority = None
        path = target
        if target[0] != "/" or "#" in target:
            authority, path = _other_target(method, target)
        path, mark, query = path.partition("?")
        length: int | None = 0
        if "content-length" in fields or "transfer-encoding" in fields:
            length = _length(version, fields)
        connection = fields.get("connection")
        if connection is None:
            keep_alive = version == "1.1"
        else:
            options = comma_members(connection)
            keep_alive = "close" not in options and (version == "1.1" or "keep-alive" in options)
        return RequestHead(
            method,
            target,
            path,
            query if mark else None,
            version,
            headers,
            fields,
            keep_alive,
            length,
            authority,
            self._peer,
        )


def _joined(headers: list[tuple[str, str]]) -> dict[str, str]:
    fields: dict[str, str] = {}
    for name, value in headers:
        before = fields.get(name)
        if before is None:
            fields[name] = value
        elif name in ("host", "content-length", "transfer-encoding"):
            raise BadRequest(400, f"more than one {name} header")
        else:
            fields[name] = f"{before}; {value}" if name == "cookie" else f"{before}, {value}"
    return fields


def _other_target(method: str, target: str) -> tuple[str | None, str]:
    """Authority and path with query of a target that is no plain path."""
    if target == "*" and method == "OPTIONS":
        return None, "*"
    if method == "CONNECT":
        raise BadRequest(501, "CONNECT asks for a proxy, and this is none")
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None or _HOST.fullmatch(absolute[1]) is None:
        raise BadRequest(400, f"target {target[:80]!r} is neither a path nor an http URL without fragment")
    rest = absolute[2]
    return absolute[1], rest if rest.startswith("/") else "/" + rest


def _length(version: str, fields: dict[str, str]) -> int | None:
    length = fields.get("content-length")
    coding = fields.get("transfer-encoding")
    if coding is not None:
        if length is not None:
            raise BadRequest(400, "Content-Length beside Transfer-Encoding")
        if version != "1.1":
            raise BadRequest(400, "Transfer-Encoding in HTTP/1.0")
        if coding.lower() != "chunked":
            raise BadRequest(501, f"transfer coding {coding[:80]!r}; only 'chunked' is understood")
        return None
    assert length is not None
    if _DIGITS.fullmatch(length) is None or len(length) > LENGTH_DIGITS:
        raise BadRequest(400, f"Content-Length {length[:80]!r} is no size")
    return int(length)


def _check_coding(headers: list[tuple[str, str]]) -> None:
    """llhttp refuses codings before we see the head; an unknown one has a status of its own."""
    names = [name for name, _ in headers]
    codings = [value for name, value in headers if name == "transfer-encoding"]
    if codings and "content-length" not in names:
        _length("1.1", {"transfer-encoding": ", ".join(codings)})


def _why_refused(raw: bytes) -> BadRequest:
    line = _REQUEST_LINE.match(raw)
    if line is None:
        end = raw.find(b"\r\n")
        if end > TARGET_BYTES:
            return BadRequest(414, f"the request line is longer than {TARGET_BYTES} bytes")
        return BadRequest(400, f"bad request line {raw[:end][:80]!r}")
    if len(line[1]) > TARGET_BYTES:
        return BadRequest(414, f"a target of {len(line[1])} bytes; at most {TARGET_BYTES} are read")
    if (line[2], line[3]) not in ((b"1", b"0"), (b"1", b"1")):
        return BadRequest(
            505, f"HTTP/{line[2].decode()}.{line[3].decode()}; HTTP/1.1 and 1.0 are spoken here"
        )
    if len(raw) > HEAD_BYTES:
        return BadRequest(431, f"a head of {len(raw)} bytes; at most {HEAD_BYTES} are read")
    return BadRequest(400, "a header line is not 'name: value' in visible characters")
