"""A world whose test comes from outside, step by step. Between two steps nothing runs in it, and no time passes.

trio runs in it as a guest whose host is pumped by hand (trio's own `start_guest_run`), so steps can be given by code
that is not async, such as Hypothesis's state machines.
"""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from typing import Any, TypeVar, Unpack, cast

import outcome
import trio

from runtime.node import sole_error
from runtime.sim.choices import Source
from runtime.sim.report import Report
from runtime.sim.run import Course, Rules, untouched
from runtime.sim.world import World

T = TypeVar("T")
Step = Callable[[World], Awaitable[T] | T]


class WorldOver(Exception):
    """The world ended before the step did, or before it began; its report says why."""


class _Abandoned(Exception):
    """Ends a world of which nobody wants to know any more."""


class PumpedWorld:
    """Runs from its construction until `finish` or `abandon`; no other trio may run in this thread meanwhile.

    An error that a step raises is a failure of the run, unless it is one of `passing` or no Exception: those go to who
    gave the step, and the world lives on.
    """

    def __init__(
        self,
        choices: Source,
        *,
        seed: int = 0,
        passing: tuple[type[Exception], ...] = (),
        **rules: Unpack[Rules],
    ) -> None:
        self._course = Course(seed, choices, **rules)
        self._passing = passing
        self._ticks: deque[Callable[[], object]] = deque()
        self._step: Step[object] | None = None
        self._came: outcome.Outcome[Any] | None = None
        self._ended: outcome.Outcome[Any] | None = None
        self._leave = False
        self._inside = False
        with ExitStack() as stack:
            stack.enter_context(untouched())
            stack.enter_context(self._course.alone())
            trio.lowlevel.start_guest_run(
                self._course.go,
                self._steps,
                run_sync_soon_threadsafe=self._ticks.append,
                done_callback=self._end,
                host_uses_signal_set_wakeup_fd=True,
                clock=self._course.loop.clock,
            )
            self._around = stack.pop_all()

    @property
    def world(self) -> World:
        return self._course.world

    @property
    def report(self) -> Report | None:
        """Once the run has ended."""
        return self._course.report

    # -- inside

    async def _steps(self, world: World) -> None:
        while not self._leave:
            step, self._step = self._step, None
            if step is None:
                # Once at most: nobody pumps a world that has nothing to do.
                await trio.lowlevel.checkpoint()
                continue
            try:
                value = step(world)
                self._came = outcome.Value(await value if inspect.isawaitable(value) else value)
            except trio.Cancelled:
                raise
            except BaseException as error:
                sole = sole_error(error)
                if isinstance(sole, Exception) and not isinstance(sole, self._passing):
                    raise
                self._came = outcome.Error(sole)

    def _end(self, ended: outcome.Outcome[Any]) -> None:
        self._ended = ended

    # -- from outside

    def run(self, step: Step[T]) -> T:
        """What the step, a plain or an async function, returns or raises. Raises `WorldOver`."""
        if self._inside:
            raise RuntimeError("this is a step of the world already: call, or await, what it should do")
        if self.report is None:
            self._step, self._came = step, None
            self._pump(lambda: self._came is not None)
        if self.report is not None or self._came is None:
            raise WorldOver("the world has ended" if self.report is None else self.report.last_line())
        return cast("T", self._came.unwrap())

    def finish(self) -> Report:
        """The end of the test: whether all that had to come to pass did. Raises what the source of choices raised."""
        self._leave = True
        self._close()
        return self._course.outcome()

    def abandon(self) -> None:
        """The end, whatever it is like."""

        def give_up(_world: World) -> None:
            raise _Abandoned

        self._step = give_up
        self._close()

    def _close(self) -> None:
        with self._around:
            self._pump(lambda: False)
        if isinstance(self._ended, outcome.Error):
            self._course.raise_foreign(self._ended.error)

    def _pump(self, enough: Callable[[], bool]) -> None:
        """Tick until then, or to the end of the run."""
        self._inside = True
        try:
            while self._ended is None and not enough():
                self._ticks.popleft()()
        finally:
            self._inside = False
