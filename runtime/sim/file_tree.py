"""The files of a simulated disk, and what a crash may leave of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import attrs

from runtime.sim.choices import Choices

Keep = Literal["flushed", "all", "nothing"]
"""What a crash leaves: what was flushed, all that was written, or an empty machine."""


@attrs.define
class Folder:
    entries: dict[str, Folder | bytes] = attrs.Factory(dict)

    def copy(self) -> Folder:
        return Folder({name: copy_of(below) for name, below in self.entries.items()})


FileNode = Folder | bytes
Parts = list[str]
"""A path, name by name."""
Rename = tuple[Parts, Parts]


def copy_of(node: FileNode) -> FileNode:
    return node.copy() if isinstance(node, Folder) else node


def size_of(node: FileNode) -> int:
    if isinstance(node, Folder):
        return sum(size_of(below) for below in node.entries.values())
    return len(node)


def torn(durable: Folder, live: Folder, renames: Sequence[Rename], choices: Choices) -> Folder:
    """Any state between the two that a power cut may leave: of each file that was not synced what it was, what it
    became, or a part of that; each removal done or not; the renames, done in order up to one of them.
    """
    base, wanted = durable.copy(), live.copy()
    for place, (old, new) in enumerate(renames):
        if node_at(base, old) is None:
            continue
        if not choices.choose("disk rename kept", 2):
            _undo(base, wanted, renames[place:])
            break
        _put(base, new, _take(base, old))
    found = _between(base, wanted, choices)
    assert isinstance(found, Folder)
    return found


def _undo(base: Folder, wanted: Folder, renames: Sequence[Rename]) -> None:
    """These have not reached the disk: what they moved is where it was, and what they replaced is there."""
    for old, new in reversed(renames):
        moved = node_at(base, old)
        if node_at(wanted, new) is not None and node_at(wanted, old) is None:
            _put(wanted, old, _take(wanted, new))
        elif moved is not None:
            # What is at the old place now came after the move, so that it has not reached the disk either.
            _put(wanted, old, copy_of(moved))
            if node_at(wanted, new) is not None:
                _take(wanted, new)
    for _, new in renames:
        before = node_at(base, new)
        if before is not None and node_at(wanted, new) is None:
            _put(wanted, new, copy_of(before))


def _between(before: FileNode | None, after: FileNode | None, choices: Choices) -> FileNode | None:
    match before, after:
        case Folder(), Folder():
            return Folder(dict(_children(before, after, choices)))
        case None, Folder():
            kept = choices.choose("disk folder kept", 2)
            return Folder(dict(_children(Folder(), after, choices))) if kept else None
        case (None | bytes(), bytes()) if before != after:
            how = choices.choose("disk write kept", 3)
            return _torn_file(after, choices) if how == 2 else (before, after)[how]
        case _ if before != after:
            return after if choices.choose("disk change kept", 2) else before
    return before


def _torn_file(data: bytes, choices: Choices) -> bytes:
    """Its beginning."""
    return data[: choices.choose("disk bytes kept", len(data))]


def _children(before: Folder, after: Folder, choices: Choices) -> Iterator[tuple[str, FileNode]]:
    for name in sorted({**before.entries, **after.entries}):
        found = _between(before.entries.get(name), after.entries.get(name), choices)
        if found is not None:
            yield name, found


def node_at(root: Folder, parts: Parts) -> FileNode | None:
    node: FileNode | None = root
    for part in parts:
        node = node.entries.get(part) if isinstance(node, Folder) else None
    return node


def _take(root: Folder, parts: Parts) -> FileNode:
    folder = node_at(root, parts[:-1])
    assert isinstance(folder, Folder)
    return folder.entries.pop(parts[-1])


def _put(root: Folder, parts: Parts, node: FileNode) -> None:
    """Folders on the way are made, in the place of files if need be."""
    for part in parts[:-1]:
        below = root.entries.get(part)
        if not isinstance(below, Folder):
            below = root.entries[part] = Folder()
        root = below
    root.entries[parts[-1]] = node
