from __future__ import annotations

import pytest

from kernel.codec import Err, Malformed
from sys_processes.vfs.protocol import (
    VFS_REQUEST,
    VFS_RESPONSE,
    DirEntry,
    DiskError,
    Entries,
    FileMetadata,
    FileType,
    MalformedRequest,
    Metadata,
    NoReadCap,
    ParseError,
    Read,
    ReadDir,
    VfsRequest,
    VfsResponse,
)
from tests.support.golden import golden


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("vfs/read", VfsRequest("/chess:nectar/pkg/index.html", Read())),
        ("vfs/read_dir", VfsRequest("/chess:nectar/data", ReadDir())),
        ("vfs/metadata", VfsRequest("/chess:nectar/data/f", Metadata())),
    ],
)
def test_requests_look_as_approved(name: str, value: VfsRequest) -> None:
    assert VFS_REQUEST.encode(value) == golden(name)
    assert VFS_REQUEST.decode(golden(name)) == value


ENTRIES = (
    DirEntry("chess:nectar/data/f", FileType.File),
    DirEntry("chess:nectar/data/a", FileType.Directory),
)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("vfs/answer_read", Read()),
        ("vfs/answer_read_dir", Entries(ENTRIES)),
        ("vfs/answer_metadata", FileMetadata(FileType.File, 12)),
        ("vfs/no_read_cap", Err(NoReadCap())),
        ("vfs/malformed", Err(MalformedRequest())),
        ("vfs/parse_error", Err(ParseError("why", "/x"))),
        ("vfs/io_error", Err(DiskError("why"))),
    ],
)
def test_answers_look_as_approved(name: str, value: VfsResponse) -> None:
    assert VFS_RESPONSE.encode(value) == golden(name)
    assert VFS_RESPONSE.decode(golden(name)) == value


@pytest.mark.parametrize("action", [b'"Write"', b'{"OpenFile":{"create":true}}', b'"read"', b"1", b"null"])
def test_an_action_that_is_not_served_is_malformed(action: bytes) -> None:
    with pytest.raises(Malformed, match=r"^\$\.action"):
        VFS_REQUEST.decode(b'{"path":"/chess:nectar/pkg/x","action":%s}' % action)
