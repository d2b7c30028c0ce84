"""The WebSocket frames that carry a link: binary ones, whose bytes are one stream (RFC 6455 section 5). No IO.

Where frames begin and end means nothing, so they are not put together: a proxy may cut them as it likes.
"""

from __future__ import annotations

import os

from sys_processes.http_server.masking import unmask

FRAME_LIMIT = 256 * 1024
"""Bytes of one frame."""

_FIN, _MASKED = 0x80, 0x80
_CONTINUATION, _BINARY, _CLOSE, _PING, _PONG = 0x0, 0x2, 0x8, 0x9, 0xA
_CONTROL_BYTES = 125
_SHORT, _LONG = 126, 127


class BadFrames(ValueError):
    """Bytes that are no frames of a link. The connection cannot go on."""


class FrameReader:
    """Takes bytes in any pieces. `masked` says what the other side must do: a client masks, a server does not.

    Once `ended`, nothing more comes.
    """

    __slots__ = ("_control", "_head", "_in_message", "_key", "_left", "_masked", "_opcode", "ended", "ping")

    def __init__(self, *, masked: bool) -> None:
        self.ended = False
        self.ping: bytes | None = None
        """The payload of the latest ping, until it is answered."""
        self._masked = masked
        self._head = b""
        self._opcode = _BINARY
        self._in_message = False
        self._left = 0
        """Bytes of the current frame that are to come."""
        self._key = b""
        self._control = b""

    def feed(self, data: bytes | bytearray) -> bytes:
        """What these bytes add to the stream. Raises `BadFrames`."""
        parts = self.parts(data)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def parts(self, data: bytes | bytearray) -> list[bytes]:
        """The same, frame by frame."""
        parts: list[bytes] = []
        at = 0
        with memoryview(data) as view:
            while at < len(data) and not self.ended:
                if not self._left:
                    at = self._begin(data, at)
                    continue
                with view[at : at + self._left] as piece:
                    at += len(piece)
                    self._take(piece, parts)
        return parts

    def _begin(self, data: bytes | bytearray, at: int) -> int:
        """Read a head, as far as it is there; where its frame's payload begins."""
        had = len(self._head)
        head = self._head + data[at : at + 14 - had]
        size = _head_size(head)
        if len(head) < size:
            self._head = head
            return len(data)
        self._head = b""
        self._open(head[:size])
        if not self._left:
            self._close_frame()
        return at + size - had

    def _open(self, head: bytes) -> None:
        first, second = head[0], head[1]
        opcode = first & 0x0F
        if first & 0x70 or opcode not in {_CONTINUATION, _BINARY, _CLOSE, _PING, _PONG}:
            raise BadFrames(f"a frame that begins with 0x{first:02x}; a link has binary ones")
        if bool(second & _MASKED) is not self._masked:
            raise BadFrames(f"a frame that is {'not ' if self._masked else ''}masked")
        length = second & 0x7F
        key_at = 2 if length < _SHORT else 4 if length == _SHORT else 10
        if length >= _SHORT:
            length = int.from_bytes(head[2:key_at], "big")
        if opcode >= _CLOSE:
            if length > _CONTROL_BYTES or not first & _FIN:
                raise BadFrames(
                    f"a control frame of {length} bytes, {_CONTROL_BYTES} at most and in one piece"
                )
        elif (opcode == _CONTINUATION) is not self._in_message:
            raise BadFrames("a message begins inside another one, or goes on where none is")
        elif length > FRAME_LIMIT:
            raise BadFrames(f"a frame of {length} bytes, {FRAME_LIMIT} at most")
        else:
            self._in_message = not first & _FIN
        self._opcode = opcode
        self._left = length
        self._key = head[key_at:]
        self._control = b""

    def _take(self, piece: memoryview, parts: list[bytes]) -> None:
        self._left -= len(piece)
        if self._key:
            plain = unmask(piece, self._key)
            turn = len(piece) & 3
            self._key = self._key[turn:] + self._key[:turn]
        else:
            plain = bytes(piece)
        if self._opcode < _CLOSE:
            parts.append(plain)
            return
        self._control += plain
        if not self._left:
            self._close_frame()

    def _close_frame(self) -> None:
        """A frame is complete: control frames count now."""
        if self._opcode == _CLOSE:
            self.ended = True
        elif self._opcode == _PING:
            self.ping = self._control


def _head_size(head: bytes) -> int:
    if len(head) < 2:
        return 2
    length = head[1] & 0x7F
    return 2 + (0 if length < _SHORT else 2 if length == _SHORT else 8) + (4 if head[1] & _MASKED else 0)


class FrameWriter:
    """The other direction. `masked` says what our side must do."""

    __slots__ = ("_masked",)

    def __init__(self, *, masked: bool) -> None:
        self._masked = masked

    def data(self, payload: bytes | bytearray | memoryview) -> bytes:
        return self._frame(_BINARY, payload)

    def pong(self, payload: bytes) -> bytes:
        return self._frame(_PONG, payload)

    def close(self) -> bytes:
        """With code 1000."""
        return self._frame(_CLOSE, b"\x03\xe8")

    def _frame(self, opcode: int, payload: bytes | bytearray | memoryview) -> bytes:
        size = len(payload)
        mask = _MASKED if self._masked else 0
        if size < _SHORT:
            head = bytes((_FIN | opcode, mask | size))
        elif size < 2**16:
            head = bytes((_FIN | opcode, mask | _SHORT)) + size.to_bytes(2, "big")
        else:
            head = bytes((_FIN | opcode, mask | _LONG)) + size.to_bytes(8, "big")
        if not self._masked:
            return head + payload
        key = os.urandom(4)
        return head + key + unmask(payload, key)
