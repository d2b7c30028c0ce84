"""Keys and values in RocksDB, one of its databases for each of ours (docs/kv.md says why it is RocksDB)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import ParamSpec, TypeVar

import attrs
from rocksdict import AccessType, BlockBasedOptions, Cache, Options, Rdict, WriteBatch, WriteOptions

from kernel.address import PackageId
from runtime.database_folders import DatabaseFolders
from runtime.handles import MOST_OPEN, Handles
from sys_processes.devices import DatabaseName, EngineFailed, KeyWrite, NoDatabase, Workers

P = ParamSpec("P")
T = TypeVar("T")

# Of each open database, before it is written to a table of its own.
WRITE_BUFFER = 8 << 20
# Shared by all of them.
READ_CACHE = 32 << 20
# RocksDB's words, and those of its Rust wrapper.
_OF_DISK = re.compile(r"IO error|.*\(os error \d+\)$")
FILES_EACH = 64
LOG_BYTES = 1 << 20


def _options() -> Options:
    options = Options(raw_mode=True)
    options.set_write_buffer_size(WRITE_BUFFER)
    options.set_max_open_files(FILES_EACH)
    options.set_max_log_file_size(LOG_BYTES)
    options.set_keep_log_file_num(2)
    options.set_stats_dump_period_sec(0)
    options.set_stats_persist_period_sec(0)
    tables = BlockBasedOptions()
    tables.set_block_cache(Cache(READ_CACHE))
    tables.set_bloom_filter(10, block_based=False)
    options.set_block_based_table_factory(tables)
    return options


def _synced() -> WriteOptions:
    options = WriteOptions()
    options.sync = True
    return options


@attrs.frozen(eq=False)
class _Opened:
    """`unwritable` is why it was opened for reading only, if it was."""

    rocks: Rdict
    unwritable: EngineFailed | None = None

    def in_memory(self, key: bytes) -> bytes | None:
        """The value, if it can be had without waiting for the disk; never an empty one.

        Nothing else that is heard of a key in this way is to be relied on: a database that is open for reading only
        calls every value empty, and what cannot be read missing.
        """
        if self.unwritable is not None:
            return None
        # The declared type knows the form without `fetch` only.
        found: tuple[bool, bytes | None] = self.rocks.key_may_exist(key, fetch=True)  # type: ignore[assignment]
        return found[1]

    def close(self) -> None:
        # After a failed write it complains once more. It is closed all the same as soon as nobody refers to it.
        with suppress(Exception):
            self.rocks.close()


class RocksEngine:
    """`sys_processes.devices.Engine` of a real node. Open with `open`, end with `aclose`.

    A database whose write failed is closed: RocksDB takes no more writes after one that failed, until it has read its
    files again. Opening one writes, too: on a full disk it is opened for reading only, until somebody writes.
    """

    def __init__(self, folders: DatabaseFolders, workers: Workers, most_open: int) -> None:
        self._folders = folders
        self._workers = workers
        self._options = _options()
        self._synced = _synced()
        self._handles: Handles[_Opened] = Handles(workers, self._open_one, most_open)

    @classmethod
    async def open(cls, root: Path, workers: Workers, *, most_open: int = MOST_OPEN) -> RocksEngine:
        """Makes the root if it is missing. Raises OSError."""
        folders = DatabaseFolders(root)
        await workers.run(folders.prepare)
        return cls(folders, workers, most_open)

    @property
    def closings(self) -> int:
        return self._handles.closings

    async def keep_open(self, most: int) -> None:
        await self._handles.keep_open(most)

    async def aclose(self) -> None:
        """Close all databases once nobody uses them; what comes afterwards opens them again."""
        await self._handles.aclose()

    async def make(self, name: DatabaseName) -> None:
        if await self.exists(name):
            return
        async with self._handles.closed(name):
            await self._do(name, self._folders.make, name, self._fill)

    async def exists(self, name: DatabaseName) -> bool:
        return await self._do(name, self._folders.exists, name)

    async def names(self, package: PackageId) -> list[DatabaseName]:
        return await self._workers.run(self._folders.names, package)

    async def get(self, name: DatabaseName, key: bytes) -> bytes | None:
        opened = self._handles.taken(name)
        if opened is None:
            opened = await self._handles.take(name)
        try:
            return opened.in_memory(key) or await self._workers.run(self._get, name, opened.rocks, key)
        finally:
            await self._handles.give_back(name)

    async def write(self, name: DatabaseName, batch: Sequence[KeyWrite]) -> None:
        try:
            async with self._handles.writing(name) as opened:
                await self._do(name, self._write, opened.rocks, batch)
        except EngineFailed:
            async with self._handles.closed(name):
                raise

    async def remove(self, name: DatabaseName) -> None:
        async with self._handles.closed(name):
            await self._do(name, self._folders.remove, name)

    # -- in a worker

    def _open_one(self, name: DatabaseName) -> _Opened:
        folder = str(self._told(name, self._folders.existing, name))
        try:
            return _Opened(self._told(name, Rdict, folder, self._options))
        except EngineFailed as failed:
            if not failed.of_disk:
                raise
            with suppress(Exception):
                return _Opened(Rdict(folder, self._options, access_type=AccessType.read_only()), failed)
            raise

    def _fill(self, folder: Path) -> None:
        Rdict(str(folder), self._options).close()

    def _get(self, name: DatabaseName, rocks: Rdict, key: bytes) -> bytes | None:
        try:
            value: bytes | None = rocks.get(key)
        except Exception as error:
            raise self._failure(name, error) from error
        return value

    def _write(self, rocks: Rdict, batch: Sequence[KeyWrite]) -> None:
        together = WriteBatch(raw_mode=True)
        for key, value in batch:
            if value is None:
                together.delete(key)
            else:
                together.put(key, value)
        rocks.write(together, self._synced)

    # -- failures

    async def _do(self, name: DatabaseName, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._workers.run(lambda: self._told(name, work, *args, **kwargs))

    def _told(self, name: DatabaseName, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return work(*args, **kwargs)
        except (NoDatabase, EngineFailed):
            raise
        except Exception as error:
            raise self._failure(name, error) from error

    def _failure(self, name: DatabaseName, error: Exception) -> EngineFailed:
        if isinstance(error, OSError):
            return EngineFailed(f"{name}: {error.strerror or error}", of_disk=True)
        # Rocksdict raises plain Exceptions; the text says of what kind they are, and where the files lie.
        text = str(error).replace(f"{self._folders.of(name)}/", "")
        return EngineFailed(f"{name}: {text}", of_disk=_OF_DISK.match(text) is not None)
