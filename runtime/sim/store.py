"""The node's store in memory, with crashes."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence

import trio

from kernel.ports import StoreFailed, Write
from runtime.sim.choices import Choices
from runtime.sim.file_tree import Keep
from runtime.sim.workers import Pause
from runtime.store import Changes, Slot, changes_of


def _make(changes: Changes, image: dict[Slot, bytes]) -> None:
    for slot, value in changes:
        if value is None:
            image.pop(slot, None)
        else:
            image[slot] = value


class _Power(enum.Enum):
    On = "on"
    Closed = "closed"
    Lost = "lost its power"


class MemoryStore:
    """`kernel.ports.Store` of a simulated node.

    Nothing becomes durable but by `flush`, which takes one `pause`. While `broken` holds a text, reads and
    flushes raise it as `StoreFailed`: a full disk, a dead controller. The `pause` may be replaced.
    """

    def __init__(self, pause: Pause = trio.lowlevel.checkpoint) -> None:
        self.broken: str | None = None
        self.pause = pause
        self._power = _Power.On
        self._image: dict[Slot, bytes] = {}
        self._live: dict[Slot, bytes] = {}
        self._unflushed: list[Changes] = []
        self._flushed = 0

    def crash(self, keep: int | Keep | Choices = "flushed") -> MemoryStore:
        """The store as the next boot finds it: all that was flushed, and the first so many batches of the others;
        `Choices` draw how many, where the harmless choice is none. `all` is what a killed process leaves, `nothing`
        another machine.

        This one is dead from now on: what its node still applies goes nowhere, reads and flushes raise `StoreFailed`.
        To ask again, with another `keep`, is no error. Also the way to open a store again that was closed.
        """
        found = MemoryStore(self.pause)
        if keep != "nothing":
            found._image = dict(self._image)
            for changes in self._unflushed[: self._kept(keep)]:
                _make(changes, found._image)
        found._live = dict(found._image)
        self._power = _Power.Lost
        return found

    def _kept(self, keep: int | Keep | Choices) -> int:
        batches = len(self._unflushed)
        if isinstance(keep, Choices):
            return keep.choose("disk batches kept", batches + 1)
        if isinstance(keep, int):
            return keep
        return batches if keep == "all" else 0

    def peek(self, table: str, key: str) -> bytes | None:
        """What `read` would give, at once and from a dead store, too."""
        return self._live.get((table, key))

    def apply(self, batch: Sequence[Write]) -> None:
        if self._power is _Power.Closed:
            raise StoreFailed("the store is closed")
        if self._power is _Power.On:
            changes = changes_of(batch)
            self._unflushed.append(changes)
            _make(changes, self._live)

    async def flush(self) -> None:
        wanted = self._flushed + len(self._unflushed)
        await self._reach_disk()
        fresh = max(0, wanted - self._flushed)
        for changes in self._unflushed[:fresh]:
            _make(changes, self._image)
        del self._unflushed[:fresh]
        self._flushed += fresh

    async def read(self, table: str, key: str) -> bytes | None:
        await self._reach_disk()
        return self._live.get((table, key))

    async def scan(self, table: str) -> list[tuple[str, bytes]]:
        await self._reach_disk()
        return sorted((key, value) for (area, key), value in self._live.items() if area == table)

    async def run(self, report: Callable[[str], None]) -> None:
        """There is no background writer, so that a crash loses as much as it may: sleeps until cancelled."""
        del report
        await trio.sleep_forever()

    async def aclose(self) -> None:
        """Flush, then refuse all further use. Raises `StoreFailed` if the flush does; it is closed all the
        same.
        """
        if self._power is not _Power.On:
            return
        with trio.CancelScope(shield=True):
            try:
                await self.flush()
            finally:
                self._power = _Power.Closed

    async def _reach_disk(self) -> None:
        self._check()
        await self.pause()
        self._check()

    def _check(self) -> None:
        if self._power is not _Power.On:
            raise StoreFailed(
                f"the store {'is closed' if self._power is _Power.Closed else 'lost its power'}"
            )
        if self.broken is not None:
            raise StoreFailed(self.broken)
