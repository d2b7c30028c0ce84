"""Violations say what, when and which entries show it."""

from __future__ import annotations

from runtime.sim.violation import LawBroken, Violation


def test_a_violation_is_one_line():
    assert str(Violation("one leader", 2.5, (3, 7), "two of them")) == (
        "one leader, at 2.500000 s: two of them (entries 3, 7)"
    )
    assert str(Violation("ends", 2.0, (), "did not")) == "ends, at 2.000000 s: did not"


def test_a_broken_law_says_so_and_is_a_violation():
    broken = LawBroken("in time", 1.0, (1,), "late")
    assert isinstance(broken, Violation)
    assert str(broken).startswith("law broken: in time, at 1.000000 s: late")
    assert broken != Violation("in time", 1.0, (1,), "late")
