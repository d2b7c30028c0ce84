"""A small, fixed sample of what `scripts/fuzz` searches: the good inputs, cut and changed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.fuzz_seeds import SEEDS
from tests.support.fuzz_targets import TARGETS


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_good_inputs_break_no_rule(name):
    for seed in SEEDS[name]:
        TARGETS[name](seed)


@pytest.mark.parametrize("name", sorted(TARGETS))
@settings(max_examples=60)
@given(data=st.data())
def test_changed_inputs_break_no_rule(name, data):
    raw = bytearray(data.draw(st.sampled_from(SEEDS[name])))
    for _ in range(data.draw(st.integers(0, 4))):
        place = data.draw(st.integers(0, len(raw)))
        size = data.draw(st.integers(0, 8))
        raw[place : place + size] = data.draw(st.binary(max_size=8))
    TARGETS[name](bytes(raw))


@pytest.mark.parametrize("name", sorted(TARGETS))
@settings(max_examples=60)
@given(raw=st.binary(max_size=200))
def test_garbage_breaks_no_rule(name, raw):
    TARGETS[name](raw)
