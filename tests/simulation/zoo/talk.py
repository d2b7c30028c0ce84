"""Three nodes that talk: one-way messages, questions with and without waiting, through relays, with payloads."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import cast

import trio

from kernel.address import Address, ProcessId
from kernel.message import Message, SendError
from runtime.sim.check import Calling, History, at_most_once, fifo_per_pair, one_outcome
from runtime.sim.sim_node import SimNode
from runtime.sim.world import World
from tests.simulation.zoo.base import STORM_SECONDS, in_the_end, judge, outlast, run_out, watch_actors
from userland.process_lib import Payload, Request, Response, await_message, start_soon

NODES = ("a.nec", "b.nec", "c.nec")
FORMS = ("tell", "ask", "wait", "relay")
SECONDS = (1, 3, 10)
RELAYED = "~"
"""Ends the name of who asks through a relay: those messages go another way, so no order is promised with others."""
TEST = "test"


class Talk:
    def __init__(self, w: World) -> None:
        self.w = w
        self.history = History(lambda: w.now)
        self.open: dict[bytes, Calling] = {}
        """Questions that are to be answered through `await_message`, by their contexts."""
        self.lives: dict[str, int] = {}
        self._numbers: Iterator[int] = count(1)

    def place(self, address: Address) -> str:
        """In its present life."""
        return f"{address.node}/{address.process.process}#{self.lives[address.node]}"

    def lives_on(self, place: object) -> bool:
        name, _, life = str(place).removesuffix(RELAYED).partition("#")
        return self.lives[name.partition("/")[0]] == int(life)

    # -- the processes of each node

    async def ear(self, our: Address) -> None:
        """Notes what it hears, and says it back."""
        while True:
            try:
                message = await await_message()
            except SendError:
                continue
            if not message.is_request():
                continue
            source, _, number = message.ipc.decode().partition(" ")
            heard = "receive relayed" if source.endswith(RELAYED) else "receive"
            if source != TEST:
                self.history.done(f"{our.node}/ear", heard, result=(source, number))
            if message.wants_response:
                Response().ipc(b"re " + message.ipc).payload(message.payload()).send()

    async def relay(self, our: Address) -> None:
        """Hands on what it is asked, to the ear of the next node; the answer does not pass here."""
        ear = Address(_following(our.node), ProcessId("ear", "world", "sim"))
        while True:
            try:
                message = await await_message()
            except SendError:
                continue
            if message.is_request():
                Request().inherit(True).target(ear).ipc(message.ipc).send()

    async def mouth(self, our: Address) -> None:
        self.lives[our.node] = self.lives.get(our.node, 0) + 1
        start_soon(self._speak, our)
        while True:
            try:
                message = await await_message()
            except SendError as error:
                self._came_back(error)
                continue
            calling = self.open.pop(message.context or b"", None)
            if calling is not None:
                self._answered(calling, message)

    async def _speak(self, our: Address) -> None:
        choices = self.w.choices
        while self.w.now < STORM_SECONDS:
            await self.w.sleep(choices.among("talk pace", 0.3, 3.0))
            node = NODES[choices.choose("talk to", len(NODES))]
            form = FORMS[choices.choose("talk form", len(FORMS))]
            for _ in range(1 + choices.choose("talk more", 3)):
                start_soon(self._say, our, node, form, SECONDS[choices.choose("talk seconds", len(SECONDS))])

    async def _say(self, our: Address, node: str, form: str, seconds: int) -> None:
        place, number = self.place(our), str(next(self._numbers))
        ear, to = node, ("ear", "world", "sim")
        if form == "relay":
            ear, to, place = _following(node), ("relay", "world", "sim"), place + RELAYED
        request = Request().target((node, to)).ipc(f"{place} {number}".encode())
        request = request.payload(Payload(None, number.encode() * 10))
        self.history.done(place, "send", (f"{ear}/ear", number))
        if form == "tell":
            request.send()
            return
        calling = self.history.invoke(place, "ask", (f"{ear}/ear", number))
        if form == "ask":
            self.open[number.encode()] = calling
            request.context(number.encode()).expects_response(seconds).send()
            return
        try:
            self._answered(calling, await request.send_and_await_response(seconds))
        except SendError as error:
            _failed(calling, error)

    # -- what becomes of a question

    def _answered(self, calling: Calling, message: Message) -> None:
        call = calling.call
        number = cast("tuple[str, str]", call.value)[1]
        said = f"re {call.process} {number}".encode(), number.encode() * 10
        payload = message.payload()
        heard = message.ipc, None if payload is None else payload.bytes
        if heard != said:
            self.w.violate("answers", f"{call} was answered {heard}")
        calling.ok()

    def _came_back(self, error: SendError) -> None:
        calling = self.open.pop(error.context or b"", None)
        if calling is not None:
            _failed(calling, error)

    def judge(self) -> None:
        judge(
            self.w,
            fifo_per_pair(self.history),
            at_most_once(self.history, send="ask"),
            at_most_once(self.history, send="ask", receive="receive relayed"),
            one_outcome(self.history, lives=self.lives_on),
        )


def _following(node: str) -> str:
    return NODES[(NODES.index(node) + 1) % len(NODES)]


def _failed(calling: Calling, error: SendError) -> None:
    if error.definite:
        calling.fail(error.reason)
    else:
        calling.info(error.reason)


async def talk(w: World) -> None:
    watch_actors(w)
    world = Talk(w)
    nodes: list[SimNode] = [await w.node(name, [world.ear, world.relay, world.mouth]) for name in NODES]
    await outlast(w)
    for one in nodes:
        for other in nodes:

            async def ask(one: SimNode = one, other: SimNode = other) -> None:
                await one.ask(other.address("ear"), TEST.encode(), seconds=5)

            await in_the_end(w, f"from {one.name} to {other.name}", ask)
    await _cut(w, nodes)
    await run_out(w)
    world.judge()


async def _cut(w: World, nodes: list[SimNode]) -> None:
    """All is well but for links that are cut now and then: that alone loses nothing."""
    for one in nodes:
        other = nodes[w.choices.choose("talk partner", len(nodes))]
        questions = 1 + w.choices.choose("talk burst", 5)
        async with trio.open_nursery() as nursery:
            for _ in range(questions):
                nursery.start_soon(_ask_over_a_cut, w, one, other)
            await w.sleep(w.choices.among("talk cut", 0.0, 0.004))
            w.net.cut(one.name, other.name)


async def _ask_over_a_cut(w: World, one: SimNode, other: SimNode) -> None:
    try:
        await one.ask(other.address("ear"), TEST.encode(), seconds=10)
    except SendError as error:
        w.violate("a cut loses nothing", f"from {one.name} to {other.name}: {error}")
