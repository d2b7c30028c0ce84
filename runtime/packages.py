"""A package folder of a user becomes files of a drive and a plan of what to run.

The old version stays until the new one is known to load and lies whole on the disk (C-160).
"""

from __future__ import annotations

import os
from pathlib import Path

import trio

from kernel.address import PackageId, ProcessIdParseError
from kernel.errors import ProgramError
from runtime.loader import DiskPrograms
from runtime.package_code import PackageCode, compile_package
from sys_processes._zip import MAX_BYTES
from sys_processes._zip import MAX_ENTRIES as MAX_FILES
from sys_processes.app_store.archive import is_left_out
from sys_processes.app_store.core import MANIFEST, METADATA, SCRIPTS, InstallPlan, PlannedProcess
from sys_processes.app_store.fields import PackageError
from sys_processes.devices import Disk, FileType

# No package is called so, because its name has no colon: no vfs path leads here.
STAGING = ".staging"


def read_package(folder: Path) -> dict[str, bytes]:
    """The files of a package by their paths in its folder: `metadata.json` and `pkg/`, without hidden files and caches.

    Blocks. Raises `PackageError`, also for a folder that is none or holds too much.
    """
    if not folder.is_dir():
        raise PackageError(str(folder), "$", "is no folder", "name the folder that holds pkg/")
    files: dict[str, bytes] = {}
    size = 0
    try:
        for path in package_paths(folder):
            size += path.stat().st_size
            if size > MAX_BYTES or len(files) == MAX_FILES:
                problem = f"has more than {MAX_FILES} files or {MAX_BYTES // 1024**2} MiB"
                raise PackageError(
                    str(folder / "pkg"), "$", problem, "keep only what belongs to the package in it"
                )
            files[path.relative_to(folder).as_posix()] = path.read_bytes()
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
        raise PackageError(
            str(error.filename or folder), "$", problem, "make it readable for the node"
        ) from None
    return files


def package_paths(folder: Path) -> list[Path]:
    """The files of a package in a fixed order. Links to files are read through, those to folders left out."""
    found = [path for path in (folder / METADATA[0], folder / "manifest.json") if path.is_file()]
    for here, folders, names in os.walk(folder / "pkg"):
        folders[:] = sorted(name for name in folders if not is_left_out(name))
        paths = [Path(here, name) for name in sorted(names) if not is_left_out(name)]
        found += [path for path in paths if path.is_file()]
    return found


def compile_plan(plan: InstallPlan) -> PackageCode:
    """All of its code. Blocks. Raises `PackageError`."""
    try:
        return compile_package(plan.drive, plan.files)
    except ProgramError as error:
        own = next((one for one in (*plan.processes, *plan.scripts) if one.code == error.file), None)
        raise _bad_code(plan, own, error) from error


def check_code(plan: InstallPlan, code: PackageCode, programs: DiskPrograms) -> None:
    """The code of each process and script is started once, as no process. Raises `PackageError`."""
    for process in (*plan.processes, *plan.scripts):
        try:
            programs.check(process.id, process.code, code)
        except ProgramError as error:
            raise _bad_code(plan, process, error) from error


def _bad_code(plan: InstallPlan, process: PlannedProcess | None, error: ProgramError) -> PackageError:
    whose = (
        "" if process is None else f"; it is the code of {process.id} ({process.file} {process.code_path})"
    )
    return PackageError(error.file.replace(plan.drive, "pkg", 1), "$", f"{error.problem}{whose}", error.fix)


async def put_files(disk: Disk, plan: InstallPlan) -> None:
    """Make the plan's files the package's `pkg` drive, all or none of them, durably. Raises OSError.

    Who kept the package's code calls `DiskPrograms.forget` next.
    """
    await recover(disk, plan.package)
    drive, staging = _drive(plan.package), _staging(plan.package)
    for path in sorted(plan.files):
        await disk.write(f"{staging}/new/{path}", plan.files[path])
    await disk.sync(f"{staging}/new")
    # Cut off in here, a running node would be left without the drive.
    with trio.CancelScope(shield=True):
        await disk.make_folder(str(plan.package))
        if await exists(disk, drive):
            await disk.rename(drive, f"{staging}/old")
            await disk.sync(staging)
        await disk.rename(f"{staging}/new", drive)
        await disk.sync(drive)
        await disk.remove(staging)


async def recover(disk: Disk, package: PackageId) -> None:
    """Put right what an interrupted `put_files` left: either version whole, none half. Raises OSError."""
    drive, staging = _drive(package), _staging(package)
    if not await exists(disk, staging):
        return
    if not await exists(disk, drive) and await exists(disk, f"{staging}/old"):
        await disk.make_folder(str(package))
        await disk.rename(f"{staging}/old", drive)
        await disk.sync(drive)
    await disk.remove(staging)


async def recover_all(disk: Disk) -> None:
    """`recover` for every package, and away with what else lies there: part of every boot, before any code is read.

    Raises OSError.
    """
    for name, _ in await _listed(disk, STAGING):
        package = _package_called(name)
        if package is not None:
            await recover(disk, package)
    await disk.remove(STAGING)


async def remove_files(disk: Disk, package: PackageId) -> None:
    """The package and all its drives, durably. Raises OSError."""
    await disk.remove(_staging(package))
    await disk.remove(str(package))
    await disk.sync("")


async def read_plan_files(disk: Disk, package: PackageId) -> dict[str, bytes]:
    """What `plan_install` reads of an installed package; of other files the names only. Raises OSError."""
    drive = _drive(package)
    files: dict[str, bytes] = {}
    folders = [drive]
    while folders:
        folder = folders.pop()
        for name, kind in await disk.list(folder):
            path = f"{folder}/{name}"
            if kind is FileType.Directory:
                folders.append(path)
            elif kind is FileType.File:
                files[f"pkg{path.removeprefix(drive)}"] = b""
    for path in (MANIFEST, SCRIPTS, METADATA[1]):
        if path in files:
            files[path] = await disk.read(f"{package}/{path}")
    return files


async def read_manifest(disk: Disk, package: PackageId) -> bytes:
    """Of an installed package. Raises OSError."""
    return await disk.read(f"{package}/{MANIFEST}")


async def installed_packages(disk: Disk) -> list[tuple[PackageId, bytes]]:
    """Those with a manifest, in the order of their names, with the text of their metadata. Raises OSError."""
    found = []
    for name, _ in await disk.list(""):
        package = _package_called(name)
        if package is not None and await exists(disk, f"{package}/{MANIFEST}"):
            found.append((package, await _read_if_there(disk, f"{package}/{METADATA[1]}")))
    return found


def _package_called(name: str) -> PackageId | None:
    try:
        return PackageId.from_str(name)
    except ProcessIdParseError:
        return None


async def _read_if_there(disk: Disk, path: str) -> bytes:
    try:
        return await disk.read(path)
    except (FileNotFoundError, IsADirectoryError):
        return b""


async def _listed(disk: Disk, folder: str) -> list[tuple[str, FileType]]:
    """Nothing where no folder is."""
    try:
        return await disk.list(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _drive(package: PackageId) -> str:
    return f"{package}/pkg"


def _staging(package: PackageId) -> str:
    return f"{STAGING}/{package}"


async def exists(disk: Disk, path: str) -> bool:
    try:
        await disk.info(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True
