"""Machines on a simulated network, on which nothing runs: what faults do to them can be read."""

from __future__ import annotations

import attrs
import trio

from runtime.sim.chance import SeededChance
from runtime.sim.choices import Choice, Choices, SeedChoices, Source, TapeChoices
from runtime.sim.databases import MemoryDatabases
from runtime.sim.disk import MemoryDisk
from runtime.sim.engine import MemoryEngine
from runtime.sim.file_tree import Keep
from runtime.sim.net import SimNet
from runtime.sim.store import MemoryStore
from runtime.sim.storm import Storm
from runtime.sim.trace import Trace

BOOT_SECONDS = 0.5


@attrs.define
class Clock:
    offset: float = 0.0
    rate: float = 1.0


@attrs.define(eq=False)
class Machine:
    """`runtime.sim.storm.FaultyNode`."""

    name: str
    net: SimNet
    clock: Clock = attrs.Factory(Clock)
    disk: MemoryDisk = attrs.Factory(MemoryDisk)
    store: MemoryStore = attrs.Factory(MemoryStore)
    engine: MemoryEngine = attrs.Factory(MemoryEngine)
    databases: MemoryDatabases = attrs.Factory(lambda: MemoryDatabases(SeededChance(1), lambda: 0.0))
    is_up: bool = True
    boot: trio.Event | None = None
    is_paused: bool = False
    boots: list[str] = attrs.Factory(list)

    def __attrs_post_init__(self) -> None:
        self.net.links_of(self.name, f"{self.name}:8080", self.name.encode())

    def crash(self) -> None:
        assert self.is_up
        self.net.crash(self.name)
        self.is_up = self.is_paused = False

    async def restart(self, keep: Keep | Choices) -> None:
        assert not self.is_up
        self.disk, self.store = self.disk.crash(keep), self.store.crash(keep)
        self.engine, self.databases = self.engine.crash(), self.databases.crash()
        self.boot = trio.Event()
        await trio.sleep(BOOT_SECONDS)
        self.boot.set()
        self.boot = None
        self.net.links_of(self.name, f"{self.name}:8080", self.name.encode())
        self.boots.append(keep if isinstance(keep, str) else "drawn")
        self.is_up = True

    @property
    def is_booting(self) -> bool:
        return self.boot is not None

    async def booted(self) -> None:
        if self.boot is not None:
            await self.boot.wait()

    def pause(self) -> None:
        assert self.is_up
        self.is_paused = True

    def resume(self) -> None:
        assert self.is_up
        self.is_paused = False


class Ground:
    """`runtime.sim.storm.FaultTarget`, with three machines and the storm over them."""

    def __init__(self, source: Source, *names: str) -> None:
        self.choices = Choices(source)
        self.trace = Trace()
        self.net = SimNet(self.choices, self.trace)
        self.nodes = {name: Machine(name, self.net) for name in names or ("a", "b", "c")}
        self.storm = Storm(self)

    def lines(self) -> list[str]:
        return [fault.line() for fault in self.storm.faults]

    def is_calm(self) -> bool:
        """Nothing of any fault is left."""
        return not self.net.is_troubled and all(
            node.is_up
            and not node.is_paused
            and node.clock == Clock()
            and node.disk.capacity is None
            and node.disk.pause is trio.lowlevel.checkpoint
            and node.store.broken is None
            and node.store.pause is trio.lowlevel.checkpoint
            and not (node.engine.full or node.databases.full)
            and node.engine.pause is node.databases.pause is trio.lowlevel.checkpoint
            for node in self.nodes.values()
        )


class Chosen:
    """`runtime.sim.choices.Source`: harmless choices, but for the first of each of these labels, written with `_`."""

    def __init__(self, **values: int) -> None:
        self._values = values

    def draw(self, label: str, n: int) -> int:
        return min(self._values.pop(label.replace(" ", "_"), 0), n - 1)


def seeded(seed: int, *names: str) -> Ground:
    return Ground(SeedChoices(seed), *names)


def taped(tape: list[Choice], *names: str) -> Ground:
    return Ground(TapeChoices(tape), *names)
