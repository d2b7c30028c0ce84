"""Zips as other tools write them, and as people write them who mean harm."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from io import BytesIO
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

LOCAL, CENTRAL, END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
EMPTY_PACKAGE = {"manifest.json": b"[]"}


def zipped(files: Mapping[str, bytes], *, folders: tuple[str, ...] = (), method: int = ZIP_DEFLATED) -> bytes:
    """With entries of folders first, as Info-ZIP writes them."""
    packed = BytesIO()
    with ZipFile(packed, "w", method) as archive:
        for folder in folders:
            entry = ZipInfo(f"{folder}/")
            entry.external_attr = (0o40755 << 16) | 0x10
            archive.writestr(entry, b"")
        for path, data in files.items():
            archive.writestr(path, data)
    return packed.getvalue()


def entry_of_kind(mode: int, name: str = "odd") -> bytes:
    """A package with one more entry of this Unix mode."""
    packed = BytesIO()
    with ZipFile(packed, "w") as archive:
        archive.writestr("manifest.json", b"[]")
        entry = ZipInfo(name)
        entry.create_system = 3
        entry.external_attr = mode << 16
        archive.writestr(entry, b"/etc/passwd")
    return packed.getvalue()


def patched(
    data: bytes, central: tuple[int, bytes] | None = None, local: tuple[int, bytes] | None = None
) -> bytes:
    """With these bytes at this offset of the last entry's header in the directory, and before its content."""
    changed = bytearray(data)
    for signature, patch in ((CENTRAL, central), (LOCAL, local)):
        if patch is not None:
            start = data.rindex(signature) + patch[0]
            changed[start : start + len(patch[1])] = patch[1]
    return bytes(changed)


def renamed(data: bytes, old: bytes, new: bytes) -> bytes:
    """With another name of the same length, which the standard library would not write."""
    assert len(old) == len(new)
    return data.replace(old, new)


def end_says(data: bytes, *, count: int | None = None, size: int | None = None) -> bytes:
    """With another number of entries, or length of the directory, in the record at the end."""
    end = data.rindex(END)
    known_count, known_size = struct.unpack_from("<HL", data, end + 10)
    record = struct.pack("<HL", known_count if count is None else count, known_size if size is None else size)
    return data[: end + 10] + record + data[end + 16 :]
