"""The kinds of faults that strike a simulated world by themselves. All are off unless asked for.

Each has seconds between two faults (`every`, about), and how long one `lasts` at least and at most.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import permutations
from typing import Self, TypeVar

import attrs
import trio

from runtime.sim.choices import Choices
from runtime.sim.file_tree import Keep
from runtime.sim.storm import FaultArg, Nemesis, Storm
from runtime.sim.wires import LinkSettings, Uniform
from runtime.sim.workers import chosen_pause

T = TypeVar("T")
Lasts = tuple[float, float]

MOST_SPLIT = 8
"""Nodes up to which any two groups may be parted; of more, one is parted from the rest."""


def _positive(_instance: object, field: attrs.Attribute[float], value: float) -> None:
    if not value > 0.0:
        raise ValueError(f"{field.name} is more than 0 seconds, got {value}")


def _span(_instance: object, field: attrs.Attribute[Lasts], value: Lasts) -> None:
    least, most = value
    if not 0.0 <= least <= most:
        raise ValueError(f"{field.name} is the least and the most seconds, got {value}")


@attrs.frozen
class _Timed:
    every: float = attrs.field(default=10.0, validator=_positive)
    lasts: Lasts = attrs.field(default=(1.0, 20.0), validator=_span)

    def stronger(self, level: int) -> Self:
        return attrs.evolve(self, every=self.every / 2**level)


@attrs.frozen
class Partition(_Timed):
    """Parts the nodes into two groups, sometimes in one direction only."""

    kind = "partition"

    async def strike(self, storm: Storm) -> None:
        names = storm.names
        left = _group(storm, names)
        if not left:
            return
        right = [name for name in names if name not in left]
        direction = storm.choose(self.kind, 3, "direction")
        if direction == 2:
            left, right = right, left
        with parted(storm, left, right, oneway=direction != 0):
            await storm.last(self.kind, self.lasts)


@contextmanager
def parted(storm: Storm, left: list[str], right: list[str], *, oneway: bool) -> Iterator[None]:
    what = f"{', '.join(left)} {'>' if oneway else '|'} {', '.join(right)}"
    fault = storm.fault("partition", what, left=left, right=right, oneway=oneway)
    with fault, storm.target.net.partition(left, right, oneway=oneway):
        yield


def _group(storm: Storm, names: Sequence[str]) -> list[str]:
    """Those parted from the rest; none for the harmless choice."""
    if len(names) < 2:
        return []
    if len(names) > MOST_SPLIT:
        picked = storm.pick("partition", names)
        return [] if picked is None else [picked]
    bits = storm.choose("partition", 2 ** (len(names) - 1))
    return [name for place, name in enumerate(names[1:]) if bits >> place & 1]


@attrs.frozen
class Cut(_Timed):
    """Cuts all links between two nodes, which both notice."""

    kind = "cut"

    async def strike(self, storm: Storm) -> None:
        pairs = [f"{a} {b}" for a, b in permutations(storm.names, 2) if a < b]
        picked = storm.pick(self.kind, pairs)
        if picked is not None:
            cut(storm, *picked.split())


def cut(storm: Storm, a: str, b: str) -> None:
    storm.target.net.cut(a, b)
    storm.note("cut", f"{a} | {b}", a=a, b=b).ended = trio.current_time()


@attrs.frozen
class Crash(_Timed):
    """Kills a node and boots it again, on what it had flushed, on all it had written, or on any part of that."""

    kind = "crash"
    every: float = attrs.field(default=20.0, validator=_positive)
    lasts: Lasts = attrs.field(default=(1.0, 10.0), validator=_span)
    keep: Keep | None = None
    """None: each time one of the three is drawn."""
    most_down: int = 1
    """At a time."""

    async def strike(self, storm: Storm) -> None:
        name = storm.pick(self.kind, storm.up) if len(storm.down) < self.most_down else None
        if name is None:
            return
        storm.crash(name)
        await storm.last(self.kind, self.lasts)
        drawn: tuple[Keep | Choices, ...] = ("flushed", "all", storm.choices)
        keeps = drawn if self.keep is None else (self.keep,)
        await storm.restart(name, keeps[storm.choose(self.kind, len(keeps), "keep")])


@attrs.frozen
class Pause(_Timed):
    """Stops a node, as SIGSTOP does, and lets it go on."""

    kind = "pause"

    async def strike(self, storm: Storm) -> None:
        name = storm.pick(self.kind, storm.up)
        if name is None:
            return
        with paused(storm, name):
            await storm.last(self.kind, self.lasts)


@contextmanager
def paused(storm: Storm, name: str) -> Iterator[None]:
    node = storm.target.nodes[name]

    def pause() -> None:
        if node.is_up:
            node.pause()

    def resume() -> None:
        if node.is_up:
            node.resume()

    with storm.fault("pause", name, node=name), storm.layered("pause", name, pause, resume):
        yield


@attrs.frozen
class ClockJump(_Timed):
    """Sets the wall clock of a node forward or back by up to `most` seconds; it stays wrong until all is healed."""

    kind = "clock"
    most: float = 3600.0

    async def strike(self, storm: Storm) -> None:
        name = storm.pick(self.kind, storm.up)
        if name is None:
            return
        by = storm.choices.among("fault clock jump", 1.0, self.most)
        jump_clock(storm, name, -by if storm.choose(self.kind, 2, "back") else by)


def jump_clock(storm: Storm, name: str, by: float) -> None:
    offset = storm.target.nodes[name].clock.offset + by
    storm.set_clock(name, offset, 1.0)
    storm.note("clock", f"{name} {offset:+.0f} s", node=name, by=by).ended = trio.current_time()


# -- the network's weather


async def _weather(storm: Storm, kind: str, settings: LinkSettings, lasts: Lasts, **args: FaultArg) -> None:
    """On all links, or in one direction of one pair."""
    pairs = list(permutations(storm.names, 2))
    chosen = storm.choose(kind, len(pairs) + 2)
    if not chosen or not pairs:
        return
    with worsened(storm, kind, settings, None if chosen == 1 else pairs[chosen - 2], **args):
        await storm.last(kind, lasts)


@contextmanager
def worsened(
    storm: Storm, kind: str, settings: LinkSettings, pair: tuple[str, str] | None, **args: FaultArg
) -> Iterator[None]:
    """From the first of the pair to the second, or everywhere. `args` are for the fault that is told."""
    pairs = list(permutations(storm.names, 2)) if pair is None else [pair]
    what = "everywhere"
    if pair is not None:
        what = " > ".join(pair)
        args |= {"from": pair[0], "to": pair[1]}
    with storm.fault(kind, what, **args), storm.target.net.worsen(settings, pairs):
        yield


@attrs.frozen
class SlowLinks(_Timed):
    """Packets take up to `most` seconds longer."""

    kind = "slow"
    most: float = 2.0

    async def strike(self, storm: Storm) -> None:
        settings = LinkSettings(latency=Uniform(0.0, self.most))
        await _weather(storm, self.kind, settings, self.lasts, most=self.most)


@attrs.frozen
class Loss(_Timed):
    kind = "loss"
    probability: float = 0.05

    async def strike(self, storm: Storm) -> None:
        settings = LinkSettings(loss=self.probability)
        await _weather(storm, self.kind, settings, self.lasts, probability=self.probability)


@attrs.frozen
class Dup(_Timed):
    kind = "dup"
    probability: float = 0.1

    async def strike(self, storm: Storm) -> None:
        settings = LinkSettings(dup=self.probability)
        await _weather(storm, self.kind, settings, self.lasts, probability=self.probability)


@attrs.frozen
class Reorder(_Timed):
    """Packets are overtaken by those sent up to `late` seconds after them."""

    kind = "reorder"
    probability: float = 0.05
    late: float = 0.5

    async def strike(self, storm: Storm) -> None:
        settings = LinkSettings(reorder=self.probability, late=self.late)
        args: dict[str, FaultArg] = {"probability": self.probability, "late": self.late}
        await _weather(storm, self.kind, settings, self.lasts, **args)


# -- disks


@attrs.frozen
class DiskFull(_Timed):
    """A disk takes up to `room` bytes more, and its store and databases nothing."""

    kind = "full disk"
    room: int = 4096

    async def strike(self, storm: Storm) -> None:
        name = storm.pick(self.kind, storm.up)
        if name is None:
            return
        room = self.room - storm.choose(self.kind, self.room + 1, "room")
        with full_disk(storm, name, room):
            await storm.last(self.kind, self.lasts)
        storm.tell_disk(name, "no longer full")


@contextmanager
def full_disk(storm: Storm, name: str, room: int) -> Iterator[None]:
    node = storm.target.nodes[name]
    capacity = node.disk.size + room

    # Of whatever life it is in by then.
    def fill() -> None:
        node.disk.capacity = capacity
        node.store.broken = "the disk is full"
        node.engine.full = node.databases.full = True

    def make_room() -> None:
        node.disk.capacity = None
        node.store.broken = None
        node.engine.full = node.databases.full = False

    fault = storm.fault("full disk", f"{name}, {room} bytes left", node=name, room=room)
    with fault, storm.layered("full disk", name, fill, make_room):
        storm.tell_disk(name, f"full but for {room} bytes")
        yield


@attrs.frozen
class SlowDisk(_Timed):
    """Each call of a disk, its store and its databases takes up to `most` seconds, more than once for some."""

    kind = "slow disk"
    most: float = 1.0

    async def strike(self, storm: Storm) -> None:
        name = storm.pick(self.kind, storm.up)
        if name is None:
            return
        with slow_disk(storm, name, self.most):
            await storm.last(self.kind, self.lasts)
        storm.tell_disk(name, "no longer slow")


@contextmanager
def slow_disk(storm: Storm, name: str, most: float) -> Iterator[None]:
    node = storm.target.nodes[name]
    before = node.disk.pause, node.store.pause, node.engine.pause, node.databases.pause
    slow = chosen_pause(storm.choices, "disk slow", most)

    # Of whatever life it is in by then.
    def slow_down() -> None:
        node.disk.pause = node.store.pause = node.engine.pause = node.databases.pause = slow

    def speed_up() -> None:
        node.disk.pause, node.store.pause, node.engine.pause, node.databases.pause = before

    with (
        storm.fault("slow disk", name, node=name, most=most),
        storm.layered("slow disk", name, slow_down, speed_up),
    ):
        storm.tell_disk(name, f"slow, up to {most:g} s a call")
        yield


KINDS: tuple[Callable[..., Nemesis], ...] = (
    Partition, Cut, Crash, Pause, ClockJump, SlowLinks, Loss, Dup, Reorder, DiskFull, SlowDisk
)  # fmt: skip
"""Each may be made as it is, or with an `every`, a `lasts` and what else it takes."""


def every_kind() -> tuple[Nemesis, ...]:
    return tuple(kind() for kind in KINDS)
