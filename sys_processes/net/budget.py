"""How much one peer may cost: so much at once, and so much a second."""

from __future__ import annotations

import attrs


@attrs.define(eq=False)
class Budget:
    """Full at first. `now` is seconds on a clock that never goes back."""

    most: float
    per_second: float
    _left: float = attrs.field(init=False)
    _at: float | None = attrs.field(init=False, default=None)

    def __attrs_post_init__(self) -> None:
        self._left = self.most

    def take(self, amount: float, now: float) -> bool:
        """Whether so much is there; then it is gone. Else nothing is."""
        if self._at is not None:
            self._left = min(self.most, self._left + (now - self._at) * self.per_second)
        self._at = now
        if amount > self._left:
            return False
        self._left -= amount
        return True
