"""A router and who comes to it with all kinds of things, in memory and on virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
import pytest
import trio
import trio.testing

from kernel.message import SendError
from runtime.sim.links import LinkNetwork, MemoryLinks
from sys_processes.devices import Channel, Link, Links
from sys_processes.net.prefaces import (
    LARGEST,
    MARK,
    Arrival,
    Evidence,
    Here,
    Nonce,
    NotHere,
    Preface,
    PrefaceReader,
    Wanted,
    encode_preface,
)
from sys_processes.net.protocol import IdentityRecord
from sys_processes.net.router import ARRIVAL_SECONDS, MOST_PREFACES, PREFACE_SECONDS, QUIET_SECONDS, splice
from sys_processes.net.routing import RouteStatement
from sys_processes.net.ways import hear_preface
from tests.support.net_world import NetWorld, identity_of, net_world, outcome, record_of

A, B, C, D = "alice.uq", "bob.uq", "carol.uq", "dave.uq"


@asynccontextmanager
async def at_bobs() -> AsyncIterator[NetWorld]:
    """Carol is reached through bob, who lets one through."""
    async with net_world(A, B, C, D, routed={C: (B,)}, passages={B: 1}) as world:
        await trio.testing.wait_all_tasks_blocked()
        yield world


class Stranger:
    """Somebody at bob's door, by hand."""

    def __init__(self, world: NetWorld) -> None:
        self.links: MemoryLinks = world.network.node("stranger:1", bytes(32))
        self._bob = record_of(B)

    async def knock(self, *said: Preface | bytes) -> Channel:
        channel = await self.links.reach(self._bob)
        for part in said:
            await channel.send(part if isinstance(part, bytes) else encode_preface(part))
        return channel

    async def ask(
        self, target: str = C, *, source: str = A, key_of: str = A, nonce: bytes | None = None
    ) -> Channel:
        """The answer is to be heard."""
        channel = await self.knock(Wanted(source, target))
        given = await hear_preface(channel)
        assert isinstance(given, Nonce)
        statement = RouteStatement(source, target, B, nonce or given.nonce)
        await channel.send(encode_preface(Evidence(identity_of(key_of).sign(statement.signed_bytes()))))
        return channel


async def everything(channel: Channel) -> None:
    while await channel.receive():
        pass


async def until_cut(channel: Channel) -> float:
    """The seconds that takes."""
    began = trio.current_time()
    with pytest.raises(trio.BrokenResourceError):
        await everything(channel)
    return trio.current_time() - began


class HeldBack:
    """`sys_processes.devices.Links` of a node that never comes when it is asked to. `tokens` is with what it should."""

    def __init__(self, links: Links) -> None:
        self._links = links
        self.tokens: list[bytes] = []

    async def dial(self, record: IdentityRecord) -> Link:
        return await self._links.dial(record)

    async def accept(self) -> Link:
        return await self._links.accept()

    async def accept_plain(self) -> Channel:
        return await self._links.accept_plain()

    async def secure(self, channel: Channel, *, server: bool) -> Link:
        return await self._links.secure(channel, server=server)

    async def reach(self, record: IdentityRecord) -> Channel:
        return _Nowhere(self.tokens)


@attrs.frozen
class _Nowhere:
    tokens: list[bytes]

    async def send(self, data: bytes) -> None:
        said = PrefaceReader().feed(data)
        assert isinstance(said, Arrival)
        self.tokens.append(said.token)
        await trio.sleep_forever()

    async def receive(self) -> bytes:
        return await trio.sleep_forever()

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()

    async def abort(self) -> None:
        await trio.lowlevel.checkpoint()


async def boot_held_back(world: NetWorld) -> HeldBack:
    """Another carol, who is connected to bob."""
    await world.kill(C)
    held: list[HeldBack] = []

    def wrap(links: Links) -> Links:
        held.append(HeldBack(links))
        return held[0]

    await world.boot(C, A, B, wrap=wrap)
    await trio.testing.wait_all_tasks_blocked()
    return held[0]


# -- prefaces


@pytest.mark.parametrize(
    "said",
    [
        pytest.param([b"\0" * 10], id="zeros"),
        pytest.param([b"\x16\x03\x01\x02\x00"], id="TLS"),
        pytest.param([MARK + (LARGEST + 1).to_bytes(2, "big")], id="too long"),
        pytest.param([MARK + b"\0\x04garb"], id="garbage"),
        pytest.param([encode_preface(Wanted(A, C)) + b"and more"], id="something behind it"),
        pytest.param([Here()], id="an answer"),
        pytest.param([Evidence(b"s" * 64)], id="evidence of nothing"),
        pytest.param([Arrival(b"t" * 32)], id="a token that was guessed"),
    ],
)
async def test_what_has_no_place_here_ends_the_connection_at_once(said):
    async with at_bobs() as world:
        assert await until_cut(await Stranger(world).knock(*said)) == 0


async def test_evidence_must_follow_the_nonce():
    async with at_bobs() as world:
        channel = await Stranger(world).knock(Wanted(A, C))
        assert isinstance(await hear_preface(channel), Nonce)
        await channel.send(encode_preface(Wanted(A, C)))
        assert await until_cut(channel) == 0


async def test_who_says_nothing_or_says_it_slowly_is_cut_after_five_seconds():
    """A slow loris."""
    raw = encode_preface(Wanted(A, C))
    async with at_bobs() as world:
        stranger = Stranger(world)
        assert await until_cut(await stranger.knock()) == PREFACE_SECONDS
        channel = await stranger.knock()

        async def drip() -> None:
            for at in range(len(raw)):
                await channel.send(raw[at : at + 1])
                await trio.sleep(0.2)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(drip)
            assert await until_cut(channel) == PREFACE_SECONDS
            nursery.cancel_scope.cancel()


async def test_only_so_many_may_be_in_the_middle_of_it():
    async with at_bobs() as world:
        stranger = Stranger(world)
        slow = [await stranger.knock(MARK) for _ in range(MOST_PREFACES)]
        await trio.testing.wait_all_tasks_blocked()
        assert await until_cut(await stranger.knock(MARK)) == 0
        await slow[0].abort()
        channel = await stranger.ask()
        assert await hear_preface(channel) == Here()


# -- who is let through


async def test_who_signs_with_a_known_key_is_let_through():
    async with at_bobs() as world:
        channel = await Stranger(world).ask()
        assert await hear_preface(channel) == Here()


async def test_evidence_that_was_heard_before_is_of_no_use():
    """C-166."""
    async with at_bobs() as world:
        stranger = Stranger(world)
        for source, nonce in ((A, b"heard before".ljust(32)), ("nobody.uq", None)):
            channel = await stranger.ask(source=source, nonce=nonce)
            assert await hear_preface(channel) == NotHere(
                f"{B} does not know {source!r} by the key that signed"
            )


@pytest.mark.parametrize("target", [A, B, "nobody.uq"])
async def test_who_is_not_reached_through_the_router_is_not(target):
    async with at_bobs() as world:
        channel = await Stranger(world).ask(target)
        assert await hear_preface(channel) == NotHere(f"{target!r} is not reached through {B}")
        assert await channel.receive() == b""


async def test_who_leaves_while_the_target_is_asked_leaves_room_for_others_before_long():
    async with at_bobs() as world:
        await boot_held_back(world)
        stranger = Stranger(world)
        channel = await stranger.ask()
        await trio.testing.wait_all_tasks_blocked()
        await channel.abort()
        await trio.testing.wait_all_tasks_blocked()
        assert await hear_preface(await stranger.ask(source=D, key_of=D)) == NotHere(
            f"{B} has no room: 1 at a time go through it"
        )
        await trio.sleep(ARRIVAL_SECONDS)
        channel = await stranger.ask()
        assert await hear_preface(channel) == NotHere(f"{C} did not come within {ARRIVAL_SECONDS:g} s")


async def test_who_asks_again_takes_the_place_of_a_connection_that_died_unnoticed():
    async with at_bobs() as world:
        stranger = Stranger(world)
        first = await stranger.ask()
        assert await hear_preface(first) == Here()
        second = await stranger.ask()
        assert await hear_preface(second) == Here()
        assert await until_cut(first) == 0
        other = await stranger.ask(source=D, key_of=D)
        assert isinstance(await hear_preface(other), NotHere)
        await second.abort()
        await trio.testing.wait_all_tasks_blocked()
        assert await hear_preface(await stranger.ask(source=D, key_of=D)) == Here()


async def test_who_asks_again_and_again_and_leaves_each_time_leaves_the_place_free():
    async with at_bobs() as world:
        stranger = Stranger(world)
        for number in range(20):
            channel = await stranger.ask()
            if number % 3:
                await hear_preface(channel)
            for _ in range(number % 5):
                await trio.lowlevel.checkpoint()
            await channel.abort()
        await trio.testing.wait_all_tasks_blocked()
        assert await hear_preface(await stranger.ask(source=D, key_of=D)) == Here()
        assert "crash" not in world.printed(B)


# -- tokens


async def test_a_token_is_good_once():
    async with at_bobs() as world:
        carol = await boot_held_back(world)
        stranger = Stranger(world)
        asked = await stranger.ask()
        await trio.testing.wait_all_tasks_blocked()
        [token] = carol.tokens
        came = await stranger.knock(Arrival(token))
        assert await hear_preface(asked) == Here()
        assert await until_cut(await stranger.knock(Arrival(token))) == 0
        await asked.send(b"still here")
        assert await came.receive() == b"still here"


async def test_a_token_is_good_for_five_seconds():
    async with at_bobs() as world:
        carol = await boot_held_back(world)
        stranger = Stranger(world)
        asked = await stranger.ask()
        assert await hear_preface(asked) == NotHere(f"{C} did not come within {ARRIVAL_SECONDS:g} s")
        [token] = carol.tokens
        assert await until_cut(await stranger.knock(Arrival(token))) == 0


async def test_who_comes_with_a_stolen_token_is_not_taken_for_the_target():
    """C-166: what he can do is to be in the way."""
    async with at_bobs() as world:
        carol = await boot_held_back(world)
        thief = Stranger(world)
        a, c = await world.puppet(A), await world.puppet(C)
        asked = a.begin_ask(c, b"a secret")
        await trio.testing.wait_all_tasks_blocked()
        [token] = carol.tokens
        channel = await thief.knock(Arrival(token))
        link = await thief.links.secure(channel, server=True)
        assert await link.receive() == b""
        error = await outcome(asked)
        assert isinstance(error, SendError)
        assert f"{B} brought somebody without the key of {C}" in error.detail
        await link.aclose()


# -- what passes


async def channels() -> tuple[Channel, Channel, Channel, Channel]:
    """Alice's end, the two that the router holds, and carol's."""
    network = LinkNetwork()
    router, others = network.node("router:1", bytes(32)), network.node("others:1", bytes(32))
    record = record_of("router.uq", address="router:1")
    alice = await others.reach(record)
    one = await router.accept_plain()
    carol = await others.reach(record)
    return alice, one, await router.accept_plain(), carol


async def test_a_passage_without_a_word_is_cut_after_two_minutes_and_no_earlier():
    alice, one, other, carol = await channels()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(splice, one, other)
        for _ in range(5):
            await trio.sleep(QUIET_SECONDS - 1)
            await alice.send(b"x")
            assert await carol.receive() == b"x"
        assert await until_cut(carol) == QUIET_SECONDS
        assert await until_cut(alice) == 0


async def test_who_does_not_read_stops_the_other_side_and_costs_the_router_no_memory():
    alice, one, other, carol = await channels()
    sent = 0
    async with trio.open_nursery() as nursery:
        nursery.start_soon(splice, one, other)
        with trio.move_on_after(10):
            while True:
                await alice.send(b"x" * 65536)
                sent += 65536
        assert sent < 1024 * 1024
        # The other direction goes on.
        await carol.send(b"hello")
        assert await alice.receive() == b"hello"
        await carol.abort()


@pytest.mark.parametrize("leaver", [0, 3])
@pytest.mark.parametrize("cut", [False, True])
async def test_when_one_side_ends_so_does_the_other_and_a_cut_stays_a_cut(leaver, cut):
    ends = await channels()
    stayer = ends[3 - leaver]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(splice, ends[1], ends[2])
        await ends[leaver].send(b"last words")
        if cut:
            await trio.testing.wait_all_tasks_blocked()
            await ends[leaver].abort()
            assert await until_cut(stayer) == 0
        else:
            await ends[leaver].aclose()
            assert await stayer.receive() == b"last words"
            assert await stayer.receive() == b""
