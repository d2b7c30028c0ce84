"""The one file that knows trio's private scheduler: its shuffle, seeded.

trio runs the tasks that are ready in batches, each in a random order drawn from a private generator. With
that replaced by a seeded one, and the batch sorted before it is shuffled (a switch that trio has for
Hypothesis), the same program takes the same steps. `self_test` says when a new trio no longer works like
that.

The generator is one per interpreter: a world owns it while it runs, so no other trio may run meanwhile, in
any thread.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar, TypeVarTuple

import trio
import trio.testing
from trio._core import _run as _trio_run

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_GENERATOR = "_r"
_SWITCH = "_ALLOW_DETERMINISTIC_SCHEDULING"


class SchedulerChanged(Exception):
    """This version of trio schedules in a way that cannot be seeded; the text says what was found."""


@contextmanager
def seeded_scheduler(seed: int) -> Iterator[None]:
    """Within, what `trio.run` runs is scheduled the same way for the same seed. Enter it outside of
    `trio.run`.

    Raises `SchedulerChanged`.
    """
    _check_names()
    before = getattr(_trio_run, _GENERATOR), getattr(_trio_run, _SWITCH)
    setattr(_trio_run, _GENERATOR, random.Random(seed))  # noqa: S311 - to be repeatable is its job
    setattr(_trio_run, _SWITCH, True)
    try:
        yield
    finally:
        setattr(_trio_run, _GENERATOR, before[0])
        setattr(_trio_run, _SWITCH, before[1])


def run_deterministic(async_fn: Callable[[*Ts], Awaitable[T]], *args: *Ts, seed: int) -> T:
    """`trio.run` under the seeded scheduler, on virtual time that jumps whenever everything waits."""
    with seeded_scheduler(seed):
        return trio.run(async_fn, *args, clock=trio.testing.MockClock(autojump_threshold=0))


def self_test() -> None:
    """Raises `SchedulerChanged` unless the seed decides the order of tasks. Call it outside of `trio.run`."""
    _check_names()
    seeds = range(4)
    first = [run_deterministic(_footprint, seed=seed) for seed in seeds]
    again = [run_deterministic(_footprint, seed=seed) for seed in seeds]
    if first != again:
        raise SchedulerChanged(f"trio {trio.__version__}: one seed gave two orders of tasks")
    if all(order == first[0] for order in first):
        raise SchedulerChanged(
            f"trio {trio.__version__}: {len(seeds)} seeds all gave the same order of tasks"
        )


def _check_names() -> None:
    for name, kind in ((_GENERATOR, random.Random), (_SWITCH, bool)):
        found = getattr(_trio_run, name, None)
        if not isinstance(found, kind):
            raise SchedulerChanged(
                f"trio {trio.__version__}: trio._core._run.{name} is {found!r}, expected a {kind.__name__}"
            )


async def _footprint() -> list[int]:
    """The order in which ten tasks take three steps each, woken together by one event."""
    steps: list[int] = []
    go = trio.Event()

    async def walk(number: int) -> None:
        await go.wait()
        for _ in range(3):
            steps.append(number)
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        for number in range(10):
            nursery.start_soon(walk, number)
        await trio.testing.wait_all_tasks_blocked()
        go.set()
    return steps
