"""A task has the same name in a run and in its replay, whoever steps first."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import trio

from kernel.address import Address, ProcessId
from kernel.syscalls import current
from runtime.record.tasks import Actor, TaskNames
from tests.support.kernel_node import kernel_node


@contextmanager
def naming() -> Iterator[TaskNames]:
    names = TaskNames()
    trio.lowlevel.add_instrument(names)
    yield names
    trio.lowlevel.remove_instrument(names)


async def test_tasks_of_nurseries_are_named_as_they_are_started():
    """And not as they step: events wake them in any order."""
    said: dict[str, object] = {}

    async with kernel_node() as node:
        with naming() as names:

            async def task(number: int, go: trio.Event) -> None:
                await go.wait()
                said[f"task {number}"] = names.actor()

            async def child() -> None:
                said["child"] = names.actor()

            async def init(our: Address) -> None:
                names.begin(our.process, 0)
                go = trio.Event()
                async with trio.open_nursery() as nursery:
                    for number in range(3):
                        nursery.start_soon(task, number, go)
                    go.set()
                said["main"] = names.actor()
                await current().receive()

            pid = ProcessId("a", "test", "test")
            names.started(pid)
            await node.start("a", init)
            assert said == {
                "task 0": (pid, "1.n1"),
                "task 1": (pid, "1.n2"),
                "task 2": (pid, "1.n3"),
                "main": (pid, "1.0"),
            }


async def test_a_child_is_named_by_its_number_and_each_run_anew():
    said: list[Actor | None] = []
    async with kernel_node() as node:
        with naming() as names:

            async def child() -> None:
                names.begin(current().our.process, 1)
                said.append(names.actor())

            async def init(our: Address) -> None:
                names.started(our.process)
                names.begin(our.process, 0)
                said.append(names.actor())
                current().start_soon(child)
                await current().receive()

            for _ in range(2):
                process = await node.start("a", init)
                await node.kill(process.pid)
            assert [found and found[1] for found in said] == ["1.0", "1.1", "2.0", "2.1"]


async def test_code_before_init_belongs_to_the_main_task():
    said: list[object] = []
    async with kernel_node() as node:
        with naming() as names:

            async def init(our: Address) -> None:
                names.started(our.process)
                said.append(names.actor())

            process = await node.start("a", init)
            assert said == [(process.pid, "1.0")]


async def test_nobody_acts_in_modules_and_outside_of_processes():
    said: list[object] = []
    async with kernel_node() as node:
        with naming() as names:
            names.modules[ProcessId("module", "sys", "nectar")] = None

            async def init(our: Address) -> None:
                said.append(names.actor())
                await current().receive()

            node.kernel.add_module(ProcessId("module", "sys", "nectar"), init, public=True)
            await node.settle()
            said.append(names.actor())
            assert said == [None, None]
