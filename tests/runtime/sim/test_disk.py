"""What only the disk in memory can do: lose its power, break on request."""

from __future__ import annotations

import errno
import os
from functools import partial

import pytest
import trio

from runtime.sim.choices import Choice, Choices, TapeChoices
from runtime.sim.disk import MemoryDisk
from runtime.sim.workers import chosen_pause


async def test_a_crash_loses_what_was_not_synced() -> None:
    disk = MemoryDisk()
    await disk.write("a/file", b"before")
    await disk.sync("a/file")
    await disk.write("a/file", b"after")
    await disk.write("a/other", b"")
    found = disk.crash()
    assert await found.read("a/file") == b"before"
    with pytest.raises(FileNotFoundError):
        await found.read("a/other")


async def test_a_removal_lasts_only_once_its_folder_is_synced() -> None:
    disk = MemoryDisk()
    await disk.write("a/file", b"1")
    await disk.sync("")
    await disk.remove("a/file")
    assert await disk.crash().read("a/file") == b"1"
    again = MemoryDisk()
    await again.write("a/file", b"1")
    await again.sync("")
    await again.remove("a/file")
    await again.sync("a")
    assert await again.crash().list("a") == []


async def test_after_a_crash_the_dead_node_reaches_nothing_even_in_mid_call() -> None:
    disk = MemoryDisk(pause=partial(trio.sleep, 1))

    async def write() -> None:
        with pytest.raises(OSError, match=os.strerror(errno.EIO)):
            await disk.write("file", b"ghost")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(write)
        await trio.sleep(0.5)
        found = disk.crash()
    assert await found.list("") == []


async def test_writing_to_a_disk_made_from_a_crash_leaves_the_next_crash_its_image() -> None:
    disk = MemoryDisk()
    await disk.write("a/file", b"1")
    await disk.sync("")
    second = disk.crash()
    await second.write("a/file", b"2")
    await second.remove("a")
    assert await second.crash().read("a/file") == b"1"


async def test_a_broken_disk_raises_its_errno_until_it_is_mended() -> None:
    disk = MemoryDisk()
    disk.broken = errno.ENOSPC
    with pytest.raises(OSError, match="No space left"):
        await disk.write("file", b"")
    disk.broken = None
    await disk.write("file", b"")


async def test_a_write_beyond_the_capacity_changes_nothing_and_smaller_ones_go_on():
    disk = MemoryDisk()
    await disk.write("a/one", b"1234")
    disk.capacity = 6
    with pytest.raises(OSError, match="No space left"):
        await disk.write("a/two", b"123")
    with pytest.raises(OSError, match="No space left"):
        await disk.write("a/one", b"1234567")
    await disk.write("a/two", b"12")
    await disk.write("a/one", b"abcd")
    assert disk.size == 6
    assert await disk.read("a/one") == b"abcd"
    await disk.remove("a/two")
    await disk.write("a/one", b"123456")
    disk.capacity = None
    await disk.write("a/one", b"1" * 1000)


@pytest.mark.parametrize(("keep", "found"), [("flushed", [b"1"]), ("all", [b"2", b"new"]), ("nothing", [])])
async def test_a_crash_leaves_what_is_asked_for_and_may_be_asked_again(keep, found):
    disk = MemoryDisk()
    await disk.write("a", b"1")
    await disk.sync("a")
    await disk.write("a", b"2")
    await disk.write("b", b"new")
    disk.crash()
    after = disk.crash(keep)
    assert [await after.read(name) for name, _ in await after.list("")] == found
    assert after.crash().size == after.size


async def test_a_slow_disk_takes_as_long_as_is_chosen():
    disk = MemoryDisk(chosen_pause(Choices(TapeChoices([Choice("disk", 1001, 1000)])), "disk", 3.0))
    began = trio.current_time()
    await disk.write("a", b"1")
    assert trio.current_time() == pytest.approx(began + 3.0)
    await disk.write("a", b"2")
    assert trio.current_time() == pytest.approx(began + 3.0)


async def test_a_file_that_became_a_folder_can_be_synced_below() -> None:
    disk = MemoryDisk()
    await disk.write("a", b"file")
    await disk.sync("a")
    await disk.remove("a")
    await disk.write("a/b", b"1")
    await disk.sync("a/b")
    assert await disk.crash().read("a/b") == b"1"


async def test_a_crash_keeps_as_much_as_it_is_told() -> None:
    disk = MemoryDisk()
    await disk.write("synced", b"1")
    await disk.sync("synced")
    await disk.write("written", b"2")
    left = {
        keep: [name for name, _ in await disk.crash(keep).list("")] for keep in ("flushed", "all", "nothing")
    }
    assert left == {"flushed": ["synced"], "all": ["synced", "written"], "nothing": []}
