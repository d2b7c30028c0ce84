"""Databases on a full disk: nothing of a change happens, and what is there can be read (PROTOCOL 7.4, 7.5)."""

from __future__ import annotations

import pytest

from kernel.address import PackageId
from runtime.sim.chance import SeededChance
from runtime.sim.databases import MemoryDatabases
from runtime.sim.engine import MemoryEngine
from sys_processes.devices import DatabaseName, EngineFailed

GAMES = DatabaseName(PackageId("chess", "nectar"), "games")
MORE = DatabaseName(PackageId("chess", "nectar"), "more")


async def test_keys_are_read_and_removed_but_not_written():
    engine = MemoryEngine()
    await engine.make(GAMES)
    await engine.write(GAMES, [(b"a", b"1")])
    engine.full = True
    for change in (engine.write(GAMES, [(b"a", b"2"), (b"b", b"2")]), engine.make(MORE)):
        with pytest.raises(EngineFailed, match="the disk is full") as raised:
            await change
        assert raised.value.of_disk
    assert await engine.get(GAMES, b"a") == b"1"
    assert await engine.get(GAMES, b"b") is None
    assert not await engine.exists(MORE)
    await engine.make(GAMES)
    engine = engine.crash()
    assert engine.full
    assert await engine.get(GAMES, b"a") == b"1"
    await engine.remove(GAMES)
    assert not await engine.exists(GAMES)


async def test_rows_are_read_but_not_written():
    databases = MemoryDatabases(SeededChance(1), lambda: 0.0)
    await databases.make(GAMES)
    await databases.write(GAMES, [("CREATE TABLE t (v)", []), ("INSERT INTO t VALUES (1)", [])])
    databases.full = True
    for change in (databases.write(GAMES, [("DELETE FROM t", [])]), databases.make(MORE)):
        with pytest.raises(EngineFailed, match="the disk is full") as raised:
            await change
        assert raised.value.of_disk
    rows = await databases.query(GAMES, ("SELECT v FROM t", []), lambda names, rows: [*rows])
    assert [*rows[0]] == [1]
    databases = databases.crash()
    assert databases.full
    await databases.remove(GAMES)
    assert not await databases.exists(GAMES)
    databases.close()
