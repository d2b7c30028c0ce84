"""A record as it lies on the disk. Its last line may be torn: the node may have been killed while it wrote."""

from __future__ import annotations

from pathlib import Path

import attrs

from kernel.codec import Malformed
from runtime.record.lines import FORMAT, LINE, Ended, Line, Record

_FIRST = b'{"Record":{"format":'


class RecordUnreadable(Exception):
    """The file is no record, or one that cannot be replayed; the text says which line and why."""

    def __init__(self, path: Path, number: int, problem: str) -> None:
        super().__init__(f"{path}:{number}: {problem}")


@attrs.frozen
class ReadRecord:
    """`lines` are all but the first, so the line of the file with number n is `lines[n - 2]`. `torn`: the last one was
    cut off, and is left out.
    """

    path: Path
    head: Record
    lines: list[Line]
    torn: bool

    @property
    def is_whole(self) -> bool:
        """Whether the node stopped in order, and everything is here."""
        return bool(self.lines) and isinstance(self.lines[-1], Ended)


def is_record(path: Path) -> bool:
    """Whether the file begins like one. Raises OSError."""
    with path.open("rb") as file:
        return file.read(len(_FIRST)) == _FIRST


def read_record(path: Path) -> ReadRecord:
    """Raises `RecordUnreadable`, OSError."""
    texts = path.read_bytes().split(b"\n")
    torn = texts.pop() != b""
    if not texts:
        raise RecordUnreadable(path, 1, "has no whole line")
    head, *rest = (_decoded(path, number, text) for number, text in enumerate(texts, 1))
    if not isinstance(head, Record):
        raise RecordUnreadable(path, 1, "is no record: its first line is none of a record's")
    if head.format != FORMAT:
        problem = f"has format {head.format}, this version of nectar reads {FORMAT}"
        raise RecordUnreadable(path, 1, problem)
    return ReadRecord(path, head, rest, torn)


def _decoded(path: Path, number: int, text: bytes) -> Line:
    try:
        return LINE.decode(text)
    except Malformed as error:
        raise RecordUnreadable(path, number, f"is no line of a record: {error}") from None
