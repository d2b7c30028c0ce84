"""The store on SQLite: its background writer, its failures, and kill -9."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

import pytest
import trio
import trio.testing

from kernel.ports import Put, StoreFailed
from runtime.sim.workers import InlineWorkers
from runtime.store import RETRY_SECONDS, SqliteStore
from runtime.workers import ThreadWorkers

P = ParamSpec("P")
T = TypeVar("T")


def never(text: str) -> None:
    raise AssertionError(text)


async def test_the_background_writer_makes_batches_durable_without_a_flush(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    store = await SqliteStore.open(path, InlineWorkers())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(store.run, never)
        await trio.testing.wait_all_tasks_blocked()
        store.apply([Put("t", "a", b"1")])
        await trio.testing.wait_all_tasks_blocked()
        other = await SqliteStore.open(path, InlineWorkers())
        assert await other.read("t", "a") == b"1"
        await other.aclose()
        nursery.cancel_scope.cancel()
    await store.aclose()


async def test_the_background_writer_reports_a_full_disk_and_writes_once_there_is_room(
    tmp_path: Path,
) -> None:
    store = await SqliteStore.open(tmp_path / "store.sqlite", InlineWorkers())
    reports: list[str] = []
    store._writer.execute("PRAGMA max_page_count = 8")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(store.run, reports.append)
        store.apply([Put("t", "big", bytes(100_000))])
        await trio.testing.wait_all_tasks_blocked()
        assert len(reports) == 1
        assert "store.sqlite" in reports[0]
        assert "full" in reports[0]
        assert await store.read("t", "big") == bytes(100_000)
        store._writer.execute("PRAGMA max_page_count = 100000")
        await trio.sleep(RETRY_SECONDS * 2)
        assert len(reports) == 1
        assert store._writer.execute("SELECT count(*) FROM entry").fetchone() == (1,)
        nursery.cancel_scope.cancel()
    await store.aclose()


async def test_a_full_disk_fails_the_flush_and_keeps_order_for_the_next(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "store.sqlite", InlineWorkers())
    store._writer.execute("PRAGMA max_page_count = 8")
    store.apply([Put("t", "big", bytes(100_000))])
    store.apply([Put("t", "big", b"small")])
    store.apply([Put("t", "other", bytes(100_000))])
    with pytest.raises(
        StoreFailed, match=r"cannot write the store .*store\.sqlite: .* full; free some space"
    ):
        await store.flush()
    store._writer.execute("PRAGMA max_page_count = 100000")
    await store.flush()
    await store.aclose()
    again = await SqliteStore.open(tmp_path / "store.sqlite", InlineWorkers())
    assert await again.read("t", "big") == b"small"
    assert await again.read("t", "other") == bytes(100_000)
    await again.aclose()


async def test_a_read_only_store_says_so(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "store.sqlite", InlineWorkers())
    store._writer.execute("PRAGMA query_only = 1")
    store.apply([Put("t", "a", b"1")])
    with pytest.raises(StoreFailed, match=r"store\.sqlite: .*readonly.*writable"):
        await store.flush()
    with pytest.raises(StoreFailed):
        await store.aclose()


async def test_a_file_that_is_no_store_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    path.write_bytes(b"something else entirely" * 1000)
    with pytest.raises(
        StoreFailed, match=r"cannot open the store .*store\.sqlite: file is not a database; move it"
    ):
        await SqliteStore.open(path, InlineWorkers())
    assert path.read_bytes() == b"something else entirely" * 1000


async def test_a_store_damaged_in_the_middle_fails_the_read_and_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    store = await SqliteStore.open(path, InlineWorkers())
    store.apply([Put("t", f"{number:05}", bytes(500)) for number in range(500)])
    await store.aclose()
    raw = bytearray(path.read_bytes())
    raw[8192:] = b"\xaa" * (len(raw) - 8192)
    path.write_bytes(raw)
    damaged = await SqliteStore.open(path, InlineWorkers())
    with pytest.raises(StoreFailed, match=r"store\.sqlite.*malformed"):
        await damaged.scan("t")
    await damaged.aclose()


async def test_a_store_in_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreFailed, match="folder exists"):
        await SqliteStore.open(tmp_path / "missing" / "store.sqlite", InlineWorkers())


async def test_batches_applied_during_a_round_share_the_next_one(tmp_path: Path) -> None:
    rounds: list[str] = []

    class CountingWorkers(InlineWorkers):
        async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
            rounds.append(work.__name__)
            return await super().run(work, *args, **kwargs)

    store = await SqliteStore.open(tmp_path / "store.sqlite", CountingWorkers())
    rounds.clear()

    async def write(number: int) -> None:
        store.apply([Put("t", str(number), b"x")])
        await store.flush()

    async with trio.open_nursery() as nursery:
        for number in range(100):
            nursery.start_soon(write, number)
    assert rounds.count("_write") <= 2
    await store.aclose()


@pytest.mark.real_clock
async def test_threads_can_read_and_write_at_once(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "store.sqlite", ThreadWorkers())

    async def work(name: str) -> None:
        for number in range(20):
            store.apply([Put("t", name, str(number).encode()), Put("u", name, str(number).encode())])
            if number % 3 == 0:
                await store.flush()
            assert await store.read("t", name) == str(number).encode()
            assert dict(await store.scan("u"))[name] == str(number).encode()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(store.run, never)
        async with trio.open_nursery() as writers:
            for name in "abcdef":
                writers.start_soon(work, name)
        nursery.cancel_scope.cancel()
    await store.aclose()


# Each batch holds the same number twice; the number is printed once a flush that covers it has returned.
WRITER = """
import sys
import trio
import trio.testing
from kernel.ports import Put
from runtime.store import SqliteStore
from runtime.workers import ThreadWorkers
from pathlib import Path

async def main():
    store = await SqliteStore.open(Path(sys.argv[1]), ThreadWorkers())
    async def write(first):
        for number in range(first, 1_000_000, 4):
            text = str(number).encode()
            store.apply([Put("left", f"{number:07}", text), Put("right", f"{number:07}", text * 50)])
            await store.flush()
            print(number, flush=True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(store.run, print)
        for first in range(4):
            nursery.start_soon(write, first)

trio.run(main)
"""


@pytest.mark.real_clock
async def test_kill_9_loses_no_acknowledged_batch_and_tears_none(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    moments = random.Random(20)
    for _ in range(5):
        path.unlink(missing_ok=True)
        writer = await trio.lowlevel.open_process(
            [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
        )
        assert writer.stdout is not None
        enough, heard = moments.randrange(1, 400), b""
        while len(heard) < enough:
            heard += await writer.stdout.receive_some(64)
        writer.send_signal(signal.SIGKILL)
        async for chunk in writer.stdout:
            heard += chunk
        await writer.wait()
        await writer.stdout.aclose()
        acknowledged = [int(line) for line in heard.split(b"\n")[:-1]]

        store = await SqliteStore.open(path, ThreadWorkers())
        left, right = dict(await store.scan("left")), dict(await store.scan("right"))
        await store.aclose()
        assert {f"{number:07}" for number in acknowledged} <= left.keys()
        assert {key: value * 50 for key, value in left.items()} == right
