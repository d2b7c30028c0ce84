"""Nodes on one simulated network, without anything that runs on them."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import trio

from runtime.sim.choices import Choice, Choices, SeedChoices, TapeChoices
from runtime.sim.net import SimNet
from runtime.sim.net_link import SimLink, SimLinks
from runtime.sim.trace import Trace
from sys_processes.net.frames import FrameParser, Ping, encode
from tests.support.net_world import record_of

A, B, C = "alice.uq", "bob.uq", "carol.uq"


@attrs.define(eq=False)
class Bench:
    """Nodes on one network."""

    choices: Choices
    trace: Trace = attrs.Factory(Trace)
    net: SimNet = attrs.field(init=False)
    nodes: dict[str, SimLinks] = attrs.Factory(dict)

    def __attrs_post_init__(self) -> None:
        self.net = SimNet(self.choices, self.trace)
        for name in (A, B, C):
            self.boot(name)

    def boot(self, name: str) -> None:
        self.nodes[name] = self.net.links_of(name, f"{name}:8080", record_of(name).public_key)

    async def pair(self, a: str = A, b: str = B) -> tuple[SimLink, SimLink]:
        near = await self.nodes[a].dial(record_of(b))
        return near, await self.nodes[b].accept()

    def told(self) -> list[str]:
        return [
            " ".join(word for word in (entry.kind.value, entry.node, entry.other, entry.note) if word)
            for entry in self.trace.entries
        ]


def bench(tape: Sequence[Choice] = (), *, seed: int | None = None) -> Bench:
    return Bench(Choices(TapeChoices(tape) if seed is None else SeedChoices(seed)))


async def pings(link: SimLink, numbers: range) -> None:
    for number in numbers:
        await link.send(encode(Ping(number)))


async def heard(link: SimLink, seconds: float = 100.0) -> list[int]:
    """The numbers of the pings that come within that time, or until the link ends."""
    parser, found = FrameParser(), []
    with trio.move_on_after(seconds):
        while data := await link.receive():
            parser.feed(data)
            while (frame := parser.take()) is not None:
                assert isinstance(frame, Ping)
                found.append(frame.number)
    return found


async def silent(link: SimLink, seconds: float = 100.0) -> bool:
    with trio.move_on_after(seconds) as scope:
        await link.receive()
    return scope.cancelled_caught
