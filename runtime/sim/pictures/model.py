"""What a sequence diagram shows, before anybody draws it: lanes, rows, arrows, marks and bands.

A lane is a process; lanes are grouped by node. A row is one thing that happened, so time runs down, though not evenly.
An arrow goes from the row in which a message was sent to that in which it arrived; within a node both are one.
"""

from __future__ import annotations

import enum

import attrs


class ArrowKind(enum.Enum):
    REQUEST = "request"
    RESPONSE = "response"
    ERROR = "error"


class ArrowEnd(enum.Enum):
    ARRIVED = "arrived"
    LOST = "lost"
    REFUSED = "refused"
    DEAD = "dead letter"
    UNDER_WAY = "under way"


class MarkKind(enum.Enum):
    STARTED = "started"
    ENDED = "ended"
    CRASHED = "crashed"
    FAULT = "fault"
    WELL = "well"
    NOTE = "note"
    VIOLATED = "violated"


class BandKind(enum.Enum):
    PARTED = "parted"
    PAUSED = "paused"
    DOWN = "down"


@attrs.frozen
class Lane:
    node: str
    process: str

    @property
    def name(self) -> str:
        return self.process.partition(":")[0]

    @property
    def package(self) -> str:
        return self.process.partition(":")[2]


@attrs.frozen
class Row:
    """`number` is that of its entry, `at` virtual seconds."""

    number: int
    at: float


@attrs.frozen
class Arrow:
    """`source` and `target` are numbers of lanes, `first` and `last` of rows. `hover` is the whole text."""

    source: int
    target: int
    first: int
    last: int
    kind: ArrowKind
    end: ArrowEnd
    label: str
    hover: str


@attrs.frozen
class Mark:
    """At a lane if it has one, else across the lanes of the node, else across all."""

    row: int
    kind: MarkKind
    text: str
    lane: int | None = None
    node: str = ""
    hover: str = ""


@attrs.frozen
class Band:
    """Something that lasted from row to row: a partition, which is across all, a node that was paused or down."""

    first: int
    last: int
    kind: BandKind
    text: str
    node: str = ""


@attrs.frozen
class Picture:
    """`notice` says in words what is left out; it is empty when nothing is."""

    title: str
    subtitle: str
    lanes: tuple[Lane, ...]
    rows: tuple[Row, ...]
    arrows: tuple[Arrow, ...]
    marks: tuple[Mark, ...]
    bands: tuple[Band, ...]
    notice: str = ""

    def nodes(self) -> list[tuple[str, int, int]]:
        """Each with the numbers of its first and last lane."""
        found: dict[str, tuple[int, int]] = {}
        for number, lane in enumerate(self.lanes):
            first, _ = found.get(lane.node, (number, number))
            found[lane.node] = (first, number)
        return [(node, first, last) for node, (first, last) in found.items()]

    def node_span(self, node: str) -> tuple[int, int] | None:
        """The numbers of its first and last lane."""
        return next(((first, last) for name, first, last in self.nodes() if name == node), None)


def cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
