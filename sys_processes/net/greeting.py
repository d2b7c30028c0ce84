"""How a link begins: who is there is proven, and both sides go on where their last link ended (PROTOCOL 9.3).

When both sides dial at once, the node with the smaller name decides: if its own dial has reached the other side it
turns the other one away, else it takes it and gives its own up.
"""

from __future__ import annotations

from kernel.refusals import Refusal
from sys_processes.net import reasons
from sys_processes.net.effects import STRANGERS
from sys_processes.net.frames import (
    FRAME_LIMIT,
    NONCE_BYTES,
    VERSION,
    Ack,
    BadFrame,
    Bye,
    Challenge,
    Data,
    Frame,
    Gap,
    Goodbye,
    Hello,
    Ping,
    Pong,
    Proof,
    Refuse,
    Relay,
    Session,
    Welcome,
    encode,
)
from sys_processes.net.identity import LinkStatement, is_signed
from sys_processes.net.peering import DIALLED, LinkState, Peer, Stage
from sys_processes.net.protocol import IdentityRecord
from sys_processes.net.streams import Place
from sys_processes.net.table import Table

PING_SECONDS = 30.0


class Greeting:
    """Everything about links that are not up yet."""

    def __init__(self, node: str, key: bytes, table: Table) -> None:
        self._node = node
        self._key = key
        self._table = table

    def may_dial(self, peer: Peer, now: float) -> Refusal | None:
        if now < peer.rest_until:
            return reasons.resting(peer.name, peer.why, peer.rest_until - now)
        if not self._table.make_place(peer):
            text = f"{self._table.limits.peers} nodes are connected, and all are busy"
            return reasons.link_refused(peer.name, text)
        return None

    def opened(self, link: LinkState, proven_key: bytes | None, now: float) -> None:
        """A dial reached the other side, which has proven that key."""
        peer, record = link.peer, link.record
        assert peer is not None
        assert record is not None
        if proven_key != record.public_key:
            found = "none" if proven_key is None else f"0x{proven_key.hex()}"
            why = (
                f"the key there is {found}, its own is {record.key_hex} as far as is known here; if {peer.name} has a "
                "new key, what `nectar id` prints there belongs into the peers file"
            )
            self._table.fail(peer, why, now, refused=True)
            return
        link.stage = Stage.GREETED
        link.heard_at = now
        self._table.say(link, encode(Hello(self._node, peer.name, self._key)))

    def hear(self, link: LinkState, frame: Frame, now: float) -> None:
        """Raises `BadFrame`, `Gap` for what came without the welcome before it."""
        match link.stage, frame:
            case Stage.LISTENING, Hello():
                self._challenge(link, frame)
            case Stage.CHALLENGED, Proof():
                self._admit(link, frame, now)
            case Stage.GREETED, Challenge():
                self._prove(link, frame)
            case Stage.PROVING, Welcome(session):
                assert link.peer is not None
                self._begin(link, link.peer, session, now)
            case _, Bye() if link.stage in DIALLED:
                self._turned_away(link, frame, now)
            case _, Bye():
                self._table.close(link)
            case Stage.PROVING, Data() | Refuse() | Ack() | Ping() | Pong() | Relay():
                # Who is there is proven, and speaks as on a link that is up: its welcome went lost, or comes later.
                raise Gap(f"{type(frame).__name__} came before the welcome")
            case _:
                raise BadFrame(f"{type(frame).__name__} has no place where the link is {link.stage.value}")

    # -- the accepting side

    def _challenge(self, link: LinkState, hello: Hello) -> None:
        """Whoever comes is asked for a proof, known or not: a stranger must not learn from it which names are."""
        if hello.version != VERSION:
            self._turn_away(link, f"version {hello.version} is spoken there, {VERSION} here")
        elif hello.to != self._node:
            self._turn_away(link, f"{hello.to!r:.80} is wanted, who is not here")
        else:
            link.hello = hello
            link.nonce = self._table.around.secret("link nonce", NONCE_BYTES)
            link.stage = Stage.CHALLENGED
            self._table.say(link, encode(Challenge(self._node, link.nonce)))

    def _turn_away(self, link: LinkState, problem: str, told: str | None = None) -> None:
        self._table.report(STRANGERS, 1, f"refused a link: {problem}")
        self._table.close(link, Bye(Goodbye.refused, told or problem))

    def _proven(self, link: LinkState, proof: Proof) -> IdentityRecord | None:
        """The record of who dialled, if he is who he says; None when he was turned away.

        Why is for our log. He is told the same in each case, else anybody could find out whom we know by which key.
        """
        hello = link.hello
        assert hello is not None
        record = self._table.around.find(hello.name)
        statement = LinkStatement(hello.name, hello.key, self._node, self._key, link.nonce)
        shown = f"0x{hello.key.hex()}"
        if not is_signed(hello.key, statement.signed_bytes(), proof.signature):
            problem = f"{hello.name!r:.80} is not proven: another key than {shown} signed"
        elif hello.name == self._node:
            problem = f"{shown} comes by our own name"
        elif record is None:
            problem = f"no node {hello.name!r:.80} is known here"
        elif record.public_key != hello.key:
            problem = f"the key of {hello.name} is {record.key_hex} here, not {shown}"
        else:
            return record
        told = f"no node {hello.name!r:.80} with the key {shown} is known; the log of {self._node} says more"
        self._turn_away(link, problem, told)
        return None

    def _admit(self, link: LinkState, proof: Proof, now: float) -> None:
        """Who dialled is who he says: take the link, unless another one counts."""
        table = self._table
        record = self._proven(link, proof)
        if record is None:
            return
        link.record = record
        peer = table.remember(record.name)
        own = peer.link
        if peer.is_stale(proof.session) or (own is not None and self._prefers(own, peer.name)):
            table.close(link, Bye(Goodbye.crossed))
            return
        if own is None and not table.make_place(peer):
            table.close(link, Bye(Goodbye.busy, f"{table.limits.peers} nodes are connected"))
            return
        table.detach(peer)
        if own is not None:
            table.close(own)
        link.peer = peer
        link.parser.limit = FRAME_LIMIT
        table.say(link, encode(Welcome(peer.session())))
        self._begin(link, peer, proof.session, now)

    def _prefers(self, own: LinkState, name: str) -> bool:
        """Whether our dial under way counts, and theirs does not. A link that is up never counts against a new one:
        who dials has none.
        """
        return self._node < name and own.stage in {Stage.GREETED, Stage.PROVING}

    # -- the dialling side

    def _prove(self, link: LinkState, challenge: Challenge) -> None:
        peer, record = link.peer, link.record
        assert peer is not None
        assert record is not None
        if challenge.name != peer.name:
            raise BadFrame(f"{challenge.name!r:.80} answers there, not {peer.name}")
        statement = LinkStatement(self._node, self._key, peer.name, record.public_key, challenge.nonce)
        link.stage = Stage.PROVING
        link.parser.limit = FRAME_LIMIT
        signature = self._table.around.sign(statement.signed_bytes())
        self._table.say(link, encode(Proof(signature, peer.session())))

    def _turned_away(self, link: LinkState, bye: Bye, now: float) -> None:
        peer = link.peer
        assert peer is not None
        if bye.reason is Goodbye.crossed:
            self._table.close(link)
            self._table.detach(peer)
            peer.expecting_until = link.deadline
        else:
            refused = bye.reason in {Goodbye.busy, Goodbye.refused}
            self._table.fail(peer, f"it says: {bye.detail or bye.reason}", now, refused=refused)

    # -- both

    def _begin(self, link: LinkState, peer: Peer, session: Session, now: float) -> None:
        """The link counts from here on. Raises `BadFrame` when the two sides' numbers do not fit."""
        table = self._table
        link.stage = Stage.UP
        link.moved_at = link.heard_at = now
        link.deadline = now + PING_SECONDS
        link.ping_due = True
        table.arm(link.deadline)
        table.tell(link)
        peer.link = link
        peer.is_kept = link.record is not None and table.routing.keeps(link.record)
        peer.expecting_until = None
        peer.rest_until = 0.0
        confirmed: list[Place] = []
        if peer.their_instance not in {0, session.instance}:
            # A former life of theirs may have had all of it, also when this one knows our stream from a link on which
            # its welcome never arrived.
            for envelope in peer.out.lost_track():
                table.give_back(envelope, reasons.lost_on_the_way(peer.name), definite=False)
        elif session.of_stream == peer.out.name:
            confirmed = peer.out.settle(session.acked)
            peer.out.resume(session.received)
        else:
            # The welcome that named our stream never arrived, so nothing after it did.
            peer.out.resume(0)
        if session.stream != peer.into.name:
            peer.into.reset(session.stream)
            peer.out.forget_refusals(session.stream)
        peer.into.begin()
        for place in confirmed:
            peer.into.confirm(place)
        if confirmed:
            table.owe_ack(peer, now)
        peer.their_instance, peer.their_turn = session.instance, session.turn
        table.wake(peer)
