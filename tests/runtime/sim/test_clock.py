"""The wall clock of a node: offset and rate."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.sim.clock import EPOCH, WallClock

seconds = st.floats(-1e6, 1e6)


class World:
    now = 0.0


@given(st.lists(st.tuples(st.floats(0, 1e4), seconds)))
def test_an_offset_is_against_the_time_of_the_world_and_stays(steps):
    world = World()
    clock = WallClock(lambda: world.now)
    assert clock.now() == EPOCH
    for wait, offset in steps:
        clock.offset = offset
        world.now += wait
        assert clock.offset == pytest.approx(offset, abs=1e-3)
        assert clock.now() == pytest.approx(EPOCH + world.now + offset, abs=1e-3)


@given(st.floats(0, 10), st.floats(0, 1e4), st.floats(0, 1e4))
def test_a_rate_goes_on_from_where_the_clock_is(rate, before, after):
    world = World()
    clock = WallClock(lambda: world.now)
    world.now = before
    shown = clock.now()
    clock.rate = rate
    assert clock.now() == pytest.approx(shown)
    world.now += after
    assert clock.now() == pytest.approx(shown + rate * after, abs=1e-3)
    assert clock.rate == rate


def test_a_clock_does_not_run_backwards():
    with pytest.raises(ValueError, match="offset"):
        WallClock(lambda: 0.0).rate = -1
