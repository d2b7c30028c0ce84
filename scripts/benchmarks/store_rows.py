"""kv and sqlite beside their engines behind the same hop to a thread."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from scripts.benchmarks.rounds import Measured, Row
from scripts.benchmarks.rows import in_python, work

SETS = 500
GETS = 10_000


def _row(name: str, unit: str, kind: str, count: int) -> Row:
    ours: Callable[[], Measured] = partial(work, kind, count)
    return Row(name, unit, 0.5, ours, partial(in_python, "bare_stores", kind, count))


def store_rows() -> list[Row]:
    return [
        _row("kv set, each durable", "sets/s", "sets", SETS),
        _row("kv get", "gets/s", "gets", GETS),
        _row("sqlite read of one row", "reads/s", "reads", GETS),
    ]
