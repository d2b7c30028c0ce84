from __future__ import annotations

import errno
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest
import trio

from kernel.address import PackageId, ProcessId
from kernel.jsontext import dump
from runtime import packages
from runtime.loader import DiskPrograms
from runtime.packages import (
    check_code,
    compile_plan,
    installed_packages,
    put_files,
    read_package,
    recover_all,
    remove_files,
)
from runtime.sim.disk import MemoryDisk
from runtime.sim.workers import InlineWorkers
from sys_processes.app_store.core import InstallPlan, Surroundings, plan_install
from sys_processes.app_store.fields import PackageError
from sys_processes.devices import FileType

NODE = Surroundings("alice.uq", ())
CHESS = PackageId("chess", "nectar")
CODE = "async def init(our): return {}"


def package(code: str = CODE.format(1), more: Mapping[str, bytes] | None = None) -> dict[str, bytes]:
    return {
        "metadata.json": b'{"package":"chess","publisher":"nectar"}',
        "pkg/manifest.json": b'[{"process_name":"chess","process_path":"/chess.py"}]',
        "pkg/chess.py": code.encode(),
    } | {f"pkg/{name}": data for name, data in (more or {}).items()}


def write(folder: Path, files: Mapping[str, bytes]) -> Path:
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


def planned(files: Mapping[str, bytes]) -> InstallPlan:
    plan = plan_install(files, NODE)
    check_code(plan, compile_plan(plan), DiskPrograms(MemoryDisk(), InlineWorkers()))
    return plan


async def content(disk: MemoryDisk, folder: str = "") -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for name, kind in await disk.list(folder):
        path = f"{folder}/{name}" if folder else name
        found |= await content(disk, path) if kind is FileType.Directory else {path: await disk.read(path)}
    return found


def in_drive(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The metadata on top of the package goes with the rest."""
    drive = {path: data for path, data in files.items() if path.startswith("pkg/")}
    return {f"chess:nectar/{path}": data for path, data in drive.items()} | {
        "chess:nectar/pkg/metadata.json": files["metadata.json"]
    }


def test_a_folder_is_read_without_its_hidden_files_and_caches(tmp_path: Path) -> None:
    files = package(more={"ui/index.html": b"<p>"})
    strays = {
        "pkg/.git/x": b"",
        "pkg/.hidden": b"",
        "pkg/__pycache__/chess.pyc": b"",
        "README.md": b"",
        "tests/t.py": b"",
    }
    assert read_package(write(tmp_path, files | strays)) == files


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="is no folder"):
        read_package(tmp_path / "nowhere")


def test_a_folder_that_holds_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "MAX_FILES", 2)
    with pytest.raises(PackageError, match="more than 2 files"):
        read_package(write(tmp_path, package()))


def test_a_link_to_a_folder_is_not_entered(tmp_path: Path) -> None:
    write(tmp_path, package())
    (tmp_path / "pkg" / "loop").symlink_to(tmp_path)
    assert read_package(tmp_path) == package()


def test_a_plan_is_given_for_code_that_loads() -> None:
    plan = planned(package())
    assert [process.id for process in plan.processes] == [ProcessId("chess", "chess", "nectar")]


@pytest.mark.parametrize(
    ("code", "words"),
    [("def init(our): pass", "not async"), ("import nothing_of_that_name", "line 1"), ("x =", "line 1")],
)
def test_code_that_does_not_load_is_refused_with_file_manifest_entry_and_fix(code: str, words: str) -> None:
    with pytest.raises(PackageError) as caught:
        planned(package(code))
    assert caught.value.file == "pkg/chess.py"
    assert words in caught.value.problem
    assert "pkg/manifest.json $[0].process_path" in caught.value.problem
    assert caught.value.fix


def test_a_manifest_error_comes_before_any_code_runs() -> None:
    files = package("raise SystemExit") | {"pkg/manifest.json": dump([{"process_name": 1}])}
    with pytest.raises(PackageError, match="process_name"):
        planned(files)


async def test_the_drive_holds_exactly_the_new_version() -> None:
    disk = MemoryDisk()
    await put_files(disk, planned(package(more={"old.txt": b"x"})))
    await put_files(disk, planned(package(CODE.format(2), {"ui/a.html": b"y"})))
    assert await content(disk) == in_drive(package(CODE.format(2), {"ui/a.html": b"y"}))


async def test_other_drives_of_the_package_are_left_alone() -> None:
    disk = MemoryDisk()
    await disk.write("chess:nectar/data/saved", b"s")
    await put_files(disk, planned(package()))
    assert await disk.read("chess:nectar/data/saved") == b"s"


class _Cut(Exception):
    """The node died here."""


class CountingDisk(MemoryDisk):
    """Dies before its n-th change."""

    def __init__(self, steps: int) -> None:
        async def pause() -> None:
            if self.steps == 0:
                raise _Cut
            self.steps -= 1

        super().__init__(pause)
        self.steps = steps


async def _interrupted(steps: int) -> tuple[bool, MemoryDisk]:
    """Whether the second install was done, and the disk that the next boot finds."""
    disk = CountingDisk(-1)
    await put_files(disk, planned(package()))
    await disk.sync("")
    disk.steps = steps
    done = True
    try:
        await put_files(disk, planned(package(CODE.format(2))))
    except _Cut:
        done = False
    found = disk.crash()
    found.pause = MemoryDisk().pause
    return done, found


async def test_a_crash_at_any_step_leaves_one_version_whole() -> None:
    """C-160."""
    first, second = in_drive(package()), in_drive(package(CODE.format(2)))
    seen = []
    for steps in _until_done():
        done, disk = await _interrupted(steps)
        await recover_all(disk)
        found = await content(disk)
        assert found == second if done else found in (first, second)
        seen.append(found == second)
        if done:
            break
    assert seen[0] is False
    assert seen[-1] is True


def _until_done() -> Iterable[int]:
    return range(1, 100)


async def test_an_error_while_files_are_written_leaves_the_old_version() -> None:
    disk = CountingDisk(-1)
    await put_files(disk, planned(package()))
    disk.broken = errno.ENOSPC
    with pytest.raises(OSError, match="No space"):
        await put_files(disk, planned(package(CODE.format(2))))
    disk.broken = None
    await recover_all(disk)
    assert await content(disk) == in_drive(package())


async def test_a_removed_package_leaves_nothing() -> None:
    disk = MemoryDisk()
    await put_files(disk, planned(package()))
    await disk.write("chess:nectar/data/saved", b"s")
    await disk.sync("")
    await remove_files(disk, CHESS)
    assert await content(disk.crash()) == {}


async def test_an_old_version_that_was_moved_aside_comes_back() -> None:
    """C-160. As a file system may leave it, of which only the first rename reached the disk."""
    disk = MemoryDisk()
    plan = planned(package())
    for path, data in plan.files.items():
        await disk.write(f".staging/chess:nectar/old/{path}", data)
    await disk.write(".staging/chess:nectar/new/half", b"")
    await recover_all(disk)
    assert await content(disk) == in_drive(package())


@pytest.mark.parametrize("foreign", [".staging/junk/file", ".staging/junk", ".staging"])
async def test_what_nobody_of_us_put_among_the_half_done_packages_stops_no_boot(foreign: str) -> None:
    disk = MemoryDisk()
    await disk.write(foreign, b"x")
    await disk.write("chess:nectar/pkg/a.py", b"x")
    before = {path: data for path, data in (await content(disk)).items() if not path.startswith(".staging")}
    await recover_all(disk)
    assert await content(disk) == before


async def test_a_package_whose_metadata_is_no_file_is_listed_all_the_same() -> None:
    disk = MemoryDisk()
    await put_files(disk, planned(package()))
    await disk.remove("chess:nectar/pkg/metadata.json")
    await disk.write("chess:nectar/pkg/metadata.json/odd", b"x")
    assert await installed_packages(disk) == [(CHESS, b"")]


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(path: Path) -> bytes:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", denied)
    with pytest.raises(PackageError, match=r"metadata.json: cannot be read: Permission denied"):
        read_package(write(tmp_path, package()))


async def test_who_is_cancelled_between_the_two_renames_has_the_drive_all_the_same() -> None:
    class Cancelling(MemoryDisk):
        scope = trio.CancelScope()

        async def rename(self, old: str, new: str) -> None:
            await super().rename(old, new)
            self.scope.cancel()

    disk = Cancelling()
    await put_files(disk, planned(package()))
    disk.scope = trio.CancelScope()
    with disk.scope:
        await put_files(disk, planned(package(CODE.format(2))))
    assert await content(disk) == in_drive(package(CODE.format(2)))
