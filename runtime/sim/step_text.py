"""One entry of a log for people: what was before and after it, what led to it, and what lay in the mailboxes."""

from __future__ import annotations

from collections.abc import Sequence

from kernel.events import EventKind
from runtime.sim.causes import causes
from runtime.sim.log_file import LogEntry
from runtime.sim.trace import WorldKind

NEIGHBOURS = 3
MOST_CAUSES = 5
_ENDS = {WorldKind.CRASHED.value, WorldKind.STOPPED.value}


class NoSuchStep(LookupError):
    """The log has no entry of that number; the text says which there are."""


def step_text(entries: Sequence[LogEntry], number: int) -> str:
    """Ending without a newline. Raises `NoSuchStep`."""
    place = next((place for place, entry in enumerate(entries) if entry.number == number), None)
    if place is None:
        there = f"{entries[0].number} to {entries[-1].number}" if entries else "none"
        raise NoSuchStep(f"there is no step {number}: the run has {there}")
    entry = entries[place]
    first = max(0, place - NEIGHBOURS)
    lines = [f"{'>' if one is entry else ' '} {one.line}" for one in entries[first : place + NEIGHBOURS + 1]]
    if entry.message is not None:
        message = entry.message
        lines.append(f"{'request' if message.request else 'response'} {message.source} -> {message.target}")
        lines.append(f"  ipc: {message.ipc or 'none'}")
        if message.payload is not None:
            lines.append(f"  payload: {message.payload}")
    direct = causes(entries)[number]
    by_number = {one.number: one for one in entries}
    lines += [f"led to by {by_number[cause].line}" for cause in direct[:MOST_CAUSES]]
    if len(direct) > MOST_CAUSES:
        lines.append(f"and by {len(direct) - MOST_CAUSES} more")
    unread = mailboxes(entries[: place + 1])
    shown = ", ".join(f"{process}@{node}: {count}" for (node, process), count in unread.items())
    lines.append(f"unread then: {shown or 'nothing'}")
    return "\n".join(lines)


def mailboxes(entries: Sequence[LogEntry]) -> dict[tuple[str, str], int]:
    """How many messages each (node, process) has not taken out of its mailbox, where there are any."""
    unread: dict[tuple[str, str], int] = {}
    for entry in entries:
        process = entry.node, entry.subject
        if entry.kind == EventKind.APPENDED.value:
            unread[process] = unread.get(process, 0) + 1
        elif entry.kind == EventKind.TAKEN.value:
            unread[process] = unread.get(process, 0) - 1
        elif entry.kind == EventKind.EXITED.value:
            unread.pop(process, None)
        elif entry.kind in _ENDS:
            unread = {one: count for one, count in unread.items() if one[0] != entry.node}
    return {process: count for process, count in unread.items() if count > 0}
