"""The zip in which a package travels (PROTOCOL 8.1).

Blocks for as long as inflating takes: call it in a worker.
"""

from __future__ import annotations

import stat
from collections.abc import Mapping
from io import BytesIO
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from sys_processes._zip import BadZip, CheckedZip
from sys_processes.app_store.fields import PackageError

_ZIP = "the zip"
_MANIFEST = "manifest.json"
# What a folder is read without, and what macOS puts beside everything.
_LEFT_OUT = ("__pycache__", "__MACOSX")
# The date of every entry that we pack: the same package is the same zip.
_NO_DATE = (1980, 1, 1, 0, 0, 0)


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
    try:
        checked = CheckedZip(data)
        files = {path: checked.read(path) for path in checked.paths if not is_left_out(path)}
    except BadZip as error:
        raise PackageError(_ZIP, error.entry or "$", error.problem, error.fix) from None
    return _as_folder(files)


def is_left_out(path: str) -> bool:
    """Hidden files and caches are no part of a package."""
    return any(part.startswith(".") or part in _LEFT_OUT for part in path.split("/"))


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
    raise PackageError(_ZIP, "$", f"has no {_MANIFEST} at the top or in pkg/{found}", fix)
