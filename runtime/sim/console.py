"""What a simulated node prints, for tests to read."""

from __future__ import annotations

import trio

from kernel.address import Address
from kernel.last_lines import LastLines
from kernel.ports import Line


class MemoryConsole:
    """`kernel.ports.Console` of a simulated node: keeps the last `recent` lines, stamped with virtual
    time.
    """

    def __init__(self, *, verbosity: int = 3, recent: int = 10_000) -> None:
        self.verbosity = verbosity
        self._recent = LastLines(recent)

    def print(self, verbosity: int, source: Address, text: str, *, always: bool = False) -> None:
        if verbosity > self.verbosity and not always:
            return
        try:
            now = trio.current_time()
        except RuntimeError:
            now = 0.0  # printed before the world runs
        self._recent.add(now, verbosity, source, text)

    def recent(self) -> list[Line]:
        """The last lines, oldest first."""
        return self._recent.all()

    @property
    def text(self) -> str:
        """The texts alone, a line each."""
        return "\n".join(line.text for line in self._recent.all())
