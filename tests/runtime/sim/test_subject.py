from __future__ import annotations

import pytest

from runtime.sim.named_tests import NoSuchTest
from runtime.sim.subject import find_subject, replay_test, run_seed, subject_of
from runtime.sim.tape_file import Tape
from tests.support import sim_subjects
from tests.support.scenarios import ASKING, scenario

FILE = "tests/support/sim_subjects.py"


def test_a_test_is_found_by_its_name_and_runs_by_its_own_rules():
    subject = find_subject(f"{FILE}::takes_long")
    assert subject.run(1).verdict == "ok"
    limited = find_subject(f"{FILE}::limited")
    assert limited.run(1).violation.name == "until"
    assert find_subject(f"{FILE}::limited", until=200.0).run(1).verdict == "ok"


def test_faults_and_the_end_may_be_asked_for():
    subject = find_subject(f"{FILE}::takes_long", faults="swarm", until=20.0)
    assert subject.rules["faults"].is_swarm
    assert subject.run(1).violation.name == "until"


def test_a_tape_is_followed():
    subject = find_subject(f"{FILE}::fails_sometimes")
    report = subject.run(5)
    tape = Tape(subject.name, 5, report.tape, digest=report.digest)
    assert subject.replay(tape, strict=True).digest == report.digest


def test_a_scenario_says_its_seed_and_its_end():
    subject = subject_of(scenario("[world]\nseed = 9\nuntil = 2\n" + ASKING), "s.toml")
    assert (subject.seed, subject.rules["until"], subject.harmless) == (9, 2.0, False)
    assert subject.run_twice(9).verdict == "violated"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("takes_more", "takes w, more, and a test of a world takes the world alone"),
        ("is_plain", "is no test of a world: write it as `async def test(w: World)`"),
        ("World", "is no test of a world"),
    ],
)
def test_what_is_no_test_of_a_world_is_refused(name, said):
    with pytest.raises(NoSuchTest) as caught:
        find_subject(f"{FILE}::{name}")
    assert said in str(caught.value)


def test_faults_that_are_not_known_are_refused():
    with pytest.raises(NoSuchTest, match="'some' are not known: there are none, swarm"):
        find_subject(f"{FILE}::goes_well", faults="some")


def test_another_process_runs_it_by_its_seed():
    report = run_seed(sim_subjects.differs, seed=3, name="x", faults="", until=None, twice=3)
    assert report.verdict == "nondeterministic"
    assert run_seed(sim_subjects.differs, seed=4, name="x", faults="", until=None, twice=3).verdict == "ok"


def test_a_generated_test_replays_it_with_its_rules():
    report = find_subject(f"{FILE}::takes_long", faults="swarm", until=20.0).run(1)
    again = replay_test(sim_subjects.takes_long, report.tape, seed=1, faults="swarm", until=20.0)
    assert (again.verdict, again.digest) == (report.verdict, report.digest)
