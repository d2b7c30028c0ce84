"""Who waits for whom, for people."""

from __future__ import annotations

import trio

from runtime.sim.run import run
from tests.support.worlds import echo, silent
from userland.process_lib import Request, Response, await_message


async def relay(our):
    """Passes on what it is asked to `silent`, which owes the answer from then on."""
    while True:
        message = await await_message()
        if message.is_request():
            Request().target((our.node, "silent", "world", "sim")).ipc(message.ipc).inherit(True).send()
        else:
            Response().ipc(message.ipc).send()


async def seen(w):
    """What the test that asks is said to wait for, by a task beside it."""
    lines = []

    async def look(test):
        lines.extend(w.waiting(test))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(look, trio.lowlevel.current_task())
    return lines


def test_every_open_request_names_who_has_it():
    async def waits(w):
        alice, bob = await w.node("alice.nec", [echo, silent, relay]), await w.node("bob.nec")
        carol = await w.node("carol.nec")
        await alice.send("relay", b"passed on", seconds=1000)
        await bob.send(alice.address("silent"), b"far", seconds=1000)
        await w.sleep(1)
        carol.crash()
        bob.pause()
        lines = await seen(w)
        assert lines[0].startswith("the test waits in seen (")
        assert "bob.nec is paused" in lines
        assert "carol.nec is down" in lines
        assert (
            "alice.nec@test:world:sim waits for alice.nec@relay:world:sim to answer b'passed on'; "
            in "\n".join(lines)
        )
        assert "alice.nec@silent:world:sim has the request" in "\n".join(lines)
        assert any("waits for alice.nec@silent:world:sim to answer b'far'" in line for line in lines)
        assert "wait for a message: " in lines[-1]

    report = run(waits)
    if report.error is not None:
        raise report.error


def test_a_test_without_lines_of_its_own_is_not_mentioned():
    async def waits(w):
        await w.node("alice.nec", [echo])
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            await trio.testing.wait_all_tasks_blocked()
            (task,) = nursery.child_tasks
            assert not any(line.startswith("the test waits") for line in w.waiting(task))
            nursery.cancel_scope.cancel()
        await w.nodes["alice.nec"].ask("echo", b"hi")

    report = run(waits)
    if report.error is not None:
        raise report.error
