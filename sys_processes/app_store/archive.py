"""The zip in which a package travels (PROTOCOL 8.1, C-152): nothing in it is believed before it is checked.

Blocks for as long as inflating takes: call it in a worker.
"""

from __future__ import annotations

import re
import stat
import struct
import unicodedata
import zlib
from collections.abc import Mapping
from io import BytesIO
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from sys_processes.app_store.fields import PackageError

MAX_ENTRIES = 10_000
MAX_BYTES = 1024**3
MAX_NAME = 255
"""Bytes of one name in a path; a disk takes no longer ones."""
MAX_DEPTH = 64

_ZIP = "the zip"
_MANIFEST = "manifest.json"
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
# What a folder is read without, and what macOS puts beside everything.
_LEFT_OUT = ("__pycache__", "__MACOSX")
# The date of every entry that we pack: the same package is the same zip.
_NO_DATE = (1980, 1, 1, 0, 0, 0)
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


def pack(files: Mapping[str, bytes]) -> bytes:
    """A zip of these files by their paths. Equal files make equal bytes."""
    packed = BytesIO()
    with ZipFile(packed, "w", ZIP_DEFLATED) as archive:
        for path in sorted(files):
            entry = ZipInfo(path, _NO_DATE)
            entry.compress_type = ZIP_DEFLATED
            entry.external_attr = (stat.S_IFREG | 0o644) << 16
            archive.writestr(entry, files[path])
    return packed.getvalue()


def unpack(data: bytes) -> dict[str, bytes]:
    """The files of a package by their paths in its folder (`metadata.json`, `pkg/..`), whichever way it was zipped:
    the folder itself, or the content of its `pkg/` alone. Raises `PackageError`.
    """
    _check_directory(data)
    try:
        with ZipFile(BytesIO(data)) as archive:
            entries = _checked(archive.infolist())
            files = {path: _inflated(archive, entry) for path, entry in entries.items()}
    except PackageError:
        raise
    except _BROKEN as error:
        raise _refused(f"is broken: {error}", "zip the package again") from None
    return _as_folder(files)


def _refused(problem: str, fix: str) -> PackageError:
    return PackageError(_ZIP, "$", problem, fix)


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
        raise _refused(f"has {count} entries, {MAX_ENTRIES} at most", "pack only what belongs to the package")
    here = end - size
    for _ in range(count):
        if here < 0 or data[here : here + 4] != _ENTRY or here + _ENTRY_SIZE > end:
            raise _refused("is broken: its directory does not hold together", "zip the package again")
        here += _ENTRY_SIZE + sum(struct.unpack_from("<HHH", data, here + 28))
    if here != end:
        raise _refused("is broken: its directory has another length than it says", "zip the package again")


def _end_of_directory(data: bytes) -> int:
    """Where `ZipFile` finds it, too."""
    last = len(data) - _END_SIZE
    if last >= 0 and data.startswith(_END, last) and data.endswith(b"\0\0"):
        return last
    found = data.rfind(_END, max(0, last - _LONGEST_COMMENT))
    if found < 0 or found > last:
        raise _refused("is no zip", "send the package as a zip file")
    return found


def _checked(infos: list[ZipInfo]) -> dict[str, ZipInfo]:
    """The entries that are files of the package, by path."""
    total = 0
    paths: dict[str, ZipInfo] = {}
    files: dict[str, str] = {}
    folders: dict[str, str] = {}
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
            continue
        files[key] = path
        total += info.file_size
        if total > MAX_BYTES:
            raise _refused(
                f"unpacks to more than {MAX_BYTES >> 20} MiB", "pack only what belongs to the package"
            )
        if not is_left_out(path):
            paths[path] = info
    for key, path in files.items():
        if key in folders:
            raise _refused(f"has the file {path!r} and {folders[key]!r} below it", "keep one")
    return paths


def _path(info: ZipInfo) -> str:
    """Raises `PackageError` for one that leads elsewhere, or is not the same everywhere."""
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
        raise PackageError(
            _ZIP, f"{name[:100]!r}", problem, "write plain relative paths such as 'pkg/chess.py'"
        )
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
        raise PackageError(
            _ZIP, repr(path), "is neither a file nor a folder", "pack the file that it leads to"
        )
    if info.flag_bits & _ENCRYPTED:
        raise PackageError(_ZIP, repr(path), "is encrypted", "zip the package without a password")
    if info.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        problem = f"is compressed by method {info.compress_type}"
        raise PackageError(_ZIP, repr(path), problem, "zip the package with the usual method, deflate")


def _folded(path: str) -> str:
    """The same for names that some disk takes for the same."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", path).casefold())


def _parents(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:depth]) for depth in range(1, len(parts))]


def is_left_out(path: str) -> bool:
    """Hidden files and caches are no part of a package."""
    return any(part.startswith(".") or part in _LEFT_OUT for part in path.split("/"))


def _inflated(archive: ZipFile, info: ZipInfo) -> bytes:
    """Never more than the entry says, whatever it holds: what it says was counted."""
    content = BytesIO()
    left = info.file_size
    with archive.open(info) as file:
        while left and (chunk := file.read(min(left, _CHUNK))):
            content.write(chunk)
            left -= len(chunk)
        if left or file.read(1):
            raise _refused(
                f"is broken: {info.filename!r} has another size than it says", "zip the package again"
            )
    return content.getvalue()


def _as_folder(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Where manifest.json lies says what was zipped."""
    if f"pkg/{_MANIFEST}" in files:
        return {
            path: data for path, data in files.items() if path == "metadata.json" or path.startswith("pkg/")
        }
    if _MANIFEST in files:
        return {f"pkg/{path}": data for path, data in files.items()}
    there = sorted(path for path in files if path.endswith(f"/{_MANIFEST}"))
    found = f"; there is {there[0]}" if there else ""
    fix = "zip the content of the package's folder, or that of its pkg/"
    raise _refused(f"has no {_MANIFEST} at the top or in pkg/{found}", fix)
