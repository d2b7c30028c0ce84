"""What people chose to see of what processes print (PROTOCOL 2.8)."""

from __future__ import annotations

import pytest

from kernel.address import Address
from kernel.ports import Line
from kernel.verbosity import ChosenVerbosity

A, B = Address("alice.uq", "a:a:me"), Address("alice.uq", "b:b:me")


class Paper:
    """Tells what must be shown from what may be."""

    def __init__(self) -> None:
        self.lines: list[tuple[int, str]] = []

    def print(self, verbosity: int, source: Address, text: str, *, always: bool = False) -> None:
        self.lines.append((verbosity, f"{text}!" if always else text))

    def recent(self) -> list[Line]:
        return [Line(0.0, verbosity, str(A), text) for verbosity, text in self.lines]


@pytest.mark.parametrize(
    ("chosen", "shown"),
    [
        ([], [(0, "a0"), (2, "a2"), (1, "b1")]),
        ([(A.process, 1)], [(0, "a0!"), (1, "b1")]),
        ([(A.process, 2)], [(0, "a0!"), (2, "a2!"), (1, "b1")]),
        ([(A.process, None)], [(1, "b1")]),
        ([(None, 1)], [(0, "a0!"), (1, "b1!")]),
        ([(None, 0), (A.process, 3)], [(0, "a0!"), (2, "a2!")]),
        ([(A.process, 3), (A.process, None)], [(1, "b1")]),
    ],
)
def test_what_is_shown_of_whom(chosen, shown):
    paper = Paper()
    console = ChosenVerbosity(paper)
    for process, level in chosen:
        console.choose(process, level)
    console.print(0, A, "a0")
    console.print(2, A, "a2")
    console.print(1, B, "b1")
    assert paper.lines == shown
    assert [(line.verbosity, line.text) for line in console.recent()] == shown
