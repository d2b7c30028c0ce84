"""A record is read up to where it was torn; what is none is refused with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.record.lines import FORMAT, LINE, Ended, Record
from runtime.record.reader import RecordUnreadable, is_record, read_record

HEAD = Record(FORMAT, "alice.uq", 1.0, 2.0, {})


def written(tmp_path: Path, *texts: bytes) -> Path:
    path = tmp_path / "run.jsonl"
    path.write_bytes(b"".join(texts))
    return path


def line(value: Record | Ended) -> bytes:
    return LINE.encode(value) + b"\n"


def test_a_whole_record(tmp_path: Path):
    found = read_record(written(tmp_path, line(HEAD), line(Ended(3.0))))
    assert (found.head, found.lines) == (HEAD, [Ended(3.0)])
    assert found.is_whole
    assert not found.torn


@pytest.mark.parametrize("left", range(1, len(line(Ended(3.0)))))
def test_a_torn_last_line_is_left_out(tmp_path: Path, left: int):
    found = read_record(written(tmp_path, line(HEAD), line(Ended(2.0)), line(Ended(3.0))[:left]))
    assert found.lines == [Ended(2.0)]
    assert found.torn


def test_a_record_that_ends_early_is_not_whole(tmp_path: Path):
    found = read_record(written(tmp_path, line(HEAD)))
    assert (found.lines, found.is_whole, found.torn) == ([], False, False)


@pytest.mark.parametrize(
    ("texts", "where", "problem"),
    [
        ([b""], 1, "has no whole line"),
        ([line(HEAD)[:-1]], 1, "has no whole line"),
        ([line(Ended(1.0))], 1, "is no record"),
        ([b"{}\n"], 1, "is no line of a record"),
        ([line(Record(FORMAT + 1, "alice.uq", 1.0, 2.0, {}))], 1, f"has format {FORMAT + 1}"),
        ([line(HEAD), b"broken\n", line(Ended(1.0))], 2, "is no line of a record"),
    ],
)
def test_what_is_no_record_is_refused(tmp_path: Path, texts: list[bytes], where: int, problem: str):
    path = written(tmp_path, *texts)
    with pytest.raises(RecordUnreadable) as refused:
        read_record(path)
    assert str(refused.value).startswith(f"{path}:{where}: {problem}")


def test_a_record_is_told_from_other_files_by_its_beginning(tmp_path: Path):
    assert is_record(written(tmp_path, line(HEAD)))
    assert not is_record(written(tmp_path, b'{"tape":1}\n'))
    assert not is_record(written(tmp_path, b""))
