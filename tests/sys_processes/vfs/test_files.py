"""Files as processes make, change and lose them through vfs (PROTOCOL 7.3)."""

from __future__ import annotations

import errno
import hashlib
import stat
from functools import partial
from io import BytesIO
from zipfile import ZipFile, ZipInfo

import pytest
import trio

from kernel.address import Address, ProcessId
from kernel.capability import Capability
from kernel.jsontext import JsonValue, dump, parse
from kernel.message import Request, SendError
from kernel.syscalls import current
from runtime.sim.disk import MemoryDisk
from runtime.sim.workers import InlineWorkers
from sys_processes.vfs import process as vfs
from sys_processes.vfs import protocol as p
from tests.support.module_node import NODE, module, module_node
from tests.support.vfs_calls import DATA, call, content, message

CHESS, PLAYER, OTHER = "chess:chess:nectar", "player:chess:nectar", "other:other:nectar"
F = f"{DATA}/f"


def io_error(answer: JsonValue) -> str:
    assert isinstance(answer, dict), answer
    error = answer["Err"]
    assert isinstance(error, dict), answer
    return str(error["IOError"])


async def run(script, name=CHESS, capabilities=(), disk=None):
    """As that process, on the disk, which is returned."""
    disk = disk or MemoryDisk()
    async with module_node({"vfs": (vfs.make(disk, InlineWorkers()), True)}) as node:
        await node.as_process(name, script, capabilities)
    return disk


async def test_what_is_written_is_read_back():
    """C-151."""

    async def script():
        assert await call(DATA, "CreateDrive") == "Ok"
        assert await call(F, "Write", b"one") == "Ok"
        assert await content(F) == b"one"
        assert await call(F, "Write", b"") == "Ok"
        assert await content(F) == b""
        assert io_error(await call(f"{DATA}/none", "Read")) == f"No such file or directory: {DATA}/none"

    await run(script)


async def test_a_process_is_somewhere_in_each_of_its_files():
    async def script():
        assert await call(F, {"OpenFile": {"create": True}}) == "Ok"
        assert await call(F, "WriteAll", b"hello ") == "Ok"
        assert await call(F, "WriteAt", b"world") == "Ok"
        assert await content(F, "ReadToEnd") == b""
        assert await call(F, {"Seek": {"Start": 6}}) == {"SeekFrom": {"new_offset": 6}}
        assert await content(F, {"ReadExact": {"length": 2}}) == b"wo"
        assert await content(F, {"ReadExact": 1}) == b"r"
        assert await content(F) == b"hello world"
        assert await call(F, "ReadToString") == {"ReadToString": "ld"}
        assert await call(F, {"Seek": {"seek_from": {"End": -5}}}) == {"SeekFrom": 6}
        assert await call(F, {"Seek": {"Current": -6}}) == {"SeekFrom": {"new_offset": 0}}
        assert await call(F, "Append", b"!") == "Ok"
        assert await content(F, "ReadToEnd") == b""
        assert await call(F, "CloseFile") == "Ok"
        assert await content(F, "ReadToEnd") == b"hello world!"

    await run(script)


async def test_processes_are_in_different_places_and_forgotten_when_they_end():
    """F-84."""
    disk = MemoryDisk()
    await disk.write("chess:nectar/data/f", b"abcdef")

    async def reads(expected: bytes) -> None:
        assert await content(F, {"ReadExact": 3}) == expected

    async with module_node({"vfs": (vfs.make(disk, InlineWorkers()), True)}) as node:

        async def script() -> None:
            await reads(b"abc")
            await node.as_process(PLAYER, lambda: reads(b"abc"))
            await reads(b"def")

        await node.as_process(CHESS, script)
        await node.as_process(CHESS, lambda: reads(b"abc"))


async def test_no_more_is_read_than_there_is_and_nothing_is_made_ready_for_more():
    """F-85."""

    async def script():
        await call(F, "Write", b"12345")
        await call(F, {"Seek": {"Start": 3}})
        for length in (3, 1 << 62):
            error = io_error(await call(F, {"ReadExact": {"length": length}}))
            assert error == f"{length} bytes were asked for, and the file has 2 from offset 3 on: {F}"
        for seek in ({"End": -6}, {"Current": -4}, {"Start": (1 << 64) - 1}):
            assert "is no place in a file of 5 bytes" in io_error(await call(F, {"Seek": seek}))
        assert await content(F, "ReadToEnd") == b"45"
        await call(F, {"Seek": {"Start": 100}})
        assert await content(F, "ReadToEnd") == b""
        await call(F, {"Seek": {"Start": 7}})
        assert await call(F, "WriteAll", b"x") == "Ok"
        assert await content(F) == b"12345\0\0x"

    await run(script)


async def test_a_file_larger_than_an_answer_is_read_piece_by_piece():
    async def script():
        await call(F, "Write", b"x")
        assert await call(F, {"SetLen": p.LARGEST_READ + 1}) == "Ok"
        for action in ("Read", "ReadToEnd", "ReadToString"):
            await call(F, "CloseFile")
            assert "read them piece by piece with ReadExact" in io_error(await call(F, action))
        assert await content(F, {"ReadExact": 2}) == b"x\0"

    await run(script)


async def test_lengths_and_hashes():
    async def script():
        await call(F, "Write", b"12345")
        assert await call(F, "Len") == {"Len": 5}
        assert await call(F, {"SetLen": 2}) == "Ok"
        assert await call(F, "Hash") == {"Hash": list(hashlib.sha256(b"12").digest())}
        assert await call(F, "Metadata") == {"Metadata": {"file_type": "File", "len": 2}}
        assert await call(DATA, "Metadata") == {"Metadata": {"file_type": "Directory", "len": 0}}
        assert "not a file" in io_error(await call(DATA, "Len"))
        await call(F, "Write", b"\xff")
        await call(F, "CloseFile")
        assert "no UTF-8" in io_error(await call(F, "ReadToString"))

    await run(script)


async def test_folders_are_made_listed_and_removed():
    async def script():
        assert await call(DATA, "CreateDrive") == "Ok"
        assert await call(f"{DATA}/a", "CreateDir") == "Ok"
        assert "File exists" in io_error(await call(f"{DATA}/a", "CreateDir"))
        assert "No such file" in io_error(await call(f"{DATA}/x/y", "CreateDir"))
        assert await call(f"{DATA}/x/y", "CreateDirAll") == "Ok"
        assert await call(f"{DATA}/x/y", "CreateDirAll") == "Ok"
        await call(f"{DATA}/x/f", "CreateFile")
        assert "not empty" in io_error(await call(f"{DATA}/x", "RemoveDir"))
        assert "Not a directory" in io_error(await call(f"{DATA}/x/f", "RemoveDir"))
        assert "Is a directory" in io_error(await call(f"{DATA}/x", "RemoveFile"))
        assert await call(f"{DATA}/x/f", "RemoveFile") == "Ok"
        assert "No such file" in io_error(await call(f"{DATA}/x/f", "RemoveFile"))
        assert await call(f"{DATA}/x/y", "RemoveDir") == "Ok"
        assert await call(f"{DATA}/x", "RemoveDirAll") == "Ok"
        assert "No such file" in io_error(await call(f"{DATA}/x", "RemoveDirAll"))
        assert await call(DATA, "ReadDir") == {
            "ReadDir": [{"path": "chess:nectar/data/a", "file_type": "Directory"}]
        }

    await run(script)


async def test_files_are_renamed_and_copied_and_everybody_is_at_the_beginning_of_what_is_there_now():
    async def script():
        await call(F, "Write", b"abc")
        await call(f"{DATA}/g", "Write", b"xyz")
        assert await call(F, {"CopyFile": {"new_path": f"{DATA}/h"}}) == "Ok"
        assert await call(F, {"Rename": {"new_path": f"{DATA}/g"}}) == "Ok"
        assert await content(f"{DATA}/g", "ReadToEnd") == b"abc"
        assert await content(f"{DATA}/h") == b"abc"
        assert "No such file" in io_error(await call(F, "Len"))
        for action in ({"Rename": {"new_path": "/x"}}, {"CopyFile": {"new_path": "/"}}):
            answer = await call(f"{DATA}/g", action)
            assert "ParseError" in answer["Err"]

    await run(script)


async def test_creating_makes_empty_and_opening_does_not():
    async def script():
        await call(F, "Write", b"abc")
        assert await call(F, {"OpenFile": {"create": True}}) == "Ok"
        assert await content(F) == b"abc"
        assert await call(F, {"OpenFile": {"create": False}}) == "Ok"
        assert await call(F, "CreateFile") == "Ok"
        assert await content(F) == b""
        assert "No such file" in io_error(await call(f"{DATA}/g", {"OpenFile": {"create": False}}))
        for action in ("WriteAll", "Append", {"SetLen": 1}, "ReadToEnd", "SyncAll", {"Seek": {"Start": 0}}):
            assert "No such file" in io_error(await call(f"{DATA}/g", action, b"x"))
        for action in ("Write", "WriteAll", "WriteAt", "Append", "AddZip"):
            assert await call(F, action) == {"Err": "NoBlob"}

    await run(script)


# -- rights

READS = ["Read", "ReadDir", "Metadata", "Len", "Hash", "ReadToEnd", {"ReadExact": 1}, {"Seek": {"Start": 0}}]
READS += ["ReadToString", "CloseFile", {"OpenFile": {"create": False}}]
WRITES = ["Write", "WriteAll", "WriteAt", "Append", "CreateFile", "CreateDir", "CreateDirAll", "RemoveFile"]
WRITES += ["RemoveDir", "RemoveDirAll", "AddZip", "SyncAll", {"SetLen": 1}, {"OpenFile": {"create": True}}]
RENAME: JsonValue = {"Rename": {"new_path": "/other:nectar/data/f"}}
WRITES += [RENAME, "CreateDrive"]


async def test_others_need_the_right_to_read_or_to_write():
    """C-153."""
    disk = MemoryDisk()
    await disk.write("chess:nectar/data/f", b"game")

    async def without():
        for action in READS:
            assert await call(F, action) == {"Err": "NoReadCap"}
        for action in WRITES:
            assert await call(F, action, b"x") == {"Err": "NoWriteCap"}
        assert await call(F, {"CopyFile": {"new_path": "/other:nectar/data/f"}}) == {"Err": "NoReadCap"}

    async def with_both():
        assert await content(F) == b"game"
        assert await call(F, "Write", b"over") == "Ok"
        assert await call(DATA, "CreateDrive") == {"Err": "NoWriteCap"}

    async def with_reading():
        assert await call(F, "Append", b"x") == {"Err": "NoWriteCap"}
        assert await call("/other:nectar/data/d", "CreateDirAll") == "Ok"
        assert await call(F, {"CopyFile": {"new_path": "/other:nectar/data/f"}}) == "Ok"
        assert await call("/other:nectar/data/f", {"CopyFile": {"new_path": F}}) == {"Err": "NoWriteCap"}
        assert await call(F, {"Rename": {"new_path": "/other:nectar/data/g"}}) == {"Err": "NoWriteCap"}

    def right(kind: str) -> Capability:
        params = dump({"kind": kind, "drive": "/chess:nectar/data"}).decode()
        return Capability(Address(NODE, ProcessId("vfs", "sys", "nectar")), params)

    await run(without, OTHER, disk=disk)
    await run(with_reading, OTHER, [right("read")], disk=disk)
    await run(with_both, OTHER, [right("read"), right("write")], disk=disk)


async def test_who_makes_a_drive_holds_its_rights():
    async def script():
        assert await call(DATA, "CreateDrive") == "Ok"
        ours = current().our_capabilities()
        held = [parse(one.params.encode()) for one in ours if one.issuer.process.process == "vfs"]
        for kind in ("read", "write"):
            assert {"kind": kind, "drive": "/chess:nectar/data"} in held
        for path in (f"{DATA}/below", "/chess:nectar/no spaces"):
            assert "ParseError" in (await call(path, "CreateDrive"))["Err"]

    await run(script)


async def test_other_nodes_change_nothing():
    """C-158."""
    disk = MemoryDisk()
    async with module_node({"vfs": (vfs.make(disk, InlineWorkers()), True)}) as node:
        ipc = dump({"path": DATA, "action": "CreateDirAll"})
        assert await node.from_another_node("vfs", Request(expects_response=5, ipc=ipc)) == [
            b'{"Err":"NoReadCap"}'
        ]
    assert await disk.list("") == []


# -- zips


def zipped(*entries: tuple[str, bytes], mode: int = stat.S_IFREG | 0o644) -> bytes:
    packed = BytesIO()
    with ZipFile(packed, "w") as archive:
        for name, data in entries:
            info = ZipInfo(name)
            info.external_attr = mode << 16
            archive.writestr(info, data)
    return packed.getvalue()


async def test_a_zip_is_unpacked_below_its_path():
    async def script():
        await call(f"{DATA}/z/old", "Write", b"stays")
        data = zipped(("a/b.txt", b"b"), ("c", b"c"), ("empty/", b""))
        assert await call(f"{DATA}/z", "AddZip", data) == "Ok"
        assert [await content(f"{DATA}/z/{name}") for name in ("a/b.txt", "c", "old")] == [
            b"b",
            b"c",
            b"stays",
        ]
        assert await call(f"{DATA}/z/empty", "ReadDir") == {"ReadDir": []}

    await run(script)


@pytest.mark.parametrize(
    "data",
    [
        b"no zip",
        zipped(("fine", b""), ("../evil", b"x")),
        zipped(("fine", b""), ("/evil", b"x")),
        zipped(("fine", b""), ("a/../../evil", b"x")),
        zipped(("link", b"/etc/passwd"), mode=stat.S_IFLNK | 0o777),
        zipped(("fine", b"content"))[:-30],
        zipped(("fine", b"content that is long enough to be broken")).replace(
            b"long enough", b"LONG ENOUGH", 1
        ),
    ],
)
async def test_a_zip_that_is_broken_or_leads_elsewhere_leaves_nothing(data):
    """C-152."""

    async def script():
        assert await call(f"{DATA}/z", "AddZip", data) == {"Err": "UnzipError"}

    disk = await run(script)
    assert await disk.list("") == []


# -- what goes wrong


async def test_a_full_disk_leaves_what_was_there():
    disk = MemoryDisk()

    async def script():
        await call(F, "Write", b"before")
        disk.capacity = disk.size + 2
        for action in ("Write", "Append"):
            assert "No space left" in io_error(await call(F, action, b"too much for it"))
        assert await content(F) == b"before"
        disk.capacity = None
        assert await call(F, "Append", b" and after") == "Ok"
        assert await content(F) == b"before and after"

    await run(script, disk=disk)


async def test_a_broken_disk_is_an_error_of_each_action_and_no_more():
    disk = MemoryDisk()

    async def script():
        await call(F, "Write", b"x")
        disk.broken = errno.EIO
        for action in (*READS, *WRITES):
            if action not in ("CloseFile", "AddZip", RENAME):
                assert "Input/output error" in io_error(
                    await call(F if action != "CreateDrive" else DATA, action, b"x")
                )
        disk.broken = None
        assert await content(F) == b"x"

    await run(script, disk=disk)


async def test_who_asks_too_much_at_once_is_told_so():
    disk = MemoryDisk(partial(trio.sleep, 0.01))

    async def floods() -> None:
        ipc = dump({"path": F, "action": "Len"})
        for _ in range(1100):
            current().send_request(module("vfs"), Request(False, 60, ipc))
        answers = [(await current().receive()).ipc for _ in range(1100)]
        refused = [answer for answer in answers if b"await their answers first" in answer]
        assert 50 <= len(refused) <= 100

    async with module_node({"vfs": (vfs.make(disk, InlineWorkers()), True)}) as node:
        await node.as_process(CHESS, floods)


async def test_a_response_to_vfs_is_dropped_and_it_goes_on():
    async def script():
        try:
            await message(F, {"no": "action"})
        except SendError:
            pytest.fail("it answers what it does not understand")
        assert await call(F, {"no": "action"}) == {"Err": "MalformedRequest"}
        assert await call(F, "Write", b"1") == "Ok"

    await run(script)
