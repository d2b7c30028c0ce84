"""What `vfs:sys:nectar` is asked and answers (PROTOCOL 7.3, E3's form). File contents travel as payload."""

from __future__ import annotations

import enum

import attrs

from kernel.address import ProcessId
from kernel.codec import U64, Err, Shape, newtype, struct, unit

VFS = ProcessId("vfs", "sys", "nectar")
MIME = "application/octet-stream"


class FileType(enum.StrEnum):
    File = "File"
    Directory = "Directory"
    Symlink = "Symlink"
    Other = "Other"


@unit
@attrs.frozen
class Read:
    """As an action: the whole file. As an answer: it is in the payload."""


@unit
@attrs.frozen
class ReadDir:
    pass


@unit
@attrs.frozen
class Metadata:
    pass


VfsAction = Read | ReadDir | Metadata


@attrs.frozen
class VfsRequest:
    path: str
    action: VfsAction


VFS_REQUEST: Shape[VfsRequest] = Shape(VfsRequest)


@attrs.frozen
class DirEntry:
    """`path` has no leading slash."""

    path: str
    file_type: FileType


@newtype("ReadDir")
@attrs.frozen
class Entries:
    entries: tuple[DirEntry, ...]


@struct("Metadata")
@attrs.frozen
class FileMetadata:
    file_type: FileType
    len: U64


@unit
@attrs.frozen
class NoReadCap:
    pass


@unit
@attrs.frozen
class MalformedRequest:
    pass


@struct
@attrs.frozen
class ParseError:
    error: str
    path: str


@newtype("IOError")
@attrs.frozen
class DiskError:
    error: str


VfsError = NoReadCap | MalformedRequest | ParseError | DiskError
VfsResponse = Read | Entries | FileMetadata | Err[VfsError]
VFS_RESPONSE: Shape[VfsResponse] = Shape(VfsResponse)
