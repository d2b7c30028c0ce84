"""Whole nodes, some of them routed, on links that Hypothesis delays, cuts and refuses, and through routers gone bad:
one outcome per message, in order, at most once.
"""

from __future__ import annotations

import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.sim.chance import SeededChance
from runtime.sim.links import FAIR
from tests.support.bad_router import BadRouter, Harm, How
from tests.support.net_world import net_world, outcome
from tests.support.talkers import LONG, Talker, check, fates, plans, talkers

B, C, D = "bob.uq", "carol.uq", "dave.uq"

harms = st.builds(Harm, st.sampled_from(How), st.integers(0, 8))


def check_all(all_of_them: list[Talker]) -> None:
    for talker in all_of_them:
        check(talker, [other for other in all_of_them if other is not talker])


@settings(max_examples=15)
@given(st.lists(fates(), max_size=12), plans, plans, plans, st.integers(0, 2**32))
async def test_two_routed_nodes_and_their_router_on_bad_links(fate, one, two, three, seed):
    picked = dict(enumerate(fate))
    async with net_world(
        B, C, D,
        fate=lambda number: picked.get(number, FAIR),
        chance=SeededChance(seed),
        routed={C: (B,), D: (B,)},
        passages={B: 2},
    ) as world:  # fmt: skip
        all_three = await talkers(world, one, two, three)
        await trio.sleep(2 * LONG)
        check_all(all_three)


@settings(max_examples=15)
@given(st.lists(harms, min_size=1, max_size=10), plans, plans, st.integers(0, 2**32))
async def test_two_nodes_whose_router_garbles_drops_repeats_and_reorders(harm, one, two, seed):
    async with net_world(chance=SeededChance(seed), routed={C: (B,), D: (B,)}, passages={B: 2}) as world:
        await world.boot(C, B, D)
        await world.boot(D, B, C)
        pair = await talkers(world, one, two)
        await world.boot(B, C, D, wrap=lambda links: BadRouter(links, *harm))
        await trio.sleep(2 * LONG)
        check_all(pair)
        # Once the router does its work, everything flows again: each of these uses up one harm or two at most.
        c, d = await world.puppet(C), await world.puppet(D)
        for _ in harm:
            await outcome(c.begin_ask(d))
            await trio.sleep(120)
        await c.send(d, b"at last")
        assert (await d.unread())[-1].ipc == b"at last"
