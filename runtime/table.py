"""Rows as commands show them: columns of one width under their titles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kernel.debug import without_controls

Cell = str | int | float | None


def as_table(titles: Sequence[str], rows: Sequence[Mapping[str, Cell]]) -> str:
    """Of a value with several lines the first one is shown; what would move a terminal's cursor is escaped."""
    cells = [[title.upper().replace("_", " ") for title in titles]]
    for row in rows:
        values = ("" if row[title] is None else str(row[title]) for title in titles)
        cells.append([without_controls(value.partition("\n")[0]) for value in values])
    widths = [max(len(line[column]) for line in cells) for column in range(len(titles))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in cells)
    return "\n".join(line.rstrip() for line in lines)
