"""What every Disk does, a folder of the machine and the one in memory, crashes included."""

from __future__ import annotations

import errno
import os
import shutil
from abc import ABC, abstractmethod
from pathlib import Path

import attrs
import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from runtime.disk import FolderDisk
from runtime.sim.disk import MemoryDisk
from runtime.sim.workers import InlineWorkers
from sys_processes.devices import Disk, FileInfo, FileType


class Bench(ABC):
    """Opens disks and crashes them."""

    @abstractmethod
    async def open(self) -> Disk: ...

    @abstractmethod
    async def crash(self, disk: Disk) -> Disk:
        """The disk as the next boot finds it."""


@attrs.define
class FolderBench(Bench):
    folder: Path
    opened: int = 0

    async def open(self) -> FolderDisk:
        self.opened += 1
        return await FolderDisk.open(self.folder / str(self.opened), InlineWorkers())

    async def crash(self, disk: Disk) -> FolderDisk:
        # A killed process loses nothing that reached the system; a power cut cannot be had in a test.
        shutil.copytree(self.folder / str(self.opened), self.folder / str(self.opened + 1))
        return await self.open()


class MemoryBench(Bench):
    async def open(self) -> MemoryDisk:
        return MemoryDisk()

    async def crash(self, disk: Disk) -> MemoryDisk:
        assert isinstance(disk, MemoryDisk)
        return disk.crash()


@pytest.fixture(params=["folder", "memory"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    return FolderBench(tmp_path) if request.param == "folder" else MemoryBench()


async def test_a_written_file_is_read_back_and_its_folders_exist(bench: Bench) -> None:
    disk = await bench.open()
    await disk.write("a/b/c.txt", b"one")
    await disk.write("a/b/c.txt", b"three")
    assert await disk.read("a/b/c.txt") == b"three"
    assert await disk.info("a/b/c.txt") == FileInfo(FileType.File, 5)
    assert await disk.info("a/b") == FileInfo(FileType.Directory, 0)


async def test_a_list_is_sorted_and_tells_files_from_folders(bench: Bench) -> None:
    disk = await bench.open()
    assert await disk.list("") == []
    await disk.write("b", b"")
    await disk.make_folder("a/deep/down")
    await disk.write("ä", b"")
    await disk.write("B", b"")
    listed = [("B", FileType.File), ("a", FileType.Directory), ("b", FileType.File), ("ä", FileType.File)]
    assert await disk.list("") == listed
    assert await disk.list("a") == [("deep", FileType.Directory)]
    assert await disk.info("") == FileInfo(FileType.Directory, 0)


async def test_what_is_missing_raises_and_names_the_path(bench: Bench) -> None:
    disk = await bench.open()
    for call in (disk.read, disk.list, disk.info, disk.sync):
        with pytest.raises(FileNotFoundError, match="no/such"):
            await call("no/such")
    with pytest.raises(FileNotFoundError, match="no/such"):
        await disk.rename("no/such", "other")
    await disk.write("file", b"")
    with pytest.raises(FileNotFoundError):
        await disk.rename("file", "no/such/folder")


async def test_a_file_is_no_folder_and_a_folder_no_file(bench: Bench) -> None:
    disk = await bench.open()
    await disk.write("file", b"")
    await disk.make_folder("folder")
    for refused in (disk.list, disk.make_folder):
        with pytest.raises(NotADirectoryError):
            await refused("file")
    for below in (disk.read, disk.info, disk.list, disk.make_folder):
        with pytest.raises(NotADirectoryError):
            await below("file/x")
    with pytest.raises(NotADirectoryError):
        await disk.write("file/x", b"")
    for whole in ("folder", ""):
        with pytest.raises(IsADirectoryError):
            await disk.read(whole)
        with pytest.raises(IsADirectoryError):
            await disk.write(whole, b"")


async def test_making_a_folder_twice_is_no_error(bench: Bench) -> None:
    disk = await bench.open()
    await disk.make_folder("a/b")
    await disk.write("a/b/c", b"1")
    await disk.make_folder("a/b")
    await disk.make_folder("")
    assert await disk.read("a/b/c") == b"1"


async def test_removing_takes_all_that_is_below_and_what_is_missing_is_no_error(bench: Bench) -> None:
    disk = await bench.open()
    await disk.write("a/b/c", b"1")
    await disk.write("a/d", b"1")
    await disk.remove("a/b")
    assert await disk.list("a") == [("d", FileType.File)]
    await disk.remove("a/d")
    for missing in ("a/b", "a/b/c", "nothing", "a"):
        await disk.remove(missing)
    assert await disk.list("") == []
    await disk.write("file", b"")
    await disk.remove("file/x")
    with pytest.raises(OSError, match=os.strerror(errno.EBUSY)):
        await disk.remove("")
    assert await disk.list("") == [("file", FileType.File)]


async def test_renaming_replaces_a_file_and_an_empty_folder_only(bench: Bench) -> None:
    disk = await bench.open()
    await disk.write("f", b"new")
    await disk.write("g", b"old")
    await disk.rename("f", "g")
    assert await disk.read("g") == b"new"
    await disk.rename("g", "g")
    await disk.write("full/x", b"x")
    await disk.make_folder("empty")
    refused = [
        ("empty", "full", errno.ENOTEMPTY),
        ("g", "empty", errno.EISDIR),
        ("empty", "g", errno.ENOTDIR),
    ]
    refused += [("full", "full/x/y", errno.ENOTDIR), ("full", "full/y", errno.EINVAL)]
    refused += [("full/x", "full", errno.ENOTEMPTY), ("", "h", errno.EBUSY), ("g", "", errno.EBUSY)]
    for old, new, code in refused:
        with pytest.raises(OSError, match=os.strerror(code)):
            await disk.rename(old, new)
    await disk.rename("full", "empty")
    assert await disk.read("empty/x") == b"x"
    assert await disk.list("") == [("empty", FileType.Directory), ("g", FileType.File)]


async def test_a_file_is_read_and_changed_piece_by_piece(bench: Bench) -> None:
    disk = await bench.open()
    await disk.touch("a/file")
    assert await disk.read("a/file") == b""
    await disk.write_at("a/file", 2, b"cdef")
    assert await disk.read("a/file") == b"\0\0cdef"
    await disk.write_at("a/file", 0, b"ab")
    await disk.touch("a/file")
    pieces = [await disk.read_at("a/file", offset, 4) for offset in (0, 4, 6, 100)]
    assert pieces == [b"abcd", b"ef", b"", b""]
    await disk.set_len("a/file", 3)
    await disk.set_len("a/file", 5)
    assert await disk.read("a/file") == b"abc\0\0"


async def test_a_copy_is_a_file_of_its_own(bench: Bench) -> None:
    disk = await bench.open()
    await disk.write("one", b"1" * 3_000_000)
    await disk.write("two", b"2")
    await disk.copy("one", "two")
    await disk.copy("one", "one")
    await disk.write_at("one", 0, b"x")
    assert await disk.read("two") == b"1" * 3_000_000
    await disk.make_folder("folder")
    for old, new, problem in (
        ("folder", "two", IsADirectoryError),
        ("two", "folder", IsADirectoryError),
        ("nothing", "two", FileNotFoundError),
        ("two", "no/folder", FileNotFoundError),
    ):
        with pytest.raises(problem):
            await disk.copy(old, new)
    assert await disk.read("two") == b"1" * 3_000_000


async def test_only_a_file_or_an_empty_folder_is_unlinked(bench: Bench) -> None:
    disk = await bench.open()
    await disk.write("folder/file", b"1")
    with pytest.raises(OSError, match=os.strerror(errno.ENOTEMPTY)):
        await disk.unlink("folder")
    await disk.unlink("folder/file")
    await disk.unlink("folder")
    assert await disk.list("") == []
    with pytest.raises(FileNotFoundError):
        await disk.unlink("folder")
    with pytest.raises(OSError, match=os.strerror(errno.EBUSY)):
        await disk.unlink("")


@pytest.mark.parametrize(
    "path", ["/a", "a/", "a//b", "..", "a/../b", ".", "a/./b", "a\0b", ".nectar-scratch/x"]
)
async def test_a_path_that_is_not_normalised_is_refused_everywhere(bench: Bench, path: str) -> None:
    disk = await bench.open()
    await disk.write("safe", b"")
    for call in (
        disk.read,
        disk.list,
        disk.info,
        disk.make_folder,
        disk.remove,
        disk.sync,
        disk.touch,
        disk.unlink,
    ):
        with pytest.raises(OSError, match="Invalid argument"):
            await call(path)
    with pytest.raises(OSError, match="Invalid argument"):
        await disk.write(path, b"")
    with pytest.raises(OSError, match="Invalid argument"):
        await disk.rename("safe", path)


async def test_names_too_long_and_paths_too_deep_are_refused(bench: Bench) -> None:
    disk = await bench.open()
    for path in ("x" * 256, "ä" * 128, "/".join("x" * 129)):
        with pytest.raises(OSError, match=os.strerror(errno.ENAMETOOLONG)):
            await disk.write(path, b"")
    await disk.write("x" * 255, b"")
    await disk.write("/".join("y" * 128), b"deep")
    await disk.sync("y")
    assert await disk.read("/".join("y" * 128)) == b"deep"


async def test_a_crash_keeps_what_was_synced(bench: Bench) -> None:
    disk = await bench.open()
    await disk.write("a/b/file", b"kept")
    await disk.sync("a/b/file")
    await disk.write("c/d/file", b"kept too")
    await disk.make_folder("c/empty")
    await disk.sync("c")
    await disk.write("whole", b"1")
    await disk.remove("c/d")
    await disk.sync("")
    found = await bench.crash(disk)
    assert await found.read("a/b/file") == b"kept"
    assert await found.list("c") == [("empty", FileType.Directory)]
    assert await found.read("whole") == b"1"


async def test_a_crash_leaves_a_file_whole_as_it_was_or_whole_as_it_became(bench: Bench) -> None:
    disk = await bench.open()
    await disk.write("file", b"before")
    await disk.sync("file")
    await disk.write("file", b"and after")
    found = await bench.crash(disk)
    assert await found.read("file") in (b"before", b"and after")


PATHS = st.sampled_from(["", "a", "b", "a/a", "a/b", "b/a", "a/a/a", "a/b/c"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), PATHS, st.binary(max_size=2)),
        st.tuples(st.just("rename"), PATHS, PATHS),
        st.tuples(st.just("write_at"), PATHS, st.integers(0, 3), st.binary(max_size=2)),
        st.tuples(st.just("read_at"), PATHS, st.integers(0, 3), st.integers(0, 3)),
        st.tuples(st.just("set_len"), PATHS, st.integers(0, 3)),
        st.tuples(st.just("copy"), PATHS, PATHS),
        st.tuples(st.sampled_from(["read", "list", "info", "make_folder", "remove", "sync"]), PATHS),
        st.tuples(st.sampled_from(["touch", "unlink"]), PATHS),
    ),
    max_size=15,
)


async def outcome(disk: Disk, step: tuple[object, ...]) -> object:
    name, *args = step
    try:
        return await getattr(disk, str(name))(*args)
    except OSError as error:
        return error.errno


@given(STEPS)
@settings(max_examples=150)
async def test_both_disks_answer_any_sequence_of_calls_alike(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[object, ...]]
) -> None:
    real = await FolderDisk.open(tmp_path_factory.mktemp("disk"), InlineWorkers())
    simulated = MemoryDisk()
    for step in steps:
        assert (step, await outcome(real, step)) == (step, await outcome(simulated, step))
