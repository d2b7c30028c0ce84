"""Some lines about each, and how many more there were."""

from __future__ import annotations

from sys_processes.net.lines import LINES, MOST_SUBJECTS, OTHERS, Lines


def test_some_lines_are_admitted_and_the_rest_is_counted_for_each_subject_by_itself():
    lines = Lines()
    assert [lines.admit("a.uq", 1.0) for _ in range(LINES + 3)] == [True] * LINES + [False] * 3
    assert lines.admit("b.uq", 1.0)
    assert (lines.left_out("a.uq"), lines.left_out("b.uq")) == (3, 0)
    assert lines.summary("a.uq") == "3 more lines about a.uq were left out in 10 s"
    assert lines.left_out("a.uq") == 0
    assert [lines.admit("a.uq", 2.0), lines.admit("a.uq", 2.0)] == [True, False]


def test_very_many_subjects_share_one_count():
    lines = Lines()
    for number in range(MOST_SUBJECTS):
        assert lines.admit(f"n{number}", 1.0)
    assert [lines.admit(f"x{number}", 1.0) for number in range(LINES + 1)] == [True] * LINES + [False]
    assert lines.summary("x1") == f"1 more lines about {OTHERS} were left out in 10 s"
