"""Content that is served without asking its process: validators, conditions and ranges (PROTOCOL 6.6, RFC 9110).

All that a whole answer needs is made once, when the content is bound.
"""

from __future__ import annotations

import hashlib
import re

import attrs

from kernel.message import Payload
from sys_processes.http_server.http1 import RequestHead
from sys_processes.http_server.replies import HttpReply, reply_lines, text_reply

_ETAG = re.compile(r'(?:W/)?("[!#-~\x80-\xff]*")')
_RANGE = re.compile(r"bytes=[ \t]*([0-9]*)-([0-9]*)[ \t]*", re.IGNORECASE)
_TAG_BYTES = 16
_DIGITS = 18
"""No body has a size of more digits."""


@attrs.frozen(eq=False)
class StaticContent:
    """Make it with `of`."""

    etag: str
    """With its quotes; the same for the same bytes, whatever their mime."""
    whole: HttpReply
    unchanged: HttpReply

    @classmethod
    def of(cls, payload: Payload) -> StaticContent:
        """Without a mime it is `text/plain`."""
        etag = f'"{hashlib.sha256(payload.bytes).hexdigest()[: 2 * _TAG_BYTES]}"'
        # `no-cache` keeps a copy and asks each time whether it is still right: a bind may replace it at any moment.
        validators = [("etag", etag), ("cache-control", "no-cache")]
        headers = [
            ("content-type", payload.mime or "text/plain"), ("accept-ranges", "bytes"), *validators
        ]  # fmt: skip
        return cls(etag, _ready(200, headers, payload.bytes), _ready(304, validators))

    @property
    def body(self) -> bytes:
        return self.whole.body

    def reply(self, head: RequestHead) -> HttpReply:
        """To a GET or a HEAD. A range is for GET only, and what it cannot mean is answered with the whole."""
        fields = head.fields
        known = fields.get("if-none-match")
        if known is not None and self._is_listed(known):
            return self.unchanged
        wanted = fields.get("range")
        if wanted is None or head.method != "GET" or not self._may_continue(fields.get("if-range")):
            return self.whole
        span = byte_range(wanted, len(self.body))
        if span is None:
            return self.whole
        if not span:
            size = ("content-range", f"bytes */{len(self.body)}")
            return text_reply(416, f"the content has {len(self.body)} bytes", [size])
        of_whole = f"bytes {span.start}-{span.stop - 1}/{len(self.body)}"
        headers = [*self.whole.headers, ("content-range", of_whole)]
        return HttpReply(206, headers, self.body[span.start : span.stop])

    def _is_listed(self, known: str) -> bool:
        """If-None-Match compares weakly (RFC 9110 section 13.1.2)."""
        return known.strip() == "*" or self.etag in _ETAG.findall(known)

    def _may_continue(self, copy: str | None) -> bool:
        """If-Range compares strongly, and a date is never ours."""
        return copy is None or copy.strip() == self.etag


def _ready(status: int, headers: list[tuple[str, str]], body: bytes = b"") -> HttpReply:
    reply = HttpReply(status, headers, body)
    reply.lines = reply_lines(reply)
    return reply


def byte_range(text: str, size: int) -> range | None:
    """The bytes a Range header asks for, of so many: empty when there are none of them.

    None for what is to be ignored: several ranges, another unit, nonsense.
    """
    found = _RANGE.fullmatch(text)
    if found is None:
        return None
    first, last = (_position(digits) for digits in found.groups())
    if first is None:
        if last is None or (last > 0 and size == 0):
            return None
        return range(max(0, size - last), size)
    if last is None:
        return range(first, size)
    return range(first, min(last + 1, size)) if first <= last else None


def _position(digits: str) -> int | None:
    if not digits:
        return None
    return int(digits) if len(digits.lstrip("0")) <= _DIGITS else 10**_DIGITS
