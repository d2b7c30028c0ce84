"""From the tape of a failure to the smallest that fails the same way: first without faults, then without messages, then
without delays.

Whatever is tried is a tape that is calmer than the best one: choices set to 0, left out, made smaller, or made earlier.
It is run, and when it fails the same way, the choices that were really made become the best tape, if they are calmer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from math import inf
from typing import Protocol

import attrs

from runtime.sim.aligned_tape import AlignedChoices
from runtime.sim.choices import Choice, Source

Tape = tuple[Choice, ...]

_FAULT = re.compile(
    r"\b(fault|loss|lose|lost|drop|dup\w*|doubl\w*|reorder\w*|cut|partition\w*|crash\w*|restart\w*|pause\w*|clock|skew|"
    r"disk|torn|full|slow|corrupt\w*|refus\w*|hang\w*|nemesis|swarm)\b"
)
_DEGREE = re.compile(r"\b(wait|lasts|strength)$")
"""When a fault comes, how long it lasts, how bad it is."""


def is_fault(label: str) -> bool:
    """Whether a choice of this label other than 0 makes something go wrong, as far as its words tell."""
    words = label.replace("_", " ").lower()
    return _FAULT.search(words) is not None and _DEGREE.search(words) is None


@attrs.frozen
class Outcome:
    """`failed` is about the same failure: the same property, the same verdict. `tape` is what was really chosen."""

    failed: bool
    tape: Sequence[Choice]


Attempt = Callable[[Sequence[Choice]], Outcome]
"""Runs the test on that tape. `runtime.sim.aligned_tape` follows it best."""


class Named(Protocol):
    @property
    def name(self) -> str: ...


class Run(Protocol):
    """A report of `runtime.sim.run`, as far as it tells one failure from another."""

    @property
    def verdict(self) -> str: ...
    @property
    def violation(self) -> Named | None: ...
    @property
    def error(self) -> BaseException | None: ...
    @property
    def tape(self) -> Sequence[Choice]: ...


def attempt_like(failure: Run, rerun: Callable[[Source], Run]) -> Attempt:
    """Fails in the same way: by the same verdict, the same property, an error of the same kind. `rerun` runs the test
    once more, with the choices of that source.
    """
    wanted = manner(failure)

    def attempt(tape: Sequence[Choice]) -> Outcome:
        run = rerun(AlignedChoices(tape))
        return Outcome(manner(run) == wanted, run.tape)

    return attempt


def manner(run: Run) -> tuple[str, str, type[BaseException] | None]:
    """Of a failure: two that have the same are the same one."""
    named = run.violation
    return (
        str(run.verdict),
        "" if named is None else named.name,
        None if run.error is None else type(run.error),
    )


class FailureLost(Exception):
    """The tape to be shrunk does not fail when it is run again, or not the same way."""


@attrs.frozen
class Budget:
    """`seconds` are measured on `clock`; without one, only attempts count."""

    attempts: int = 1500
    seconds: float = inf
    clock: Callable[[], float] | None = None


@attrs.frozen(order=True)
class Size:
    """What is to become small, the more important first.

    `faults` and `others` count choices that are not 0, `total` is their sum, `places` that of their places. `length`
    counts all choices; it comes after the values, which are delays that people see, because zeros are not shown.
    """

    faults: int
    others: int
    total: int
    length: int
    places: int

    @classmethod
    def of(cls, tape: Sequence[Choice], fault: Callable[[str], bool]) -> Size:
        live = [(place, choice) for place, choice in enumerate(tape) if choice.value]
        faults = sum(fault(choice.label) for _, choice in live)
        total = sum(choice.value for _, choice in live)
        return Size(faults, len(live) - faults, total, len(tape), sum(place for place, _ in live))


@attrs.frozen
class Shrunk:
    """`stable`: the tape, run once more, failed again and made the same choices."""

    tape: Tape
    before: Size
    after: Size
    attempts: int
    stable: bool
    exhausted: bool
    """The budget ended before there was nothing left to try."""

    def line(self) -> str:
        """Such as `310 choices -> 4, for faults 41 -> 3`: one fault may take several choices."""
        before, after = self.before, self.after
        text = (
            f"{before.faults + before.others} choices -> {after.faults + after.others}, "
            f"for faults {before.faults} -> {after.faults}"
        )
        return text + (f" (stopped after {self.attempts} attempts)" if self.exhausted else "")


def shrink(
    tape: Sequence[Choice],
    attempt: Attempt,
    *,
    fault: Callable[[str], bool] = is_fault,
    budget: Budget | None = None,
    progress: Callable[[int, Size], None] | None = None,
) -> Shrunk:
    """`fault` tells by its label whether a choice is one. `progress` hears of each tape that is better, with the number
    of attempts so far.

    Raises `FailureLost`, and what `attempt` raises.
    """
    search = _Search(attempt, fault, budget or Budget(), progress)
    search.begin(tape)
    before = search.size
    exhausted = False
    try:
        search.improve()
    except _Exhausted:
        exhausted = True
    again = attempt(search.best)
    stable = again.failed and tuple(again.tape) == search.best
    return Shrunk(search.best, before, search.size, search.attempts, stable, exhausted)


class _Exhausted(Exception):
    """The budget has ended."""


class _Search:
    def __init__(
        self,
        attempt: Attempt,
        fault: Callable[[str], bool],
        budget: Budget,
        progress: Callable[[int, Size], None] | None,
    ) -> None:
        self._attempt = attempt
        self._fault = fault
        self._budget = budget
        self._progress = progress
        self._now = budget.clock or (lambda: 0.0)
        self._ends = inf if budget.clock is None else self._now() + budget.seconds
        self._took = 0.0
        """By the first attempt. None is begun that would end too late, the last look at what was found included: one of
        a livelock takes half a minute.
        """
        self._tried: set[tuple[tuple[str, int], ...]] = set()
        self.attempts = 0
        self.best: Tape = ()
        self.size = Size(0, 0, 0, 0, 0)

    def begin(self, tape: Sequence[Choice]) -> None:
        began = self._now()
        outcome = self._attempt(tape)
        self.attempts = 1
        self._took = self._now() - began
        if not outcome.failed:
            raise FailureLost(
                f"the tape of {len(tape)} choices does not fail the same way when it is run again: "
                "the code has changed since, or the run is not deterministic (`nectar sim replay` compares the digests)"
            )
        self.best = tuple(outcome.tape)
        self.size = Size.of(self.best, self._fault)

    def improve(self) -> None:
        """Until a whole round finds nothing, or nothing is left that a run shows."""
        while True:
            size = self.size
            self._without(self._live_faults)
            self._without(self._live_others)
            if not self.size.total:
                return
            self._shorter()
            self._smaller()
            self._earlier()
            if self.size == size:
                return

    # -- one attempt

    def _better(self, tape: Sequence[Choice]) -> bool:
        """Run it. Whether it is the best now."""
        key = tuple((choice.label, choice.value) for choice in tape)
        if key in self._tried:
            return False
        if self.attempts >= self._budget.attempts or self._now() + 2 * self._took > self._ends:
            raise _Exhausted
        self._tried.add(key)
        self.attempts += 1
        outcome = self._attempt(tape)
        if not outcome.failed:
            return False
        used = tuple(outcome.tape)
        size = Size.of(used, self._fault)
        if size >= self.size:
            return False
        self.best, self.size = used, size
        if self._progress is not None:
            self._progress(self.attempts, size)
        return True

    # -- without faults, without anything else

    def _live_faults(self) -> list[int]:
        return [place for place, c in enumerate(self.best) if c.value and self._fault(c.label)]

    def _live_others(self) -> list[int]:
        return [place for place, c in enumerate(self.best) if c.value and not self._fault(c.label)]

    def _without(self, live: Callable[[], list[int]]) -> None:
        """Zero the places that `live` lists: all of them, then halves, down to single ones."""
        size = len(live())
        while size:
            start = 0
            while start < len(places := live()):
                chunk = places[start : start + size]
                if not self._better(self._changed(dict.fromkeys(chunk, 0))):
                    start += size
            size = min(size // 2, len(live()))

    def _changed(self, values: dict[int, int]) -> list[Choice]:
        return [
            attrs.evolve(choice, value=values[place]) if place in values else choice
            for place, choice in enumerate(self.best)
        ]

    # -- shorter

    def _shorter(self) -> None:
        """Leave out runs of choices, the end of the tape first; down to a sixty-fourth of it."""
        size = len(self.best) // 2
        least = max(1, len(self.best) // 64)
        while size >= least:
            for start in self._starts(size):
                self._better([*self.best[:start], *self.best[start + size :]])
            size //= 2

    def _starts(self, size: int) -> Iterator[int]:
        start = len(self.best) - size
        while start > -size:
            yield max(0, start)
            start = min(start, len(self.best)) - size

    # -- earlier

    def _earlier(self) -> None:
        """Leave out harmless choices of the same label before one that is not: what happens late then happens soon, and
        fewer messages are needed before it.
        """
        for label in dict.fromkeys(choice.label for choice in self.best if choice.value):
            size = len(zeros := self._zeros(label))
            while size:
                start = 0
                while start < len(zeros := self._zeros(label)):
                    gone = dict.fromkeys(zeros[start : start + size])
                    if not self._better([c for place, c in enumerate(self.best) if place not in gone]):
                        start += size
                size = min(size // 2, len(zeros))

    def _zeros(self, label: str) -> list[int]:
        """The places of the harmless ones before the last that is not."""
        places = [place for place, choice in enumerate(self.best) if choice.label == label]
        while places and not self.best[places[-1]].value:
            places.pop()
        return [place for place in places if not self.best[place].value]

    # -- smaller

    def _smaller(self) -> None:
        """Bring each value down as far as it goes. Places are counted by label, because others may come and go."""
        for label, turn in [(c.label, turn) for c, turn in _turns(self.best) if c.value > 1]:
            low = 0
            while (high := self._value(label, turn)) > low + 1:
                middle = (low + high) // 2
                if not self._lower(label, turn, 1 if low == 0 else middle):
                    low = 1 if low == 0 else middle

    def _value(self, label: str, turn: int) -> int:
        return next((c.value for c, at in _turns(self.best) if (c.label, at) == (label, turn)), 0)

    def _lower(self, label: str, turn: int, value: int) -> bool:
        tape = [
            attrs.evolve(choice, value=value) if (choice.label, at) == (label, turn) else choice
            for choice, at in _turns(self.best)
        ]
        return self._better(tape) and self._value(label, turn) <= value


def _turns(tape: Sequence[Choice]) -> Iterator[tuple[Choice, int]]:
    """Each choice with the number of those of its label before it."""
    seen: dict[str, int] = {}
    for choice in tape:
        turn = seen.get(choice.label, 0)
        seen[choice.label] = turn + 1
        yield choice, turn
