"""Channel ids: random to look at, never 0, never the same twice in one run (PROTOCOL 6.12)."""

from __future__ import annotations

from collections.abc import Callable

_ROUNDS = 4
_HALF = 0xFFFF
_ALL = 2**32


class ChannelIds:
    """Counts through a permutation of the 32-bit numbers whose keys are drawn once, so that nothing need be remembered.

    A Feistel network: any round function makes it a permutation.
    """

    def __init__(self, draw: Callable[[int], int]) -> None:
        self._keys = [draw(32) for _ in range(_ROUNDS)]
        self._count = 0

    def next(self) -> int:
        """Raises OverflowError after all four thousand million ids."""
        while True:
            if self._count == _ALL:
                raise OverflowError("all channel ids of this run are used; restart the node")
            found = self._permuted(self._count)
            self._count += 1
            if found:
                return found

    def _permuted(self, number: int) -> int:
        left, right = number >> 16, number & _HALF
        for key in self._keys:
            mixed = ((right ^ key) * 0x9E3779B1 + key) & 0xFFFFFFFF
            mixed = ((mixed ^ (mixed >> 15)) * 0x85EBCA77) & 0xFFFFFFFF
            left, right = right, left ^ (mixed >> 16)
        return left << 16 | right
