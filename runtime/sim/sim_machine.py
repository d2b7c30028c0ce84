"""A rule-based state machine of Hypothesis over one living world: its rules are steps in it, async or plain.

    class Chat(SimMachine):
        async def begin(self):
            self.alice = await self.world.node("alice.nec", [CHAT])

        @rule(text=st.text())
        async def say(self, text):
            await self.alice.ask("chat:chat:nectar", text.encode())

        @invariant()
        def nobody_waits(self):
            assert self.alice.mailbox("chat:chat:nectar") < 10

    TestChat = Chat.TestCase

Between two rules the world stands still. Whatever is undecided in it, Hypothesis draws and shrinks with the rules.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any, ClassVar
from unittest import SkipTest

from hypothesis import stateful

from runtime.sim.faults import Faults
from runtime.sim.hypothesis_world import CONTROL, SEED, HypothesisChoices, is_shown, judge
from runtime.sim.pumped import PumpedWorld, WorldOver
from runtime.sim.report import Verdict
from runtime.sim.world import World

UNTIL = 3600.0
"""Virtual seconds that all steps of an example may take together."""


class SimMachine(stateful.RuleBasedStateMachine):
    """Take `rule`, `initialize` and `invariant` from this module. `begin`, rules and invariants run inside the world;
    `bundle`s, preconditions and strategies outside, where they must not touch it.

    After the last rule all faults are healed, messages come to rest, `at_end` is run, and the properties of the world
    are asked whether all that had to come to pass did.
    """

    faults: ClassVar[Faults] = Faults.none()
    """What goes wrong beside the rules."""
    until: ClassVar[float] = UNTIL

    def __init__(self) -> None:
        super().__init__()
        self._pumped: PumpedWorld | None = None
        self._choices = HypothesisChoices.of_example()

    async def begin(self) -> None:
        """Before the first rule: boot nodes, and say what must hold."""

    async def at_end(self) -> None:
        """After the last one, in a healed world that has come to rest: look whether it is as it should be."""

    @property
    def world(self) -> World:
        """Within steps. Raises RuntimeError before the first one."""
        if self._pumped is None:
            raise RuntimeError("the world begins with the first step: use begin(), a rule, or an invariant")
        return self._pumped.world

    def run(self, step: Callable[..., Any], *args: object) -> Any:
        """One more step, from outside of the world: what the plain or async function returns or raises."""
        if self._pumped is None:
            rules: dict[str, Any] = {"until": self.until, "faults": self.faults, "keep_trace": is_shown()}
            self._pumped = PumpedWorld(self._choices, seed=SEED, passing=(*CONTROL, SkipTest), **rules)
            self._step(self.begin)
        return self._step(step, *args)

    def _step(self, step: Callable[..., Any], *args: object) -> Any:
        __tracebackhide__ = True
        assert self._pumped is not None
        try:
            return self._pumped.run(lambda _world: step(*args))
        except WorldOver:
            self._judge()
            raise

    def _judge(self) -> None:
        """Raise what the run came to, if it is a failure, or what Hypothesis said meanwhile."""
        __tracebackhide__ = True
        assert self._pumped is not None
        report = self._pumped.finish()
        if report.verdict is not Verdict.VACUOUS:
            judge(report, type(self).__qualname__, None)

    def teardown(self) -> None:
        """Called by Hypothesis after the last rule, also when it failed."""
        __tracebackhide__ = True
        if self._pumped is None or self._pumped.report is not None:
            return
        if sys.exc_info()[0] is not None:
            self._pumped.abandon()
            return
        try:
            self._step(self._rest)
            self._judge()
        finally:
            self._pumped.abandon()

    async def _rest(self) -> None:
        await self.world.heal()
        await self.world.settle()
        await self.at_end()


# -- Hypothesis's decorators, for functions that run in the world

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def rule(**given: Any) -> Decorator:
    """`hypothesis.stateful.rule`, for plain and async functions."""
    decorate: Decorator = stateful.rule(**given)
    return lambda function: decorate(_in_world(function))


def initialize(**given: Any) -> Decorator:
    """`hypothesis.stateful.initialize`, likewise."""
    decorate: Decorator = stateful.initialize(**given)
    return lambda function: decorate(_in_world(function))


def invariant(**given: Any) -> Decorator:
    """`hypothesis.stateful.invariant`, likewise."""
    decorate: Decorator = stateful.invariant(**given)
    return lambda function: decorate(_in_world(function))


def _in_world(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def step(machine: SimMachine, **given: Any) -> Any:
        __tracebackhide__ = True
        return machine.run(functools.partial(function, machine, **given))

    return step
