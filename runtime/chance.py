"""Chance from the operating system."""

from __future__ import annotations

import os
import random


class SystemChance:
    """`kernel.ports.Chance` of a real node: labels are ignored, nothing repeats."""

    def __init__(self) -> None:
        # Five times faster than asking the system each time, and ids are no secrets.
        self._draw = random.Random(os.urandom(32)).getrandbits  # noqa: S311

    def bits(self, label: str, n: int) -> int:
        return self._draw(n)

    def secret(self, label: str, n: int) -> bytes:
        return os.urandom(n)

    def generator(self, label: str) -> random.Random:
        return random.Random(os.urandom(32))  # noqa: S311 - what an actor asks of it is no secret
