"""Actors that send numbered messages to each other over bad links, and the laws that hold of each message."""

from __future__ import annotations

import attrs
import trio
from hypothesis import strategies as st

from kernel.address import Address
from kernel.message import Request, Response, SendError
from kernel.syscalls import current
from runtime.sim.links import LinkFate
from tests.support.net_world import NetWorld

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
