"""The one file that knows trio's private scheduler: its shuffle, seeded.

trio runs the tasks that are ready in batches, each in a random order drawn from a private generator. With
that replaced by a seeded one, and the batch sorted before it is shuffled (a switch that trio has for
Hypothesis), the same program takes the same steps. `self_test` says when a new trio no longer works like
that.

The generator is one per interpreter: a world owns it while it runs, so no other trio may run meanwhile, in
any thread.
"""

from __future__ import annotations

import ctypes
import random
from collections.abc import Awaitable, Callable, Iterator, MutableSequence
from contextlib import contextmanager
from math import inf
from typing import Any, Protocol, TypeVar, TypeVarTuple

import outcome
import trio
import trio.testing
from trio._core import _run as _trio_run

from runtime.sim.choices import Choices, TapeChoices
from runtime.sim.turns import Stuck, Turns, owner

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_GENERATOR = "_r"
_SWITCH = "_ALLOW_DETERMINISTIC_SCHEDULING"
_JUMP = "_autojump"


class SchedulerChanged(Exception):
    """This version of trio schedules in a way that cannot be seeded; the text says what was found."""


class Shuffler(Protocol):
    """What takes the place of trio's generator."""

    def shuffle(self, batch: MutableSequence[trio.lowlevel.Task], /) -> object: ...


@contextmanager
def seeded_scheduler(seed: int) -> Iterator[None]:
    """Within, what `trio.run` runs is scheduled the same way for the same seed. Enter it outside of
    `trio.run`.

    Raises `SchedulerChanged`.
    """
    with scheduled_by(random.Random(seed)):  # noqa: S311 - to be repeatable is its job
        yield


@contextmanager
def scheduled_by(shuffler: Shuffler) -> Iterator[None]:
    """Within, `shuffler` decides the order of each batch. Raises `SchedulerChanged`."""
    _check_names()
    before = getattr(_trio_run, _GENERATOR), getattr(_trio_run, _SWITCH)
    setattr(_trio_run, _GENERATOR, shuffler)
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


class WorldLoop:
    """`runtime.sim.turns.Loop`: the run loop of a world, whose virtual `clock` trio uses.

    Time does not go beyond `until` while the world goes on: `on_limit` is called there, once, outside of any task.
    A limit is no deadline of trio's, or a world with nothing to wait for but its limit would not be asleep.
    """

    def __init__(self, until: float = inf, on_limit: Callable[[], None] | None = None) -> None:
        self.clock = trio.testing.MockClock(autojump_threshold=0)
        self.now = self.clock.current_time
        self._until = until
        self._on_limit = on_limit
        self._jump = self.clock._autojump
        setattr(self.clock, _JUMP, self._jump_within)

    def _jump_within(self) -> None:
        """What trio calls when every task waits, for time to go on to the next deadline."""
        if self._on_limit is None or not self._until < _runner().deadlines.next_deadline() < inf:
            self._jump()
            return
        on_limit, self._on_limit = self._on_limit, None
        self.clock.jump(self._until - self.now())
        on_limit()

    @staticmethod
    def is_asleep() -> bool:
        runner = _runner()
        return not runner.runq and not runner.waiting_for_idle and runner.deadlines.next_deadline() == inf

    @staticmethod
    def put_back(task: trio.lowlevel.Task) -> None:
        _runner().runq.append(task)

    @staticmethod
    def count() -> int:
        return len(_runner().tasks)

    @staticmethod
    def evict(error: BaseException) -> None:
        def throw() -> None:
            raise error

        for task in _own_tasks():
            if task._next_send_fn is not None:
                task._next_send_fn, task._next_send = task.coro.throw, error
            elif _is_leaf(task):
                task._attempt_abort(throw)

    @staticmethod
    def abandon() -> frozenset[trio.lowlevel.Task]:
        """Their coroutines are never finalised: they caught whatever was thrown into them, and would catch that."""
        runner, gone = _runner(), [task for task in _own_tasks() if _is_leaf(task)]
        for task in gone:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(task.coro))
            if task in runner.runq:
                runner.runq.remove(task)
            runner.task_exited(task, outcome.Value(None))
        return frozenset(gone)


def _own_tasks() -> list[Any]:
    """The main task and all that came from it, oldest first."""
    found = [_runner().main_task]
    for task in found:
        found += [child for nursery in task.child_nurseries for child in nursery.child_tasks]
    return sorted(found, key=lambda task: task._counter)


def _is_leaf(task: trio.lowlevel.Task) -> bool:
    """Whether it waits for no other task."""
    return not any(nursery.child_tasks for nursery in task.child_nurseries)


def _runner() -> Any:
    return _trio_run.GLOBAL_RUN_CONTEXT.runner


def self_test() -> None:
    """Raises `SchedulerChanged` unless the seed decides the order of tasks. Call it outside of `trio.run`."""
    _check_names()
    _check_seeds()
    _check_turns()


def _check_seeds() -> None:
    seeds = range(4)
    first = [run_deterministic(_footprint, seed=seed) for seed in seeds]
    again = [run_deterministic(_footprint, seed=seed) for seed in seeds]
    if first != again:
        raise SchedulerChanged(f"trio {trio.__version__}: one seed gave two orders of tasks")
    if all(order == first[0] for order in first):
        raise SchedulerChanged(
            f"trio {trio.__version__}: {len(seeds)} seeds all gave the same order of tasks"
        )


def _check_turns() -> None:
    """Tasks can be held and let go, a loop that sleeps for ever is noticed, and time does not go beyond its limit."""
    stuck, limits = list[Stuck](), list[float]()
    loop = WorldLoop(2, lambda: limits.append(loop.now()))
    scope = trio.CancelScope()

    def stop(why: Stuck) -> None:
        stuck.append(why)
        scope.cancel()

    turns = Turns(Choices(TapeChoices([])), loop, stop)
    try:
        with scheduled_by(turns):
            steps = trio.run(_held_footprint, turns, scope, clock=loop.clock)
    except (AttributeError, trio.TrioInternalError) as error:
        raise SchedulerChanged(f"trio {trio.__version__}: its run loop looks otherwise: {error}") from error
    if steps != ["free", "kept at 1"]:
        raise SchedulerChanged(f"trio {trio.__version__}: tasks cannot be held, they ran as {steps}")
    if limits != [2]:
        raise SchedulerChanged(
            f"trio {trio.__version__}: the limit of time was reached at {limits}, expected [2]"
        )
    if stuck != [Stuck.DEADLOCK]:
        raise SchedulerChanged(f"trio {trio.__version__}: a loop that sleeps for ever is not noticed")


def _check_names() -> None:
    for name, kind in ((_GENERATOR, random.Random), (_SWITCH, bool)):
        found = getattr(_trio_run, name, None)
        if not isinstance(found, kind):
            raise SchedulerChanged(
                f"trio {trio.__version__}: trio._core._run.{name} is {found!r}, expected a {kind.__name__}"
            )


async def _held_footprint(turns: Turns, scope: trio.CancelScope) -> list[str]:
    """What two tasks do that wake up together while one of them is held; then nobody can go on."""
    steps: list[str] = []
    go = trio.Event()

    async def keep() -> None:
        owner.set("kept")
        await go.wait()
        steps.append(f"kept at {trio.current_time():g}")

    async def free() -> None:
        await go.wait()
        steps.append("free")

    with scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(keep)
            nursery.start_soon(free)
            await trio.testing.wait_all_tasks_blocked()
            turns.hold("kept")
            go.set()
            await trio.sleep(1)
            turns.let_go("kept")
            await trio.sleep(2)
            await trio.sleep_forever()
    return steps


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
