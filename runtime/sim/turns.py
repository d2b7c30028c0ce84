"""Whose turn it is in a simulated world: the order of the tasks that are ready, drawn from the world's choices.

`runtime.sim.scheduler` puts a `Turns` in the place of trio's own generator; nothing here knows how.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Container, MutableSequence
from contextvars import ContextVar
from math import factorial
from typing import Protocol, TypeVar

from trio.lowlevel import Task

from runtime.sim.choices import Choices

T = TypeVar("T")

MOST_STEPS = 100_000
"""Of tasks at one instant of virtual time; a node that takes more is turning in a circle."""

_MOST_ORDERS = 2**32
_EVERY = (0, 16, 4, 1)
"""Which of the turns with several tasks may be out of order: none, or each n-th."""


class Stuck(enum.StrEnum):
    """Why a world cannot go on."""

    DEADLOCK = "deadlock"
    LIVELOCK = "livelock"


_MOST_EVICTIONS = 1


class WorldAbandoned(BaseException):
    """Thrown into the tasks of a world that was told to end and does not: they keep running whatever cancels them, or
    wait where no cancellation comes through.
    """


class Loop(Protocol):
    """What `Turns` may know of trio's run loop."""

    def now(self) -> float: ...

    def is_asleep(self) -> bool:
        """Whether no task can run, now or later, unless another task wakes it."""

    def put_back(self, task: Task) -> None:
        """On the queue of those that are ready."""

    def evict(self, error: BaseException) -> None:
        """Raise the error in every task that waits for no other one."""

    def abandon(self) -> Container[Task]:
        """Make every task that waits for no other one end where it stands; these are the ones."""

    def count(self) -> int:
        """How many tasks there are."""


owner: ContextVar[object] = ContextVar("owner", default=None)
"""Whose task the current one is: set once in the first task of a node's run, inherited by all that it starts."""


class Turns:
    """Decides about each batch of ready tasks. `on_stuck` is called at most once, to end the world.

    A task of an owner that is `held` gets no turn, like a program that was sent SIGSTOP: what should wake it is kept,
    and takes effect once it is let go.
    """

    def __init__(
        self,
        choices: Choices,
        loop: Loop,
        on_stuck: Callable[[Stuck], None],
        *,
        most_steps: int = MOST_STEPS,
    ) -> None:
        self._choices = choices
        self._loop = loop
        self._on_stuck = on_stuck
        self._most_steps = most_steps
        self._held: dict[object, list[Task]] = {}
        self._at = -1.0
        self._steps_here = 0
        self._evictions = -1
        self._every: int | None = None
        self._turns = 0

    def hold(self, whose: object) -> None:
        """From the next turn on. Twice is as good as once."""
        self._held.setdefault(whose, [])

    def let_go(self, whose: object) -> None:
        for task in self._held.pop(whose, ()):
            self._loop.put_back(task)

    def end(self) -> None:
        """The world is over: everybody runs, to the end, and it does not matter in which order."""
        self._every = 0
        self._evictions = max(self._evictions, 0)
        self._most_steps = 2_000 + 20 * self._loop.count()
        self._steps_here = 0
        for whose in list(self._held):
            self.let_go(whose)

    # -- what trio calls

    def random(self) -> float:
        """trio asks this only where it does not sort its batches first."""
        raise AssertionError("trio shuffles in another way now; adapt runtime/sim/scheduler.py to it")

    def shuffle(self, batch: MutableSequence[Task]) -> None:
        """Put the batch, oldest task first, in the order of its turns, which trio takes from the end."""
        count = len(batch)
        if count == 0:
            if self._loop.is_asleep():
                self._stop(Stuck.DEADLOCK, batch)
            return
        now = self._loop.now()
        if now == self._at:
            self._steps_here += count
            if self._steps_here > self._most_steps:
                self._stop(Stuck.LIVELOCK, batch)
        else:
            self._at = now
            self._steps_here = count
        if self._held:
            batch[:] = [task for task in batch if not self._keep(task)]
            count = len(batch)
        if count > 1:
            self._order(batch)
            batch.reverse()

    def _keep(self, task: Task) -> bool:
        kept = self._held.get(task.context.get(owner))
        if kept is None:
            return False
        kept.append(task)
        return True

    def _order(self, batch: MutableSequence[Task]) -> None:
        if self._every is None:
            self._every = _EVERY[self._choices.choose("turns out of order", len(_EVERY))]
        if self._every == 0:
            return
        self._turns += 1
        if self._turns % self._every == 0:
            count = len(batch)
            orders = factorial(count) if count < 13 else _MOST_ORDERS
            permute(batch, self._choices.choose("order of tasks", orders))

    def _stop(self, why: Stuck, batch: MutableSequence[Task]) -> None:
        self._steps_here = 0
        self._evictions += 1
        if self._evictions == 0:
            self._on_stuck(why)
        elif self._evictions <= _MOST_EVICTIONS:
            self._loop.evict(WorldAbandoned(f"{why}, although the world was told to end"))
        else:
            gone = self._loop.abandon()
            batch[:] = [task for task in batch if task not in gone]


def permute(items: MutableSequence[T], which: int) -> None:
    """The permutation of that number: 0 keeps the order, n! - 1 is the last one there is."""
    for place in range(len(items) - 1):
        if which == 0:
            return
        which, pick = divmod(which, len(items) - place)
        if pick:
            items.insert(place, items.pop(place + pick))
