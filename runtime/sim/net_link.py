"""One link between two simulated nodes: what is under way on it, and its two ends.

Nothing runs in the background: what is due has arrived as soon as somebody looks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from math import inf
from typing import Protocol

import trio
from trio.lowlevel import ParkingLot, checkpoint

from runtime.sim.arrivals import Arrivals
from runtime.sim.packets import END, RESET, SIGNALS, Packet, Splitter
from runtime.sim.wires import Wire
from sys_processes.net.protocol import IdentityRecord

CAPACITY = 65536
"""Bytes under way in one direction from which on a sender waits."""


class Network(Protocol):
    """`runtime.sim.net.SimNet`, as links see it."""

    def carry(self, way: Way, kind: str, data: bytes) -> None:
        """Decides what becomes of a packet."""

    def piece(self, way: Way, size: int) -> int:
        """How many of `size` bytes are read at once."""

    def give_up(self, link: SimLink) -> None:
        """It is cut."""

    async def open(self, source: SimLinks, record: IdentityRecord, *, plain: bool = False) -> SimLink:
        """Raises `LinkFailed`."""


class Way:
    """One direction."""

    def __init__(self, link: Joint, wire: Wire) -> None:
        self.link = link
        self.wire = wire
        self.source = wire.source
        self.target = wire.target
        self.splitter = Splitter()
        self.is_cut = False
        self.has_ended = False
        """The reader knows that no more comes."""
        self.left = False
        """Nobody reads any more."""
        self._held: list[Packet] = []
        self._under_way: list[tuple[float, int, Packet]] = []
        self._arrived: deque[bytes] = deque()
        self._size = 0
        self._last_due = 0.0
        self._changed = ParkingLot()

    # -- packets

    def add(self, packet: Packet, due: float, *, in_order: bool = True) -> None:
        """It arrives when it is due; if `in_order`, not before those that were added so."""
        if self.left or self.is_cut:
            return
        if packet.kind in SIGNALS and self._under_way:
            due = max(due, max(self._under_way)[0])
        if in_order:
            due = self._last_due = max(due, self._last_due)
        packet.due = due
        self._size += len(packet.data)
        if self._under_way or due > trio.current_time():
            heappush(self._under_way, (due, packet.number, packet))
        else:
            self._arrive(packet)
        self.wake()

    def hold(self, packet: Packet) -> None:
        packet.due = inf
        self._size += len(packet.data)
        self._held.append(packet)

    def hold_all(self) -> None:
        """What has not arrived yet is held from now on."""
        for packet in self.take_under_way():
            self.hold(packet)

    def release(self) -> list[Packet]:
        """What was held, in order; it is under way no more."""
        found, self._held = self._held, []
        self._size -= sum(len(packet.data) for packet in found)
        return found

    def take_under_way(self) -> list[Packet]:
        """What has not arrived yet, in order; it will not. What is held is not among it."""
        self.settle(trio.current_time())
        found = [packet for _, _, packet in sorted(self._under_way)]
        self._under_way.clear()
        self._size -= sum(len(packet.data) for packet in found)
        self.wake()
        return found

    def take_one(self, packet: Packet) -> None:
        """It will not arrive."""
        self._held = [other for other in self._held if other is not packet]
        self._under_way = [entry for entry in self._under_way if entry[2] is not packet]
        heapify(self._under_way)
        self._size -= len(packet.data)
        self.wake()

    @property
    def in_flight(self) -> list[Packet]:
        """What has not arrived yet, in the order in which it will; at the end what is held."""
        self.settle(trio.current_time())
        return [packet for _, _, packet in sorted(self._under_way)] + self._held

    def settle(self, now: float) -> None:
        under_way = self._under_way
        while under_way and under_way[0][0] <= now:
            self._arrive(heappop(under_way)[2])

    def _arrive(self, packet: Packet) -> None:
        if packet.kind == END:
            self.has_ended = True
        elif packet.kind == RESET:
            self.link.cut()
        else:
            self._arrived.append(packet.data)

    # -- the two who use it

    def wake(self) -> None:
        self._changed.unpark_all()

    async def wait(self) -> None:
        """Until something has arrived or changed."""
        if self._under_way:
            with trio.CancelScope(deadline=self._under_way[0][0]):
                await self._changed.park()
        else:
            await self._changed.park()

    async def wait_for_room(self) -> None:
        """Returns also when there is no use in waiting."""
        while self._size >= CAPACITY and not (self.is_cut or self.left):
            await self.wait()
            self.settle(trio.current_time())

    async def take(self, piece: Callable[[Way, int], int]) -> bytes | None:
        """The next bytes; none at the end; None when the link was cut, or closed on our side."""
        while True:
            self.settle(trio.current_time())
            if self.is_cut or self.left:
                return None
            if self._arrived:
                return self._some(piece)
            if self.has_ended:
                return b""
            await self.wait()

    def _some(self, piece: Callable[[Way, int], int]) -> bytes:
        arrived = self._arrived
        data = arrived.popleft()
        if arrived and len(data) < CAPACITY:
            parts, size = [data], len(data)
            while arrived and size < CAPACITY:
                parts.append(arrived.popleft())
                size += len(parts[-1])
            data = b"".join(parts)
        taken = piece(self, len(data))
        if taken < len(data):
            arrived.appendleft(data[taken:])
            data = data[:taken]
        self._size -= len(data)
        self.wake()
        return data

    def leave(self) -> None:
        """Nobody reads any more; what is under way goes nowhere."""
        self.left = True
        self.clear()

    def forget(self) -> None:
        """Its writer is dead: what it had not finished is never sent."""
        self.splitter = Splitter()

    def clear(self) -> None:
        self._under_way.clear()
        self._arrived.clear()
        self._held.clear()
        self._size = 0
        self.wake()


class Joint:
    """Both directions of a link, and both ends: `near` is that of who dialled."""

    def __init__(self, net: Network, there: Wire, back: Wire, key: bytes | None) -> None:
        self.there = Way(self, there)
        self.back = Way(self, back)
        self.near = SimLink(net, self.there, self.back, key)
        self.far = SimLink(net, self.back, self.there, None)
        self.is_half_open = False
        """One side is gone, and its last words were lost."""

    @property
    def ways(self) -> tuple[Way, Way]:
        return self.there, self.back

    @property
    def is_over(self) -> bool:
        return self.there.is_cut or (self.there.left and self.back.left)

    def cut(self) -> None:
        """Both sides notice at once; what is under way is lost."""
        for way in self.ways:
            way.is_cut = True
            way.clear()


class SimLink:
    """`sys_processes.devices.Link`, or without a key a mere way for bytes."""

    def __init__(self, net: Network, outgoing: Way, incoming: Way, proven_key: bytes | None) -> None:
        self._net = net
        self._outgoing = outgoing
        self._incoming = incoming
        self._proven_key = proven_key
        self._closed = False

    @property
    def proven_key(self) -> bytes | None:
        return self._proven_key

    async def send(self, data: bytes) -> None:
        await checkpoint()
        self._check_sender()
        for kind, part in self._outgoing.splitter.split(data):
            await self._outgoing.wait_for_room()
            self._check_sender()
            self._net.carry(self._outgoing, kind, part)

    async def receive(self) -> bytes:
        await checkpoint()
        data = await self._incoming.take(self._net.piece)
        if data is None:
            self._check()
            raise AssertionError("a link that is neither cut nor closed gives bytes")
        return data

    async def aclose(self) -> None:
        """What was sent still arrives."""
        if not self._closed:
            self._closed = True
            self._incoming.leave()
            if not self._outgoing.is_cut:
                for kind, part in self._outgoing.splitter.rest():
                    self._net.carry(self._outgoing, kind, part)
                self._net.carry(self._outgoing, END, b"")
            self._outgoing.wake()
        await checkpoint()

    async def abort(self) -> None:
        """As if it was cut. Of a closed one: nothing."""
        if not self._closed:
            self._net.give_up(self)
            self._closed = True
        await checkpoint()

    def abandon(self) -> None:
        """The node of this end is dead."""
        self._closed = True
        self._incoming.leave()
        self._outgoing.wake()

    def _check(self) -> None:
        if self._closed:
            raise trio.ClosedResourceError("this link was closed on our side")
        if self._outgoing.is_cut:
            raise trio.BrokenResourceError("the link was cut")

    def _check_sender(self) -> None:
        self._incoming.settle(trio.current_time())
        self._check()
        if self._incoming.has_ended:
            raise trio.BrokenResourceError("the other side has closed the link")


class SimLinks(Arrivals[SimLink]):
    """`sys_processes.devices.Links` of one life of a simulated node. Made by `SimNet.links_of`."""

    def __init__(self, net: Network, name: str, key: bytes) -> None:
        super().__init__(key, net.give_up)
        self.name = name
        self.is_dark = False
        """Its machine is gone: nothing answers, not even a refusal."""
        self._net = net

    async def dial(self, record: IdentityRecord) -> SimLink:
        await checkpoint()
        return await self._net.open(self, record)

    async def reach(self, record: IdentityRecord) -> SimLink:
        """A way for bytes on which nothing is proven. Raises `LinkFailed`."""
        await checkpoint()
        return await self._net.open(self, record, plain=True)
