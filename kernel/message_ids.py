"""The ids of messages: random, never 0, of no open request (PROTOCOL 3.1)."""

from __future__ import annotations

from collections.abc import Callable, Container
from struct import unpack

DRAWN = 256
_FORMAT = f"<{DRAWN}Q"


class MessageIds:
    """Draws many at a time, because each draw costs. `open_ids` are in use."""

    __slots__ = ("_draw", "_left", "_open")

    def __init__(self, draw: Callable[[str, int], int], open_ids: Container[int]) -> None:
        self._draw = draw
        self._open = open_ids
        self._left: list[int] = []

    def take(self) -> int:
        """A fresh one, below 2**64."""
        left = self._left
        while True:
            if not left:
                block = self._draw("message ids", 64 * DRAWN)
                left.extend(unpack(_FORMAT, block.to_bytes(8 * DRAWN, "little")))
            number = left.pop()
            if number and number not in self._open:
                return number
