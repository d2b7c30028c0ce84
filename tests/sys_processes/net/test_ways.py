"""Which way is taken to a node, and what a dialler and a target make of a router that does not do its work."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import pytest
import trio
import trio.testing

from runtime.sim.links import LinkNetwork, MemoryLinks
from sys_processes.devices import Channel, Link, LinkFailed
from sys_processes.net.effects import Come, Dial
from sys_processes.net.prefaces import (
    LARGEST,
    MARK,
    Arrival,
    BadPreface,
    Evidence,
    Here,
    Nonce,
    NotHere,
    Preface,
    Wanted,
    encode_preface,
)
from sys_processes.net.routing import RouteStatement
from sys_processes.net.ways import PATIENCE, Ways, first_of, hear_preface
from tests.support.net_world import identity_of, record_of

A, B, C, E = "alice.uq", "bob.uq", "carol.uq", "eve.uq"
CAROL = record_of(C, routers=[B, E])


class Place:
    """Alice, and links of others that the test speaks for."""

    def __init__(self) -> None:
        self._network = LinkNetwork()
        self.ways = Ways(A, self.links(A), identity_of(A).sign)

    def links(self, name: str) -> MemoryLinks:
        return self._network.node(f"{name}:8080", identity_of(name).public_key)


Router = Callable[[Channel], Awaitable[None]]


def says(*parts: Preface | bytes) -> Router:
    """Whatever it hears, it answers with these one after the other, and ends."""

    async def answer(channel: Channel) -> None:
        for part in parts:
            await hear_preface(channel)
            await channel.send(part if isinstance(part, bytes) else encode_preface(part))
        if parts[-1:] != (Here(),):
            with suppress(trio.BrokenResourceError, BadPreface):
                await hear_preface(channel)
        await channel.aclose()

    return answer


def brings(links: MemoryLinks) -> Router:
    """As a router does, but that these links are at the other end of the same channel."""

    async def answer(channel: Channel) -> None:
        assert await hear_preface(channel) == Wanted(A, C)
        await channel.send(encode_preface(Nonce(b"n" * 32)))
        said = await hear_preface(channel)
        statement = RouteStatement(A, C, B, b"n" * 32)
        assert isinstance(said, Evidence)
        assert identity_of(A).verify(A, statement.signed_bytes(), said.signature)
        await channel.send(encode_preface(Here()))
        link = await links.secure(channel, server=True)
        assert await link.receive() == b""
        await link.aclose()

    return answer


async def dial(place: Place, **routers: Router) -> Link:
    """Alice to carol, through the routers of these names."""
    async with trio.open_nursery() as nursery:
        for name, answer in routers.items():
            nursery.start_soon(serve, place.links(f"{name}.uq"), answer)
        records = tuple(record_of(f"{name}.uq") for name in routers)
        try:
            return await place.ways.dial(Dial(1, CAROL, records))
        finally:
            nursery.cancel_scope.cancel()


async def serve(links: MemoryLinks, answer: Router) -> None:
    await answer(await links.accept_plain())


async def failure_of(**routers: Router) -> str:
    place = Place()
    try:
        await dial(place, **routers)
    except* LinkFailed as group:
        [error] = group.exceptions
    return str(error)


GOOD_NONCE = Nonce(b"n" * 32)


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ([], "it ended before all was said"),
        ([b"\0\0\0\0"], "it begins with 0x0000"),
        ([b"\x15\x03\x03\x00\x02"], "it begins with 0x1503"),
        ([MARK + (LARGEST + 1).to_bytes(2, "big")], "a preface of 1025 bytes"),
        ([Here()], "Here in the place of Nonce"),
        ([encode_preface(GOOD_NONCE) + b"x"], "1 bytes came behind"),
        ([GOOD_NONCE], "it ended before all was said"),
        ([GOOD_NONCE, GOOD_NONCE], "Nonce in the place of Here"),
        ([GOOD_NONCE, encode_preface(Here()) + b"\x16"], "1 bytes came behind"),
    ],
)
async def test_a_router_that_answers_as_none_does_is_no_way(answers, told):
    said = await failure_of(bob=says(*answers))
    assert said.startswith(f"{B} does not answer as a router does: ")
    assert told in said


async def test_what_a_router_says_is_told():
    assert await failure_of(bob=says(GOOD_NONCE, NotHere("no room"))) == f"{B} says: no room"
    assert (await failure_of(bob=says(GOOD_NONCE, Here()))).startswith(f"through {B}: ")


async def test_who_is_brought_must_have_the_key_of_who_is_wanted():
    """C-166."""
    place = Place()
    mallory = place.links("mallory.uq")
    with pytest.RaisesGroup(LinkFailed) as found:
        await dial(place, bob=brings(mallory))
    [error] = found.value.exceptions
    assert str(error) == f"{B} brought somebody without the key of {C}"


# -- several ways


async def test_every_way_that_failed_is_told():
    said = await failure_of(bob=says(GOOD_NONCE, NotHere("no room")), eve=says(b"\0"))
    assert said.startswith(f"{B} says: no room; {E} does not answer as a router does")


class Tries:
    """Ways that fail, or succeed with a link, after so many seconds."""

    def __init__(self) -> None:
        self.begun: list[tuple[int, float]] = []
        self._network = LinkNetwork()
        self._links = self._network.node("x:1", bytes(32))
        self.made: list[Link] = []

    def of(self, *plan: tuple[float, bool]) -> Sequence[Callable[[], Awaitable[Link]]]:
        def make(number: int, seconds: float, works: bool) -> Callable[[], Awaitable[Link]]:
            async def begin() -> Link:
                self.begun.append((number, trio.current_time()))
                await trio.sleep(seconds)
                if not works:
                    raise LinkFailed(f"way {number}")
                link = await self._links.dial(record_of("x.uq", address="x:1"))
                self.made.append(link)
                return link

            return begin

        return [make(number, *one) for number, one in enumerate(plan)]


async def test_the_first_way_that_works_is_taken_and_the_others_are_given_up():
    tries = Tries()
    link = await first_of(tries.of((3, True), (5, True), (0.5, True), (0, True)))
    assert tries.begun == [(0, 0), (1, PATIENCE), (2, 2 * PATIENCE)]
    assert trio.current_time() == 2.5
    assert tries.made == [link]


async def test_a_way_that_fails_makes_place_for_the_next_at_once():
    tries = Tries()
    await first_of(tries.of((0.25, False), (0, False), (0.5, True)))
    assert tries.begun == [(0, 0), (1, 0.25), (2, 0.25)]


async def test_when_all_fail_it_takes_as_long_as_the_longest():
    with pytest.raises(LinkFailed, match=r"^way 1; way 0$"):
        await first_of(Tries().of((4, False), (0, False)))
    assert trio.current_time() == 4


async def test_a_dial_that_is_given_up_leaves_nothing_open():
    tries = Tries()
    with trio.move_on_after(0.5):
        await first_of(tries.of((1, True), (1, True)))
    assert tries.made == []


async def test_of_two_ways_that_work_at_the_same_time_one_is_closed():
    tries = Tries()
    link = await first_of(tries.of((PATIENCE + 1, True), (1, True)))
    for other in tries.made:
        if other is not link:
            with pytest.raises(trio.ClosedResourceError):
                await other.receive()
    await link.aclose()


# -- the target's side


async def test_a_target_comes_with_the_token_and_is_the_server():
    place = Place()
    bob = place.links(B)
    links: list[Link] = []

    async def come() -> None:
        links.append(await place.ways.come(Come(1, record_of(B), b"t" * 32)))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(come)
        channel = await bob.accept_plain()
        assert await hear_preface(channel) == Arrival(b"t" * 32)
        link = await bob.secure(channel, server=False)
        assert link.proven_key == identity_of(A).public_key
    [own] = links
    await link.send(b"hello")
    assert await own.receive() == b"hello"


async def test_a_router_that_is_not_there_is_told():
    with pytest.raises(LinkFailed, match=f"nobody listens at {B}:8080"):
        await Place().ways.come(Come(1, record_of(B), b"t" * 32))
