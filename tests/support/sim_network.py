"""Whole nodes on memory devices that reach each other over memory links."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from runtime.node import Network, PackageFiles
from runtime.sim.links import LinkFate, LinkNetwork
from runtime.sim.registry import MemoryRegistry
from sys_processes.net.protocol import IdentityRecord
from tests.support.net_world import identity_of, record_of
from tests.support.sim_home import SimHome, SimNode

DELAY = 0.01


class SimNetwork:
    """Of nodes of these names. Each knows the others. `routed` ones have no address, but routers, which let one link
    through for each name.
    """

    def __init__(self, *names: str, routed: Mapping[str, Sequence[str]] | None = None) -> None:
        self.wires = LinkNetwork(fate=lambda _number: LinkFate(delay=DELAY))
        self._names = names
        self._routed = routed or {}
        self._boots = 0

    def _record(self, name: str) -> IdentityRecord:
        return record_of(name, routers=self._routed.get(name, ()))

    @asynccontextmanager
    async def booted(
        self, name: str, *packages: PackageFiles, home: SimHome | None = None
    ) -> AsyncIterator[SimNode]:
        self._boots += 1
        registry, identity = MemoryRegistry(), identity_of(name)
        for other in self._names:
            if other != name:
                registry.put(self._record(other))
        links = self.wires.node(f"{name}:8080", identity.public_key)
        passages = len(self._names) if any(name in routers for routers in self._routed.values()) else 0
        network = Network(links, registry, self._record(name), passages=passages)
        try:
            async with (home or SimHome()).booted(
                *packages, name=name, keys=identity, network=network, seed=self._boots
            ) as node:
                yield node
        finally:
            links.close()
