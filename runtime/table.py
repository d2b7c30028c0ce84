"""Rows as commands show them, by the names of their columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sys_processes._columns import columns

Cell = str | int | float | None


def as_table(titles: Sequence[str], rows: Sequence[Mapping[str, Cell]]) -> str:
    """As `sys_processes._columns` lays them out."""
    return columns(
        [title.upper().replace("_", " ") for title in titles],
        [[row[title] for title in titles] for row in rows],
    )
