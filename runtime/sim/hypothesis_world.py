"""Simulated worlds under Hypothesis: it draws what a test is given and, from the same data, every choice of its world.

So its shrinking takes away faults, odd orders of tasks and delays together with what the test was given: 0 is the
harmless choice, and the smallest.
"""

from __future__ import annotations

import functools
import inspect
import re
import shlex
import traceback
from collections.abc import Callable
from typing import Any
from unittest import SkipTest

import attrs
from hypothesis import given, reject
from hypothesis import strategies as st
from hypothesis.control import current_build_context
from hypothesis.errors import HypothesisException

from runtime.sim.choices import SeedChoices
from runtime.sim.faults import Faults
from runtime.sim.named_tests import name_of
from runtime.sim.report import Report, Verdict
from runtime.sim.report_text import failure_text
from runtime.sim.run import Rules, run
from runtime.sim.simulation_failed import SimulationFailed, cause, current_test, file_safe, leave_evidence
from runtime.sim.testing import REPLAY, UNTIL, SimTest, WorldTest, world_among

MOST_DRAWS = 400
SEED = 0
"""Of the worlds' ids and keys, which are no decisions."""

CONTROL = (HypothesisException,)
"""What Hypothesis raises to end or leave an example: nothing of it is a failure."""

Draw = Callable[[st.SearchStrategy[int]], int]


_OFTEN = re.compile(r"order of tasks|work|disk slow|(loss|dup|reorder|late|latency|pieces) \S+ \S+")
"""Labels that are asked for at each turn, packet or call."""
_STREAMS = 2**32


class HypothesisChoices:
    """A `Source`: `draw` is that of a composite strategy, or of `strategies.data()`, called while the world runs.

    Of what is asked for again and again one number is drawn, the seed of all of it, of which 0 is harmless throughout.
    So an example stays small, and what is taken away from it leaves the rest in place. All else is drawn one by one;
    after `most` draws it is harmless.
    """

    def __init__(self, draw: Draw, *, most: int = MOST_DRAWS) -> None:
        self._draw = draw
        self._left = most
        self._streams: dict[str, SeedChoices | None] = {}

    @classmethod
    def of_example(cls) -> HypothesisChoices:
        """From the example that Hypothesis runs in this thread."""
        return cls(current_build_context().data.draw)

    def draw(self, label: str, n: int) -> int:
        if label in self._streams:
            stream = self._streams[label]
            return 0 if stream is None else stream.draw(label, n)
        if _OFTEN.fullmatch(label):
            seed = self._one(_STREAMS)
            self._streams[label] = SeedChoices(seed) if seed else None
            return self.draw(label, n)
        return self._one(n)

    def _one(self, n: int) -> int:
        if self._left == 0:
            return 0
        self._left -= 1
        return self._draw(_below(n))


@functools.lru_cache(maxsize=1024)
def _below(n: int) -> st.SearchStrategy[int]:
    return st.integers(0, n - 1)


# -- tests


@attrs.frozen
class _Weather:
    """What Hypothesis draws in the place of the world."""

    faults: Faults
    is_drawn: bool

    def __repr__(self) -> str:
        return f"<a world, {self.faults}>" if self.is_drawn else "<a world>"

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        """For Hypothesis, which would show all that an attrs class holds."""
        printer.text(repr(self))


def given_world(
    *,
    until: float = UNTIL,
    faults: Faults | st.SearchStrategy[Faults] | None = None,
    **drawn: st.SearchStrategy[Any],
) -> Callable[[WorldTest], Callable[..., None]]:
    """`hypothesis.given` for `async def test(w: World, ...)`: the parameters named in `drawn` are drawn, and so is all
    that happens in the world. Further parameters are pytest's; `hypothesis.settings` applies as always.

    `faults`: `Faults.swarm()` by default; a strategy draws the plan, too. An example in which nobody sends anything
    does not count. The last example that Hypothesis shows leaves its files (`runtime.sim.simulation_failed`).
    """
    plan = faults if isinstance(faults, st.SearchStrategy) else Faults.given(faults)
    weather = st.just(_Weather(plan, False)) if isinstance(plan, Faults) else plan.map(_drawn)

    def decorate(test: WorldTest) -> Callable[..., None]:
        place, signature = world_among(test)
        world = list(signature.parameters)[place]

        @functools.wraps(test)
        def example(*args: Any, **kwargs: Any) -> None:
            __tracebackhide__ = True
            rules: Rules = {"until": until, "faults": kwargs.pop(world).faults, "keep_trace": is_shown()}
            bound = SimTest(test, place, world, rules).bound(args, kwargs)
            report = run(bound, seed=SEED, choices=HypothesisChoices.of_example(), **rules)
            if report.verdict is Verdict.VACUOUS:
                reject()
            files = file_safe(current_test(test.__qualname__))
            judge(report, files, None if args or kwargs else name_of(plain))

        plain: Callable[..., None] = given(**{world: weather}, **drawn)(example)
        plain.__qualname__ = test.__qualname__
        if isinstance(plan, Faults):
            # With a tape, other tools can run what is beneath, if a world is all it needs.
            rules: Rules = {"until": until, "faults": plan}
            vars(plain).update(__signature__=inspect.signature(plain), __wrapped__=test, sim_rules=rules)
        return plain

    return decorate


def _drawn(faults: Faults) -> _Weather:
    return _Weather(faults, True)


def is_shown() -> bool:
    """Whether this is the last time that Hypothesis runs a failing example, for people to see."""
    return current_build_context().is_final


def judge(report: Report, test: str, name: str | None) -> None:
    """Raise what Hypothesis has to know of a run. `test` names its files; `name` is by which other tools find the test,
    if they can run it.
    """
    __tracebackhide__ = True
    if isinstance(report.error, (*CONTROL, SkipTest)):
        raise report.error
    if not report.is_failure:
        return
    raise _failure(report, test, name) from cause(report)


def _failure(report: Report, test: str, name: str | None) -> SimulationFailed:
    manner = _manner(*_signs(report))
    if not is_shown():
        return manner(report.last_line(), report)
    failure = leave_evidence(report, name or test, replay=REPLAY if name else None)
    if name is None:
        failure = attrs.evolve(failure, again=f"pytest {shlex.quote(current_test(test))}")
    return manner(failure_text(failure), report)


@functools.lru_cache(maxsize=1024)
def _manner(*signs: object) -> type[SimulationFailed]:
    """For Hypothesis, errors of one type and line are one failure, of which it keeps the smallest. So each way to fail
    has a type of its own, and none is lost for another.
    """
    del signs
    name = SimulationFailed.__name__
    return type(name, (SimulationFailed,), {"__module__": SimulationFailed.__module__, "__qualname__": name})


def _signs(report: Report) -> tuple[object, ...]:
    """By which failures are told apart: the verdict, the property, where the test raised what."""
    name = None if report.violation is None else report.violation.name
    error = cause(report)
    if error is None:
        return report.verdict, name
    frames = traceback.extract_tb(error.__traceback__)
    return report.verdict, name, type(error), *((frames[-1].filename, frames[-1].lineno) if frames else ())
