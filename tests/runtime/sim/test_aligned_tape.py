"""Issue 5, point 5: what was taken out of a tape moves nothing else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from runtime.sim.aligned_tape import AlignedChoices
from runtime.sim.choices import Choice, Choices

tapes = st.lists(st.builds(Choice, st.sampled_from(["loss", "order", "lag"]), st.just(10), st.integers(0, 9)))


def follow(tape, asked):
    choices = Choices(AlignedChoices(tape))
    return [choices.choose(label, 10) for label in asked]


@given(tapes)
def test_a_whole_tape_is_followed_to_the_letter(tape):
    assert follow(tape, [c.label for c in tape]) == [c.value for c in tape]


@given(tapes, st.sampled_from(["loss", "order", "lag"]))
def test_without_the_choices_of_one_label_the_others_are_the_same(tape, gone):
    left = [c for c in tape if c.label != gone]
    assert follow(left, [c.label for c in tape]) == [0 if c.label == gone else c.value for c in tape]


def test_what_does_not_fit_is_the_nearest_and_what_is_not_there_is_harmless():
    choices = Choices(AlignedChoices([Choice("order", 10, 9)]))
    assert [choices.choose("order", 4), choices.choose("order", 4), choices.choose("loss", 4)] == [3, 0, 0]
