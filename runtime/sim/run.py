"""Runs a test in a simulated world, from a seed or a tape, and says what it came to."""

from __future__ import annotations

import gc
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypedDict, Unpack

import attrs
import trio

from runtime.node import sole_error
from runtime.sim.boot import derived_seed
from runtime.sim.chance import SeededChance
from runtime.sim.choices import Choice, Choices, Diverged, SeedChoices, Source, TapeChoices
from runtime.sim.cover import Exercise, NothingShown
from runtime.sim.entropy import seeded_entropy
from runtime.sim.faults import Faults
from runtime.sim.report import Report, Verdict
from runtime.sim.scheduler import WorldLoop, scheduled_by
from runtime.sim.tape_file import Tape
from runtime.sim.trace import Trace, WorldKind
from runtime.sim.turns import MOST_STEPS, Stuck, Turns, WorldAbandoned
from runtime.sim.violation import Violation
from runtime.sim.world import World

Test = Callable[[World], Awaitable[object]]
Prepare = Callable[[World], None]
"""Called before the test begins: to `World.watch` what happens in it, to start what disturbs it."""


class Rules(TypedDict, total=False):
    """How a world is run."""

    until: float
    """Virtual seconds by which the test must have ended, `A_MONTH` by default."""
    keep_trace: bool
    """True by default. Without, the run is faster and has no digest."""
    most_steps: int
    """Of tasks at one instant, `MOST_STEPS` by default: more are a livelock."""
    prepare: Sequence[Prepare]
    faults: Faults
    """What goes wrong beside the test, none by default. The test may end them by `World.heal`."""


NO_FAULTS = Faults.none()
A_MONTH = 30 * 86_400.0
"""A process that does something every minute keeps its world awake for ever, and a run must end."""


@attrs.frozen
class _Rules:
    until: float = A_MONTH
    keep_trace: bool = True
    most_steps: int = MOST_STEPS
    prepare: Sequence[Prepare] = ()
    faults: Faults = NO_FAULTS


class Course:
    """One run, on its way to a report. Whatever ends it first decides; what happens later is no part of it."""

    def __init__(self, seed: int, source: Source, **given: Unpack[Rules]) -> None:
        self.seed = seed
        self.rules = rules = _Rules(**given)
        self.choices = Choices(source, self._source_failed)
        self.trace = Trace(kept=rules.keep_trace)
        self.loop = WorldLoop(rules.until, self._out_of_time)
        self.turns = Turns(self.choices, self.loop, self._stuck, most_steps=rules.most_steps)
        self.world = World(
            seed,
            self.choices,
            self.trace,
            self.turns,
            self._violated,
        )
        self.report: Report | None = None
        self._scope = trio.CancelScope()
        self._test: trio.lowlevel.Task | None = None
        self._exercise = Exercise()
        self._faults_wanted = False
        self._telling = False
        self.trace.watch(self._exercise.check)

    # -- how it ends

    def _end(
        self, verdict: Verdict, violation: Violation | None = None, error: BaseException | None = None
    ) -> None:
        if self.report is not None:
            return
        if verdict is Verdict.OK:
            violation = self.world.finish()
            if violation is not None:
                self._violated(violation)
                return
            idle = self._exercise.idle(faults_wanted=self._faults_wanted)
            if idle is not None:
                verdict, violation = Verdict.VACUOUS, Violation("nothing happened", self.loop.now(), (), idle)
        # What the test itself raised has its traceback to say where it was.
        is_stuck = error is None and verdict in (Verdict.DEADLOCK, Verdict.LIVELOCK, Verdict.VIOLATED)
        self.report = Report(
            verdict=verdict,
            seed=self.seed,
            digest=self.trace.digest,
            tape=tuple(self.choices.tape),
            trace=self.trace,
            at=self.loop.now(),
            violation=violation,
            waiting=self.world.waiting(self._test) if is_stuck else (),
            error=error,
            cover=dict(self.world.cover.counts),
            faults=tuple(fault.line() for fault in self.world.storm.faults),
        )
        self.trace.close()
        self.choices.close()
        for node in self.world.nodes.values():
            node.silence()
        self.turns.end()
        self._scope.cancel()

    def _stuck(self, why: Stuck) -> None:
        self._end(Verdict(why.value))

    def _out_of_time(self) -> None:
        text = f"the test had not ended after {self.rules.until:g} virtual seconds"
        self._end(Verdict.VIOLATED, Violation("until", self.loop.now(), (), text))

    def _source_failed(self) -> None:
        self._end(Verdict.ERROR, error=self.choices.error)

    def _violated(self, violation: Violation) -> None:
        if self.report is None and not self._telling:
            # The entry is shown to every monitor, also to one that finds the same again.
            self._telling = True
            self.world.note(WorldKind.VIOLATED, text=violation.name)
            self._end(Verdict.VIOLATED, violation)

    def _raised(self, error: Exception) -> None:
        if isinstance(error, ExceptionGroup):
            error = _sole(error)
        if isinstance(error, AssertionError):
            violation = Violation("assertion", self.loop.now(), (), str(error))
            self._end(Verdict.VIOLATED, violation, error)
        elif isinstance(error, NothingShown):
            self._end(Verdict.VACUOUS, Violation("nothing shown", self.loop.now(), (), str(error)), error)
        else:
            self._end(Verdict.ERROR, error=error)

    # -- its way

    async def go(self, test: Test) -> None:
        with self._scope:
            try:
                async with trio.open_nursery() as nursery:
                    self._test = trio.lowlevel.current_task()
                    self.world.open(nursery, self._raised)
                    for prepare in self.rules.prepare:
                        prepare(self.world)
                    self._let_faults_loose()
                    await self._run_test(test)
                    nursery.cancel_scope.cancel()
            except Exception as error:  # noqa: BLE001 - of a task beside the test
                self._raised(error)

    def _let_faults_loose(self) -> None:
        faults = self.rules.faults
        nemeses = faults.drawn(self.choices)
        self._faults_wanted = bool(nemeses) and not faults.is_swarm
        if nemeses:
            self.world.nemesis(*nemeses, seconds=faults.seconds)

    async def _run_test(self, test: Test) -> None:
        try:
            await test(self.world)
            self._end(Verdict.OK)
        except Exception as error:  # noqa: BLE001 - what a test raises is what its report is about
            self._raised(error)

    # -- around it

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Within, and within `untouched`, nothing but the world has any influence on the steps of trio. Raises
        RuntimeError inside of trio.
        """
        if trio.lowlevel.in_trio_run():
            raise RuntimeError(
                "trio runs already: call it from a plain function, after the end of any other world"
            )
        entropy = SeededChance(derived_seed("entropy", self.seed)).secret
        with scheduled_by(self.turns), seeded_entropy(entropy):
            yield

    def raise_foreign(self, error: BaseException) -> None:
        """Of what trio raised in the end, what is no part of it."""
        sole = sole_error(error)
        over = self.report is not None and isinstance(sole, Exception)
        if isinstance(sole, trio.TrioInternalError) or not (over or isinstance(sole, WorldAbandoned)):
            raise sole from sole.__cause__

    def outcome(self) -> Report:
        """Once trio has ended. Raises what the source of choices raised."""
        if self.choices.error is not None:
            raise self.choices.error
        assert self.report is not None
        return self.report


def _sole(group: ExceptionGroup[Exception]) -> Exception:
    """What stands for the group: the one error in it, or the first of several assertions."""
    sole = sole_error(group)
    if isinstance(sole, ExceptionGroup) and sole.split(AssertionError)[1] is None:
        while isinstance(sole, ExceptionGroup):
            sole = sole.exceptions[0]
    return sole if isinstance(sole, Exception) else group


@contextmanager
def untouched() -> Iterator[None]:
    """Nothing from before runs or is seen inside: no finaliser of old garbage, no module of an earlier world's process
    that still holds a name. Later finalisers run only when the last reference goes, which is a place in the program and
    not a matter of how much memory others used. What is garbage at the end is gone afterwards, so that a thousand
    worlds need the memory of one; hold none of this one by then.
    """
    enabled = gc.isenabled()
    gc.disable()
    # A collection then looks at what this world made, and not at all that the process has.
    gc.freeze()
    hidden = {name: sys.modules.pop(name) for name in _process_modules()}
    try:
        yield
    finally:
        gc.collect()
        for name, module in hidden.items():
            sys.modules.setdefault(name, module)
        gc.unfreeze()
        if enabled:
            gc.enable()


def _process_modules() -> list[str]:
    """Names that no import statement can spell (`runtime.modules`)."""
    return [name for name in sys.modules if name.startswith("<")]


def run(test: Test, *, seed: int = 0, choices: Source | None = None, **rules: Unpack[Rules]) -> Report:
    """Run the test once, in a world of its own. Call it outside of `trio.run`.

    `choices` is where decisions come from, by default the seed; what is drawn and is no decision (ids, keys) always
    comes from the seed. Raises what the source of choices raises, KeyboardInterrupt, and what the test raises that is
    no Exception.
    """
    source = SeedChoices(seed) if choices is None else choices
    with untouched():
        return _run_alone(Course(seed, source, **rules), test)


def _run_alone(course: Course, test: Test) -> Report:
    with course.alone():
        try:
            trio.run(course.go, test, clock=course.loop.clock)
        except BaseException as error:  # noqa: BLE001 - what is no part of the run's end is raised again
            course.raise_foreign(error)
    return course.outcome()


def replay(
    test: Test, tape: Tape | Sequence[Choice], *, seed: int = 0, strict: bool = False, **rules: Unpack[Rules]
) -> Report:
    """Run the test with the choices of an earlier run, and the seed that it had: a `Tape` knows both. A `strict` one
    must fit choice by choice: where it does not, the verdict is `nondeterministic`.
    """
    if isinstance(tape, Tape):
        seed, tape = tape.seed, tape.choices
    source = TapeChoices(tape, strict=strict)
    try:
        report = run(test, seed=seed, choices=source, **rules)
        source.finish()
    except Diverged as error:
        found = run(test, seed=seed, choices=TapeChoices(tape), **rules)
        return nondeterministic(found, str(error))
    return report


def run_twice(test: Test, *, seed: int = 0, choices: Source | None = None, **rules: Unpack[Rules]) -> Report:
    """`run`, and again on its tape: where the second course differs, the verdict is `nondeterministic`."""
    first = run(test, seed=seed, choices=choices, **rules)
    again = replay(test, first.tape, seed=seed, strict=True, **rules)
    if again.verdict is Verdict.NONDETERMINISTIC:
        return again
    if again.digest != first.digest:
        text = f"one seed and one tape gave the digests {first.digest[:16]} and {again.digest[:16]}"
        return nondeterministic(again, text)
    return first


def nondeterministic(report: Report, text: str) -> Report:
    violation = Violation("determinism", report.at, (), text)
    return attrs.evolve(report, verdict=Verdict.NONDETERMINISTIC, violation=violation)
