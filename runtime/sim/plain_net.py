"""What a world asks of its network, and the plainest one: every node reaches every other, after the same delay."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import trio

from runtime.sim.links import LinkFate, LinkNetwork, MemoryLink, MemoryLinks
from sys_processes.devices import Links
from sys_processes.net.protocol import IdentityRecord

DELAY = 0.001
"""Virtual seconds from node to node, each way."""


class Net(Protocol):
    """The network between the nodes of a world."""

    def links_of(self, name: str, address: str, key: bytes) -> Links:
        """For one run of the node, in the place of those of an earlier run."""

    def crash(self, name: str, *, silent: bool = False) -> None:
        """The node's program is no more: its links are cut, and nobody gets a new one. `silent`: nor is its machine, so
        that nobody is told, and a dial hangs, until there are new `links_of` that name.
        """

    def in_flight_count(self) -> int:
        """How many packets are under way."""


class _NotedLinks:
    """`sys_processes.devices.Links` that remember what they opened."""

    def __init__(self, links: MemoryLinks, dark: Mapping[str, None]) -> None:
        self._links = links
        self._dark = dark
        self._opened: list[MemoryLink] = []

    async def dial(self, record: IdentityRecord) -> MemoryLink:
        if record.name in self._dark:
            await trio.sleep_forever()
        return self._note(await self._links.dial(record))

    async def accept(self) -> MemoryLink:
        return self._note(await self._links.accept())

    def _note(self, link: MemoryLink) -> MemoryLink:
        self._opened.append(link)
        return link

    def die(self, *, silent: bool) -> None:
        self._links.close()
        for link in self._opened:
            if silent:
                link.deafen()
            else:
                link.cut()


class PlainNet:
    """`Net` without any fault."""

    def __init__(self, delay: float = DELAY) -> None:
        fate = LinkFate(delay=delay)
        self._network = LinkNetwork(fate=lambda _number: fate)
        self._nodes: dict[str, _NotedLinks] = {}
        self._dark: dict[str, None] = {}

    def links_of(self, name: str, address: str, key: bytes) -> Links:
        if name in self._dark:
            # A machine that is back knows nothing of its old links, and resets them.
            del self._dark[name]
            self._nodes[name].die(silent=False)
        links = self._nodes[name] = _NotedLinks(self._network.node(address, key), self._dark)
        return links

    def crash(self, name: str, *, silent: bool = False) -> None:
        if silent:
            self._dark[name] = None
        self._nodes[name].die(silent=silent)

    @staticmethod
    def in_flight_count() -> int:
        return 0
