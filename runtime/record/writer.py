"""Lines on their way to a file: kept in memory a second at most, written by a worker, never at the node's expense."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import trio

from runtime.record.lines import LINE, Line
from sys_processes.devices import Workers

FLUSH_SECONDS = 1.0
FLUSH_BYTES = 256 * 1024
MOST_BYTES = 64 * 1024 * 1024


class Sink(Protocol):
    """Where lines end up: an unbuffered file."""

    def write(self, data: bytes, /) -> int | None: ...

    def close(self) -> None: ...


class FileSink:
    """A new file that only its owner reads. Raises FileExistsError, OSError."""

    def __init__(self, path: Path) -> None:
        self._number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    def write(self, data: bytes, /) -> int:
        return os.write(self._number, data)

    def close(self) -> None:
        os.close(self._number)


class RecordWriter:
    """`run` it. A sink that fails, or takes less than is written, ends the recording with one `report`."""

    def __init__(
        self, sink: Sink, workers: Workers, report: Callable[[str], None], *, most: int = MOST_BYTES
    ) -> None:
        self._sink = sink
        self._workers = workers
        self._report = report
        self._most = most
        self._lines: list[bytes] = []
        self._size = 0
        self._full = trio.Event()
        self._turn = trio.Lock()
        self.stopped = False
        self._broken = False

    def write(self, line: Line) -> None:
        """Never blocks, never raises: one that cannot be written (text that is no Unicode) ends the recording."""
        if self.stopped:
            return
        try:
            text = LINE.encode(line) + b"\n"
        except (TypeError, ValueError) as error:
            self._stop(f"a line {type(line).__name__} cannot be written: {error}")
            return
        self._lines.append(text)
        self._size += len(text)
        if self._size > self._most:
            self._stop(f"the disk is slower than the node: {self._size} bytes wait")
        elif self._size > FLUSH_BYTES:
            self._full.set()

    async def run(self) -> None:
        """Until cancelled."""
        while not self.stopped:
            with trio.move_on_after(FLUSH_SECONDS):
                await self._full.wait()
            await self.flush()
        await self.flush()
        await trio.sleep_forever()

    async def flush(self) -> None:
        """Return when what was written before is in the file."""
        async with self._turn:
            self._full = trio.Event()
            data = b"".join(self._lines)
            self._lines.clear()
            self._size = 0
            if data and not self._broken:
                try:
                    await self._workers.run(self._put, data)
                except OSError as error:
                    self._broken = True
                    self._stop(error.strerror or str(error))

    def _put(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            taken = self._sink.write(bytes(left))
            if not taken:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            left = left[taken:]

    def _stop(self, why: str) -> None:
        """Takes no more lines; what it took is still written."""
        if self.stopped:
            return
        self.stopped = True
        self._report(f"the recording ends here, the node goes on: {why}")

    async def aclose(self) -> None:
        """Flush and close. Cancellation waits for it."""
        with trio.CancelScope(shield=True):
            await self.flush()
            self.stopped = True
            self._sink.close()
