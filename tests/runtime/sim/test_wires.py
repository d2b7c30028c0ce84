"""How packets fare on a wire: what is drawn, and what faults add to it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.sim.choices import Choice, Choices, SeedChoices, TapeChoices
from runtime.sim.wires import FAIR, Exponential, Fixed, LinkControl, LinkSettings, Uniform, Wire

LATENCIES = [Fixed(0.5), Uniform(0.5, 3.0), Uniform(0.5, 0.5), Exponential(0.2, 0.5), Exponential(0.0, 0.5)]


@pytest.mark.parametrize("latency", LATENCIES)
def test_the_harmless_choice_is_the_least(latency):
    assert latency.draw(Choices(TapeChoices([])), "l") == 0.5


@pytest.mark.parametrize("latency", [Fixed(0.5), Uniform(0.5, 0.5), Exponential(0.0, 0.5)])
def test_nothing_is_asked_where_nothing_varies(latency):
    choices = Choices(SeedChoices(1))
    latency.draw(choices, "l")
    assert choices.tape == []


@given(st.integers(0, 1000))
def test_no_draw_is_beyond_what_is_said(value):
    def choices() -> Choices:
        return Choices(TapeChoices([Choice("l", 1001, value)]))

    assert 0.5 <= Uniform(0.5, 3.0).draw(choices(), "l") <= 3.0
    assert 0.5 <= Exponential(0.2, 0.5).draw(choices(), "l") < 0.5 + 7 * 0.2


def test_an_exponential_has_its_mean():
    choices = Choices(SeedChoices(1))
    drawn = [Exponential(2.0).draw(choices, "l") for _ in range(4000)]
    assert sum(drawn) / 4000 == pytest.approx(2.0, rel=0.1)


def test_bytes_wait_for_those_before_them():
    wire = Wire("a", "b", LinkSettings(bandwidth=100.0))
    assert [wire.leave(10.0, 50), wire.leave(10.0, 50), wire.leave(20.0, 100)] == [10.5, 11.0, 21.0]
    assert Wire("a", "b", FAIR).leave(10.0, 50) == 10.0


def test_what_faults_add_ends_in_any_order_and_leaves_what_was_set():
    wire = Wire("a", "b", LinkSettings(loss=0.1, latency=Fixed(1.0)))
    choices = Choices(TapeChoices([]))
    slow, lossy = LinkSettings(latency=Fixed(2.0)), LinkSettings(loss=0.5)
    wire.worsen(slow)
    wire.worsen(lossy)
    assert (wire.loss, wire.latency(choices)) == (0.5, 3.0)
    LinkControl([wire]).loss(0.2)
    wire.ease(slow)
    wire.ease(slow)
    assert (wire.loss, wire.latency(choices)) == (0.5, 1.0)
    wire.ease(lossy)
    assert (wire.loss, wire.latency(choices)) == (0.2, 1.0)


def test_the_same_bad_weather_twice_ends_twice():
    wire = Wire("a", "b", LinkSettings())
    lossy = LinkSettings(loss=0.5)
    wire.worsen(lossy)
    wire.worsen(lossy)
    wire.ease(lossy)
    assert wire.loss == 0.5
    wire.ease(lossy)
    assert wire.loss == 0.0


def test_a_wire_is_fair_until_something_can_happen_on_it():
    wire = Wire("a", "b", FAIR)
    control = LinkControl([wire])
    assert wire.is_fair
    control.latency(0.1)
    assert not wire.is_fair
    control.latency(0.0)
    assert wire.is_fair
    for change in (lambda: control.dup(0.1), lambda: control.reorder(0.1), lambda: control.bandwidth(10)):
        change()
        assert not wire.is_fair
        control.dup(0).reorder(0).bandwidth(None)
        assert wire.is_fair


def test_settings_that_make_no_sense_are_refused():
    control = LinkControl([Wire("a", "b", FAIR)])
    for set_it in (control.loss, control.dup, control.reorder):
        with pytest.raises(ValueError, match=r"between 0 and 1, got 1\.5"):
            set_it(1.5)
    with pytest.raises(ValueError, match=r"more than 0 bytes a second, got 0; see partition"):
        control.bandwidth(0)


def test_seconds_two_numbers_and_a_distribution_are_latencies():
    wire = Wire("a", "b", FAIR)
    control = LinkControl([wire])
    assert control.latency(2).latency(1, 3) is control
    assert wire.settings.latency == Uniform(1, 3)
    assert control.latency(Exponential(1.0)).latency(0.5) is control
    assert wire.settings == LinkSettings(latency=Fixed(0.5))
