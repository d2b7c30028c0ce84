"""A picture as one SVG file that needs nothing else: light or dark as its reader likes, whole texts under the mouse."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape

from runtime.sim.pictures.layout import EDGE, HEAD, LOOP, TIME_WIDTH, Layout, text_width
from runtime.sim.pictures.model import Arrow, ArrowEnd, ArrowKind, Band, BandKind, Mark, Picture

_STYLE = """
:root{--paper:#ffffff;--zebra:#f6f7f9;--ink:#1c2430;--soft:#667085;--faint:#c9d0da;--box:#f0f4fa;--edge:#d5deea;
--request:#2459c9;--response:#0d8265;--error:#c2570c;--lost:#d92d3a;--well:#0d8265;--bad:#fdecec;--badedge:#f0b4b8;
--note:#fff6dd;--noteedge:#e8cf86;--pause:#eceff3}
@media (prefers-color-scheme:dark){:root{--paper:#11161d;--zebra:#161c25;--ink:#e3e8ef;--soft:#93a0b2;--faint:#3a4556;
--box:#1a222d;--edge:#2c3848;--request:#7ea8ff;--response:#4cc9a4;--error:#f59a52;--lost:#ff6b76;--well:#4cc9a4;
--bad:#3a1c22;--badedge:#7a343d;--note:#332b14;--noteedge:#6b5a24;--pause:#232c38}}
svg{background:var(--paper)}
text{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;font-size:11px;fill:var(--ink)}
.title{font:600 17px system-ui,-apple-system,"Segoe UI","DejaVu Sans",sans-serif}
.soft{fill:var(--soft)}.name{font-weight:700;font-size:13px}.package{font-size:10px;fill:var(--soft)}
.node{font-weight:700;font-size:12px;fill:var(--soft);letter-spacing:.03em}
.paper{fill:var(--paper)}.zebra{fill:var(--zebra)}.box{fill:var(--box);stroke:var(--edge)}
.life{stroke:var(--faint);stroke-width:1.5}.head{fill:var(--paper);stroke:var(--edge)}
.line{fill:none;stroke-width:1.6}.hit{fill:none;stroke:transparent;stroke-width:11}
.request .line{stroke:var(--request)}.request .tip{fill:var(--request)}
.response .line{stroke:var(--response)}.response .tip{fill:var(--response)}
.error .line{stroke:var(--error)}.error .tip{fill:var(--error)}.error text{fill:var(--error)}
.lost .line{stroke:var(--lost);stroke-dasharray:5 4}.lost .cross{stroke:var(--lost)}.lost text{fill:var(--lost)}
.underway .line{stroke-dasharray:2 4;opacity:.7}
.cross{stroke-width:2.2;fill:none;stroke-linecap:round}
.m:hover .line{stroke-width:3}.m:hover text{font-weight:700}
.parted{fill:var(--lost);opacity:.06}.partededge{stroke:var(--lost);stroke-width:3;opacity:.55}
.paused{fill:var(--pause)}.down{fill:var(--bad);opacity:.75}
.pill{fill:var(--paper);stroke:var(--edge)}
.fault .pill,.crashed .pill{fill:var(--bad);stroke:var(--badedge)}.fault text,.crashed text{fill:var(--lost)}
.well text,.started text{fill:var(--well)}
.note .pill{fill:var(--note);stroke:var(--noteedge)}
.violated .pill{fill:var(--lost);stroke:var(--lost)}.violated text{fill:var(--paper);font-weight:700}
.across{stroke:var(--faint);stroke-dasharray:1 4}.fault .across,.crashed .across{stroke:var(--lost);opacity:.6}
.violated .across{stroke:var(--lost);stroke-dasharray:none}
.jump{stroke:var(--faint);stroke-dasharray:1 5;stroke-linecap:round}
.notice{fill:var(--note);stroke:var(--noteedge)}
"""

# Characters that XML 1.0 cannot hold.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def svg(picture: Picture) -> str:
    return "\n".join(_Writer(picture).lines()) + "\n"


def _text(text: str) -> str:
    return escape(_FORBIDDEN.sub("\ufffd", text))


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


class _Writer:
    def __init__(self, picture: Picture) -> None:
        self._picture = picture
        self._at = Layout(picture)

    def lines(self) -> Iterator[str]:
        picture, at = self._picture, self._at
        width, height = _n(at.width), _n(at.height)
        title = picture.title or "Messages between processes"
        nodes = ", ".join(node for node, _, _ in picture.nodes())
        yield (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
            f'role="img" aria-labelledby="title desc">'
        )
        yield f'<title id="title">{_text(title)}</title>'
        said = f"{len(picture.arrows)} arrows between {len(picture.lanes)} processes of {nodes or 'no node'}."
        yield f'<desc id="desc">Sequence diagram, time runs down. {_text(said)} {_text(picture.notice)}</desc>'
        yield f"<style>{_STYLE}</style>"
        yield f'<rect class="paper" width="{width}" height="{height}"/>'
        yield f'<text class="title" x="{_n(EDGE)}" y="32">{_text(title)}</text>'
        yield f'<text class="soft" x="{_n(EDGE)}" y="50">{_text(picture.subtitle)}</text>'
        yield from self._legend()
        yield from self._ground()
        yield from self._heads(at.top - HEAD + 4)
        for row in range(len(picture.rows)):
            yield from self._time(row)
        for number, arrow in enumerate(picture.arrows):
            yield from self._arrow(number, arrow)
        for mark in picture.marks:
            yield from self._mark(mark)
        if at.has_feet:
            yield from self._heads(at.bottom + 6)
        if picture.notice:
            yield from self._notice()
        yield "</svg>"

    # -- what stands still

    def _legend(self) -> Iterator[str]:
        samples = (
            ("request", "request", "tip"),
            ("response", "response", "tip"),
            ("error", "came back", "tip"),
            ("request lost", "lost", "cross"),
            ("request underway", "under way", "dot"),
        )
        x = EDGE
        for kind, words, end in samples:
            yield f'<g class="{kind}"><path class="line" d="M{_n(x)} 72H{_n(x + 26)}"/>{_end(end, x + 28, 72, 1)}</g>'
            yield f'<text class="soft" x="{_n(x + 36)}" y="76">{words}</text>'
            x += 48 + text_width(words) + 14

    def _ground(self) -> Iterator[str]:
        """Boxes of nodes, zebra rows, bands, life lines."""
        picture, at = self._picture, self._at
        top, bottom = at.top - HEAD, at.bottom + (HEAD + 8 if at.has_feet else 0)
        for node, first, last in picture.nodes():
            left, right = at.node_box(first, last)
            yield (
                f'<rect class="box" x="{_n(left)}" y="{_n(top - 22)}" width="{_n(right - left)}" '
                f'height="{_n(bottom - top + 22)}" rx="10"/>'
            )
            yield f'<text class="node" x="{_n(left + 12)}" y="{_n(top - 6)}">{_text(node)}</text>'
        for row in range(0, len(picture.rows), 2):
            y, height = at.rect(row)
            yield (
                f'<rect class="zebra" x="{_n(EDGE)}" y="{_n(y)}" width="{_n(at.width - 2 * EDGE)}" '
                f'height="{_n(height)}" opacity=".7"/>'
            )
        for band in picture.bands:
            yield from self._band(band)
        for x in at.lanes:
            yield f'<path class="life" d="M{_n(x)} {_n(at.top - 10)}V{_n(at.bottom)}"/>'

    def _band(self, band: Band) -> Iterator[str]:
        at = self._at
        top, bottom = at.middle(band.first), at.middle(band.last)
        if band.last == len(self._picture.rows) - 1:
            bottom = at.bottom
        left, right = EDGE, at.width - EDGE
        if band.kind is not BandKind.PARTED:
            span = self._picture.node_span(band.node)
            if span is None:
                return
            left, right = at.node_box(*span)
        yield (
            f'<g class="b"><title>{_text(band.text)}</title><rect class="{band.kind.value}" x="{_n(left)}" '
            f'y="{_n(top)}" width="{_n(right - left)}" height="{_n(max(0.0, bottom - top))}"/></g>'
        )
        if band.kind is BandKind.PARTED:
            yield f'<path class="partededge" d="M{_n(left)} {_n(top)}V{_n(bottom)}"/>'

    def _heads(self, y: float) -> Iterator[str]:
        for lane, x in zip(self._picture.lanes, self._at.lanes, strict=True):
            half = max(text_width(lane.name, 7.9), text_width(lane.package, 6.1)) / 2 + 7
            address = f"{lane.node}@{lane.process}"
            yield (
                f'<g><title>{_text(address)}</title><rect class="head" x="{_n(x - half)}" y="{_n(y)}" '
                f'width="{_n(2 * half)}" height="42" rx="7"/>'
                f'<text class="name" x="{_n(x)}" y="{_n(y + 18)}" text-anchor="middle">{_text(lane.name)}</text>'
                f'<text class="package" x="{_n(x)}" y="{_n(y + 33)}" text-anchor="middle">{_text(lane.package)}</text>'
                "</g>"
            )

    def _time(self, row: int) -> Iterator[str]:
        at, rows = self._at, self._picture.rows
        jump = at.jump(row)
        if jump:
            y = at.rect(row)[0] - 8
            yield f'<path class="jump" d="M{_n(EDGE + TIME_WIDTH)} {_n(y)}H{_n(at.width - EDGE)}"/>'
            yield (
                f'<text class="soft" x="{_n(EDGE + TIME_WIDTH - 10)}" y="{_n(y + 4)}" text-anchor="end" font-size="10">'
                f"+{jump:.4g} s</text>"
            )
        if row and rows[row].at == rows[row - 1].at:
            return
        yield (
            f'<text class="soft" x="{_n(EDGE + TIME_WIDTH - 10)}" y="{_n(at.middle(row) + 4)}" text-anchor="end">'
            f"{rows[row].at:.3f}</text>"
        )

    def _notice(self) -> Iterator[str]:
        at = self._at
        y = at.height - 44
        yield f'<rect class="notice" x="{_n(EDGE)}" y="{_n(y)}" width="{_n(at.width - 2 * EDGE)}" height="28" rx="6"/>'
        yield f'<text x="{_n(EDGE + 12)}" y="{_n(y + 18)}">{_text(self._picture.notice)}</text>'

    # -- arrows

    def _arrow(self, number: int, arrow: Arrow) -> Iterator[str]:
        at = self._at
        y, x = at.line(arrow.first), at.lanes[arrow.source]
        path, end = self._path(number, arrow)
        kind = arrow.kind.value
        if arrow.end in {ArrowEnd.LOST, ArrowEnd.REFUSED, ArrowEnd.DEAD}:
            kind += " lost"
        elif arrow.end is ArrowEnd.UNDER_WAY:
            kind += " underway"
        gutter = at.gutter(arrow.source, "left" if at.label_gap(arrow) < arrow.source else "right")
        if arrow.source == arrow.target:
            gutter += LOOP
        anchor, label = ("start", x + gutter + 2) if arrow.target >= arrow.source else ("end", x - gutter - 2)
        yield (
            f'<g class="m {kind}"><title>{_text(arrow.hover)}</title><path class="hit" d="{path}"/>'
            f'<path class="line" d="{path}"/>{end}'
            f'<text x="{_n(label)}" y="{_n(y - 5)}" text-anchor="{anchor}">{_text(arrow.label)}</text></g>'
        )

    def _path(self, number: int, arrow: Arrow) -> tuple[str, str]:
        """The line, and what is at its end."""
        at = self._at
        x, y = at.lanes[arrow.source], at.line(arrow.first)
        goal = at.lanes[arrow.target]
        way = 1 if arrow.target > arrow.source else -1
        if arrow.end in {ArrowEnd.LOST, ArrowEnd.REFUSED, ArrowEnd.UNDER_WAY}:
            stop = at.track(number)
            end = "dot" if arrow.end is ArrowEnd.UNDER_WAY else "cross"
            return f"M{_n(x)} {_n(y)}H{_n(stop - 6 * way)}", _end(end, stop, y, way)
        end = "cross" if arrow.end is ArrowEnd.DEAD else "tip"
        if arrow.kind is ArrowKind.ERROR:
            side = 1 if arrow.target >= arrow.source else -1
            far = x + side * (
                at.gutter(arrow.source, "right" if side > 0 else "left") + text_width(arrow.label) + 9
            )
            return f"M{_n(far)} {_n(y - 5)}V{_n(y + 5)}M{_n(far)} {_n(y)}H{_n(x + 7 * side)}", _end(
                "tip", x + side, y, -side
            )
        if arrow.source == arrow.target and arrow.first == arrow.last:
            right, up = _n(x + 22), _n(y - 9)
            path = f"M{_n(x)} {up}H{_n(x + 17)}Q{right} {up} {right} {_n(y - 4)}Q{right} {_n(y)} {_n(x + 17)} {_n(y)}"
            return f"{path}H{_n(x + 7)}", _end(end, x + 1, y, -1)
        if arrow.first == arrow.last:
            return f"M{_n(x)} {_n(y)}H{_n(goal - 7 * way)}", _end(end, goal - way, y, way)
        last, track = at.line(arrow.last), at.track(number)
        there = f"M{_n(x)} {_n(y)}H{_n(track - 5 * way)}Q{_n(track)} {_n(y)} {_n(track)} {_n(y + 5)}"
        down = f"V{_n(last - 5)}Q{_n(track)} {_n(last)} {_n(track + 4 * way)} {_n(last)}H{_n(goal - 7 * way)}"
        return there + down, _end(end, goal - way, last, way)

    # -- marks

    def _mark(self, mark: Mark) -> Iterator[str]:
        at = self._at
        y = at.middle(mark.row)
        width = text_width(mark.text) + 20
        left, right = EDGE + TIME_WIDTH, at.width - EDGE
        span = self._picture.node_span(mark.node) if mark.node else None
        if span is not None:
            left, right = at.node_box(*span)
        x = at.lanes[mark.lane] if mark.lane is not None else (left + right) / 2
        x = min(max(x, EDGE + width / 2), at.width - EDGE - width / 2)
        yield f'<g class="{mark.kind.value}"><title>{_text(mark.hover)}</title>'
        if mark.lane is None:
            yield f'<path class="across" d="M{_n(left)} {_n(y)}H{_n(right)}"/>'
        yield (
            f'<rect class="pill" x="{_n(x - width / 2)}" y="{_n(y - 10)}" width="{_n(width)}" height="20" rx="10"/>'
            f'<text x="{_n(x)}" y="{_n(y + 4)}" text-anchor="middle">{_text(mark.text)}</text></g>'
        )


def _end(kind: str, x: float, y: float, way: int) -> str:
    if kind == "cross":
        a, b, c, d = (_n(v) for v in (x - 4.5, x + 4.5, y - 4.5, y + 4.5))
        return f'<path class="cross" d="M{a} {c}L{b} {d}M{a} {d}L{b} {c}"/>'
    if kind == "dot":
        return f'<circle class="tip" cx="{_n(x)}" cy="{_n(y)}" r="2.5"/>'
    back = x - 9 * way
    return f'<path class="tip" d="M{_n(x)} {_n(y)}L{_n(back)} {_n(y - 4.5)}L{_n(back)} {_n(y + 4.5)}Z"/>'
