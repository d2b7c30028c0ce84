"""Where a vfs path leads, and who may go there (PROTOCOL 7.3)."""

from __future__ import annotations

import attrs

from kernel.address import PackageId, ProcessId, ProcessIdParseError
from kernel.capability import KERNEL
from kernel.jsontext import dump


class BadPath(ValueError):
    """No path of a file or folder in a drive; `.path` is what was given."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{problem}: expected /package:publisher/drive/..., found {path!r}")
        self.path = path


@attrs.frozen
class DrivePath:
    """A place in a drive. `rest` are the names below the drive's top, none of them special."""

    package: PackageId
    drive: str
    rest: tuple[str, ...] = ()

    @property
    def drive_text(self) -> str:
        """As capabilities name the drive."""
        return f"/{self.package}/{self.drive}"

    @property
    def on_disk(self) -> str:
        """Also how answers spell it: no leading slash."""
        return "/".join((str(self.package), self.drive, *self.rest))


@attrs.frozen
class Root:
    """`/`, the list of all drives."""


def resolve(path: str) -> DrivePath | Root:
    """Lexical: `.` and empty parts vanish, `..` goes up inside the drive and never out of it (F-92, C-152).

    Raises `BadPath`.
    """
    if "\0" in path:
        raise BadPath(path, "a path has no NUL")
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if not parts:
        return Root()
    if ".." in parts[:2]:
        raise BadPath(path, "'..' leads out of the drive")
    if len(parts) < 2:
        raise BadPath(path, "a path names at least a package and a drive")
    try:
        package = PackageId.from_str(parts[0])
    except ProcessIdParseError as error:
        raise BadPath(path, str(error)) from None
    rest: list[str] = []
    for part in parts[2:]:
        if part != "..":
            rest.append(part)
        elif rest:
            rest.pop()
        else:
            raise BadPath(path, "'..' leads out of the drive")
    return DrivePath(package, parts[1], tuple(rest))


def owns(process: ProcessId, place: DrivePath | Root) -> bool:
    """Whether it needs no capability: the kernel everywhere, others in the drives of their package."""
    if process == KERNEL:
        return True
    return isinstance(place, DrivePath) and process.package_id == place.package


def reading(place: DrivePath) -> str:
    """The params of the capability that lets others read there."""
    return dump({"kind": "read", "drive": place.drive_text}).decode()
