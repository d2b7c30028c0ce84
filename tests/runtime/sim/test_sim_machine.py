"""State machines over one living world, and what they shrink to (issue 5, point 6; P72-P76)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
import trio
from hypothesis import Phase, assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, precondition, run_state_machine_as_test

from kernel.address import Address
from runtime.sim.faults import Faults
from runtime.sim.mover import NodeDown
from runtime.sim.nemeses import Crash
from runtime.sim.report import Verdict
from runtime.sim.run import run
from runtime.sim.sim_machine import SimMachine, initialize, invariant, rule
from runtime.sim.simulation_failed import SimulationFailed
from tests.support.worlds import echo
from userland.process_lib import Request, Response, await_message

FEW = settings(max_examples=20, stateful_step_count=12, phases=(Phase.generate, Phase.shrink))


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def passes(machine: Callable[[], RuleBasedStateMachine], few: settings = FEW) -> None:
    run_state_machine_as_test(machine, settings=few)
    assert not trio.lowlevel.in_trio_run()


def failure_of(
    machine: Callable[[], RuleBasedStateMachine], few: settings = FEW
) -> tuple[SimulationFailed, list[str]]:
    """And the rules of the smallest example."""
    with pytest.raises(SimulationFailed) as caught:
        run_state_machine_as_test(machine, settings=few)
    assert not trio.lowlevel.in_trio_run()
    notes = "\n".join(getattr(caught.value, "__notes__", [])).splitlines()
    return caught.value, [line for line in notes if line.startswith("state.") and "teardown" not in line]


class Greets(SimMachine):
    """A machine with all that one may have."""

    seen = Bundle("seen")

    async def begin(self) -> None:
        self.asked: list[bytes] = []
        self.node = await self.world.node("alice.nec", [echo])

    @initialize(target=seen)
    async def first(self):
        return (await self.node.ask("echo", b"first")).ipc

    @rule(target=seen, text=st.binary(max_size=3))
    async def ask(self, text):
        self.asked.append(text)
        answer = (await self.node.ask("echo", text)).ipc
        assert answer == text
        return answer

    @rule(text=seen)
    def look(self, text):
        assert text == b"first" or text in self.asked
        assert self.world.now >= 0
        assert trio.lowlevel.in_trio_task()

    @precondition(lambda self: len(self.asked) > 2)
    @rule()
    async def pause(self):
        assume(len(self.asked) < 6)
        before = self.world.now
        await self.world.sleep(3)
        assert self.world.now == before + 3

    @invariant()
    async def is_up(self):
        assert self.node.is_up
        await self.world.sleep(0.1)


def test_rules_and_invariants_are_steps_of_one_world():
    passes(Greets)


def test_a_machine_is_a_test_case_too():
    case = Greets.TestCase()
    case.settings = settings(FEW, max_examples=3)
    case.runTest()


# -- what it finds, and what it is shrunk to


async def relay(our: Address) -> None:
    """Passes on what it hears; each third message before the second: the planted bug."""
    kept: list[bytes] = []
    target = Address(our.node, "sink:world:sim")
    while True:
        message = await await_message()
        kept.append(message.ipc)
        if len(kept) == 2:
            continue
        for ipc in [kept[-1], *kept[1:-1]] if len(kept) == 3 else kept[-1:]:
            Request().target(target).ipc(ipc).send()


class Ordered(SimMachine):
    """What goes through a relay comes out in order."""

    async def begin(self) -> None:
        self.sent: list[bytes] = []
        self.heard: list[bytes] = []
        heard = self.heard

        async def sink(our: Address) -> None:
            while True:
                heard.append((await await_message()).ipc)

        self.node = await self.world.node("alice.nec", [sink, relay])

    @rule()
    async def send(self):
        self.sent.append(b"%d" % len(self.sent))
        await self.node.send("relay", self.sent[-1])

    @rule(seconds=st.integers(1, 9))
    async def wait(self, seconds):
        await self.world.sleep(seconds)

    async def at_end(self) -> None:
        assert self.heard == self.sent[: len(self.heard)]


def test_a_planted_disorder_shrinks_to_the_three_sends_it_needs():
    """P72, P75."""
    failure, steps = failure_of(Ordered)
    assert steps == ["state.send()"] * 3
    assert failure.report is not None
    assert not any(choice.value for choice in failure.report.tape)
    lines = str(failure).splitlines()
    assert len(lines) < 15
    assert lines[0].startswith("violated: assertion at ")
    assert any(line.startswith("again: pytest ") for line in lines)
    assert "diagram: .nectar-sim/Ordered-0.svg" in lines


class Counts(SimMachine):
    """A count that a crash takes."""

    faults = Faults.swarm(Crash(every=2.0))

    async def begin(self) -> None:
        self.node = await self.world.node("alice.nec", [echo])
        self.world.eventually("came up again", lambda: self.node.is_up)

    @rule(seconds=st.integers(1, 5))
    async def wait(self, seconds):
        await self.world.sleep(seconds)

    @rule()
    async def ask(self):
        with suppress(NodeDown):
            await self.node.ask("echo")

    async def at_end(self) -> None:
        assert self.node.is_up
        assert self.node.runs == 1, "it was booted again"


def test_faults_beside_the_rules_are_drawn_healed_before_the_end_and_shrunk():
    """P73, P74."""
    failure, steps = failure_of(Counts, settings(FEW, max_examples=40))
    assert failure.report is not None
    assert [line.split()[1:] for line in failure.report.faults] == [["crash", "alice.nec"]]
    assert len(steps) <= 3
    assert "it was booted again" in str(failure)


def test_a_property_of_the_world_is_asked_at_its_end():
    class Never(Greets):
        async def begin(self) -> None:
            await super().begin()
            self.world.eventually("the moon", lambda: False)

    failure, _ = failure_of(Never)
    assert failure.report is not None
    assert failure.report.violation is not None
    assert failure.report.violation.name == "the moon"


def test_a_violation_in_the_midst_of_a_rule_fails_that_rule():
    class Late(Greets):
        async def begin(self) -> None:
            await super().begin()
            self.world.never("a second", lambda: self.world.now > 1)

    failure, _ = failure_of(Late)
    assert failure.report is not None
    assert failure.report.verdict is Verdict.VIOLATED


def test_the_world_is_only_there_in_steps():
    class Early(SimMachine):
        @rule()
        def look(self):
            self.run(lambda: None)

    assert isinstance(failure_of(Early)[0].__cause__, RuntimeError)

    class Outside(Greets):
        def __init__(self) -> None:
            super().__init__()
            assert self.world

    with pytest.raises(RuntimeError, match="the world begins with the first step"):
        run_state_machine_as_test(Outside, settings=FEW)


def test_other_worlds_run_after_a_machine_that_failed():
    failure_of(Ordered)

    async def whole(w):
        node = await w.node("alice.nec", [echo])
        await node.ask("echo")

    assert run(whole).verdict is Verdict.OK


def test_an_answer_may_be_given_in_begin():
    class Answers(SimMachine):
        async def begin(self) -> None:
            async def yes(our: Address) -> None:
                while True:
                    await await_message()
                    Response().ipc(b"yes").send()

            self.node = await self.world.node("alice.nec", [yes])
            assert (await self.node.ask("yes")).ipc == b"yes"

        @rule()
        async def again(self):
            assert (await self.node.ask("yes")).ipc == b"yes"

    passes(Answers)
