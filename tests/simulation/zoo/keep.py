"""States that must outlive crashes: what was acknowledged is there, whole, and belongs to whom it belonged."""

from __future__ import annotations

from contextlib import suppress
from itertools import count

from kernel.message import SendError
from runtime.sim.check import Calling, History, acked_not_lost
from runtime.sim.mover import NodeDown
from runtime.sim.sim_node import SimNode
from runtime.sim.world import World
from tests.simulation.zoo.base import STORM_SECONDS, in_the_end, judge, outlast, run_out
from tests.support.sim_home import package

NODE = "a.nec"
STORE_SECONDS = 0.05
"""That a write takes at most while the disk is well."""
KEEPER = """
import hashlib
from userland.process_lib import Payload, Response, SendError, StateError, await_message, get_state, set_state

def seal(text):
    return hashlib.sha256(text).hexdigest().encode() + text

async def init(our):
    state = await get_state()
    known = b"" if state is None else state[64:]
    if state is not None and seal(known) != state:
        known = b"torn,"
    while True:
        try:
            message = await await_message()
        except SendError:
            continue
        if message.ipc == b"fall":
            raise RuntimeError("as asked")
        if message.ipc != b"?":
            known += message.ipc + b","
            try:
                await set_state(seal(known))
            except (SendError, StateError) as error:
                Response().ipc(b"not kept: " + str(error).encode()).send()
                continue
        Response().ipc(b"kept").payload(Payload(bytes=known)).send()
"""
"""Adds what it is told to its state, and says what it knows once that is durable."""
KEEPERS = ("keeper:red:me", "keeper:blue:me")
"""Namesakes of two packages."""


class Keep:
    def __init__(self, w: World, node: SimNode, keeper: str) -> None:
        self.w = w
        self.node = node
        self.keeper = keeper
        self.history = History(lambda: w.now)
        self._numbers = count(1)

    async def add(self) -> None:
        value = f"{self.keeper[7:8]}{next(self._numbers)}"
        calling = self.history.invoke(self.keeper, "add", value)
        try:
            answer = await self.node.ask(self.keeper, value.encode(), seconds=10)
        except (SendError, NodeDown) as error:
            calling.info(str(error))
            return
        if answer.ipc == b"kept":
            calling.ok()
        else:
            calling.info(answer.ipc)

    async def read(self, calling: Calling) -> None:
        answer = await self.node.ask(self.keeper, b"?", seconds=10)
        payload = answer.payload()
        calling.ok([] if payload is None else payload.bytes.decode().split(",")[:-1])

    async def work(self) -> None:
        choices = self.w.choices
        while self.w.now < STORM_SECONDS:
            await self.w.sleep(choices.among("keep pace", 0.1, 2.0))
            for _ in range(1 + choices.choose("keep more", 3)):
                self.w.start_soon(self.add)
            if choices.choose("keep fall", 8) == 7:
                self.w.start_soon(self._fell)

    async def _fell(self) -> None:
        with suppress(SendError, NodeDown):
            await self.node.ask(self.keeper, b"fall", seconds=10)

    async def judge(self) -> None:
        calling = self.history.invoke(self.keeper, "read")
        await in_the_end(self.w, f"to read {self.keeper}", lambda: self.read(calling))
        judge(self.w, acked_not_lost(self.history))


async def keep(w: World) -> None:
    apps = [package(KEEPER, name=pid.split(":")[1], process_name="keeper") for pid in KEEPERS]
    node = await w.node(NODE, apps)
    node.store.pause = w.pause("keep store", STORE_SECONDS)
    keeps = [Keep(w, node, keeper) for keeper in KEEPERS]
    for one in keeps:
        w.start_soon(one.work)
    await outlast(w)
    await run_out(w)
    for one in keeps:
        await one.judge()
