"""What may have led to an entry of a log: the happens-before order over the processes of all nodes.

A process acts: it sends, prints, starts and ends. What it did before, and all that it had been given by then, may have
led to that; where kernels tell of each message that is taken from a mailbox, only what it had taken. What is put into
its mailbox was led to by its sender alone. A message to another node is one step from its sender to its receiver: the
carriers in between lead nowhere, or else everything would be the cause of everything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import attrs

from kernel.events import EventKind
from runtime.sim.journeys import Fate, Journey, Tracker
from runtime.sim.log_file import LogEntry
from runtime.sim.trace import WorldKind

Process = tuple[str, str]

_ACTS = {
    kind.value
    for kind in (EventKind.CREATED, EventKind.STARTED, EventKind.EXITED, EventKind.PRINTED, EventKind.NOTED)
}
_NO_NAME = re.compile(r"[^\w.-]+")
_SENT, _TAKEN = "sent", "taken"
_GIVEN = {EventKind.GRANTED.value, EventKind.REVOKED.value}
_ENDS_OF_NODES = {WorldKind.CRASHED.value, WorldKind.STOPPED.value}
_UNDONE_BY = {
    WorldKind.HEALED.value: WorldKind.PARTITIONED.value,
    WorldKind.RELEASED.value: WorldKind.HELD.value,
    WorldKind.RESUMED.value: WorldKind.PAUSED.value,
}
_FATES_OF_PACKETS = {WorldKind.LOST.value, WorldKind.DOUBLED.value, WorldKind.DELAYED.value}


def causal_past(entries: Sequence[LogEntry], *numbers: int) -> tuple[LogEntry, ...]:
    """The entries of these numbers and all that may have led to them, in order.

    Raises KeyError for a number that the log does not have.
    """
    direct = causes(entries)
    found: dict[int, None] = {}
    todo = list(numbers)
    for number in numbers:
        if number not in direct:
            raise KeyError(f"the log has no entry {number}")
    while todo:
        number = todo.pop()
        if number not in found:
            found[number] = None
            todo += direct[number]
    return tuple(entry for entry in entries if entry.number in found)


def causes(entries: Iterable[LogEntry]) -> dict[int, tuple[int, ...]]:
    """The direct causes of each entry, by number; each is smaller than that of the entry."""
    entries = tuple(entries)
    weaver = _Weaver(tells_of_taken=any(entry.kind == _TAKEN for entry in entries))
    return {entry.number: tuple(sorted(set(weaver.causes_of(entry)))) for entry in entries}


@attrs.define(eq=False)
class _Lane:
    """`last` is what the process did last, `given` what it was given since."""

    last: int | None
    given: list[int] = attrs.Factory(list)


class _Weaver:
    def __init__(self, *, tells_of_taken: bool) -> None:
        self._tells_of_taken = tells_of_taken
        self._tracker = Tracker()
        self._lanes: dict[Process, _Lane] = {}
        self._booted: dict[str, int] = {}
        self._ended: dict[str, int] = {}
        self._fired: dict[tuple[str, int], int] = {}
        self._faults: dict[tuple[str, str, str, str], int] = {}
        self._former: int | None = None

    def causes_of(self, entry: LogEntry) -> list[int]:
        journey = self._tracker.see(entry)
        if entry.message is not None:
            found = self._of_message(entry, journey)
        elif entry.subject and entry.kind in _ACTS:
            found = self._act((entry.node, entry.subject), entry.number)
        elif entry.subject and entry.kind in _GIVEN:
            found = self._give((entry.node, entry.subject), entry.number)
        else:
            found = self._of_world(entry)
        self._former = entry.number
        return found

    # -- processes

    def _lane(self, process: Process) -> _Lane:
        lane = self._lanes.get(process)
        if lane is None:
            lane = self._lanes[process] = _Lane(self._booted.get(process[0]))
        return lane

    def _act(self, process: Process, number: int) -> list[int]:
        lane = self._lane(process)
        found = lane.given if lane.last is None else [lane.last, *lane.given]
        lane.last, lane.given = number, []
        return found

    def _give(self, process: Process, number: int) -> list[int]:
        self._lane(process).given.append(number)
        booted = self._booted.get(process[0])
        return [] if booted is None else [booted]

    # -- messages

    def _of_message(self, entry: LogEntry, journey: Journey | None) -> list[int]:
        if entry.kind == EventKind.FIRED.value:
            assert entry.message is not None
            self._fired[entry.node, entry.message.id] = entry.number
            return [] if journey is None or journey.sent is None else [journey.sent]
        if entry.kind == _SENT:
            return self._act((entry.node, entry.subject), entry.number)
        if journey is None:
            return []
        if entry.kind == EventKind.RETURNED.value:
            return self._of_return(entry, journey)
        if entry.kind == _TAKEN:
            return self._of_taken(entry, journey)
        found: list[int] = []
        if journey.sent == entry.number:
            found = self._act(journey.sender, entry.number)
        elif journey.sent is not None:
            found = [journey.sent]
        if journey.ended == entry.number and not (
            self._tells_of_taken and entry.kind == EventKind.APPENDED.value
        ):
            self._lane(journey.receiver).given.append(entry.number)
        return found

    def _of_taken(self, entry: LogEntry, journey: Journey) -> list[int]:
        process = entry.node, entry.subject
        is_error = process == journey.sender and entry.message is not None and entry.message.request
        found = journey.returned if is_error and journey.returned is not None else journey.ended
        self._lane(process).given.append(entry.number)
        return [] if found is None or found >= entry.number else [found]

    def _of_return(self, entry: LogEntry, journey: Journey) -> list[int]:
        """It was refused in the step of its sender; or time passed, or who should have answered ended."""
        if journey.sent == entry.number:
            found = self._act(journey.sender, entry.number)
        else:
            fired = self._fired.pop((entry.node, journey.message.id), None)
            found = [number for number in (journey.sent, fired) if number is not None]
            if fired is None and journey.fate is Fate.DELIVERED and journey.receiver[0] == entry.node:
                lane = self._lane(journey.receiver)
                found += lane.given if lane.last is None else [lane.last, *lane.given]
        self._lane(journey.sender).given.append(entry.number)
        return found

    # -- the world

    def _of_world(self, entry: LogEntry) -> list[int]:
        kind, node, number = entry.kind, entry.node, entry.number
        if kind == WorldKind.VIOLATED.value:
            return [] if self._former is None else [self._former]
        if kind == WorldKind.BOOTED.value:
            self._booted[node] = number
            return [self._ended.pop(node)] if node in self._ended else []
        if kind in _ENDS_OF_NODES:
            self._ended[node] = number
            for process in [process for process in self._lanes if process[0] == node]:
                del self._lanes[process]
        elif kind in _UNDONE_BY:
            former = self._faults.pop((_UNDONE_BY[kind], node, entry.other, _text(entry)), None)
            return [] if former is None else [former]
        elif kind in _FATES_OF_PACKETS:
            return self._of_packet(entry)
        elif kind in _UNDONE_BY.values():
            self._faults[kind, node, entry.other, _text(entry)] = number
        return []

    def _of_packet(self, entry: LogEntry) -> list[int]:
        """The sends of what it carried, and the partition that it ran into."""
        found = [j.sent for j in self._tracker.carried_by(entry) if j.sent is not None]
        for (_, *texts), number in self._faults.items():
            if {entry.node, entry.other} <= names_in(*texts):
                found.append(number)
        return found


def _text(entry: LogEntry) -> str:
    """What tells a partition between several nodes from another one; its end has the same."""
    return entry.note if entry.kind in {WorldKind.PARTITIONED.value, WorldKind.HEALED.value} else ""


def names_in(*texts: str) -> set[str]:
    """What may be names of nodes in texts of the world."""
    return {word for text in texts for word in _NO_NAME.split(text) if word}
