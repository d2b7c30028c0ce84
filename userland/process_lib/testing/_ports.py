"""The outside world of one tested process: `kernel.ports`, small and in memory."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from hashlib import sha256, sha512

import attrs

from kernel.address import Address
from kernel.last_lines import LastLines
from kernel.ports import Line, Put, Write

RECENT = 1000


class Draws:
    """`Chance` of a fixed seed: a test draws the same in every run."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - to be repeatable is its job

    def bits(self, label: str, n: int) -> int:
        return self._random.getrandbits(n)

    def secret(self, label: str, n: int) -> bytes:
        return self._random.randbytes(n)

    def generator(self, label: str) -> random.Random:
        return random.Random(self._random.getrandbits(64))  # noqa: S311 - as above


class Memory:
    """`Store` that ends with the test."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, str], bytes] = {}

    def apply(self, batch: Sequence[Write]) -> None:
        for write in batch:
            if isinstance(write, Put):
                self._values[write.table, write.key] = write.value
            else:
                self._values.pop((write.table, write.key), None)

    async def flush(self) -> None:
        """All of it is as durable as it will ever be."""

    async def read(self, table: str, key: str) -> bytes | None:
        return self._values.get((table, key))

    async def scan(self, table: str) -> list[tuple[str, bytes]]:
        return sorted((key, value) for (area, key), value in self._values.items() if area == table)


class Seals:
    """`Keys` in which every node's signature can be told from every other's, and none is secret."""

    def __init__(self, node: str) -> None:
        self._node = node

    @property
    def public_key(self) -> bytes:
        return sha256(self._node.encode()).digest()

    def sign(self, data: bytes) -> bytes:
        return self._seal(self._node, data)

    def verify(self, node: str, data: bytes, signature: bytes) -> bool:
        return signature == self._seal(node, data)

    @staticmethod
    def _seal(node: str, data: bytes) -> bytes:
        return sha512(node.encode() + b"\0" + data).digest()


@attrs.frozen
class Printed:
    """A line on the terminal."""

    source: Address
    verbosity: int
    text: str


class Screen:
    """`Console` that keeps every line, and shows whoever asks the kernel the last `recent` of them."""

    def __init__(self, wall_clock: Callable[[], float], *, verbosity: int = 3, recent: int = RECENT) -> None:
        self.lines: list[Printed] = []
        self._wall_clock = wall_clock
        self._verbosity = verbosity
        self._recent = LastLines(recent)

    def print(self, verbosity: int, source: Address, text: str, *, always: bool = False) -> None:
        if verbosity > self._verbosity and not always:
            return
        self.lines.append(Printed(source, verbosity, text))
        self._recent.add(self._wall_clock(), verbosity, source, text)

    def recent(self) -> list[Line]:
        return self._recent.all()
