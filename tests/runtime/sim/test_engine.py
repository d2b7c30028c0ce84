"""What only the engine in memory can do: lose its power, break on request, take its time."""

from __future__ import annotations

import pytest
import trio

from kernel.address import PackageId
from runtime.sim.chance import SeededChance
from runtime.sim.engine import MemoryEngine
from runtime.sim.workers import drawn_pause
from sys_processes.devices import DatabaseName, EngineFailed

GAMES = DatabaseName(PackageId("chess", "nectar"), "games")
OTHER = DatabaseName(PackageId("chess", "nectar"), "other")


async def test_a_crashed_engine_refuses_all_further_use() -> None:
    engine = MemoryEngine()
    await engine.make(GAMES)
    found = engine.crash()
    for call in (
        engine.make(OTHER),
        engine.exists(GAMES),
        engine.get(GAMES, b""),
        engine.write(GAMES, []),
        engine.remove(GAMES),
    ):
        with pytest.raises(EngineFailed, match="lost its power") as caught:
            await call
        assert caught.value.of_disk
    assert await found.exists(GAMES)
    await found.write(GAMES, [(b"a", b"1")])
    assert engine._kept == {GAMES: {}}


@pytest.mark.parametrize(("after", "kept"), [(0.5, None), (1.5, b"1")])
async def test_a_crash_comes_before_a_write_or_between_it_and_its_news(
    after: float, kept: bytes | None
) -> None:
    async def pause() -> None:
        await trio.sleep(1)

    engine = MemoryEngine(pause)
    await engine.make(GAMES)

    async def write() -> None:
        with pytest.raises(EngineFailed):
            await engine.write(GAMES, [(b"a", b"1")])

    async with trio.open_nursery() as nursery:
        nursery.start_soon(write)
        await trio.sleep(after)
        found = engine.crash()
    assert await found.get(GAMES, b"a") == kept


async def test_it_breaks_and_heals_as_asked_and_damage_outlives_a_crash() -> None:
    engine = MemoryEngine()
    await engine.make(GAMES)
    await engine.make(OTHER)
    engine.broken = "full"
    with pytest.raises(EngineFailed, match="games of chess:nectar: full"):
        await engine.get(GAMES, b"a")
    engine.broken = None
    engine.damaged[GAMES] = "torn"
    engine = engine.crash()
    with pytest.raises(EngineFailed, match="torn") as caught:
        await engine.write(GAMES, [(b"a", b"1")])
    assert not caught.value.of_disk
    assert await engine.get(OTHER, b"a") is None


async def test_its_delays_are_drawn() -> None:
    async def run(seed: int) -> float:
        begin = trio.current_time()
        engine = MemoryEngine(drawn_pause(SeededChance(seed), "engine", 2.0))
        await engine.make(GAMES)
        await engine.get(GAMES, b"a")
        return trio.current_time() - begin

    first = await run(1)
    assert 0 < first <= 6
    assert await run(1) == pytest.approx(first)
    assert await run(2) != pytest.approx(first)
