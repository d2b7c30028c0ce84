"""What every Store does, the one on SQLite and the one in memory, crashes included."""

from __future__ import annotations

import shutil
from abc import ABC, abstractmethod
from pathlib import Path

import attrs
import hypothesis.strategies as st
import pytest
import trio
from hypothesis import given, settings

from kernel.ports import Delete, Put, StoreFailed, Write
from runtime.sim.store import MemoryStore
from runtime.sim.workers import InlineWorkers
from runtime.store import SqliteStore

AnyStore = SqliteStore | MemoryStore


class Bench(ABC):
    """Opens stores and crashes them."""

    @abstractmethod
    async def open(self) -> AnyStore: ...

    @abstractmethod
    async def crash(self, store: AnyStore) -> AnyStore:
        """The store as the next boot finds it."""


@attrs.define
class SqliteBench(Bench):
    folder: Path
    opened: list[SqliteStore] = attrs.Factory(list)

    async def open(self) -> SqliteStore:
        place = self.folder / str(len(self.opened))
        place.mkdir()
        return await self._open(place)

    async def crash(self, store: AnyStore) -> SqliteStore:
        # What a killed process leaves are its files as they are at that moment.
        place = self.folder / str(len(self.opened))
        shutil.copytree(self.folder / str(len(self.opened) - 1), place)
        return await self._open(place)

    async def _open(self, place: Path) -> SqliteStore:
        store = await SqliteStore.open(place / "store.sqlite", InlineWorkers())
        self.opened.append(store)
        return store

    def close(self) -> None:
        for store in self.opened:
            store._writer.close()
            store._reader.close()


class MemoryBench(Bench):
    async def open(self) -> MemoryStore:
        return MemoryStore()

    async def crash(self, store: AnyStore) -> MemoryStore:
        assert isinstance(store, MemoryStore)
        return store.crash()


@pytest.fixture(params=["sqlite", "memory"])
def bench(request: pytest.FixtureRequest, tmp_path: Path):
    if request.param == "memory":
        yield MemoryBench()
    else:
        made = SqliteBench(tmp_path)
        yield made
        made.close()


async def test_reads_see_a_batch_as_soon_as_it_is_applied(bench: Bench) -> None:
    store = await bench.open()
    store.apply([Put("state", "a", b"1"), Put("state", "b", b"2"), Delete("state", "a")])
    assert await store.read("state", "a") is None
    assert await store.read("state", "b") == b"2"
    assert await store.scan("state") == [("b", b"2")]


async def test_a_missing_key_is_none_and_an_empty_value_is_not(bench: Bench) -> None:
    store = await bench.open()
    store.apply([Put("state", "empty", b"")])
    await store.flush()
    assert await store.read("state", "nothing") is None
    assert await store.read("state", "empty") == b""


async def test_tables_do_not_see_each_other(bench: Bench) -> None:
    store = await bench.open()
    store.apply([Put("state", "a", b"state"), Put("process", "a", b"process")])
    await store.flush()
    store.apply([Delete("state", "a")])
    assert await store.scan("state") == []
    assert await store.read("process", "a") == b"process"


async def test_a_scan_is_in_key_order_and_joins_written_and_waiting_batches(bench: Bench) -> None:
    store = await bench.open()
    store.apply([Put("t", "b", b"old"), Put("t", "ä", b"1"), Put("t", "Z", b"2"), Put("t", "gone", b"3")])
    await store.flush()
    store.apply(
        [Put("t", "b", b"new"), Put("t", "a\U0001f600", b"4"), Delete("t", "gone"), Put("t", "a￿", b"5")]
    )
    assert await store.scan("t") == [
        ("Z", b"2"),
        ("a￿", b"5"),
        ("a\U0001f600", b"4"),
        ("b", b"new"),
        ("ä", b"1"),
    ]


async def test_a_crash_keeps_what_was_flushed(bench: Bench) -> None:
    store = await bench.open()
    store.apply([Put("t", "a", b"1"), Put("t", "b", b"2")])
    await store.flush()
    store.apply([Delete("t", "a")])
    await store.flush()
    found = await bench.crash(store)
    assert await found.scan("t") == [("b", b"2")]


async def test_a_crash_loses_an_unflushed_batch_as_a_whole(bench: Bench) -> None:
    store = await bench.open()
    store.apply([Put("t", "a", b"1")])
    await store.flush()
    store.apply([Put("t", "a", b"2"), Put("t", "b", b"2")])
    found = await bench.crash(store)
    assert await found.scan("t") == [("a", b"1")]


async def test_closing_flushes_and_ends_all_use(bench: Bench) -> None:
    store = await bench.open()
    store.apply([Put("t", "a", b"1")])
    await store.aclose()
    await store.aclose()
    with pytest.raises(StoreFailed, match="closed"):
        await store.read("t", "a")
    with pytest.raises(StoreFailed, match="closed"):
        await store.flush()
    with pytest.raises(StoreFailed, match="closed"):
        store.apply([Delete("t", "a")])
    found = await bench.crash(store)
    assert await found.read("t", "a") == b"1"


async def test_a_cancelled_flush_loses_nothing(bench: Bench) -> None:
    store = await bench.open()
    store.apply([Put("t", "a", b"1")])
    with trio.CancelScope() as scope:
        scope.cancel()
        await store.flush()
    assert scope.cancelled_caught
    assert await store.read("t", "a") == b"1"
    await store.flush()
    found = await bench.crash(store)
    assert await found.read("t", "a") == b"1"


async def test_many_flushes_at_once_all_return_with_their_batches_durable(bench: Bench) -> None:
    store = await bench.open()

    async def write(number: int) -> None:
        store.apply([Put("t", f"{number:03}", b"x")])
        await store.flush()

    async with trio.open_nursery() as nursery:
        for number in range(50):
            nursery.start_soon(write, number)
    found = await bench.crash(store)
    assert len(await found.scan("t")) == 50


async def test_a_name_that_is_no_text_is_refused_before_anything_is_queued(bench: Bench) -> None:
    store = await bench.open()
    with pytest.raises(UnicodeEncodeError):
        store.apply([Put("t", "good", b"1"), Put("t", "\udc80", b"1")])
    await store.flush()
    assert await store.scan("t") == []


KEYS = st.sampled_from(["", "a", "b", "ab", "é", "\0", "\U0001f41d"])
TABLES = st.sampled_from(["p", "s"])
WRITES = st.one_of(st.builds(Put, TABLES, KEYS, st.binary(max_size=3)), st.builds(Delete, TABLES, KEYS))
FLUSH, CRASH, LOOK = "flush", "crash", "look"
STEPS = st.lists(st.lists(WRITES, max_size=5) | st.sampled_from([FLUSH, CRASH, LOOK]), max_size=25)

Image = dict[tuple[str, str], bytes]


def changed(image: Image, batch: list[Write]) -> Image:
    after = dict(image)
    for write in batch:
        match write:
            case Put(table, key, value):
                after[table, key] = value
            case Delete(table, key):
                after.pop((table, key), None)
    return after


async def image_of(store: AnyStore) -> Image:
    return {(table, key): value for table in ("p", "s") for key, value in await store.scan(table)}


async def follow(bench: Bench, steps: list[list[Write] | str]) -> None:
    """Holds the store against `images`: the durable state first, then one more after each batch since."""
    store = await bench.open()
    images: list[Image] = [{}]
    for step in steps:
        match step:
            case "flush":
                await store.flush()
                images = images[-1:]
            case "crash":
                store = await bench.crash(store)
                found = await image_of(store)
                assert found in images
                images = [found]
            case "look":
                assert await image_of(store) == images[-1]
                for table, key in [("p", "a"), ("s", "é")]:
                    assert await store.read(table, key) == images[-1].get((table, key))
            case list(batch):
                store.apply(batch)
                images.append(changed(images[-1], batch))
    assert await image_of(store) == images[-1]


@given(STEPS)
@settings(max_examples=60)
async def test_the_store_in_memory_agrees_with_a_dict_through_crashes(steps: list[list[Write] | str]) -> None:
    await follow(MemoryBench(), steps)


@given(STEPS)
@settings(max_examples=25)
async def test_the_store_on_sqlite_agrees_with_a_dict_through_crashes(
    tmp_path_factory: pytest.TempPathFactory, steps: list[list[Write] | str]
) -> None:
    bench = SqliteBench(tmp_path_factory.mktemp("store"))
    try:
        await follow(bench, steps)
    finally:
        bench.close()
