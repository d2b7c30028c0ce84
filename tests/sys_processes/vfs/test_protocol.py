from __future__ import annotations

import pytest

from kernel.codec import Err, Malformed
from sys_processes.vfs import protocol as p
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


# -- as PROTOCOL 7.3 spells them

PATH = "/chess:nectar/data/f"


@pytest.mark.parametrize(
    ("action", "value"),
    [
        ('"Read"', p.Read()),
        ('"CreateDrive"', p.CreateDrive()),
        ('"CreateDir"', p.CreateDir()),
        ('"CreateDirAll"', p.CreateDirAll()),
        ('"CreateFile"', p.CreateFile()),
        ('{"OpenFile":{"create":true}}', p.OpenFile(create=True)),
        ('"CloseFile"', p.CloseFile()),
        ('"Write"', p.Write()),
        ('"WriteAll"', p.WriteAll()),
        ('"Append"', p.Append()),
        ('"SyncAll"', p.SyncAll()),
        ('"ReadDir"', p.ReadDir()),
        ('"ReadToEnd"', p.ReadToEnd()),
        ('{"ReadExact":{"length":16}}', p.ReadExact(p.ExactLength(16))),
        ('"ReadToString"', p.ReadToString()),
        ('{"Seek":{"Start":0}}', p.Seek(p.Start(0))),
        ('{"Seek":{"End":-4}}', p.Seek(p.End(-4))),
        ('{"Seek":{"Current":4}}', p.Seek(p.Current(4))),
        ('"RemoveFile"', p.RemoveFile()),
        ('"RemoveDir"', p.RemoveDir()),
        ('"RemoveDirAll"', p.RemoveDirAll()),
        ('{"Rename":{"new_path":"/chess:nectar/data/g"}}', p.Rename("/chess:nectar/data/g")),
        ('{"CopyFile":{"new_path":"/chess:nectar/data/h"}}', p.CopyFile("/chess:nectar/data/h")),
        ('"Metadata"', p.Metadata()),
        ('"AddZip"', p.AddZip()),
        ('"Len"', p.Len()),
        ('{"SetLen":0}', p.SetLen(0)),
        ('"Hash"', p.Hash()),
        # E2 spellings
        ('{"ReadExact":16}', p.ReadExact(16)),
        ('{"Seek":{"seek_from":{"Start":0}}}', p.Seek(p.EarlySeek(p.Start(0)))),
        ('"WriteAt"', p.WriteAt()),
    ],
)
def test_every_action_of_the_table(action: str, value: p.VfsAction) -> None:
    text = f'{{"path":"{PATH}","action":{action}}}'.encode()
    assert VFS_REQUEST.decode(text) == VfsRequest(PATH, value)
    assert VFS_REQUEST.encode(VfsRequest(PATH, value)) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('"Ok"', p.Ok()),
        ('"Read"', p.Read()),
        ('{"SeekFrom":{"new_offset":4}}', p.Sought(p.NewOffset(4))),
        ('{"ReadToString":"text"}', p.Text("text")),
        ('{"Len":12}', p.Length(12)),
        ('{"Hash":[0,1,255]}', p.Digest(b"\0\1\xff")),
        ('{"Err":"NoWriteCap"}', Err(p.NoWriteCap())),
        ('{"Err":"AddCapFailed"}', Err(p.AddCapFailed())),
        ('{"Err":"NoBlob"}', Err(p.NoBlob())),
        ('{"Err":"UnzipError"}', Err(p.UnzipError())),
        # E2
        ('{"SeekFrom":4}', p.Sought(4)),
    ],
)
def test_every_answer_of_the_table(text: str, value: VfsResponse) -> None:
    assert VFS_RESPONSE.encode(value) == text.encode()
    assert VFS_RESPONSE.decode(text.encode()) == value


@pytest.mark.parametrize(
    "action", [b'"write"', b'{"OpenFile":{}}', b'{"SetLen":-1}', b'{"Seek":{"Start":-1}}', b"1", b"null"]
)
def test_an_action_that_is_not_served_is_malformed(action: bytes) -> None:
    with pytest.raises(Malformed, match=r"^\$\.action"):
        VFS_REQUEST.decode(b'{"path":"/chess:nectar/pkg/x","action":%s}' % action)
