"""A fast lane for whole WebSocket messages, without IO.

Nearly every frame of a client is a whole masked text or binary message. Those are taken out of the stream here; all
others (fragments, control frames, whatever is wrong) go on to wsproto untouched and in order.
"""

from __future__ import annotations

from sys_processes.http_server.masking import unmask

_TEXT, _BINARY, _CLOSE = 0x81, 0x82, 0x88
_CONTROLS = (_CLOSE, 0x89, 0x8A)
_MASKED, _FIN = 0x80, 0x80
_VIEWED = 4096
"""From here on a view costs less than a copy."""


class FrameLane:
    """Splits the bytes behind an accepted upgrade. Knows where frames begin and whether a message is open."""

    def __init__(self, max_message: int) -> None:
        self._max_message = max_message
        self._held: bytearray | None = None
        self._wanted = 0
        """How long `_held` must be before it is worth a look."""
        self._passing = 0
        """Bytes of the current frame that go on to wsproto."""
        self._in_message = False
        self._shut = False
        self.too_big = False
        """Whether a frame was announced that is longer than a message may be: it need not come. Take nothing more."""

    def take(self, data: bytes) -> tuple[list[str | bytes], bytes]:
        """Messages, and the piece behind them that goes to wsproto.

        After a piece that is not empty there may be more: call again with `b""` before reading on.
        """
        held = self._held
        if held is not None:
            held += data
            if len(held) < self._wanted:
                return [], b""
            data = bytes(held)
            self._held = None
        messages: list[str | bytes] = []
        at = 0
        while at < len(data) and not self._passing and not self._shut:
            end = self._frame(data, at, messages)
            if end is None:
                self._held = bytearray(data[at:])
                return messages, b""
            at = end
        if self._shut and not self._passing:
            return messages, data[at:]
        end = at + self._passing
        piece = data[at:end]
        self._passing -= len(piece)
        if end < len(data):
            self._held = bytearray(data[end:])
            self._wanted = 0
        return messages, piece

    def _frame(self, data: bytes, at: int, messages: list[str | bytes]) -> int | None:
        """Where the next frame begins; None when more bytes are wanted. One that is not ours is left where it is."""
        left = len(data) - at
        if left < 2:
            self._wanted = 2
            return None
        first = data[at]
        length = data[at + 1] ^ _MASKED
        if length > 127 or not self._expected(first):
            self._shut = True
            return at
        header = 6
        if length > 125:
            header = 8 if length == 126 else 14
            if left < header:
                self._wanted = header
                return None
            shortest = 126 if length == 126 else 65536
            length = int.from_bytes(data[at + 2 : at + header - 4], "big")
            if length < shortest or length >> 63 or first in _CONTROLS:
                self._shut = True
                return at
        if (first != _TEXT and first != _BINARY) or length > self._max_message:
            return at if self._pass(first, header, length) else None
        end = at + header + length
        if end > len(data):
            self._wanted = header + length
            return None
        body = data[at + header : end] if length < _VIEWED else memoryview(data)[at + header : end]
        payload = unmask(body, data[at + header - 4 : at + header])
        if first == _BINARY:
            messages.append(payload)
            return end
        try:
            messages.append(payload.decode())
        except UnicodeDecodeError:
            self._shut = True
            return at
        return end

    def _expected(self, first: int) -> bool:
        """Whether such a frame may come now."""
        if first in _CONTROLS:
            return True
        opcode = first & ~_FIN
        return opcode == 0 if self._in_message else opcode in (1, 2)

    def _pass(self, first: int, header: int, length: int) -> bool:
        """A frame that is no whole message goes on to wsproto; False when it is too big for that."""
        if first == _CLOSE:
            self._shut = True
        elif first not in _CONTROLS:
            self._in_message = not first & _FIN
            self.too_big = length > self._max_message
        self._passing = 0 if self.too_big else header + length
        return not self.too_big
