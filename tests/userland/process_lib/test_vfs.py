"""The calls of `process_lib.vfs`, to the vfs of a node and to that of a plain test, which answer alike."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable

import pytest

from kernel.address import PackageId
from runtime.sim.disk import MemoryDisk
from runtime.sim.workers import InlineWorkers
from sys_processes.vfs import process as vfs_process
from tests.support.module_node import module_node
from userland.process_lib import Address, Response, await_message, vfs
from userland.process_lib.testing import ActorTest

WHITE = "white:chess:nectar"
CHESS = PackageId("chess", "nectar")
Said = list[object]
Note = Callable[[Awaitable[object]], Awaitable[None]]


async def files(note: Note) -> None:
    drive = await vfs.create_drive(CHESS, "data")
    assert drive == "/chess:nectar/data"
    path = f"{drive}/a/saved"
    await note(vfs.open_file(path)._open())
    async with vfs.open_file(path, create=True) as file:
        assert file == vfs.File(path)
        await file.write_all("hello ")
        await file.write_at(b"world")
        await note(file.seek(6))
        await note(file.read_exact(2))
        await note(file.read_to_string())
        await note(file.seek(vfs.SeekFrom.End(-5)))
        buffer = bytearray(3)
        await note(file.read_into(buffer))
        await note(file.read_at(memoryview(buffer)))
        assert buffer == b"wor"
        await note(file.seek(vfs.SeekFrom.Current(-100)))
        await note(file.read())
        await note(file.append(b"!"))
        await note(file.read_to_end())
    await note(file.read_to_end())
    await file.set_len(3)
    await file.sync_all()
    await note(file.len())
    await note(file.metadata())
    await note(file.hash())
    copied = await file.copy(f"{drive}/a/copy")
    await note(copied.read())
    await copied.write("")
    await note(copied.read())
    opened = await vfs.create_file(path)
    await note(opened.read())
    await opened.write(b"\xff")
    await opened.close()
    await note(opened.read_to_string())


async def folders(note: Note) -> None:
    drive = await vfs.create_drive("chess:nectar", "data")
    await note(vfs.open_dir(f"{drive}/a"))
    folder = await vfs.open_dir(f"{drive}/a", create=True)
    await note(vfs.open_dir(f"{drive}/a", create=True))
    await note(folder.read())
    await vfs.create_dir_all(f"{drive}/a/b/c")
    await (await vfs.create_file(f"{drive}/a/f")).write("1")
    await note(folder.read())
    await note(vfs.metadata(folder.path))
    await note(vfs.remove_dir(folder.path))
    await note(vfs.rename(f"{drive}/a/f", f"{drive}/a/g"))
    await note(vfs.remove_file(f"{drive}/a/f"))
    await vfs.remove_path(f"{drive}/a/g")
    await vfs.remove_path(f"{drive}/a/b")
    await note(folder.read())
    await vfs.remove_dir(folder.path)
    await note(vfs.metadata(folder.path))
    await vfs.create_dir_all(f"{drive}/x/y")
    await vfs.remove_dir_all(f"{drive}/x")
    await note(vfs.open_dir(f"{drive}/x"))


async def said_by(script: Callable[[Note], Awaitable[None]]) -> Said:
    """Answers, and the kind of each error."""
    said: Said = []

    async def note(call: Awaitable[object]) -> None:
        try:
            said.append(await call)
        except vfs.VfsError as error:
            said.append(type(error.error))

    await script(note)
    return said


IO = vfs.DiskError
FILE_ANSWERS: Said = [IO, 6, b"wo", "rld", 6, 3, IO, IO, b"hello world", None, b"", b"hello world!", 3]
FILE_ANSWERS += [
    vfs.FileMetadata(vfs.FileType.File, 3),
    hashlib.sha256(b"hel").digest(),
    b"hel",
    b"",
    b"",
    IO,
]


def entry(name: str, kind: vfs.FileType = vfs.FileType.Directory) -> vfs.DirEntry:
    return vfs.DirEntry(f"chess:nectar/data/a/{name}", kind)


A = vfs.Directory("/chess:nectar/data/a")
FOLDER_ANSWERS: Said = [IO, A, [], [entry("b"), entry("f", vfs.FileType.File)]]
FOLDER_ANSWERS += [vfs.FileMetadata(vfs.FileType.Directory, 0), IO, None, IO, [], IO, IO]


@pytest.mark.parametrize(("script", "answers"), [(files, FILE_ANSWERS), (folders, FOLDER_ANSWERS)])
async def test_on_a_node(script: Callable[[Note], Awaitable[None]], answers: Said) -> None:
    said: Said = []

    async def process() -> None:
        said.extend(await said_by(script))

    async with module_node({"vfs": (vfs_process.make(MemoryDisk(), InlineWorkers()), True)}) as node:
        await node.as_process(WHITE, process)
    assert said == answers


@pytest.mark.parametrize(("script", "answers"), [(files, FILE_ANSWERS), (folders, FOLDER_ANSWERS)])
async def test_in_a_plain_test(script: Callable[[Note], Awaitable[None]], answers: Said) -> None:
    said: Said = []

    async def init(our: Address) -> None:
        await await_message()
        said.extend(await said_by(script))
        Response().ipc(b"done").send()

    async with ActorTest(init, our=WHITE) as actor:
        await actor.send("go", expects_response=10)
    assert said == answers


async def test_who_has_no_right_is_told_so() -> None:
    async def stranger() -> None:
        with pytest.raises(vfs.VfsError, match="CreateDrive of /chess:nectar/data was refused") as caught:
            await vfs.create_drive(CHESS, "data")
        assert caught.value.error == vfs.NoWriteCap()
        with pytest.raises(TypeError, match="bytes or text"):
            await vfs.File("/other:nectar/data/f").write(3)  # type: ignore[arg-type]

    async with module_node({"vfs": (vfs_process.make(MemoryDisk(), InlineWorkers()), True)}) as node:
        await node.as_process("other:other:nectar", stranger)


async def test_a_zip_is_unpacked_or_refused() -> None:
    async def script() -> None:
        drive = await vfs.create_drive(CHESS, "data")
        with pytest.raises(vfs.VfsError) as caught:
            await vfs.add_zip(f"{drive}/z", b"no zip")
        assert caught.value.error == vfs.UnzipError()

    async with module_node({"vfs": (vfs_process.make(MemoryDisk(), InlineWorkers()), True)}) as node:
        await node.as_process(WHITE, script)
