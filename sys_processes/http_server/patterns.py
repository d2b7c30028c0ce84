"""Patterns of paths: which of several a path means, and what it captures (PROTOCOL 6.5)."""

from __future__ import annotations

import bisect
import re
from typing import Generic, TypeVar

import attrs

from kernel.address import ProcessId

MOST_CAPTURES = 8
"""Of one pattern: what a path costs grows with their number."""

_SEPARATOR = re.compile(r"([/.])")

B = TypeVar("B")


@attrs.frozen
class Pattern:
    """Literal text with captures in between. Make it with `parse`."""

    text: str
    key: str
    """The same for patterns that differ in names only."""
    rank: tuple[int, int, int]
    """Literal segments, then `:` ones, then `*` ones; the highest of those that match wins."""
    literals: tuple[str, ...]
    """Before, between and behind the captures."""
    stars: tuple[bool, ...]
    names: tuple[str, ...]

    @classmethod
    def parse(cls, text: str, prefix: str = "") -> Pattern:
        """`prefix` is literal whatever stands in it."""
        literals, stars, names, count = [prefix], [], [], 0
        for number, piece in enumerate(_SEPARATOR.split(text[len(prefix) :])):
            if piece.startswith((":", "*")):
                literals.append("")
                stars.append(piece[0] == "*")
                names.append(piece[1:])
            else:
                literals[-1] += piece
                count += number % 2 == 0
        rank = count, stars.count(False), stars.count(True)
        key = literals[0] + "".join(
            ("*" if star else ":") + literal for star, literal in zip(stars, literals[1:], strict=True)
        )
        return cls(text, key, rank, tuple(literals), tuple(stars), tuple(names))

    def match(self, path: str) -> tuple[str, ...] | None:
        """What each capture takes, an earlier one as much as it can; None when the path is another.

        Never goes back: first where each literal may stand if all behind it is to fit, then the captures.
        """
        first, last = self.literals[0], self.literals[-1]
        if not self.stars:
            return () if path == first else None
        if not path.startswith(first) or not path.endswith(last):
            return None
        if len(self.stars) == 1:
            taken = path[len(first) : len(path) - len(last)]
            fits = len(path) > len(first) + len(last) and (self.stars[0] or "/" not in taken)
            return (taken,) if fits else None
        ends = [[len(path) - len(last)]]
        for number in range(len(self.stars) - 1, 0, -1):
            starts = _before_star if self.stars[number] else _before_name
            ends.append(starts(path, self.literals[number], ends[-1], last=self.stars[number - 1]))
        at = len(first)
        captured: list[str] = []
        for literal, star, possible in zip(self.literals[1:], self.stars, reversed(ends), strict=True):
            end = _furthest(possible, at, len(path) if star else _next_slash(path, at))
            if end is None:
                return None
            captured.append(path[at:end])
            at = end + len(literal)
        return tuple(captured)

    def url_params(self, path: str) -> dict[str, str]:
        """Captures by name, undecoded; a capture without a name is not told, of a repeated name the last one is."""
        captured = self.match(path) or ()
        return {name: value for name, value in zip(self.names, captured, strict=False) if name}


def _next_slash(path: str, at: int) -> int:
    found = path.find("/", at)
    return len(path) if found < 0 else found


def _furthest(ends: list[int], at: int, limit: int) -> int | None:
    """The last of the sorted `ends` behind `at` that is not beyond `limit`."""
    index = bisect.bisect_right(ends, limit) - 1
    return ends[index] if index >= 0 and ends[index] > at else None


def _before_star(path: str, literal: str, ends: list[int], *, last: bool) -> list[int]:
    """Where `literal` stands with a `*` behind it that reaches one of the sorted `ends`.

    `last`: only the last of them, for that is the one that a `*` before it takes.
    """
    if not ends:
        return []
    # The furthest end is as good as any.
    limit = max(0, ends[-1] - 1)
    start = path.rfind(literal, 0, limit)
    if last or start < 0:
        return [start] if start >= 0 else []
    found = []
    start = path.find(literal, 0, limit)
    while start >= 0:
        found.append(start)
        start = path.find(literal, start + 1, limit)
    return found


def _before_name(path: str, literal: str, ends: list[int], *, last: bool) -> list[int]:
    """The same with a `:` behind it."""
    found: list[int] = []
    number, slash = 0, -1
    start = path.find(literal)
    while start >= 0:
        at = start + len(literal)
        while number < len(ends) and ends[number] <= at:
            number += 1
        if number == len(ends):
            break
        if slash < at:
            slash = _next_slash(path, at)
        if ends[number] <= slash:
            found.append(start)
        start = path.find(literal, start + 1)
    return found[-1:] if last else found


@attrs.frozen(eq=False)
class _Own(Generic[B]):
    """What one process bound."""

    literals: dict[str, None] = attrs.Factory(dict)
    patterns: list[tuple[Pattern, B]] = attrs.Factory(list)
    """The highest rank first; among equals the one bound first."""
    keys: dict[str, None] = attrs.Factory(dict)
    """Of the patterns."""

    def place(self, pattern: Pattern) -> int:
        """Where it stands, or would."""
        if pattern.key in self.keys:
            return next(at for at, (each, _) in enumerate(self.patterns) if each.key == pattern.key)
        return bisect.bisect_right(self.patterns, _order(pattern), key=lambda each: _order(each[0]))


def _order(pattern: Pattern) -> tuple[int, int, int]:
    literals, names, stars = pattern.rank
    return -literals, -names, -stars


class Routes(Generic[B]):
    """Bindings by pattern. Those of one process compete with each other and with nobody else's."""

    def __init__(self) -> None:
        self.literals: dict[str, B] = {}
        """Of all processes. One of these that is the path itself outranks every pattern that matches it."""
        self._own: dict[ProcessId, _Own[B]] = {}

    def put(self, process: ProcessId, pattern: Pattern, binding: B) -> None:
        """Replaces what differs in the names of captures only."""
        own = self._own.setdefault(process, _Own())
        if pattern.stars:
            at = own.place(pattern)
            own.patterns[at : at + (pattern.key in own.keys)] = [(pattern, binding)]
            own.keys[pattern.key] = None
        else:
            own.literals[pattern.text] = None
            self.literals[pattern.text] = binding

    def remove(self, process: ProcessId, pattern: Pattern) -> None:
        """What is not there is no error."""
        own = self._own.get(process)
        if own is None:
            return
        if pattern.key in own.keys:
            del own.patterns[own.place(pattern)], own.keys[pattern.key]
        elif pattern.text in own.literals:
            del own.literals[pattern.text], self.literals[pattern.text]
        if not own.patterns and not own.literals:
            del self._own[process]

    def drop(self, process: ProcessId) -> bool:
        """Remove all of a process, at no cost to others. False when there was nothing."""
        own = self._own.pop(process, None)
        if own is None:
            return False
        for path in own.literals:
            del self.literals[path]
        return True

    def best(self, process: ProcessId, path: str) -> B | None:
        """The pattern of the process that wins `path`; `literals` are asked before."""
        own = self._own.get(process)
        if own is None:
            return None
        for pattern, binding in own.patterns:
            if pattern.match(path) is not None:
                return binding
        return None
