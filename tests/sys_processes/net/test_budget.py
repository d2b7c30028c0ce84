"""So much at once, and so much a second."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sys_processes.net.budget import Budget


def test_what_is_used_up_comes_back_with_time_and_never_beyond_the_most():
    budget = Budget(10, 2)
    assert budget.take(10, 5.0)
    assert not budget.take(1, 5.0)
    assert not budget.take(3, 6.0)
    assert budget.take(2, 6.0)
    assert not budget.take(11, 1000.0)
    assert budget.take(10, 1000.0)


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 8))))
def test_in_any_stretch_of_time_no_more_is_given_than_the_most_and_what_came_back(takes):
    budget, now, given_out = Budget(10, 2), 0.0, []
    for amount, later in takes:
        now += later / 4
        if budget.take(amount, now):
            given_out.append((now, amount))
    for start, _ in given_out:
        for end, _ in given_out:
            inside = sum(amount for when, amount in given_out if start <= when <= end)
            assert inside <= 10 + 2 * max(0.0, end - start)
