"""Rows for people: columns of one width under their titles."""

from __future__ import annotations

from collections.abc import Sequence

from kernel.debug import without_controls


def columns(titles: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Of a value with several lines the first one is shown, of None nothing; what would move a terminal's cursor is
    escaped.
    """
    cells = [list(titles), *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(line[place]) for line in cells) for place in range(len(titles))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in cells)
    return "\n".join(line.rstrip() for line in lines)


def _cell(value: object) -> str:
    return "" if value is None else without_controls(str(value).partition("\n")[0])
