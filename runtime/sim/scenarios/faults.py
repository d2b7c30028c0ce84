"""The faults of a scenario: at exact times, or again and again by chance; and how one that happened is written."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from functools import partial
from math import inf
from typing import cast, get_args

import attrs
import trio

from runtime.sim.file_tree import Keep
from runtime.sim.nemeses import (
    ClockJump,
    Crash,
    Cut,
    DiskFull,
    Dup,
    Loss,
    Partition,
    Pause,
    Reorder,
    SlowDisk,
    SlowLinks,
    cut,
    full_disk,
    jump_clock,
    parted,
    paused,
    slow_disk,
    worsened,
)
from runtime.sim.scenarios.table import Span, Table
from runtime.sim.storm import Fault, FaultArg, Nemesis, Storm
from runtime.sim.wires import LinkSettings, Uniform

KEEPS: tuple[str, ...] = get_args(Keep)
NO_TIME: Span = (0.0, 0.0)
TO_THE_END = 3600.0
"""Of a fault that had not ended when the run had; its phase ends it."""
_AT_ONCE = ("cut", "clock")

Bring = Callable[[Storm], AbstractAsyncContextManager[None]]
"""The fault lasts as long as the block."""


@attrs.frozen
class Planned:
    """Strikes `at` so many seconds after its phase began, each time for the seconds that `lasts` says."""

    kind: str
    at: tuple[float, ...]
    lasts: Span
    bring: Bring

    async def play(self, storm: Storm) -> None:
        async with trio.open_nursery() as nursery:
            for moment in self.at:
                nursery.start_soon(self._strike, storm, moment)

    async def _strike(self, storm: Storm, moment: float) -> None:
        await trio.sleep(moment)
        async with self.bring(storm):
            least, most = self.lasts
            if least < most:
                await storm.last(self.kind, self.lasts)
            elif least:
                await trio.sleep(least)


@attrs.frozen
class PhaseFaults:
    planned: tuple[Planned, ...] = ()
    nemeses: tuple[Nemesis, ...] = ()

    async def play(self, storm: Storm, over: trio.Event) -> None:
        """Until it is over; then all they did is undone."""
        scope = trio.CancelScope()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(storm.run, self.nemeses, scope=scope))
            async with trio.open_nursery() as strikes:
                for planned in self.planned:
                    strikes.start_soon(planned.play, storm)
                await over.wait()
                strikes.cancel_scope.cancel()
            scope.cancel()


def read_faults(tables: Sequence[Table], nodes: Sequence[str]) -> PhaseFaults:
    """Raises `BadScenario`."""
    planned: list[Planned] = []
    nemeses: list[Nemesis] = []
    for table in tables:
        kind = table.one_of("kind", PLANNED)
        if table.has("at") == table.has("every"):
            fix = "write at = [SECONDS] for exact times, every = SECONDS for about so often"
            raise table.error("", "expected either at or every", fix)
        if table.has("at"):
            planned.append(_planned(kind, table, nodes))
        else:
            nemeses.append(_repeated(kind, table))
        table.end()
    return PhaseFaults(tuple(planned), tuple(nemeses))


# -- at exact times


def _planned(kind: str, table: Table, nodes: Sequence[str]) -> Planned:
    lasts = NO_TIME if kind in _AT_ONCE else table.span("lasts")
    return Planned(kind, table.numbers("at"), lasts, PLANNED[kind](table, nodes))


@asynccontextmanager
async def _block(manager: AbstractContextManager[object]) -> AsyncIterator[None]:
    with manager:
        yield


def _node(table: Table, nodes: Sequence[str], key: str = "node") -> str:
    return table.one_of(key, nodes)


def _pair(table: Table, nodes: Sequence[str], one: str = "a", other: str = "b") -> tuple[str, str]:
    pair = _node(table, nodes, one), _node(table, nodes, other)
    if pair[0] == pair[1]:
        raise table.error(other, f"{pair[1]!r} is the other one, too", "name two nodes")
    return pair


def _side(table: Table, nodes: Sequence[str], key: str, default: tuple[str, ...] | None = None) -> list[str]:
    found = table.texts(key) if default is None else table.texts(key, default)
    for name in found:
        if name not in nodes:
            raise table.error(key, f"{name!r} is no node", f"there are {', '.join(nodes)}")
    if not found:
        raise table.error(key, "nobody is on this side", f"name some of {', '.join(nodes)}")
    return list(found)


def _partition(table: Table, nodes: Sequence[str]) -> Bring:
    left = _side(table, nodes, "left")
    right = _side(table, nodes, "right", tuple(name for name in nodes if name not in left))
    both = [name for name in left if name in right]
    if both:
        raise table.error("right", f"{both[0]!r} is on both sides", "name it on one of them")
    oneway = table.flag("oneway", default=False)
    return lambda storm: _block(parted(storm, left, right, oneway=oneway))


def _cut(table: Table, nodes: Sequence[str]) -> Bring:
    a, b = _pair(table, nodes)

    @asynccontextmanager
    async def bring(storm: Storm) -> AsyncIterator[None]:
        cut(storm, a, b)
        yield

    return bring


def _hold(table: Table, nodes: Sequence[str]) -> Bring:
    a, b = _pair(table, nodes)
    oneway = table.flag("oneway", default=False)

    @asynccontextmanager
    async def bring(storm: Storm) -> AsyncIterator[None]:
        fault = storm.fault("hold", f"{a} {'>' if oneway else '|'} {b}", a=a, b=b, oneway=oneway)
        with fault, storm.target.net.hold(a, b, oneway=oneway):
            yield

    return bring


def _crash(table: Table, nodes: Sequence[str]) -> Bring:
    name = _node(table, nodes)
    keep = cast("Keep", table.one_of("keep", KEEPS, "flushed"))

    @asynccontextmanager
    async def bring(storm: Storm) -> AsyncIterator[None]:
        if name not in storm.up:
            yield
            return
        storm.crash(name)
        try:
            yield
        finally:
            await storm.restart(name, keep)

    return bring


def _pause(table: Table, nodes: Sequence[str]) -> Bring:
    name = _node(table, nodes)

    @asynccontextmanager
    async def bring(storm: Storm) -> AsyncIterator[None]:
        if name not in storm.up:
            yield
            return
        with paused(storm, name):
            yield

    return bring


def _clock(table: Table, nodes: Sequence[str]) -> Bring:
    name, by = _node(table, nodes), table.number("by", least=-1e9, most=1e9)

    @asynccontextmanager
    async def bring(storm: Storm) -> AsyncIterator[None]:
        jump_clock(storm, name, by)
        yield

    return bring


def _weather(
    kind: str, table: Table, nodes: Sequence[str], settings: LinkSettings, **args: FaultArg
) -> Bring:
    everywhere = not (table.has("from") or table.has("to"))
    pair = None if everywhere else _pair(table, nodes, "from", "to")
    return lambda storm: _block(worsened(storm, kind, settings, pair, **args))


def _slow(table: Table, nodes: Sequence[str]) -> Bring:
    most = table.number("most", SlowLinks().most)
    return _weather("slow", table, nodes, LinkSettings(latency=Uniform(0.0, most)), most=most)


def _loss(table: Table, nodes: Sequence[str]) -> Bring:
    probability = table.probability("probability", Loss().probability)
    return _weather("loss", table, nodes, LinkSettings(loss=probability), probability=probability)


def _dup(table: Table, nodes: Sequence[str]) -> Bring:
    probability = table.probability("probability", Dup().probability)
    return _weather("dup", table, nodes, LinkSettings(dup=probability), probability=probability)


def _reorder(table: Table, nodes: Sequence[str]) -> Bring:
    probability = table.probability("probability", Reorder().probability)
    late = table.number("late", Reorder().late)
    settings = LinkSettings(reorder=probability, late=late)
    return _weather("reorder", table, nodes, settings, probability=probability, late=late)


def _full_disk(table: Table, nodes: Sequence[str]) -> Bring:
    name, room = _node(table, nodes), table.whole("room", 0)

    @asynccontextmanager
    async def bring(storm: Storm) -> AsyncIterator[None]:
        try:
            with full_disk(storm, name, room):
                yield
        finally:
            storm.tell_disk(name, "no longer full")

    return bring


def _slow_disk(table: Table, nodes: Sequence[str]) -> Bring:
    name, most = _node(table, nodes), table.number("most", SlowDisk().most)

    @asynccontextmanager
    async def bring(storm: Storm) -> AsyncIterator[None]:
        try:
            with slow_disk(storm, name, most):
                yield
        finally:
            storm.tell_disk(name, "no longer slow")

    return bring


PLANNED: dict[str, Callable[[Table, Sequence[str]], Bring]] = {
    "partition": _partition,
    "cut": _cut,
    "hold": _hold,
    "crash": _crash,
    "pause": _pause,
    "clock": _clock,
    "slow": _slow,
    "loss": _loss,
    "dup": _dup,
    "reorder": _reorder,
    "full disk": _full_disk,
    "slow disk": _slow_disk,
}


# -- again and again


def _repeated(kind: str, table: Table) -> Nemesis:
    make = REPEATED.get(kind)
    if make is None:
        raise table.error(
            "kind", f"{kind!r} does not come by chance", "write at = [SECONDS] and whom it strikes"
        )
    every = table.number("every")
    if not every > 0.0:
        raise table.error("every", "0 seconds between two faults", "write a number above 0")
    plain = Crash() if kind == "crash" else Partition()
    return make(table, every, plain.lasts if kind in _AT_ONCE else table.span("lasts", plain.lasts))


def _crashes(table: Table, every: float, lasts: Span) -> Nemesis:
    keep = cast("Keep", table.one_of("keep", KEEPS)) if table.has("keep") else None
    return Crash(every, lasts, keep, table.whole("most_down", Crash().most_down, least=1))


def _reorders(table: Table, every: float, lasts: Span) -> Nemesis:
    probability = table.probability("probability", Reorder().probability)
    return Reorder(every, lasts, probability, table.number("late", Reorder().late))


REPEATED: dict[str, Callable[[Table, float, Span], Nemesis]] = {
    "partition": lambda _table, every, lasts: Partition(every, lasts),
    "cut": lambda _table, every, _lasts: Cut(every),
    "crash": _crashes,
    "pause": lambda _table, every, lasts: Pause(every, lasts),
    "clock": lambda table, every, lasts: ClockJump(
        every, lasts, table.number("most", ClockJump().most, least=1.0)
    ),
    "slow": lambda table, every, lasts: SlowLinks(every, lasts, table.number("most", SlowLinks().most)),
    "loss": lambda table, every, lasts: Loss(
        every, lasts, table.probability("probability", Loss().probability)
    ),
    "dup": lambda table, every, lasts: Dup(every, lasts, table.probability("probability", Dup().probability)),
    "reorder": _reorders,
    "full disk": lambda table, every, lasts: DiskFull(every, lasts, table.whole("room", DiskFull().room)),
    "slow disk": lambda table, every, lasts: SlowDisk(every, lasts, table.number("most", SlowDisk().most)),
}


# -- one that happened


def as_table(fault: Fault, began: float, ended: float) -> dict[str, object]:
    """As a `[[phase.fault]]` of a phase that lasted from `began` to `ended`."""
    found: dict[str, object] = {"kind": fault.kind, "at": round(max(0.0, fault.began - began), 6)}
    if fault.kind not in _AT_ONCE:
        end = ended if fault.ended is None else min(fault.ended, ended)
        found["lasts"] = TO_THE_END if end == inf else round(max(0.0, end - fault.began), 6)
    return found | dict(fault.args)
