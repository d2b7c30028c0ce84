"""Sets that grow: what one real set did is accepted, losses, doubles and inventions are found."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.sim.check import History, OpKind, Unfit, acked_not_lost, broadcast, unique_ids
from tests.support.histories import Planned, planned, played


@given(st.lists(st.integers()))
def test_ids_are_unique_or_found(numbers):
    history = History()
    for number in numbers:
        history.done("n", "generate", None, number)
    assert unique_ids(history).valid is (len(set(numbers)) == len(numbers))


@st.composite
def set_plans(draw: st.DrawFn, f: str) -> list[Planned]:
    plans = draw(planned(st.sampled_from([(f, None), ("read", None)]), most=20))
    named = [
        Planned(p.process, p.f, number if p.f == f else None, p.begin, p.point, p.end, p.outcome)
        for number, p in enumerate(plans)
    ]
    end = max(plan.end for plan in plans)
    return [*named, *(Planned(n, "read", None, end + 1, end + 2, end + 3, OpKind.OK) for n in range(3))]


def without(values: Any, value: object) -> list[object]:
    return [one for one in values if one != value]


def one_set(f: str):
    values: list[object] = []

    def apply(plan: Planned) -> object:
        if plan.f == f:
            values.append(plan.value)
            return None
        return list(values)

    return apply


@given(set_plans("add"))
def test_one_set_loses_nothing(plans):
    assert acked_not_lost(played(plans, one_set("add"))).valid is True


@given(set_plans("broadcast"))
def test_one_set_broadcasts_well(plans):
    found = broadcast(played(plans, one_set("broadcast")))
    assert found.valid is True
    assert (found.counts["lost"], found.counts["stale"]) == (0, 0)


@given(set_plans("broadcast"), st.data())
def test_a_value_that_is_missing_at_the_end_is_found(plans, data):
    history = played(plans, one_set("broadcast"))
    acked = [call.value for call in history.of("broadcast", OpKind.OK)]
    if acked:
        value = data.draw(st.sampled_from(acked))
        last = history.calls[-1]
        last.result = without(last.result, value)
        found = broadcast(history)
        assert found.valid is False
        assert found.calls == (
            next(c.number for c in history.of("broadcast") if c.value == value),
            last.number,
        )
        assert found.counts["lost"] == 1


@given(set_plans("add"), st.data())
def test_an_acknowledged_value_that_is_lost_is_found(plans, data):
    history = played(plans, one_set("add"))
    acked = [call.value for call in history.of("add", OpKind.OK)]
    if acked:
        value = data.draw(st.sampled_from(acked))
        last = history.calls[-1]
        last.result = without(last.result, value)
        assert acked_not_lost(history).valid is False


def test_a_value_that_comes_late_is_stale_and_not_lost():
    history = History()
    history.done("a", "broadcast", 1)
    history.done("b", "read", None, [])
    history.done("b", "read", None, [1])
    found = broadcast(history)
    assert (found.valid, found.counts["stale"]) == (True, 1)


def test_a_value_that_was_read_once_is_known():
    history = History()
    history.invoke("a", "broadcast", 1).info("timeout")
    history.done("b", "read", None, [1])
    history.done("c", "read", None, [])
    assert broadcast(history).valid is False


@pytest.mark.parametrize(("f", "check"), [("broadcast", broadcast), ("add", acked_not_lost)])
def test_a_value_that_is_sent_again_and_fails_was_acknowledged_all_the_same(f, check):
    history = History()
    history.done("a", f, 1)
    history.invoke("a", f, 1).fail("it is there already")
    history.invoke("b", f, 1).info("timeout")
    history.done("b", "read", None, [1])
    assert check(history).valid is True
    history.done("b", "read", None, [])
    assert check(history).valid is False


@pytest.mark.parametrize("check", [broadcast, acked_not_lost])
def test_without_a_read_nothing_is_known(check):
    assert check(History()).valid is None


@pytest.mark.parametrize("result", [[1, 1], [2], [3]])
def test_doubles_and_inventions_are_found(result):
    history = History()
    history.done("a", "broadcast", 1)
    history.invoke("a", "broadcast", 3).fail("refused")
    history.done("b", "read", None, result)
    assert broadcast(history).valid is False


@pytest.mark.parametrize("result", [[2], [3]])
def test_what_was_never_added_is_found(result):
    history = History()
    history.invoke("a", "add", 3).fail("refused")
    history.done("b", "read", None, result)
    assert acked_not_lost(history).valid is False


def test_a_read_of_another_form_is_refused():
    history = History()
    history.done("b", "read", None, "text")
    with pytest.raises(Unfit, match="expected the values"):
        broadcast(history)
