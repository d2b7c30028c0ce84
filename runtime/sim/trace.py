"""What happened in a simulated world, in one global order: the kernel's events of every node, and the world's own.

The digest of a run is over these lines, so two runs are the same when it is.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from hashlib import sha256

import attrs

from kernel.events import Event, EventKind


class WorldKind(enum.StrEnum):
    """What the world does, beside `kernel.events.EventKind`."""

    BOOTED = "booted"  # a node runs
    STOPPED = "stopped"  # in good order
    CRASHED = "crashed"
    PAUSED = "paused"
    RESUMED = "resumed"
    CUT = "cut"  # a link was cut
    PARTITIONED = "partitioned"
    HEALED = "healed"
    HELD = "held"
    RELEASED = "released"
    LOST = "lost"  # a packet; `note` says which
    DOUBLED = "doubled"
    DELAYED = "delayed"  # against the order
    DISK = "disk"  # a fault of a disk
    CLOCK = "clock"
    SPOKE = "spoke"  # a client of the world, or a test, did something; `note` says what
    VIOLATED = "violated"


@attrs.frozen
class Entry:
    """`number` counts from 0; `at` is virtual seconds since the world began. `node` is empty for the whole world.

    `event` is the kernel's, or None for one of the world's own. `other` is the second node of a fault between two.
    """

    number: int
    at: float
    node: str
    kind: EventKind | WorldKind
    event: Event | None = None
    note: str = ""
    other: str = ""

    def line(self) -> str:
        """One line of text, the same for the same entry in every run."""
        if self.event is not None:
            return f"{self.number} {self.node} {self.event.line()}"
        words = (str(self.number), self.node or "-", f"{self.at:.6f}", self.kind.value, self.other, self.note)
        return " ".join(word for word in words if word)


Monitor = Callable[[Entry], None]
"""Sees every entry in the step in which it happens. It must not change the world, nor draw, nor wait."""


class Trace:
    """`monitors` see every entry. While it is `kept`, entries are kept and digested, too."""

    def __init__(self, *, kept: bool = True) -> None:
        self.kept = kept
        self.entries: list[Entry] = []
        self.monitors: list[Monitor] = []
        self.count = 0
        self.closed = False
        self._hash = sha256()

    def add(
        self,
        at: float,
        node: str,
        kind: EventKind | WorldKind,
        event: Event | None = None,
        note: str = "",
        other: str = "",
    ) -> None:
        if self.closed:
            return
        entry = Entry(self.count, at, node, kind, event, note, other)
        self.count += 1
        if self.kept:
            self.entries.append(entry)
            self._hash.update(entry.line().encode("utf-8", "backslashreplace") + b"\n")
        for monitor in self.monitors:
            monitor(entry)

    def observer(self, node: str) -> Callable[[Event], None]:
        """For the kernel of that node."""

        def observe(event: Event) -> None:
            self.add(event.at, node, event.kind, event)

        return observe

    def watch(self, monitor: Monitor) -> None:
        """From the next entry on."""
        self.monitors = [*self.monitors, monitor]

    def close(self) -> None:
        """The run is over: what comes later is no part of it, and nobody watches any more."""
        self.closed = True
        self.monitors = []

    def unwatch(self, monitor: Monitor) -> None:
        # A new list: an entry under way is shown to all that were there when it came.
        self.monitors = [one for one in self.monitors if one != monitor]

    @property
    def digest(self) -> str:
        """In hex, over the lines of all kept entries up to now; empty when none are kept."""
        if not self.kept:
            return ""
        return self._hash.hexdigest()
