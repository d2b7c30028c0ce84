"""The plainest network: the same delay for everybody, and links that end with their node."""

from __future__ import annotations

import pytest
import trio

from runtime.sim.boot import record_of
from runtime.sim.plain_net import DELAY, PlainNet
from sys_processes.devices import LinkFailed


async def linked():
    net = PlainNet()
    alice, bob = record_of("alice.nec", 1), record_of("bob.nec", 1)
    ours = net.links_of("alice.nec", str(alice.address), alice.public_key)
    theirs = net.links_of("bob.nec", str(bob.address), bob.public_key)
    near = await ours.dial(bob)
    return net, ours, near, await theirs.accept(), bob


async def test_bytes_take_the_delay():
    _, _, near, far, bob = await linked()
    begun = trio.current_time()
    await near.send(b"hi")
    assert await far.receive() == b"hi"
    assert trio.current_time() - begun == pytest.approx(DELAY)
    assert near.proven_key == bob.public_key


async def test_a_crash_cuts_both_ends_and_nobody_gets_in():
    net, ours, near, far, bob = await linked()
    net.crash("bob.nec")
    for link in (near, far):
        with pytest.raises(trio.BrokenResourceError):
            await link.receive()
    with pytest.raises(LinkFailed):
        await ours.dial(bob)
    assert net.in_flight_count() == 0


async def test_a_machine_that_is_lost_tells_nobody_until_it_is_back():
    net, ours, near, _, bob = await linked()
    net.crash("bob.nec", silent=True)
    await near.send(b"hello?")
    with trio.move_on_after(100) as waited:
        await near.receive()
    assert waited.cancelled_caught
    with trio.move_on_after(100) as waited:
        await ours.dial(bob)
    assert waited.cancelled_caught
    theirs = net.links_of("bob.nec", str(bob.address), bob.public_key)
    again = await ours.dial(bob)
    await again.send(b"hi")
    assert await (await theirs.accept()).receive() == b"hi"
