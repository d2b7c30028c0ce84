"""Faults that strike a simulated world: who brings them, what they did, and how they all end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import inf
from typing import Protocol, Self

import attrs
import trio

from kernel.ports import StoreFailed
from runtime.sim.choices import Choices
from runtime.sim.databases import MemoryDatabases
from runtime.sim.disk import MemoryDisk
from runtime.sim.engine import MemoryEngine
from runtime.sim.file_tree import Keep
from runtime.sim.mover import NodeDown
from runtime.sim.net import SimNet
from runtime.sim.store import MemoryStore
from runtime.sim.trace import Trace, WorldKind

TRY_AGAIN_SECONDS = 1.0
"""Until a node is booted again whose boot failed because its disk was full."""


class FaultyClock(Protocol):
    """The wall clock of a node."""

    offset: float
    """Seconds by which it is ahead."""
    rate: float


class FaultyNode(Protocol):
    """`runtime.sim.sim_node.SimNode`, as faults see it. `disk`, `store` and databases are those of its present
    life.
    """

    @property
    def is_up(self) -> bool:
        """Whether it has booted, and not ended."""

    @property
    def is_booting(self) -> bool: ...

    async def booted(self) -> None:
        """Returns when a boot that somebody has begun has come to its end, whichever. Raises nothing."""

    @property
    def clock(self) -> FaultyClock: ...

    @property
    def disk(self) -> MemoryDisk: ...

    @property
    def store(self) -> MemoryStore: ...

    @property
    def engine(self) -> MemoryEngine: ...

    @property
    def databases(self) -> MemoryDatabases: ...

    def crash(self) -> None: ...

    async def restart(self, keep: Keep | Choices) -> None: ...

    def pause(self) -> None: ...

    def resume(self) -> None: ...


class FaultTarget(Protocol):
    """`runtime.sim.world.World`, as faults see it."""

    @property
    def choices(self) -> Choices: ...

    @property
    def trace(self) -> Trace: ...

    @property
    def net(self) -> SimNet: ...

    @property
    def nodes(self) -> Mapping[str, FaultyNode]:
        """In the order of their first boot."""


class Nemesis(Protocol):
    """Brings faults of one kind, one after the other. `every` is the seconds between two, about."""

    @property
    def kind(self) -> str: ...

    @property
    def every(self) -> float: ...

    async def strike(self, storm: Storm) -> None:
        """One fault, from the choice whether it happens, where 0 is no, to its end, which a cancellation brings on."""

    def stronger(self, level: int) -> Self:
        """As it is for 0, and worse for each further level."""


FaultArg = str | float | bool | list[str]


@attrs.define(eq=False)
class Fault:
    """One that happened. Times are virtual seconds; `ended` is None while it lasts. `args` say what it was to whoever
    wants to bring the same again, by the names of `runtime.sim.strikes`.
    """

    kind: str
    what: str
    began: float
    ended: float | None = None
    args: dict[str, FaultArg] = attrs.Factory(dict)

    def line(self) -> str:
        until = "" if self.ended == self.began else "-" if self.ended is None else f"-{self.ended:.3f}"
        return f"{self.began:.3f}{until} {self.kind} {self.what}"


class Storm:
    """The faults of one world."""

    def __init__(self, target: FaultTarget) -> None:
        self.target = target
        self.choices = target.choices
        self.faults: list[Fault] = []
        """In the order in which they began."""
        self.down: dict[str, Fault] = {}
        """Nodes that a fault has crashed and that are not back."""
        self._scopes: list[trio.CancelScope] = []
        self._wrong_clocks: dict[str, None] = {}
        self._layers: dict[tuple[str, str], list[tuple[Callable[[], None], Callable[[], None]]]] = {}
        self._calm = trio.Event()
        self._calm.set()

    # -- phases

    async def run(
        self, nemeses: Iterable[Nemesis], seconds: float = inf, *, scope: trio.CancelScope | None = None
    ) -> None:
        """All of them at once, for so long or until `heal_all`, or until the `scope` given is cancelled. On return what
        they did is undone.
        """
        scope = self.announce(scope)
        scope.deadline = trio.current_time() + seconds
        try:
            with scope:
                async with trio.open_nursery() as nursery:
                    for nemesis in nemeses:
                        nursery.start_soon(self._let_loose, nemesis)
            await self._bring_back()
        finally:
            self._scopes.remove(scope)
            if not self._scopes:
                self._calm.set()

    def announce(self, scope: trio.CancelScope | None = None) -> trio.CancelScope:
        """Faults are about to come whose task has not begun yet: `heal_all` ends these, too. `run` takes the scope."""
        scope = scope or trio.CancelScope()
        if scope not in self._scopes:
            self._scopes.append(scope)
        if self._calm.is_set():
            self._calm = trio.Event()
        return scope

    async def heal_all(self) -> None:
        """Ends every fault for good: no nemesis strikes any more, the nodes that they crashed run again, clocks are
        right, disks have room, and the network loses nothing. On return all of that is so.
        """
        for scope in self._scopes:
            scope.cancel()
        await self._calm.wait()
        await self._bring_back()
        for name in self._wrong_clocks:
            self.set_clock(name, 0.0, 1.0)
        self._wrong_clocks.clear()
        self.target.net.heal_all()

    async def _let_loose(self, nemesis: Nemesis) -> None:
        label = f"fault {nemesis.kind} wait"
        while True:
            await trio.sleep(self.choices.among(label, 0.5 * nemesis.every, 1.5 * nemesis.every))
            await nemesis.strike(self)

    async def _bring_back(self) -> None:
        for name in tuple(self.down):
            await self.restart(name, "flushed")

    # -- for nemeses

    @property
    def names(self) -> Sequence[str]:
        return tuple(self.target.nodes)

    @property
    def up(self) -> list[str]:
        return [name for name, node in self.target.nodes.items() if node.is_up]

    def choose(self, kind: str, n: int, what: str = "") -> int:
        return self.choices.choose(f"fault {kind} {what}".rstrip(), n)

    def pick(self, kind: str, options: Sequence[str]) -> str | None:
        """One of them, or that nothing happens."""
        chosen = self.choose(kind, len(options) + 1)
        return options[chosen - 1] if chosen else None

    async def last(self, kind: str, lasts: tuple[float, float]) -> None:
        """For so long as is chosen; the harmless choice is the least."""
        await trio.sleep(self.choices.among(f"fault {kind} lasts", *lasts))

    @contextmanager
    def fault(self, kind: str, what: str, **args: FaultArg) -> Iterator[Fault]:
        """It happens, from here to the end of the block."""
        fault = self.note(kind, what, **args)
        try:
            yield fault
        finally:
            fault.ended = trio.current_time()

    @contextmanager
    def layered(
        self, kind: str, name: str, apply: Callable[[], None], restore: Callable[[], None]
    ) -> Iterator[None]:
        """A fault of a node that another one of its kind may overlap: the newest that lasts holds, and it is restored
        when the last has ended.
        """
        layers = self._layers.setdefault((kind, name), [(restore, restore)])
        layer = apply, restore
        layers.append(layer)
        apply()
        try:
            yield
        finally:
            layers.remove(layer)
            layers[-1][0]()
            if len(layers) == 1:
                del self._layers[kind, name]

    def note(self, kind: str, what: str, **args: FaultArg) -> Fault:
        fault = Fault(kind, what, trio.current_time(), args=args)
        self.faults.append(fault)
        return fault

    def crash(self, name: str) -> None:
        self.down[name] = self.note("crash", name, node=name)
        self.target.nodes[name].crash()

    async def restart(self, name: str, keep: Keep | Choices) -> None:
        """Not to be cancelled half-way. No error when somebody else was faster, or when its disk fails or somebody
        crashes it while it boots: then it is booted again.
        """
        fault = self.down.pop(name, None)
        node = self.target.nodes[name]
        with trio.CancelScope(shield=True):
            while not node.is_up:
                if node.is_booting:
                    await node.booted()
                    continue
                try:
                    await node.restart(keep)
                except (StoreFailed, OSError, NodeDown):
                    await trio.sleep(TRY_AGAIN_SECONDS)
        if fault is not None:
            fault.ended = trio.current_time()
            if isinstance(keep, str):
                fault.args["keep"] = keep

    def set_clock(self, name: str, offset: float, rate: float) -> None:
        clock = self.target.nodes[name].clock
        clock.rate = rate
        clock.offset = offset
        self._wrong_clocks[name] = None
        text = f"{offset:+.3f} s, {rate:g} s a second"
        self.target.trace.add(trio.current_time(), name, WorldKind.CLOCK, note=text)

    def tell_disk(self, name: str, text: str) -> None:
        self.target.trace.add(trio.current_time(), name, WorldKind.DISK, note=text)
