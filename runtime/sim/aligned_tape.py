"""A tape that still fits after something was taken out of it: each label has a tape of its own.

Without a lost packet fewer packets are sent again, and whatever is drawn after that stands elsewhere. Followed from
place to place, a tape would from there on give one decision the value of another.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from runtime.sim.choices import Choice


class AlignedChoices:
    """A `Source`: the values of the label asked for, in order, too large ones as the largest there is; then 0."""

    def __init__(self, tape: Iterable[Choice]) -> None:
        self._values: dict[str, deque[int]] = {}
        for choice in tape:
            self._values.setdefault(choice.label, deque()).append(choice.value)

    def draw(self, label: str, n: int) -> int:
        values = self._values.get(label)
        return min(values.popleft(), n - 1) if values else 0
