"""A counter on one node, and people on two others who add to it and try again until they know that it counted."""

from __future__ import annotations

from itertools import count

from kernel.message import SendError
from runtime.sim.check import Calling, History, g_counter
from runtime.sim.mover import NodeDown
from runtime.sim.sim_node import SimNode
from runtime.sim.world import World
from tests.simulation.zoo.base import CALM_SECONDS, STORM_SECONDS, in_the_end, judge, outlast
from tests.support.sim_home import package

COUNTER = """
import json
from userland.process_lib import Response, SendError, StateError, await_message, get_state, set_state

async def init(our):
    state = await get_state()
    known = {} if state is None else json.loads(state)
    while True:
        try:
            message = await await_message()
        except SendError:
            continue
        if message.ipc != b"?":
            name, amount = message.ipc.decode().split()
            if name not in known:
                known[name] = int(amount)
            try:
                await set_state(json.dumps(known).encode())
            except (SendError, StateError):
                continue
        Response().ipc(b"%d" % sum(known.values())).send()
"""
"""Each addition has a name, by which it is known when somebody tries again."""
COUNTER_ID = "counter:counter:me"
NODES = ("a.nec", "b.nec", "c.nec")
PATIENCE = 3
"""Seconds that somebody waits for an answer before he tries again."""


def counter_code() -> str:
    return COUNTER


async def tally(w: World) -> None:
    apps = [package(counter_code(), name="counter", request_networking=True)]
    keeper = await w.node(NODES[0], apps)
    people = [await w.node(name) for name in NODES[1:]]
    history = History(lambda: w.now)
    names = count(1)
    under_way: dict[int, None] = {}

    async def add(node: SimNode, amount: int) -> None:
        number = next(names)
        under_way[number] = None
        calling = history.invoke(node.name, "add", amount)
        while True:
            try:
                await node.ask(keeper.address(COUNTER_ID), b"n%d %d" % (number, amount), seconds=PATIENCE)
            except (SendError, NodeDown):
                await w.sleep(0.5)
                continue
            calling.ok()
            del under_way[number]
            return

    async def work(node: SimNode) -> None:
        while w.now < STORM_SECONDS:
            await w.sleep(w.choices.among("tally pace", 0.5, 4.0))
            w.start_soon(add, node, 1 + w.choices.choose("tally amount", 9))

    async def read(node: SimNode, calling: Calling) -> None:
        answer = await node.ask(keeper.address(COUNTER_ID), b"?", seconds=PATIENCE)
        calling.ok(int(answer.ipc))

    for node in people:
        w.start_soon(work, node)
    await outlast(w)
    await w.until(lambda: not under_way, timeout=CALM_SECONDS)
    for node in people:
        calling = history.invoke(node.name, "read")
        await in_the_end(
            w, f"to read from {node.name}", lambda node=node, calling=calling: read(node, calling)
        )
    judge(w, g_counter(history))
