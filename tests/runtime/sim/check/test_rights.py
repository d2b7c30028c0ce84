"""Capabilities: uses are judged by what may, or must, have been held at the time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.sim.check import History, Unfit, caps_respected

STEPS = st.lists(
    st.tuples(st.sampled_from(["grant", "revoke", "use"]), st.sampled_from("ab"), st.sampled_from("xy"))
)


@given(STEPS, st.data())
def test_uses_one_after_the_other_are_right_exactly_if_they_follow_what_is_held(steps, data):
    history, held, right = History(), {}, True
    for f, holder, capability in steps:
        if f == "use":
            allowed = data.draw(st.booleans())
            right = right and allowed is held.get((holder, capability), False)
            calling = history.invoke(holder, "use", capability)
            calling.ok() if allowed else calling.fail("refused")
        else:
            history.done("kernel", f, (holder, capability))
            held[holder, capability] = f == "grant"
    assert caps_respected(history).valid is right


def test_during_a_grant_or_a_revocation_either_is_right():
    for f in ("grant", "revoke"):
        history = History()
        if f == "revoke":
            history.done("kernel", "grant", ("a", "x"))
        changing = history.invoke("kernel", f, ("a", "x"))
        history.done("a", "use", "x")
        history.invoke("a", "use", "x").fail("refused")
        changing.ok()
        assert caps_respected(history).valid is True


def test_a_grant_of_unknown_outcome_allows_and_demands_nothing():
    history = History()
    history.invoke("kernel", "grant", ("a", "x")).info("timeout")
    history.done("a", "use", "x")
    history.invoke("a", "use", "x").fail("refused")
    assert caps_respected(history).valid is True


def test_a_grant_of_another_form_is_refused():
    history = History()
    history.done("kernel", "grant", "x")
    with pytest.raises(Unfit, match="holder, capability"):
        caps_respected(history)
