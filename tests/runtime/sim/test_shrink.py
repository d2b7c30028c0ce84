"""Issue 5, point 5: faults go first, then messages, then delays, and the failure is never lost."""

from __future__ import annotations

from itertools import count

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.sim.aligned_tape import AlignedChoices
from runtime.sim.choices import Choice, Choices, SeedChoices
from runtime.sim.shrink import Budget, FailureLost, Outcome, Size, attempt_like, is_fault, shrink

LABELS = ("loss", "order", "messages", "lag", "crash")


def attempt_of(program):
    """A program takes `choose` and says whether it failed."""

    def attempt(tape):
        choices = Choices(AlignedChoices(tape))
        failed = program(choices.choose)
        return Outcome(failed, choices.tape)

    return attempt


def failing_tape(program, seeds=range(1000)):
    for seed in seeds:
        choices = Choices(SeedChoices(seed))
        if program(choices.choose):
            return choices.tape
    raise AssertionError("no seed fails")


def live(tape):
    return [(c.label, c.value) for c in tape if c.value]


def flat(needed):
    """Asks 10 times for each label. Fails when each (label, turn) that is needed is at least so large."""

    def program(choose):
        found = {(label, turn): choose(label, 100) for turn in range(10) for label in LABELS}
        return all(found[place] >= least for place, least in needed.items())

    return program


places = st.tuples(st.sampled_from(LABELS), st.integers(0, 9))


@settings(max_examples=20)
@given(st.dictionaries(places, st.integers(1, 99), max_size=4), st.randoms())
def test_what_is_left_is_what_the_failure_needs_and_as_small_as_it_may_be(needed, random):
    tape = [
        Choice(label, 100, random.randint(needed.get((label, turn), 0), 99))
        for turn in range(10)
        for label in LABELS
    ]
    shrunk = shrink(tape, attempt_of(flat(needed)))
    turns = {label: iter(range(10)) for label in LABELS}
    kept = {(c.label, next(turns[c.label])): c.value for c in shrunk.tape}
    assert {place: value for place, value in kept.items() if value} == needed
    assert shrunk.stable
    assert not shrunk.exhausted


def network(choose):
    """Sends messages that may be lost and are sent again; a node may crash. Fails when a crash meets a resend, or when
    three messages are late at once."""
    resent = late = crashes = 0
    for _ in range(1 + choose("messages", 20)):
        choose("order", 5)
        for _ in range(3):
            late += choose("lag", 1001) > 900
            if choose("loss", 4) < 3:
                break
            resent += 1
        crashes += choose("crash", 10) == 9
    return late >= 3 or (crashes > 0 and resent > 0)


@settings(max_examples=20)
@given(st.integers(0, 10_000))
def test_a_run_that_changes_its_course_as_it_shrinks_still_fails_in_the_end(seed):
    try:
        tape = failing_tape(network, range(seed, seed + 50))
    except AssertionError:
        return
    shrunk = shrink(tape, attempt_of(network))
    assert attempt_of(network)(shrunk.tape).failed
    assert shrunk.stable
    # with delays only, or with the fewest faults
    assert live(shrunk.tape) in (
        [("lag", 901)] * 3,
        [("messages", 2), *[("lag", 901)] * 3],
        [("messages", 1), *[("lag", 901), ("lag", 901)], ("loss", 3), ("lag", 901)],
        [("loss", 3), ("crash", 9)],
    )


def test_faults_are_removed_before_delays_are_made_small():
    sizes = []
    program = flat({("lag", 3): 50})
    tape = failing_tape(program)
    shrink(tape, attempt_of(program), progress=lambda attempts, size: sizes.append(size))
    assert [size.faults for size in sizes] == sorted((size.faults for size in sizes), reverse=True)
    assert sizes[0].faults == 0
    assert sizes[-1] == Size(0, 1, 50, 50, sizes[-1].places)


def test_the_line_tells_what_is_gone():
    program = flat({("crash", 2): 99, ("lag", 2): 1})
    tape = [Choice(label, 100, 99) for _ in range(10) for label in LABELS]
    assert shrink(tape, attempt_of(program)).line() == "50 choices -> 2, for faults 20 -> 1"


def test_the_same_tape_shrinks_the_same_way():
    tape = failing_tape(network)
    first, again = (shrink(tape, attempt_of(network)) for _ in range(2))
    assert first == again


def test_a_budget_of_attempts_ends_it_with_the_best_so_far():
    program = flat({("lag", 9): 50})
    shrunk = shrink(failing_tape(program), attempt_of(program), budget=Budget(attempts=5))
    assert (shrunk.attempts, shrunk.exhausted) == (5, True)
    assert attempt_of(program)(shrunk.tape).failed
    assert "stopped after 5 attempts" in shrunk.line()


def test_a_budget_of_seconds_is_measured_on_the_clock_that_is_given():
    """None is begun that would end too late, the last look included, going by how long the first took."""
    program, now = flat({("lag", 9): 50}), [0.0]

    def attempt(tape):
        now[0] += 1.5
        return attempt_of(program)(tape)

    shrunk = shrink(failing_tape(program), attempt, budget=Budget(seconds=5, clock=lambda: now[0]))
    assert (shrunk.attempts, shrunk.exhausted, now) == (2, True, [4.5])


def test_a_tape_that_does_not_fail_is_refused():
    with pytest.raises(FailureLost, match="3 choices does not fail"):
        shrink([Choice("lag", 100, 0)] * 3, attempt_of(flat({("lag", 9): 50})))


def test_a_run_that_is_not_deterministic_is_found_out():
    turns = count()

    def attempt(tape):
        return Outcome(True, [*tape, Choice("order", 100, next(turns) % 7)])

    assert not shrink([Choice("lag", 100, 5)], attempt, budget=Budget(attempts=50)).stable


@attrs.frozen
class Name:
    name: str


@attrs.frozen
class Came:
    verdict: str
    tape: list[Choice]
    violation: Name | None = None
    error: BaseException | None = None


def rerun(source):
    """Fails in one of three ways, as two choices have it."""
    choices = Choices(source)
    way, depth = choices.choose("way", 4), choices.choose("depth", 100)
    if depth < 10 or not way:
        return Came("ok", choices.tape)
    if way == 1:
        return Came("violated", choices.tape, Name("fifo"))
    if way == 2:
        return Came("violated", choices.tape, Name("once"))
    return Came("error", choices.tape, error=KeyError() if depth > 20 else ValueError())


@pytest.mark.parametrize(("way", "depth", "least"), [(1, 99, 10), (2, 99, 10), (3, 99, 21), (3, 15, 10)])
def test_a_failure_is_not_taken_for_another_one(way, depth, least):
    tape = [Choice("way", 4, way), Choice("depth", 100, depth)]
    shrunk = shrink(tape, attempt_like(rerun(AlignedChoices(tape)), rerun))
    assert live(shrunk.tape) == [("way", way), ("depth", least)]


def test_the_words_of_a_label_tell_a_fault():
    assert all(map(is_fault, ["loss", "net loss", "nemesis_partition", "crash bob.uq", "Torn write"]))
    assert not any(map(is_fault, ["order", "latency", "batch", "messages", "disguise"]))


def test_when_a_fault_comes_and_how_long_it_lasts_is_no_further_fault():
    assert is_fault("fault crash")
    assert not any(map(is_fault, ["fault crash wait", "fault crash lasts", "swarm crash strength"]))


def test_it_ends_when_nothing_is_left_that_a_run_shows():
    """Harmless choices are no longer counted, nor left out."""
    tape = [Choice("loss", 10, 5), *[Choice("order", 3, 1)] * 200]
    found = shrink(tape, lambda tried: Outcome(True, [Choice(c.label, c.n, c.value) for c in tried]))
    assert (found.after.total, found.attempts) == (0, 3)
