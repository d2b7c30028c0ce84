"""Whole kernels with net:sys:nectar on memory links, each with puppets that the test moves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
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
from runtime.registered_keys import RegisteredKeys
from runtime.sim.chance import SeededChance
from runtime.sim.links import LinkFate, LinkNetwork, MemoryLinks
from runtime.sim.net import SimNet
from runtime.sim.net_link import SimLinks
from runtime.sim.registry import MemoryRegistry
from sys_processes.net.identity import make_record
from sys_processes.net.process import make
from sys_processes.net.protocol import NET, IdentityRecord
from sys_processes.net.table import NetLimits
from tests.support.kernel_node import Doing, KernelNode, Puppet, make_kernel


def identity_of(name: str) -> Identity:
    return Identity.fresh(name, SeededChance(int.from_bytes(name.encode(), "big")))


def record_of(
    name: str, *, key_of: str | None = None, address: str | None = None, serial: int = 0
) -> IdentityRecord:
    identity = identity_of(key_of or name)
    where = address or f"{name}:8080"
    return make_record(name, identity.public_key, identity.sign, address=where, serial=serial)


@attrs.define(eq=False)
class Member:
    """One run of one node."""

    kernel: KernelNode
    links: MemoryLinks | SimLinks
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
        self._sim_net = sim_net
        self._limits = limits
        self.nodes: dict[str, Member] = {}
        self._boots = 0

    async def boot(self, name: str, *known: str, identity: Identity | None = None) -> Member:
        """A new kernel of that name, which knows these nodes."""
        self._boots += 1
        identity = identity or identity_of(name)
        registry = MemoryRegistry()
        for other in known:
            if other != name:
                registry.put(record_of(other))
        keys = RegisteredKeys(name, identity, registry)
        kernel = make_kernel(node=name, keys=keys, chance=SeededChance(self._boots))
        links = self._links_of(name, identity.public_key)
        scope = trio.CancelScope()
        await self._nursery.start(self._run, kernel, scope)
        kernel.kernel.add_module(KERNEL, commands.make(kernel.kernel), public=False)
        net = kernel.kernel.add_module(NET, make(links, registry, keys, self._limits), public=False)
        member = self.nodes[name] = Member(kernel, links, registry, net, scope)
        return member

    def _links_of(self, name: str, key: bytes) -> MemoryLinks | SimLinks:
        address = f"{name}:8080"
        if self._sim_net is not None:
            return self._sim_net.links_of(name, address, key)
        return self.network.node(address, key)

    @staticmethod
    async def _run(
        kernel: KernelNode,
        scope: trio.CancelScope,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        with scope:
            await kernel.kernel.run(task_status=task_status)

    async def kill(self, name: str) -> None:
        """As `kill -9`: nobody is asked, and the links close, which all have noticed on return."""
        member = self.nodes.pop(name)
        member.kernel.kernel.router.observer = None
        member.links.close()
        member.scope.cancel()
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
    sim_net: SimNet | None = None,
) -> AsyncIterator[NetWorld]:
    """Nodes that all know each other; on `sim_net`, if one is given."""
    failure: BaseException | None = None
    async with trio.open_nursery() as nursery:
        world = NetWorld(nursery, LinkNetwork(fate=fate, chance=chance), limits, sim_net)
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
