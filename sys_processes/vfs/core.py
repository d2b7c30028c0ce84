"""Where a vfs path leads, who may go there, and where each process is in its files (PROTOCOL 7.3)."""

from __future__ import annotations

from collections import OrderedDict

import attrs

from kernel.address import PackageId, ProcessId, ProcessIdParseError, is_safe
from kernel.capability import KERNEL
from kernel.jsontext import dump
from sys_processes.vfs.protocol import (
    AddZip,
    Append,
    CopyFile,
    CreateDir,
    CreateDirAll,
    CreateDrive,
    CreateFile,
    Current,
    EarlySeek,
    End,
    ExactLength,
    OpenFile,
    ReadExact,
    RemoveDir,
    RemoveDirAll,
    RemoveFile,
    Rename,
    Seek,
    SetLen,
    Start,
    SyncAll,
    VfsAction,
    Write,
    WriteAll,
    WriteAt,
)

MOST_POSITIONS = 65_536
FURTHEST = (1 << 63) - 1
"""No file reaches beyond: what the system counts with."""

_WRITING = (
    AddZip,
    Append,
    CreateDir,
    CreateDirAll,
    CreateDrive,
    CreateFile,
    RemoveDir,
    RemoveDirAll,
    RemoveFile,
    Rename,
    SetLen,
    SyncAll,
    Write,
    WriteAll,
    WriteAt,
)


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

    @property
    def folder(self) -> str:
        """On disk, the one that it is in."""
        return self.on_disk.rpartition("/")[0]


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


def resolve_in_drive(path: str) -> DrivePath:
    """Raises `BadPath`, for the root, too."""
    place = resolve(path)
    if isinstance(place, Root):
        raise BadPath(path, "the root can only be listed")
    return place


def check_drive(place: DrivePath) -> None:
    """That a drive can be made of that name. Raises `BadPath`."""
    if place.rest:
        raise BadPath(f"/{place.on_disk}", "a drive is no folder in a drive")
    if not is_safe(place.drive):
        raise BadPath(f"/{place.on_disk}", "the name of a drive has letters, digits, '-', '_' and '.' only")


# -- rights


def owns(process: ProcessId, place: DrivePath | Root) -> bool:
    """Whether it needs no capability: the kernel everywhere, others in the drives of their package."""
    if process == KERNEL:
        return True
    return isinstance(place, DrivePath) and process.package_id == place.package


def writes(action: VfsAction) -> bool:
    """Whether it needs the right to write at its path."""
    return isinstance(action, _WRITING) or (isinstance(action, OpenFile) and action.create)


def second_path(action: VfsAction) -> str | None:
    """Where it writes, too."""
    return action.new_path if isinstance(action, Rename | CopyFile) else None


def reading(place: DrivePath) -> str:
    """The params of the capability that lets others read there."""
    return _right("read", place)


def writing(place: DrivePath) -> str:
    return _right("write", place)


def _right(kind: str, place: DrivePath) -> str:
    return dump({"kind": kind, "drive": place.drive_text}).decode()


# -- where a process is in a file


class BadOffset(ValueError):
    """A place that no file has, or that this one has not."""


class Positions:
    """Of each process in each file; 0 where nothing is known. Files are not held open, so these are all that an open
    file is. Of more than `most` the one that was not used for the longest is forgotten.
    """

    def __init__(self, most: int = MOST_POSITIONS) -> None:
        self._most = most
        self._known: OrderedDict[tuple[ProcessId, str], int] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def get(self, process: ProcessId, path: str) -> int:
        return self._known.get((process, path), 0)

    def put(self, process: ProcessId, path: str, offset: int) -> None:
        key = process, path
        self._known.pop(key, None)
        if offset:
            self._known[key] = offset
        if len(self._known) > self._most:
            self._known.popitem(last=False)

    def forget(self, process: ProcessId, path: str) -> None:
        self._known.pop((process, path), None)

    def forget_process(self, process: ProcessId) -> None:
        for key in [key for key in self._known if key[0] == process]:
            del self._known[key]

    def forget_below(self, path: str) -> None:
        """For everybody: what is there now is another file, or none."""
        below = f"{path}/"
        for key in [key for key in self._known if key[1] == path or key[1].startswith(below)]:
            del self._known[key]


def sought(seek: Seek, position: int, size: int) -> int:
    """Raises `BadOffset`."""
    match seek.to.seek_from if isinstance(seek.to, EarlySeek) else seek.to:
        case Start(offset):
            found = offset
        case End(offset):
            found = size + offset
        case Current(offset):
            found = position + offset
    if not 0 <= found <= FURTHEST:
        raise BadOffset(f"offset {found} is no place in a file of {size} bytes")
    return found


def length_of(action: ReadExact) -> int:
    return action.length.length if isinstance(action.length, ExactLength) else action.length


def exact_length(action: ReadExact, position: int, size: int) -> int:
    """Raises `BadOffset` when the file has not so many bytes from there (F-85)."""
    length = length_of(action)
    rest = max(0, size - position)
    if length > rest:
        raise BadOffset(f"{length} bytes were asked for, and the file has {rest} from offset {position} on")
    return length
