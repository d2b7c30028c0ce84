"""How much is shown of what processes print, when somebody chose that for one of them, or for all (PROTOCOL 2.8)."""

from __future__ import annotations

from kernel.address import Address, ProcessId
from kernel.ports import Console, Line


class ChosenVerbosity:
    """A Console before another one, which decides alone as long as nobody chose anything."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._chosen: dict[ProcessId | None, int | None] = {}

    def choose(self, process: ProcessId | None, level: int | None) -> None:
        """Of `process` (None: of everybody for whom nothing else was chosen) show what has up to `level`, whatever the
        console would show; None: nothing.
        """
        self._chosen[process] = level

    def print(self, verbosity: int, source: Address, text: str) -> None:
        if not self._chosen:
            self._console.print(verbosity, source, text)
            return
        process = source.process
        chosen = process if process in self._chosen else None
        if chosen not in self._chosen:
            self._console.print(verbosity, source, text)
            return
        level = self._chosen[chosen]
        if level is not None and verbosity <= level:
            self._console.print(verbosity, source, text, always=True)

    def recent(self) -> list[Line]:
        """What was shown last, whoever chose it."""
        return self._console.recent()
