"""What the contract of Links is tested on: memory, sockets, and a router between the two on either."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
import trio

from runtime.sim.choices import Choices, TapeChoices
from runtime.sim.links import LinkNetwork, MemoryLinks
from runtime.sim.net import SimNet
from runtime.sim.net_link import SimLinks
from runtime.sim.trace import Trace
from sys_processes.devices import Channel, Link, Links
from sys_processes.net.prefaces import Arrival, Here, Wanted, encode_preface
from sys_processes.net.protocol import IdentityRecord
from sys_processes.net.router import splice
from sys_processes.net.ways import hear_preface
from tests.support.link_host import link_host, make_links
from tests.support.net_world import identity_of, record_of

ALICE, BOB, ROUTER = "alice.uq", "bob.uq", "router.uq"


class Wires(ABC):
    """Alice, who dials, and Bob, who accepts."""

    alice: Links
    bob: Links
    record: IdentityRecord
    """How Alice knows Bob."""

    async def dial(self) -> Link:
        return await self.alice.dial(self.record)

    async def accept(self) -> Link:
        return await self.bob.accept()

    @abstractmethod
    async def cut_all(self) -> None:
        """Every link between them, so that both notice."""

    @abstractmethod
    def close(self) -> None:
        """Bob takes no more links."""

    async def pair(self) -> tuple[Link, Link]:
        """A link, as Alice and as Bob hold it."""
        ends: dict[str, Link] = {}

        async def dial() -> None:
            ends["alice"] = await self.dial()

        async def accept() -> None:
            ends["bob"] = await self.accept()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(dial)
            nursery.start_soon(accept)
        return ends["alice"], ends["bob"]


class InMemory(Wires):
    def __init__(self, *, to: str = BOB) -> None:
        self._network = LinkNetwork()
        self.alice = self.node(ALICE)
        self._bob = self.bob = self.node(to)
        self.record = record_of(to)

    def node(self, name: str) -> MemoryLinks:
        return self._network.node(f"{name}:8080", identity_of(name).public_key)

    async def cut_all(self) -> None:
        self._network.cut_all()

    def close(self) -> None:
        self._bob.close()


@asynccontextmanager
async def in_memory() -> AsyncIterator[Wires]:
    yield InMemory()


@asynccontextmanager
async def over_tls(*, to: str = BOB) -> AsyncIterator[Wires]:
    async with link_host(to) as host:

        class OverTls(Wires):
            alice = make_links(ALICE)
            bob = host.links
            record = host.record

            async def cut_all(self) -> None:
                await host.cut_all()

            def close(self) -> None:
                host.links.close()

        wires = OverTls()
        try:
            yield wires
        finally:
            wires.alice.close()


class Simulated(Wires):
    def __init__(self) -> None:
        self._network = SimNet(Choices(TapeChoices([])), Trace())
        self.alice = self.node(ALICE)
        self._bob = self.bob = self.node(BOB)
        self.record = record_of(BOB)

    def node(self, name: str) -> SimLinks:
        return self._network.links_of(name, f"{name}:8080", identity_of(name).public_key)

    async def cut_all(self) -> None:
        self._network.cut_all()

    def close(self) -> None:
        self._bob.close()


@asynccontextmanager
async def simulated() -> AsyncIterator[Wires]:
    yield Simulated()


# -- through a router


@attrs.define(eq=False)
class _Caller:
    """Alice at the router, until Bob has come."""

    bob: trio.Event = attrs.Factory(trio.Event)
    channel: Channel | None = None


class Relayed(Wires):
    """Alice and Bob open channels to the router, which passes on what comes. `wires` are theirs to the router."""

    def __init__(self, wires: Wires, bob: Links) -> None:
        """`bob` are his own links: on `wires` the router is who accepts."""
        self._wires = wires
        self._router = wires.bob
        self.alice = wires.alice
        self.bob = bob
        self.record = wires.record
        self._callers: dict[bytes, _Caller] = {}
        self._call, self._called = trio.open_memory_channel[bytes](1000)

    async def dial(self) -> Link:
        channel = await self.alice.reach(self.record)
        await channel.send(encode_preface(Wanted(ALICE, BOB)))
        assert await hear_preface(channel) == Here()
        return await self.alice.secure(channel, server=False)

    async def accept(self) -> Link:
        channel = await self.bob.reach(self.record)
        await channel.send(encode_preface(Arrival(await self._called.receive())))
        return await self.bob.secure(channel, server=True)

    async def cut_all(self) -> None:
        await self._wires.cut_all()

    def close(self) -> None:
        self._wires.close()

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            while True:
                nursery.start_soon(self._meet, await self._router.accept_plain())

    async def _meet(self, channel: Channel) -> None:
        said = await hear_preface(channel)
        if isinstance(said, Arrival):
            caller = self._callers.pop(said.token)
            caller.channel = channel
            caller.bob.set()
            return
        token = len(self._callers).to_bytes(16, "big") + id(channel).to_bytes(16, "big")
        caller = self._callers[token] = _Caller()
        await self._call.send(token)
        await caller.bob.wait()
        assert caller.channel is not None
        await channel.send(encode_preface(Here()))
        await splice(channel, caller.channel)


@asynccontextmanager
async def _relayed(wires: Wires, bob: Links) -> AsyncIterator[Wires]:
    relayed = Relayed(wires, bob)
    failure: BaseException | None = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(relayed.run)
        # Kept out of the nursery, which would wrap it into a group.
        try:
            yield relayed
        except BaseException as error:  # noqa: BLE001 - raised again below
            failure = error
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure


@asynccontextmanager
async def relayed_in_memory() -> AsyncIterator[Wires]:
    wires = InMemory(to=ROUTER)
    async with _relayed(wires, wires.node(BOB)) as relayed:
        yield relayed


@asynccontextmanager
async def relayed_over_tls() -> AsyncIterator[Wires]:
    async with over_tls(to=ROUTER) as wires, _relayed(wires, make_links(BOB)) as relayed:
        yield relayed
