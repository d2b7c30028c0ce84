"""SQL databases in SQLite files, in WAL mode: one writer and several readers each (PROTOCOL 7.5)."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar
from urllib.parse import quote

import attrs
import trio

from kernel.address import PackageId
from runtime.database_folders import DatabaseFolders
from runtime.handles import MOST_OPEN, Handles
from runtime.sql_session import MOST_PAGES, Expired, SqlSession
from sys_processes.devices import DatabaseName, EngineFailed, SqlRow, Statement, Workers

P = ParamSpec("P")
T = TypeVar("T")

FILE = "data.sqlite"
READERS = 4
STATEMENT_SECONDS = 10.0

COMMON = ("cell_size_check = ON", "foreign_keys = ON")
"""Settings of every connection, those in memory included."""
ON_DISK = (*COMMON, "trusted_schema = OFF", "mmap_size = 0")


@attrs.define(eq=False)
class _Opened:
    """`readers` are those that nobody uses at the moment. Without a `writer`, `unwritable` is why there is none."""

    path: Path
    writer: SqlSession | None
    unwritable: EngineFailed | None = None
    writing: trio.Lock = attrs.Factory(trio.Lock)
    reading: trio.Semaphore = attrs.Factory(lambda: trio.Semaphore(READERS))
    readers: list[SqlSession] = attrs.Factory(list)

    def close(self) -> None:
        # The last connection to be closed brings the write-ahead log home, which a reader cannot.
        for session in self.readers:
            session.close()
        if self.writer is not None:
            self.writer.close()


def _within(seconds: float) -> Expired:
    end = time.monotonic() + seconds
    return lambda: time.monotonic() > end


class SqliteDatabases:
    """`sys_processes.devices.Databases` of a real node. Open with `open`, end with `aclose`.

    Opening a database writes beside it. On a full disk one that was closed in order is opened for reading only, until
    somebody writes.
    """

    def __init__(
        self, folders: DatabaseFolders, workers: Workers, seconds: float, most_pages: int, most_open: int
    ) -> None:
        self._folders = folders
        self._workers = workers
        self._limit = partial(_within, seconds)
        self._most_pages = most_pages
        self._handles: Handles[_Opened] = Handles(workers, self._open_one, most_open)

    @classmethod
    async def open(
        cls,
        root: Path,
        workers: Workers,
        *,
        seconds: float = STATEMENT_SECONDS,
        most_pages: int = MOST_PAGES,
        most_open: int = MOST_OPEN,
    ) -> SqliteDatabases:
        """Makes the root if it is missing. A statement runs for at most so many seconds. Raises OSError."""
        folders = DatabaseFolders(root)
        await workers.run(folders.prepare)
        return cls(folders, workers, seconds, most_pages, most_open)

    @property
    def closings(self) -> int:
        return self._handles.closings

    async def keep_open(self, most: int) -> None:
        await self._handles.keep_open(most)

    async def aclose(self) -> None:
        """Close all databases once nobody uses them; what comes afterwards opens them again."""
        await self._handles.aclose()

    async def make(self, name: DatabaseName) -> None:
        if not await self.exists(name):
            async with self._handles.closed(name):
                await self._do(name, self._folders.make, name, partial(self._fill, name))

    async def exists(self, name: DatabaseName) -> bool:
        return await self._do(name, self._folders.exists, name)

    async def names(self, package: PackageId) -> list[DatabaseName]:
        return await self._workers.run(self._folders.names, package)

    async def query(
        self, name: DatabaseName, statement: Statement, form: Callable[[Sequence[str], Sequence[SqlRow]], T]
    ) -> T:
        opened = self._handles.taken(name)
        if opened is None:
            opened = await self._handles.take(name)
        try:
            return await self._query(name, opened, statement, form)
        finally:
            await self._handles.give_back(name)

    async def _query(
        self,
        name: DatabaseName,
        opened: _Opened,
        statement: Statement,
        form: Callable[[Sequence[str], Sequence[SqlRow]], T],
    ) -> T:
        try:
            opened.reading.acquire_nowait()
        except trio.WouldBlock:
            await opened.reading.acquire()
        session: SqlSession | None = None
        try:
            session = opened.readers.pop() if opened.readers else await self._opened_reader(name, opened)
            return await self._workers.run(session.query, statement, form)
        finally:
            if session is not None:
                opened.readers.append(session)
            opened.reading.release()

    async def _opened_reader(self, name: DatabaseName, opened: _Opened) -> SqlSession:
        return await self._do(name, self._reader, name, opened.path, alone=opened.writer is None)

    async def write(self, name: DatabaseName, statements: Sequence[Statement]) -> None:
        async with self._handles.writing(name) as opened, opened.writing:
            assert opened.writer is not None
            await self._do(name, opened.writer.write, statements)

    async def remove(self, name: DatabaseName) -> None:
        async with self._handles.closed(name):
            await self._do(name, self._folders.remove, name)

    # -- in a worker

    def _open_one(self, name: DatabaseName) -> _Opened:
        path = self._told(name, self._folders.existing, name) / FILE
        try:
            return _Opened(path, self._writer(name, path))
        except EngineFailed as failed:
            log = path.with_name(f"{FILE}-wal")
            # What is in the log is not in the file yet, and cannot be read without writing.
            if not failed.of_disk or (log.exists() and log.stat().st_size):
                raise
            return _Opened(path, None, failed)

    def _fill(self, name: DatabaseName, folder: Path) -> None:
        path = folder / FILE
        path.touch()
        self._writer(name, path).close()

    def _writer(self, name: DatabaseName, path: Path) -> SqlSession:
        settings = (
            *ON_DISK,
            f"max_page_count = {self._most_pages}",
            "journal_mode = WAL",
            "synchronous = FULL",
        )
        return self._session(name, path, "rw", settings)

    def _reader(self, name: DatabaseName, path: Path, *, alone: bool) -> SqlSession:
        """`alone`: nobody writes to the file while it is open."""
        return self._session(name, path, "ro&immutable=1" if alone else "ro", (*ON_DISK, "query_only = ON"))

    def _session(self, name: DatabaseName, path: Path, mode: str, settings: Sequence[str]) -> SqlSession:
        try:
            # Autocommit: the only transactions are those written out. Calls come from worker threads, one at a time.
            connection = sqlite3.connect(
                f"file:{quote(str(path))}?mode={mode}",
                uri=True,
                isolation_level=None,
                check_same_thread=False,
            )
        except sqlite3.Error as error:
            raise EngineFailed(f"{name}: {error}", of_disk=True) from error
        return SqlSession(name, connection, self._limit, settings=settings)

    async def _do(self, name: DatabaseName, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._workers.run(lambda: self._told(name, work, *args, **kwargs))

    @staticmethod
    def _told(name: DatabaseName, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return work(*args, **kwargs)
        except OSError as error:
            raise EngineFailed(f"{name}: {error.strerror or error}", of_disk=True) from error
