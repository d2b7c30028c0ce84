"""Kernels with the laws watching."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
import trio

from kernel.events import Event
from runtime.sim.laws import Laws
from runtime.sim.trace import Trace, WorldKind
from runtime.sim.violation import LawBroken
from tests.support.kernel_node import KernelNode, kernel_node
from tests.support.net_world import Member, NetWorld, net_world


@attrs.define
class Watched:
    """The trace of one world and the laws that see it."""

    trace: Trace = attrs.Factory(Trace)
    laws: Laws = attrs.Factory(Laws)

    def __attrs_post_init__(self) -> None:
        self.trace.monitors.append(self.laws)

    def watch(self, node: KernelNode) -> None:
        """What happens there from now on is told to the trace, too."""
        told, events = self.trace.observer(node.kernel.node), node.events

        def observe(event: Event) -> None:
            events.append(event)
            told(event)

        node.kernel.router.observer = observe

    def say(self, node: str, kind: WorldKind) -> None:
        self.trace.add(trio.current_time(), node, kind)

    def verdict(self) -> LawBroken | None:
        """Up to now."""
        return self.laws.finish(trio.current_time())

    def broken_law(self) -> str | None:
        """Its name. What shows it are entries that there are."""
        broken = self.verdict()
        if broken is None:
            return None
        assert broken.entries
        assert all(0 <= number < self.trace.count for number in broken.entries)
        return broken.name


@asynccontextmanager
async def law_node() -> AsyncIterator[tuple[KernelNode, Watched]]:
    watched = Watched()
    async with kernel_node() as node:
        watched.watch(node)
        yield node, watched


class LawWorld:
    """Nodes that reach each other over memory links, under the laws."""

    def __init__(self, world: NetWorld) -> None:
        self.world = world
        self.watched = Watched()
        for member in world.nodes.values():
            self.watched.watch(member.kernel)

    async def boot(self, name: str, *known: str) -> Member:
        member = await self.world.boot(name, *known)
        self.watched.watch(member.kernel)
        return member

    async def crash(self, name: str) -> None:
        await self.world.kill(name)
        self.watched.say(name, WorldKind.CRASHED)


@asynccontextmanager
async def law_world(*names: str) -> AsyncIterator[LawWorld]:
    async with net_world(*names) as world:
        yield LawWorld(world)
