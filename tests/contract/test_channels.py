"""What all channels to a router do: those in memory, and those on WebSocket frames over TCP."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

import pytest
import trio
import trio.testing

from sys_processes.devices import Channel, LinkFailed
from sys_processes.net.prefaces import MARK
from tests.support.net_world import record_of
from tests.support.wires import Wires, in_memory, over_tls

pytestmark = pytest.mark.real_clock


@pytest.fixture(params=[in_memory, over_tls])
def wires(request: pytest.FixtureRequest) -> AbstractAsyncContextManager[Wires]:
    return request.param()


async def pair(on: Wires) -> tuple[Channel, Channel]:
    """As Alice and as Bob hold it. Who comes says something first."""
    ends: list[Channel] = []

    async def accept() -> None:
        ends.append(await on.bob.accept_plain())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(accept)
        alice = await on.alice.reach(on.record)
        await alice.send(MARK)
    [bob] = ends
    assert await exactly(bob, len(MARK)) == MARK
    return alice, bob


async def exactly(channel: Channel, size: int) -> bytes:
    received = bytearray()
    while len(received) < size and (data := await channel.receive()):
        received += data
    return bytes(received)


async def send_without_end(channel: Channel) -> None:
    while True:
        await channel.send(b"x" * 65536)


async def test_bytes_travel_both_ways_in_order(wires):
    async with wires as on:
        alice, bob = await pair(on)
        for part in (b"a", b"bc", b"d" * 50_000):
            await alice.send(part)
        await bob.send(b"back")
        assert await exactly(bob, 50_003) == b"abc" + b"d" * 50_000
        assert await exactly(alice, 4) == b"back"
        for channel in (alice, bob):
            await channel.abort()


@pytest.mark.parametrize("first", [0, 1])
async def test_what_was_sent_before_a_close_arrives_and_then_the_end(wires, first):
    async with wires as on:
        ends = list(await pair(on))
        leaver = ends.pop(first)
        [stayer] = ends
        await stayer.send(b"unread")
        async with trio.open_nursery() as nursery:
            await leaver.send(b"last words" * 1000)
            nursery.start_soon(leaver.aclose)
            assert await exactly(stayer, 20_000) == b"last words" * 1000
            await stayer.aclose()


@pytest.mark.parametrize("first", [0, 1])
async def test_one_that_is_cut_off_is_found_to_be_cut_on_the_other_side(wires, first):
    async with wires as on:
        ends = list(await pair(on))
        leaver = ends.pop(first)
        [stayer] = ends
        # What is not read yet makes the difference between an end and a cut on a socket.
        await stayer.send(b"unread")
        await trio.testing.wait_all_tasks_blocked(0.01)
        await leaver.abort()
        with pytest.raises(trio.BrokenResourceError):
            await send_without_end(stayer)
        await stayer.aclose()


@pytest.mark.parametrize("end", ["aclose", "abort"])
async def test_one_that_we_closed_says_so(wires, end):
    async with wires as on:
        for channel in await pair(on):
            await getattr(channel, end)()
            await channel.aclose()
            await channel.abort()
            with pytest.raises(trio.ClosedResourceError):
                await channel.send(b"x")
            with pytest.raises(trio.ClosedResourceError):
                await channel.receive()


@pytest.mark.parametrize("said", [b"", b"\x16\x03\x01\x00\x05hello", b"garbage" * 1000])
@pytest.mark.parametrize("server", [False, True])
async def test_no_link_is_made_of_a_channel_on_which_nobody_makes_one(wires, server, said):
    async with wires as on:
        alice, bob = await pair(on)
        async with trio.open_nursery() as nursery:

            async def answer() -> None:
                if said:
                    await bob.send(said)
                await bob.aclose()

            nursery.start_soon(answer)
            if server:
                await until_broken(on, alice)
            else:
                with pytest.raises(LinkFailed):
                    await on.alice.secure(alice, server=False)
        with pytest.raises(trio.ClosedResourceError):
            await alice.receive()


async def until_broken(on: Wires, channel: Channel) -> None:
    """A server may find out only when it reads."""
    try:
        link = await on.alice.secure(channel, server=True)
    except LinkFailed:
        return
    with pytest.raises(trio.BrokenResourceError):
        await link.receive()
    await link.aclose()


async def test_a_place_where_nobody_listens_fails_and_is_named(wires):
    async with wires as on:
        with pytest.raises(LinkFailed, match=r"127\.0\.0\.1:1"):
            await on.alice.reach(record_of("nobody.uq", address="127.0.0.1:1"))
        with pytest.raises(LinkFailed, match=r"carol\.uq has no address"):
            await on.alice.reach(record_of("carol.uq", routers=["bob.uq"]))
        with pytest.raises(LinkFailed, match=r"carol\.uq has no address"):
            await on.alice.dial(record_of("carol.uq", routers=["bob.uq"]))


async def test_who_takes_no_more_says_so_to_who_waits(wires):
    async with wires as on:
        ended: list[bool] = []

        async def accept() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await on.bob.accept_plain()
            ended.append(True)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(accept)
            await trio.testing.wait_all_tasks_blocked(0.01)
            on.close()
        await accept()
        assert ended == [True, True]
