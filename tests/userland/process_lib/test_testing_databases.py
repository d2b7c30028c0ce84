"""In a plain test, kv and sqlite answer as those of a node do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from runtime.sim.chance import SeededChance
from runtime.sim.databases import MemoryDatabases
from runtime.sim.engine import MemoryEngine
from sys_processes.kv import process as kv_process
from sys_processes.sqlite import process as sqlite_process
from tests.support.module_node import module_node
from userland.process_lib import Address, PackageId, Response, await_message, kv, sqlite
from userland.process_lib.testing import ActorTest

WHITE = "white:chess:nectar"
CHESS = PackageId("chess", "nectar")


async def keys() -> list[object]:
    said: list[object] = []

    async def note(call: Awaitable[object]) -> None:
        try:
            said.append(await call)
        except kv.KvError as error:
            said.append(error.error)

    await note(kv.Kv(CHESS, "games").get("a"))
    db = await kv.open(CHESS, "games")
    await note(db.get("a"))
    await db.set("a", "1")
    await note(db.get("a"))
    tx = await db.begin_tx()
    await db.set("b", b"2", tx)
    await db.delete("a", tx)
    await note(db.get("b"))
    await note(kv.Kv(CHESS, "games").commit_tx(tx))
    await note(db.get("b"))
    await note(db.get("a"))
    await note(db.commit_tx(tx))
    await note(db.set("c", "3", tx))
    await note(kv.open("other:nectar", "games"))
    await note(kv.remove_db(CHESS, "games"))
    await note(db.begin_tx())
    return said


async def tables() -> list[object]:
    said: list[object] = []

    async def note(call: Awaitable[object]) -> None:
        try:
            said.append(await call)
        except sqlite.SqliteError as error:
            said.append(type(error.error).__name__)

    await note(sqlite.Sqlite(CHESS, "games").read("SELECT 1"))
    db = await sqlite.open(CHESS, "games")
    await db.write("CREATE TABLE t (k INTEGER PRIMARY KEY, v)")
    for value in ("Dave", 1, b"\0\xff", None):
        await db.write("INSERT INTO t (v) VALUES (?1)", [value])
    await note(db.read("SELECT * FROM t WHERE k > ?", [1]))
    tx = await db.begin_tx()
    await db.write("DELETE FROM t", tx_id=tx)
    await note(db.read("SELECT count(*) AS n FROM t"))
    await note(db.commit_tx(tx))
    await note(db.read("SELECT count(*) AS n FROM t"))
    await note(db.commit_tx(tx))
    await note(db.write("DELETE FROM t", tx_id=tx))
    await note(db.read("SELECT * FROM u"))
    bad = await db.begin_tx()
    await db.write("INSERT INTO t VALUES (1, 1)", tx_id=bad)
    await db.write("INSERT INTO u VALUES (1, 1)", tx_id=bad)
    await note(db.commit_tx(bad))
    await note(db.read("SELECT * FROM t"))
    await note(sqlite.open("other:nectar", "games"))
    await note(sqlite.remove_db(CHESS, "games"))
    await note(db.begin_tx())
    return said


@pytest.mark.parametrize("script", [keys, tables])
async def test_both_say_the_same(script: Callable[[], Awaitable[list[object]]]) -> None:
    on_a_node: list[object] = []

    async def noted() -> None:
        on_a_node.extend(await script())

    databases = MemoryDatabases(SeededChance(1), lambda: 0.0)
    modules = {
        "kv": (kv_process.make(MemoryEngine()), True),
        "sqlite": (sqlite_process.make(databases), True),
    }
    async with module_node(modules) as node:
        await node.as_process(WHITE, noted)
    databases.close()

    async def init(our: Address) -> None:
        await await_message()
        Response().ipc(repr(await script())).send()

    async with ActorTest(init, our=WHITE) as actor:
        answer = await actor.send("go", expects_response=10)
    assert answer.ipc.decode() == repr(on_a_node)
    assert len(on_a_node) >= 11
