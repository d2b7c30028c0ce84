"""Links through a simulated router: nothing but what was sent arrives, in order, and then the end or a cut."""

from __future__ import annotations

from contextlib import suppress

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from runtime.sim.chance import SeededChance
from runtime.sim.links import LinkNetwork
from runtime.sim.sealed_links import CLOSE_SECONDS, SealedLink, seal
from sys_processes.devices import Channel, LinkFailed
from tests.support.bad_router import BadChannel, Harm, How
from tests.support.net_world import record_of

KEY = b"k" * 32


async def channels(seed: int | None = None) -> tuple[Channel, Channel]:
    """With a seed, bytes come in pieces of any size."""
    network = LinkNetwork(chance=None if seed is None else SeededChance(seed))
    one, other = network.node("one:1", bytes(32)), network.node("other:1", bytes(32))
    return await other.reach(record_of("one.uq", address="one:1")), await one.accept_plain()


async def pair() -> tuple[SealedLink, SealedLink]:
    """The client's end and the server's."""
    near, far = await channels()
    server = await seal(far, KEY)
    return await seal(near, None), server


async def everything(link: SealedLink) -> None:
    while await link.receive():
        pass


@given(
    st.lists(st.binary(max_size=200), max_size=8),
    st.one_of(st.none(), st.builds(Harm, st.sampled_from(How), st.integers(0, 12))),
    st.integers(0, 2**16),
)
async def test_what_arrives_is_the_beginning_of_what_was_sent_and_an_end_means_all_of_it(sent, harm, seed):
    near, far = await channels(seed)
    arrived, ended = b"", False

    async def serve() -> None:
        link = await seal(far, KEY)
        # The client may have left, once it has found out.
        with suppress(trio.BrokenResourceError):
            for data in sent:
                await link.send(data)
        await link.aclose()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        try:
            link = await seal(BadChannel(near, harm, bytearray()), None)
            assert link.proven_key == KEY
            while data := await link.receive():
                arrived += data
            ended = True
            await link.aclose()
        except (LinkFailed, trio.BrokenResourceError):
            nursery.cancel_scope.cancel()
    whole = b"".join(sent)
    assert whole.startswith(arrived)
    assert (arrived == whole) if ended else harm is not None


async def test_what_one_side_said_is_not_taken_from_the_other():
    """A router that gives a node its own bytes back."""
    near, far = await channels()
    link = await seal(near, KEY)
    said = await far.receive()
    await far.send(said)
    with pytest.raises(trio.BrokenResourceError, match="did not write there"):
        await link.receive()


async def test_an_end_without_a_goodbye_is_a_cut():
    near, far = await channels()
    link = await seal(near, KEY)
    await far.aclose()
    with pytest.raises(trio.BrokenResourceError, match="without a goodbye"):
        await link.receive()
    await link.aclose()


async def test_a_send_that_was_cut_short_ends_the_link():
    client, server = await pair()
    with trio.move_on_after(1):
        await server.send(b"x" * 1_000_000)
    with pytest.raises(trio.BrokenResourceError, match="cut short"):
        await server.send(b"more")
    await server.aclose()
    with pytest.raises(trio.BrokenResourceError):
        await everything(client)


async def test_closing_does_not_wait_for_a_side_that_does_not_read():
    _client, server = await pair()
    with trio.move_on_after(1):
        while True:
            await server._channel.send(b"x" * 65536)
    began = trio.current_time()
    await server.aclose()
    assert trio.current_time() - began <= CLOSE_SECONDS
