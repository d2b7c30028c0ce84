"""The outside world as the kernel sees it: small Protocols, each with a real and a simulated implementer.

The real ones live in `runtime`, the simulated ones in `runtime.sim`; one contract suite tests both.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Protocol

import attrs

from kernel.address import Address, ProcessId

if TYPE_CHECKING:
    import random


class Chance(Protocol):
    """Every random draw of a node. `label` names the purpose, so that a recorded run can be read."""

    def bits(self, label: str, n: int) -> int:
        """Uniform in [0, 2**n). Fast, not for secrets."""

    def secret(self, label: str, n: int) -> bytes:
        """`n` bytes fit for keys and nonces."""

    def generator(self, label: str) -> random.Random:
        """A generator of its own, seeded from here."""


@attrs.frozen
class Put:
    table: str
    key: str
    value: bytes


@attrs.frozen
class Delete:
    table: str
    key: str


Write = Put | Delete


class StoreFailed(Exception):
    """The store could not read or write; the text says which file and why."""


class Store(Protocol):
    """A small ordered key-value store: process table, capabilities, states.

    A crash keeps a prefix of the batches applied, each whole or not at all, and all those before the last `flush` that
    returned.
    """

    def apply(self, batch: Sequence[Write]) -> None:
        """Queue the writes as one atomic batch, after all earlier ones. Reads see it at once. Never blocks."""

    async def flush(self) -> None:
        """Return when every batch applied before the call is durable. Raises `StoreFailed`."""

    async def read(self, table: str, key: str) -> bytes | None:
        """The value, or None. Raises `StoreFailed`."""

    async def scan(self, table: str) -> list[tuple[str, bytes]]:
        """All pairs of a table in key order. Raises `StoreFailed`."""


class Keys(Protocol):
    """Signing with this node's Ed25519 key and checking the signatures of known nodes."""

    @property
    def public_key(self) -> bytes:
        """Our node's raw public key (32 bytes)."""

    def sign(self, data: bytes) -> bytes:
        """Our node's signature (64 bytes)."""

    def verify(self, node: str, data: bytes, signature: bytes) -> bool:
        """False also when the node's key is not known."""


Init = Callable[[Address], Awaitable[object]]


class Program(Protocol):
    """Code that is ready to start, any number of times."""

    def fresh(self) -> Init:
        """New module objects, run top to bottom; their `init`, which must be held as long as it runs.

        Raises `kernel.errors.ProgramError` or what the code raises.
        """


class Programs(Protocol):
    """Finds and checks the code of processes."""

    def ready(self, process: ProcessId, path: str) -> Program | None:
        """The program if it was prepared before and its files did not change since, else None. Never blocks."""

    async def prepare(self, process: ProcessId, path: str, source: bytes | None = None) -> Program:
        """Read and compile the code at `path` (a vfs path; relative ones start in the process's package drive).

        `source`, when given, stands for the file's content. Raises `NoSuchFile`, `ProgramError`.
        """


@attrs.frozen
class Line:
    """One print; `time` in seconds since the epoch (in a world: virtual). `number` is one more than that of the line
    that its console showed before, from 1 on.
    """

    time: float
    verbosity: int
    source: str
    text: str
    number: int = 0


class Console(Protocol):
    """Where prints of processes and of the kernel go."""

    def print(self, verbosity: int, source: Address, text: str, *, always: bool = False) -> None:
        """Show the text if the node's verbosity is at least this high (0 always shows); or `always`, because somebody
        asked to see it. Never blocks, never raises.
        """

    def recent(self) -> list[Line]:
        """The last lines that were shown, oldest first: a bounded number, and bounded in size but for the last one."""
