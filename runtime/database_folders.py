"""A folder for each database, below a root: they appear and disappear whole."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from itertools import count
from pathlib import Path

from kernel.address import PackageId
from sys_processes.devices import DatabaseName, EngineFailed, NoDatabase

# No package is called so: a package's folder has a colon in its name.
SCRATCH = ".nectar-scratch"


class DatabaseFolders:
    """Blocking. Raises OSError, and `NoDatabase` where it says so."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._scratch = root / SCRATCH
        self._names = count()

    def prepare(self) -> None:
        """Make the root, and clear away what an earlier run left half made or half removed."""
        self._root.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(self._scratch, ignore_errors=True)
        self._scratch.mkdir(mode=0o700)

    def of(self, name: DatabaseName) -> Path:
        return self._root / str(name.package) / name.db

    def exists(self, name: DatabaseName) -> bool:
        return self.of(name).is_dir()

    def names(self, package: PackageId) -> list[DatabaseName]:
        """Those there are, sorted. Raises `EngineFailed`."""
        try:
            folders = sorted((self._root / str(package)).iterdir())
            return [DatabaseName(package, folder.name) for folder in folders]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise EngineFailed(f"the databases of {package}: {error.strerror}", of_disk=True) from error

    def existing(self, name: DatabaseName) -> Path:
        """Raises `NoDatabase`."""
        if not self.exists(name):
            raise NoDatabase(name)
        return self.of(name)

    def make(self, name: DatabaseName, fill: Callable[[Path], None]) -> None:
        """Unless it exists: `fill` a new folder, which then gets the name."""
        place = self.of(name)
        if place.is_dir():
            return
        new = self._scratch / str(next(self._names))
        new.mkdir()
        try:
            fill(new)
            place.parent.mkdir(exist_ok=True)
            new.rename(place)
        except BaseException:
            shutil.rmtree(new, ignore_errors=True)
            raise
        _sync(place.parent)
        _sync(self._root)

    def remove(self, name: DatabaseName) -> None:
        """Raises `NoDatabase`."""
        gone = self._scratch / str(next(self._names))
        place = self.existing(name)
        place.rename(gone)
        _sync(place.parent)
        shutil.rmtree(gone, ignore_errors=True)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
