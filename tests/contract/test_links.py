"""What all Links do: in memory, on a simulated network, over TLS, WebSocket frames and TCP; and through a router."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

import pytest
import trio
import trio.testing

from sys_processes.devices import Link, LinkFailed
from tests.support.net_world import identity_of, record_of
from tests.support.wires import Wires, in_memory, over_tls, relayed_in_memory, relayed_over_tls, simulated

pytestmark = pytest.mark.real_clock

MIB = 1024 * 1024
BIG = bytes(range(256)) * (10 * MIB // 256)


@pytest.fixture(params=[in_memory, simulated, over_tls, relayed_in_memory, relayed_over_tls])
def wires(request: pytest.FixtureRequest) -> AbstractAsyncContextManager[Wires]:
    return request.param()


@pytest.fixture(params=[in_memory, simulated, over_tls])
def direct(request: pytest.FixtureRequest) -> AbstractAsyncContextManager[Wires]:
    return request.param()


async def exactly(link: Link, size: int) -> bytes:
    received = bytearray()
    while len(received) < size and (data := await link.receive()):
        received += data
    return bytes(received)


async def everything(link: Link) -> bytes:
    received = bytearray()
    while data := await link.receive():
        received += data
    return bytes(received)


async def close(*links: Link) -> None:
    async with trio.open_nursery() as nursery:
        for link in links:
            nursery.start_soon(link.aclose)


async def until_broken(link: Link) -> str:
    """What is said when the link is found to be cut."""
    while True:
        try:
            await link.send(b"x" * 65536)
        except trio.BrokenResourceError as error:
            return str(error)


async def test_bytes_travel_both_ways_in_order(wires):
    async with wires as on:
        alice, bob = await on.pair()
        for part in (b"a", b"bc", b"d" * 50_000):
            await alice.send(part)
        await bob.send(b"back")
        assert await exactly(bob, 50_003) == b"abc" + b"d" * 50_000
        assert await exactly(alice, 4) == b"back"
        await close(alice, bob)


async def test_who_dials_is_given_the_key_of_the_other_side_and_who_accepts_is_given_none(wires):
    async with wires as on:
        alice, bob = await on.pair()
        assert alice.proven_key == identity_of("bob.uq").public_key
        assert bob.proven_key is None
        await close(alice, bob)


@pytest.mark.parametrize("first", ["alice", "bob"])
async def test_what_was_sent_before_a_close_arrives_and_then_the_end(wires, first):
    async with wires as on:
        ends = dict(zip(("alice", "bob"), await on.pair(), strict=True))
        leaver = ends.pop(first)
        (stayer,) = ends.values()
        # What the leaver has not read must not cost the other side what it has not read.
        await stayer.send(b"unread")
        async with trio.open_nursery() as nursery:
            await leaver.send(b"last words" * 1000)
            nursery.start_soon(leaver.aclose)
            assert await everything(stayer) == b"last words" * 1000
            await stayer.aclose()


async def test_a_link_that_we_closed_says_so(wires):
    async with wires as on:
        alice, bob = await on.pair()
        await close(alice, bob)
        await alice.aclose()
        for link in (alice, bob):
            with pytest.raises(trio.ClosedResourceError):
                await link.send(b"x")
            with pytest.raises(trio.ClosedResourceError):
                await link.receive()


async def test_after_the_other_side_has_closed_sending_fails_before_long(wires):
    async with wires as on:
        alice, bob = await on.pair()
        await bob.aclose()
        await until_broken(alice)
        await alice.aclose()


async def test_a_cut_is_noticed_by_who_waits_for_bytes(wires):
    async with wires as on:
        alice, bob = await on.pair()
        broken: list[str] = []

        async def wait(link: Link) -> None:
            with pytest.raises(trio.BrokenResourceError) as found:
                await link.receive()
            broken.append(str(found.value))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait, alice)
            nursery.start_soon(wait, bob)
            await trio.testing.wait_all_tasks_blocked(0.01)
            await on.cut_all()
        assert len(broken) == 2
        assert all(broken)
        for link in (alice, bob):
            assert await until_broken(link)
            with pytest.raises(trio.BrokenResourceError):
                await link.receive()
            await link.aclose()
            with pytest.raises(trio.ClosedResourceError):
                await link.receive()


async def test_a_receive_that_was_cancelled_loses_nothing(wires):
    async with wires as on:
        alice, bob = await on.pair()
        for number in range(20):
            with trio.move_on_after(0.001):
                await bob.receive()
            await alice.send(b"%02d" % number)
            assert await exactly(bob, 2) == b"%02d" % number
        await close(alice, bob)


async def test_a_peer_that_does_not_read_stops_its_own_link_only(wires):
    async with wires as on:
        deaf, silent = await on.pair()
        alice, bob = await on.pair()
        with trio.move_on_after(0.3) as waiting:
            while True:
                await deaf.send(b"x" * 65536)
        assert waiting.cancelled_caught
        await alice.send(b"hello")
        assert await exactly(bob, 5) == b"hello"
        # It has had its time to take what was sent.
        with trio.fail_after(5):
            await deaf.aclose()
        await close(alice, bob, silent)


async def test_ten_mebibytes_cross_in_both_directions_at_once(wires):
    async with wires as on:
        alice, bob = await on.pair()
        got: list[bool] = []

        async def take(link: Link) -> None:
            got.append(await exactly(link, len(BIG)) == BIG)

        async with trio.open_nursery() as nursery:
            for link in (alice, bob):
                nursery.start_soon(take, link)
                nursery.start_soon(link.send, BIG)
        assert got == [True, True]
        await close(alice, bob)


async def test_a_hundred_links_at_once_do_not_mix(wires):
    async with wires as on:
        seen: list[bytes] = []

        async def ask(number: int) -> None:
            link = await on.dial()
            await link.send(b"%03d" % number)
            assert await exactly(link, 3) == b"%03d" % (number + 500)
            await link.aclose()

        async def answer(link: Link) -> None:
            asked = await exactly(link, 3)
            seen.append(asked)
            await link.send(b"%03d" % (int(asked) + 500))
            assert await everything(link) == b""
            await link.aclose()

        async with trio.open_nursery() as nursery:
            for number in range(100):
                nursery.start_soon(ask, number)
            for _ in range(100):
                nursery.start_soon(answer, await on.accept())
        assert sorted(seen) == [b"%03d" % number for number in range(100)]


async def test_a_dial_to_where_nobody_listens_fails_and_names_the_place(direct):
    async with direct as on:
        with pytest.raises(LinkFailed, match=r"127\.0\.0\.1:1"):
            await on.alice.dial(record_of("nobody.uq", address="127.0.0.1:1"))


async def test_who_takes_no_more_links_says_so_to_who_waits(direct):
    async with direct as on:
        ended: list[bool] = []

        async def accept() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await on.bob.accept()
            ended.append(True)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(accept)
            await trio.testing.wait_all_tasks_blocked(0.01)
            on.close()
        await accept()
        assert ended == [True, True]
