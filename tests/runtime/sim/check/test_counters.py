"""Counters: what one real counter did is accepted; a lost or doubled increment is found."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.sim.check import History, OpKind, Unfit, g_counter, pn_counter
from tests.support.histories import Planned, planned, played


def one_counter():
    total = [0]

    def apply(plan: Planned) -> object:
        if plan.f == "add":
            total[0] += plan.value
            return None
        return total[0]

    return apply


@st.composite
def counter_plans(draw: st.DrawFn, least: int) -> list[Planned]:
    adds = st.tuples(st.just("add"), st.integers(least, 5))
    plans = draw(planned(st.one_of(adds, st.just(("read", None))), most=20))
    end = max(plan.end for plan in plans)
    return [*plans, *(Planned(n, "read", None, end + 1, end + 2, end + 3, OpKind.OK) for n in range(3))]


@given(counter_plans(0))
def test_one_counter_that_grows_is_accepted(plans):
    assert g_counter(played(plans, one_counter())).valid is True


@given(counter_plans(-5))
def test_one_counter_is_accepted(plans):
    assert pn_counter(played(plans, one_counter())).valid is True


@given(counter_plans(1), st.sampled_from([-1, 1]))
def test_an_add_that_is_lost_or_counted_twice_at_one_process_is_found(plans, sign):
    sure = [plan for plan in plans if plan.outcome is not OpKind.INFO]
    history = played(sure, one_counter())
    adds = list(history.of("add", OpKind.OK))
    if adds:
        history.calls[-1].result += sign * adds[0].value
        for check in (pn_counter, g_counter):
            found = check(history)
            assert (found.valid, found.calls) == (False, (history.calls[-1].number,))


def test_an_add_of_unknown_outcome_may_count():
    for result, valid in [(5, True), (7, True), (6, False), (8, False)]:
        history = History()
        history.done("a", "add", 5)
        history.invoke("a", "add", 2).info("timeout")
        history.done("b", "read", None, result)
        assert pn_counter(history).valid is valid


def test_very_many_unknown_outcomes_are_compared_by_their_range():
    history = History()
    for power in range(20):
        history.invoke("a", "add", 3 * 2**power).info("timeout")
    history.done("b", "read", None, 3)
    assert pn_counter(history).valid is True
    history.done("b", "read", None, 3 * 2**20)
    assert pn_counter(history).valid is False


def test_a_counter_that_grows_shows_nothing_before_it_was_added():
    history = History()
    history.done("b", "read", None, 1)
    history.done("a", "add", 1)
    history.done("b", "read", None, 1)
    assert pn_counter(history).valid is True
    assert g_counter(history).valid is False


def test_a_counter_that_grows_is_never_taken_from():
    history = History()
    history.done("a", "add", -1)
    assert g_counter(history).valid is False


def test_without_a_last_read_nothing_is_known():
    history = History()
    history.done("b", "read", None, 0)
    history.done("a", "add", 1)
    assert pn_counter(history).valid is None


def test_what_is_no_number_is_refused():
    history = History()
    history.done("a", "add", "one")
    with pytest.raises(Unfit, match="whole number"):
        pn_counter(history)
