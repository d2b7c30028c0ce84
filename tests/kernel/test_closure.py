"""Children that are functions of their parent (PROTOCOL 5.1, `Spawn!`)."""

from __future__ import annotations

import pytest

from kernel.address import Address
from kernel.errors import SpawnError, SpawnErrorKind
from kernel.message import OnExit
from kernel.syscalls import current
from tests.support.kernel_node import kernel_node, pid_of


async def test_a_function_runs_as_a_process_of_its_own():
    found: list[Address] = []
    async with kernel_node() as node:
        parent = await node.puppet("parent")

        async def child(our: Address) -> None:
            found.append(our)
            assert current().can_message(parent.address)
            await current().receive()
            raise RuntimeError("a crash of its own")

        pid = await parent.do(lambda calls: calls.spawn("child", child, OnExit.none(), public=True))
        await node.settle()
        assert found == [Address(parent.address.node, pid)]
        await parent.send(found[0])
        await node.settle()
        assert node.causes(pid) == ["CRASH"]
        assert node.causes(parent) == []


@pytest.mark.parametrize("on_exit", [OnExit.restart(), OnExit.requests(())])
async def test_it_cannot_be_asked_to_start_again(on_exit):
    async def child(our: Address) -> None:
        await current().receive()

    async with kernel_node() as node:
        parent = await node.puppet("parent")
        with pytest.raises(SpawnError, match="file of its own") as caught:
            await parent.do(lambda calls: calls.spawn("child", child, on_exit))
        assert caught.value.kind is SpawnErrorKind.BadProgram
        assert node.kernel.router.find(pid_of("child")) is None


async def test_nor_can_it_ask_for_that_itself():
    told: list[str] = []

    async def child(our: Address) -> None:
        try:
            current().set_on_exit(OnExit.restart())
        except ValueError as error:
            told.append(str(error))
        current().set_on_exit(OnExit.none())
        await current().receive()

    async with kernel_node() as node:
        parent = await node.puppet("parent")
        pid = await parent.do(lambda calls: calls.spawn("child", child, OnExit.none()))
        await node.settle()
        assert "file of its own" in told[0]
        assert await node.store.crash().scan("processes") == []
        assert node.kernel.router.find(pid) is not None
