"""SQL databases in files: what a real disk does to them. What they share with those in memory is in tests/contract."""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path

import pytest
import trio

from kernel.address import PackageId
from runtime.databases import FILE, SqliteDatabases
from runtime.sim.workers import InlineWorkers
from runtime.workers import ThreadWorkers
from sys_processes.devices import DatabaseName, EngineFailed
from tests.support.database_writer import FILLING, NAME
from tests.support.in_python import said_by
from tests.support.killed_writer import acknowledged_until_killed

NUMBERS = "WITH RECURSIVE n(x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n) "
OTHER = DatabaseName(PackageId("chess", "nectar"), "other")


async def filled(root: Path) -> Path:
    """The file of NAME; OTHER is beside it."""
    databases = await SqliteDatabases.open(root, InlineWorkers())
    for name in (NAME, OTHER):
        await databases.make(name)
        await databases.write(name, [("CREATE TABLE t (k INTEGER PRIMARY KEY, v)", ())])
        await databases.write(
            name, [("INSERT INTO t (v) " + NUMBERS + "SELECT randomblob(300) FROM n LIMIT 3000", ())]
        )
    await databases.aclose()
    return root / "chess:nectar" / "games" / FILE


async def count_of(databases: SqliteDatabases, name: DatabaseName) -> int:
    [(number,)] = await databases.query(
        name, ("SELECT count(v) FROM (SELECT v FROM t WHERE length(v) > 0)", ()), lambda _, rows: list(rows)
    )
    assert isinstance(number, int)
    return number


async def test_closing_brings_the_log_home(tmp_path: Path) -> None:
    path = await filled(tmp_path)
    assert [file.name for file in path.parent.iterdir()] == [FILE]
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("SELECT count(*) FROM t").fetchone() == (3000,)
    connection.close()


@pytest.mark.parametrize("damage", ["garbage", "cut", "emptied", "half"])
async def test_damage_is_an_error_of_that_database_and_of_no_other(tmp_path: Path, damage: str) -> None:
    path = await filled(tmp_path)
    data = path.read_bytes()
    match damage:
        case "garbage":
            path.write_bytes(os.urandom(len(data)))
        case "cut":
            path.write_bytes(data[: len(data) // 2])
        case "emptied":
            path.write_bytes(b"")
        case _:
            path.write_bytes(data[: len(data) // 4] + os.urandom(len(data) // 2) + data[-len(data) // 4 :])
    databases = await SqliteDatabases.open(tmp_path, InlineWorkers())
    with pytest.raises(EngineFailed, match="games of chess:nectar") as caught:
        await count_of(databases, NAME)
    assert not caught.value.of_disk
    assert str(tmp_path) not in str(caught.value)
    assert await count_of(databases, OTHER) == 3000
    await databases.remove(NAME)
    await databases.make(NAME)
    await databases.aclose()


async def test_a_missing_file_and_a_name_too_long_are_errors_of_the_disk(tmp_path: Path) -> None:
    path = await filled(tmp_path)
    path.unlink()
    databases = await SqliteDatabases.open(tmp_path, InlineWorkers())
    with pytest.raises(EngineFailed, match="unable to open database file") as caught:
        await count_of(databases, NAME)
    assert caught.value.of_disk
    with pytest.raises(EngineFailed, match=os.strerror(errno.ENAMETOOLONG)) as caught:
        await databases.make(DatabaseName(PackageId("c" * 300, "nectar"), "games"))
    assert caught.value.of_disk
    await databases.aclose()


async def test_a_database_that_is_full_keeps_what_it_has(tmp_path: Path) -> None:
    databases = await SqliteDatabases.open(tmp_path, InlineWorkers(), most_pages=10)
    await databases.make(NAME)
    await databases.write(NAME, [("CREATE TABLE t (k INTEGER PRIMARY KEY, v)", ())])
    await databases.write(NAME, [("INSERT INTO t (v) VALUES ('kept')", ())])
    with pytest.raises(EngineFailed, match="full") as caught:
        await databases.write(NAME, [("INSERT INTO t (v) VALUES (zeroblob(100000))", ())])
    assert caught.value.of_disk
    assert await count_of(databases, NAME) == 1
    await databases.write(NAME, [("INSERT INTO t (v) VALUES ('more')", ())])
    assert await count_of(databases, NAME) == 2
    await databases.aclose()


@pytest.mark.real_clock
async def test_readers_go_on_while_a_write_takes_its_time(tmp_path: Path) -> None:
    await filled(tmp_path)
    databases = await SqliteDatabases.open(tmp_path, ThreadWorkers())
    order: list[str] = []

    async def slow() -> None:
        with pytest.raises(EngineFailed, match="took too long"):
            await databases.write(
                NAME,
                [("DELETE FROM t", ()), ("INSERT INTO t (v) " + NUMBERS + "SELECT 1 FROM n WHERE x < 0", ())],
            )
        order.append("slow")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(slow)
        for _ in range(20):
            assert await count_of(databases, NAME) == 3000
        order.append("readers")
    assert order == ["readers", "slow"]
    await databases.aclose()


OPENED_WHEN_FULL = """
import resource, sys, trio
from pathlib import Path
from runtime.databases import SqliteDatabases
from runtime.workers import ThreadWorkers
from sys_processes.devices import EngineFailed
from tests.runtime.test_databases import NAME, count_of

ADD = ("INSERT INTO t (v) VALUES ('after')", ())

async def main():
    said = []
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60, hard))
    databases = await SqliteDatabases.open(Path(sys.argv[1]), ThreadWorkers())
    said.append(await count_of(databases, NAME))
    for _ in range(2):
        try:
            await databases.write(NAME, [ADD])
        except EngineFailed as error:
            said.append((error.of_disk, str(error)))
        said.append(await count_of(databases, NAME))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    await databases.write(NAME, [ADD])
    said.append(await count_of(databases, NAME))
    await databases.aclose()
    print(said)

trio.run(main)
"""


def test_on_a_full_disk_a_database_can_be_read_and_written_once_there_is_room(tmp_path: Path) -> None:
    """A limit on the size of files stands for it."""
    trio.run(filled, tmp_path)
    refused = (True, "games of chess:nectar: disk I/O error")
    assert said_by(OPENED_WHEN_FULL, tmp_path) == str([3000, refused, 3000, refused, 3000, 3001])


@pytest.mark.real_clock
async def test_what_was_acknowledged_is_there_after_kill_9(tmp_path: Path) -> None:
    seen: list[int] = []
    for kills in range(3):
        seen += await acknowledged_until_killed("sqlite", tmp_path, kills * 100_000, 20)
        databases = await SqliteDatabases.open(tmp_path, ThreadWorkers())
        left, right = [
            await databases.query(NAME, (f"SELECT n, filling FROM {side}", ()), lambda _, rows: list(rows))
            for side in ("left", "right")
        ]
        assert left == right
        assert {(number, FILLING) for number in seen} <= set(left)
        await databases.aclose()
