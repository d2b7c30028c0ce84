"""DESIGN 7: a failure report fits on a screen, and its pytest file fails the same way."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.sim.choices import Choice, Choices, TapeChoices
from runtime.sim.log_file import log_of
from runtime.sim.report_text import (
    MOST_LINES,
    WIDTH,
    Failure,
    Fault,
    export_pytest,
    failure_text,
    faults_in,
    last_line,
    replay_command,
    short_name,
)
from runtime.sim.tape_file import Tape
from runtime.sim.trace import Trace, WorldKind

DIGEST = "3f" * 32


def test_it_says_what_broke_when_by_which_faults_and_how_to_see_it_again():
    failure = Failure(
        "violated", 17, DIGEST, 7.5, "acknowledged not lost", "carol has 1,\n  alice said 6",
        [Fault(1.5, "partitioned a | b"), Fault(3, "carol crashed")], "310 choices -> 4, for faults 41 -> 3",
        (), ".nectar-sim/a.svg", ".nectar-sim/a.tape.json", ".nectar-sim/test_a.py",
    )  # fmt: skip
    assert failure_text(failure).splitlines() == [
        "violated: acknowledged not lost at 7.500 s of virtual time",
        "  carol has 1, alice said 6",
        "2 faults remain (310 choices -> 4, for faults 41 -> 3)",
        "     1.500 s  partitioned a | b",
        "     3.000 s  carol crashed",
        "diagram: .nectar-sim/a.svg",
        "as a test: pytest .nectar-sim/test_a.py",
        "again: nectar sim replay .nectar-sim/a.tape.json",
        f"digest: {DIGEST} seed: 17 verdict: violated",
    ]


@given(st.text(), st.text(), st.lists(st.text(alphabet="ab \n", max_size=200), max_size=30))
def test_it_never_takes_more_than_a_screen(name, text, many):
    faults = [Fault(1.0, " ".join(line.split())) for line in many]
    waiting = [" ".join(line.split()) for line in many]
    named = " ".join(name.split())
    failure = Failure("deadlock", 1, DIGEST, 1, named, text, faults, "x", waiting, "a", "b", "c")
    shown = failure_text(failure)
    lines = shown.split("\n")
    assert len(lines) <= MOST_LINES < 15
    assert all(len(line) <= 120 for line in lines)
    assert lines[-1] == last_line(DIGEST, 1, "deadlock")


def test_a_long_text_has_the_lines_that_are_left_and_no_more():
    """So that the advice at its end is read."""
    words = " ".join(f"word{number}" for number in range(25))
    lines = failure_text(Failure("violated", 1, DIGEST, 0.0, "p", words)).splitlines()
    assert " ".join(line.strip() for line in lines[1:3]) == words
    assert all(len(line) <= WIDTH for line in lines)
    endless = failure_text(Failure("violated", 1, DIGEST, 0.0, "p", "word " * 10_000)).splitlines()
    assert len(endless) == MOST_LINES
    assert endless[-3].endswith(" …")


def test_a_run_that_broke_no_property_says_how_it_ended():
    assert failure_text(Failure("livelock", 1, DIGEST, 2.5)).startswith(
        "livelock at 2.500 s of virtual time\n"
    )


def test_many_faults_are_counted():
    text = failure_text(Failure("violated", 1, DIGEST, 1, faults=[Fault(n, f"fault {n}") for n in range(9)]))
    assert "9 faults\n" in text
    assert "fault 2" in text
    assert "fault 3" not in text
    assert "and 6 faults more" in text


def test_the_faults_of_a_run_are_told_with_packets_taken_together():
    trace = Trace()
    trace.add(0.0, "alice.uq", WorldKind.BOOTED)
    trace.add(1.0, "alice.uq", WorldKind.LOST, note="data 1, message 5 (loss)", other="bob.uq")
    trace.add(2.0, "alice.uq", WorldKind.PARTITIONED, note="alice.uq | bob.uq", other="bob.uq")
    trace.add(2.5, "alice.uq", WorldKind.LOST, note="data 2, message 6 (partition)", other="bob.uq")
    trace.add(3.0, "alice.uq", WorldKind.LOST, note="ack 3 (loss)", other="bob.uq")
    trace.add(4.0, "alice.uq", WorldKind.HEALED, note="alice.uq | bob.uq", other="bob.uq")
    trace.add(5.0, "bob.uq", WorldKind.CRASHED)
    trace.add(6.0, "bob.uq", WorldKind.DISK, note="slow, up to 1 s a call")
    trace.add(7.0, "bob.uq", WorldKind.DISK, note="no longer slow")
    assert faults_in(log_of(trace)) == [
        Fault(1.0, "2 packets lost alice.uq > bob.uq"),
        Fault(2.0, "partitioned alice.uq | bob.uq"),
        Fault(5.0, "bob.uq crashed"),
        Fault(6.0, "bob.uq disk slow, up to 1 s a call"),
    ]


def test_a_path_with_spaces_can_be_pasted():
    assert replay_command("my runs/a.json") == "nectar sim replay 'my runs/a.json'"


def test_a_name_for_files_comes_from_that_of_the_test():
    assert short_name("tests/test_chat.py::test_converges") == "converges"
    assert short_name("mine:Cases.test_a") == "a"
    assert short_name("<lambda>") == "lambda"


class Came:
    error = None

    def __init__(self, choices):
        self.verdict = "ok" if choices.choose("loss", 10) < 9 else "violated"
        self.violation = "balance: 3 != 4"


def test_loses():
    """Found by its name, and given the choices of the tape."""


def replay_here(test, tape, *, seed):
    assert test is test_loses
    assert seed == -3
    return Came(Choices(TapeChoices(tape, strict=True)))


def exported(value, said="balance: 3 != 4"):
    tape = Tape(
        "tests/runtime/sim/test_report_text.py::test_loses",
        -3,
        (Choice("loss", 10, value),),
        "violated",
        said,
    )
    source = export_pytest(tape, replay="tests.runtime.sim.test_report_text:replay_here")
    module: dict[str, object] = {}
    exec(compile(source, "test_loses.py", "exec"), module)
    return module["test_loses_seed_minus_3"]


def test_the_pytest_file_fails_as_the_run_did_and_passes_once_it_is_mended():
    exported(8)()
    with pytest.raises(AssertionError, match=r"violated: balance: 3 != 4"):
        exported(9)()


@given(st.text())
def test_whatever_a_property_says_the_file_is_python(said):
    exported(8, said)()


def test_what_was_asked_of_the_run_is_asked_of_its_test_too():
    tape = Tape("a.py::test_b", 1, (), faults="swarm", until=2.5)
    assert "(find_test(tape.test), tape.choices, seed=tape.seed, faults='swarm', until=2.5)" in export_pytest(
        tape
    )


def test_a_scenario_that_fails_the_same_way_is_named():
    text = failure_text(Failure("violated", 1, DIGEST, 1, scenario="my runs/s-1.toml"))
    assert "as a scenario: nectar sim run 'my runs/s-1.toml'" in text
    assert short_name("my runs/three-nodes.toml") == "three_nodes"
