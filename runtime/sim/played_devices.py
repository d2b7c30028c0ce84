"""The outside world of a kernel on which a record is played: draws, looks at the clock, signatures and code come from
there.
"""

from __future__ import annotations

import io
import random
import tokenize
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Protocol

import trio.abc

from kernel.address import ProcessId
from kernel.errors import NoSuchFile
from kernel.ports import Write
from runtime.loader import PythonProgram
from runtime.modules import Unguarded, owned_builtins
from runtime.package_code import PackageCode, compile_package
from runtime.record.lines import Code, Created, Drew, Line, Secret, Seeded, Signed, Verified


class PlayedClock(trio.abc.Clock):
    """Stands still until it is moved."""

    def __init__(self, at: float) -> None:
        self.at = at

    def start_clock(self) -> None:
        pass

    def current_time(self) -> float:
        return self.at

    def deadline_to_sleep_time(self, deadline: float) -> float:
        return 0.0 if deadline <= self.at else 3600.0


class Draws(Protocol):
    """What the record says that the calling task draws."""

    def drawn(self, label: str, bits: int) -> Drew | None:
        """None beyond the end of the record, or when no process draws."""

    def seeded(self, label: str) -> Seeded | None: ...

    def secret(self, label: str, size: int) -> Secret | None: ...


class PlayedChance:
    """`kernel.ports.Chance`. Secrets are not in the record: others stand in for them, the same in each replay."""

    def __init__(self, draws: Draws) -> None:
        self._draws = draws
        self._count = 0

    def _stand_in(self, label: str, n: int) -> bytes:
        self._count += 1
        drawn = random.Random(f"{label} {self._count}")  # noqa: S311 - nothing that is played is a secret
        return drawn.randbytes(n)

    def bits(self, label: str, n: int) -> int:
        found = self._draws.drawn(label, n)
        if found is None:
            return int.from_bytes(self._stand_in(label, n // 8 + 1), "little") % (1 << n)
        return int(found.value, 16)

    def secret(self, label: str, n: int) -> bytes:
        self._draws.secret(label, n)
        return self._stand_in(label, n)

    def generator(self, label: str) -> random.Random:
        found = self._draws.seeded(label)
        seed = self._stand_in(label, 32) if found is None else int(found.value, 16)
        return random.Random(seed)  # noqa: S311 - as it was in the record


class PlayedKeys:
    """`kernel.ports.Keys`: the same bytes have the same signature as in the record, others one that is none."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self._signed = {line.data: line.signature for line in lines if isinstance(line, Signed)}
        self._verified = {
            (line.node, line.data, line.signature): line.genuine
            for line in lines
            if isinstance(line, Verified)
        }

    @property
    def public_key(self) -> bytes:
        return b"\0" * 32

    def sign(self, data: bytes) -> bytes:
        return bytes.fromhex(self._signed.get(sha256(data).hexdigest(), "00" * 64))

    def verify(self, node: str, data: bytes, signature: bytes) -> bool:
        digest = sha256(data).hexdigest()
        found = self._verified.get((node, digest, signature.hex()))
        return self._signed.get(digest) == signature.hex() if found is None else found


class NoStore:
    """`kernel.ports.Store` of which nothing is asked: states are in the record."""

    def apply(self, batch: Sequence[Write]) -> None:
        pass

    async def flush(self) -> None:
        pass

    async def read(self, table: str, key: str) -> bytes | None:
        return None

    async def scan(self, table: str) -> list[tuple[str, bytes]]:
        return []


def _encoded(source: str) -> bytes:
    """As the source itself says."""
    data = source.encode()
    encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    return data if encoding.startswith("utf-8") else source.encode(encoding)


class Births(Protocol):
    """What the record says of the child that the calling task makes next."""

    def next_child(self) -> Created | None:
        """None when it waits first."""


class PlayedPrograms:
    """`kernel.ports.Programs` from the record. `replaced` is code to be run instead of that of a recorded root."""

    def __init__(self, lines: Sequence[Line], replaced: Mapping[str, PackageCode], births: Births) -> None:
        self._codes = {line.digest: line for line in lines if isinstance(line, Code)}
        self._replaced = replaced
        self._births = births
        self._compiled: dict[str, PackageCode] = {}
        self._builtins = owned_builtins(Unguarded())

    def of(self, created: Created) -> PythonProgram | None:
        """None when its code is in no file. Raises `ProgramError`."""
        if created.code is None:
            return None
        code = self._compiled.get(created.code)
        if code is None:
            code = self._compiled[created.code] = self._compile(self._codes[created.code])
        return PythonProgram(code, created.module, str(created.process), self._builtins, checked=True)

    def _compile(self, code: Code) -> PackageCode:
        replaced = self._replaced.get(code.root)
        if replaced is not None:
            return replaced
        return compile_package(code.root, {path: _encoded(text) for path, text in code.files.items()})

    def ready(self, process: ProcessId, path: str) -> PythonProgram | None:
        created = self._births.next_child()
        return None if created is None else self.of(created)

    async def prepare(self, process: ProcessId, path: str, source: bytes | None = None) -> PythonProgram:
        found = self.ready(process, path)
        if found is None:
            raise NoSuchFile(path, "is not in the record", "record the run anew")
        return found
