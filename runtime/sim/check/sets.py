"""Checkers of what grows: sets of values that were added, broadcast, or handed out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from itertools import chain

import attrs

from runtime.sim.check.history import VALID, Call, Checked, History, OpKind, Unfit, unknown, wrong


def unique_ids(history: History, *, generate: str = "generate") -> Checked:
    """No id was handed out twice."""
    given: dict[Hashable, Call] = {}
    for call in history.of(generate, OpKind.OK):
        number = call.result
        if number in given:
            return wrong(f"{call}: handed out before, by call {given[number].number}", given[number], call)
        given[number] = call
    return VALID


def _values(read: Call) -> list[Hashable]:
    if not isinstance(read.result, Iterable) or isinstance(read.result, (str, bytes)):
        raise Unfit(f"{read}: expected the values that were read")
    return list(read.result)


def _last_reads(history: History, f: str) -> dict[Hashable, Call]:
    """Of each process."""
    return {call.process: call for call in history.of(f, OpKind.OK)}


def acked_not_lost(history: History, *, add: str = "add", read: str = "read") -> Checked:
    """Whatever was acknowledged is in the last read of each process that began afterwards; and nothing is in it that
    nobody added, or that was refused. What has an unknown outcome may be there or not.
    """
    adds: dict[Hashable, list[Call]] = {}
    for call in history.of(add):
        adds.setdefault(call.value, []).append(call)
    last = _last_reads(history, read)
    if not last:
        return unknown(f"nobody read: end the run with a {read!r} of each process")
    for reader in last.values():
        there = dict.fromkeys(_values(reader))
        for value in there:
            if not any(call.may_have_happened for call in adds.get(value, ())):
                return wrong(f"{reader}: {value!r} was never added", reader)
        for call in chain.from_iterable(adds.values()):
            if call.is_ok and call.ended_before(reader) and call.value not in there:
                return wrong(f"{call} was acknowledged, and is lost in {reader}", call, reader)
    return VALID


@attrs.define(eq=False)
class _Element:
    """One value. `known` is the place in the history from which everybody may expect it."""

    sent: Call
    known: int | None
    seen: bool = False

    def note(self, read: Call) -> None:
        self.seen = True
        if read.end is not None and (self.known is None or read.end < self.known):
            self.known = read.end


class _Broadcasts:
    """All values and reads of a history."""

    def __init__(self, history: History, send: str, read: str) -> None:
        self.elements: dict[Hashable, _Element] = {}
        for call in history.of(send, OpKind.OK, OpKind.INFO):
            element = self.elements.setdefault(call.value, _Element(call, call.end))
            if call.end is not None and (element.known is None or call.end < element.known):
                element.sent, element.known = call, call.end
        self.reads = list(history.of(read, OpKind.OK))
        self.last = {call.process: call for call in self.reads}
        self.doubled: list[Call] = []

    def strange(self) -> Checked | None:
        """A read of something that nobody sent. Notes what is read."""
        for read in self.reads:
            for value, times in Counter(_values(read)).items():
                if value not in self.elements:
                    return wrong(f"{read}: {value!r} was never sent", read)
                self.elements[value].note(read)
                if times > 1:
                    self.doubled.append(read)
        return None

    def missing(self, value: Hashable) -> list[Call]:
        """The reads that began when it was known, and do not have it."""
        known = self.elements[value].known
        return [
            read
            for read in self.reads
            if known is not None and read.start > known and value not in _values(read)
        ]


def broadcast(history: History, *, send: str = "broadcast", read: str = "read") -> Checked:
    """An eventually consistent set. Wrong are values that are lost (not in the last read of some process, which began
    after they were known), doubled within a read, or never sent. `counts`: lost, stale (missing in a read, there in a
    later one), doubled, never_read, and the reads.
    """
    found = _Broadcasts(history, send, read)
    strange = found.strange()
    if strange is not None:
        return strange
    lost: list[tuple[_Element, Call]] = []
    stale = 0
    for value, element in found.elements.items():
        missing = found.missing(value)
        at_last = [one for one in missing if found.last[one.process] is one]
        if at_last:
            lost.append((element, at_last[0]))
        elif missing:
            stale += 1
    counts: dict[str, float] = {
        "lost": len(lost),
        "stale": stale,
        "doubled": len(found.doubled),
        "never_read": sum(one.known is not None and not one.seen for one in found.elements.values()),
        "reads": len(found.reads),
    }
    if lost:
        element, one = lost[0]
        return wrong(f"{element.sent} is lost in {one}", element.sent, one, **counts)
    if found.doubled:
        return wrong(f"{found.doubled[0]} has a value twice", found.doubled[0], **counts)
    if not found.reads:
        return Checked(None, f"nobody read: end the run with a {read!r} of each process", (), counts)
    return Checked(True, "", (), counts)
