"""The way of each message through a log: where it was sent, where it arrived, or what became of it.

Within a node both are one entry. To another node, the sender's node tells of the message as its carrier takes it, and
the receiver's as it goes into a mailbox or to the task that waits.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable

import attrs

from kernel.debug import LoggedMessage
from kernel.events import EventKind
from runtime.sim.log_file import LogEntry
from runtime.sim.trace import WorldKind

_DELIVERED = {EventKind.APPENDED.value, EventKind.ANSWERED.value}


class Fate(enum.Enum):
    DELIVERED = "delivered"
    REFUSED = "refused"  # at the send
    DEAD = "dead letter"  # it arrived, and nobody wanted it
    LOST = "lost"
    UNDER_WAY = "under way"  # as the log ended


@attrs.define(eq=False)
class Journey:
    """`sent` and `ended` are numbers of entries. `sent` is None for what came from before the log, or from outside.

    `ended` is None while it is under way, and for what was lost. `sender` and `receiver` are (node, process).
    """

    message: LoggedMessage
    sender: tuple[str, str]
    receiver: tuple[str, str]
    sent: int | None
    ended: int | None
    fate: Fate
    returned: int | None = None
    """Where its sender was told that it failed."""
    reason: str = ""


_Key = tuple[int, bool, str, str, str]


def place(address: str) -> tuple[str, str]:
    """(node, process) of an address."""
    node, _, process = address.partition("@")
    return node, process


def journeys(entries: Iterable[LogEntry]) -> list[Journey]:
    """In the order in which they began."""
    tracker = Tracker()
    for entry in entries:
        tracker.see(entry)
    return tracker.finish()


class Tracker:
    """Sees one entry after the other."""

    def __init__(self) -> None:
        self.journeys: list[Journey] = []
        self._flying: dict[_Key, list[Journey]] = {}
        self._by_request: dict[tuple[int, str, str], Journey] = {}
        self._delivered: dict[_Key, Journey] = {}

    def see(self, entry: LogEntry) -> Journey | None:
        """The journey that this entry begins, ends, or tells of."""
        if entry.message is None:
            self._note_world(entry)
            return None
        if entry.kind in _DELIVERED:
            return self._moved(entry, entry.message, Fate.DELIVERED)
        if entry.kind == EventKind.DEAD_LETTER.value:
            return self._buried(entry, entry.message)
        if entry.kind == EventKind.RETURNED.value:
            return self._returned(entry, entry.message)
        return self.of(entry.message)

    def of(self, message: LoggedMessage) -> Journey | None:
        """The last one of this very message; of a failed one also as its sender takes it, labelled with its target."""
        found = (
            self._by_request.get(_request(message)) if message.request else self._delivered.get(_key(message))
        )
        return found or self._by_request.get((message.id, message.target, message.digest))

    def finish(self) -> list[Journey]:
        return self.journeys

    # -- what a kernel tells

    def _moved(self, entry: LogEntry, message: LoggedMessage, fate: Fate) -> Journey:
        sender, target = place(message.source), place(message.target)
        key = _key(message)
        if target[0] != entry.node:
            journey = self._begin(message, sender, target, entry.number, None, Fate.UNDER_WAY)
            self._flying.setdefault(key, []).append(journey)
            return journey
        receiver = (entry.node, entry.subject)
        flying = self._flying.get(key)
        if sender[0] == entry.node:
            journey = self._begin(message, sender, receiver, entry.number, entry.number, fate)
        elif flying:
            journey = flying.pop(0)
            journey.receiver, journey.ended, journey.fate = receiver, entry.number, fate
        else:
            journey = self._begin(message, sender, receiver, None, entry.number, fate)
        if journey.returned is None:  # else it says why it came back before it arrived
            journey.reason = entry.note
        if fate is Fate.DELIVERED:
            self._delivered[key] = journey
        return journey

    def _buried(self, entry: LogEntry, message: LoggedMessage) -> Journey | None:
        """A late answer, one that could not go, or the error of a request whose sender is gone."""
        key = _key(message)
        target = place(message.target)
        known = self._delivered.get(key)
        if message.request:
            known = self._by_request.get(_request(message))
        if known is not None or message.request:
            return known
        if target[0] == entry.node:
            return self._moved(entry, message, Fate.DEAD)
        flying = self._flying.get(key)
        if not flying:
            return self._begin(
                message, place(message.source), target, entry.number, None, Fate.REFUSED, entry.note
            )
        journey = flying.pop(0)
        journey.fate, journey.returned, journey.reason = Fate.LOST, entry.number, entry.note
        return journey

    def _returned(self, entry: LogEntry, message: LoggedMessage) -> Journey:
        journey = self._by_request.get(_request(message))
        if journey is None or journey.returned is not None:
            sender, target = place(message.source), place(message.target)
            journey = self._begin(message, sender, target, entry.number, None, Fate.REFUSED)
        elif journey.fate is Fate.UNDER_WAY:
            journey.fate = Fate.LOST
        journey.returned, journey.reason = entry.number, entry.note
        return journey

    def _begin(
        self,
        message: LoggedMessage,
        sender: tuple[str, str],
        receiver: tuple[str, str],
        sent: int | None,
        ended: int | None,
        fate: Fate,
        reason: str = "",
    ) -> Journey:
        journey = Journey(message, sender, receiver, sent, ended, fate, reason=reason)
        self.journeys.append(journey)
        if message.request:
            self._by_request[_request(message)] = journey
        return journey

    # -- what the world tells

    def _note_world(self, entry: LogEntry) -> None:
        if entry.kind == WorldKind.CRASHED.value:
            for journey in self.flying():
                if entry.node in {journey.sender[0], journey.receiver[0]}:
                    journey.fate = Fate.LOST
        elif entry.kind == WorldKind.LOST.value:
            for journey in self.carried_by(entry):
                journey.fate = Fate.LOST

    def flying(self) -> list[Journey]:
        """Sent to another node and not arrived; a lost one may still come, because carriers send again."""
        return [journey for flying in self._flying.values() for journey in flying]

    def carried_by(self, entry: LogEntry) -> list[Journey]:
        """Those under way whose id the note of an entry about a packet names."""
        words = entry.note.replace(",", " ").replace(":", " ").split()
        return [journey for journey in self.flying() if str(journey.message.id) in words]


def _key(message: LoggedMessage) -> _Key:
    """The same on both nodes. The target's process may go by two names, and an id may name a chain of messages."""
    node, _ = place(message.target)
    return message.id, message.request, message.source, node, message.digest


def _request(message: LoggedMessage) -> tuple[int, str, str]:
    return message.id, message.source, message.digest
