"""Models step by step."""

from __future__ import annotations

import pytest

from runtime.sim.check import IMPOSSIBLE, KV, History, Register


def call(f: str, value: object, result: object = None, *, ok: bool = True):
    history = History()
    calling = history.invoke("a", f, value)
    calling.ok(result) if ok else calling.info()
    return calling.call


@pytest.mark.parametrize(
    ("state", "f", "value", "result", "after"),
    [
        (1, "read", None, 1, 1),
        (1, "read", None, 2, IMPOSSIBLE),
        (1, "write", 2, None, 2),
        (1, "cas", (1, 2), True, 2),
        (1, "cas", (1, 2), False, IMPOSSIBLE),
        (1, "cas", (2, 3), False, 1),
        (1, "cas", (2, 3), True, IMPOSSIBLE),
    ],
)
def test_a_register(state, f, value, result, after):
    assert Register().step(state, call(f, value, result)) == after


def test_a_call_of_unknown_outcome_has_any_result():
    assert Register().step(1, call("read", None, ok=False)) == 1
    assert Register().step(1, call("cas", (1, 2), ok=False)) == 2


def test_a_store_is_a_register_for_each_key():
    store = KV(0)
    assert store.initial("x") == 0
    assert [store.key(call("read", "x")), store.key(call("write", ("x", 1)))] == ["x", "x"]
    assert store.step(0, call("cas", ("x", 0, 5), True)) == 5
