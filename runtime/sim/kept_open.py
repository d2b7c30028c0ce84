"""Which databases of a simulated node are open."""

from __future__ import annotations

from collections.abc import Callable

from runtime.handles import MOST_OPEN
from sys_processes.devices import DatabaseName


class KeptOpen:
    """As `runtime.handles.Handles` keeps real ones: beyond `most`, the one that was idle longest is closed."""

    def __init__(self, close: Callable[[DatabaseName], None], most: int = MOST_OPEN) -> None:
        self._close = close
        self._most = most
        # In the order of last use.
        self._names: dict[DatabaseName, None] = {}
        self.closings = 0

    def use(self, name: DatabaseName) -> None:
        self._names.pop(name, None)
        self._names[name] = None
        self.closings += self._close_others()

    def drop(self, name: DatabaseName) -> None:
        """It is closed."""
        self._names.pop(name, None)

    def keep(self, most: int) -> None:
        self._most = most
        self._close_others()

    def _close_others(self) -> int:
        closed = list(self._names)[: max(0, len(self._names) - self._most)]
        for name in closed:
            del self._names[name]
            self._close(name)
        return len(closed)
