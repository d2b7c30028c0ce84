"""What `vfs:sys:nectar` is asked and answers (PROTOCOL 7.3, the form of E2 and E3). File contents travel as payload."""

from __future__ import annotations

import enum

import attrs

from kernel.address import ProcessId
from kernel.codec import U64, Err, Shape, newtype, struct, unit

VFS = ProcessId("vfs", "sys", "nectar")
MIME = "application/octet-stream"

LARGEST_READ = 32 << 20
"""Bytes in one answer: larger files are read piece by piece."""


class FileType(enum.StrEnum):
    File = "File"
    Directory = "Directory"
    Symlink = "Symlink"
    Other = "Other"


# -- actions on drives and folders


@unit
@attrs.frozen
class CreateDrive:
    """Gives the asker the rights to read and to write it. An existing one is no error."""


@unit
@attrs.frozen
class CreateDir:
    """One, which must not be there, in a folder that is."""


@unit
@attrs.frozen
class CreateDirAll:
    pass


@unit
@attrs.frozen
class ReadDir:
    pass


@unit
@attrs.frozen
class RemoveDir:
    """An empty one."""


@unit
@attrs.frozen
class RemoveDirAll:
    pass


@unit
@attrs.frozen
class AddZip:
    """Unpack the payload below the path."""


# -- actions on files as a whole


@unit
@attrs.frozen
class CreateFile:
    """An empty one, also in the place of one that is there. It is open then, at its beginning."""


@struct
@attrs.frozen
class OpenFile:
    """From its beginning, for the asker. `create` makes it where it is missing."""

    create: bool


@unit
@attrs.frozen
class CloseFile:
    """Forgets where the asker is in it."""


@unit
@attrs.frozen
class Write:
    """Replaces the file, whole or not at all, and creates it."""


@unit
@attrs.frozen
class Read:
    """As an action: the whole file, wherever the asker is in it. As an answer: it is in the payload."""


@unit
@attrs.frozen
class SyncAll:
    """Answered when it is durable."""


@unit
@attrs.frozen
class RemoveFile:
    pass


@struct
@attrs.frozen
class Rename:
    new_path: str


@struct
@attrs.frozen
class CopyFile:
    new_path: str


@unit
@attrs.frozen
class Metadata:
    pass


@unit
@attrs.frozen
class Len:
    pass


@newtype
@attrs.frozen
class SetLen:
    size: U64


@unit
@attrs.frozen
class Hash:
    """SHA-256 of the file."""


# -- actions where the asker is in a file


@unit
@attrs.frozen
class WriteAll:
    pass


@unit
@attrs.frozen
class WriteAt:
    """`WriteAll` in E2."""


@unit
@attrs.frozen
class Append:
    """At the end, where the asker is then."""


@unit
@attrs.frozen
class ReadToEnd:
    pass


@unit
@attrs.frozen
class ReadToString:
    pass


@attrs.frozen
class ExactLength:
    length: U64


@newtype
@attrs.frozen
class ReadExact:
    """A bare number is E2's spelling."""

    length: U64 | ExactLength


@newtype
@attrs.frozen
class Start:
    offset: U64


@newtype
@attrs.frozen
class End:
    offset: int


@newtype
@attrs.frozen
class Current:
    offset: int


SeekFrom = Start | End | Current


@attrs.frozen
class EarlySeek:
    """E2's spelling."""

    seek_from: SeekFrom


@newtype
@attrs.frozen
class Seek:
    to: SeekFrom | EarlySeek


VfsAction = (
    CreateDrive
    | CreateDir
    | CreateDirAll
    | ReadDir
    | RemoveDir
    | RemoveDirAll
    | AddZip
    | CreateFile
    | OpenFile
    | CloseFile
    | Write
    | Read
    | SyncAll
    | RemoveFile
    | Rename
    | CopyFile
    | Metadata
    | Len
    | SetLen
    | Hash
    | WriteAll
    | WriteAt
    | Append
    | ReadToEnd
    | ReadToString
    | ReadExact
    | Seek
)


@attrs.frozen
class VfsRequest:
    path: str
    action: VfsAction


VFS_REQUEST: Shape[VfsRequest] = Shape(VfsRequest)


# -- answers


@unit
@attrs.frozen
class Ok:
    pass


@attrs.frozen
class DirEntry:
    """`path` has no leading slash."""

    path: str
    file_type: FileType


@newtype("ReadDir")
@attrs.frozen
class Entries:
    entries: tuple[DirEntry, ...]


@newtype("ReadToString")
@attrs.frozen
class Text:
    text: str


@struct("Metadata")
@attrs.frozen
class FileMetadata:
    file_type: FileType
    len: U64


@newtype("Len")
@attrs.frozen
class Length:
    len: U64


@newtype("Hash")
@attrs.frozen
class Digest:
    sha256: bytes


@attrs.frozen
class NewOffset:
    new_offset: U64


@newtype("SeekFrom")
@attrs.frozen
class Sought:
    to: NewOffset | U64


@unit
@attrs.frozen
class NoReadCap:
    pass


@unit
@attrs.frozen
class NoWriteCap:
    pass


@unit
@attrs.frozen
class AddCapFailed:
    """The asker was gone before it could be given its rights."""


@unit
@attrs.frozen
class MalformedRequest:
    pass


@unit
@attrs.frozen
class NoBlob:
    """There is no payload."""


@struct
@attrs.frozen
class ParseError:
    error: str
    path: str


@newtype("IOError")
@attrs.frozen
class DiskError:
    error: str


@unit
@attrs.frozen
class UnzipError:
    """The payload is no zip, is too large, or has entries that lead elsewhere. Nothing of it was written."""


VfsError = (
    NoReadCap | NoWriteCap | AddCapFailed | MalformedRequest | NoBlob | ParseError | DiskError | UnzipError
)
VfsResponse = Ok | Read | Entries | Text | FileMetadata | Length | Digest | Sought | Err[VfsError]
VFS_RESPONSE: Shape[VfsResponse] = Shape(VfsResponse)
