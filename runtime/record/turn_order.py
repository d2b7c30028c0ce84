"""Tasks run in the order in which they became ready, while a node records and while its record is replayed.

trio reverses each batch of ready tasks or does not, by a draw of a private generator. Without that draw, tasks of a
process that wake each other by means of their own take the same steps in both runs.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

from trio._core import _run as _trio_run

_GENERATOR = "_r"
_SORTED = "_ALLOW_DETERMINISTIC_SCHEDULING"
"""Set by Hypothesis when it is imported: batches are sorted and shuffled instead."""


class _FirstCome(random.Random):
    """trio reverses a batch below one half, and takes the tasks of it from its end."""

    def random(self) -> float:
        return 0.0


@contextmanager
def first_come_first_run() -> Iterator[None]:
    """For what `trio.run` runs within; enter it outside. With a trio that has no such draw, nothing changes."""
    before = getattr(_trio_run, _GENERATOR, None), getattr(_trio_run, _SORTED, None)
    if not isinstance(before[0], random.Random) or not isinstance(before[1], bool):
        yield
        return
    setattr(_trio_run, _GENERATOR, _FirstCome())
    setattr(_trio_run, _SORTED, False)
    try:
        yield
    finally:
        setattr(_trio_run, _GENERATOR, before[0])
        setattr(_trio_run, _SORTED, before[1])
