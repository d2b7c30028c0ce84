"""Tables for people."""

from __future__ import annotations

from kernel.address import ProcessId
from sys_processes._columns import columns


def test_columns_are_as_wide_as_their_values():
    assert columns(("A", "BB"), [(ProcessId("a", "b", "c"), 1), ("x\ny", None)]) == "A      BB\na:b:c  1\nx"


def test_no_value_steers_a_terminal():
    assert columns(("A",), [("\x1b[31m",)]) == "A\n\\x1b[31m"
