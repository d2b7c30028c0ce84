from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from kernel.address import PackageId
from kernel.syscalls import current
from runtime.sim.chance import SeededChance
from runtime.sim.databases import MemoryDatabases
from sys_processes.sqlite import process as sqlite_process
from tests.support.database_calls import GAMES, STRANGER, WHITE, Calls
from tests.support.module_node import module_node
from userland.process_lib import sqlite

CHESS = PackageId("chess", "nectar")


async def run(
    script: Callable[[], Awaitable[None]], process: str = WHITE, rights: tuple[str, ...] = ()
) -> None:
    databases = MemoryDatabases(SeededChance(1), lambda: 0.0)
    await databases.make(GAMES)
    async with module_node({"sqlite": (sqlite_process.make(databases), True)}) as node:
        await node.as_process(process, script, [Calls("sqlite").capability(kind) for kind in rights])
    databases.close()


async def open_table() -> sqlite.Sqlite:
    db = await sqlite.open(current().our.package_id, "games")
    await db.write("CREATE TABLE t (k INTEGER PRIMARY KEY, v)")
    return db


async def test_rows_are_dicts_and_values_are_what_they_were() -> None:
    async def script() -> None:
        db = await open_table()
        assert db == sqlite.Sqlite(CHESS, "games")
        for value in ("Dave", 1, 2.5, True, None, b"\0\xff"):
            await db.write("INSERT INTO t (v) VALUES (?1)", [value])
        assert await db.read("SELECT v FROM t WHERE k >= ? ORDER BY k", (1,)) == [
            {"v": "Dave"}, {"v": 1}, {"v": 2.5}, {"v": 1}, {"v": None}, {"v": "AP8="}
        ]  # fmt: skip
        assert await db.read("SELECT v FROM t WHERE v = ?", [b"\0\xff"]) == [{"v": "AP8="}]

    await run(script)


async def test_a_transaction_happens_at_its_commit() -> None:
    async def script() -> None:
        db = await open_table()
        tx = await db.begin_tx()
        await db.write("INSERT INTO t VALUES (1, ?)", ["a"], tx)
        assert await db.read("SELECT * FROM t") == []
        await db.commit_tx(tx)
        assert await db.read("SELECT * FROM t") == [{"k": 1, "v": "a"}]
        with pytest.raises(sqlite.SqliteError) as caught:
            await db.commit_tx(tx)
        assert caught.value.error == sqlite.NoTx(tx)

    await run(script)


async def test_what_sqlite_refuses_is_an_error_with_its_words() -> None:
    async def script() -> None:
        db = await open_table()
        with pytest.raises(sqlite.SqliteError, match="no such table: u") as caught:
            await db.read("SELECT * FROM u")
        assert isinstance(caught.value.error, sqlite.SqlError)
        for call, error in (
            (db.read("DELETE FROM t"), sqlite.NotAReadKeyword()),
            (db.write("SELECT 1"), sqlite.NotAWriteKeyword()),
        ):
            with pytest.raises(sqlite.SqliteError) as caught:
                await call
            assert caught.value.error == error
        await sqlite.remove_db(CHESS, "games")
        with pytest.raises(sqlite.SqliteError) as caught:
            await db.begin_tx()
        assert caught.value.error == sqlite.NoDb(CHESS, "games")

    await run(script)


async def test_a_process_of_another_package_needs_the_rights() -> None:
    async def without() -> None:
        with pytest.raises(sqlite.SqliteError) as caught:
            await sqlite.open(CHESS, "games")
        assert caught.value.error == sqlite.MismatchingPackageId()
        with pytest.raises(sqlite.SqliteError) as caught:
            await sqlite.Sqlite(CHESS, "games").write("DELETE FROM t")
        assert caught.value.error == sqlite.NoWriteCap()

    async def reader() -> None:
        assert await sqlite.Sqlite(CHESS, "games").read("SELECT 1 AS x") == [{"x": 1}]

    await run(without, STRANGER)
    await run(reader, STRANGER, ("read",))


async def test_mistakes_speak() -> None:
    async def script() -> None:
        db = sqlite.Sqlite(CHESS, "games")
        with pytest.raises(TypeError, match=r"parameters are a list, got str; write \[value\]"):
            await db.read("SELECT ?", "a")
        with pytest.raises(TypeError, match="a parameter is a number, text, bytes, a bool or None, got list"):
            await db.write("DELETE FROM t WHERE k = ?", [[1]])

    await run(script)
