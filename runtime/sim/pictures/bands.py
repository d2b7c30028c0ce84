"""What lasts in a picture: partitions, pauses, and the time between the end of a node and its next boot."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs

from runtime.sim.causes import names_in
from runtime.sim.log_file import LogEntry
from runtime.sim.pictures.model import Band, BandKind
from runtime.sim.trace import WorldKind

_BEGINS = {
    WorldKind.PARTITIONED.value: BandKind.PARTED,
    WorldKind.HELD.value: BandKind.PARTED,
    WorldKind.PAUSED.value: BandKind.PAUSED,
    WorldKind.CRASHED.value: BandKind.DOWN,
    WorldKind.STOPPED.value: BandKind.DOWN,
}
_ENDS = {
    WorldKind.HEALED.value: (WorldKind.PARTITIONED.value,),
    WorldKind.RELEASED.value: (WorldKind.HELD.value,),
    WorldKind.RESUMED.value: (WorldKind.PAUSED.value,),
    WorldKind.CRASHED.value: (WorldKind.PAUSED.value,),
    WorldKind.STOPPED.value: (WorldKind.PAUSED.value,),
    WorldKind.BOOTED.value: (WorldKind.CRASHED.value, WorldKind.STOPPED.value),
}


def bands_of(entries: Iterable[LogEntry], rows: Mapping[int, int]) -> tuple[Band, ...]:
    """`rows` are those of entries by number. What began before them lasts from the first row, what has no end to the
    last.
    """
    start = min(rows, default=0)
    found: list[Band] = []
    begun: list[tuple[LogEntry, Band]] = []
    for entry in entries:
        is_before = entry.number < start
        row = 0 if is_before else rows.get(entry.number)
        if row is None:
            continue
        for beginning, band in list(begun):
            if beginning.kind in _ENDS.get(entry.kind, ()) and _same_sides(beginning, entry):
                begun.remove((beginning, band))
                if not is_before:
                    found.append(attrs.evolve(band, last=row))
        kind = _BEGINS.get(entry.kind)
        if kind is not None:
            node = "" if kind is BandKind.PARTED else entry.node
            begun.append((entry, Band(row, row, kind, world_text(entry), node)))
    end = max(rows.values(), default=0)
    found += [attrs.evolve(band, last=end) for _, band in begun]
    return tuple(sorted(found, key=lambda band: (band.first, band.last)))


def _same_sides(began: LogEntry, ended: LogEntry) -> bool:
    """Between two nodes they are named, between more the note says which."""
    if (began.node, began.other) != (ended.node, ended.other):
        return False
    return bool(began.node) or began.note == ended.note or not ended.note


def world_text(entry: LogEntry) -> str:
    """What the world did, for people."""
    spoken = {WorldKind.SPOKE.value, WorldKind.VIOLATED.value}
    if entry.kind in spoken and entry.note:
        return f"{entry.node}: {entry.note}" if entry.node else entry.note
    if entry.other:
        both = names_in(entry.note) >= {entry.node, entry.other}
        return f"{entry.kind} {entry.note if both else f'{entry.node} | {entry.other} {entry.note}'}".strip()
    return " ".join(word for word in (entry.node, entry.kind, entry.note) if word)
