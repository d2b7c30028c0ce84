"""What `vfs:sys:nectar` is asked and answers in the words of E1 (PROTOCOL 7.3): a drive is a package, and paths begin
below it. A hash is the handle of a file.
"""

from __future__ import annotations

import enum

import attrs

from kernel.codec import U64, Err, Malformed, Shape, newtype, struct, unit
from kernel.jsontext import NotJson, parse

# -- what is asked


@unit
@attrs.frozen
class New:
    """Makes the drive; an existing one is no error."""


@unit
@attrs.frozen
class NewFile:
    """Whose content is the payload."""


@unit
@attrs.frozen
class Dir:
    pass


@struct
@attrs.frozen
class ExistingFile:
    """A copy of the file with that handle."""

    hash: int


@unit
@attrs.frozen
class ZipArchive:
    """The payload, unpacked beside the path."""


@struct
@attrs.frozen
class Add:
    full_path: str
    entry_type: NewFile | Dir | ExistingFile | ZipArchive


@struct
@attrs.frozen
class Rename:
    full_path: str
    new_full_path: str


@newtype
@attrs.frozen
class Delete:
    """A file, or a folder with all that is in it."""

    path: str


@struct
@attrs.frozen
class WriteOffset:
    full_path: str
    offset: U64


@newtype
@attrs.frozen
class Append:
    path: str


@struct
@attrs.frozen
class SetSize:
    full_path: str
    size: U64


@newtype
@attrs.frozen
class GetPath:
    hash: int


@newtype
@attrs.frozen
class GetHash:
    path: str


@newtype
@attrs.frozen
class GetEntry:
    """Of a file its content comes as payload."""

    path: str


@struct
@attrs.frozen
class GetFileChunk:
    """What there is of it: less at the end of the file."""

    full_path: str
    offset: U64
    length: U64


@newtype
@attrs.frozen
class GetEntryLength:
    path: str


DriveAction = (
    New
    | Add
    | Rename
    | Delete
    | WriteOffset
    | Append
    | SetSize
    | GetPath
    | GetHash
    | GetEntry
    | GetFileChunk
    | GetEntryLength
)


@attrs.frozen
class DriveRequest:
    drive: str
    action: DriveAction


DRIVE_REQUEST: Shape[DriveRequest] = Shape(DriveRequest)


@attrs.frozen
class Unreadable:
    """A request in these words that means nothing."""


EarlyRequest = DriveRequest | Unreadable


def decode_early(ipc: bytes) -> EarlyRequest | None:
    """None when it is in the words of later eras, or in none."""
    if b'"drive"' not in ipc:
        return None
    try:
        return DRIVE_REQUEST.decode(ipc)
    except Malformed:
        return Unreadable() if _has_a_drive(ipc) else None


def _has_a_drive(ipc: bytes) -> bool:
    try:
        json = parse(ipc)
    except NotJson:
        return False
    return isinstance(json, dict) and "drive" in json and "path" not in json


# -- what is answered


class Problem(enum.StrEnum):
    BadJson = "BadJson"
    BadPayload = "BadPayload"
    BadDriveName = "BadDriveName"
    BadDescriptor = "BadDescriptor"
    NoCap = "NoCap"
    EntryNotFound = "EntryNotFound"
    PersistError = "PersistError"
    InternalError = "InternalError"


@unit
@attrs.frozen
class Ok:
    pass


@newtype("GetPath")
@attrs.frozen
class PathIs:
    path: str | None


@newtype("GetHash")
@attrs.frozen
class HashIs:
    hash: int


@attrs.frozen
class Entry:
    is_file: bool
    children: tuple[str, ...]


@newtype("GetEntry")
@attrs.frozen
class EntryIs:
    entry: Entry


@unit("GetFileChunk")
@attrs.frozen
class ChunkIs:
    """In the payload."""


@newtype("GetEntryLength")
@attrs.frozen
class LengthIs:
    length: U64


DriveAnswer = Ok | PathIs | HashIs | EntryIs | ChunkIs | LengthIs | Err[Problem]
DRIVE_ANSWER: Shape[DriveAnswer] = Shape(DriveAnswer)
