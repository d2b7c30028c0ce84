"""Whole kernels with net:sys:nectar on memory links, each with puppets that the test moves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

import attrs
import trio
import trio.testing

from kernel import commands
from kernel.address import Address
from kernel.capability import KERNEL
from kernel.message import Message, SendError
from kernel.ports import Chance
from kernel.process import Process
from runtime.keyfile import Identity
from runtime.known_nodes import KnownNodes
from runtime.registered_keys import RegisteredKeys
from runtime.sim.chance import SeededChance
from runtime.sim.links import LinkFate, LinkNetwork, MemoryLinks
from runtime.sim.net import SimNet
from runtime.sim.net_link import SimLinks
from runtime.sim.registry import MemoryRegistry
from sys_processes.devices import Links
from sys_processes.net.identity import make_record
from sys_processes.net.name_updates import ToldNames
from sys_processes.net.process import make
from sys_processes.net.protocol import NET, IdentityRecord
from sys_processes.net.table import NetLimits
from tests.support.kernel_node import Doing, KernelNode, Puppet, make_kernel
from tests.support.killing import kill, run_until_killed


def identity_of(name: str) -> Identity:
    return Identity.fresh(name, SeededChance(int.from_bytes(name.encode(), "big")))


def record_of(
    name: str,
    *,
    key_of: str | None = None,
    address: str | None = None,
    routers: Sequence[str] = (),
    serial: int = 0,
) -> IdentityRecord:
    """With routers it has no address."""
    identity = identity_of(key_of or name)
    where = None if routers else address or f"{name}:8080"
    return make_record(
        name, identity.public_key, identity.sign, address=where, routers=routers, serial=serial
    )


@attrs.define(eq=False)
class Member:
    """One run of one node."""

    kernel: KernelNode
    links: MemoryLinks | SimLinks
    """Its end of the wires."""
    registry: MemoryRegistry
    net: Process
    scope: trio.CancelScope


class NetWorld:
    def __init__(
        self,
        nursery: trio.Nursery,
        network: LinkNetwork,
        limits: NetLimits | None,
        sim_net: SimNet | None = None,
    ) -> None:
        self._nursery = nursery
        self.network = network
        self._limits = limits or NetLimits()
        self.routed: dict[str, Sequence[str]] = {}
        """Nodes without an address, and their routers."""
        self.passages: dict[str, int] = {}
        """How many links go through a node at a time; none, if it is not named."""
        self._sim_net = sim_net
        self.nodes: dict[str, Member] = {}
        self._boots = 0

    async def boot(
        self,
        name: str,
        *known: str,
        identity: Identity | None = None,
        wrap: Callable[[Links], Links] = lambda links: links,
    ) -> Member:
        """A new kernel of that name, which knows these nodes."""
        self._boots += 1
        identity = identity or identity_of(name)
        registry = MemoryRegistry()
        for other in known:
            if other != name:
                registry.put(self.record(other))
        told = ToldNames()
        known_nodes = KnownNodes([registry, told])
        keys = RegisteredKeys(name, identity, known_nodes)
        kernel = make_kernel(node=name, keys=keys, chance=SeededChance(self._boots))
        links = self._links_of(name, identity.public_key)
        scope = trio.CancelScope()
        await self._nursery.start(run_until_killed, kernel, scope)
        kernel.kernel.add_module(KERNEL, commands.make(kernel.kernel), public=False)
        limits = attrs.evolve(self._limits, passages=self.passages.get(name, 0))
        carrier = make(wrap(links), known_nodes, keys, limits, own=self.record(name), told=told)
        net = kernel.kernel.add_module(NET, carrier, public=False)
        member = self.nodes[name] = Member(kernel, links, registry, net, scope)
        return member

    def record(self, name: str) -> IdentityRecord:
        return record_of(name, routers=self.routed.get(name, ()))

    def _links_of(self, name: str, key: bytes) -> MemoryLinks | SimLinks:
        address = f"{name}:8080"
        if self._sim_net is not None:
            return self._sim_net.links_of(name, address, key)
        return self.network.node(address, key)

    async def kill(self, name: str) -> None:
        """As `kill -9`: nobody is asked, and the links close, which all have noticed on return."""
        member = self.nodes.pop(name)
        member.links.close()
        kill(member.kernel, member.scope)
        await trio.testing.wait_all_tasks_blocked()

    async def puppet(self, node: str, name: str = "a", **options: object) -> Puppet:
        options.setdefault("network", True)
        options.setdefault("may_message", [Address(node, NET)])
        return await self.nodes[node].kernel.puppet(name, **options)

    def printed(self, node: str) -> str:
        return self.nodes[node].kernel.console.text

    async def peers(self, node: str, asker: Puppet) -> str:
        return (await asker.ask(Address(node, NET), b"peers")).ipc.decode()


async def outcome(doing: Doing[Message]) -> bytes | SendError:
    """The ipc of the answer, or the error."""
    try:
        message = await doing.result()
    except SendError as error:
        return error
    return message.ipc


@asynccontextmanager
async def net_world(
    *names: str,
    fate: Callable[[int], LinkFate] | None = None,
    chance: Chance | None = None,
    limits: NetLimits | None = None,
    routed: Mapping[str, Sequence[str]] | None = None,
    passages: Mapping[str, int] | None = None,
    sim_net: SimNet | None = None,
) -> AsyncIterator[NetWorld]:
    """Nodes that all know each other. `routed` ones have no address, but routers; of those, `passages` says how many
    links go through each at a time. On `sim_net`, if one is given.
    """
    failure: BaseException | None = None
    async with trio.open_nursery() as nursery:
        world = NetWorld(nursery, LinkNetwork(fate=fate, chance=chance), limits, sim_net)
        world.routed.update(routed or {})
        world.passages.update(passages or {})
        for name in names:
            await world.boot(name, *names)
        # Kept out of the nursery, which would wrap it into a group.
        try:
            yield world
        except BaseException as error:  # noqa: BLE001 - raised again below
            failure = error
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure
