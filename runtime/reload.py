"""`nectar dev` installs a package again when its folder changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import trio

from kernel.address import PackageId
from kernel.errors import KernelError
from kernel.ports import StoreFailed
from runtime.node import Node
from runtime.packages import package_paths, read_package
from sys_processes.app_store.fields import PackageError
from sys_processes.devices import Workers

LOOK_SECONDS = 0.3

Footprint = dict[Path, tuple[int, int]]


def footprint(folder: Path) -> Footprint:
    """Of each file of the package: when it was changed, and its size. Blocks."""
    found: Footprint = {}
    for path in package_paths(folder):
        try:
            status = path.stat()
        except OSError:
            continue
        found[path] = (status.st_mtime_ns, status.st_size)
    return found


async def watch(
    node: Node,
    folder: Path,
    package: PackageId | None,
    seen: Footprint,
    workers: Workers,
    report: Callable[[str], None],
) -> None:
    """For ever. `package` is the one of the folder that runs, if any; `seen` was taken before it was read.

    A version that cannot be installed is reported, and the old one goes on.
    """
    while True:
        await trio.sleep(LOOK_SECONDS)
        now = await workers.run(footprint, folder)
        if now == seen:
            continue
        # Editors write in several steps: wait until nothing moves any more.
        while now != seen:
            seen = now
            await trio.sleep(LOOK_SECONDS)
            now = await workers.run(footprint, folder)
        try:
            files = await workers.run(read_package, folder)
            former, package = package, await node.packages.install_files(files)
            if former is not None and package != former:
                await node.packages.stop_package(former)
                report(f"{former} was ended: {folder} holds {package} now")
        except (PackageError, KernelError, StoreFailed, OSError) as error:
            old = "" if package is None else ", its old version goes on"
            report(f"{folder} was not installed{old}: {error}")
        else:
            report(f"installed {package}{'' if former is None else ' again'} from {folder}")
