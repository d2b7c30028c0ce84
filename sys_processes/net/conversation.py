"""What two nodes say on a link that is up: messages, what became of them, and whether anybody is there."""

from __future__ import annotations

from math import inf
from typing import assert_never

from kernel.refusals import Refusal
from sys_processes.net import reasons
from sys_processes.net.effects import Come, Deliver
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
    Relay,
    Welcome,
    encode,
)
from sys_processes.net.greeting import PING_SECONDS
from sys_processes.net.peering import ACCEPTED, LinkState, Peer, Stage
from sys_processes.net.table import Table

ROUTER_SHARE = 4
"""One router may bring this part of those who are not known yet, so that it cannot keep the others away."""
MISSES = 2
STALLS = 3
"""Checks that may find the other side taking, or settling, nothing of what we have for it."""
IDLE_SECONDS = 1800.0
COME_SECONDS = 5.0
"""From the news that somebody waits at a router to the proof of who he is."""
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
        if not link.owed and not peer.out.is_settled:
            # All of that was written by now.
            link.owed = peer.out.last
        place, size, after = len(parts), 0, peer.out.written
        while size < BATCH and (item := peer.out.next()) is not None:
            frame = item.frame()
            size += len(frame) + len(item.tail)
            parts += (frame, item.tail) if item.tail else (frame,)
            link.moved_at = now
            if item.refuses is not None:
                peer.into.told(item.refuses)
                place, after = len(parts), peer.out.written
        if link.ack_at <= now or (link.ack_at != inf and parts):
            # Behind the refusals, for it says that all before is settled; before messages, for these may be long.
            link.ack_at = inf
            link.unacked = 0
            parts.insert(place, encode(Ack(peer.into.acked_here, after)))
        return parts

    # -- in

    def hear(self, link: LinkState, peer: Peer, frame: Frame, now: float) -> None:
        """Raises `BadFrame`."""
        match frame:
            case Data(seq, fields):
                is_new = peer.into.take(seq)
                self._arrived(link, peer, now)
                if is_new:
                    self._take(peer, seq, fields, now)
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
            case Pong():
                self._ponged(link, peer, frame, now)
            case Relay(token):
                self._come(peer, token, now)
            case Bye() | Hello() | Challenge() | Proof() | Welcome():
                raise BadFrame(f"{type(frame).__name__} has no place on a link that is up")
            case _:
                assert_never(frame)

    @staticmethod
    def _ponged(link: LinkState, peer: Peer, pong: Pong, now: float) -> None:
        if pong.number == link.ping_number:
            peer.round_trip = now - link.pinged_at

    def _arrived(self, link: LinkState, peer: Peer, now: float) -> None:
        peer.tries = peer.failures = 0
        link.moved_at = now
        if peer.out.refusals > self._table.limits.flow.unsettled:
            raise BadFrame("too many refused messages, and their refusals are not acknowledged")
        self._table.owe_ack(peer, now)

    def _take(self, peer: Peer, seq: int, fields: object, now: float) -> None:
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
        signatures = len(envelope.message.capabilities)
        if signatures and not peer.signatures.take(signatures, now):
            self._table.refuse(peer, seq, reasons.too_many_signatures(self._node))
            return
        self._table.add(Deliver(peer.name, seq, envelope))

    def _came_back(self, peer: Peer, refuse: Refuse) -> None:
        if refuse.stream != peer.out.name:
            return
        envelope = peer.out.refused(refuse.of)
        if envelope is not None:
            refusal = Refusal(refuse.kind, refuse.reason, refuse.detail)
            self._table.give_back(envelope, refusal, definite=True)

    def _come(self, peer: Peer, token: bytes, now: float) -> None:
        """Somebody waits for us at our router. He is one more of whom nobody knows yet who he is."""
        table = self._table
        if peer.name not in table.routing.routers:
            raise BadFrame(f"{peer.name} is no router of {self._node}")
        record = table.around.find(peer.name)
        unproven = [link for link in table.links.values() if link.stage in ACCEPTED]
        came_so = sum(link.through == peer.name for link in unproven)
        most = table.limits.greetings
        if (
            record is None
            or record.address is None
            or len(unproven) >= most
            or came_so >= most // ROUTER_SHARE
        ):
            text = f"somebody who waits at {peer.name} is left there: {len(unproven)} are unproven"
            table.report(peer.name, 1, text)
            return
        link = table.add_link(Stage.LISTENING, now, now + COME_SECONDS)
        link.through = peer.name
        table.add(Come(link.number, record, token))

    def _settle(self, link: LinkState, peer: Peer, seq: int, now: float) -> None:
        peer.tries = peer.failures = 0
        places = peer.out.settle(seq)
        if seq >= link.owed:
            link.owed = 0
        for place in places:
            peer.into.confirm(place)
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
        if peer.is_kept:
            # It has lived, and may wait for long before it brings anything.
            peer.tries = peer.failures = 0
        if now - link.moved_at >= IDLE_SECONDS and peer.is_quiet:
            self._table.detach(peer)
            self._table.close(link, Bye(Goodbye.idle))
        elif now - link.heard_at >= PING_SECONDS:
            if link.unanswered >= MISSES:
                return f"nothing was heard for {now - link.heard_at:.0f} s"
            link.unanswered += 1
            link.ping_due = True
            self._table.tell(link)
        return None
