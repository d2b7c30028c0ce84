"""The engine on RocksDB: what a real disk does to it. What it shares with the one in memory is in tests/contract."""

from __future__ import annotations

import errno
import os
import resource
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

import pytest
import trio

from kernel.address import PackageId
from runtime.engine import RocksEngine
from runtime.sim.workers import InlineWorkers
from runtime.workers import ThreadWorkers
from sys_processes.devices import DatabaseName, EngineFailed, NoDatabase
from tests.support.database_writer import FILLING, NAME
from tests.support.in_python import said_by
from tests.support.killed_writer import acknowledged_until_killed

P = ParamSpec("P")
T = TypeVar("T")

OTHER = DatabaseName(PackageId("chess", "nectar"), "other")


async def filled(root: Path) -> None:
    """The database of NAME with 5000 keys in tables on disk, and OTHER beside it."""
    engine = await RocksEngine.open(root, InlineWorkers())
    for name in (NAME, OTHER):
        await engine.make(name)
        await engine.write(name, [(b"%d" % n, os.urandom(200)) for n in range(5000)])
    await engine.aclose()
    # What is in the log goes to a table when the database is opened.
    engine = await RocksEngine.open(root, InlineWorkers())
    assert await engine.get(NAME, b"1") is not None
    await engine.aclose()


def tables(root: Path) -> list[Path]:
    return sorted((root / "chess:nectar" / "games").glob("*.sst"))


async def test_damage_is_an_error_of_that_database_and_of_no_other(tmp_path: Path) -> None:
    await filled(tmp_path)
    for table in tables(tmp_path):
        data = bytearray(table.read_bytes())
        data[100 : len(data) // 2] = os.urandom(len(data) // 2 - 100)
        table.write_bytes(data)
    engine = await RocksEngine.open(tmp_path, InlineWorkers())
    with pytest.raises(EngineFailed, match="games of chess:nectar: Corruption") as caught:
        await engine.get(NAME, b"1")
    assert not caught.value.of_disk
    assert str(tmp_path) not in str(caught.value)
    assert await engine.get(OTHER, b"1") is not None
    await engine.remove(NAME)
    await engine.make(NAME)
    assert await engine.get(NAME, b"1") is None
    await engine.aclose()


class CountedWorkers(InlineWorkers):
    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        self.calls += 1
        return await super().run(work, *args, **kwargs)


async def test_only_what_is_not_in_memory_takes_a_worker(tmp_path: Path) -> None:
    await filled(tmp_path)
    workers = CountedWorkers()
    engine = await RocksEngine.open(tmp_path, workers)
    first = await engine.get(NAME, b"1")
    for read, by_workers in ((b"1", 0), (b"none", 1), (b"none", 1), (b"4999", 1), (b"4999", 0)):
        before = workers.calls
        found = await engine.get(NAME, read)
        assert workers.calls - before == by_workers, read
        assert found == (first if read == b"1" else found)
        assert (found is None) == (read == b"none")
    await engine.write(NAME, [(b"empty", b""), (b"1", None)])
    assert await engine.get(NAME, b"empty") == b""
    assert await engine.get(NAME, b"1") is None
    await engine.aclose()


async def test_a_table_cut_short_or_missing_is_an_error(tmp_path: Path) -> None:
    await filled(tmp_path)
    (table, *_) = tables(tmp_path)
    os.truncate(table, table.stat().st_size // 2)
    engine = await RocksEngine.open(tmp_path, InlineWorkers())
    with pytest.raises(EngineFailed, match="games of chess:nectar"):
        await engine.get(NAME, b"1")
    table.unlink()
    with pytest.raises(EngineFailed, match="games of chess:nectar"):
        await engine.write(NAME, [(b"1", b"1")])
    assert await engine.get(OTHER, b"1") is not None
    await engine.aclose()


async def test_a_root_that_cannot_be_made_and_a_name_too_long_are_errors(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=os.strerror(errno.ENOTDIR)):
        await RocksEngine.open(tmp_path / "file" / "kv", InlineWorkers())
    engine = await RocksEngine.open(tmp_path / "kv", InlineWorkers())
    with pytest.raises(EngineFailed, match=os.strerror(errno.ENAMETOOLONG)) as caught:
        await engine.make(DatabaseName(PackageId("c" * 300, "nectar"), "games"))
    assert caught.value.of_disk


async def test_what_was_half_made_or_half_removed_is_cleared_away(tmp_path: Path) -> None:
    await filled(tmp_path)
    half = tmp_path / ".nectar-scratch" / "0"
    shutil.copytree(tmp_path / "chess:nectar" / "games", half)
    engine = await RocksEngine.open(tmp_path, InlineWorkers())
    assert not half.exists()
    assert await engine.exists(NAME)
    await engine.remove(NAME)
    assert list((tmp_path / ".nectar-scratch").iterdir()) == []
    with pytest.raises(NoDatabase):
        await engine.get(NAME, b"1")
    await engine.aclose()


FULL_DISK = """
import resource, sys, trio
from pathlib import Path
from runtime.engine import RocksEngine
from runtime.workers import ThreadWorkers
from sys_processes.devices import EngineFailed
from tests.support.database_writer import NAME

async def main():
    engine = await RocksEngine.open(Path(sys.argv[1]), ThreadWorkers())
    await engine.make(NAME)
    await engine.write(NAME, [(b"before", b"1")])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        await engine.write(NAME, [(b"%d" % n, bytes(1000)) for n in range(1000)])
    except EngineFailed as error:
        print(error.of_disk, error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    await engine.write(NAME, [(b"after", b"1")])
    print(await engine.get(NAME, b"before"), await engine.get(NAME, b"after"), await engine.get(NAME, b"1"))
    await engine.aclose()

trio.run(main)
"""


def test_a_full_disk_is_an_error_and_no_more(tmp_path: Path) -> None:
    """A limit on the size of files stands for it: the write comes back with an error half-way."""
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    failure, found = said_by(FULL_DISK, tmp_path).splitlines()
    assert failure.startswith("True games of chess:nectar: IO error")
    assert "File too large" in failure
    assert found == "b'1' b'1' None"


OPENED_WHEN_FULL = """
import resource, sys, trio
from pathlib import Path
from runtime.engine import RocksEngine
from runtime.workers import ThreadWorkers
from sys_processes.devices import EngineFailed
from tests.support.database_writer import NAME

async def main():
    said = []
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Enough for the few bytes that RocksDB writes over in place, and not for a new file of it.
    resource.setrlimit(resource.RLIMIT_FSIZE, (60, hard))
    engine = await RocksEngine.open(Path(sys.argv[1]), ThreadWorkers())
    said.append(len(await engine.get(NAME, b"1")))
    for _ in range(2):
        try:
            await engine.write(NAME, [(b"after", b"1")])
        except EngineFailed as error:
            said.append((error.of_disk, str(error)[:33]))
        said.append(len(await engine.get(NAME, b"4999")))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    await engine.write(NAME, [(b"after", b"1")])
    said.append(await engine.get(NAME, b"after"))
    await engine.aclose()
    print(said)

trio.run(main)
"""


def test_on_a_full_disk_a_database_can_be_read_and_written_once_there_is_room(tmp_path: Path) -> None:
    trio.run(filled, tmp_path)
    refused = (True, "games of chess:nectar: IO error: ")
    assert said_by(OPENED_WHEN_FULL, tmp_path) == str([200, refused, 200, refused, 200, b"1"])


@pytest.mark.real_clock
async def test_what_was_acknowledged_is_there_after_kill_9(tmp_path: Path) -> None:
    seen: list[int] = []
    for kills in range(3):
        seen += await acknowledged_until_killed("kv", tmp_path, kills * 100_000, 20)
        engine = await RocksEngine.open(tmp_path, ThreadWorkers())
        for number in seen:
            for side in (b"left ", b"right "):
                assert await engine.get(NAME, side + b"%d" % number) == b"%d" % number + FILLING
        unsaid = b"%d" % (seen[-1] + 1)
        assert len({await engine.get(NAME, side + unsaid) for side in (b"left ", b"right ")}) == 1
        await engine.aclose()
