"""Whole nodes on memory devices that reach each other over memory links."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from runtime.node import Network, PackageFiles
from runtime.sim.links import LinkFate, LinkNetwork
from runtime.sim.registry import MemoryRegistry
from tests.support.net_world import identity_of, record_of
from tests.support.sim_home import SimHome, SimNode

DELAY = 0.01


class SimNetwork:
    """Of nodes of these names. Each knows the others."""

    def __init__(self, *names: str) -> None:
        self.wires = LinkNetwork(fate=lambda _number: LinkFate(delay=DELAY))
        self._names = names
        self._boots = 0

    @asynccontextmanager
    async def booted(
        self, name: str, *packages: PackageFiles, home: SimHome | None = None
    ) -> AsyncIterator[SimNode]:
        self._boots += 1
        registry, identity = MemoryRegistry(), identity_of(name)
        for other in self._names:
            if other != name:
                registry.put(record_of(other))
        links = self.wires.node(f"{name}:8080", identity.public_key)
        network = Network(links, registry, record_of(name))
        try:
            async with (home or SimHome()).booted(
                *packages, name=name, keys=identity, network=network, seed=self._boots
            ) as node:
                yield node
        finally:
            links.close()
