"""Who may do what: processes with and without a capability, and a stranger who says that he is a known node."""

from __future__ import annotations

from contextlib import suppress

import trio

from kernel.message import Reason, SendError
from runtime.sim.boot import identity_of, record_of
from runtime.sim.mover import NodeDown
from runtime.sim.sim_node import SimNode
from runtime.sim.trace import Entry, WorldKind
from runtime.sim.world import World
from sys_processes.devices import Link, LinkFailed
from sys_processes.net.frames import (
    FRAME_LIMIT,
    Bye,
    Challenge,
    Frame,
    FrameParser,
    Goodbye,
    Hello,
    Proof,
    Session,
    Welcome,
    encode,
)
from tests.simulation.zoo.base import STORM_SECONDS, in_the_end, outlast, run_out
from tests.support.sim_home import package

NODE, OTHER, STRANGER = "a.nec", "b.nec", "stranger.nec"
AGENT = """
from userland.process_lib import (
    Request, Response, SendError, await_message, drop_capabilities, get_capabilities,
)

async def init(our):
    while True:
        try:
            message = await await_message()
        except SendError:
            continue
        word, _, target = message.ipc.decode().partition(" ")
        if word == "fall":
            raise RuntimeError("as asked")
        if word == "drop":
            drop_capabilities([each for each in get_capabilities() if str(each.issuer) == target])
        if word == "use":
            try:
                await Request().target(target).ipc(b"hello").send_and_await_response(2)
                answer = b"answered"
            except SendError as error:
                answer = str(error.reason).encode()
        else:
            answer = b"done"
        if message.wants_response:
            Response().ipc(answer).send()
"""
"""Does as it is told, and says what came of it."""
VAULT = "vault:vault:me"
HOLDER, DROPPER, THIEF, HERMIT = (f"{name}:{name}:me" for name in ("holder", "dropper", "thief", "hermit"))
ANSWERED, REFUSED = b"answered", Reason.capability_missing.value.encode()
PATIENCE = 10


def _agent(
    name: str, *, holds: bool = False, public: bool = True, networking: bool = True
) -> dict[str, bytes]:
    rights = [VAULT] if holds else []
    return package(
        AGENT, name=name, public=public, request_networking=networking, request_capabilities=rights
    )


class Rights:
    def __init__(self, w: World, node: SimNode) -> None:
        self.w = w
        self.node = node
        self.dropped = False
        """In the present life of the node, the dropper's right to message the vault is gone."""
        w.watch(self._note)

    def _note(self, entry: Entry) -> None:
        if entry.node == NODE and entry.kind is WorldKind.CRASHED:
            self.dropped = False

    async def _told(self, agent: str, ipc: bytes) -> bytes | None:
        """None when the agent, or the node, has ended meanwhile."""
        try:
            return (await self.node.ask(agent, ipc, seconds=PATIENCE)).ipc
        except (SendError, NodeDown):
            return None

    async def work(self) -> None:
        steps = (self._use, self._steal, self._leave, self._drop, self._use_dropped, self._fall)
        while self.w.now < STORM_SECONDS:
            await self.w.sleep(self.w.choices.among("rights pace", 0.1, 2.0))
            await steps[self.w.choices.choose("rights step", len(steps))]()

    async def _use(self) -> None:
        if await self._told(HOLDER, self._use_of(VAULT)) == REFUSED:
            self.w.violate("rights", "who holds the capability was refused for the lack of it")

    async def _steal(self) -> None:
        if await self._told(THIEF, self._use_of(VAULT)) == ANSWERED:
            self.w.violate("rights", "who holds no capability was answered")

    async def _leave(self) -> None:
        if await self._told(HERMIT, b"use %b@%b" % (OTHER.encode(), THIEF.encode())) == ANSWERED:
            self.w.violate("rights", "who has no network capability was answered by another node")

    async def _drop(self) -> None:
        if await self._told(DROPPER, b"drop %b@%b" % (NODE.encode(), VAULT.encode())) == b"done":
            self.dropped = True

    async def _use_dropped(self) -> None:
        was_dropped = self.dropped
        answer = await self._told(DROPPER, self._use_of(VAULT))
        if was_dropped and self.dropped and answer == ANSWERED:
            self.w.violate("rights", "who gave its capability back was answered all the same")

    async def _fall(self) -> None:
        for agent in (HOLDER, DROPPER):
            await self._told(agent, b"fall")

    @staticmethod
    def _use_of(process: str) -> bytes:
        return b"use %b@%b" % (NODE.encode(), process.encode())


# -- the stranger


async def intrude(w: World) -> None:
    """Says again and again that it is the other node, whose key it does not have."""
    links = w.net.links_of(STRANGER, None, bytes(32))
    while w.now < STORM_SECONDS:
        await w.sleep(w.choices.among("rights stranger", 1.0, 8.0))
        with suppress(LinkFailed, trio.BrokenResourceError, trio.ClosedResourceError), trio.move_on_after(10):
            link = await links.dial(record_of(NODE, 1))
            try:
                await _pretend(w, link)
            finally:
                await link.abort()


async def _pretend(w: World, link: Link) -> None:
    parser = FrameParser(FRAME_LIMIT)
    await link.send(encode(Hello(OTHER, NODE, identity_of(OTHER).public_key)))
    if isinstance(await _next(link, parser), Challenge):
        await link.send(encode(Proof(bytes(64), Session(1, 1, 1, 0, 0, 0))))
        if isinstance(await _next(link, parser), Welcome):
            w.violate("links", f"a stranger was welcomed as {OTHER}")


async def _next(link: Link, parser: FrameParser) -> Frame:
    while (frame := parser.take()) is None:
        data = await link.receive()
        if not data:
            return Bye(Goodbye.refused)
        parser.feed(data)
    return frame


async def rights(w: World) -> None:
    apps = [
        _agent("vault", public=False),
        _agent("holder", holds=True),
        _agent("dropper", holds=True),
        _agent("thief"),
        _agent("hermit", networking=False),
    ]
    node = await w.node(NODE, apps)
    other = await w.node(OTHER, [_agent("thief")])
    world = Rights(w, node)
    w.start_soon(world.work)
    w.start_soon(intrude, w)
    await outlast(w)

    async def across() -> None:
        await other.ask(node.address(THIEF), b"hello", seconds=5)

    await in_the_end(w, f"from {OTHER} to {NODE}", across)
    await run_out(w)
