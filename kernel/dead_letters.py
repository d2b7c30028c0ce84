"""The record of what could not be returned to anybody (DESIGN section 2, PROTOCOL 0.4)."""

from __future__ import annotations

from collections import deque

import attrs

from kernel.address import ProcessId
from kernel.message import KernelMessage, size_of

KEPT = 1000
KEPT_BYTES = 16 * 1024 * 1024


@attrs.frozen
class DeadLetter:
    """`at` is on trio's clock, in seconds; `to` is the process that would have received it."""

    at: float
    to: ProcessId
    message: KernelMessage
    why: str


class DeadLetters:
    """Bounded in number, and in bytes of ipc and payload: the oldest go first, the last one stays whatever its size.
    `total` counts all that ever came.
    """

    def __init__(self) -> None:
        self._ring: deque[DeadLetter] = deque()
        self._bytes = 0
        self.total = 0

    def add(self, letter: DeadLetter) -> None:
        self.total += 1
        self._ring.append(letter)
        self._bytes += size_of(letter.message)
        while len(self._ring) > 1 and (len(self._ring) > KEPT or self._bytes > KEPT_BYTES):
            self._bytes -= size_of(self._ring.popleft().message)

    def all(self) -> list[DeadLetter]:
        """Those still kept, oldest first."""
        return list(self._ring)
