"""The record of what could not be returned to anybody (DESIGN section 2, PROTOCOL 0.4)."""

from __future__ import annotations

from collections import deque

import attrs

from kernel.address import ProcessId
from kernel.message import KernelMessage

KEPT = 1000


@attrs.frozen
class DeadLetter:
    """`at` is on trio's clock, in seconds; `to` is the process that would have received it."""

    at: float
    to: ProcessId
    message: KernelMessage
    why: str


class DeadLetters:
    """Bounded: the oldest go first, `total` counts all that ever came."""

    def __init__(self) -> None:
        self._ring: deque[DeadLetter] = deque(maxlen=KEPT)
        self.total = 0

    def add(self, letter: DeadLetter) -> None:
        self.total += 1
        self._ring.append(letter)

    def all(self) -> list[DeadLetter]:
        """Those still kept, oldest first."""
        return list(self._ring)
