"""How long processes ran, measured while somebody wants to know."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from kernel.debug import AskTimeUsed
from kernel.syscalls import Syscalls
from kernel.turn_times import TurnTimes
from tests.kernel.test_inspection import look
from tests.kernel.test_kernel_commands import commanded
from tests.support.kernel_node import KernelNode, Puppet, kernel_node, pid_of


async def works(puppet: Puppet, seconds: float) -> None:
    """Computes for so long, without a wait."""

    def step(_calls: Syscalls) -> None:
        clock = trio.lowlevel.current_clock()
        assert isinstance(clock, trio.testing.MockClock)
        clock.jump(seconds)

    await puppet.do(step)


def used(times: TurnTimes, node: KernelNode) -> dict[str, float]:
    found = times.used(node.kernel.router.processes)
    return {pid.process: pytest.approx(seconds) for pid, seconds in found.items()}


async def test_time_counts_for_the_process_that_ran_and_only_while_it_is_measured():
    async with kernel_node() as node:
        a, b = await node.puppets("a", "b")
        times = TurnTimes(node.kernel.node)
        await works(a, 1)
        assert used(times, node) == {"a": 0, "b": 0}
        times.measure(60)
        await works(a, 2)
        await works(b, 3)
        await works(a, 4)
        assert used(times, node) == {"a": 6, "b": 3}


async def test_tasks_of_a_process_count_for_it():
    async with kernel_node() as node:
        (a,) = await node.puppets("a")
        times = TurnTimes(node.kernel.node)
        times.measure(60)

        async def child() -> None:
            clock = trio.lowlevel.current_clock()
            assert isinstance(clock, trio.testing.MockClock)
            clock.jump(5)

        await a.do(lambda calls: calls.start_soon(child))
        assert used(times, node) == {"a": 5}


async def test_measuring_ends_by_itself_unless_somebody_asks_again():
    async with kernel_node() as node:
        (a,) = await node.puppets("a")
        times = TurnTimes(node.kernel.node)
        times.measure(10)
        times.measure(20)
        await works(a, 15)
        await works(a, 15)
        assert used(times, node) == {"a": 30}
        await works(a, 15)
        assert used(times, node) == {"a": 30}
        with pytest.raises(KeyError):
            trio.lowlevel.remove_instrument(times)
        times.measure(1)
        await works(a, 7)
        assert used(times, node) == {"a": 37}


async def test_what_waits_uses_no_time():
    async with kernel_node() as node:
        (a,) = await node.puppets("a")
        times = TurnTimes(node.kernel.node)
        times.measure(1000)
        await a.do(lambda calls: calls.sleep(100))
        assert used(times, node) == {"a": 0}


async def test_who_ended_is_forgotten():
    async with kernel_node() as node:
        a, _ = await node.puppets("a", "b")
        times = TurnTimes(node.kernel.node)
        times.measure(60)
        await works(a, 1)
        await node.kill(a)
        assert used(times, node) == {"b": 0}


async def test_nodes_of_one_run_count_their_own_processes():
    async with kernel_node(node="one.dev") as one, kernel_node(node="two.dev") as two:
        here, there = await one.puppet("a"), await two.puppet("a")
        times = TurnTimes("one.dev")
        times.measure(60)
        await works(here, 1)
        await works(there, 2)
        assert used(times, one) == {"a": 1}


async def test_the_kernel_tells_it_with_its_clock():
    async with commanded() as (node, operator):
        a = await node.puppet("a")
        before = await look(operator, AskTimeUsed(60))
        await works(a, 3)
        after = await look(operator, AskTimeUsed(60))
        assert after.at - before.at == pytest.approx(3)
        assert after.processes[pid_of("a")] - before.processes[pid_of("a")] == pytest.approx(3)
        assert set(after.processes) == set(node.kernel.router.processes)
