"""Whole nodes on a network that loses, doubles, reorders, parts and cuts as Hypothesis says: each message has one
outcome, in order, at most once.
"""

from __future__ import annotations

from contextlib import suppress

import attrs
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.sim.choices import Choices
from runtime.sim.lasting import Lasting
from runtime.sim.net import SimNet
from runtime.sim.trace import Trace
from tests.support.drawn_choices import DrawnChoices
from tests.support.net_world import net_world
from tests.support.talkers import LONG, check, plans, talkers
from tests.sys_processes.net.test_process_laws import A, B, C

PAUSES = (0.0, 0.01, 0.5, 4.0, 40.0, 150.0)


@attrs.frozen
class Weather:
    loss: float = 0.0
    dup: float = 0.0
    reorder: float = 0.0
    slowest: float = 0.0

    def set_on(self, net: SimNet) -> None:
        net.every_link().loss(self.loss).dup(self.dup).reorder(self.reorder).latency(
            0.001, self.slowest + 0.001
        )


rates = st.sampled_from((0.0, 0.0, 0.05, 0.5))
weathers = st.builds(Weather, rates, rates, rates, st.sampled_from((0.0, 0.1, 3.0)))


@attrs.frozen
class Step:
    """After a pause."""

    pause: float
    what: str
    pair: tuple[str, str]


def steps(*names: str) -> st.SearchStrategy[list[Step]]:
    whats = st.sampled_from(("partition", "oneway", "hold", "cut", "end", "crossed"))
    pairs = st.permutations(names).map(lambda order: (order[0], order[1]))
    return st.lists(st.builds(Step, st.sampled_from(PAUSES), whats, pairs), max_size=8)


async def play(net: SimNet, plan: list[Step]) -> None:
    lasting: list[Lasting] = []
    for step in plan:
        await trio.sleep(step.pause)
        a, b = step.pair
        match step.what:
            case "partition" | "oneway":
                lasting.append(net.partition(a, b, oneway=step.what == "oneway"))
            case "hold":
                lasting.append(net.hold(a, b, oneway=True))
            case "cut":
                net.cut(a, b)
            case _:
                with suppress(IndexError):
                    lasting.pop(0).end()


async def run(
    names: tuple[str, ...], weather: Weather, plan: list[Step], sent: list[list[float]], data: st.DataObject
) -> None:
    net = SimNet(Choices(DrawnChoices(data)), Trace(kept=False))
    async with net_world(*names, sim_net=net) as world:
        weather.set_on(net)
        everybody = await talkers(world, *sent)
        with trio.move_on_after(2 * LONG):
            await play(net, plan)
            await trio.sleep_forever()
        net.heal_all()
        await trio.sleep(2 * LONG)
        for talker in everybody:
            check(talker, [other for other in everybody if other is not talker])


@settings(max_examples=40)
@given(weathers, steps(A, B), plans, plans, st.data())
async def test_two_nodes(weather, plan, one, other, data):
    await run((A, B), weather, plan, [one, other], data)


@settings(max_examples=15)
@given(weathers, steps(A, B, C), plans, plans, plans, st.data())
async def test_three_nodes(weather, plan, one, two, three, data):
    await run((A, B, C), weather, plan, [one, two, three], data)
