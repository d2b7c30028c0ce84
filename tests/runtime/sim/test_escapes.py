"""What stands in for the real world refuses at the caller's line, and tells the world."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from runtime.sim.escapes import EscapedSimulation, Escapes


def test_an_escape_points_at_its_caller_and_is_heard_of():
    heard: list[EscapedSimulation] = []
    call = Escapes(heard.append).function("time.time", "write now()")
    frame = inspect.currentframe()
    assert frame is not None
    with pytest.raises(EscapedSimulation) as caught:
        call(1, two=3)
    error = caught.value
    assert heard == [error]
    assert (error.file, error.what, error.instead) == (__file__, "time.time()", "write now()")
    assert frame.f_code.co_firstlineno < error.line < frame.f_lineno
    assert str(error).endswith(f":{error.line}: time.time() leaves the simulated world; write now()")


def test_a_class_can_be_named_and_derived_from_and_refuses_to_be_made():
    made = Escapes().class_("queue.Queue", "do not")
    derived = type("Derived", (made,), {})
    assert made[int] is made
    assert made.__name__ == "Queue"
    for one in (made, derived):
        with pytest.raises(EscapedSimulation, match="Queue"):
            one(3)


USES: list[Callable[[Any], object]] = [
    lambda value: value.get("x"),
    lambda value: value["x"],
    lambda value: value.__setitem__("x", 1),
    lambda value: "x" in value,
    list,
]


@pytest.mark.parametrize("use", USES)
def test_nothing_can_be_done_with_a_closed_value(use: Callable[[Any], object]):
    with pytest.raises(EscapedSimulation, match=r"os\.environ"):
        use(Escapes().value("os.environ", "do not"))
