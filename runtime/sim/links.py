"""Links between simulated nodes: bytes take their time, come in any pieces, and links are cut where the test says."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from math import inf

import attrs
import trio
from trio.lowlevel import ParkingLot, checkpoint

from kernel.ports import Chance
from runtime.sim.arrivals import Arrivals
from sys_processes.devices import LinkFailed
from sys_processes.net.protocol import IdentityRecord

CAPACITY = 65536


@attrs.frozen
class LinkFate:
    """How one link fares. `there` and `back` are bytes after which it is cut, from the side that dialled and to it.

    `delay` is in seconds, each way. A deaf link takes bytes to its capacity and brings them to nobody. One that is
    `refused` fails at the dial, one that is `hanging` never opens, and one that is `lingering` is never done closing.
    """

    there: float = inf
    back: float = inf
    delay: float = 0.0
    deaf: bool = False
    refused: bool = False
    hanging: bool = False
    lingering: bool = False


FAIR = LinkFate()


class _Way:
    """One direction."""

    def __init__(self, fate: LinkFate, budget: float, chance: Chance | None) -> None:
        self.cut = False
        self.ended = False
        """Nothing more is sent."""
        self.left = False
        """Nobody reads any more."""
        self.deaf = fate.deaf
        self.lingering = fate.lingering
        self._delay = fate.delay
        self._budget = budget
        self._chance = chance
        self._under_way: deque[tuple[float, bytes]] = deque()
        self._size = 0
        self._changed = ParkingLot()

    def wake(self) -> None:
        self._changed.unpark_all()

    async def put(self, data: bytes) -> bool:
        """Whether all of it went before the link was cut; the last bytes may be the ones that cut it."""
        for piece in self._pieces(data):
            while self._size >= CAPACITY and not (self.cut or self.left):
                await self._changed.park()
            if self.cut or self.left:
                return False
            sent = piece if len(piece) <= self._budget else piece[: int(self._budget)]
            self._budget -= len(piece)
            self._size += len(sent)
            self._under_way.append((trio.current_time() + self._delay, sent))
            self.wake()
            if self._budget < 0:
                return False
        return True

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        place = 0
        while place < len(data):
            size = min(len(data) - place, CAPACITY)
            if self._chance is not None and size > 1:
                size -= self._chance.bits("segment", 32) % size
            yield data[place : place + size]
            place += size

    async def take(self) -> bytes | None:
        """The next piece, empty at the end; None when the link was cut."""
        while not self.cut:
            if self._under_way and not self.deaf:
                await trio.sleep_until(self._under_way[0][0])
                if self.cut:
                    break
                _, data = self._under_way.popleft()
                self._size -= len(data)
                self.wake()
                return data
            if self.ended and not self._under_way:
                return b""
            if self.left:
                break
            await self._changed.park()
        return None


class MemoryLink:
    """`sys_processes.devices.Link`, or without a key a `sys_processes.devices.Channel`."""

    def __init__(self, outgoing: _Way, incoming: _Way, proven_key: bytes | None) -> None:
        self._outgoing = outgoing
        self._incoming = incoming
        self._proven_key = proven_key
        self._closed = False

    @property
    def proven_key(self) -> bytes | None:
        return self._proven_key

    async def send(self, data: bytes) -> None:
        await checkpoint()
        self._check(self._outgoing)
        if not await self._outgoing.put(data):
            if not self._outgoing.left:
                self.cut()
            self._check(self._outgoing)

    async def receive(self) -> bytes:
        await checkpoint()
        self._check(self._incoming)
        data = await self._incoming.take()
        self._check(self._incoming)
        return data or b""

    def cut(self) -> None:
        """As when a cable is pulled and both sides notice at once; what is under way is lost."""
        for way in (self._outgoing, self._incoming):
            way.cut = True
            way.wake()

    async def aclose(self) -> None:
        """What was sent still arrives."""
        if not self._closed:
            self._closed = True
            self._outgoing.ended = True
            self._incoming.left = True
            self._outgoing.wake()
            self._incoming.wake()
            if self._outgoing.lingering:
                await trio.sleep_forever()
        await checkpoint()

    async def abort(self) -> None:
        if not self._closed:
            self.cut()
            self._closed = True
        await checkpoint()

    def deafen(self) -> None:
        """From now on nothing arrives, either way, and nobody is told."""
        self._outgoing.deaf = self._incoming.deaf = True

    def _check(self, way: _Way) -> None:
        if self._closed:
            raise trio.ClosedResourceError("this link was closed on our side")
        if way.cut or (way is self._outgoing and way.left):
            raise trio.BrokenResourceError("the link was cut")


class MemoryLinks(Arrivals[MemoryLink]):
    """`sys_processes.devices.Links` of one simulated node. Made by `LinkNetwork.node`."""

    def __init__(self, network: LinkNetwork, key: bytes) -> None:
        super().__init__(key, MemoryLink.cut)
        self._network = network

    async def dial(self, record: IdentityRecord) -> MemoryLink:
        await checkpoint()
        return await self._network.open(record)

    async def reach(self, record: IdentityRecord) -> MemoryLink:
        await checkpoint()
        return await self._network.open(record, plain=True)


class LinkNetwork:
    """The wires between the nodes of a world. `fate` is asked at every dial, with how many there were before.

    With a `chance`, bytes come in pieces of any size.
    """

    def __init__(
        self, *, fate: Callable[[int], LinkFate] | None = None, chance: Chance | None = None
    ) -> None:
        self.fate = fate or (lambda _number: FAIR)
        self.dials = 0
        self._chance = chance
        self._nodes: dict[str, MemoryLinks] = {}
        self._links: list[MemoryLink] = []

    def node(self, address: str, key: bytes) -> MemoryLinks:
        """The links of the node that listens there, in the place of one that did before."""
        former = self._nodes.get(address)
        if former is not None:
            former.close()
        links = self._nodes[address] = MemoryLinks(self, key)
        return links

    async def open(self, record: IdentityRecord, *, plain: bool = False) -> MemoryLink:
        """A link, or a channel. Raises `LinkFailed`."""
        if record.address is None:
            raise LinkFailed(f"{record.name} has no address")
        fate = self.fate(self.dials)
        self.dials += 1
        if fate.hanging:
            await trio.sleep_forever()
        await trio.sleep(fate.delay)
        target = self._nodes.get(record.address)
        if target is None or target.closed or fate.refused:
            raise LinkFailed(f"nobody listens at {record.address}")
        there, back = _Way(fate, fate.there, self._chance), _Way(fate, fate.back, self._chance)
        near, far = MemoryLink(there, back, None if plain else target.key), MemoryLink(back, there, None)
        self._links += [near, far]
        target.arrive(far, plain=plain)
        return near

    def cut_all(self) -> None:
        """Every link there is."""
        links, self._links = self._links, []
        for link in links:
            link.cut()

    def deafen_all(self) -> None:
        """Every link there is."""
        for link in self._links:
            link.deafen()
