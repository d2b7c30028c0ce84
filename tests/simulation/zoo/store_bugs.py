"""Bugs of what keeps keys and files."""

from __future__ import annotations

from contextlib import suppress

from kernel.syscalls import current
from sys_processes._database_desk import Desk
from sys_processes.devices import EngineFailed
from sys_processes.kv.process import _OK as KV_OK
from sys_processes.kv.process import _Kv
from sys_processes.kv.protocol import Commit
from sys_processes.vfs.process import _OK as VFS_OK
from sys_processes.vfs.process import _Vfs
from sys_processes.vfs.protocol import SyncAll
from tests.simulation.zoo.plant import Part, swapped
from tests.simulation.zoo.stored import stored

KV = Part("kv")
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
