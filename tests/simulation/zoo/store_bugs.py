"""Bugs of what keeps keys, rows and files."""

from __future__ import annotations

from contextlib import suppress

from kernel.syscalls import current
from sys_processes._database_desk import Desk
from sys_processes.devices import Databases, EngineFailed, Statement
from sys_processes.kv.process import _OK as KV_OK
from sys_processes.kv.process import _Kv
from sys_processes.kv.protocol import Commit
from sys_processes.sqlite.process import _OK as SQLITE_OK
from sys_processes.sqlite.process import _Sqlite
from sys_processes.sqlite.protocol import Commit as SqliteCommit
from sys_processes.sqlite.protocol import Query
from sys_processes.vfs.core import resolve_in_drive
from sys_processes.vfs.process import _OK as VFS_OK
from sys_processes.vfs.process import _Vfs
from sys_processes.vfs.protocol import Rename, SyncAll, Write
from tests.simulation.zoo.plant import Part, swapped
from tests.simulation.zoo.stored import stored

KV = Part("kv")
SQLITE = Part("sqlite")
VFS = Part("vfs")
LATER = 0.3
"""Seconds."""


@KV.bug(stored, "A commit is answered first and written some time later.")
def committed_before_it_is_written():
    def make(do):
        async def wrong(self, source, name, action, payload):
            if not isinstance(action, Commit):
                return await do(self, source, name, action, payload)
            batch = self._desk.take(action.tx_id, source, name)

            async def write() -> None:
                await current().sleep(LATER)
                with suppress(EngineFailed):
                    await self._engine.write(name, batch)

            current().start_soon(write)
            return KV_OK

        return wrong

    return swapped(_Kv, "_do", make)


@KV.bug(stored, "Of each fifth transaction only the first write happens.")
def half_a_transaction():
    def make(take):
        def wrong(self, number, owner, name):
            steps = take(self, number, owner, name)
            return steps[:1] if number % 5 == 4 else steps

        return wrong

    return swapped(Desk, "take", make)


@KV.bug(stored, "What a full disk refuses is acknowledged.")
def full_disk_acknowledged():
    def make(do):
        async def wrong(self, source, name, action, payload):
            try:
                return await do(self, source, name, action, payload)
            except EngineFailed:
                return KV_OK

        return wrong

    return swapped(_Kv, "_do", make)


@SQLITE.bug(stored, "A transaction is written one statement after the other, with time in between.")
def statement_by_statement():
    def make(do):
        async def wrong(self, source, name, action, payload):
            if not isinstance(action, SqliteCommit):
                return await do(self, source, name, action, payload)
            for statement in self._desk.take(action.tx_id, source, name):
                await self._databases.write(name, [statement])
                await current().sleep(LATER)
            return SQLITE_OK

        return wrong

    return swapped(_Sqlite, "_do", make)


@SQLITE.bug(stored, "A transaction is written when the next one begins.")
def written_with_the_next():
    left: list[tuple[Databases, list[Statement]]] = []

    def make(do):
        async def wrong(self, source, name, action, payload):
            if isinstance(action, SqliteCommit):
                left.append((self._databases, self._desk.take(action.tx_id, source, name)))
                return SQLITE_OK
            for databases, statements in [*left]:
                left.clear()
                if databases is self._databases:
                    await self._databases.write(name, statements)
            return await do(self, source, name, action, payload)

        return wrong

    return swapped(_Sqlite, "_do", make)


@SQLITE.bug(stored, "A question that was answered once is answered so again.")
def rows_remembered():
    def make(do):
        async def wrong(self, source, name, action, payload):
            if not isinstance(action, Query):
                return await do(self, source, name, action, payload)
            known = self.__dict__.setdefault("known", {})
            if (name, action) not in known:
                known[name, action] = await do(self, source, name, action, payload)
            return known[name, action]

        return wrong

    return swapped(_Sqlite, "_do", make)


@VFS.bug(stored, "What is to be replaced is removed some time before.")
def removed_before_it_is_replaced():
    def make(move):
        async def wrong(self, path, action):
            if isinstance(action, Rename):
                await self._disk.remove(resolve_in_drive(action.new_path).on_disk)
                await current().sleep(LATER)
            return await move(self, path, action)

        return wrong

    return swapped(_Vfs, "_move", make)


@VFS.bug(stored, "A file that does not fit is said to be written.")
def cut_short_in_silence():
    def make(write):
        async def wrong(self, source, path, action, data):
            try:
                return await write(self, source, path, action, data)
            except OSError:
                if not isinstance(action, Write):
                    raise
                return VFS_OK

        return wrong

    return swapped(_Vfs, "_write", make)


@VFS.bug(stored, "SyncAll is answered at once, and done some time later.")
def synced_later():
    def make(write):
        async def wrong(self, source, path, action, data):
            if not isinstance(action, SyncAll):
                return await write(self, source, path, action, data)

            async def sync() -> None:
                await current().sleep(LATER)
                with suppress(OSError):
                    await self._disk.sync(path)

            current().start_soon(sync)
            return VFS_OK

        return wrong

    return swapped(_Vfs, "_write", make)
