"""Chance from a seed."""

from __future__ import annotations

import random


class SeededChance:
    """`kernel.ports.Chance` of a simulated node: the same seed and the same sequence of calls give the same
    draws.

    Equal in every process, whatever PYTHONHASHSEED is.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - to be repeatable is its job

    def bits(self, label: str, n: int) -> int:
        return self._random.getrandbits(n)

    def secret(self, label: str, n: int) -> bytes:
        return self._random.randbytes(n)

    def generator(self, label: str) -> random.Random:
        return random.Random(self._random.getrandbits(64))  # noqa: S311 - to be repeatable is its job
