"""A picture as Mermaid text, for pages that draw it themselves.

A message to another node is one arrow, where it arrives; one that is lost stands where it was sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from runtime.sim.pictures.model import Arrow, ArrowEnd, ArrowKind, Mark, MarkKind, Picture

_PLAIN = re.compile(r"""[\w .,/=+@'"(){}\[\]:!?*|^~-]""")
_KEYWORD = re.compile(r"\b(?:end|wrap|nowrap)\b", re.IGNORECASE)
_HEADS = {
    (ArrowKind.REQUEST, False): "->>",
    (ArrowKind.RESPONSE, False): "-->>",
    (ArrowKind.REQUEST, True): "-x",
    (ArrowKind.RESPONSE, True): "--x",
}


def mermaid(picture: Picture) -> str:
    return "\n".join(_lines(picture)) + "\n"


def _lines(picture: Picture) -> Iterator[str]:
    if picture.title:
        yield f"---\ntitle: {_quoted(picture.title)}\n---"
    yield "sequenceDiagram"
    for node, first, last in picture.nodes():
        yield f"    box {_box(node)}"
        for lane in range(first, last + 1):
            yield f"        participant p{lane} as {escape(picture.lanes[lane].process)}"
        yield "    end"
    if not picture.lanes:
        yield "    participant nobody"
    yield from _body(picture)
    if picture.notice:
        yield f"    Note over {_span(picture, '')}: {escape(picture.notice)}"


def _body(picture: Picture) -> Iterator[str]:
    by_row: dict[int, list[Arrow | Mark]] = {}
    for arrow in picture.arrows:
        arrives = arrow.end in {ArrowEnd.ARRIVED, ArrowEnd.DEAD}
        by_row.setdefault(arrow.last if arrives else arrow.first, []).append(arrow)
    for mark in picture.marks:
        by_row.setdefault(mark.row, []).append(mark)
    former = None
    for row in sorted(by_row):
        at = picture.rows[row].at
        if at != former:
            yield f"    %% {at:.6f} s"
            former = at
        for item in by_row[row]:
            yield f"    {_arrow(item) if isinstance(item, Arrow) else _note(picture, item)}"


def _arrow(arrow: Arrow) -> str:
    if arrow.kind is ArrowKind.ERROR:
        return f"Note over p{arrow.source}: {escape(arrow.label)}"
    head = _HEADS[arrow.kind, arrow.end is not ArrowEnd.ARRIVED]
    label = f"{arrow.label} ({arrow.end.value})" if arrow.end is ArrowEnd.UNDER_WAY else arrow.label
    return f"p{arrow.source}{head}p{arrow.target}: {escape(label)}"


def _note(picture: Picture, mark: Mark) -> str:
    over = _span(picture, mark.node) if mark.lane is None else f"p{mark.lane}"
    sign = {MarkKind.VIOLATED: "✗ ", MarkKind.CRASHED: "✗ "}.get(mark.kind, "")
    return f"Note over {over}: {escape(sign + mark.text)}"


def _span(picture: Picture, node: str) -> str:
    span = picture.node_span(node) if node else None
    first, last = span or (0, max(0, len(picture.lanes) - 1))
    if not picture.lanes:
        return "nobody"
    return f"p{first}" if first == last else f"p{first},p{last}"


def escape(text: str) -> str:
    """So that nothing in it means anything to Mermaid: entities for what could, and in the words that would."""
    shown = "".join(c if _PLAIN.fullmatch(c) else f"#{ord(c)};" for c in text)
    shown = _KEYWORD.sub(lambda found: f"#{ord(found[0][0])};{found[0][1:]}", shown)
    return shown.strip() or "#160;"


def _box(node: str) -> str:
    """A box takes a first word that is a colour for its colour: `transparent` keeps a node's name a name."""
    return f"transparent {escape(node)}"


def _quoted(text: str) -> str:
    printable = "".join(c if c.isprintable() else " " for c in text)
    return '"' + printable.replace("\\", "\\\\").replace('"', '\\"') + '"'
