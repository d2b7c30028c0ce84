"""What only a folder of the machine has: symlinks, pipes, other people's files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import trio

from runtime.disk import SCRATCH, FolderDisk
from runtime.sim.workers import InlineWorkers
from runtime.workers import ThreadWorkers
from sys_processes.devices import FileInfo, FileType


def names(folder: Path) -> list[str]:
    return sorted(below.name for below in folder.iterdir())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    root.mkdir()
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    (root / "to_folder").symlink_to(outside)
    (root / "to_file").symlink_to(outside / "secret")
    (root / "to_nothing").symlink_to(tmp_path / "nothing")
    return root


async def test_no_call_goes_through_a_symlink_to_a_folder(root: Path) -> None:
    disk = await FolderDisk.open(root, InlineWorkers())
    await disk.write("mine", b"")
    for call in (disk.read, disk.info, disk.list, disk.make_folder, disk.sync):
        with pytest.raises(NotADirectoryError):
            await call("to_folder/secret")
    with pytest.raises(NotADirectoryError):
        await disk.write("to_folder/planted", b"")
    with pytest.raises(NotADirectoryError):
        await disk.rename("mine", "to_folder/planted")
    await disk.remove("to_folder/secret")
    assert (root.parent / "outside" / "secret").read_bytes() == b"secret"
    assert names(root.parent / "outside") == ["secret"]


async def test_a_symlink_is_seen_but_neither_read_nor_written_through(root: Path) -> None:
    disk = await FolderDisk.open(root, InlineWorkers())
    assert await disk.list("") == [
        (name, FileType.Symlink) for name in ("to_file", "to_folder", "to_nothing")
    ]
    assert await disk.info("to_file") == FileInfo(FileType.Symlink, 0)
    with pytest.raises(OSError, match="to_file"):
        await disk.read("to_file")
    with pytest.raises(NotADirectoryError):
        await disk.list("to_folder")
    await disk.write("to_file", b"replaced")
    await disk.write("to_nothing", b"replaced")
    assert (root.parent / "outside" / "secret").read_bytes() == b"secret"
    assert "nothing" not in names(root.parent)
    assert await disk.read("to_file") == b"replaced"


async def test_removing_a_symlink_or_a_folder_with_one_leaves_what_it_points_to(root: Path) -> None:
    disk = await FolderDisk.open(root, InlineWorkers())
    await disk.make_folder("folder")
    await disk.rename("to_folder", "folder/link")
    await disk.sync("folder")
    await disk.remove("folder")
    await disk.remove("to_file")
    assert await disk.list("") == [("to_nothing", FileType.Symlink)]
    assert (root.parent / "outside" / "secret").read_bytes() == b"secret"


async def test_a_pipe_is_refused_and_nobody_waits_for_its_other_end(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    disk = await FolderDisk.open(tmp_path, InlineWorkers())
    assert await disk.info("pipe") == FileInfo(FileType.Other, 0)
    with pytest.raises(OSError, match="Invalid argument"):
        await disk.read("pipe")


async def test_a_name_that_is_no_text_is_not_listed(tmp_path: Path) -> None:
    (tmp_path / "fine").write_bytes(b"")
    (tmp_path / os.fsdecode(b"\xff")).write_bytes(b"")
    disk = await FolderDisk.open(tmp_path, InlineWorkers())
    assert await disk.list("") == [("fine", FileType.File)]


async def test_half_written_files_of_a_killed_node_are_cleared_and_never_listed(tmp_path: Path) -> None:
    (tmp_path / SCRATCH).mkdir()
    (tmp_path / SCRATCH / "0").write_bytes(b"half")
    disk = await FolderDisk.open(tmp_path, InlineWorkers())
    assert await disk.list("") == []
    await disk.write("a", b"whole")
    assert names(tmp_path / SCRATCH) == []


async def test_a_scratch_folder_that_is_a_symlink_is_replaced(root: Path) -> None:
    (root / SCRATCH).symlink_to(root.parent / "outside")
    disk = await FolderDisk.open(root, InlineWorkers())
    await disk.write("a", b"")
    assert names(root.parent / "outside") == ["secret"]


async def test_calls_leave_no_descriptor_open(root: Path) -> None:
    disk = await FolderDisk.open(root, InlineWorkers())
    await disk.write("a/b", b"1")
    before = names(Path("/dev/fd"))
    for path in ("a", "a/b", "to_file", "to_folder/x", "missing", "", ".."):
        for call in (disk.read, disk.info, disk.list, disk.sync):
            try:
                await call(path)
            except OSError:
                continue
    assert names(Path("/dev/fd")) == before


@pytest.mark.real_clock
async def test_readers_see_one_whole_version_while_writers_replace_it(tmp_path: Path) -> None:
    disk = await FolderDisk.open(tmp_path, ThreadWorkers())
    versions = [bytes([number]) * 50_000 for number in range(4)]
    await disk.write("file", versions[0])

    async def write(version: bytes) -> None:
        for _ in range(5):
            await disk.write("file", version)

    async def read() -> None:
        for _ in range(20):
            assert await disk.read("file") in versions

    async with trio.open_nursery() as nursery:
        for version in versions:
            nursery.start_soon(write, version)
        nursery.start_soon(read)
        nursery.start_soon(read)
