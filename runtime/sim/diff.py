"""Where two runs part: the first entry of one log that is not the same in the other."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from runtime.sim.log_file import LogEntry

CONTEXT = 3


@attrs.frozen
class Difference:
    """`index` counts entries from 0. `left` and `right` are what each log has there, None where it has ended.

    `before` are the last entries that both have.
    """

    index: int
    before: tuple[LogEntry, ...]
    left: LogEntry | None
    right: LogEntry | None
    left_after: tuple[LogEntry, ...]
    right_after: tuple[LogEntry, ...]

    def text(self, left: str = "left", right: str = "right") -> str:
        """For people: what both have, then what each has instead."""
        lines = [f"first difference at entry {self.index}"]
        lines += [f"    {entry.line}" for entry in self.before]
        for sign, name, here, after in (
            ("-", left, self.left, self.left_after),
            ("+", right, self.right, self.right_after),
        ):
            lines.append(f"{sign} {name}: {'the log ends here' if here is None else here.line}")
            lines += [f"{sign}   {entry.line}" for entry in after]
        return "\n".join(lines)


def first_difference(
    left: Sequence[LogEntry], right: Sequence[LogEntry], *, context: int = CONTEXT
) -> Difference | None:
    """None when they are the same from the first entry to the last."""
    for index in range(max(len(left), len(right))):
        here = left[index] if index < len(left) else None
        there = right[index] if index < len(right) else None
        if here is None or there is None or here.line != there.line:
            after = slice(index + 1, index + 1 + context)
            return Difference(
                index,
                tuple(left[max(0, index - context) : index]),
                here,
                there,
                tuple(left[after]),
                tuple(right[after]),
            )
    return None
