"""What the command line says about the node to boot."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import attrs

from runtime.console import LogFormat
from runtime.password import PasswordSource

LOOPBACK = "127.0.0.1"
DEV_NAME = "fake.dev"
DEV_PASSWORD = "secret"  # noqa: S105 - known to everybody, on a node that is thrown away


@attrs.frozen(kw_only=True)
class BootOptions:
    """`home` None: a temporary folder, removed at the end. `name` None: the one in the keyfile, which must exist.

    `verbosity` and `log` None: as config.toml says. `port` None: 8080, or the next free one; 0: any free one.
    `packages` are folders to install, approved by being named here. `settings` are (section.key, value as written),
    over those of HOME/config.toml. `peers` is a file of other nodes, `record` one to be made, of the run. With
    `routers` the node has no address of its own; without, it lets `passages` links between others through. `dev`: open
    RPC on loopback, and a package whose folder changes is installed again.
    """

    home: Path | None
    name: str | None
    port: int | None
    bind: str = LOOPBACK
    packages: tuple[Path, ...] = ()
    password: PasswordSource
    verbosity: int | None = None
    log: LogFormat | None = None
    settings: tuple[tuple[str, str], ...] = ()
    peers: Path | None = None
    routers: tuple[str, ...] = ()
    passages: int = 0
    record: Path | None = None
    dev: bool = False


def default_home() -> Path:
    """`nectar` in the platform's folder for data of programs."""
    if sys.platform == "win32":
        return _folder("LOCALAPPDATA", Path.home() / "AppData" / "Local") / "nectar"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "nectar"
    return _folder("XDG_DATA_HOME", Path.home() / ".local" / "share") / "nectar"


def _folder(variable: str, otherwise: Path) -> Path:
    found = Path(os.environ.get(variable, ""))
    return found if found.is_absolute() else otherwise


def example_packages() -> tuple[Path, ...]:
    """The packages that come with this program, in the order of their names."""
    apps = Path(__file__).resolve().parent.parent / "userland" / "apps"
    return tuple(sorted(folder.parent for folder in apps.glob("*/pkg") if folder.is_dir()))
