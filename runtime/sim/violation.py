"""What a run did that it must not do: a value that a report can show and a shrinker can compare."""

from __future__ import annotations

import attrs


@attrs.frozen
class Violation:
    """`name` is the property's, the same in every run that fails in this way. `at` is in virtual seconds; `entries` are
    the numbers of the trace's entries that show it, the earliest first.
    """

    name: str
    at: float
    entries: tuple[int, ...] = ()
    text: str = ""

    def __str__(self) -> str:
        shown = ", ".join(str(number) for number in self.entries)
        where = f" (entries {shown})" if shown else ""
        return f"{self.name}, at {self.at:.6f} s: {self.text}{where}"


@attrs.frozen
class LawBroken(Violation):
    """A law of the kernel's own was broken: a bug of this repository, whatever the actors do."""

    def __str__(self) -> str:
        return f"law broken: {Violation.__str__(self)}"
