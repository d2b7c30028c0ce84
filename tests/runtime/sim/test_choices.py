"""DESIGN 7: one call for every decision, three sources, one code path."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.sim.choices import Choice, Choices, Diverged, SeedChoices, TapeChoices

asked = st.lists(st.tuples(st.sampled_from(["loss", "delay"]), st.integers(2, 1000)), max_size=20)


@given(st.integers(), asked)
def test_a_seed_gives_the_same_choices_again_and_a_tape_repeats_them(seed, asked):
    first, again = Choices(SeedChoices(seed)), Choices(SeedChoices(seed))
    values = [first.choose(label, n) for label, n in asked]
    assert [again.choose(label, n) for label, n in asked] == values
    assert all(0 <= value < n for value, (_, n) in zip(values, asked, strict=True))
    taped = Choices(TapeChoices(first.tape, strict=True))
    assert [taped.choose(label, n) for label, n in asked] == values
    assert taped.tape == first.tape
    assert taped.error is None


def three(seed):
    choices = Choices(SeedChoices(seed))
    return tuple(choices.choose("a", 1000) for _ in range(3))


def test_seeds_differ():
    assert len({three(seed) for seed in range(50)}) == 50


def test_a_tape_that_has_ended_or_fits_badly_gives_what_is_harmless_or_nearest():
    choices = Choices(TapeChoices([Choice("loss", 10, 9)]))
    assert choices.choose("another", 4) == 3
    assert choices.choose("loss", 10) == 0
    assert choices.tape == [Choice("another", 4, 3), Choice("loss", 10, 0)]


@pytest.mark.parametrize(("label", "n"), [("loss", 9), ("delay", 10)])
def test_a_strict_tape_that_does_not_fit_stops_the_world_once_and_raises_nothing_into_it(label, n):
    stops = []
    choices = Choices(TapeChoices([Choice("loss", 10, 9)], strict=True), lambda: stops.append(1))
    assert choices.choose(label, n) == 0
    assert choices.choose("loss", 10) == 0
    assert isinstance(choices.error, Diverged)
    assert "choice 0" in str(choices.error)
    assert (stops, choices.tape) == ([1], [])


def test_a_strict_tape_does_not_go_on_past_its_end():
    choices = Choices(TapeChoices([], strict=True))
    assert choices.choose("loss", 2) == 0
    assert "ended" in str(choices.error)


def test_where_there_is_one_way_nothing_is_asked():
    choices = Choices(SeedChoices(1))
    assert choices.choose("only", 1) == 0
    assert choices.happens("never", 0.0) is False
    assert choices.tape == []


@given(st.integers(0, 1000), st.floats(0.001, 1))
def test_zero_never_is_a_fault_and_larger_choices_are_the_faults(value, probability):
    choices = Choices(TapeChoices([Choice("loss", 1001, 0), Choice("loss", 1001, value)]))
    assert choices.happens("loss", probability) is False
    assert choices.happens("loss", probability) is (value > (1 - probability) * 1000)


@given(st.integers(0, 1000), st.floats(0, 10), st.floats(0, 10))
def test_an_amount_lies_between_its_bounds_and_zero_is_the_least(value, least, span):
    choices = Choices(TapeChoices([Choice("delay", 1001, 0), Choice("delay", 1001, value)]))
    assert choices.among("delay", least, least + span) == least
    assert least <= choices.among("delay", least, least + span) <= least + span
