"""What is remembered of one peer, and of one link."""

from __future__ import annotations

import enum
from collections import deque
from math import inf

import attrs

from sys_processes.net.budget import Budget
from sys_processes.net.frames import FrameParser, Hello, Session
from sys_processes.net.protocol import IdentityRecord
from sys_processes.net.streams import FlowLimits, InStream, OutStream

SIGNATURES = 256.0
SIGNATURES_A_SECOND = 64.0
"""Of capabilities, that are checked for one peer: a hundredth of this node's time, more or less."""
PIECE = 112 * 1024
"""Bytes that are written at a time: as much as a direct link seals and sends at once."""


class Stage(enum.Enum):
    """How far a link is. The first three are the dialler's, the next two the other side's."""

    OPENING = "opening"
    GREETED = "greeted"
    PROVING = "proving"
    LISTENING = "listening"
    CHALLENGED = "challenged"
    UP = "up"
    CLOSING = "closing"


DIALLED = (Stage.OPENING, Stage.GREETED, Stage.PROVING)
ACCEPTED = (Stage.LISTENING, Stage.CHALLENGED)


@attrs.define(eq=False)
class LinkState:
    """`peer` is who is dialled, or who has proven himself. Times are seconds on the core's clock."""

    number: int
    stage: Stage
    deadline: float
    peer: Peer | None = None
    record: IdentityRecord | None = None
    """Whose key this link is proven by."""
    hello: Hello | None = None
    """What who dialled says he is; not proven."""
    through: str = ""
    """The router that asked us to come for it."""
    nonce: bytes = b""
    parser: FrameParser = attrs.Factory(FrameParser)
    control: deque[bytes] = attrs.Factory(deque)
    unwritten: deque[bytes | memoryview] = attrs.Factory(deque)
    """Of what `output` took from the stream, for nothing may come between the pieces of a large frame."""
    told: bool = False
    """Its writer is at work, or was told that there is some."""
    heard_at: float = 0.0
    moved_at: float = 0.0
    """When a message last went either way."""
    took: bool = False
    """Since the last check, the other side took some of what is being written."""
    owed: int = 0
    """A number that was written and is not settled; 0 for none."""
    owed_before: int = 0
    """The same at the last check."""
    stuck: int = 0
    """Checks in a row that found the other side taking or settling nothing."""
    ack_at: float = inf
    """When an acknowledgement is to be sent at the latest; it goes along with whatever is written before."""
    unacked: int = 0
    """Bytes that came since the last one."""
    pong_due: int | None = None
    ping_due: bool = False
    ping_number: int = 0
    pinged_at: float = 0.0
    unanswered: int = 0

    @property
    def is_closing(self) -> bool:
        return self.stage is Stage.CLOSING

    def next_piece(self) -> bytes:
        parts: list[bytes | memoryview] = []
        unwritten, room = self.unwritten, PIECE
        while unwritten and room:
            part = unwritten.popleft()
            if len(part) > room:
                rest = memoryview(part)
                unwritten.appendleft(rest[room:])
                part = rest[:room]
            parts.append(part)
            room -= len(part)
        return b"".join(parts)


class Peer:
    """The session with one node. It outlives its links, and with it the order of messages."""

    def __init__(self, name: str, *, instance: int, stream: int, limits: FlowLimits) -> None:
        self.name = name
        self.instance = instance
        self.turn = 0
        self.their_instance = 0
        self.their_turn = 0
        self.out = OutStream(stream, limits)
        self.into = InStream()
        self.link: LinkState | None = None
        """Dialled, or up."""
        self.expecting_until: float | None = None
        """Both sides dialled, and theirs is the link that counts: until then it should be here."""
        self.tries = 0
        """Links that began and brought nothing."""
        self.failures = 0
        self.rest_until = 0.0
        self.why = ""
        """What went wrong last."""
        self.record: IdentityRecord | None = None
        """As it was last dialled."""
        self.round_trip: float | None = None
        self.signatures = Budget(SIGNATURES, SIGNATURES_A_SECOND)
        self.lost_at = -inf
        """When its last link that was up was lost."""
        self.is_kept = False
        """Its link stays when it is idle: one side is the other's router."""

    @property
    def is_up(self) -> bool:
        return self.link is not None and self.link.stage is Stage.UP

    @property
    def is_reachable(self) -> bool:
        """There is a link, or one under way."""
        return self.link is not None or self.expecting_until is not None

    @property
    def is_quiet(self) -> bool:
        """Its link may be closed: nothing is under way."""
        return self.is_up and self.out.is_idle and not self.is_kept

    @property
    def is_forgettable(self) -> bool:
        return not self.is_reachable and self.out.is_idle

    def state(self, now: float) -> str:
        if self.is_reachable:
            return "up" if self.is_up else "connecting"
        return "resting" if now < self.rest_until else "idle"

    def session(self) -> Session:
        """What we know, as the other side is told."""
        into = self.into
        return Session(self.instance, self.turn, self.out.name, into.name, into.received, into.acked)

    def is_stale(self, session: Session) -> bool:
        """Whether they had another link since they dialled the one on which this is said."""
        return session.instance == self.their_instance and session.turn <= self.their_turn
