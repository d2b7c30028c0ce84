"""Every decision of a simulated world that could go one way or the other, in the order in which it was taken.

One call, `Choices.choose`, with three sources behind it: a seed, a tape of an earlier run, and Hypothesis. 0 is always
the harmless choice: no fault, the oldest first, the least delay. So whatever makes a tape smaller makes a run calmer.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Protocol

import attrs


@attrs.frozen
class Choice:
    """`value` was chosen for `label` out of [0, `n`)."""

    label: str
    n: int
    value: int


class Source(Protocol):
    """Where choices come from."""

    def draw(self, label: str, n: int) -> int:
        """A value in [0, n). May raise: `Choices` keeps that away from the world."""


class Diverged(Exception):
    """A run took another course than the tape that it was to follow; the text says where."""


class SeedChoices:
    """Uniform, the same in every process, whatever PYTHONHASHSEED is."""

    def __init__(self, seed: int) -> None:
        self._draw = random.Random(f"choices {seed}").random  # noqa: S311 - to be repeatable is its job

    def draw(self, label: str, n: int) -> int:
        return int(self._draw() * n)


class TapeChoices:
    """What was chosen before, one after the other; harmless choices once the tape ends.

    A `strict` tape must fit label by label, and raises `Diverged` where it does not, also past its end. Any other one
    takes a value that is too large for its place as the largest there is.
    """

    def __init__(self, tape: Sequence[Choice], *, strict: bool = False) -> None:
        self._tape = tape
        self._strict = strict
        self._place = 0

    def finish(self) -> None:
        """The run is over. Raises `Diverged` if a strict tape goes on."""
        if self._strict and self._place < len(self._tape):
            raise Diverged(
                f"choice {self._place}: the run has ended, the tape goes on with {self._tape[self._place].label!r}"
                f" ({len(self._tape) - self._place} more)"
            )

    def draw(self, label: str, n: int) -> int:
        place = self._place
        self._place += 1
        if place >= len(self._tape):
            if self._strict:
                raise Diverged(f"choice {place}: the tape has ended, the run asks for {label!r} of {n}")
            return 0
        found = self._tape[place]
        if self._strict and (found.label, found.n) != (label, n):
            raise Diverged(
                f"choice {place}: the tape has {found.label!r} of {found.n}, the run asks for {label!r} of {n}"
            )
        return min(found.value, n - 1)


class Choices:
    """What the world asks. It never raises: when its source does, `error` says what, every later choice is harmless,
    and `on_error` is called once, for the world to stop.
    """

    def __init__(self, source: Source, on_error: Callable[[], None] | None = None) -> None:
        self.tape: list[Choice] = []
        self.error: BaseException | None = None
        self.on_error = on_error
        self._draw = source.draw
        self._closed = False

    def choose(self, label: str, n: int) -> int:
        """A value in [0, n); with `n` of 1 nothing is asked."""
        if n <= 1 or self._closed:
            return 0
        try:
            value = self._draw(label, n)
        except BaseException as error:  # noqa: BLE001 - raised again by whoever runs the world
            self.error = error
            self._closed = True
            if self.on_error is not None:
                self.on_error()
            return 0
        self.tape.append(Choice(label, n, value))
        return value

    def close(self) -> None:
        """The run is over: every later choice is harmless, and on no tape."""
        self._closed = True

    def happens(self, label: str, probability: float) -> bool:
        """A fault of this probability. With 0 nothing is asked; the choice of 0 is always no."""
        if probability <= 0.0:
            return False
        return self.choose(label, _PARTS) > (1.0 - probability) * (_PARTS - 1)

    def among(self, label: str, least: float, most: float) -> float:
        """Evenly between the two, in steps of a thousandth; the choice of 0 is `least`."""
        return least + (most - least) * self.choose(label, _PARTS) / (_PARTS - 1)


_PARTS = 1001
