"""Issue 5: `nectar sim diff` names the first difference between two runs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from runtime.sim.diff import first_difference
from runtime.sim.log_file import log_of
from runtime.sim.trace import Trace, WorldKind

notes = st.lists(st.sampled_from("abc"), max_size=12)


def log(notes):
    trace = Trace()
    for note in notes:
        trace.add(1.0, "alice.uq", WorldKind.SPOKE, note=note)
    return log_of(trace)


@given(notes, notes)
def test_it_is_the_first_place_where_the_logs_are_not_the_same(left, right):
    found = first_difference(log(left), log(right))
    if left == right:
        assert found is None
        return
    assert left[: found.index] == right[: found.index]
    assert left[found.index : found.index + 1] != right[found.index : found.index + 1]


def test_it_shows_what_both_have_and_what_each_has_instead():
    found = first_difference(log("abcdxy"), log("abcde"), context=2)
    assert found.text("run 1", "run 2").splitlines() == [
        "first difference at entry 4",
        "    2 alice.uq 1.000000 spoke c",
        "    3 alice.uq 1.000000 spoke d",
        "- run 1: 4 alice.uq 1.000000 spoke x",
        "-   5 alice.uq 1.000000 spoke y",
        "+ run 2: 4 alice.uq 1.000000 spoke e",
    ]


def test_a_log_that_ends_early_differs_where_it_ends():
    found = first_difference(log("ab"), log("abc"))
    assert (found.index, found.left, found.right.note) == (2, None, "c")
    assert "- left: the log ends here" in found.text()
