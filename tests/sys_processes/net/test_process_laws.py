"""Whole nodes on links that Hypothesis delays, cuts and refuses: one outcome per message, in order, at most once."""

from __future__ import annotations

import attrs
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.address import Address
from kernel.message import Request, Response, SendError
from kernel.syscalls import current
from runtime.sim.chance import SeededChance
from runtime.sim.links import FAIR, LinkFate
from tests.support.net_world import NetWorld, net_world

A, B, C = "alice.uq", "bob.uq", "carol.uq"
LONG = 500


def fates() -> st.SearchStrategy[LinkFate]:
    budget = st.one_of(st.just(float("inf")), st.integers(0, 3000))
    return st.builds(
        LinkFate,
        there=budget,
        back=budget,
        delay=st.sampled_from((0.0, 0.01, 1.0, 3.0)),
        deaf=st.sampled_from((False, False, False, True)),
        refused=st.sampled_from((False, False, False, True)),
    )


@attrs.define(eq=False)
class Talker:
    """Sends a numbered Request to each of the others in turn, every other one with an answer wanted; answers all."""

    our: Address
    to: list[Address]
    pauses: list[float]
    heard: dict[str, list[int]] = attrs.Factory(dict)
    answered: list[int] = attrs.Factory(list)
    errors: list[tuple[int, SendError]] = attrs.Factory(list)

    async def init(self, our: Address) -> None:
        current().start_soon(self.talk)
        while True:
            try:
                message = await current().receive()
            except SendError as error:
                self.errors.append((int(error.message.ipc), error))
                continue
            number = int(message.ipc)
            if message.is_request():
                self.heard.setdefault(message.source.node, []).append(number)
                if message.wants_response:
                    current().send_response(Response(ipc=message.ipc))
            else:
                self.answered.append(number)

    async def talk(self) -> None:
        for number, pause in enumerate(self.pauses):
            expects = LONG if number % 2 else None
            target = self.to[number % len(self.to)]
            current().send_request(target, Request(expects_response=expects, ipc=b"%d" % number))
            await trio.sleep(pause)


async def talkers(world: NetWorld, *plans: list[float]) -> list[Talker]:
    addresses = [Address(node, "t:test:test") for node in world.nodes]
    made = []
    for our, pauses in zip(addresses, plans, strict=True):
        talker = Talker(our, [other for other in addresses if other != our], pauses)
        kernel = world.nodes[our.node].kernel
        kernel.kernel.lifecycle.start(kernel.create("t", talker.init, network=True))
        made.append(talker)
    return made


def check(talker: Talker, others: list[Talker]) -> None:
    """Every message of this one."""
    failed = dict(talker.errors)
    assert len(failed) == len(talker.errors)
    for number in range(len(talker.pauses)):
        target = talker.to[number % len(talker.to)]
        [receiver] = [other for other in others if other.our == target]
        heard = receiver.heard.get(talker.our.node, [])
        assert heard.count(number) <= 1
        if number in failed:
            assert not (failed[number].definite and number in heard)
            assert number not in talker.answered
        elif number % 2:
            assert talker.answered.count(number) == 1
        else:
            assert number in heard
    for receiver in others:
        heard = receiver.heard.get(talker.our.node, [])
        assert heard == sorted(heard)


plans = st.lists(st.sampled_from((0.0, 0.0, 0.005, 0.5, 4.0)), min_size=1, max_size=12)


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
