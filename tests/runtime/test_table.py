"""Tables of commands."""

from __future__ import annotations

from runtime.table import as_table


def test_columns_have_one_width_under_their_titles():
    rows = [{"id": "a:b:c", "last_error": None}, {"id": "d", "last_error": 3}]
    assert as_table(("id", "last_error"), rows).splitlines() == ["ID     LAST ERROR", "a:b:c", "d      3"]


def test_of_several_lines_the_first_is_shown_and_no_terminal_is_steered_by_it():
    text = as_table(("error",), [{"error": "\x1b[2Jboom\nTraceback"}])
    assert text.splitlines() == ["ERROR", "\\x1b[2Jboom"]
