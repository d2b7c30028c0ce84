"""What a console keeps of what it showed (PROTOCOL 2.8)."""

from __future__ import annotations

from collections import deque

from kernel.address import Address
from kernel.ports import Line

KEPT_CHARACTERS = 4 * 1024 * 1024
"""In all lines together."""


class LastLines:
    """Bounded in number and in characters: the oldest go first, the last one stays however long."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lines: deque[Line] = deque()
        self._characters = 0
        self._number = 0

    def add(self, when: float, verbosity: int, source: Address, text: str) -> Line:
        self._number += 1
        line = Line(when, verbosity, str(source), text, self._number)
        self._lines.append(line)
        self._characters += _length(line)
        while len(self._lines) > 1 and (len(self._lines) > self._most or self._characters > KEPT_CHARACTERS):
            self._characters -= _length(self._lines.popleft())
        return line

    def all(self) -> list[Line]:
        """Oldest first."""
        return list(self._lines)


def _length(line: Line) -> int:
    # A console is given anything, and raises for nothing.
    return len(line.text) if isinstance(line.text, str) else 0
