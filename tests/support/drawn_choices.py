"""Choices that Hypothesis makes, and shrinks to the harmless ones."""

from __future__ import annotations

from hypothesis import strategies as st


class DrawnChoices:
    """`runtime.sim.choices.Source`. After `most` draws every choice is harmless, so that an example stays small."""

    def __init__(self, data: st.DataObject, most: int = 300) -> None:
        self._data = data
        self._left = most

    def draw(self, label: str, n: int) -> int:
        if self._left == 0:
            return 0
        self._left -= 1
        return self._data.draw(st.integers(0, n - 1), label)
