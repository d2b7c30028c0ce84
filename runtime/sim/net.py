"""The network of a simulated world: links between nodes whose packets are late, lost, doubled, overtaken, held or cut.

Nothing of that happens unless asked for. Faults strike what is under way, too. A network is used within one `trio.run`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import count
from math import inf

import attrs
import trio
from trio.lowlevel import ParkingLot

from runtime.sim.choices import Choices
from runtime.sim.lasting import Lasting
from runtime.sim.net_link import Joint, SimLink, SimLinks, Way
from runtime.sim.packets import GREETING, RESET, SIGNALS, Packet
from runtime.sim.trace import Trace, WorldKind
from runtime.sim.wires import (
    Cut,
    Defaults,
    Deliver,
    Drop,
    Dup,
    LinkControl,
    LinkSettings,
    Pass,
    Rule,
    Verdict,
    Wire,
)
from sys_processes.devices import LinkFailed
from sys_processes.net.protocol import IdentityRecord

DIAL_AGAIN = 1.0
"""Seconds until a dial whose first packet was lost is tried again, as TCP does."""


class SimNet:
    """All wires of a world. Nodes are told apart by their names; a pair may be set up before its nodes are there."""

    def __init__(self, choices: Choices, trace: Trace) -> None:
        self._choices = choices
        self._trace = trace
        self._defaults = Defaults()
        self._wires: dict[tuple[str, str], Wire] = {}
        self._nodes: dict[str, SimLinks] = {}
        self._addresses: dict[str, str] = {}
        self._joints: list[Joint] = []
        self._rules: list[Rule] = []
        self._lasting: list[Lasting] = []
        self._numbers = count(1)
        self._changed = ParkingLot()

    # -- nodes

    def links_of(self, name: str, address: str | None, key: bytes) -> SimLinks:
        """The device of a node that boots; of an earlier life of that node nothing is left. Without an `address` nobody
        dials it.
        """
        former = self._nodes.get(name)
        if former is not None:
            self.crash(name)
            self._addresses = {where: who for where, who in self._addresses.items() if who != name}
        links = self._nodes[name] = SimLinks(self, name, key)
        if address is not None:
            self._addresses[address] = name
        self._changed.unpark_all()
        return links

    def crash(self, name: str, *, silent: bool = False) -> None:
        """Its process has died: links are reset, and who dials is refused. With `silent` its machine has: nobody is
        told, and a dial hangs, until `links_of` brings it back.
        """
        links = self._nodes.get(name)
        if links is None:
            return
        links.is_dark = silent
        for joint in self._alive():
            ends = (joint.near, joint.there, joint.back), (joint.far, joint.back, joint.there)
            for end, out, into in ends:
                if out.source == name and not into.left:
                    out.forget()
                    end.abandon()
                    joint.is_half_open = joint.is_half_open or silent
                    if not silent:
                        self.carry(out, RESET, b"")
        links.close()

    # -- what `net_link` asks

    def carry(self, way: Way, kind: str, data: bytes) -> None:
        now = trio.current_time()
        packet = Packet(next(self._numbers), way.source, way.target, kind, data, now, now)
        verdict = self._judge(packet) if self._rules and kind not in SIGNALS else None
        if verdict is None and way.wire.is_fair and not way.left:
            way.add(packet, now)
        else:
            self._carry(way, packet, verdict)

    def piece(self, way: Way, size: int) -> int:
        wire = way.wire
        return size - self._choices.choose(wire.label_pieces, size) if wire.pieces else size

    def give_up(self, link: SimLink) -> None:
        """It is cut."""
        for joint in self._alive():
            if link in (joint.near, joint.far):
                self._cut(joint)

    async def open(self, source: SimLinks, record: IdentityRecord, *, plain: bool = False) -> SimLink:
        """Raises `LinkFailed`."""
        choices = self._choices
        name = None if record.address is None else self._addresses.get(record.address)
        if name is None:
            raise LinkFailed(f"nobody listens at {record.address or 'no address'}")
        there, back = self._wire(source.name, name), self._wire(name, source.name)
        while True:
            if self._nodes[name].is_dark or not (there.is_open and back.is_open):
                await self._changed.park()
            elif choices.happens(there.label_loss, there.loss) or choices.happens(back.label_loss, back.loss):
                await trio.sleep(DIAL_AGAIN)
            else:
                break
        await trio.sleep(there.latency(choices) + back.latency(choices))
        target = self._nodes[name]
        if target.closed:
            raise LinkFailed(f"nobody listens at {record.address}")
        joint = Joint(self, there, back, None if plain else target.key)
        self._alive().append(joint)
        target.arrive(joint.far, plain=plain)
        return joint.near

    # -- the fate of a packet

    def _judge(self, packet: Packet) -> Verdict | None:
        for rule in tuple(self._rules):
            verdict = rule(packet)
            if verdict is not None and not isinstance(verdict, Pass):
                return verdict
        return None

    def _carry(self, way: Way, packet: Packet, verdict: Verdict | None) -> None:
        if way.wire.partitions:
            self._lose(way, packet, "partition")
        elif isinstance(verdict, Drop):
            self._lose(way, packet, "rule")
        elif isinstance(verdict, Cut):
            self._cut(way.link)
        elif way.wire.holds:
            way.hold(packet)
        elif isinstance(verdict, Deliver):
            way.add(packet, trio.current_time() + verdict.delay, in_order=False)
        else:
            self._travel(way, packet)
            if isinstance(verdict, Dup):
                self._double(way, packet)

    def _travel(self, way: Way, packet: Packet) -> None:
        choices, wire = self._choices, way.wire
        is_signal = packet.kind in SIGNALS
        if not is_signal and wire.loss and choices.happens(wire.label_loss, wire.loss):
            self._lose(way, packet, "loss")
            return
        if way.left and way.link.is_half_open and not is_signal:
            self._nobody_there(way, packet)
            return
        due = wire.leave(trio.current_time(), len(packet.data)) + wire.latency(choices)
        if is_signal or packet.kind in GREETING:
            # What TCP itself keeps in order; two nodes that greet each other twice would only part.
            way.add(packet, due)
            return
        late = 0.0
        if wire.reorder and choices.happens(wire.label_reorder, wire.reorder):
            late = choices.among(wire.label_late, 0.0, wire.late)
        way.add(packet, due + late, in_order=late == 0.0)
        if late:
            self._tell(WorldKind.DELAYED, way, f"{packet} by {late:.3f} s")
        if wire.dup and choices.happens(wire.label_dup, wire.dup):
            self._double(way, packet)

    def _double(self, way: Way, packet: Packet) -> None:
        later = way.wire.latency(self._choices)
        self._tell(WorldKind.DOUBLED, way, str(packet))
        way.add(attrs.evolve(packet, number=next(self._numbers)), packet.due + later, in_order=False)

    def _lose(self, way: Way, packet: Packet, why: str) -> None:
        self._tell(WorldKind.LOST, way, f"{packet} ({why})")
        if packet.kind in SIGNALS:
            way.link.is_half_open = True

    def _nobody_there(self, way: Way, packet: Packet) -> None:
        """The other side is gone, and this one has not heard of it. A machine that runs says so now."""
        if self._nodes[way.target].is_dark:
            self._lose(way, packet, "nobody there")
        else:
            self._cut(way.link)

    # -- links, and what may happen to them

    def link(self, a: str, b: str, *, both: bool = True) -> LinkControl:
        """How packets fare from `a` to `b`, and back if `both`. Holds for what is sent from now on."""
        pairs = [(a, b), (b, a)] if both else [(a, b)]
        return LinkControl([self._wire(*pair) for pair in pairs])

    def every_link(self) -> LinkControl:
        """All there are, and those of nodes that come later."""
        return LinkControl([self._defaults, *self._wires.values()])

    def worsen(self, settings: LinkSettings, pairs: Iterable[tuple[str, str]]) -> Lasting:
        """On top of what is set, from each first to each second, until it is ended."""
        wires = [self._wire(*pair) for pair in pairs]
        for wire in wires:
            wire.worsen(settings)

        def end() -> None:
            for wire in wires:
                wire.ease(settings)

        return self._lasts(end)

    def partition(
        self, left: Iterable[str] | str, right: Iterable[str] | str | None = None, *, oneway: bool = False
    ) -> Lasting:
        """From now until `heal`, what one side sends to the other is lost, and nobody is told; a dial hangs. `right` is
        by default every other node there is. With `oneway`, only what goes from left to right.
        """
        one, other = self._sides(left, right)
        wires = self._between(one, other, oneway=oneway)
        for wire in wires:
            wire.partitions += 1
            wire.update()
        text = f"{', '.join(one)} {'>' if oneway else '|'} {', '.join(other)}"
        self._tell_of_sides(WorldKind.PARTITIONED, one, other, text)
        for way in self._ways(wires):
            for packet in way.take_under_way():
                self._lose(way, packet, "partition")

        def heal() -> None:
            for wire in wires:
                wire.partitions -= 1
                wire.update()
            self._tell_of_sides(WorldKind.HEALED, one, other, text)
            self._changed.unpark_all()

        return self._lasts(heal)

    def hold(self, a: str, b: str, *, oneway: bool = False) -> Lasting:
        """From now until `release`, what is sent from one to the other stays under way."""
        wires = self._between([a], [b], oneway=oneway)
        for wire in wires:
            wire.holds += 1
            wire.update()
        self._trace.add(trio.current_time(), a, WorldKind.HELD, other=b)
        for way in self._ways(wires):
            way.hold_all()

        def release() -> None:
            for wire in wires:
                wire.holds -= 1
                wire.update()
            self._trace.add(trio.current_time(), a, WorldKind.RELEASED, other=b)
            for way in self._ways(wires):
                for packet in () if way.wire.holds else way.release():
                    self._carry(way, packet, Deliver())
            self._changed.unpark_all()

        return self._lasts(release)

    def rule(self, rule: Rule) -> Lasting:
        """Asked of every packet from now on, those under way included; of several rules the first verdict wins."""
        self._rules.append(rule)
        for joint in self._alive():
            for way in joint.ways:
                for packet in way.in_flight:
                    self._apply(rule, way, packet)

        def remove() -> None:
            self._rules = [other for other in self._rules if other is not rule]

        return self._lasts(remove)

    def _apply(self, rule: Rule, way: Way, packet: Packet) -> None:
        verdict = None if packet.kind in SIGNALS or way.is_cut else rule(packet)
        match verdict:
            case Drop():
                way.take_one(packet)
                self._lose(way, packet, "rule")
            case Deliver(delay):
                way.take_one(packet)
                way.add(packet, trio.current_time() + delay, in_order=False)
            case Dup():
                self._double(way, packet)
            case Cut():
                self._cut(way.link)
            case _:
                pass

    def cut(self, a: str, b: str) -> None:
        """Every link between the two; both sides notice at once."""
        for joint in self._alive():
            if (joint.there.source, joint.there.target) in ((a, b), (b, a)):
                self._cut(joint)

    def cut_all(self) -> None:
        for joint in self._alive():
            self._cut(joint)

    def in_flight(self) -> list[Packet]:
        """What has not arrived yet, in the order in which it was sent. What is held is due at no time: `inf`."""
        ways = (way for joint in self._alive() for way in joint.ways)
        return sorted((packet for way in ways for packet in way.in_flight), key=lambda packet: packet.number)

    def in_flight_count(self) -> int:
        """How many packets will arrive by themselves: what is held is not among them."""
        return sum(packet.due < inf for packet in self.in_flight())

    def heal_all(self) -> None:
        """Ends all partitions, holds and rules, and all loss, doubling and overtaking. Latency and bandwidth stay."""
        for lasting in tuple(self._lasting):
            lasting.end()
        self.every_link().loss(0.0).dup(0.0).reorder(0.0)

    def is_open(self, a: str, b: str) -> bool:
        """Whether anything gets through between the two, both ways."""
        return self._wire(a, b).is_open and self._wire(b, a).is_open

    @property
    def is_troubled(self) -> bool:
        """Whether any partition, hold or rule is there, or anything added to a wire."""
        return bool(self._lasting)

    # -- inside

    def _wire(self, source: str, target: str) -> Wire:
        wire = self._wires.get((source, target))
        if wire is None:
            wire = self._wires[source, target] = Wire(source, target, self._defaults.settings)
        return wire

    def _alive(self) -> list[Joint]:
        self._joints = [joint for joint in self._joints if not joint.is_over]
        return self._joints

    def _ways(self, wires: Iterable[Wire]) -> Iterator[Way]:
        found = list(wires)
        for joint in self._alive():
            for way in joint.ways:
                if way.wire in found:
                    yield way

    def _sides(
        self, left: Iterable[str] | str, right: Iterable[str] | str | None
    ) -> tuple[list[str], list[str]]:
        one = _names(left)
        other = [name for name in self._nodes if name not in one] if right is None else _names(right)
        both = [name for name in one if name in other]
        if both or not one:
            raise ValueError(f"a partition has nodes on its left, and none on both sides: {one} | {other}")
        return one, other

    def _between(self, one: list[str], other: list[str], *, oneway: bool) -> list[Wire]:
        there = [self._wire(a, b) for a in one for b in other]
        return there if oneway else there + [self._wire(b, a) for a in one for b in other]

    def _cut(self, joint: Joint) -> None:
        joint.cut()
        self._tell(WorldKind.CUT, joint.there, "")

    def _tell(self, kind: WorldKind, way: Way, note: str) -> None:
        self._trace.add(trio.current_time(), way.source, kind, note=note, other=way.target)

    def _tell_of_sides(self, kind: WorldKind, one: list[str], other: list[str], text: str) -> None:
        is_pair = len(one) == len(other) == 1
        node, second = (one[0], other[0]) if is_pair else ("", "")
        self._trace.add(trio.current_time(), node, kind, note=text, other=second)

    def _lasts(self, end: Callable[[], None]) -> Lasting:
        lasting = Lasting(end, self._lasting.remove)
        self._lasting.append(lasting)
        return lasting


def _names(side: Iterable[str] | str) -> list[str]:
    return [side] if isinstance(side, str) else sorted(side)
