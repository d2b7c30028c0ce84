"""vfs in the words of E1 (PROTOCOL 7.3)."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.address import PackageId
from kernel.capability import Capability
from kernel.codec import Malformed
from kernel.jsontext import JsonValue, dump, parse
from kernel.message import Message, Payload
from kernel.syscalls import current
from runtime.sim.disk import MemoryDisk
from runtime.sim.workers import InlineWorkers
from sys_processes.vfs import early
from sys_processes.vfs import process as vfs
from sys_processes.vfs.early import early_path, file_at, folder_at, handle_of
from sys_processes.vfs.early_protocol import DRIVE_ANSWER, DRIVE_REQUEST, decode_early
from sys_processes.vfs.protocol import LARGEST_READ, VFS_REQUEST
from tests.support.golden import golden, golden_file
from tests.support.module_node import ask, module_node
from tests.sys_processes.vfs.test_process import CHESS, OTHER, VFS, a_disk

DRIVE = "chess:nectar"


async def said(action: JsonValue, data: bytes | None = None, drive: str = DRIVE) -> Message:
    payload = None if data is None else Payload(None, data)
    return await ask("vfs", dump({"drive": drive, "action": action}), payload)


async def call(action: JsonValue, data: bytes | None = None, drive: str = DRIVE) -> JsonValue:
    return parse((await said(action, data, drive)).ipc)


async def content(path: str) -> bytes | None:
    payload = (await said({"GetEntry": path})).payload()
    return None if payload is None else payload.bytes


def add(path: str, kind: JsonValue = "NewFile") -> JsonValue:
    return {"Add": {"full_path": path, "entry_type": kind}}


async def as_chess(disk: MemoryDisk, script: Callable[[], Awaitable[None]], process: str = CHESS) -> None:
    async with module_node({"vfs": (vfs.make(disk, InlineWorkers()), True)}) as node:
        await node.as_process(process, script)


def words(kind: str) -> list[str]:
    return [f"vfs_early/{name}" for name in golden_file("vfs_early") if name.startswith(kind)]


@pytest.mark.parametrize("name", words("request"))
def test_requests_are_read_as_approved(name: str) -> None:
    assert DRIVE_REQUEST.encode(DRIVE_REQUEST.decode(golden(name))) == golden(name)
    assert decode_early(golden(name)) == DRIVE_REQUEST.decode(golden(name))


@pytest.mark.parametrize("name", words("answer"))
def test_answers_are_written_as_approved(name: str) -> None:
    assert DRIVE_ANSWER.encode(DRIVE_ANSWER.decode(golden(name))) == golden(name)


async def test_files_are_added_changed_looked_at_and_deleted() -> None:
    async def script() -> None:
        assert await call("New") == "Ok"
        assert await call(add("/data/a.txt"), b"hello") == "Ok"
        assert await call({"Append": "/data/a.txt"}, b" world") == "Ok"
        assert await call({"WriteOffset": {"full_path": "/data/a.txt", "offset": 0}}, b"J") == "Ok"
        assert await call({"GetEntryLength": "/data/a.txt"}) == {"GetEntryLength": 11}
        assert await call({"SetSize": {"full_path": "/data/a.txt", "size": 8}}) == "Ok"
        found = await said({"GetEntry": "/data/a.txt"})
        assert parse(found.ipc) == {"GetEntry": {"is_file": True, "children": []}}
        assert found.payload() == Payload("application/octet-stream", b"Jello wo")
        chunk = await said({"GetFileChunk": {"full_path": "/data/a.txt", "offset": 6, "length": 100}})
        assert chunk.ipc == b'"GetFileChunk"'
        assert chunk.payload() == Payload("application/octet-stream", b"wo")
        chunk = await said({"GetFileChunk": {"full_path": "/data/a.txt", "offset": 60, "length": 1}})
        assert chunk.payload() == Payload("application/octet-stream", b"")
        assert await call({"Rename": {"full_path": "/data/a.txt", "new_full_path": "/data/b.txt"}}) == "Ok"
        assert await call({"GetEntry": "/data"}) == {
            "GetEntry": {"is_file": False, "children": ["/data/b.txt", "/data/saved"]}
        }
        assert await call({"Delete": "/data/b.txt"}) == "Ok"
        assert await call({"GetEntry": "/data/b.txt"}) == {"Err": "EntryNotFound"}

    await as_chess(await a_disk(), script)


async def test_what_lies_on_top_of_a_package_lies_in_a_drive_of_its_own() -> None:
    disk = await a_disk()

    async def script() -> None:
        assert await call(add("/a"), b"on top") == "Ok"
        assert await content("/a") == b"on top"
        assert await call(add("/more", "Dir")) == "Ok"
        assert await call(add("/", "Dir")) == "Ok"
        assert await call({"GetEntry": "/"}) == {
            "GetEntry": {"is_file": False, "children": ["/a", "/data", "/more", "/pkg"]}
        }
        assert await call({"GetEntry": "/more"}) == {"GetEntry": {"is_file": False, "children": []}}
        assert await call({"Delete": "/"}) == {"Err": "BadDescriptor"}
        assert await call({"Delete": "/a"}) == "Ok"
        assert await call({"Delete": "/more"}) == "Ok"
        assert await call({"Delete": "/more"}) == {"Err": "EntryNotFound"}
        assert await call(add("/"), b"x") == {"Err": "BadDescriptor"}

    await as_chess(disk, script)
    assert [name for name, _ in await disk.list("chess:nectar")] == ["data", "pkg", "top"]


async def test_a_handle_leads_to_its_file_as_long_as_it_is_there() -> None:
    async def script() -> None:
        await call(add("/top_file"), b"x")
        for path in ("/data/saved", "/pkg/ui/index.html", "/top_file"):
            found = await call({"GetHash": path})
            assert isinstance(found, dict)
            assert await call({"GetPath": found["GetHash"]}) == {"GetPath": path}
        assert await call({"GetPath": 123}) == {"GetPath": None}
        assert await call({"GetHash": "/data/none"}) == {"Err": "EntryNotFound"}
        assert await call({"GetHash": "/data"}) == {"Err": "EntryNotFound"}
        handle = handle_of("chess:nectar/data/saved")
        assert await call(add("/data/copy", {"ExistingFile": {"hash": handle}})) == "Ok"
        assert await content("/data/copy") == b"game"
        assert await call(add("/data/copy", {"ExistingFile": {"hash": 123}})) == {"Err": "EntryNotFound"}

    await as_chess(await a_disk(), script)


async def test_a_handle_is_not_looked_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(early, "MOST_LOOKED_AT", 2)

    async def script() -> None:
        assert await call({"GetPath": handle_of("chess:nectar/pkg/ui/index.html")}) == {"GetPath": None}

    await as_chess(await a_disk(), script)


def zipped(files: dict[str, bytes]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return data.getvalue()


async def test_a_zip_is_unpacked_beside_its_path() -> None:
    """C-152."""

    async def script() -> None:
        assert await call(add("/p.zip", "ZipArchive"), zipped({"a": b"1", "pkg/b": b"2"})) == "Ok"
        assert await content("/a") == b"1"
        assert await content("/pkg/b") == b"2"
        assert await call(add("/data/p.zip", "ZipArchive"), zipped({"c": b"3"})) == "Ok"
        assert await content("/data/c") == b"3"
        for bad in (b"no zip", zipped({"../../other:nectar/pkg/x": b"!"})):
            assert await call(add("/p.zip", "ZipArchive"), bad) == {"Err": "BadPayload"}

    await as_chess(await a_disk(), script)


@pytest.mark.parametrize(
    "path", ["/../other:nectar/pkg/x", "/data/../../pkg/x", "/..", "/data/a\0b", "/../../x", "../x/y"]
)
async def test_no_path_leaves_the_package(path: str) -> None:
    """C-152."""
    disk = await a_disk()

    async def script() -> None:
        for action in (add(path), add(path, "Dir"), {"Append": path}, {"GetEntry": path}, {"Delete": path}):
            assert await call(action, b"x") == {"Err": "BadDescriptor"}

    await as_chess(disk, script)
    assert await disk.read("other:nectar/pkg/x") == b"x"


async def test_other_packages_have_no_right_until_they_are_given_one() -> None:
    """C-153."""

    async def script() -> None:
        for action in (
            "New", add("/data/x"), add("/more", "Dir"), {"Delete": "/data/saved"}, {"Append": "/data/saved"},
            {"GetEntry": "/data/saved"}, {"GetEntry": "/"}, {"GetPath": handle_of("chess:nectar/data/saved")},
            {"GetHash": "/data/saved"}, {"GetEntryLength": "/data/saved"},
            {"Rename": {"full_path": "/data/saved", "new_full_path": "/data/s"}},
        ):  # fmt: skip
            assert await call(action, b"x") == {"Err": "NoCap"}, action

    await as_chess(await a_disk(), script, OTHER)

    async def reader() -> None:
        current().save_capabilities([])
        assert await content("/data/saved") == b"game"
        assert await call({"Append": "/data/saved"}, b"x") == {"Err": "NoCap"}

    async with module_node({"vfs": (vfs.make(await a_disk(), InlineWorkers()), True)}) as node:
        right = Capability(VFS, '{"kind": "read", "drive": "/chess:nectar/data"}')
        await node.as_process(OTHER, reader, capabilities=[right])


@pytest.mark.parametrize(
    ("ipc", "answer"),
    [
        (b'{"drive":"nonsense","action":"New"}', b'{"Err":"BadDriveName"}'),
        (b'{"drive":"chess:nectar","action":"Dance"}', b'{"Err":"BadJson"}'),
        (b'{"drive":7,"action":"New"}', b'{"Err":"BadJson"}'),
        (b'{"drive":"chess:nectar","path":7}', b'{"Err":"MalformedRequest"}'),
        (b'["drive"', b'{"Err":"MalformedRequest"}'),
        (b'{"drive":"chess:nectar","action":{"Append":"/data/saved"}}', b'{"Err":"BadPayload"}'),
        (b'{"drive":"chess:nectar","action":{"Append":"/data/none"}}', b'{"Err":"EntryNotFound"}'),
        (b'{"drive":"chess:nectar","action":{"Append":"/data/saved/x"}}', b'{"Err":"EntryNotFound"}'),
        (b'{"drive":"chess:nectar","action":{"Append":"/data"}}', b'{"Err":"EntryNotFound"}'),
    ],
)
async def test_what_cannot_be_done_is_answered_in_the_words_of_the_era(ipc: bytes, answer: bytes) -> None:
    async def script() -> None:
        assert (await ask("vfs", ipc)).ipc == answer

    await as_chess(await a_disk(), script)


async def test_a_disk_that_is_full_and_a_file_that_is_too_large_are_told() -> None:
    disk = await a_disk()

    async def script() -> None:
        disk.capacity = disk.size
        assert await call(add("/data/x"), b"x") == {"Err": "PersistError"}
        disk.capacity = None
        assert await call({"SetSize": {"full_path": "/data/saved", "size": LARGEST_READ + 1}}) == "Ok"
        assert await call({"GetEntry": "/data/saved"}) == {"Err": "InternalError"}
        whole = {"full_path": "/data/saved", "offset": 0, "length": LARGEST_READ + 1}
        assert await call({"GetFileChunk": whole}) == {"Err": "InternalError"}

    await as_chess(disk, script)


async def test_a_file_that_was_changed_here_is_read_from_its_beginning_there() -> None:
    path = "/chess:nectar/data/saved"

    async def script() -> None:
        await ask("vfs", dump({"path": path, "action": {"Seek": {"Start": 3}}}))
        await call(add("/data/saved"), b"anew")
        answer = await ask("vfs", dump({"path": path, "action": "ReadToEnd"}))
        assert answer.payload() == Payload("application/octet-stream", b"anew")

    await as_chess(await a_disk(), script)


NAME = st.text("abc.", min_size=1, max_size=3).filter(lambda name: name not in (".", ".."))


@given(st.lists(NAME, min_size=1, max_size=4))
def test_a_path_here_is_a_path_there_and_back(names: list[str]) -> None:
    path = "/" + "/".join(names)
    package = PackageId("chess", "nectar")
    file = file_at(package, path)
    if names[:1] != ["top"]:
        assert early_path(file.on_disk) == path
    folder = folder_at(package, path)
    assert folder is not None
    assert folder.on_disk == f"chess:nectar{path}"


def test_the_words_of_later_eras_are_not_taken_for_these() -> None:
    later = b'{"path":"/chess:nectar/pkg/\\"drive\\"","action":"Read"}'
    assert decode_early(later) is None
    assert VFS_REQUEST.decode(later).path.endswith('"drive"')
    with pytest.raises(Malformed):
        VFS_REQUEST.decode(b'{"drive":"x"}')
