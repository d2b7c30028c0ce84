"""What may go wrong in a run."""

from __future__ import annotations

from collections import Counter

import pytest

from runtime.sim.choices import Choices, SeedChoices, TapeChoices
from runtime.sim.faults import Faults
from runtime.sim.hypothesis_world import given_world
from runtime.sim.nemeses import Crash, Partition, every_kind
from runtime.sim.testing import sim_test


def test_nothing_goes_wrong_unless_asked_for():
    choices = Choices(SeedChoices(1))
    assert Faults.none().drawn(choices) == ()
    assert Faults().drawn(choices) == ()
    assert choices.tape == []


def test_what_is_named_is_there_in_every_run():
    choices = Choices(SeedChoices(1))
    assert Faults.of(Crash(), Partition(every=3), seconds=9).drawn(choices) == (Crash(), Partition(every=3))
    assert choices.tape == []


def test_the_harmless_run_of_a_swarm_has_no_faults():
    assert Faults.swarm().drawn(Choices(TapeChoices([]))) == ()


def test_each_run_of_a_swarm_draws_its_kinds_and_their_strength():
    runs = [Faults.swarm().drawn(Choices(SeedChoices(seed))) for seed in range(200)]
    assert runs == [Faults.swarm().drawn(Choices(SeedChoices(seed))) for seed in range(200)]
    kinds = Counter(nemesis.kind for run in runs for nemesis in run)
    assert set(kinds) == {nemesis.kind for nemesis in every_kind()}
    assert all(70 < times < 130 for times in kinds.values())
    often = {nemesis.every for run in runs for nemesis in run if nemesis.kind == "partition"}
    assert often == {10.0, 5.0, 2.5}


def test_a_swarm_may_be_of_some_kinds_only():
    faults = Faults.swarm(Crash(), seconds=5.0)
    runs = [faults.drawn(Choices(SeedChoices(seed))) for seed in range(20)]
    assert {nemesis.kind for run in runs for nemesis in run} == {"crash"}
    assert (faults.seconds, faults.is_swarm) == (5.0, True)


@pytest.mark.parametrize("written", ["swarm", (Crash(),), Crash])
def test_what_says_not_what_may_go_wrong_is_refused_with_what_does(written):
    with pytest.raises(TypeError, match=r"write faults=Faults.none\(\), Faults.swarm\(\)"):
        Faults.given(written)
    with pytest.raises(TypeError, match="write faults="):
        sim_test(faults=written)
    with pytest.raises(TypeError, match="write faults="):
        given_world(faults=written)(lambda w: None)


def test_nothing_said_is_a_swarm():
    assert Faults.given(None) == Faults.swarm()
    assert Faults.given(Faults.none()) == Faults.none()
