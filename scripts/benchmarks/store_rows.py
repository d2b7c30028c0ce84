"""kv, sqlite and vfs beside their engines and plain files behind the same hop to a thread; and timers."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from scripts.benchmarks.node import running
from scripts.benchmarks.rounds import Measured, Row
from scripts.benchmarks.rows import in_python, work

SETS = 500
GETS = 10_000
MIBS = 256
TIMERS = 10_000
MOST_MEMORY = 64.0
"""MiB beyond those of the node before."""
LATEST = 5.0
"""Milliseconds by which 99 of 100 timers may be late."""


def _row(name: str, unit: str, kind: str, count: int) -> Row:
    ours: Callable[[], Measured] = partial(work, kind, count)
    return Row(name, unit, 0.5, ours, partial(in_python, "bare_stores", kind, count))


def _warm_up() -> None:
    """Write as much as is measured, and forget it. Memory that a virtual machine has not used for a while has to be
    fetched from its host, which takes longer than the work; whoever comes first would pay for both.
    """
    with tempfile.TemporaryFile() as file:
        for _ in range(MIBS):
            file.write(bytes(1 << 20))


def _plain_files() -> Measured:
    _warm_up()
    return in_python("bare_stores", "files", MIBS)


def _files() -> Measured:
    with running(patient=True) as node:
        node.work("files", 1)
        before = node.peak()
        _warm_up()
        found = node.work("files", MIBS)
        return replace(found, notes={"beyond_mib": (node.peak() - before) / (1 << 20)})


def store_rows() -> list[Row]:
    return [
        _row("kv set, each durable", "sets/s", "sets", SETS),
        _row("kv get", "gets/s", "gets", GETS),
        _row("sqlite read of one row", "reads/s", "reads", GETS),
        Row(
            "vfs: 256 MiB written and read", "MiB/s", 0.5, _files, _plain_files,
            {"ours.beyond_mib": MOST_MEMORY},
        ),
        Row(
            "10,000 timers, and bare tasks that sleep", "timers/s", 0.0,
            partial(work, "timers", TIMERS), partial(in_python, "bare_trio", "timers", TIMERS),
            {"ours.p99_ms": LATEST},
        ),
    ]  # fmt: skip
