"""Links that http_server brings and net:sys:nectar takes, which may be killed in between."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from kernel.exits import ExitCause
from runtime.links.frame_stream import FrameStream
from runtime.links.link import begin
from runtime.links.tls import client_context
from runtime.registered_keys import RegisteredKeys
from runtime.sim.registry import MemoryRegistry
from sys_processes.net import process as net
from sys_processes.net.protocol import NET
from tests.support.kernel_node import make_kernel
from tests.support.link_host import make_links
from tests.support.net_world import identity_of
from tests.support.streams import connection


class At(trio.abc.Instrument):
    """Does it before one step of some task, counted from when it was made."""

    def __init__(self, step: int, do) -> None:
        self.left = step
        self.do = do

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.left -= 1
        if self.left == 0:
            self.do()


async def killed_at(step: int, how: str) -> bool:
    """Somebody comes, and the carrier or who serves him is killed before that step: whether it came to that."""
    links, registry = make_links("bob.uq"), MemoryRegistry()
    keys = RegisteredKeys("bob.uq", identity_of("bob.uq"), registry)
    kernel = make_kernel(node="bob.uq", keys=keys).kernel
    client, server = connection()
    served = trio.Event()

    door = trio.CancelScope()

    async def serve() -> None:
        with door:
            await links.serve(server, b"")
        await trio.aclose_forcefully(server)
        served.set()

    async def come() -> None:
        try:
            link = await begin(FrameStream(client, b"", client=True), client_context(), server=False)
            while await link.receive():
                pass
        except trio.BrokenResourceError:
            pass
        await trio.aclose_forcefully(client)

    async with trio.open_nursery() as nursery:
        await nursery.start(kernel.run)
        carrier = kernel.add_module(NET, net.make(links, registry, keys), public=False)
        await trio.testing.wait_all_tasks_blocked()
        children = len(carrier.children)

        def kill() -> None:
            if how == "asked":
                kernel.lifecycle.ask_end(carrier, ExitCause.KILLED)
            elif how == "cancelled":
                carrier.scope.cancel()
            else:
                door.cancel()

        at = At(step, kill)
        trio.lowlevel.add_instrument(at)
        nursery.start_soon(serve)
        nursery.start_soon(come)
        with trio.fail_after(60):
            await served.wait()
        trio.lowlevel.remove_instrument(at)
        await trio.testing.wait_all_tasks_blocked()
        assert links._unfinished == 0
        assert how != "door" or len(carrier.children) == children
        nursery.cancel_scope.cancel()
    links.close()
    return at.left <= 0


@pytest.mark.parametrize("how", ["asked", "cancelled", "door"])
async def test_a_link_is_never_left_alone_wherever_one_of_its_two_processes_is_killed(how):
    step = 1
    while step < 400 and await killed_at(step, how):
        step += 1
    assert step > 30
