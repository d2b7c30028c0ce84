"""Code that a test puts where a kernel looks for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import attrs
import trio

from kernel.address import ProcessId
from kernel.errors import NoSuchFile
from kernel.ports import Init, Program


@attrs.frozen
class Code:
    """An `init` that is here already; every run shares it."""

    init: Init

    def fresh(self) -> Init:
        return self.init


class Shelf:
    """`kernel.ports.Programs`: code by path, put there by the test. `pause` stands between a call and its answer."""

    def __init__(self) -> None:
        self.at: dict[str, Program] = {}
        self.asked: list[tuple[ProcessId, str, bytes | None]] = []
        self.is_ready = False
        self.pause: Callable[[], Awaitable[None]] = trio.lowlevel.checkpoint

    def ready(self, process: ProcessId, path: str) -> Program | None:
        return self.at.get(path) if self.is_ready else None

    async def prepare(self, process: ProcessId, path: str, source: bytes | None = None) -> Program:
        self.asked.append((process, path, source))
        await self.pause()
        found = self.at.get(path)
        if found is None:
            raise NoSuchFile(path, "there is no such file", "put it on the shelf")
        return found
