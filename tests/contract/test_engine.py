"""What every Engine does, the one on RocksDB and the one in memory, crashes included."""

from __future__ import annotations

import shutil
from abc import ABC, abstractmethod
from pathlib import Path

import attrs
import hypothesis.strategies as st
import pytest
import trio
from hypothesis import given, settings

from kernel.address import PackageId
from runtime.engine import RocksEngine
from runtime.sim.engine import MemoryEngine
from runtime.sim.workers import InlineWorkers
from sys_processes.devices import DatabaseName, KeyWrite, NoDatabase

GAMES = DatabaseName(PackageId("chess", "nectar"), "games")
OTHERS = DatabaseName(PackageId("chess", "other"), "games")

AnyEngine = RocksEngine | MemoryEngine


class Bench(ABC):
    """Opens engines and crashes them."""

    @abstractmethod
    async def open(self) -> AnyEngine: ...

    @abstractmethod
    async def crash(self, engine: AnyEngine) -> AnyEngine:
        """The engine as the next boot finds it."""

    @abstractmethod
    async def aclose(self) -> None: ...


@attrs.define
class RocksBench(Bench):
    folder: Path
    opened: list[RocksEngine] = attrs.Factory(list)

    async def open(self) -> RocksEngine:
        place = self.folder / str(len(self.opened))
        engine = await RocksEngine.open(place, InlineWorkers(), most_open=2)
        self.opened.append(engine)
        return engine

    async def crash(self, engine: AnyEngine) -> RocksEngine:
        # What a killed process leaves are its files as they are at that moment.
        here, place = (self.folder / str(len(self.opened) - n) for n in (1, 0))
        shutil.copytree(here, place)
        return await self.open()

    async def aclose(self) -> None:
        for engine in self.opened:
            await engine.aclose()


class MemoryBench(Bench):
    async def open(self) -> MemoryEngine:
        return MemoryEngine()

    async def crash(self, engine: AnyEngine) -> MemoryEngine:
        assert isinstance(engine, MemoryEngine)
        return engine.crash()

    async def aclose(self) -> None:
        pass


@pytest.fixture(params=["rocks", "memory"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    return RocksBench(tmp_path) if request.param == "rocks" else MemoryBench()


async def test_what_was_written_is_read_whatever_the_bytes(bench: Bench) -> None:
    engine = await bench.open()
    await engine.make(GAMES)
    pairs: list[KeyWrite] = [
        (b"", b"no key"),
        (b"a", b""),
        (b"\0\xff", b"\0"),
        (b"k" * 70_000, b"v" * 200_000),
    ]
    await engine.write(GAMES, pairs)
    for key, value in pairs:
        assert await engine.get(GAMES, key) == value
    assert await engine.get(GAMES, b"missing") is None
    await bench.aclose()


async def test_a_batch_happens_in_its_order(bench: Bench) -> None:
    engine = await bench.open()
    await engine.make(GAMES)
    await engine.write(GAMES, [(b"a", b"1"), (b"b", b"1"), (b"a", None), (b"b", b"2"), (b"none", None)])
    await engine.write(GAMES, [])
    assert await engine.get(GAMES, b"a") is None
    assert await engine.get(GAMES, b"b") == b"2"
    await bench.aclose()


async def test_what_nobody_made_is_missing_and_making_it_twice_loses_nothing(bench: Bench) -> None:
    engine = await bench.open()
    for call in (engine.get(GAMES, b"a"), engine.write(GAMES, [(b"a", b"1")]), engine.remove(GAMES)):
        with pytest.raises(NoDatabase, match="games of chess:nectar"):
            await call
    assert not await engine.exists(GAMES)
    await engine.make(GAMES)
    await engine.write(GAMES, [(b"a", b"1")])
    await engine.make(GAMES)
    assert await engine.exists(GAMES)
    assert await engine.get(GAMES, b"a") == b"1"
    await bench.aclose()


async def test_databases_of_one_name_in_two_packages_do_not_meet(bench: Bench) -> None:
    """C-156."""
    engine = await bench.open()
    await engine.make(GAMES)
    await engine.write(GAMES, [(b"a", b"mine")])
    assert not await engine.exists(OTHERS)
    await engine.make(OTHERS)
    assert await engine.get(OTHERS, b"a") is None
    await engine.remove(OTHERS)
    assert await engine.get(GAMES, b"a") == b"mine"
    await bench.aclose()


async def test_the_databases_of_a_package_are_listed(bench: Bench) -> None:
    engine = await bench.open()
    assert await engine.names(GAMES.package) == []
    second = DatabaseName(GAMES.package, "a")
    for name in (GAMES, second, OTHERS):
        await engine.make(name)
    assert await engine.names(GAMES.package) == [second, GAMES]
    await engine.remove(second)
    assert await engine.names(GAMES.package) == [GAMES]
    await bench.aclose()


async def test_removing_leaves_nothing_behind(bench: Bench) -> None:
    engine = await bench.open()
    await engine.make(GAMES)
    await engine.write(GAMES, [(b"a", b"1")])
    await engine.remove(GAMES)
    assert not await engine.exists(GAMES)
    engine = await bench.crash(engine)
    assert not await engine.exists(GAMES)
    await engine.make(GAMES)
    assert await engine.get(GAMES, b"a") is None
    await bench.aclose()


async def test_many_databases_and_many_tasks_at_once(bench: Bench) -> None:
    """More of them than stay open."""
    engine = await bench.open()
    names = [DatabaseName(GAMES.package, f"db{n}") for n in range(5)]

    async def use(name: DatabaseName, task: int) -> None:
        await engine.make(name)
        for n in range(4):
            await engine.write(name, [(b"%d-%d" % (task, n), name.db.encode())])
            assert await engine.get(name, b"%d-%d" % (task, n)) == name.db.encode()

    async with trio.open_nursery() as nursery:
        for name in names:
            for task in range(3):
                nursery.start_soon(use, name, task)
    engine = await bench.crash(engine)
    for name in names:
        assert [await engine.get(name, b"%d-3" % task) for task in range(3)] == [name.db.encode()] * 3
    await bench.aclose()


async def test_a_crash_keeps_what_was_acknowledged(bench: Bench) -> None:
    engine = await bench.open()
    await engine.make(GAMES)
    await engine.write(GAMES, [(b"a", b"1"), (b"b", b"1")])
    await engine.write(GAMES, [(b"a", None)])
    engine = await bench.crash(engine)
    assert await engine.get(GAMES, b"a") is None
    assert await engine.get(GAMES, b"b") == b"1"
    await bench.aclose()


KEYS = st.sampled_from([b"", b"a", b"b"])
BATCHES = st.lists(st.tuples(KEYS, st.none() | st.sampled_from([b"1", b"2"])), max_size=3)
STEPS = st.lists(st.sampled_from(["make", "remove", "crash"]) | BATCHES, max_size=12)


async def follow(bench: Bench, steps: list[list[KeyWrite] | str]) -> None:
    engine = await bench.open()
    image: dict[bytes, bytes] | None = None
    for step in steps:
        try:
            match step:
                case "make":
                    await engine.make(GAMES)
                    image = image or {}
                case "remove":
                    await engine.remove(GAMES)
                    image = None
                case "crash":
                    engine = await bench.crash(engine)
                case list(batch):
                    await engine.write(GAMES, batch)
                    assert image is not None
                    image |= {key: value for key, value in batch if value is not None}
                    last = dict(batch)
                    image = {key: value for key, value in image.items() if last.get(key, value) is not None}
                    image |= {key: value for key, value in last.items() if value is not None}
        except NoDatabase:
            assert image is None
        assert await engine.exists(GAMES) == (image is not None)
    if image is not None:
        assert [await engine.get(GAMES, key) for key in (b"", b"a", b"b")] == [
            image.get(key) for key in (b"", b"a", b"b")
        ]


@given(STEPS)
@settings(max_examples=80)
async def test_the_engine_in_memory_agrees_with_a_dict_through_crashes(
    steps: list[list[KeyWrite] | str],
) -> None:
    await follow(MemoryBench(), steps)


@given(STEPS)
@settings(max_examples=15, deadline=None)
async def test_the_engine_on_rocksdb_agrees_with_a_dict_through_crashes(
    tmp_path_factory: pytest.TempPathFactory, steps: list[list[KeyWrite] | str]
) -> None:
    bench = RocksBench(tmp_path_factory.mktemp("engine"))
    try:
        await follow(bench, steps)
    finally:
        await bench.aclose()


async def test_no_more_are_kept_open_than_was_said_and_nothing_is_lost_by_it(bench: Bench) -> None:
    engine = await bench.open()
    names = [DatabaseName(GAMES.package, f"db{number}") for number in range(4)]
    await engine.keep_open(2)
    for name in names:
        await engine.make(name)
        await engine.write(name, [(b"k", name.db.encode())])
    assert engine.closings == 2
    assert [await engine.get(name, b"k") for name in names] == [name.db.encode() for name in names]
    assert engine.closings == 6
    await engine.keep_open(4)
    for name in (*names, *names):
        await engine.get(name, b"k")
    await engine.keep_open(1)
    assert engine.closings == 6
    assert await engine.get(names[3], b"k") == b"db3"
    assert engine.closings == 6
    await bench.aclose()
