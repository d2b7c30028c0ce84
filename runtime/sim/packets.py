"""What travels between simulated nodes: whole frames of `sys_processes.net.frames`, so that one can be lost, doubled or
held, and told by its name.
"""

from __future__ import annotations

import attrs

from kernel.message import KernelMessage
from sys_processes.net.envelopes import BadMessage, read_message
from sys_processes.net.frames import FRAME_LIMIT, HEADER, BadFrame, Data, FrameParser

PIECE = 65536
"""Bytes that are no frame travel in packets of at most so many."""
BYTES = "bytes"
END = "end"
RESET = "reset"
SIGNALS = frozenset({END, RESET})
GREETING = frozenset({"hello", "challenge", "proof", "welcome", "bye"})
_MARK = b"\xa1t"
_LEAST = HEADER + 4
"""From so many bytes on a frame can be told from other bytes: its length, a map, its first key, a short text."""


@attrs.define(eq=False)
class Packet:
    """`kind` is the tag of a frame (`data`, `ack`, ...), `bytes` for what is no frame, `end` for a close, `reset` for
    the news that nobody is there any more. `number` counts the packets of a world; `due` is when it arrives, in seconds
    on the world's clock.
    """

    number: int
    source: str
    target: str
    kind: str
    data: bytes
    sent_at: float
    due: float

    @property
    def message(self) -> KernelMessage | None:
        """What a `data` packet carries."""
        if self.kind != "data":
            return None
        parser = FrameParser(FRAME_LIMIT)
        parser.feed(self.data)
        try:
            frame = parser.take()
            return read_message(frame.fields) if isinstance(frame, Data) else None
        except (BadFrame, BadMessage):
            return None

    def __str__(self) -> str:
        message = self.message
        if message is not None:
            return f"data {self.number}, message {message.id}"
        size = f" of {len(self.data)} bytes" if self.kind == BYTES else ""
        return f"{self.kind} {self.number}{size}"


class Splitter:
    """Cuts what a node writes into packets: `(kind, bytes)`. A frame is kept back until all of it was written."""

    def __init__(self) -> None:
        self._kept = bytearray()
        self._wanted = 0
        self._speaks_frames = False

    def split(self, data: bytes) -> list[tuple[str, bytes]]:
        if self._kept:
            self._kept += data
            if len(self._kept) < self._wanted:
                return []
            data = bytes(self._kept)
            self._kept.clear()
        found: list[tuple[str, bytes]] = []
        place = 0
        while place < len(data):
            size = self._size_of_frame(data, place)
            if size is None:
                found += _raw(data[place:])
                break
            end = place + size
            if end > len(data):
                self._kept += data[place:]
                self._wanted = size
                break
            self._speaks_frames = True
            found.append((_tag(data, place), data[place:end]))
            place = end
        return found

    def rest(self) -> list[tuple[str, bytes]]:
        """What was kept back, as no more is written."""
        kept = bytes(self._kept)
        self._kept.clear()
        return _raw(kept)

    def _size_of_frame(self, data: bytes, place: int) -> int | None:
        """With its header, or what has to be there to tell; None: this is no frame."""
        if len(data) - place < _LEAST:
            return _LEAST if self._speaks_frames else None
        length = int.from_bytes(data[place : place + HEADER], "big")
        body = place + HEADER
        is_map = data[body] & 0xF0 == 0x80
        is_frame = is_map and data.startswith(_MARK, body + 1) and data[body + 3] & 0xE0 == 0xA0
        return HEADER + length if is_frame and 4 <= length <= FRAME_LIMIT else None


def _raw(data: bytes) -> list[tuple[str, bytes]]:
    return [(BYTES, data[place : place + PIECE]) for place in range(0, len(data), PIECE)]


def _tag(data: bytes, place: int) -> str:
    start = place + HEADER + 4
    return data[start : start + (data[start - 1] & 0x1F)].decode(errors="replace")
