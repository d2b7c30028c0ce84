"""The engines of kv and sqlite as a trio program would use them: behind a thread, without kernel, rights or messages.

`python -m scripts.benchmarks.bare_stores WORK N` prints one JSON line.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import trio
from rocksdict import Options, Rdict, WriteOptions

KEYS = 1000
VALUE = bytes(range(100))
MIB = 1 << 20


async def sets(folder: Path, count: int) -> tuple[int, float]:
    rocks = Rdict(str(folder), Options(raw_mode=True))
    synced = WriteOptions()
    synced.sync = True
    begin = time.perf_counter()
    for number in range(count):
        await trio.to_thread.run_sync(rocks.put, b"%d" % (number % KEYS), VALUE, synced)
    seconds = time.perf_counter() - begin
    rocks.close()
    return count, seconds


async def gets(folder: Path, count: int) -> tuple[int, float]:
    rocks = Rdict(str(folder), Options(raw_mode=True))
    for number in range(KEYS):
        rocks.put(b"%d" % number, VALUE)
    begin = time.perf_counter()
    right = 0
    for number in range(count):
        right += await trio.to_thread.run_sync(rocks.get, b"%d" % (number % KEYS)) == VALUE
    seconds = time.perf_counter() - begin
    rocks.close()
    return right, seconds


async def reads(folder: Path, count: int) -> tuple[int, float]:
    connection = sqlite3.connect(folder / "data.sqlite", isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE t (k INTEGER PRIMARY KEY, v)")
    rows = [(number, f"{number}text") for number in range(KEYS)]
    connection.executemany("INSERT INTO t VALUES (?, ?)", rows)

    def read(key: int) -> list[tuple[int, str]]:
        return connection.execute("SELECT k, v FROM t WHERE k = ?1", (key,)).fetchall()

    begin = time.perf_counter()
    right = 0
    for number in range(count):
        found = await trio.to_thread.run_sync(read, number % KEYS)
        right += len(found) == 1 and found[0][0] == number % KEYS
    seconds = time.perf_counter() - begin
    connection.close()
    return right, seconds


async def files(folder: Path, count: int) -> tuple[int, float]:
    """So many MiB, written and read piece by piece; durable in between."""
    begin = time.perf_counter()
    right = 0
    with (folder / "big").open("w+b") as file:
        for number in range(count):
            await trio.to_thread.run_sync(file.write, bytes([number % 256]) * MIB)
        await trio.to_thread.run_sync(file.flush)
        await trio.to_thread.run_sync(os.fsync, file.fileno())
        file.seek(0)
        for number in range(count):
            right += await trio.to_thread.run_sync(file.read, MIB) == bytes([number % 256]) * MIB
    return right, time.perf_counter() - begin


WORKS: dict[str, Callable[[Path, int], Awaitable[tuple[int, float]]]] = {
    "sets": sets,
    "gets": gets,
    "reads": reads,
    "files": files,
}


async def main(work: str, count: int) -> None:
    if work not in WORKS:
        raise SystemExit(f"no such work: {work!r}; there are {', '.join(WORKS)}")
    with tempfile.TemporaryDirectory() as folder:
        done, seconds = await WORKS[work](Path(folder), count)
    if done != count:
        raise SystemExit(f"{done} of {count} came through")
    print(json.dumps({"count": done, "seconds": seconds}))


if __name__ == "__main__":
    trio.run(main, sys.argv[1], int(sys.argv[2]))
