"""Something done to a simulated world that lasts until it is undone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self


class Lasting:
    """Ended by `end`, by one of its other names where that reads better, or at the end of a `with` block; once."""

    def __init__(self, undo: Callable[[], None], forget: Callable[[Lasting], None] | None = None) -> None:
        self._undo = undo
        self._forget = forget
        self.is_over = False

    def end(self) -> None:
        if self.is_over:
            return
        self.is_over = True
        if self._forget is not None:
            self._forget(self)
        self._undo()

    heal = release = remove = end

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
