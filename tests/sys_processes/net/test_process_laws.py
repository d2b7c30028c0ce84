"""Whole nodes on links that Hypothesis delays, cuts and refuses: one outcome per message, in order, at most once."""

from __future__ import annotations

import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.sim.chance import SeededChance
from runtime.sim.links import FAIR
from tests.support.net_world import net_world
from tests.support.talkers import LONG, check, fates, plans, talkers

A, B, C = "alice.uq", "bob.uq", "carol.uq"


@settings(max_examples=40)
@given(st.lists(fates(), max_size=8), plans, plans, st.integers(0, 2**32))
async def test_two_nodes_on_bad_links(fate, one, other, seed):
    picked = dict(enumerate(fate))
    async with net_world(
        A, B, fate=lambda number: picked.get(number, FAIR), chance=SeededChance(seed)
    ) as world:
        alice, bob = await talkers(world, one, other)
        await trio.sleep(2 * LONG)
        check(alice, [bob])
        check(bob, [alice])


@settings(max_examples=20)
@given(st.lists(fates(), max_size=12), plans, plans, plans, st.integers(0, 2**32))
async def test_three_nodes_on_bad_links(fate, one, two, three, seed):
    picked = dict(enumerate(fate))
    async with net_world(
        A, B, C, fate=lambda number: picked.get(number, FAIR), chance=SeededChance(seed)
    ) as world:
        all_three = await talkers(world, one, two, three)
        await trio.sleep(2 * LONG)
        for talker in all_three:
            check(talker, [other for other in all_three if other is not talker])
