"""A program that writes to the real databases without end, and says which number is durable: to be killed.

`python -m tests.support.database_writer ENGINE FOLDER FIRST`, with ENGINE one of `kv`, `sqlite`. Each number is one
batch, that of two places.
"""

from __future__ import annotations

import sys
from itertools import count
from pathlib import Path

import trio

from kernel.address import PackageId
from runtime.databases import SqliteDatabases
from runtime.engine import RocksEngine
from runtime.workers import ThreadWorkers
from sys_processes.devices import DatabaseName

NAME = DatabaseName(PackageId("chess", "nectar"), "games")
FILLING = b"x" * 500


async def write_keys(folder: Path, first: int) -> None:
    engine = await RocksEngine.open(folder, ThreadWorkers())
    await engine.make(NAME)
    for number in count(first):
        key = b"%d" % number
        await engine.write(NAME, [(b"left " + key, key + FILLING), (b"right " + key, key + FILLING)])
        say(number)


async def write_rows(folder: Path, first: int) -> None:
    databases = await SqliteDatabases.open(folder, ThreadWorkers())
    await databases.make(NAME)
    for side in ("left", "right"):
        await databases.write(NAME, [(f"CREATE TABLE IF NOT EXISTS {side} (n PRIMARY KEY, filling)", ())])
    for number in count(first):
        sides = ("left", "right")
        await databases.write(
            NAME, [(f"INSERT INTO {side} VALUES (?, ?)", (number, FILLING)) for side in sides]
        )
        say(number)


def say(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    trio.run({"kv": write_keys, "sqlite": write_rows}[sys.argv[1]], Path(sys.argv[2]), int(sys.argv[3]))
