"""What only the store in memory can do: crash half-way, break on request."""

from __future__ import annotations

from functools import partial

import pytest
import trio

from kernel.ports import Put, StoreFailed
from runtime.sim.chance import SeededChance
from runtime.sim.choices import Choice, Choices, TapeChoices
from runtime.sim.store import MemoryStore
from runtime.sim.workers import drawn_pause


async def test_a_crash_keeps_as_many_unflushed_batches_as_asked() -> None:
    store = MemoryStore()
    for number in range(4):
        store.apply([Put("t", str(number), b""), Put("u", str(number), b"")])
    found = store.crash(keep=2)
    assert [key for key, _ in await found.scan("t")] == ["0", "1"]
    assert [key for key, _ in await found.scan("u")] == ["0", "1"]


@pytest.mark.parametrize(
    ("keep", "found"),
    [("flushed", ["0"]), ("all", ["0", "1", "2"]), ("nothing", []), (1, ["0", "1"])],
)
async def test_a_crash_leaves_what_is_asked_for_and_may_be_asked_again(keep, found) -> None:
    store = MemoryStore()
    store.apply([Put("t", "0", b"")])
    await store.flush()
    for number in (1, 2):
        store.apply([Put("t", str(number), b"")])
    store.crash()
    after = store.crash(keep)
    assert [key for key, _ in await after.scan("t")] == found
    assert [key for key, _ in await after.crash().scan("t")] == found


@pytest.mark.parametrize("kept", [0, 1, 2])
async def test_how_many_batches_a_crash_keeps_may_be_chosen(kept) -> None:
    store = MemoryStore()
    for number in range(2):
        store.apply([Put("t", str(number), b"")])
    choices = Choices(TapeChoices([Choice("disk batches kept", 3, kept)]))
    assert len(await store.crash(choices).scan("t")) == kept


async def test_after_a_crash_the_dead_node_changes_nothing() -> None:
    store = MemoryStore()
    found = store.crash()
    store.apply([Put("t", "a", b"ghost")])
    with pytest.raises(StoreFailed, match="lost its power"):
        await store.flush()
    assert await found.read("t", "a") is None


async def test_a_crash_during_a_flush_loses_the_batch_and_the_flush_does_not_return() -> None:
    store = MemoryStore(pause=partial(trio.sleep, 1))
    store.apply([Put("t", "a", b"1")])
    async with trio.open_nursery() as nursery:

        async def flush() -> None:
            with pytest.raises(StoreFailed):
                await store.flush()

        nursery.start_soon(flush)
        await trio.sleep(0.5)
        found = store.crash()
    assert await found.read("t", "a") is None


async def test_a_flush_covers_only_what_was_applied_before_it() -> None:
    store = MemoryStore(pause=partial(trio.sleep, 1))
    store.apply([Put("t", "before", b"")])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(store.flush)
        await trio.sleep(0.5)
        store.apply([Put("t", "during", b"")])
    found = store.crash()
    assert [key for key, _ in await found.scan("t")] == ["before"]


async def test_a_broken_store_raises_its_reason_until_it_is_mended() -> None:
    store = MemoryStore()
    store.apply([Put("t", "a", b"1")])
    store.broken = "the disk is full"
    with pytest.raises(StoreFailed, match="the disk is full"):
        await store.flush()
    with pytest.raises(StoreFailed, match="the disk is full"):
        await store.read("t", "a")
    store.broken = None
    await store.flush()
    assert await store.crash().read("t", "a") == b"1"


async def test_drawn_pauses_take_the_same_virtual_time_for_the_same_seed() -> None:
    async def took(seed: int) -> float:
        start = trio.current_time()
        store = MemoryStore(drawn_pause(SeededChance(seed), "disk", 0.01))
        for _ in range(10):
            await store.flush()
        return trio.current_time() - start

    first = await took(7)
    assert 0 < first <= 0.1
    assert await took(7) == pytest.approx(first)
    assert await took(8) != pytest.approx(first)


async def test_a_crash_keeps_as_much_as_it_is_told() -> None:
    store = MemoryStore()
    store.apply([Put("t", "flushed", b"1")])
    await store.flush()
    store.apply([Put("t", "queued", b"2")])
    assert store.peek("t", "queued") == b"2"
    left = {
        keep: [key for key, _ in await store.crash(keep).scan("t")] for keep in ("flushed", "all", "nothing")
    }
    assert left == {"flushed": ["flushed"], "all": ["flushed", "queued"], "nothing": []}
    assert store.peek("t", "queued") == b"2"
