"""The search agrees with trying every order, accepts what one object did, and says what fits nowhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.sim.check import KV, History, Lock, OpKind, Register, Unfit, linearizable
from tests.support.histories import Planned, brute_force, planned, played

SMALL = st.integers(0, 2)
REGISTER = st.one_of(
    st.tuples(st.just("write"), SMALL),
    st.tuples(st.just("read"), st.none()),
    st.tuples(st.just("cas"), st.tuples(SMALL, SMALL)),
)
STORE = st.one_of(
    st.tuples(st.just("write"), st.tuples(st.sampled_from("xy"), SMALL)),
    st.tuples(st.just("read"), st.sampled_from("xy")),
    st.tuples(st.just("cas"), st.tuples(st.sampled_from("xy"), SMALL, SMALL)),
)


class RealStore:
    """What is judged: a dict, with every call done at one point."""

    def __init__(self) -> None:
        self.values: dict[object, object] = {}

    def apply(self, plan: Planned) -> object:
        match plan.f, plan.value:
            case "read", key:
                return self.values.get(key)
            case "write", (key, value):
                self.values[key] = value
            case "cas", (key, old, new):
                if self.values.get(key) != old:
                    return False
                self.values[key] = new
                return True
        return None


@given(planned(STORE, most=30, processes=5))
def test_what_one_store_did_is_linearizable(plans):
    assert linearizable(played(plans, RealStore().apply), KV()).valid is True


@given(planned(REGISTER, most=5), st.data())
def test_the_search_agrees_with_trying_every_order(plans, data):
    history = played(plans, lambda plan: None)
    for call in history.calls:
        # Whatever the results are, right or wrong.
        if call.is_ok:
            call.result = data.draw(st.booleans() if call.f == "cas" else st.sampled_from([None, 0, 1, 2]))
    assert linearizable(history, Register()).valid is brute_force(history, Register())


@given(planned(STORE, most=30, processes=5), st.data())
def test_a_read_of_what_was_never_written_is_found(plans, data):
    history = played(plans, RealStore().apply)
    reads = [call for call in history.calls if call.f == "read" and call.is_ok]
    if reads:
        call = data.draw(st.sampled_from(reads))
        call.result = "never written"
        found = linearizable(history, KV())
        assert (found.valid, found.calls) == (False, (call.number,))


def test_a_stale_read_is_found_and_named():
    history = History()
    history.done("a", "write", ("x", 1))
    history.done("b", "write", ("y", 5))
    history.done("a", "write", ("x", 2))
    history.done("b", "read", "x", 1)
    found = linearizable(history, KV())
    assert found.valid is False
    assert found.calls == (3,)
    assert found.text == (
        "not linearizable, key 'x': call 3 of b: read('x') -> ok 1 fits nowhere: "
        "after the 2 calls that can be put in order the state is 2"
    )
    assert found.violation("store", 7.0).name == "store"


def test_a_write_of_unknown_outcome_may_be_seen_at_any_later_time_or_never():
    def seen(*values: object) -> History:
        history = History()
        history.invoke("a", "write", 1).info("timeout")
        for value in values:
            history.done("b", "read", None, value)
        return history

    assert linearizable(seen(None, None, 1, 1), Register()).valid is True
    assert linearizable(seen(None, None), Register()).valid is True
    assert linearizable(seen(1, None), Register()).valid is False


def test_a_call_that_failed_did_not_take_place():
    history = History()
    history.invoke("a", "write", 1).fail("refused")
    history.done("b", "read", None, 1)
    assert linearizable(history, Register()).valid is False


def test_a_call_without_an_outcome_counts_as_unknown():
    history = History()
    history.invoke("a", "write", 1)
    history.done("b", "read", None, 1)
    assert linearizable(history, Register()).valid is True


def test_beyond_its_steps_the_search_does_not_know():
    history = History()
    for writer in [history.invoke(number, "write", number) for number in range(12)]:
        writer.ok()
    history.done("r", "read", None, "never")
    assert linearizable(history, Register(), steps=1000).valid is None


def test_many_calls_at_once_are_searched_in_reasonable_steps():
    history = History()
    for turn in range(100):
        for writer in [history.invoke(number, "write", (turn, number)) for number in range(6)]:
            writer.ok()
        history.done("r", "read", None, (turn, 3))
    assert linearizable(history, Register(), steps=50_000).valid is True


def test_a_lock_has_one_holder():
    history = History()
    history.done("a", "acquire", None, True)
    history.done("b", "acquire", None, False)
    history.done("a", "release")
    history.done("b", "acquire", None, True)
    assert linearizable(history, Lock()).valid is True
    history.done("c", "acquire", None, True)
    assert linearizable(history, Lock()).valid is False


@pytest.mark.parametrize("model", [Register(), KV(), Lock()])
def test_a_call_that_the_model_does_not_know_is_refused(model):
    history = History()
    history.done("a", "dance", ("x",))
    with pytest.raises(Unfit, match="dance"):
        linearizable(history, model)
    assert history.calls[0].kind is OpKind.OK
