"""Two streams of numbered items between a pair of nodes, which outlive the links they travel on.

An item is sent again on the next link until the other side has settled it, and is taken there once. A side that knows
nothing of a stream has started anew: what it was sent before may or may not have been handled.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque

import attrs

from kernel.message import KernelMessage
from kernel.refusals import Refusal
from sys_processes.net.frames import LONGEST_DETAIL, BadFrame, Gap, Refuse, encode, encode_data

Place = tuple[int, int]
"""The name of a stream, and a number in it."""


@attrs.frozen
class FlowLimits:
    """Of one peer: what may be under way unsettled, and what may wait behind that."""

    flight_messages: int = 1024
    flight_bytes: int = 16 * 1024 * 1024
    line_messages: int = 16_384
    line_bytes: int = 64 * 1024 * 1024

    @property
    def unsettled(self) -> int:
        """Numbers that the other side may leave unacknowledged, those of refused messages and refusals among them."""
        return 4 * self.flight_messages


@attrs.define(eq=False)
class Outgoing:
    """A message of ours, packed, or the refusal of one of theirs. `tail` ends the packed message where that is large.

    `seq` is 0 until it was sent; a message that was refused has neither `envelope` nor bytes any more.
    """

    envelope: KernelMessage | None
    packed: bytes
    refuses: Place | None = None
    refusal: Refusal | None = None
    seq: int = 0
    tail: bytes = b""

    @property
    def size(self) -> int:
        return len(self.packed) + len(self.tail)

    @property
    def is_over(self) -> bool:
        """It only keeps its place among the numbers."""
        return self.envelope is None and self.refuses is None

    def frame(self) -> bytes:
        """Without the `tail`, which follows it."""
        if self.refuses is None or self.refusal is None:
            return encode_data(self.seq, self.packed, len(self.tail))
        (stream, of), refusal = self.refuses, self.refusal
        return encode(Refuse(self.seq, stream, of, refusal.kind, refusal.reason, refusal.detail))


class OutStream:
    """Ours to one peer."""

    def __init__(self, name: int, limits: FlowLimits) -> None:
        self.name = name
        self._limits = limits
        self.last = 0
        """The number that was given last."""
        self.written = 0
        """The number up to which the peer has all, or will have it from the present link."""
        self._sent: deque[Outgoing] = deque()
        """Unsettled, of consecutive numbers."""
        self._again: deque[Outgoing] = deque()
        self._refusals: deque[Outgoing] = deque()
        self._line: deque[Outgoing] = deque()
        self._line_bytes = 0
        self._flight = 0
        self._flight_bytes = 0
        self.refusals = 0
        """Those of which the peer may not know."""

    # -- what waits

    @property
    def is_idle(self) -> bool:
        """Nothing is unsettled and nothing waits."""
        return not (self._sent or self._line or self._refusals)

    @property
    def is_settled(self) -> bool:
        """Nothing was sent that the peer has not acknowledged."""
        return not self._sent

    @property
    def owes(self) -> bool:
        """Messages of ours are unsettled or wait. Refusals wait for the peer, who will come for them."""
        return bool(self._flight or self._line)

    @property
    def in_flight(self) -> int:
        """Messages sent and not settled."""
        return self._flight

    @property
    def waiting(self) -> int:
        return len(self._line)

    def has_room(self, size: int) -> bool:
        limits = self._limits
        line = self._line
        return len(line) < limits.line_messages and self._line_bytes + size <= limits.line_bytes

    def put(self, envelope: KernelMessage, packed: bytes, tail: bytes = b"") -> None:
        item = Outgoing(envelope, packed, tail=tail)
        self._line.append(item)
        self._line_bytes += item.size

    def refuse(self, of: Place, refusal: Refusal) -> None:
        """Goes before all that waits. Whoever hears the peer watches how many `refusals` there are."""
        detail = refusal.detail[:LONGEST_DETAIL].encode(errors="replace").decode()
        self._refusals.append(Outgoing(None, b"", of, Refusal(refusal.kind, refusal.reason, detail)))
        self.refusals += 1

    def forget_refusals(self, stream: int) -> None:
        """The peer has begun that stream: what was refused of an earlier one, and not told, matters to nobody."""
        kept = [item for item in self._refusals if item.refuses is not None and item.refuses[0] == stream]
        self.refusals -= len(self._refusals) - len(kept)
        self._refusals = deque(kept)

    def next(self) -> Outgoing | None:
        """What is to be sent now, if anything may."""
        if self._again:
            item = self._again.popleft()
            self.written = item.seq
            return item
        if self._refusals:
            return self._send(self._refusals.popleft())
        if self._line and self._may_fly(self._line[0].size):
            item = self._line.popleft()
            size = item.size
            self._line_bytes -= size
            self._flight += 1
            self._flight_bytes += size
            return self._send(item)
        return None

    def has_next(self) -> bool:
        return bool(self._again or self._refusals or (self._line and self._may_fly(self._line[0].size)))

    def _may_fly(self, size: int) -> bool:
        limits = self._limits
        if len(self._sent) >= limits.unsettled:
            return False
        return self._flight == 0 or (
            self._flight < limits.flight_messages and self._flight_bytes + size <= limits.flight_bytes
        )

    def _send(self, item: Outgoing) -> Outgoing:
        self.last += 1
        item.seq = self.written = self.last
        self._sent.append(item)
        return item

    # -- what became of it

    def settle(self, acked: int) -> list[Place]:
        """All up to `acked` are settled; those of theirs whose refusals the peer now has. Raises `BadFrame`."""
        if acked > self.last:
            raise BadFrame(f"number {acked} was acknowledged, {self.last} is the last that was sent")
        confirmed: list[Place] = []
        while self._sent and self._sent[0].seq <= acked:
            item = self._sent.popleft()
            self._landed(item)
            if item.refuses is not None:
                self.refusals -= 1
                confirmed.append(item.refuses)
        return confirmed

    def refused(self, of: int) -> KernelMessage | None:
        """The message of that number, which is settled now; None when it was before. Raises `BadFrame`."""
        if of > self.last:
            raise BadFrame(f"number {of} was refused, {self.last} is the last that was sent")
        place = of - self._sent[0].seq if self._sent else -1
        if place < 0:
            return None
        item = self._sent[place]
        self._landed(item)
        envelope, item.envelope = item.envelope, None
        item.packed = b""
        item.tail = b""
        return envelope

    def _landed(self, item: Outgoing) -> None:
        if item.envelope is not None:
            self._flight -= 1
            self._flight_bytes -= item.size

    def cut(self) -> None:
        """The link is gone: nothing is sent again before the next one begins."""
        self._again.clear()

    def resume(self, received: int) -> None:
        """On a new link to a peer that has all up to `received`. Raises `BadFrame`."""
        if received > self.last:
            raise BadFrame(f"number {received} was received, {self.last} is the last that was sent")
        again = [item for item in self._sent if item.seq > received]
        over = next((item for item in again if item.is_over), None)
        if over is not None:
            raise BadFrame(f"number {over.seq} was refused, and was not received now")
        self._again = deque(again)
        self.written = received

    def lost_track(self) -> list[KernelMessage]:
        """The peer knows nothing of this stream any more: what was sent and not settled. Numbers begin again."""
        uncertain = [item.envelope for item in self._sent if item.envelope is not None]
        refusals = [item for item in self._sent if item.refusal is not None]
        self._refusals.extendleft(reversed(refusals))
        self._sent.clear()
        self._again.clear()
        self._flight = self._flight_bytes = 0
        self.last = self.written = 0
        return uncertain

    def give_up(self, name: int) -> tuple[list[KernelMessage], list[KernelMessage]]:
        """What was sent and not settled, and what never was; nothing of it is sent again. A new stream of that name
        begins, with the refusals that the peer may not have.
        """
        uncertain = self.lost_track()
        unsent = [item.envelope for item in self._line if item.envelope is not None]
        self._line.clear()
        self._line_bytes = 0
        self.name = name
        return uncertain, unsent


class InStream:
    """One peer's to us.

    Two numbers say what of it is settled. On a link everything up to the oldest refusal that was not written there yet:
    what comes on it stays in order. To the next link only what comes before the oldest refusal of which the peer may
    not know.
    """

    def __init__(self) -> None:
        self.name = 0
        self.received = 0
        self._refused: list[int] = []
        """Their refusals may not have arrived. In order, though messages may be refused in any."""
        self._untold: list[int] = []
        """Of these, the ones that were not written to this link yet."""

    def reset(self, name: int) -> None:
        self.name = name
        self.received = 0
        self._refused.clear()
        self._untold.clear()

    @property
    def acked(self) -> int:
        """Settled for good, as the next link is told."""
        return self._refused[0] - 1 if self._refused else self.received

    @property
    def acked_here(self) -> int:
        """Settled for whoever has read this link up to here."""
        return self._untold[0] - 1 if self._untold else self.received

    @property
    def refused(self) -> int:
        """How many refusals the peer may not have."""
        return len(self._refused)

    def take(self, seq: int) -> bool:
        """Whether the item of that number is new. Raises `Gap` when one is missing before it, `BadFrame`."""
        if seq == 0:
            raise BadFrame("numbers begin with 1")
        if seq <= self.received:
            return False
        if seq != self.received + 1:
            raise Gap(f"number {seq} came after {self.received}")
        self.received = seq
        return True

    def check(self, after: int) -> None:
        """That all up to that number has come. Raises `Gap`."""
        if after > self.received:
            raise Gap(f"number {after} was written, {self.received} is the last that came")

    def refuse(self, seq: int) -> None:
        insort(self._refused, seq)
        insort(self._untold, seq)

    def begin(self) -> None:
        """A new link: nothing is written there yet."""
        self._untold = self._refused.copy()

    def told(self, place: Place) -> None:
        """That refusal was written to this link; one of an earlier stream changes nothing."""
        if place[0] == self.name:
            _discard(self._untold, place[1])

    def confirm(self, place: Place) -> None:
        """The peer has that refusal; one of an earlier stream changes nothing."""
        if place[0] == self.name:
            _discard(self._refused, place[1])
            _discard(self._untold, place[1])


def _discard(ordered: list[int], number: int) -> None:
    place = bisect_left(ordered, number)
    if ordered[place : place + 1] == [number]:
        del ordered[place]
