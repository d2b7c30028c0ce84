"""Worlds whose choices Hypothesis draws, and what it shrinks them to (issue 5, point 6; DESIGN 7)."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st
from hypothesis.errors import FailedHealthCheck

from runtime.sim.choices import Choices
from runtime.sim.faults import Faults
from runtime.sim.hypothesis_world import HypothesisChoices, given_world
from runtime.sim.mover import NodeDown
from runtime.sim.nemeses import Crash, Loss, Partition
from runtime.sim.report import Verdict
from runtime.sim.run import run
from runtime.sim.simulation_failed import SimulationFailed
from runtime.sim.tape_file import read_tape
from runtime.sim.testing import replay_test
from runtime.sim.world import World
from tests.support.worlds import echo

FEW = settings(max_examples=30, phases=(Phase.generate, Phase.shrink))


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def failure_of(test, *arguments) -> SimulationFailed:
    with pytest.raises(SimulationFailed) as caught:
        test(*arguments)
    return caught.value


async def greet(w: World, name: str = "alice.nec") -> None:
    node = w.nodes.get(name) or await w.node(name, [echo])
    assert (await node.ask("echo", b"hi")).ipc == b"hi"


# -- the source


def test_draws_are_harmless_once_there_were_enough():
    @settings(max_examples=20)
    @given(st.data())
    def draws(data):
        choices = Choices(HypothesisChoices(data.draw, most=10))
        values = [choices.choose("fault", 5) for _ in range(20)]
        assert all(0 <= value < 5 for value in values)
        assert values[10:] == [0] * 10
        assert choices.error is None

    draws()


def test_what_is_asked_for_often_is_one_draw_and_0_is_harmless_throughout():
    drawn: list[int] = []

    def choices_of(*seeds: int) -> Choices:
        left = list(seeds)
        drawn.clear()

        def draw(strategy: object) -> int:
            drawn.append(left[0])
            return left.pop(0)

        return Choices(HypothesisChoices(draw))

    calm = choices_of(0)
    assert {calm.choose("order of tasks", 720) for _ in range(50)} == {0}
    wild = choices_of(3, 4)
    orders = [wild.choose("order of tasks", 720) for _ in range(50)]
    assert len(set(orders)) > 10
    assert {wild.choose("loss alice.nec bob.nec", 2) for _ in range(50)} == {0, 1}
    assert drawn == [3, 4]
    again = choices_of(3)
    assert [again.choose("order of tasks", 720) for _ in range(50)] == orders


def test_what_hypothesis_says_while_a_world_runs_never_reaches_the_world():
    """P76: the end of its data is raised by the run, after the world has ended."""
    stopped = []

    async def draws_for_ever(w: World) -> None:
        await greet(w)
        try:
            while True:
                w.choices.choose("label", 1 << 60)
                await w.sleep(1)
        except Exception:
            stopped.append("raised into the world")
            raise

    @settings(max_examples=5)
    @given(st.data())
    def runs(data):
        run(draws_for_ever, choices=HypothesisChoices(data.draw, most=1 << 30))

    with pytest.raises(FailedHealthCheck, match="very large"):
        runs()
    assert stopped == []


# -- @given_world


def test_what_is_named_is_drawn_fixtures_are_left_and_settings_apply(request):
    seen = []

    @settings(max_examples=10)
    @given_world(count=st.integers(1, 3), faults=Faults.none())
    async def counts(w: World, count: int, fixture: str) -> None:
        seen.append((count, fixture))
        for _ in range(count):
            await greet(w)

    counts(fixture="given")
    assert {count for count, _ in seen} == {1, 2, 3}
    assert {fixture for _, fixture in seen} == {"given"}
    assert len(seen) <= 20


def test_an_example_in_which_nobody_sends_anything_does_not_count_nor_fail():
    @FEW
    @given_world(count=st.integers(0, 3), faults=Faults.none())
    async def idles(w: World, count: int) -> None:
        for _ in range(count):
            await greet(w)
        assert count < 2

    failure = failure_of(idles)
    assert failure.report is not None
    assert failure.report.verdict is Verdict.VIOLATED


def test_assume_leaves_an_example():
    @FEW
    @given_world(count=st.integers(1, 9), faults=Faults.none())
    async def assumes(w: World, count: int) -> None:
        await greet(w)
        assume(count % 2)
        assert count % 2

    assumes()


class Methods:
    @FEW
    @given_world(count=st.integers(1, 2), faults=Faults.none())
    async def greets(self, w: World, count: int) -> None:
        assert isinstance(self, Methods)
        await greet(w)


def test_it_may_be_a_method():
    Methods().greets()


# -- what it shrinks to


@settings(max_examples=100, phases=(Phase.generate, Phase.shrink))
@given_world(faults=Faults.swarm(Loss(every=1.0), Partition(every=2.0), Crash(every=3.0)), until=60.0)
async def _forgets(w: World) -> None:
    """What it counts does not survive a crash."""
    alice, _ = await w.node("alice.nec", [echo]), await w.node("bob.nec", [echo])
    for _ in range(10):
        with suppress(NodeDown):
            await alice.ask("echo", b"x")
        await w.sleep(1)
        assert alice.runs == 1, "it was booted again"


def test_faults_shrink_to_the_one_that_is_needed():
    """P73, P75."""
    failure = failure_of(_forgets)
    report = failure.report
    assert report is not None
    assert [line.split()[1:] for line in report.faults] == [["crash", "alice.nec"]]
    live = [choice for choice in report.tape if choice.value]
    assert sorted({choice.label for choice in live}) == ["fault crash", "swarm crash"]
    assert all(choice.value == 1 for choice in live)


def test_the_failure_is_a_report_with_files_and_its_tape_repeats_it(tmp_path):
    failure = failure_of(_forgets)
    lines = str(failure).splitlines()
    assert len(lines) < 15
    assert lines[0].startswith("violated: assertion at ")
    assert "it was booted again" in lines[1]
    assert "again: nectar sim replay .nectar-sim/forgets-0.tape.json" in lines
    tape = read_tape(tmp_path / ".nectar-sim" / "latest.tape.json")
    again = replay_test(_forgets, tape, strict=True)
    assert failure.report is not None
    assert (again.digest, again.verdict) == (failure.report.digest, Verdict.VIOLATED)


def test_a_failure_that_needs_what_was_drawn_says_which_test_to_run():
    @FEW
    @given_world(count=st.integers(0, 9), faults=Faults.none())
    async def few(w: World, count: int) -> None:
        await greet(w)
        assert count < 5

    failure = failure_of(few)
    assert "again: pytest " in str(failure)
    assert "as a test:" not in str(failure)
    assert "count=5" in "\n".join(getattr(failure, "__notes__", []))


def test_a_plan_of_faults_is_drawn_shown_and_shrunk():
    plans = st.lists(st.builds(Loss, every=st.floats(0.5, 2.0)), max_size=2).map(
        lambda found: Faults.of(*found)
    )

    @FEW
    @given_world(faults=plans, until=30.0)
    async def calm(w: World) -> None:
        await greet(w)
        await greet(w, "bob.nec")
        await w.sleep(3)
        assert not w.storm.faults

    failure = failure_of(calm)
    notes = "\n".join(getattr(failure, "__notes__", []))
    assert notes.count("Loss(") == 1, notes


def test_failures_of_different_properties_are_different_to_hypothesis():
    @settings(max_examples=100, phases=(Phase.generate, Phase.shrink), report_multiple_bugs=True)
    @given_world(count=st.integers(0, 20), faults=Faults.none())
    async def two_bugs(w: World, count: int) -> None:
        await greet(w)
        if count > 10:
            w.violate("too many")
        if 3 < count < 8:
            w.violate("unlucky")
        await w.sleep(1)

    with pytest.raises(ExceptionGroup) as caught:
        two_bugs()
    assert sorted(error.report.violation.name for error in caught.value.exceptions) == ["too many", "unlucky"]
