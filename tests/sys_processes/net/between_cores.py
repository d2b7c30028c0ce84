"""Cores on wires of bytes that the test moves, holds and cuts, and a book of what became of every message."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping

import attrs
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from kernel.address import Address
from kernel.message import KernelMessage, Reason, Request, SendErrorKind
from kernel.refusals import Refusal
from runtime.sim.chance import SeededChance
from sys_processes.net.core import Core
from sys_processes.net.effects import CloseLink, Come, Deliver, Dial, Effect, GiveBack, Ready, Report
from sys_processes.net.envelopes import pack_message
from sys_processes.net.frames import FrameParser, Hello, Proof, Session, encode, encode_data
from sys_processes.net.identity import LinkStatement, make_record
from sys_processes.net.protocol import IdentityRecord
from sys_processes.net.table import ACK_SECONDS, NetLimits, Surroundings

FULL = Refusal(SendErrorKind.Timeout, Reason.mailbox_full, "full")


def key_of(name: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(name.encode().ljust(32, b"-"))


def record_of(name: str, **changes: object) -> IdentityRecord:
    key = key_of(name)
    made = make_record(name, key.public_key().public_bytes_raw(), key.sign, address=f"{name}:80")
    return attrs.evolve(made, **changes)


@attrs.define(eq=False)
class End:
    """One side of a wire: `arriving` are bytes on their way to it."""

    node: str
    number: int
    other: End | None = None
    arriving: bytearray = attrs.Factory(bytearray)
    cut: bool = False
    ended: bool = False
    """The other side sends no more."""


@attrs.define(eq=False)
class Told:
    """What its sender hears of a message, and what its receiver saw."""

    sent: KernelMessage
    delivered: int = 0
    given_back: list[GiveBack] = attrs.Factory(list)


class Cores:
    """Every effect is performed at once, except that a dial waits for `connect` or `refuse_dial`."""

    def __init__(
        self,
        *names: str,
        limits: NetLimits | None = None,
        routed: Mapping[str, tuple[str, ...]] | None = None,
        takes: Callable[[KernelMessage], Refusal | None] = lambda envelope: None,
    ) -> None:
        self.now = 1000.0
        self.limits = limits
        self.takes = takes
        self.routed = dict(routed or {})
        """Nodes without an address, and their routers."""
        self.records = {name: record_of(name, **self._way(name)) for name in names}
        self.chance = SeededChance(1)
        self.cores: dict[str, Core] = {name: self._new_core(name) for name in names}
        self.dials: deque[tuple[str, Dial]] = deque()
        self.asked_to_come: list[tuple[str, Come]] = []
        self.ends: dict[tuple[str, int], End] = {}
        self.book: dict[int, Told] = {}
        self.order: dict[tuple[str, str], list[int]] = {}
        self.reports: list[str] = []
        self._ids = 0

    def _new_core(self, name: str) -> Core:
        around = Surroundings(self.records.get, key_of(name).sign, self.chance.bits, self.chance.secret)
        routers = self.routed.get(name, ())
        return Core(name, key_of(name).public_key().public_bytes_raw(), around, self.limits, routers)

    def _way(self, name: str) -> dict[str, object]:
        return {"address": None, "routers": self.routed[name]} if name in self.routed else {}

    def start(self) -> None:
        """Links with routers are dialled."""
        for name, core in self.cores.items():
            self.perform(name, core.start(self.now))

    # -- messages

    def send(self, source: str, target: str, ipc: bytes = b"hi", **changes: object) -> Told:
        self._ids += 1
        envelope = KernelMessage(
            self._ids,
            Address(source, "a:test:test"),
            Address(target, "b:test:test"),
            None,
            Request(ipc=ipc),
        )
        for field, value in changes.items():
            setattr(envelope, field, value)
        told = self.book[self._ids] = Told(envelope)
        self.perform(source, self.cores[source].send(envelope, self.now))
        return told

    # -- effects

    def perform(self, name: str, effects: list[Effect]) -> None:
        then: list[Effect] = []
        for effect in effects:
            match effect:
                case Dial():
                    self.dials.append((name, effect))
                case Come():
                    self.asked_to_come.append((name, effect))
                case Ready(number) | CloseLink(number):
                    self._write(name, number)
                    if isinstance(effect, CloseLink):
                        self._shut(name, number)
                case Deliver():
                    then += self._deliver(name, effect)
                case GiveBack(envelope):
                    self.book[envelope.id].given_back.append(effect)
                case Report(_, _, text):
                    self.reports.append(text)
        if then:
            self.perform(name, then)

    def _deliver(self, name: str, effect: Deliver) -> list[Effect]:
        envelope = effect.envelope
        refusal = self.takes(envelope)
        if refusal is not None:
            return self.cores[name].not_taken(effect, refusal)
        self.book[envelope.id].delivered += 1
        self.order.setdefault((envelope.source.node, name), []).append(envelope.id)
        return []

    def _write(self, name: str, number: int) -> None:
        end = self.ends.get((name, number))
        core = self.cores[name]
        while data := core.output(number, self.now):
            if end is not None and not end.cut:
                assert end.other is not None
                end.other.arriving += data

    def _shut(self, name: str, number: int) -> None:
        end = self.ends.pop((name, number), None)
        self.dials = deque((who, dial) for who, dial in self.dials if (who, dial.link) != (name, number))
        if end is not None and end.other is not None:
            end.other.ended = True
        self.perform(name, self.cores[name].lost(number, "closed here", self.now))

    # -- what the test moves

    def connect(self, *, key: bytes | None = None) -> tuple[End, End]:
        """The oldest dial reaches its node."""
        name, dial = self.dials.popleft()
        target = dial.record.name
        number, effects = self.cores[target].accept(self.now)
        near, far = End(name, dial.link), End(target, number)
        near.other, far.other = far, near
        self.ends[name, dial.link], self.ends[target, number] = near, far
        self.perform(target, effects)
        proven = self.records[target].public_key if key is None else key
        self.perform(name, self.cores[name].opened(dial.link, proven, self.now))
        return near, far

    def refuse_dial(self, why: str = "connection refused") -> None:
        name, dial = self.dials.popleft()
        self.perform(name, self.cores[name].dial_failed(dial.link, why, self.now))

    def move(self, end: End, most: int | None = None) -> None:
        """Bytes arrive at that end, or the news that there will be no more."""
        if self.ends.get((end.node, end.number)) is not end:
            return
        if end.arriving:
            data = bytes(end.arriving[:most])
            del end.arriving[: len(data)]
            self.perform(end.node, self.cores[end.node].received(end.number, data, self.now))
        elif end.ended or end.cut:
            del self.ends[end.node, end.number]
            if end.other is not None:
                end.other.ended = True
            self.perform(end.node, self.cores[end.node].lost(end.number, "cut", self.now))

    def cut(self, end: End) -> None:
        """What is under way is lost. Each side notices at its next `move`."""
        assert end.other is not None
        for side in (end, end.other):
            side.cut = True
            side.arriving.clear()

    def open_ends(self) -> list[End]:
        return list(self.ends.values())

    def settle(self) -> None:
        """Connect every dial and move every byte until nothing is left to do, and no acknowledgement is put off."""
        for _ in range(10_000):
            busy = [end for end in self.open_ends() if end.arriving or end.ended or end.cut]
            for end in busy:
                self.move(end)
            if self.dials:
                self.connect()
            elif not busy:
                if min(core.due for core in self.cores.values()) > self.now + ACK_SECONDS:
                    return
                self.pass_time(ACK_SECONDS)
        raise AssertionError("the cores never came to rest")

    def pass_time(self, seconds: float) -> None:
        """Every tick on the way, at its time."""
        until = self.now + seconds
        while (due := min(core.due for core in self.cores.values())) <= until:
            self.now = max(due, self.now)
            self.tick()
        self.now = until

    def tick(self) -> None:
        for name, core in self.cores.items():
            if core.due <= self.now:
                self.perform(name, core.tick(self.now))

    def restart(self, name: str) -> None:
        """Ends as the process does, and begins with nothing. The others notice when they next hear of it."""
        self.perform(name, self.cores[name].stop())
        for end in self.open_ends():
            if end.node == name:
                self.cut(end)
                del self.ends[name, end.number]
        self.dials = deque((who, dial) for who, dial in self.dials if who != name)
        self.cores[name] = self._new_core(name)

    # -- the laws

    def check_laws(self) -> None:
        """Of every message, at any time: at most once, in order, one outcome, and what is definite is true."""
        for told in self.book.values():
            assert told.delivered <= 1
            assert len(told.given_back) <= 1
            if told.given_back and told.given_back[0].definite:
                assert told.delivered == 0
        for ids in self.order.values():
            assert ids == sorted(ids)

    def check_all_settled(self) -> None:
        for told in self.book.values():
            assert told.delivered or told.given_back, told.sent.id


A, B = "alice.uq", "bob.uq"


def linked(**options: object) -> Cores:
    """Alice has dialled bob, and nothing is under way."""
    cores = Cores(A, B, **options)
    cores.send(A, B)
    cores.settle()
    return cores


def state_of(cores: Cores, node: str, peer: str) -> str:
    return next(state.state for state in cores.cores[node].peers(cores.now) if state.name == peer)


def error_of(told: Told) -> tuple[SendErrorKind, Reason, bool]:
    [back] = told.given_back
    return back.refusal.kind, back.refusal.reason, back.definite


OFFLINE = (SendErrorKind.Offline, Reason.node_unreachable, True)
REFUSED = (SendErrorKind.Offline, Reason.link_refused, True)


def inject(cores: Cores, raw: bytes) -> None:
    """Alice's bytes at bob's end, from outside of her core."""
    [end] = [end for end in cores.open_ends() if end.node == B]
    cores.perform(B, cores.cores[B].received(end.number, raw, cores.now))


def data(seq: int, **changes: object) -> bytes:
    envelope = KernelMessage(900 + seq, Address(A, "a:t:t"), Address(B, "b:t:t"), None, Request(ipc=b"in"))
    for field, value in changes.items():
        setattr(envelope, field, value)
    return encode_data(seq, pack_message(envelope))


class Stranger:
    """Speaks to bob's core by hand."""

    def __init__(self, cores: Cores, node: str = B) -> None:
        self.cores = cores
        self.node = node
        self.number, effects = cores.cores[node].accept(cores.now)
        self.here = End("stranger", 0)
        there = End(node, self.number, self.here)
        self.here.other = there
        cores.ends[node, self.number] = there
        cores.perform(node, effects)

    def say(self, raw: bytes) -> None:
        core = self.cores.cores[self.node]
        self.cores.perform(self.node, core.received(self.number, raw, self.cores.now))

    def heard(self):
        parser = FrameParser()
        parser.feed(self.here.arriving)
        self.here.arriving.clear()
        return list(iter(parser.take, None))

    def prove(self, name: str, session: Session) -> None:
        """As that node, with its key."""
        self.say(hello(name, self.node))
        [challenge] = self.heard()
        statement = LinkStatement(
            name, record_of(name).public_key, self.node, record_of(self.node).public_key, challenge.nonce
        )
        self.say(encode(Proof(key_of(name).sign(statement.signed_bytes()), session)))

    @property
    def is_closed(self) -> bool:
        return (self.node, self.number) not in self.cores.ends


def hello(name: str = A, to: str = B, **changes: object) -> bytes:
    return encode(attrs.evolve(Hello(name, to, key_of(name).public_key().public_bytes_raw()), **changes))
