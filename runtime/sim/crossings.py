"""Messages from one node to another, from the send to the arrival, as a trace tells it.

The two ends see different envelopes, so a message is known by its sender, the node it goes to, its id and its form.
A relay may send the same of these twice; then they count.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from math import inf

import attrs

from kernel.address import Address
from kernel.message import KernelMessage, Response

CARRY_SECONDS = 300.0
"""The carrier gives up a node that takes nothing after 2 minutes (docs/nodes.md); this is that, with room."""

_Key = tuple[Address, str, int, bool]


@attrs.define(eq=False)
class Crossing:
    """`boot` counts the lives of the sending node, `number` is that of the entry that tells the send."""

    envelope: KernelMessage
    boot: int
    number: int
    since: float


def _key(message: KernelMessage, to: str) -> _Key:
    return message.source, to, message.id, message.message.__class__ is Response


class Crossings:
    """Which messages are on their way, and which pairs of nodes got something across when."""

    def __init__(self) -> None:
        self._waiting: dict[_Key, deque[Crossing]] = {}
        self._owed: dict[KernelMessage, Crossing] = {}
        self._progress: dict[tuple[str, str], float] = {}
        self._resumed: dict[str, float] = {}

    def send(self, message: KernelMessage, boot: int, number: int, at: float) -> None:
        crossing = Crossing(message, boot, number, at)
        self._waiting.setdefault(_key(message, message.target.node), deque()).append(crossing)
        self._owed[message] = crossing

    def arrive(self, message: KernelMessage, to: str, at: float) -> Crossing | None:
        """The send that this is the arrival of; None when all of them have arrived before, or there was none."""
        key = _key(message, to)
        waiting = self._waiting.get(key)
        if waiting is None:
            return None
        crossing = waiting.popleft()
        if not waiting:
            del self._waiting[key]
        self._owed.pop(crossing.envelope, None)
        self._progress[message.source.node, to] = at
        return crossing

    def give_back(self, message: KernelMessage) -> None:
        """Its sender's kernel was done with it. It may have arrived all the same, or arrive yet."""
        self._owed.pop(message, None)

    def forget(self, node: str) -> None:
        """The node is gone with all it owed. What was on the wire may still arrive."""
        self._owed = {message: one for message, one in self._owed.items() if message.source.node != node}
        self._resumed.pop(node, None)

    def pause(self, node: str) -> None:
        """It is stopped, and can give up nothing until it is not."""
        self._resumed[node] = inf

    def resume(self, node: str, at: float) -> None:
        """It was stopped until now, and could not give up anything."""
        self._resumed[node] = at

    def under_way(self) -> Iterator[tuple[str, str]]:
        """From which node to which, of each that neither arrived nor came back."""
        for message in self._owed:
            yield message.source.node, message.target.node

    def stuck(self, now: float) -> Crossing | None:
        """The oldest that neither arrived nor came back within `CARRY_SECONDS`, while nothing else got across."""
        for message, crossing in self._owed.items():
            node = message.source.node
            pair = node, message.target.node
            moved = max(crossing.since, self._progress.get(pair, 0.0), self._resumed.get(node, 0.0))
            if moved + CARRY_SECONDS < now:
                return crossing
        return None
