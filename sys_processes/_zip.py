"""A zip of somebody who may mean harm: nothing in it is believed before it is checked (C-152).

Blocks for as long as inflating takes: use it in a worker.
"""

from __future__ import annotations

import re
import stat
import struct
import unicodedata
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

MAX_ENTRIES = 10_000
MAX_BYTES = 1024**3
MAX_NAME = 255
"""Bytes of one name in a path; a disk takes no longer ones."""
MAX_DEPTH = 64

_CHUNK = 64 * 1024

_ENTRY = b"PK\x01\x02"
_ENTRY_SIZE = 46
_END = b"PK\x05\x06"
_END_SIZE = 22
_END64 = b"PK\x06\x07"
_END64_SIZE = 20
_LONGEST_COMMENT = 65535

_ENCRYPTED = 0x1 | 0x40 | 0x2000
_UTF8 = 0x800
_DRIVE_LETTER = re.compile(r"[A-Za-z]:")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# All that the standard library raises for a zip of somebody who means harm.
_BROKEN = (
    BadZipFile,
    EOFError,
    IndexError,
    NotImplementedError,
    OSError,
    RuntimeError,
    ValueError,
    struct.error,
    zlib.error,
)


class BadZip(ValueError):
    """`entry` is the name of the one at fault, quoted, or empty; `fix` says what to do about it."""

    def __init__(self, entry: str, problem: str, fix: str) -> None:
        super().__init__(f"{entry or 'the zip'} {problem} ({fix})")
        self.entry = entry
        self.problem = problem
        self.fix = fix


class CheckedZip:
    """Raises `BadZip`, here and in what it does, and nothing else. `folders` are those that are entries themselves."""

    def __init__(self, data: bytes) -> None:
        _check_directory(data)
        with _broken_is_bad():
            self._archive = ZipFile(BytesIO(data))
            self._entries, self.folders = _checked(self._archive.infolist())

    @property
    def paths(self) -> list[str]:
        """Of the files, in the order of the zip."""
        return list(self._entries)

    def read(self, path: str) -> bytes:
        """Never more than the entry says, whatever it holds: what it says was counted."""
        content = BytesIO()
        for chunk in self._chunks(path):
            content.write(chunk)
        return content.getvalue()

    def check(self) -> None:
        """That every file can be read."""
        for path in self._entries:
            for _ in self._chunks(path):
                pass

    def _chunks(self, path: str) -> Iterator[bytes]:
        info = self._entries[path]
        left = info.file_size
        with _broken_is_bad(), self._archive.open(info) as file:
            while left and (chunk := file.read(min(left, _CHUNK))):
                yield chunk
                left -= len(chunk)
            if left or file.read(1):
                raise _refused(f"is broken: {info.filename!r} has another size than it says", "zip it again")


@contextmanager
def _broken_is_bad() -> Iterator[None]:
    try:
        yield
    except BadZip:
        raise
    except _BROKEN as error:
        raise _refused(f"is broken: {error}", "zip it again") from None


def _refused(problem: str, fix: str) -> BadZip:
    return BadZip("", problem, fix)


def _check_directory(data: bytes) -> None:
    """Its list of entries is as long as it says, before anybody makes objects of what it lists."""
    end = _end_of_directory(data)
    count, size = struct.unpack_from("<HL", data, end + 10)
    if data[max(0, end - _END64_SIZE) : end].startswith(_END64):
        raise _refused(
            "is in the zip64 format",
            f"zip at most {MAX_ENTRIES} files and {MAX_BYTES >> 20} MiB, which need no zip64",
        )
    if count > MAX_ENTRIES:
        raise _refused(f"has {count} entries, {MAX_ENTRIES} at most", "pack only what belongs there")
    here = end - size
    for _ in range(count):
        if here < 0 or data[here : here + 4] != _ENTRY or here + _ENTRY_SIZE > end:
            raise _refused("is broken: its directory does not hold together", "zip it again")
        here += _ENTRY_SIZE + sum(struct.unpack_from("<HHH", data, here + 28))
    if here != end:
        raise _refused("is broken: its directory has another length than it says", "zip it again")


def _end_of_directory(data: bytes) -> int:
    """Where `ZipFile` finds it, too."""
    last = len(data) - _END_SIZE
    if last >= 0 and data.startswith(_END, last) and data.endswith(b"\0\0"):
        return last
    found = data.rfind(_END, max(0, last - _LONGEST_COMMENT))
    if found < 0 or found > last:
        raise _refused("is no zip", "send a zip file")
    return found


def _checked(infos: list[ZipInfo]) -> tuple[dict[str, ZipInfo], list[str]]:
    """The entries that are files, by path, and the paths of those that are folders."""
    total = 0
    paths: dict[str, ZipInfo] = {}
    files: dict[str, str] = {}
    folders: dict[str, str] = {}
    listed: list[str] = []
    for info in infos:
        path = _path(info)
        _check_kind(info, path)
        key = _folded(path)
        if key in files or (key in folders and not info.is_dir()):
            raise _refused(
                f"has {path!r} and {files.get(key) or folders[key]!r}, which is the same", "keep one"
            )
        for parent in _parents(key):
            folders.setdefault(parent, path)
        if info.is_dir():
            folders.setdefault(key, path)
            listed.append(path)
            continue
        files[key] = path
        total += info.file_size
        if total > MAX_BYTES:
            raise _refused(f"unpacks to more than {MAX_BYTES >> 20} MiB", "pack only what belongs there")
        paths[path] = info
    for key, path in files.items():
        if key in folders:
            raise _refused(f"has the file {path!r} and {folders[key]!r} below it", "keep one")
    return paths, listed


def _path(info: ZipInfo) -> str:
    """Raises `BadZip` for one that leads elsewhere, or is not the same everywhere."""
    name = info.orig_filename
    if not info.flag_bits & _UTF8:
        name = _guessed(name)
    path = name.removesuffix("/")
    parts = path.split("/")
    problem = None
    if name.startswith("/") or _DRIVE_LETTER.match(name):
        problem = "is no path inside the zip"
    elif "\\" in name or _CONTROL.search(name):
        problem = "has a backslash or a control character in its name"
    elif any(part in ("", ".", "..") for part in parts):
        problem = "has an empty part, '.' or '..' in its path"
    elif len(parts) > MAX_DEPTH or any(len(part.encode()) > MAX_NAME for part in parts):
        problem = f"has a name of more than {MAX_NAME} bytes or more than {MAX_DEPTH} folders"
    if problem is not None:
        raise BadZip(f"{name[:100]!r}", problem, "write plain relative paths such as 'pkg/chess.py'")
    return path


def _guessed(name: str) -> str:
    """A name that does not say it is UTF-8 was read as code page 437; most of those outside of ASCII are UTF-8."""
    try:
        return name.encode("cp437").decode()
    except UnicodeError:
        return name


def _check_kind(info: ZipInfo, path: str) -> None:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise BadZip(repr(path), "is neither a file nor a folder", "pack the file that it leads to")
    if info.flag_bits & _ENCRYPTED:
        raise BadZip(repr(path), "is encrypted", "zip it without a password")
    if info.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        problem = f"is compressed by method {info.compress_type}"
        raise BadZip(repr(path), problem, "zip it with the usual method, deflate")


def _folded(path: str) -> str:
    """The same for names that some disk takes for the same."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", path).casefold())


def _parents(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:depth]) for depth in range(1, len(parts))]
