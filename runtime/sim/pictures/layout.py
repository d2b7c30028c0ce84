"""Where everything of a picture stands, in pixels: what the SVG writer asks.

Each row is a line of its own. A label stands over the first stretch of its arrow, between two lanes, and nothing else
does: arrows that take time go along their own row, then down a track close to the lane they reach. So no arrow crosses
a label, however many are under way.
"""

from __future__ import annotations

import unicodedata
from functools import cached_property

from runtime.sim.pictures.model import Arrow, ArrowEnd, ArrowKind, Picture

CHAR = 6.63
"""Of 11 px monospace text."""
NAME_CHAR = 7.9
"""Of 13 px bold text."""
TIME_WIDTH = 92.0
EDGE = 20.0
ROW = 26.0
LOW_ROW = 15.0
"""Of a row in which something arrives, and nothing is written."""
HIGH_ROW = 30.0
"""Of one with a mark across lanes."""
JUMP = 16.0
"""More, where at least `LONG` seconds pass."""
LONG = 1.0
FIRST_TRACK = 13.0
TRACK = 6.0
LOOP = 20.0
"""Of a message to oneself."""
MOST_TRACKS = 10
LEAST_GAP = 40.0
BETWEEN_NODES = 44.0
HEAD = 64.0


def text_width(text: str, char: float = CHAR) -> float:
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return (len(text) + wide) * char


class Layout:
    def __init__(self, picture: Picture) -> None:
        self.picture = picture
        self._uses_tracks = [
            arrow.kind is not ArrowKind.ERROR
            and (arrow.first != arrow.last or arrow.end is not ArrowEnd.ARRIVED)
            for arrow in picture.arrows
        ]
        self._tracks, self._used = self._assign()
        self.top = 122.0 + HEAD

    # -- across

    @cached_property
    def lanes(self) -> list[float]:
        """The middle of each lane."""
        if not self.picture.lanes:
            return []
        gaps = self._gaps()
        places = [EDGE + TIME_WIDTH + 18 + self._head(0) / 2]
        for gap in gaps[:-1]:
            places.append(places[-1] + gap)
        return places

    @cached_property
    def width(self) -> float:
        least = max(560.0, EDGE * 2 + text_width(self.picture.title, 10.5), self._legend_width())
        if not self.lanes:
            return least
        return max(
            least, self.lanes[-1] + max(self._gaps()[-1], self._head(len(self.lanes) - 1) / 2) + 18 + EDGE
        )

    @staticmethod
    def _legend_width() -> float:
        return 2 * EDGE + 6 * 104

    def _head(self, lane: int) -> float:
        found = self.picture.lanes[lane]
        return max(text_width(found.name, NAME_CHAR), text_width(found.package, 6.1)) + 14

    def _gaps(self) -> list[float]:
        """From each lane to the next; the last one is what is needed to the right of the last lane."""
        picture = self.picture
        count = len(picture.lanes)
        gaps = []
        for lane in range(count):
            last = lane + 1 == count
            heads = self._head(lane) / 2 + (0 if last else self._head(lane + 1) / 2 + 12)
            other = not last and picture.lanes[lane].node != picture.lanes[lane + 1].node
            gaps.append(max(LEAST_GAP, heads + (BETWEEN_NODES if other else 0)))
        for arrow in picture.arrows:
            gap = self.label_gap(arrow)
            sides = self.gutter(gap, "right") + (0 if gap + 1 == count else self.gutter(gap + 1, "left"))
            if arrow.source == arrow.target:
                sides += LOOP
            gaps[gap] = max(gaps[gap], text_width(arrow.label) + sides + 16)
        for mark in picture.marks:
            if mark.lane is not None and mark.lane + 1 == count:
                gaps[-1] = max(gaps[-1], text_width(mark.text) / 2 + 16)
        return gaps

    @staticmethod
    def label_gap(arrow: Arrow) -> int:
        """The gap to the right of the lane of this number holds its label."""
        return arrow.source if arrow.target >= arrow.source else arrow.source - 1

    # -- tracks beside lanes

    @staticmethod
    def side(arrow: Arrow) -> str:
        """Of the lane it reaches, on which it comes."""
        return "left" if arrow.target > arrow.source else "right"

    def gutter(self, lane: int, side: str) -> float:
        tracks = self._used.get((lane, side), 0)
        return 10.0 if not tracks else FIRST_TRACK + TRACK * tracks + 4

    def track(self, number: int) -> float:
        """Where the arrow of that number goes down, or ends if it does not arrive."""
        arrow = self.picture.arrows[number]
        distance = FIRST_TRACK + TRACK * self._tracks[number]
        lane = self.lanes[arrow.target]
        return lane - distance if self.side(arrow) == "left" else lane + distance

    def _assign(self) -> tuple[dict[int, int], dict[tuple[int, str], int]]:
        """A track for each arrow that needs one, the nearest that is free; how many each side of a lane has."""
        busy: dict[tuple[int, str], list[int]] = {}
        tracks: dict[int, int] = {}
        for number, arrow in enumerate(self.picture.arrows):
            if not self._uses_tracks[number]:
                continue
            until = busy.setdefault((arrow.target, self.side(arrow)), [])
            free = next((track for track, last in enumerate(until) if last < arrow.first), len(until))
            if free == len(until) and free < MOST_TRACKS:
                until.append(arrow.last)
            free = min(free, MOST_TRACKS - 1)
            until[free] = max(until[free], arrow.last)
            tracks[number] = free
        return tracks, {place: len(until) for place, until in busy.items()}

    # -- down

    @cached_property
    def _bounds(self) -> list[float]:
        """The top of each row, and the bottom of the last."""
        picture = self.picture
        starts = {arrow.first for arrow in picture.arrows}
        across = {mark.row for mark in picture.marks if mark.lane is None}
        lone = {mark.row for mark in picture.marks}
        bounds = [self.top]
        for row in range(len(picture.rows)):
            height = HIGH_ROW if row in across else ROW if row in starts or row in lone else LOW_ROW
            bounds.append(bounds[-1] + height + (JUMP if self.jump(row) else 0))
        return bounds

    def jump(self, row: int) -> float:
        """Seconds before it, if they are many, else 0."""
        rows = self.picture.rows
        passed = rows[row].at - rows[row - 1].at if row else 0.0
        return passed if passed >= LONG else 0.0

    def rect(self, row: int) -> tuple[float, float]:
        """Its top and height."""
        top = self._bounds[row] + (JUMP if self.jump(row) else 0)
        return top, self._bounds[row + 1] - top

    def line(self, row: int) -> float:
        """Where its arrow is: low in the row, under the label; a mark is in the middle."""
        top, height = self.rect(row)
        return top + height - 7

    def middle(self, row: int) -> float:
        top, height = self.rect(row)
        return top + height / 2

    @property
    def bottom(self) -> float:
        """Of the rows."""
        return self._bounds[-1] + 12

    @property
    def has_feet(self) -> bool:
        """Whether it is so long that the names of the lanes stand below, too."""
        return self.bottom - self.top > 900

    @property
    def height(self) -> float:
        return self.bottom + (HEAD + 16 if self.has_feet else 16) + (40 if self.picture.notice else 0) + 8

    # -- nodes

    def node_box(self, first: int, last: int) -> tuple[float, float]:
        """Left and right of the box around these lanes."""
        left = self.lanes[first] - self._head(first) / 2 - 12
        right = self.lanes[last] + self._head(last) / 2 + 12
        if last + 1 == len(self.lanes):
            right = max(right, self.width - EDGE - 2)
        return left, right
