"""The lines of a record as a replay goes through them: in order, and task by task."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from runtime.record import lines
from runtime.record.lines import Line, Step
from runtime.record.tasks import Actor


def is_step(line: Line) -> bool:
    """Whether the task of a package does this."""
    if isinstance(line, lines.Created):
        return line.by is not None
    return isinstance(line, Step) and line.task != ""


def actor_of(line: Line) -> Actor:
    """Of a step."""
    if isinstance(line, lines.Created):
        assert line.by is not None
        return line.by, line.task
    assert isinstance(line, Step)
    return line.process, line.task


def _is_pace(line: Line) -> bool:
    return isinstance(line, lines.Waits | lines.GoesOn) and line.why in ("room", "window", "turn")


class RecordedSteps:
    """`next` is the place of the first line that is not done; tasks may be ahead of it."""

    def __init__(self, found: Sequence[Line]) -> None:
        self.lines = found
        self.next = 0
        self._done = bytearray(len(found))
        self._by_task: dict[Actor, deque[int]] = {}
        for place, line in enumerate(found):
            if is_step(line):
                self._by_task.setdefault(actor_of(line), deque()).append(place)

    def is_done(self, place: int) -> bool:
        return bool(self._done[place])

    def do(self, place: int) -> None:
        self._done[place] = True

    def skip_done(self) -> None:
        while self.next < len(self.lines) and self._done[self.next]:
            self.next += 1

    def undone(self, before: int) -> list[int]:
        """What is no step of a task, and comes before that place."""
        self.skip_done()
        places = range(self.next, before)
        return [place for place in places if not self._done[place] and not is_step(self.lines[place])]

    # -- of one task

    def place(self, key: Actor) -> int | None:
        """Of its next step."""
        steps = self._by_task.get(key)
        return steps[0] if steps else None

    def peek(self, key: Actor) -> Line | None:
        place = self.place(key)
        return None if place is None else self.lines[place]

    def peek_after_paces(self, key: Actor) -> Line | None:
        """Its next step but for waits for room."""
        found = (self.lines[place] for place in self._by_task.get(key, ()))
        return next((line for line in found if not _is_pace(line)), None)

    def take(self, key: Actor) -> int:
        """Its next step is done."""
        place = self._by_task[key].popleft()
        self._done[place] = True
        return place

    def pass_paces(self, key: Actor, why: str = "") -> None:
        """Whether a paced sender has to wait hangs on others who wait for room, and these are not played. A wait for
        `why` stays.
        """
        while isinstance(line := self.peek(key), lines.Waits) and _is_pace(line) and line.why != why:
            self.take(key)
            self.take(key)
