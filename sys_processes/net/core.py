"""Decides what happens between this node and the others; performs nothing (PROTOCOL 9.2-9.4, DESIGN section 6).

Each call says what happened and gives back what to do about it. There is one session per peer and at most one link that
counts. Sessions outlive links: whatever happens to a link, each message has one outcome.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

import attrs

from kernel.message import KernelMessage
from kernel.refusals import Refusal
from sys_processes.net import reasons
from sys_processes.net.conversation import STALLS, Conversation
from sys_processes.net.effects import STRANGERS, Deliver, Effect
from sys_processes.net.envelopes import LARGEST, Untransportable, pack_parts
from sys_processes.net.frames import BadFrame, Bye, Frame, Gap, Goodbye
from sys_processes.net.greeting import PING_SECONDS, Greeting
from sys_processes.net.passages import Asker, NoPassage, Passages
from sys_processes.net.peering import ACCEPTED, DIALLED, LinkState, Peer, Stage
from sys_processes.net.routing import Routing
from sys_processes.net.table import REST_SECONDS, NetLimits, Surroundings, Table

DIAL_SECONDS = 5.0
TRIES = 3
"""Links that may end in a row without having brought anything, before all that waits goes back."""


@attrs.frozen
class PeerState:
    """One line of `nectar peers`. `state` is up, connecting, resting or idle; `round_trip` is in seconds."""

    name: str
    state: str
    round_trip: float | None
    in_flight: int
    waiting: int


class Core:
    """`now` is seconds on a clock that never goes back; `due` is when `tick` wants to be called next."""

    def __init__(
        self, node: str, key: bytes, around: Surroundings, limits: NetLimits | None = None,
        routers: Sequence[str] = (),
    ) -> None:  # fmt: skip
        """`routers`: links with these are kept, for others to reach this node through them."""
        limits = limits or NetLimits()
        self._find = around.find
        routing = Routing(node, around.find, routers, limits.passages)
        self._table = Table(around, limits, routing)
        self._greeting = Greeting(node, key, self._table)
        self._conversation = Conversation(node, self._table)
        self.passages = Passages(self._table, key)

    @property
    def due(self) -> float:
        return self._table.due

    # -- messages

    def send(self, envelope: KernelMessage, now: float) -> list[Effect]:
        """One of ours, to the node it names."""
        refusal = self._send(envelope, now)
        if refusal is not None:
            self._table.give_back(envelope, refusal, definite=True)
        return self._table.take_effects()

    def _send(self, envelope: KernelMessage, now: float) -> Refusal | None:
        name = envelope.target.node
        try:
            packed, tail = pack_parts(envelope)
        except Untransportable as error:
            return reasons.no_wire_form(str(error))
        size = len(packed) + len(tail)
        if size > LARGEST:
            return reasons.too_large(size)
        peer = self._table.peers.get(name)
        if peer is None or not peer.is_reachable:
            return self._begin(envelope, packed, tail, now)
        if not peer.out.has_room(size):
            return reasons.line_full(name, peer.out.waiting)
        peer.out.put(envelope, packed, tail)
        self._table.wake(peer)
        return None

    def _begin(self, envelope: KernelMessage, packed: bytes, tail: bytes, now: float) -> Refusal | None:
        """The first message in a while to that node."""
        name = envelope.target.node
        record = self._find(name)
        if record is None:
            return reasons.unknown_node(name)
        peer = self._table.remember(name)
        refusal = self._greeting.may_dial(peer, now)
        if refusal is None:
            peer.out.put(envelope, packed, tail)
            self._table.dial(peer, record, now, now + DIAL_SECONDS)
        return refusal

    def not_taken(self, delivery: Deliver, refusal: Refusal) -> list[Effect]:
        """A local process did not take what was delivered."""
        self._table.refuse(self._table.peers[delivery.peer], delivery.seq, refusal)
        return self._table.take_effects()

    # -- links

    def accept(self, now: float) -> tuple[int, list[Effect]]:
        """Somebody has opened a link to us: its number."""
        table = self._table
        link = table.add_link(Stage.LISTENING, now, now + DIAL_SECONDS)
        unproven = sum(other.stage in ACCEPTED for other in table.links.values())
        if unproven > table.limits.greetings:
            table.report(
                STRANGERS, 1, f"{unproven - 1} links wait for a proof of who is there: one more is refused"
            )
            table.close(link, Bye(Goodbye.busy))
        return link.number, table.take_effects()

    def opened(self, number: int, proven_key: bytes | None, now: float) -> list[Effect]:
        """A dial reached the other side, which has proven that key."""
        link = self._table.links.get(number)
        if link is not None and link.stage is Stage.OPENING:
            self._greeting.opened(link, proven_key, now)
        return self._table.take_effects()

    def dial_failed(self, number: int, why: str, now: float) -> list[Effect]:
        link = self._table.links.pop(number, None)
        if link is not None and link.peer is not None and link.peer.link is link:
            link.peer.link = None
            self._table.fail(link.peer, why, now)
        return self._table.take_effects()

    def received(self, number: int, data: bytes | bytearray, now: float) -> list[Effect]:
        link = self._table.links.get(number)
        if link is None or link.is_closing:
            return []
        link.heard_at = now
        link.unanswered = 0
        link.unacked += len(data)
        link.parser.feed(data)
        try:
            while not link.is_closing and (frame := link.parser.take()) is not None:
                self._hear(link, frame, now)
        except Gap as error:
            self._missed(link, str(error), now)
        except BadFrame as error:
            self._break(link, str(error), now)
        return self._table.take_effects()

    def _hear(self, link: LinkState, frame: Frame, now: float) -> None:
        if link.stage is not Stage.UP:
            self._greeting.hear(link, frame, now)
            return
        assert link.peer is not None
        if isinstance(frame, Bye):
            self._left(link, link.peer, frame, now)
        else:
            self._conversation.hear(link, link.peer, frame, now)

    def output(self, number: int, now: float) -> bytes:
        """What to write next, not more than `PIECE`, and then to ask again; nothing means to wait for `Ready`."""
        link = self._table.links.get(number)
        if link is None:
            return b""
        if not link.unwritten:
            link.unwritten.extend(link.control)
            link.control.clear()
            if link.stage is Stage.UP:
                assert link.peer is not None
                link.unwritten.extend(self._conversation.output(link, link.peer, now))
        link.told = bool(link.unwritten)
        link.took = True
        return link.next_piece()

    def wrote(self, number: int) -> None:
        """The other side took some of the output."""
        link = self._table.links.get(number)
        if link is not None:
            link.took = True

    # -- how links end

    def lost(self, number: int, why: str, now: float) -> list[Effect]:
        """The link is gone: closed by either side, or cut. To be said of every link once."""
        link = self._table.links.pop(number, None)
        if link is not None and not link.is_closing:
            self._lost(link, why, now)
        return self._table.take_effects()

    def _lost(self, link: LinkState, why: str, now: float) -> None:
        """Try again while there is hope, and somebody waits."""
        peer = link.peer
        if peer is None or peer.link is not link:
            return
        dialling = link.stage in DIALLED
        if link.stage is Stage.UP:
            peer.lost_at = now
        self._table.detach(peer)
        if not (peer.out.owes or peer.name in self._table.routing.routers):
            return
        peer.tries += 1
        record = self._find(peer.name)
        if record is None or peer.tries >= TRIES:
            self._table.fail(peer, why, now)
        else:
            self._table.dial(peer, record, now, link.deadline if dialling else now + DIAL_SECONDS)

    def _left(self, link: LinkState, peer: Peer, bye: Bye, now: float) -> None:
        """The other side ends a link that worked."""
        if bye.reason in {Goodbye.busy, Goodbye.refused}:
            self._table.fail(peer, f"it says: {bye.detail or bye.reason}", now, refused=True)
        else:
            self._lost(link, "it closed the link", now)
            self._table.close(link)

    def _missed(self, link: LinkState, problem: str, now: float) -> None:
        """This link lost something. What is sent again on the next one is in order."""
        assert link.peer is not None
        self._table.report(link.peer.name, 1, f"closed the link of {link.peer.name}: {problem}")
        self._lost(link, problem, now)
        self._table.close(link)

    def _break(self, link: LinkState, problem: str, now: float) -> None:
        """What came makes no sense: this link cannot go on, and a new one would hardly fare better at once."""
        peer = link.peer
        who = "somebody unproven" if peer is None else peer.name
        about = STRANGERS if peer is None else peer.name
        self._table.report(about, 2 if peer is None else 1, f"closed the link of {who}: {problem}")
        self._table.close(link, Bye(Goodbye.refused, problem))
        if peer is not None and peer.link is link:
            self._table.fail(peer, problem, now, refused=True)

    def stop(self) -> list[Effect]:
        """This process ends: everything goes back."""
        for peer in self._table.peers.values():
            self._table.return_all(peer, "this node stops carrying messages")
        return self._table.take_effects()

    # -- the registry, and time

    def registry_changed(self, now: float) -> list[Effect]:
        """Links by a key that counts no longer end, and who has a new address is tried again at once."""
        table = self._table
        for peer in table.peers.values():
            record, link = self._find(peer.name), peer.link
            key = None if record is None else record.public_key
            if link is not None and link.record is not None and link.record.public_key != key:
                why = f"the key of {peer.name} by which it began does not count any more"
                table.report(peer.name, 1, f"closed the link of {peer.name}: {why}")
                table.close(link, Bye(Goodbye.refused, why))
                table.fail(peer, why, now, refused=True)
            elif record != peer.record or (record is not None and record.routers):
                peer.rest_until = 0.0
                peer.failures = 0
        self._keep(now)
        return table.take_effects()

    def tick(self, now: float) -> list[Effect]:
        table = self._table
        table.due = inf
        for link in list(table.links.values()):
            if link.deadline <= now and not link.is_closing:
                self._overdue(link, now)
            if link.ack_at <= now and not link.is_closing:
                table.tell(link)
            if not link.is_closing:
                table.arm(min(link.deadline, link.ack_at if link.ack_at > now else inf))
        for peer in table.peers.values():
            until = peer.expecting_until
            if until is not None and until <= now:
                table.fail(peer, f"its own link did not come within {DIAL_SECONDS:g} s", now)
            elif until is not None:
                table.arm(until)
        self._keep(now)
        return table.take_effects()

    def start(self, now: float) -> list[Effect]:
        """Before anything else."""
        self._keep(now)
        return self._table.take_effects()

    def _keep(self, now: float) -> None:
        """There is, or will be, a link with each router of ours that is known."""
        table = self._table
        for name in table.routing.routers:
            record = self._find(name)
            peer = None if record is None else table.remember(name)
            if record is None or peer is None or peer.is_reachable:
                continue
            peer.is_kept = True
            if now < peer.rest_until:
                table.arm(peer.rest_until)
            elif table.make_place(peer):
                table.dial(peer, record, now, now + DIAL_SECONDS)
            else:
                table.arm(now + REST_SECONDS)

    def _overdue(self, link: LinkState, now: float) -> None:
        peer = link.peer
        if peer is None or peer.link is not link:
            self._table.close(link)
            return
        if link.stage is not Stage.UP:
            self._table.fail(peer, f"no answer within {DIAL_SECONDS:g} s", now)
            return
        if self._conversation.is_stalled(link):
            self._table.fail(peer, f"nothing was taken there for {STALLS * PING_SECONDS:g} s", now)
            return
        silent = self._conversation.check(link, peer, now)
        if silent is not None:
            self._lost(link, silent, now)
            self._table.close(link)

    # -- others who go through this node

    def pass_on(self, asker: Asker, now: float) -> tuple[bytes | NoPassage, list[Effect]]:
        """The token with which the target was asked to come. Say `passages.over` when it is over."""
        granted = self.passages.grant(asker, now)
        return granted, self._table.take_effects()

    # -- what can be seen

    def peers(self, now: float) -> list[PeerState]:
        """Every session, in order of first contact."""
        return [
            PeerState(peer.name, peer.state(now), peer.round_trip, peer.out.in_flight, peer.out.waiting)
            for peer in self._table.peers.values()
        ]
