"""The process that does what a test wants done on a node."""

from __future__ import annotations

import pytest
import trio

from kernel.message import Payload
from runtime.sim.mover import MOVER, NodeDown
from tests.support.worlds import echo, passes, silent


def test_several_questions_are_open_at_once():
    async def asks(w):
        node = await w.node("alice.nec", [echo, silent])
        got = []

        async def ask(number):
            got.append((await node.ask("echo", b"%d" % number, Payload(None, b"p"))).ipc)

        async def ask_nobody():
            with pytest.raises(NodeDown):
                await node.ask("silent", b"?", seconds=1000)
            got.append(b"down")

        w.start_soon(ask_nobody)
        for number in range(5):
            w.start_soon(ask, number)
        await w.until(lambda: len(got) == 5)
        node.crash()
        await w.until(lambda: len(got) == 6)
        assert sorted(got) == [b"0", b"1", b"2", b"3", b"4", b"down"]

    passes(asks)


def test_what_a_step_raises_comes_back_and_the_process_goes_on():
    async def acts(w):
        node = await w.node("alice.nec", [echo])

        def fail(calls):
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await node.act(fail)
        assert await node.act(lambda calls: calls.our.process) == MOVER
        assert (await node.ask("echo", b"x")).ipc == b"x"

    passes(acts)


def test_it_hears_what_is_sent_to_it():
    async def hears(w):
        alice, bob = await w.node("alice.nec"), await w.node("bob.nec")
        await alice.act(lambda calls: None)
        await bob.send(alice.address(MOVER), b"hello")
        await w.settle()
        (message,) = alice.heard
        assert message.ipc == b"hello"

    passes(hears)


def test_a_killed_one_is_made_again():
    async def kills(w):
        node = await w.node("alice.nec", [silent, echo])

        async def ask():
            with pytest.raises(NodeDown):
                await node.ask("silent", seconds=1000)
            ended.set()

        ended = trio.Event()
        w.start_soon(ask)
        await w.sleep(1)
        await node.kill(MOVER)
        await ended.wait()
        assert (await node.ask("echo", b"x")).ipc == b"x"

    passes(kills)
