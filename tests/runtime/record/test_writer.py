"""Lines reach their file within a second, and a file that takes no more ends the recording, not the node."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest
import trio
import trio.testing

from runtime.record.lines import LINE, Code, Ended, Line
from runtime.record.writer import FLUSH_BYTES, FLUSH_SECONDS, FileSink, RecordWriter
from runtime.sim.workers import InlineWorkers


class Shelf:
    """A `Sink` in memory that takes `room` bytes, at most `piece` at once."""

    def __init__(self, room: int = 10**9, piece: int = 10**9) -> None:
        self.data = b""
        self.room = room
        self.piece = piece
        self.closed = False

    def write(self, data: bytes, /) -> int:
        taken = data[: min(self.piece, self.room - len(self.data))]
        if not taken:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.data += taken
        return len(taken)

    def close(self) -> None:
        self.closed = True


def line(number: int) -> Line:
    return Ended(float(number))


def text(*numbers: int) -> bytes:
    return b"".join(LINE.encode(line(number)) + b"\n" for number in numbers)


async def test_lines_are_in_the_file_a_second_later():
    shelf = Shelf()
    writer = RecordWriter(shelf, InlineWorkers(), pytest.fail)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(writer.run)
        await trio.testing.wait_all_tasks_blocked()
        writer.write(line(1))
        writer.write(line(2))
        assert shelf.data == b""
        await trio.sleep(FLUSH_SECONDS * 1.1)
        assert shelf.data == text(1, 2)
        nursery.cancel_scope.cancel()


async def test_many_lines_do_not_wait_for_the_second():
    shelf = Shelf()
    writer = RecordWriter(shelf, InlineWorkers(), pytest.fail)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(writer.run)
        await trio.testing.wait_all_tasks_blocked()
        number = 0
        while len(text(0)) * number <= FLUSH_BYTES:
            number += 1
            writer.write(line(number))
        await trio.testing.wait_all_tasks_blocked()
        assert len(shelf.data) > FLUSH_BYTES
        nursery.cancel_scope.cancel()


async def test_closing_writes_what_is_left_and_closes_the_file():
    shelf = Shelf(piece=7)
    writer = RecordWriter(shelf, InlineWorkers(), pytest.fail)
    writer.write(line(1))
    await writer.aclose()
    writer.write(line(2))
    assert (shelf.data, shelf.closed) == (text(1), True)


async def test_closing_is_not_cut_short():
    shelf = Shelf()
    writer = RecordWriter(shelf, InlineWorkers(), pytest.fail)
    writer.write(line(1))
    with trio.CancelScope() as scope:
        scope.cancel()
        await writer.aclose()
    assert (shelf.data, shelf.closed) == (text(1), True)


async def test_a_full_disk_is_reported_once_and_ends_the_recording():
    shelf, said = Shelf(room=20), []
    writer = RecordWriter(shelf, InlineWorkers(), said.append)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(writer.run)
        for number in range(3):
            writer.write(line(number))
            await trio.sleep(FLUSH_SECONDS * 2)
        nursery.cancel_scope.cancel()
    await writer.aclose()
    assert said == [f"the recording ends here, the node goes on: {os.strerror(errno.ENOSPC)}"]
    assert shelf.data == text(0)[:20]
    assert writer.stopped


async def test_a_disk_slower_than_the_node_ends_the_recording():
    async def stuck() -> None:
        await trio.sleep_forever()

    shelf, said = Shelf(), []
    writer = RecordWriter(shelf, InlineWorkers(stuck), said.append, most=len(text(1, 2)))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(writer.run)
        for number in range(5):
            writer.write(line(number))
        assert len(said) == 1
        assert "slower than the node" in said[0]
        nursery.cancel_scope.cancel()


async def test_what_cannot_be_written_ends_the_recording_and_raises_nothing():
    shelf, said = Shelf(), []
    writer = RecordWriter(shelf, InlineWorkers(), said.append)
    writer.write(line(1))
    writer.write(Code("00", "/app:me/pkg", {"app.py": "\ud800"}))
    writer.write(line(2))
    await writer.aclose()
    assert len(said) == 1
    assert said[0].startswith("the recording ends here, the node goes on: a line Code cannot be written")
    assert shelf.data == text(1)


def test_the_file_is_new_and_its_owners_alone(tmp_path: Path):
    sink = FileSink(tmp_path / "run.jsonl")
    sink.write(b"x")
    sink.close()
    assert stat.S_IMODE((tmp_path / "run.jsonl").stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        FileSink(tmp_path / "run.jsonl")
    assert (tmp_path / "run.jsonl").read_bytes() == b"x"
