"""Parents and children that fall, end and are killed: who has a parent ends with it, and who watches is told."""

from __future__ import annotations

from kernel.address import Address, ProcessId
from runtime.sim.sim_node import SimNode
from runtime.sim.trace import Entry, WorldKind
from runtime.sim.world import World
from tests.simulation.zoo.base import STORM_SECONDS, in_the_end, outlast, run_out
from tests.support.sim_home import package
from userland.process_lib import (
    ProcessExited,
    Request,
    SendError,
    SpawnError,
    await_message,
    spawn,
    start_soon,
    unwatch,
    watch,
)

NODE = "a.nec"
MEMBER = """
from userland.process_lib import OnExit, Response, SendError, SpawnError, await_message, spawn

CHILD = {"parent": "child", "child": "grandchild"}

async def init(our):
    child = CHILD.get(our.process.process)
    if child is not None:
        try:
            await spawn(child, "/parent.py", OnExit.restart(), public=True)
        except SpawnError:
            pass  # It came back with its node.
    while True:
        try:
            message = await await_message()
        except SendError:
            continue
        if message.ipc == b"fall":
            raise RuntimeError("as asked")
        if message.ipc == b"end" and our.process.process == "parent":
            return
        if message.wants_response:
            Response().ipc(b"here").send()
"""
"""Of three generations."""
FAMILY = [ProcessId(name, "parent", "me") for name in ("parent", "child", "grandchild")]


class Kin:
    def __init__(self, w: World) -> None:
        self.w = w
        self.watched: dict[ProcessId, None] = {}
        """Of whose end this run of the watcher has not been told."""

    async def unruly(self, our: Address) -> None:
        """Makes members of the family fall and end, in any order."""
        choices = self.w.choices
        while self.w.now < STORM_SECONDS:
            await self.w.sleep(choices.among("kin pace", 0.1, 3.0))
            who = FAMILY[choices.choose("kin whom", len(FAMILY))]
            what = (b"fall", b"end", b"fall")[choices.choose("kin how", 3)]
            Request().target((our.node, who)).ipc(what).send()

    async def watcher(self, our: Address) -> None:
        """Has children of its own, and hears of the end of each, once."""
        self.watched.clear()
        start_soon(self._begin, our)
        while True:
            try:
                message = await await_message()
            except SendError:
                continue
            exited = ProcessExited.from_message(message)
            if exited is not None:
                if exited.id not in self.watched:
                    self.w.violate(
                        "who watches is told", f"the end of {exited.id} was told, which nobody watched"
                    )
                self.watched.pop(exited.id, None)

    async def _begin(self, our: Address) -> None:
        choices = self.w.choices
        while self.w.now < STORM_SECONDS:
            await self.w.sleep(choices.among("kin pace", 0.1, 3.0))
            try:
                child = await spawn(None, fn=self._brief)
            except (SpawnError, SendError):
                continue
            if watch(child):
                self.watched[child] = None
            if choices.choose("kin unwatch", 4) == 1:
                unwatch(child)
                self.watched.pop(child, None)
            Request().target((our.node, child)).ipc(b"end").send()

    async def _brief(self, our: Address) -> None:
        await await_message()

    def forget_lives(self) -> None:
        """With its node the watcher ends, and is owed nothing."""

        def look(entry: Entry) -> None:
            if entry.kind in {WorldKind.CRASHED, WorldKind.STOPPED}:
                self.watched.clear()

        self.w.watch(look)


async def kin(w: World) -> None:
    world = Kin(w)
    world.forget_lives()
    family = package(MEMBER, name="parent")
    node = await w.node(NODE, [family, world.unruly, world.watcher])
    await outlast(w)
    await in_the_end(w, "a family of three", lambda: _all_there(node))
    await run_out(w)
    if world.watched:
        w.violate(
            "who watches is told", f"nobody was told of the end of {', '.join(map(str, world.watched))}"
        )


async def _all_there(node: SimNode) -> None:
    for who in FAMILY:
        await node.ask(str(who), b"there?")
