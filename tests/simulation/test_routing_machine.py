"""Nodes that come, go and lose each other in any order, while they talk: order, no copies, one outcome."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, consumes, precondition

from kernel.address import Address
from runtime.sim.check import History, all_of, at_most_once, fifo_per_pair, one_outcome
from runtime.sim.lasting import Lasting
from runtime.sim.mover import NodeDown
from runtime.sim.sim_machine import SimMachine, invariant, rule
from runtime.sim.sim_node import SimNode
from runtime.sim.world_strategies import NAMES
from userland.process_lib import Response, SendError, await_message

MOST_NODES = 4
PLACES = st.integers(0, MOST_NODES - 1)


class Routing(SimMachine):
    parted = Bundle("parted")

    async def begin(self) -> None:
        self.history = history = History(lambda: self.world.now)

        async def hear(our: Address) -> None:
            """Answers what wants an answer, and notes the rest."""
            while True:
                try:
                    message = await await_message()
                except SendError:
                    continue
                sender, _, number = message.ipc.decode().partition(" ")
                history.done(our.node, "receive", result=(sender, number))
                if message.is_request():
                    Response().ipc(message.ipc).send()

        self.hear = hear
        self.nodes: list[SimNode] = []
        await self.more()

    async def more(self) -> None:
        self.nodes.append(await self.world.node(NAMES[len(self.nodes)], [self.hear]))

    def at(self, place: int) -> SimNode:
        return self.nodes[place % len(self.nodes)]

    @precondition(lambda self: len(self.nodes) < MOST_NODES)
    @rule()
    async def boot(self):
        await self.more()

    @rule(place=PLACES, to_place=PLACES, count=st.integers(1, 4))
    async def send(self, place, to_place, count):
        node, to = self.at(place), self.at(to_place)
        for _ in range(count if node.is_up else 0):
            sender, number = f"{node.name}#{node.runs}", str(len(self.history.calls))
            call = self.history.invoke(sender, "send", (to.name, number))
            await node.send(to.address("hear"), f"{sender} {number}".encode())
            call.ok()

    @rule(place=PLACES, to_place=PLACES, seconds=st.integers(1, 20))
    async def ask(self, place, to_place, seconds):
        """Beside all that follows."""
        self.world.start_soon(self._ask, self.at(place), self.at(to_place), seconds)

    async def _ask(self, node: SimNode, to: SimNode, seconds: int) -> None:
        if not node.is_up:
            return
        number = str(len(self.history.calls))
        sent = self.history.invoke(number, "send", (to.name, number))
        asked = self.history.invoke(number, "ask")
        try:
            await node.ask(to.address("hear"), f"{number} {number}".encode(), seconds=seconds)
        except SendError as error:
            (sent.fail if error.definite else sent.info)()
            (asked.fail if error.definite else asked.info)()
        except NodeDown:
            asked.info()
        else:
            sent.ok()
            asked.ok()

    @rule(seconds=st.integers(1, 30))
    async def wait(self, seconds):
        await self.world.sleep(seconds)

    @rule(place=PLACES)
    def crash(self, place):
        if self.at(place).is_up:
            self.at(place).crash()

    @rule(place=PLACES)
    async def restart(self, place):
        if not self.at(place).is_up:
            await self.at(place).restart()

    @rule(target=parted, one=PLACES, other=PLACES, oneway=st.booleans())
    def part(self, one, other, oneway):
        a, b = self.at(one).name, self.at(other).name
        return None if a == b else self.world.net.partition([a], [b], oneway=oneway)

    @rule(partition=consumes(parted))
    def heal(self, partition: Lasting | None):
        if partition is not None:
            partition.end()

    @invariant()
    def what_was_heard_so_far_is_in_order_and_has_no_copies(self):
        found = all_of(fifo_per_pair(self.history), at_most_once(self.history))
        assert found.valid, found.text

    async def at_end(self) -> None:
        found = one_outcome(self.history)
        assert found.valid, found.text


TestRouting = Routing.TestCase
TestRouting.settings = settings(max_examples=25, stateful_step_count=25)
