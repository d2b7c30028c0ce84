"""`python -m scripts.benchmarks.engines [--keys N]`: the engines that kv could stand on, side by side.

Random sets, each durable; in durable batches of 100; random gets; kill -9 in the midst of sets, then what is there; a
file cut in half. Each engine runs in interpreters of its own. docs/kv.md has the numbers, and what was concluded.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

import lmdb
from rocksdict import Options, Rdict, WriteBatch, WriteOptions

from scripts.benchmarks.bare_trio import resident

VALUE = bytes(range(100))
BATCH = 100
ALONE = 2000
MAP_BYTES = 1 << 36


class Bare(Protocol):
    def put(self, pairs: Iterable[tuple[bytes, bytes]]) -> None:
        """Durable on return."""

    def get(self, key: bytes) -> bytes | None: ...

    def close(self) -> None: ...


class Lmdb:
    def __init__(self, folder: str) -> None:
        self._env = lmdb.open(folder, map_size=MAP_BYTES)

    def put(self, pairs: Iterable[tuple[bytes, bytes]]) -> None:
        with self._env.begin(write=True) as transaction:
            for key, value in pairs:
                transaction.put(key, value)

    def get(self, key: bytes) -> bytes | None:
        with self._env.begin() as transaction:
            found: bytes | None = transaction.get(key)
            return found

    def close(self) -> None:
        self._env.close()


class Rocks:
    def __init__(self, folder: str) -> None:
        self._rocks = Rdict(folder, Options(raw_mode=True))
        self._synced = WriteOptions()
        self._synced.sync = True

    def put(self, pairs: Iterable[tuple[bytes, bytes]]) -> None:
        batch = WriteBatch(raw_mode=True)
        for key, value in pairs:
            batch.put(key, value)
        self._rocks.write(batch, self._synced)

    def get(self, key: bytes) -> bytes | None:
        value: bytes | None = self._rocks.get(key)
        return value

    def close(self) -> None:
        self._rocks.close()


ENGINES: dict[str, Callable[[str], Bare]] = {"lmdb": Lmdb, "rocksdb": Rocks}


def key_of(number: int) -> bytes:
    """Spread over the keys, the same in every run."""
    return random.Random(number).randbytes(16)


def measure(name: str, folder: str, keys: int) -> dict[str, float]:
    before = resident()
    begin = time.perf_counter()
    engine = ENGINES[name](folder)
    found = {"open empty, ms": (time.perf_counter() - begin) * 1000}
    names = [key_of(number) for number in range(keys)]
    begin = time.perf_counter()
    for key in names[:ALONE]:
        engine.put([(key, VALUE)])
    found["sets/s, each durable"] = ALONE / (time.perf_counter() - begin)
    begin = time.perf_counter()
    for first in range(0, keys, BATCH):
        engine.put([(key, VALUE) for key in names[first : first + BATCH]])
    found[f"sets/s, durable by {BATCH}"] = keys / (time.perf_counter() - begin)
    random.Random(1).shuffle(names)
    begin = time.perf_counter()
    if sum(engine.get(key) == VALUE for key in names) != keys:
        raise SystemExit(f"{name} lost keys")
    found["gets/s"] = keys / (time.perf_counter() - begin)
    found["memory, MiB"] = (resident() - before) / 2**20
    engine.close()
    found["files, MiB"] = sum(file.stat().st_size for file in Path(folder).iterdir()) / 2**20
    begin = time.perf_counter()
    ENGINES[name](folder).close()
    found["open and close full, ms"] = (time.perf_counter() - begin) * 1000
    return found


def write_on(name: str, folder: str) -> None:
    """Until killed; says the number of each batch that is durable."""
    engine = ENGINES[name](folder)
    for number in range(10_000_000):
        engine.put([(key_of(number), VALUE)])
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()


def count_written(name: str, folder: str, acknowledged: int) -> dict[str, float]:
    begin = time.perf_counter()
    engine = ENGINES[name](folder)
    seconds = time.perf_counter() - begin
    there = sum(engine.get(key_of(number)) == VALUE for number in range(acknowledged))
    return {
        "acknowledged": acknowledged,
        "lost": acknowledged - there,
        "open after kill -9, ms": seconds * 1000,
    }


def read_damaged(name: str, folder: str, keys: int) -> dict[str, float]:
    """How many of the keys come back right, and how many as an error; the rest is said to be missing."""
    right = errors = 0
    try:
        engine = ENGINES[name](folder)
    except Exception:  # noqa: BLE001 - whatever an engine raises
        return {"right": 0, "errors": keys}
    for number in range(keys):
        try:
            right += engine.get(key_of(number)) == VALUE
        except Exception:  # noqa: BLE001 - whatever an engine raises
            errors += 1
    return {"right": right, "errors": errors}


def child(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "scripts.benchmarks.engines", *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)


def told(*arguments: object) -> dict[str, float] | str:
    process = child(*arguments)
    said, _ = process.communicate()
    if process.returncode < 0:
        return signal.Signals(-process.returncode).name
    found: dict[str, float] = json.loads(said)
    return found


def killed(name: str, folder: str, batches: int) -> dict[str, float] | str:
    writer = child("write", name, folder, 0)
    assert writer.stdout is not None
    for _ in range(batches):
        writer.stdout.readline()
    writer.kill()
    rest = writer.stdout.read().splitlines(keepends=True)
    writer.wait()
    return told("count", name, folder, batches + sum(line.endswith("\n") for line in rest))


def cut(name: str, folder: str, keys: int) -> dict[str, float] | str:
    largest = max(Path(folder).iterdir(), key=lambda file: file.stat().st_size)
    os.truncate(largest, largest.stat().st_size // 2)
    return told("damaged", name, folder, keys)


def compare(keys: int) -> None:
    with tempfile.TemporaryDirectory(prefix="nectar-engines-", dir=Path.cwd()) as home:
        for name in ENGINES:
            folder, other = f"{home}/{name}", f"{home}/{name}-killed"
            print(json.dumps({"engine": name, "speed": told("measure", name, folder, keys)}), flush=True)
            print(json.dumps({"engine": name, "kill -9": killed(name, other, 500)}), flush=True)
            print(json.dumps({"engine": name, "largest file cut": cut(name, folder, keys)}), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m scripts.benchmarks.engines", description=__doc__)
    parser.add_argument("--keys", type=int, default=100_000)
    works = {"measure": measure, "count": count_written, "damaged": read_damaged}
    match sys.argv[1:]:
        case ["write", name, folder, _]:
            write_on(name, folder)
        case [work, name, folder, count] if work in works:
            print(json.dumps(works[work](name, folder, int(count))))
        case _:
            compare(parser.parse_args().keys)


if __name__ == "__main__":
    main()
