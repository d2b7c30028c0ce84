"""Histories are recorded in one order and refuse what cannot be."""

from __future__ import annotations

import pytest

from runtime.sim.check import Checked, History, NoSuchCall, Op, OpKind, all_of


def test_a_call_knows_when_and_how_it_began_and_ended():
    now = [1.0]
    history = History(lambda: now[0])
    slow = history.invoke("a", "write", 1)
    now[0] = 2.0
    history.done("b", "read", None, 1)
    slow.ok("done")
    call = slow.call
    assert (call.start, call.end, call.begun_at, call.ended_at, call.result) == (0, 3, 1.0, 2.0, "done")
    assert [op.kind for op in history.ops] == ["invoke", "invoke", "ok", "ok"]
    assert str(call) == "call 0 of a: write(1) -> ok 'done'"
    assert [c.number for c in history.of("read", OpKind.OK)] == [1]


def test_the_first_outcome_counts_and_later_ones_are_kept_for_the_checkers():
    history = History()
    calling = history.invoke("a", "ask")
    calling.ok(1)
    calling.fail("late")
    assert (calling.call.kind, calling.call.result, calling.call.outcomes) == (OpKind.OK, 1, 2)


def test_what_ends_of_unknown_outcome_may_take_place_for_ever():
    history = History()
    history.invoke("a", "write", 1).info("timeout")
    history.done("b", "read")
    first, second = history.calls
    assert not first.ended_before(second)
    assert first.may_have_happened
    assert str(first).endswith("-> info 'timeout'")


@pytest.mark.parametrize(
    "op", [Op(OpKind.INVOKE, 1, "a", "f", None, 0.0), Op(OpKind.OK, 0, "a", "f", None, 0.0)]
)
def test_a_history_read_from_elsewhere_has_to_fit(op):
    with pytest.raises(NoSuchCall):
        History().record(op)


def test_a_recorded_history_is_the_same_as_a_made_one():
    history = History()
    history.done("a", "f", 1, 2)
    again = History()
    for op in history.ops:
        again.record(op)
    assert str(again.calls[0]) == str(history.calls[0])


def test_of_several_verdicts_the_worst_counts():
    good, bad, open_ = Checked(True), Checked(False, "bad"), Checked(None, "open")
    assert all_of(good, open_, bad) is bad
    assert all_of(good, open_) is open_
    assert all_of(good).valid is True
    assert bad.violation("p", 1.0).text == "bad"
    assert open_.violation("p", 1.0) is None
