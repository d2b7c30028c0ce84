"""What two nodes say on a link that is up: messages, what became of them, and whether anybody is there."""

from __future__ import annotations

from math import inf
from typing import assert_never

from kernel.refusals import Refusal
from sys_processes.net import reasons
from sys_processes.net.effects import Deliver
from sys_processes.net.envelopes import BadMessage, read_message
from sys_processes.net.frames import (
    Ack,
    BadFrame,
    Bye,
    Challenge,
    Data,
    Frame,
    Goodbye,
    Hello,
    Ping,
    Pong,
    Proof,
    Refuse,
    Welcome,
    encode,
)
from sys_processes.net.greeting import PING_SECONDS
from sys_processes.net.peering import LinkState, Peer
from sys_processes.net.table import Table

MISSES = 2
STALLS = 3
"""Checks that may find the other side taking, or settling, nothing of what we have for it."""
IDLE_SECONDS = 1800.0
BATCH = 64 * 1024
"""Bytes from which on one write takes no further frame."""


class Conversation:
    def __init__(self, node: str, table: Table) -> None:
        self._node = node
        self._table = table

    # -- out

    @staticmethod
    def output(link: LinkState, peer: Peer, now: float) -> list[bytes]:
        """The frames to write next. What is asked for here counts as sent."""
        parts: list[bytes] = []
        if link.ping_due:
            link.ping_due = False
            link.ping_number += 1
            link.pinged_at = now
            parts.append(encode(Ping(link.ping_number)))
        if link.pong_due is not None:
            parts.append(encode(Pong(link.pong_due)))
            link.pong_due = None
        if link.ack_at <= now or (link.ack_at != inf and (parts or peer.out.has_next())):
            link.ack_at = inf
            link.unacked = 0
            parts.append(encode(Ack(peer.into.acked, peer.out.written)))
        if not link.owed and peer.out.in_flight:
            # All of that was written by now.
            link.owed = peer.out.last
        size = 0
        while size < BATCH and (item := peer.out.next()) is not None:
            frame = item.frame()
            size += len(frame)
            parts.append(frame)
            link.moved_at = now
        return parts

    # -- in

    def hear(self, link: LinkState, peer: Peer, frame: Frame, now: float) -> None:
        """Raises `BadFrame`."""
        match frame:
            case Data(seq, fields):
                is_new = peer.into.take(seq)
                self._arrived(link, peer, now)
                if is_new:
                    self._take(peer, seq, fields)
            case Refuse():
                is_new = peer.into.take(frame.seq)
                self._arrived(link, peer, now)
                if is_new:
                    self._came_back(peer, frame)
            case Ack(seq, after):
                peer.into.check(after)
                self._settle(link, peer, seq, now)
            case Ping(number):
                link.pong_due = number
                self._table.tell(link)
            case Pong(number):
                if number == link.ping_number:
                    peer.round_trip = now - link.pinged_at
            case Bye() | Hello() | Challenge() | Proof() | Welcome():
                raise BadFrame(f"{type(frame).__name__} has no place on a link that is up")
            case _:
                assert_never(frame)

    def _arrived(self, link: LinkState, peer: Peer, now: float) -> None:
        peer.tries = peer.failures = 0
        link.moved_at = now
        if peer.into.refused > 2 * self._table.limits.flow.flight_messages:
            raise BadFrame("too many refused messages, and their refusals are not acknowledged")
        self._table.owe_ack(peer, now)

    def _take(self, peer: Peer, seq: int, fields: object) -> None:
        try:
            envelope = read_message(fields)
        except BadMessage as error:
            self._table.refuse(peer, seq, reasons.unreadable(self._node, str(error)))
            return
        if envelope.source.node != peer.name:
            raise BadFrame(f"{peer.name} sent a message of {envelope.source.node!r:.80}")
        if envelope.target.node != self._node:
            self._table.refuse(peer, seq, reasons.not_for_us(envelope, self._node))
            return
        self._table.add(Deliver(peer.name, seq, envelope))

    def _came_back(self, peer: Peer, refuse: Refuse) -> None:
        if refuse.stream != peer.out.name:
            return
        envelope = peer.out.refused(refuse.of)
        if envelope is not None:
            refusal = Refusal(refuse.kind, refuse.reason, refuse.detail)
            self._table.give_back(envelope, refusal, definite=True)

    def _settle(self, link: LinkState, peer: Peer, seq: int, now: float) -> None:
        peer.tries = peer.failures = 0
        places = peer.out.settle(seq)
        if seq >= link.owed:
            link.owed = 0
        for place in places:
            peer.into.confirm(place)
        if places:
            self._table.owe_ack(peer, now)
        self._table.wake(peer)

    # -- every 30 s

    @staticmethod
    def is_stalled(link: LinkState) -> bool:
        """Counts, and does not measure: the clock may have jumped."""
        writes = link.told and not link.took
        settles = link.owed != 0 and link.owed == link.owed_before
        link.stuck = link.stuck + 1 if writes or settles else 0
        link.took = False
        link.owed_before = link.owed
        return link.stuck >= STALLS

    def check(self, link: LinkState, peer: Peer, now: float) -> str | None:
        """Whether anybody is there, and there is any use. A text: nobody is."""
        link.deadline = now + PING_SECONDS
        if now - link.moved_at >= IDLE_SECONDS and peer.out.is_idle:
            self._table.detach(peer)
            self._table.close(link, Bye(Goodbye.idle))
        elif now - link.heard_at >= PING_SECONDS:
            if link.unanswered >= MISSES:
                return f"nothing was heard for {now - link.heard_at:.0f} s"
            link.unanswered += 1
            link.ping_due = True
            self._table.tell(link)
        return None
