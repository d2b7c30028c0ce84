"""From a log to a picture: which processes get a lane, which entries a row, and what is left out."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from kernel.events import EventKind
from runtime.sim.journeys import Fate, Journey, Tracker
from runtime.sim.log_file import LogEntry
from runtime.sim.pictures.bands import bands_of, world_text
from runtime.sim.pictures.model import (
    Arrow,
    ArrowEnd,
    ArrowKind,
    Lane,
    Mark,
    MarkKind,
    Picture,
    Row,
    cut,
)
from runtime.sim.trace import WorldKind

MOST_MESSAGES = 200
LONGEST_LABEL = 40
LONGEST_NOTE = 100

HIDDEN = (
    "kernel:sys:nectar",
    "state:sys:nectar",
    "net:sys:nectar",
    "homepage:homepage:nectar",
    "terminal:terminal:nectar",
    "main:app_store:nectar",
)
"""What every node has and few look for. Messages between nodes are arrows from process to process, without `net`."""

_PACKETS = {WorldKind.LOST.value, WorldKind.DOUBLED.value, WorldKind.DELAYED.value}
_MARKS = {
    WorldKind.BOOTED.value: MarkKind.WELL,
    WorldKind.STOPPED.value: MarkKind.ENDED,
    WorldKind.CRASHED.value: MarkKind.CRASHED,
    WorldKind.PAUSED.value: MarkKind.FAULT,
    WorldKind.RESUMED.value: MarkKind.WELL,
    WorldKind.CUT.value: MarkKind.FAULT,
    WorldKind.PARTITIONED.value: MarkKind.FAULT,
    WorldKind.HEALED.value: MarkKind.WELL,
    WorldKind.HELD.value: MarkKind.FAULT,
    WorldKind.RELEASED.value: MarkKind.WELL,
    WorldKind.DOUBLED.value: MarkKind.FAULT,
    WorldKind.DELAYED.value: MarkKind.FAULT,
    WorldKind.DISK.value: MarkKind.FAULT,
    WorldKind.CLOCK.value: MarkKind.FAULT,
    WorldKind.SPOKE.value: MarkKind.NOTE,
    WorldKind.VIOLATED.value: MarkKind.VIOLATED,
}
_CAUSES = {"CRASH": "crashed", "DONE": "done", "KILLED": "killed", "TIMEOUT": "abandoned"}
_ENDS = {
    Fate.DELIVERED: ArrowEnd.ARRIVED,
    Fate.REFUSED: ArrowEnd.REFUSED,
    Fate.DEAD: ArrowEnd.DEAD,
    Fate.LOST: ArrowEnd.LOST,
    Fate.UNDER_WAY: ArrowEnd.UNDER_WAY,
}


def picture_of(
    entries: Sequence[LogEntry],
    *,
    title: str = "",
    subtitle: str = "",
    hidden: Collection[str] = HIDDEN,
    only: Collection[int] | None = None,
    most: int = MOST_MESSAGES,
    ending: bool = False,
) -> Picture:
    """`only` are numbers of entries, such as those of a causal past; faults are shown all the same. `hidden` are
    processes that are left out with all their messages. Beyond `most` messages it is cut, with a notice: the first are
    kept, or those of the `ending`.
    """
    told = None if only is None else frozenset(only)
    return _Composition(entries, frozenset(hidden), told, most, ending=ending).picture(title, subtitle)


class _Composition:
    def __init__(
        self,
        entries: Sequence[LogEntry],
        hidden: frozenset[str],
        only: frozenset[int] | None,
        most: int,
        *,
        ending: bool,
    ) -> None:
        self._hidden = hidden
        self._only = only
        tracker = Tracker()
        self._carried: dict[int, list[Journey]] = {}
        self._first_loss: dict[int, int] = {}
        for entry in entries:
            tracker.see(entry)
            if entry.kind in _PACKETS:
                carried = self._carried[entry.number] = tracker.carried_by(entry)
                for journey in carried:
                    if entry.kind == WorldKind.LOST.value:
                        self._first_loss.setdefault(id(journey), entry.number)
        shown = [journey for journey in tracker.finish() if self._shows(journey)]
        self._left_out = max(0, len(shown) - most)
        self._kept = "the last" if ending else "the first"
        self._journeys = shown[self._left_out :] if ending else shown[:most]
        if self._left_out and not ending:
            beyond = _first(shown[most])
            entries = [entry for entry in entries if entry.number < beyond]
        self._before = entries
        if self._left_out and ending:
            since = _first(self._journeys[0])
            entries = [entry for entry in entries if entry.number >= since]
        self._entries = entries
        self._lanes = self._lanes_of()
        self._row: dict[int, int] = {}
        self._rows: list[Row] = []

    def picture(self, title: str, subtitle: str) -> Picture:
        kinds = dict(self._marked())
        wanted = frozenset(kinds).union(*(self._moments(journey) for journey in self._journeys))
        for entry in self._entries:
            if entry.number in wanted or self._is_stub(entry):
                self._row[entry.number] = len(self._rows)
                self._rows.append(Row(entry.number, entry.at))
        arrows = [arrow for journey in self._journeys for arrow in self._arrows(journey)]
        arrows += [arrow for entry in self._entries if self._is_stub(entry) for arrow in self._stubs(entry)]
        marks = [self._mark(entry, kinds[entry.number]) for entry in self._entries if entry.number in kinds]
        lanes, rows = tuple(self._lanes), tuple(self._rows)
        arrows.sort(key=lambda arrow: arrow.first)
        return Picture(
            title,
            subtitle,
            lanes,
            rows,
            tuple(arrows),
            tuple(marks),
            bands_of(self._before, self._row),
            self._notice(),
        )

    # -- what is shown

    def _shows(self, journey: Journey) -> bool:
        if journey.sender[1] in self._hidden or journey.receiver[1] in self._hidden:
            return False
        return self._only is None or not self._only.isdisjoint(self._moments(journey))

    @staticmethod
    def _moments(journey: Journey) -> set[int]:
        return {n for n in (journey.sent, journey.ended, journey.returned) if n is not None}

    def _is_stub(self, entry: LogEntry) -> bool:
        """Whether it lost a message that is shown."""
        return entry.kind == WorldKind.LOST.value and self._has_shown(self._told_of(entry))

    def _told_of(self, entry: LogEntry) -> list[Journey]:
        """What it carried. The first loss of what never arrives is told by the message's own arrow."""
        carried = self._carried.get(entry.number, [])
        return [j for j in carried if j.fate is not Fate.LOST or self._first_loss[id(j)] != entry.number]

    def _has_shown(self, carried: Sequence[Journey]) -> bool:
        return any(journey in self._journeys for journey in carried)

    def _notice(self) -> str:
        if not self._journeys:
            return "no messages between the processes shown"
        if not self._left_out:
            return ""
        shown = len(self._journeys)
        whole = shown + self._left_out
        return f"{self._kept} {shown} of {whole} messages: draw the causal past of one event, or a part of the log"

    def _lanes_of(self) -> list[Lane]:
        """Nodes as they boot, or else appear; within one, processes as they speak."""
        by_node: dict[str, dict[str, None]] = {
            entry.node: {} for entry in self._before if entry.kind == WorldKind.BOOTED.value
        }
        for journey in self._journeys:
            for node, process in (journey.sender, journey.receiver):
                by_node.setdefault(node, {})[process] = None
        return [Lane(node, process) for node, processes in by_node.items() for process in processes]

    def _lane(self, process: tuple[str, str]) -> int:
        return self._lanes.index(Lane(*process))

    def _marked(self) -> Iterator[tuple[int, MarkKind]]:
        """Faults of nodes that are shown, ends of processes that are, and what the world says."""
        nodes = {lane.node for lane in self._lanes}
        ended: dict[Lane, None] = {}
        down: dict[str, None] = {}
        for entry in self._entries:
            if entry.kind in _MARKS:
                if self._is_told(entry, nodes, down):
                    yield entry.number, _MARKS[entry.kind]
                continue
            lane = Lane(entry.node, entry.subject)
            if lane not in self._lanes or not (self._only is None or entry.number in self._only):
                continue
            if entry.kind == EventKind.EXITED.value and entry.note != "CANCELLED":
                ended[lane] = None
                yield entry.number, MarkKind.CRASHED if entry.note == "CRASH" else MarkKind.ENDED
            elif entry.kind == EventKind.STARTED.value and lane in ended:
                yield entry.number, MarkKind.STARTED

    def _is_told(self, entry: LogEntry, nodes: Collection[str], down: dict[str, None]) -> bool:
        """Whether what the world did concerns a node that is shown. A first boot is nothing to tell."""
        if entry.kind in _PACKETS and not self._has_shown(self._carried[entry.number]):
            return False
        if entry.kind in {WorldKind.CRASHED.value, WorldKind.STOPPED.value}:
            down[entry.node] = None
        elif entry.kind == WorldKind.BOOTED.value and entry.node not in down:
            return False
        named = [name for name in (entry.node, entry.other) if name]
        return not named or any(name in nodes for name in named)

    # -- arrows

    def _arrows(self, journey: Journey) -> Iterator[Arrow]:
        message = journey.message
        source, target = self._lane(journey.sender), self._lane(journey.receiver)
        label = _label(journey)
        first = self._row.get(_first(journey))
        if first is not None:
            end = _ENDS[journey.fate]
            if journey.fate is Fate.DELIVERED and journey.ended not in self._row:
                end = ArrowEnd.UNDER_WAY  # where the picture is cut
            last = first if journey.ended is None else self._row.get(journey.ended, first)
            kind = ArrowKind.REQUEST if message.request else ArrowKind.RESPONSE
            shown = f"{label} ✕ {journey.reason}" if end in {ArrowEnd.REFUSED, ArrowEnd.DEAD} else label
            yield Arrow(
                source, target, first, last, kind, end, cut(shown, LONGEST_LABEL + 20), self._hover(journey)
            )
        back = self._row.get(-1 if journey.returned is None else journey.returned)
        if back is not None and journey.returned != journey.sent and message.request:
            text = cut(f"{journey.reason}: {label}", LONGEST_LABEL)
            hover = f"came back to {message.source}\n{journey.reason}\n{message.ipc}"
            yield Arrow(source, target, back, back, ArrowKind.ERROR, ArrowEnd.ARRIVED, text, hover)

    def _stubs(self, entry: LogEntry) -> Iterator[Arrow]:
        """A packet that was lost; its carrier may send it again."""
        row = self._row[entry.number]
        for journey in self._told_of(entry):
            if journey in self._journeys:
                source, target = self._lane(journey.sender), self._lane(journey.receiver)
                kind = ArrowKind.REQUEST if journey.message.request else ArrowKind.RESPONSE
                text = cut(f"lost: {_label(journey)}", LONGEST_LABEL)
                hover = f"a packet was lost at {entry.at:.6f} s\n{entry.note}\n{journey.message.ipc}"
                yield Arrow(source, target, row, row, kind, ArrowEnd.LOST, text, hover)

    def _hover(self, journey: Journey) -> str:
        message = journey.message
        form = "request" if message.request else "response"
        lines = [f"{form} {message.source} -> {message.target}"]
        if journey.sent in self._row:
            lines.append(f"sent at {self._at(journey.sent):.6f} s")
        if journey.ended in self._row and journey.ended != journey.sent:
            lines.append(f"arrived at {self._at(journey.ended):.6f} s")
        if journey.fate is not Fate.DELIVERED:
            lines.append(f"{journey.fate.value} {journey.reason}".strip())
        if message.expects is not None:
            lines.append(f"expects a response within {message.expects} s")
        lines.append(message.ipc)
        if message.payload is not None:
            lines.append(f"payload: {message.payload}")
        return "\n".join(lines)

    def _at(self, number: int | None) -> float:
        return 0.0 if number is None else self._rows[self._row[number]].at

    # -- marks and bands

    def _mark(self, entry: LogEntry, kind: MarkKind) -> Mark:
        row, hover = self._row[entry.number], f"{entry.kind} at {entry.at:.6f} s\n{entry.line}"
        if entry.subject:
            text = _CAUSES.get(entry.note, entry.kind) if kind is not MarkKind.STARTED else entry.kind
            return Mark(row, kind, text, self._lane((entry.node, entry.subject)), entry.node, hover)
        node = entry.node if not entry.other and any(lane.node == entry.node for lane in self._lanes) else ""
        text = world_text(entry)
        if node:
            text = text.removeprefix(f"{node} ").removeprefix(f"{node}: ")
        return Mark(row, kind, cut(text, LONGEST_NOTE), None, node, hover)


def _first(journey: Journey) -> int:
    """The number of the entry in which it begins."""
    if journey.sent is not None:
        return journey.sent
    return journey.ended if journey.ended is not None else journey.returned or 0


def _label(journey: Journey) -> str:
    message = journey.message
    return cut(message.ipc or ("request" if message.request else "response"), LONGEST_LABEL)
