"""The node's store in one SQLite file.

`apply` only changes memory: the batch joins the queue of those not yet written, and the overlay through which
all reads look. A *round* then writes everything queued in one transaction (group commit), in a worker, one
round at a time. Rounds are started by `run`, the background writer, and by whoever waits in `flush`; those
who find a round under way wait for it and share the next one. A batch leaves queue and overlay only when its
transaction is durable, so a failed or cancelled round loses nothing: the next one writes it again.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import ParamSpec, TypeVar

import attrs
import trio

from kernel.ports import Delete, Put, StoreFailed, Write
from sys_processes.devices import Workers

RETRY_SECONDS = 1.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS entry (area TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, UNIQUE (area,
key))
"""
_PUT = "INSERT INTO entry VALUES (?, ?, ?) ON CONFLICT (area, key) DO UPDATE SET value = excluded.value"
_DELETE = "DELETE FROM entry WHERE area = ? AND key = ?"
_READ = "SELECT value FROM entry WHERE area = ? AND key = ?"
_SCAN = "SELECT key, value FROM entry WHERE area = ? ORDER BY key"

P = ParamSpec("P")
T = TypeVar("T")

Slot = tuple[str, str]
Changes = tuple[tuple[Slot, bytes | None], ...]

_ADVICE = {
    sqlite3.SQLITE_FULL: "free some space on its disk",
    sqlite3.SQLITE_READONLY: "make the file and its folder writable",
    sqlite3.SQLITE_CANTOPEN: "make sure that its folder exists and is writable",
    sqlite3.SQLITE_BUSY: "stop the other program that has it open",
    sqlite3.SQLITE_CORRUPT: "move it away, or put back a copy",
    sqlite3.SQLITE_NOTADB: "move it away, or put back a copy",
    sqlite3.SQLITE_IOERR: "check its disk",
}


def _failed(verb: str, path: Path, error: sqlite3.Error) -> StoreFailed:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    advice = _ADVICE.get(code & 0xFF)  # the upper bits only refine the cause
    return StoreFailed(f"cannot {verb} the store {path}: {error}" + (f"; {advice}" if advice else ""))


def _connect(path: Path) -> sqlite3.Connection:
    # Autocommit mode: the only transactions are those written out below. Calls come from worker threads, one
    # at a time.
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5.0)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
    except BaseException:
        connection.close()
        raise
    return connection


def _open(path: Path) -> tuple[sqlite3.Connection, sqlite3.Connection]:
    writer = _connect(path)
    try:
        # Taking the write lock tells a file that cannot be written now, instead of at the first state someone
        # sets.
        writer.execute("BEGIN IMMEDIATE")
        writer.execute(_SCHEMA)
        writer.execute("COMMIT")
        reader = _connect(path)
    except BaseException:
        writer.close()
        raise
    return writer, reader


def _write(connection: sqlite3.Connection, changes: Iterable[tuple[Slot, bytes | None]]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        for slot, value in changes:
            if value is None:
                connection.execute(_DELETE, slot)
            else:
                connection.execute(_PUT, (*slot, value))
        connection.execute("COMMIT")
    except BaseException:
        # SQLite has already rolled back after some errors (disk full); then there is nothing left to undo.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _read(connection: sqlite3.Connection, slot: Slot) -> bytes | None:
    row = connection.execute(_READ, slot).fetchone()
    return None if row is None else bytes(row[0])


def _scan(connection: sqlite3.Connection, table: str) -> dict[str, bytes]:
    return {str(key): bytes(value) for key, value in connection.execute(_SCAN, (table,))}


@attrs.frozen
class _Batch:
    number: int
    changes: Changes


def changes_of(batch: Sequence[Write]) -> Changes:
    """What the batch sets, in order; None deletes. Raises UnicodeEncodeError for names that are no text."""
    changes: list[tuple[Slot, bytes | None]] = []
    for write in batch:
        write.table.encode()
        write.key.encode()
        match write:
            case Put(table, key, value):
                changes.append(((table, key), value))
            case Delete(table, key):
                changes.append(((table, key), None))
    return tuple(changes)


class SqliteStore:
    """`kernel.ports.Store` of a real node. Open with `open`, run `run` in the node's nursery, end with
    `aclose`.

    Without a running `run` batches are written at the next `flush`.
    """

    def __init__(
        self, path: Path, writer: sqlite3.Connection, reader: sqlite3.Connection, workers: Workers
    ) -> None:
        self._path = path
        self._writer = writer
        self._reader = reader
        self._workers = workers
        self._queue: deque[_Batch] = deque()
        self._overlay: dict[Slot, tuple[int, bytes | None]] = {}
        self._applied = 0
        self._durable = 0
        self._round = trio.Lock()
        self._reading = trio.Lock()
        self._more = trio.Event()
        self._closed = False

    @classmethod
    async def open(cls, path: Path, workers: Workers) -> SqliteStore:
        """Creates the file if it is missing; its folder must exist. Raises `StoreFailed`."""
        try:
            writer, reader = await workers.run(_open, path)
        except sqlite3.Error as error:
            raise _failed("open", path, error) from error
        return cls(path, writer, reader, workers)

    def apply(self, batch: Sequence[Write]) -> None:
        self._check_open()
        changes = changes_of(batch)
        self._applied += 1
        self._queue.append(_Batch(self._applied, changes))
        for slot, value in changes:
            self._overlay[slot] = (self._applied, value)
        self._more.set()

    async def flush(self) -> None:
        self._check_open()
        await trio.lowlevel.checkpoint()
        await self._reach(self._applied)

    async def read(self, table: str, key: str) -> bytes | None:
        self._check_open()
        await trio.lowlevel.checkpoint()
        pending = self._overlay.get((table, key))
        if pending is not None:
            return pending[1]
        async with self._reading:
            return await self._ask("read", _read, self._reader, (table, key))

    async def scan(self, table: str) -> list[tuple[str, bytes]]:
        self._check_open()
        # No round may end between the look at the file and the look at the overlay: its batches would be in
        # neither.
        async with self._round:
            found = await self._ask("read", _scan, self._writer, table)
            for (area, key), (_, value) in self._overlay.items():
                if area != table:
                    continue
                if value is None:
                    found.pop(key, None)
                else:
                    found[key] = value
        return sorted(found.items())

    async def run(self, report: Callable[[str], None]) -> None:
        """Write what is applied, until closed. A round that fails is reported, and tried again after a
        second.
        """
        while not self._closed:
            await self._more.wait()
            try:
                await self._reach(self._applied)
            except StoreFailed as error:
                report(str(error))
                await trio.sleep(RETRY_SECONDS)

    async def aclose(self) -> None:
        """Write what is left, then close the file. Raises `StoreFailed` if that could not be written; it is
        closed all the same.
        """
        if self._closed:
            return
        with trio.CancelScope(shield=True):
            try:
                await self._reach(self._applied)
            finally:
                async with self._round, self._reading:
                    self._closed = True
                    await self._workers.run(self._writer.close)
                    await self._workers.run(self._reader.close)

    async def _reach(self, wanted: int) -> None:
        while self._durable < wanted:
            async with self._round:
                if self._durable < wanted:
                    await self._write_round()

    async def _write_round(self) -> None:
        self._more = trio.Event()
        batches = tuple(self._queue)
        # Within one transaction only the last write to a slot can ever be seen.
        changes = {slot: value for batch in batches for slot, value in batch.changes}
        try:
            await self._ask("write", _write, self._writer, changes.items())
        except BaseException:
            self._more.set()
            raise
        for batch in batches:
            self._queue.popleft()
            for slot, _ in batch.changes:
                if self._overlay.get(slot, (0, None))[0] == batch.number:
                    del self._overlay[slot]
        self._durable = batches[-1].number

    async def _ask(self, verb: str, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        self._check_open()
        try:
            return await self._workers.run(work, *args, **kwargs)
        except sqlite3.Error as error:
            raise _failed(verb, self._path, error) from error

    def _check_open(self) -> None:
        if self._closed:
            raise StoreFailed(f"the store {self._path} is closed")
