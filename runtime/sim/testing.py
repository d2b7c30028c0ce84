"""`@sim_test`: a test of a simulated world that pytest and unittest run under many seeds, without a plugin.

Of the first seed that fails, the run is shrunk, files are left under `.nectar-sim/` where the tests run, and the test
raises `SimulationFailed`, whose text is the report.

`NECTAR_SIM_SEED=17` runs that seed alone, `NECTAR_SIM_SEEDS=1-500` those, `NECTAR_SIM_TAPE=file` a tape.
"""

from __future__ import annotations

import functools
import inspect
import os
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, Unpack, cast
from unittest import SkipTest

import attrs

from runtime.sim.choices import Choice, Source, TapeChoices
from runtime.sim.cover import STANDARD_GOALS, StandardGoals, missing
from runtime.sim.explore import RunResult, Summary, explore, result_of
from runtime.sim.faults import Faults
from runtime.sim.named_tests import AnyTest, name_of
from runtime.sim.report import Report, Verdict
from runtime.sim.run import Rules, Test, replay, run, run_twice
from runtime.sim.shrink import Budget, FailureLost, attempt_like, shrink
from runtime.sim.simulation_failed import (
    SimulationFailed,
    cause,
    current_test,
    failed,
    file_safe,
    leave_evidence,
    pytest_command,
)
from runtime.sim.tape_file import Tape, read_tape
from runtime.sim.violation import Violation
from runtime.sim.world import World

UNTIL = 600.0
"""Virtual seconds that a test may take: faults for a minute, then time to heal and to settle."""
SEEDS = 20
SHRINK_ATTEMPTS = 1000
SHRINK_SECONDS = 60.0
REPLAY = "runtime.sim.testing:replay_test"
"""What the pytest file of a failure calls."""

Checked = Literal["first", "all"] | None
WorldTest = Callable[..., Awaitable[object]]

_RANGE = re.compile(r"(\d+)-(\d+)")


class BadSeeds(ValueError):
    """An environment variable does not say which seeds to run; the text says what it should look like."""


@attrs.frozen
class SimTest:
    """What `sim_test` was told about a test."""

    test: WorldTest
    place: int
    """Of the world among the arguments, whose name is `world`."""
    world: str
    rules: Rules
    seeds: Sequence[int] = (0,)
    check_determinism: Checked = None
    require_cover: tuple[str, ...] = ()
    jobs: int | None = 1

    def bound(self, args: Sequence[object] = (), given: Mapping[str, object] | None = None) -> Test:
        """The test with all its arguments but the world."""

        def bound(w: World) -> Awaitable[object]:
            named = dict(given or {})
            if len(args) < self.place:  # `self` is given by its name
                return self.test(*args, **named, **{self.world: w})
            return self.test(*args[: self.place], w, *args[self.place :], **named)

        return functools.wraps(self.test)(bound)


# -- the decorator


def sim_test(
    *,
    seeds: int | Iterable[int] = SEEDS,
    until: float = UNTIL,
    faults: Faults | None = None,
    check_determinism: Checked = "first",
    require_cover: Iterable[str] = (),
    jobs: int | None = 1,
) -> Callable[[WorldTest], Callable[..., None]]:
    """Makes a plain function of `async def test(w: World)`. Its other parameters are pytest's: fixtures and such.

    `seeds`: how many, from 0 on, or which. `faults`: `Faults.swarm()` by default. `check_determinism` runs the first
    or all of them twice, and compares. `require_cover`: goals (`World.cover`, or `runtime.sim.cover.STANDARD_GOALS`)
    of which each must be reached in at least one run. `jobs`: processes at a time, None for one a core.
    """
    rules: Rules = {"until": until, "faults": Faults.given(faults)}
    wanted = tuple(require_cover)
    if any(goal in STANDARD_GOALS for goal in wanted):
        rules["prepare"] = (_watch_standard_goals,)
    numbers = range(seeds) if isinstance(seeds, int) else tuple(seeds)
    if not all(isinstance(number, int) for number in numbers):
        raise TypeError(
            f"seeds={seeds!r:.60} are no numbers: write seeds=20 for the first 20, or range(100, 120)"
        )

    def decorate(test: WorldTest) -> Callable[..., None]:
        place, signature = world_among(test)
        parameters = list(signature.parameters.values())
        world = parameters.pop(place).name
        made = SimTest(test, place, world, rules, numbers, check_determinism, wanted, jobs)

        @functools.wraps(test)
        def plain(*args: object, **given: object) -> None:
            __tracebackhide__ = True
            _Trial(made, plain, args, given).go()

        left = signature.replace(parameters=parameters, return_annotation=None)
        vars(plain).update(__signature__=left, sim_rules=rules)
        return plain

    return decorate


def _watch_standard_goals(world: World) -> None:
    world.watch(StandardGoals(world.cover).check)


def world_among(test: WorldTest) -> tuple[int, inspect.Signature]:
    """The place of the world among its arguments, and all of them. Raises TypeError for what is no test of a world."""
    if not inspect.iscoroutinefunction(test):
        raise TypeError(f"a test of a world is `async def test(w: World)`, not {test!r}")
    signature = inspect.signature(test)
    names = list(signature.parameters)
    place = 1 if names[:1] == ["self"] else 0
    if len(names) <= place:
        raise TypeError(f"{test.__qualname__} takes no world: write `async def {test.__name__}(w: World)`")
    return place, signature


# -- for tools that find a test by its name


def rules_of(test: AnyTest) -> Rules:
    """How a test that was found by its name is to be run: as it was decorated, or without anything."""
    return cast("Rules", getattr(test, "sim_rules", {}))


def replay_test(
    test: AnyTest,
    tape: Tape | Sequence[Choice],
    *,
    seed: int = 0,
    strict: bool = False,
    **given: Unpack[Rules],
) -> Report:
    """`runtime.sim.run.replay` of a test, decorated or not, by its own rules where none are given."""
    rules: Rules = {**rules_of(test), **given}
    return replay(inspect.unwrap(test), tape, seed=seed, strict=strict, **rules)


# -- one call of a decorated test


@attrs.frozen
class _Wanted:
    """Which runs the environment asks for. `narrowed`: fewer than the test says."""

    seeds: Sequence[int]
    narrowed: bool = False
    tape: Tape | None = None


def _wanted(made: SimTest, stem: str) -> _Wanted:
    """Raises `BadSeeds`, and `BadTape`."""
    tape = os.environ.get("NECTAR_SIM_TAPE")
    if tape:
        found = read_tape(Path(tape))
        if found.test == stem:
            return _Wanted((found.seed,), narrowed=True, tape=found)
    one, many = os.environ.get("NECTAR_SIM_SEED"), os.environ.get("NECTAR_SIM_SEEDS")
    if one:
        if not one.isdecimal():
            raise BadSeeds(f"NECTAR_SIM_SEED is {one!r}, expected a number such as 17")
        return _Wanted((int(one),), narrowed=True)
    if many:
        match = _RANGE.fullmatch(many)
        if match is None or int(match[1]) > int(match[2]):
            raise BadSeeds(f"NECTAR_SIM_SEEDS is {many!r}, expected the first and the last, such as 1-500")
        return _Wanted(range(int(match[1]), int(match[2]) + 1))
    return _Wanted(made.seeds)


class _Trial:
    def __init__(
        self, made: SimTest, plain: AnyTest, args: Sequence[object], given: Mapping[str, object]
    ) -> None:
        self._made = made
        self._test = made.bound(args, given)
        found = None if args or given else name_of(plain)
        self._replayable = found is not None
        """By its name alone."""
        self._id = current_test(made.test.__qualname__)
        self._name = found or file_safe(self._id)
        self._wanted = _wanted(made, self._name)

    def go(self) -> None:
        __tracebackhide__ = True
        wanted = self._wanted
        if wanted.tape is not None:
            report = replay(self._test, wanted.tape, **self._made.rules)
            if report.is_failure:
                self._raise(report, "")
            return
        summary = explore(self._attempt, wanted.seeds, jobs=self._made.jobs)
        if summary.first_failure is not None:
            self._fail(summary, summary.first_failure)
        unmet = () if wanted.narrowed else missing(self._made.require_cover, summary.cover)
        if unmet:
            raise SimulationFailed(
                f"never covered in {summary.runs} runs: {', '.join(unmet)}\n"
                "give it more seeds, stronger faults, or a test that comes there"
            )

    # -- running

    def _attempt(self, seed: int) -> RunResult:
        return result_of(self._run(seed, keep_trace=False))

    def _run(self, seed: int, *, keep_trace: bool) -> Report:
        rules = self._made.rules
        checked = self._made.check_determinism
        if checked == "all" or (checked == "first" and seed == self._wanted.seeds[0]):
            return run_twice(self._test, seed=seed, **rules)
        bare: Rules = {**rules, "keep_trace": keep_trace}
        return run(self._test, seed=seed, **bare)

    # -- failing

    def _fail(self, summary: Summary, result: RunResult) -> None:
        __tracebackhide__ = True
        if summary.jobs > 1 and result.error and not result.choices:
            raise SimulationFailed(f"seed {result.seed}: {result.error}")  # it may end this process, too
        report = self._run(result.seed, keep_trace=True)
        if isinstance(report.error, SkipTest):
            raise report.error
        if report.verdict != result.verdict:
            text = f"seed {result.seed} came to {result.verdict}, and once more to {report.verdict}"
            violation = Violation("determinism", report.at, (), text)
            report = attrs.evolve(report, verdict=Verdict.NONDETERMINISTIC, violation=violation)
        self._leave(report, "")  # before it is shrunk, which takes a while
        self._raise(*self._shrunk(report))

    def _shrunk(self, report: Report) -> tuple[Report, str]:
        """The smallest run that fails in the same way, and a line about it."""
        if report.verdict is Verdict.NONDETERMINISTIC:
            return report, ""

        def again(source: Source, *, keep_trace: bool = False) -> Report:
            rules: Rules = {**self._made.rules, "keep_trace": keep_trace}
            return run(self._test, seed=report.seed, choices=source, **rules)

        budget = Budget(SHRINK_ATTEMPTS, SHRINK_SECONDS, time.monotonic)
        try:
            found = shrink(report.tape, attempt_like(report, again), budget=budget)
        except FailureLost:
            return report, ""
        smallest = again(TapeChoices(found.tape), keep_trace=True)
        return (smallest, found.line()) if smallest.verdict is report.verdict else (report, "")

    def _leave(self, report: Report, shrunk: str) -> SimulationFailed:
        if self._replayable:
            return failed(report, leave_evidence(report, self._name, shrunk=shrunk, replay=REPLAY))
        failure = leave_evidence(report, self._name, shrunk=shrunk)
        return failed(report, attrs.evolve(failure, again=pytest_command(failure.tape, self._id)))

    def _raise(self, report: Report, shrunk: str) -> None:
        __tracebackhide__ = True
        raise self._leave(report, shrunk) from cause(report)
