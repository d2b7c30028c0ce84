"""Kernels with http_server and net:sys:nectar on real sockets of this machine, which know each other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

import attrs
import trio
import trio.testing

from kernel import commands
from kernel.address import Address
from kernel.capability import KERNEL
from runtime.keyfile import Identity
from runtime.links.direct import DirectLinks
from runtime.listener import TcpListener
from runtime.registered_keys import RegisteredKeys
from runtime.sim.chance import SeededChance
from runtime.sim.registry import MemoryRegistry
from sys_processes.devices import Links
from sys_processes.http_server import process as http_server
from sys_processes.http_server.door import Door
from sys_processes.http_server.protocol import HTTP_SERVER
from sys_processes.http_server.settings import HttpSettings
from sys_processes.http_server.tokens import LoginTokens
from sys_processes.net import process as net
from sys_processes.net.protocol import NET, IdentityRecord
from sys_processes.net.table import NetLimits
from tests.support.kernel_node import KernelNode, Puppet, make_kernel
from tests.support.killing import kill, run_until_killed
from tests.support.net_world import identity_of, record_of


async def nobody(_password: str) -> bool:
    return False


@attrs.define(eq=False)
class LinkedNode:
    """One run of a node. `record` is how it shows itself."""

    name: str
    kernel: KernelNode
    registry: MemoryRegistry
    listener: TcpListener
    links: DirectLinks
    door: Door
    record: IdentityRecord
    scope: trio.CancelScope

    async def puppet(self, name: str = "a") -> Puppet:
        to_net = Address(self.name, NET)
        return await self.kernel.puppet(name, network=True, may_message=[to_net])

    @property
    def printed(self) -> str:
        return self.kernel.console.text


class LinkedWorld:
    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        self.nodes: dict[str, LinkedNode] = {}
        self.routed: dict[str, Sequence[str]] = {}
        """Nodes without an address, and their routers."""
        self.passages: dict[str, int] = {}
        """How many links go through a node at a time; none, if it is not named."""
        self._boots = 0

    async def boot(
        self,
        name: str,
        *,
        identity: Identity | None = None,
        port: int = 0,
        wrap: Callable[[Links], Links] = lambda links: links,
    ) -> LinkedNode:
        """A node that the others know by the key of its name, whatever `identity` it has, and that knows them."""
        self._boots += 1
        identity = identity or identity_of(name)
        registry = MemoryRegistry()
        keys = RegisteredKeys(name, identity, registry)
        kernel = make_kernel(node=name, keys=keys, chance=SeededChance(self._boots))
        listener = await TcpListener.open("127.0.0.1", port)
        links = DirectLinks(identity.network_key, SeededChance(self._boots))
        door = Door(
            listener=listener,
            settings=HttpSettings(),
            tokens=LoginTokens(name, b"s" * 32),
            rpc_token=None,
            check_password=nobody,
            keyfile=b"",
            keys=keys,
            client=b"",
            links=links,
        )
        scope = trio.CancelScope()
        await self._nursery.start(run_until_killed, kernel, scope)
        kernel.kernel.add_module(KERNEL, commands.make(kernel.kernel), public=False)
        kernel.kernel.add_module(HTTP_SERVER, http_server.make(door), public=True)
        routers = self.routed.get(name, ())
        record = record_of(name, address=f"127.0.0.1:{listener.port}", routers=routers, serial=self._boots)
        limits = NetLimits(passages=self.passages.get(name, 0))
        init = net.make(wrap(links), registry, keys, limits, own=record)
        kernel.kernel.add_module(NET, init, public=False)
        node = LinkedNode(name, kernel, registry, listener, links, door, record, scope)
        for other in self.nodes.values():
            other.registry.put(record)
            registry.put(other.record)
        self.nodes[name] = node
        return node

    async def kill(self, name: str) -> None:
        """As `kill -9`: nobody is asked, and its sockets close."""
        node = self.nodes.pop(name)
        kill(node.kernel, node.scope)
        node.links.close()
        await node.listener.aclose()
        await trio.testing.wait_all_tasks_blocked()


@asynccontextmanager
async def linked_world(
    *names: str,
    routed: Mapping[str, Sequence[str]] | None = None,
    passages: Mapping[str, int] | None = None,
) -> AsyncIterator[LinkedWorld]:
    failure: BaseException | None = None
    async with trio.open_nursery() as nursery:
        world = LinkedWorld(nursery)
        world.routed.update(routed or {})
        world.passages.update(passages or {})
        for name in names:
            await world.boot(name)
        # Kept out of the nursery, which would wrap it into a group.
        try:
            yield world
        except BaseException as error:  # noqa: BLE001 - raised again below
            failure = error
        for name in list(world.nodes):
            with trio.CancelScope(shield=True):
                await world.kill(name)
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure
