"""The chunked transfer coding of request bodies, without IO."""

from __future__ import annotations

import io
import re

# `1;name=value` with an extension that is ignored; trailers are checked and ignored.
_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})(?:[\t ]*;[\t -~\x80-\xff]*)?")
_TRAILER = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t -~\x80-\xff]*")
_LINE_BYTES = 8 * 1024
_OVERHEAD_BYTES = 64 * 1024
_OVERHEAD_PER_BYTE = 8


class BadChunk(Exception):
    def __init__(self, status: int, problem: str) -> None:
        super().__init__(problem)
        self.status = status
        self.problem = problem


class ChunkedBody:
    """One body. `body` grows while chunks arrive."""

    def __init__(self) -> None:
        self.body = io.BytesIO()
        self._line = bytearray()
        self._left = 0
        """Bytes of the current chunk still to come."""
        self._ends_chunk = False
        """Whether the next line must be the empty one behind a chunk."""
        self._in_trailers = False
        self._overhead = 0

    def feed(self, data: bytes, limit: int) -> int | None:
        """How many bytes of `data` belong to the body if it ends here, else None: all of them.

        Raises `BadChunk`: 413 beyond `limit`, 400 for what is no chunk, or for much framing around few bytes.
        """
        at = 0
        while True:
            if self._left:
                part = data[at : at + self._left]
                self.body.write(part)
                self._left -= len(part)
                at += len(part)
                if self._left:
                    return None
                self._ends_chunk = True
            end = data.find(b"\n", at)
            if end < 0:
                self._line += data[at:]
                self._check_line()
                return None
            self._line += data[at : end + 1]
            self._check_line()
            self._overhead += len(self._line)
            at = end + 1
            if self._take_line(limit):
                return at

    def _check_line(self) -> None:
        size = len(self._line)
        if size > _LINE_BYTES:
            raise BadChunk(400, f"a chunk line is longer than {_LINE_BYTES} bytes")
        if self._overhead + size > _OVERHEAD_BYTES + _OVERHEAD_PER_BYTE * self.body.tell():
            raise BadChunk(400, "more chunk framing than body")
        if self._ends_chunk and not b"\r\n".startswith(self._line):
            raise BadChunk(400, "a chunk is longer than it says")

    def _take_line(self, limit: int) -> bool:
        """Whether the body ends with this line."""
        if not self._line.endswith(b"\r\n"):
            raise BadChunk(400, "a chunk line ends without a carriage return")
        line = bytes(self._line[:-2])
        self._line.clear()
        if self._ends_chunk:
            self._ends_chunk = False
            return False
        if self._in_trailers:
            if line and _TRAILER.fullmatch(line) is None:
                raise BadChunk(400, f"bad trailer line {line[:80]!r}")
            return not line
        size_line = _SIZE_LINE.fullmatch(line)
        if size_line is None:
            raise BadChunk(400, f"bad chunk size {line[:80]!r}")
        self._left = int(size_line[1], 16)
        if self.body.tell() + self._left > limit:
            raise BadChunk(413, f"a body beyond {limit} bytes")
        self._in_trailers = self._left == 0
        return False
