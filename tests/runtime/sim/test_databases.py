"""What only the databases in memory can do: lose their power, break on request, and be the same in every run."""

from __future__ import annotations

import pytest
import trio

from kernel.address import PackageId
from runtime.sim.chance import SeededChance
from runtime.sim.databases import MemoryDatabases
from runtime.sim.workers import Pause
from sys_processes.devices import DatabaseName, EngineFailed, SqlRow

GAMES = DatabaseName(PackageId("chess", "nectar"), "games")
NOON = 1_700_000_000.0


def databases(seed: int = 1, pause: Pause = trio.lowlevel.checkpoint) -> MemoryDatabases:
    return MemoryDatabases(SeededChance(seed), lambda: NOON + trio.current_time(), pause)


async def rows(held: MemoryDatabases, query: str) -> list[SqlRow]:
    return await held.query(GAMES, (query, ()), lambda _, found: list(found))


async def test_crashed_databases_refuse_all_further_use() -> None:
    held = databases()
    await held.make(GAMES)
    await held.write(GAMES, [("CREATE TABLE t (k)", ())])
    found = held.crash()
    for call in (
        held.make(GAMES),
        held.exists(GAMES),
        rows(held, "SELECT 1"),
        held.write(GAMES, []),
        held.remove(GAMES),
    ):
        with pytest.raises(EngineFailed, match="lost its power"):
            await call
    assert await rows(found, "SELECT * FROM t") == []
    found.close()


@pytest.mark.parametrize(("after", "kept"), [(0.5, []), (1.5, [(1,)])])
async def test_a_crash_comes_before_a_write_or_between_it_and_its_news(
    after: float, kept: list[SqlRow]
) -> None:
    slow = False

    async def pause() -> None:
        await trio.sleep(1 if slow else 0)

    held = databases(pause=pause)
    await held.make(GAMES)
    await held.write(GAMES, [("CREATE TABLE t (k)", ())])

    async def write() -> None:
        with pytest.raises(EngineFailed):
            await held.write(GAMES, [("INSERT INTO t VALUES (1)", ())])

    async with trio.open_nursery() as nursery:
        slow = True
        nursery.start_soon(write)
        await trio.sleep(after)
        found = held.crash()
    assert await rows(found, "SELECT * FROM t") == kept
    found.close()


async def test_they_break_and_heal_as_asked_and_damage_outlives_a_crash() -> None:
    held = databases()
    await held.make(GAMES)
    held.broken = "full"
    with pytest.raises(EngineFailed, match="games of chess:nectar: full") as caught:
        await rows(held, "SELECT 1")
    assert caught.value.of_disk
    held.broken = None
    held.damaged[GAMES] = "torn"
    held = held.crash()
    with pytest.raises(EngineFailed, match="torn"):
        await held.write(GAMES, [])
    await held.remove(GAMES)
    held.close()


CHANCE = "SELECT random(), random(), hex(randomblob(8))"


async def test_the_chance_of_sql_is_the_nodes_own() -> None:
    found = []
    for seed in (1, 1, 2):
        held = databases(seed)
        await held.make(GAMES)
        found.append(await rows(held, CHANCE))
        held.close()
    assert found[0] == found[1] != found[2]
    ((first, second, blob),) = found[0]
    assert first != second
    assert len(blob) == 16


async def test_the_time_of_sql_is_the_nodes_own() -> None:
    held = databases()
    await held.make(GAMES)
    await trio.sleep(3600)
    shown = await rows(
        held,
        "SELECT datetime(), datetime('now', '+1 day'), date('now', 'localtime'), time(), CURRENT_TIMESTAMP, "
        "CURRENT_DATE, strftime('%H:%M', 'now'), unixepoch('now'), datetime(0, 'unixepoch'), date('2020-01-31')",
    )
    assert shown == [
        (
            "2023-11-14 23:13:20", "2023-11-15 23:13:20", "2023-11-14", "23:13:20", "2023-11-14 23:13:20",
            "2023-11-14", "23:13", 1_700_003_600, "1970-01-01 00:00:00", "2020-01-31",
        )
    ]  # fmt: skip
    await held.write(
        GAMES,
        [("CREATE TABLE t (at DEFAULT CURRENT_TIMESTAMP, n)", ()), ("INSERT INTO t (n) VALUES (1)", ())],
    )
    assert await rows(held, "SELECT at FROM t") == [("2023-11-14 23:13:20",)]
    held.close()
