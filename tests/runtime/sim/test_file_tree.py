"""What a power cut may leave of files: never less than what was synced, never more than what was written."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.sim.choices import Choice, Choices, SeedChoices, TapeChoices
from runtime.sim.disk import MemoryDisk
from runtime.sim.file_tree import Folder, size_of, torn
from sys_processes.devices import FileType


async def content(disk: MemoryDisk, path: str = "") -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for name, kind in await disk.list(path):
        below = f"{path}/{name}".lstrip("/")
        if kind is FileType.Directory:
            found |= await content(disk, below)
        else:
            found[below] = await disk.read(below)
    return found


PATHS = st.sampled_from(["a", "b", "c/a", "c/b", "c/d/a"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), PATHS, st.binary(min_size=1, max_size=6)),
        st.tuples(st.just("rename"), PATHS, PATHS),
        st.tuples(st.sampled_from(["remove", "sync"]), st.sampled_from(["a", "b", "c", "c/a", "c/d", ""])),
    ),
    max_size=15,
)


@settings(max_examples=60)
@given(STEPS, st.integers(0, 2**32))
async def test_every_file_is_as_it_was_or_part_of_what_was_written(steps, seed):
    disk = MemoryDisk()
    written: dict[bytes, None] = {}
    for name, *args in steps:
        try:
            await getattr(disk, name)(*args)
        except OSError:
            continue
        if name == "write":
            written[args[1]] = None
    now, flushed = await content(disk), await content(disk.crash())
    found = await content(disk.crash(Choices(SeedChoices(seed))))
    for path, data in found.items():
        assert data == flushed.get(path) or any(whole.startswith(data) for whole in written)
        assert path in now or path in flushed or data in flushed.values()
    for path, data in flushed.items():
        if now.get(path) == data:
            assert found[path] == data


@given(STEPS)
async def test_the_harmless_choices_leave_what_was_flushed(steps):
    disk = MemoryDisk()
    for name, *args in steps:
        try:
            await getattr(disk, name)(*args)
        except OSError:
            continue
    assert await content(disk.crash(Choices(TapeChoices([])))) == await content(disk.crash())


@given(st.integers(0, 2**32))
async def test_a_rename_is_done_or_not_and_loses_nothing(seed):
    """Write aside, sync, rename: how files are replaced safely."""
    disk = MemoryDisk()
    await disk.write("file", b"before")
    await disk.sync("")
    await disk.write("aside", b"after")
    await disk.sync("aside")
    await disk.rename("aside", "file")
    found = await content(disk.crash(Choices(SeedChoices(seed))))
    assert found in ({"file": b"before", "aside": b"after"}, {"file": b"after"})


@given(st.integers(0, 2**32))
async def test_renames_are_done_in_order(seed):
    disk = MemoryDisk()
    await disk.write("new/x", b"1")
    await disk.write("now/x", b"0")
    await disk.sync("")
    await disk.rename("now", "old")
    await disk.rename("new", "now")
    found = await content(disk.crash(Choices(SeedChoices(seed))))
    assert found in (
        {"new/x": b"1", "now/x": b"0"},
        {"new/x": b"1", "old/x": b"0"},
        {"now/x": b"1", "old/x": b"0"},
    )


@pytest.mark.parametrize(("how", "found"), [((0,), {}), ((1,), {"f": b"abc"}), ((2, 2), {"f": b"ab"})])
def test_a_write_is_lost_kept_or_torn(how, found):
    tape = [Choice("disk", 3, value) for value in how]
    after = torn(Folder(), Folder({"f": b"abc"}), [], Choices(TapeChoices(tape)))
    assert after.entries == found


def test_the_size_is_that_of_all_files():
    assert size_of(Folder({"a": b"12", "b": Folder({"c": b"345"})})) == 5
