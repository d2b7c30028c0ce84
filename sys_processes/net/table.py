"""The peers and the links of a node, and what is to be done about them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from math import inf

import attrs

from kernel.message import KernelMessage
from kernel.refusals import Refusal
from sys_processes.net import reasons
from sys_processes.net.effects import CloseLink, Dial, Effect, GiveBack, Ready, Report
from sys_processes.net.frames import Bye, Goodbye, encode
from sys_processes.net.peering import LinkState, Peer, Stage
from sys_processes.net.protocol import IdentityRecord
from sys_processes.net.routing import Routing
from sys_processes.net.streams import FlowLimits

ACK_SECONDS = 0.05
ACK_BYTES = 32 * 1024
REST_SECONDS = 2.0
LONGEST_REST = 60.0
LONGEST_ABSENCE = 4.0
"""A node that is away may be back at any moment, and to try costs one dial, which only a message for it causes. Who
turns us away is there, and is asked less and less.
"""
_MOST_DOUBLINGS = 5


@attrs.frozen
class NetLimits:
    peers: int = 1024
    """With a link, at a time. One that is idle costs some 40 KiB."""
    greetings: int = 64
    """Links of which nobody has proven yet who is there."""
    remembered: int = 4096
    """Sessions, with or without a link."""
    passages: int = 0
    """Links between others that go through this node, at a time."""
    flow: FlowLimits = attrs.Factory(FlowLimits)


@attrs.frozen
class Surroundings:
    """What the core may ask: the registry, the node's key, chance."""

    find: Callable[[str], IdentityRecord | None]
    sign: Callable[[bytes], bytes]
    draw: Callable[[str, int], int]
    secret: Callable[[str, int], bytes]


class Table:
    """What every part of the core does to peers and links. `due` is the next time at which something is to happen."""

    def __init__(self, around: Surroundings, limits: NetLimits, routing: Routing) -> None:
        self.around = around
        self.limits = limits
        self.routing = routing
        self.peers: dict[str, Peer] = {}
        self.links: dict[int, LinkState] = {}
        self.due = inf
        self._acks_at = -inf
        """When acknowledgements are sent that found no company. All links have it in common: `tick` looks at each."""
        self._numbers = count(1)
        self._effects: list[Effect] = []
        self._ready: list[Effect] = []

    # -- effects

    def take_effects(self) -> list[Effect]:
        """Writing comes last: what is acknowledged then was delivered, or refused, before."""
        effects = self._effects
        if self._ready:
            effects += self._ready
            self._ready = []
        self._effects = []
        return effects

    def add(self, effect: Effect) -> None:
        self._effects.append(effect)

    def give_back(self, envelope: KernelMessage, refusal: Refusal, *, definite: bool) -> None:
        self._effects.append(GiveBack(envelope, refusal, definite))

    def report(self, about: str, verbosity: int, text: str) -> None:
        self._effects.append(Report(about, verbosity, text))

    def arm(self, when: float) -> None:
        self.due = min(self.due, when)

    # -- writing

    def say(self, link: LinkState, frame: bytes) -> None:
        """Before everything that waits in the stream."""
        link.control.append(frame)
        self.tell(link)

    def tell(self, link: LinkState) -> None:
        """There is something to write."""
        if not link.told:
            link.told = True
            self._ready.append(Ready(link.number))

    def wake(self, peer: Peer) -> None:
        """What waits in its stream may be sendable now."""
        link = peer.link
        if link is not None and link.stage is Stage.UP and peer.out.has_next():
            self.tell(link)

    def owe_ack(self, peer: Peer, now: float) -> None:
        """Soon, or at once when much has come: most Requests are answered by a message that can take it along."""
        link = peer.link
        if link is None or link.stage is not Stage.UP:
            return
        if link.unacked >= ACK_BYTES:
            link.ack_at = now
            self.tell(link)
        elif link.ack_at == inf:
            if self._acks_at <= now:
                self._acks_at = now + ACK_SECONDS
            link.ack_at = self._acks_at
            self.arm(link.ack_at)

    def refuse(self, peer: Peer, seq: int, refusal: Refusal) -> None:
        """A message of theirs was not taken."""
        peer.into.refuse(seq)
        peer.out.refuse((peer.into.name, seq), refusal)
        self.wake(peer)

    # -- links

    def add_link(self, stage: Stage, now: float, deadline: float) -> LinkState:
        link = LinkState(next(self._numbers), stage, deadline)
        link.heard_at = link.moved_at = now
        self.links[link.number] = link
        self.arm(deadline)
        return link

    def dial(self, peer: Peer, record: IdentityRecord, now: float, deadline: float) -> None:
        """Or, where only the other side can dial, wait for it to do so."""
        peer.record = record
        routers = self.routing.ways(record)
        if record.address is None and not routers:
            if self.routing.serves(record):
                peer.expecting_until = deadline
                self.arm(deadline)
            else:
                self.fail(peer, self.routing.obstacle(record), now)
            return
        if routers:
            # A router that lets links through and then spoils them must not come first for ever.
            first = (peer.tries + peer.failures) % len(routers)
            routers = routers[first:] + routers[:first]
        peer.turn += 1
        link = peer.link = self.add_link(Stage.OPENING, now, deadline)
        link.peer = peer
        link.record = record
        self._effects.append(Dial(link.number, record, routers))

    def close(self, link: LinkState, bye: Bye | None = None) -> None:
        """Whose link it is must be told apart, or forget it."""
        if link.is_closing:
            return
        link.stage = Stage.CLOSING
        if bye is not None:
            self.say(link, encode(bye))
        self._effects.append(CloseLink(link.number))

    def detach(self, peer: Peer) -> None:
        """The peer has no link any more, nor one under way."""
        peer.link = None
        peer.is_kept = peer.name in self.routing.routers
        peer.expecting_until = None
        peer.out.cut()

    def fail(self, peer: Peer, why: str, now: float, *, refused: bool = False) -> None:
        """No way to that node for now: all that waits for it goes back, and it is left alone for a while."""
        link = peer.link
        self.detach(peer)
        if link is not None:
            self.close(link)
        longest = LONGEST_REST if refused or peer.is_kept else LONGEST_ABSENCE
        rest = min(REST_SECONDS * 2 ** min(peer.failures, _MOST_DOUBLINGS), longest)
        peer.failures += 1
        peer.tries = 0
        peer.why = why
        peer.rest_until = now + rest * (0.75 + self.around.draw("rest", 16) / 2**17)
        if peer.is_kept:
            self.arm(peer.rest_until)
        self.return_all(peer, why, refused=refused)

    def return_all(self, peer: Peer, why: str, *, refused: bool = False) -> None:
        refusal = reasons.link_refused(peer.name, why) if refused else reasons.unreachable(peer.name, why)
        uncertain, unsent = peer.out.give_up(self._name_stream())
        for envelope in uncertain:
            self.give_back(envelope, refusal, definite=False)
        for envelope in unsent:
            self.give_back(envelope, refusal, definite=True)

    # -- peers

    def remember(self, name: str) -> Peer:
        """The session with that node, perhaps a new one in the place of the oldest that nothing hangs on."""
        found = self.peers.get(name)
        if found is not None:
            return found
        if len(self.peers) >= self.limits.remembered:
            old = next((peer for peer in self.peers.values() if peer.is_forgettable), None)
            if old is not None:
                del self.peers[old.name]
        instance = self.around.draw("session", 63) + 1
        peer = Peer(name, instance=instance, stream=self._name_stream(), limits=self.limits.flow)
        self.peers[name] = peer
        return peer

    def _name_stream(self) -> int:
        return self.around.draw("stream", 63) + 1

    def make_place(self, peer: Peer) -> bool:
        """Whether one more link fits, if need be in the place of the one that was quiet for longest."""
        linked = [other.link for other in self.peers.values() if other is not peer and other.link is not None]
        if len(linked) < self.limits.peers:
            return True
        quiet = [link for link in linked if link.peer is not None and link.peer.is_quiet]
        if not quiet:
            return False
        oldest = min(quiet, key=lambda link: link.moved_at)
        assert oldest.peer is not None
        self.detach(oldest.peer)
        self.close(oldest, Bye(Goodbye.idle))
        return True
